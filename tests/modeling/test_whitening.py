"""Whitening of a retriever's space."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modeling_samples import clip_config
from sklearn.decomposition import PCA
from torch.nn.functional import normalize
from transformers import BertConfig

from transformers_ggm import HashtagRetriever, HashtagRetrieverConfig
from transformers_ggm.errors import InputError
from transformers_ggm.modeling import Whitening

DIM = 6


def vectors(count=300, dim=DIM, seed=0, shift=0.5):
    """Unit vectors that vary along some directions more than along others, and not about zero."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, dim, generator=generator) @ torch.randn(dim, dim, generator=generator)
    return normalize(mixed + shift, dim=-1)


def test_whole_power_is_that_of_principal_components():
    """Would fail if the map were not the whitening of scikit-learn's principal components, in their order."""
    of_hashtags = vectors()
    whitening = Whitening(DIM)
    whitening.fit({"hashtag": of_hashtags, "description": of_hashtags}, power=1.0)
    reference = normalize(torch.from_numpy(PCA(whiten=True).fit_transform(of_hashtags.double().numpy())), dim=-1)
    ours = whitening(of_hashtags, "hashtag").double()
    signs = (ours * reference).sum(dim=0).sign()
    torch.testing.assert_close(ours, reference * signs, atol=1e-4, rtol=1e-3)


def test_power_of_nothing_takes_off_the_mean_of_each_kind():
    """Would fail if descriptions were centred by the mean of hashtags, or distances were changed otherwise."""
    of_hashtags, of_texts = vectors(seed=1), vectors(seed=2, shift=-0.3)
    whitening = Whitening(DIM)
    whitening.fit({"hashtag": of_hashtags, "description": of_texts}, power=0.0)
    ours = whitening(of_texts, "description") @ whitening(of_hashtags, "hashtag").T
    expected = normalize(of_texts - of_texts.mean(0), dim=-1) @ normalize(of_hashtags - of_hashtags.mean(0), dim=-1).T
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


@given(st.floats(0, 1), st.integers(0, 100))
def test_vectors_have_length_one_and_missing_ones_stay_zeros(power, seed):
    """Would fail if a row without a clip were given a direction, or counted for the mean."""
    some = torch.cat([vectors(20, seed=seed), torch.zeros(3, DIM)])
    whitening, without = Whitening(DIM), Whitening(DIM)
    whitening.fit({"hashtag": some}, power)
    without.fit({"hashtag": some[:20]}, power)
    found = whitening(some, "hashtag")
    torch.testing.assert_close(found.norm(dim=-1), torch.tensor([1.0] * 20 + [0.0] * 3))
    assert torch.equal(found, without(some, "hashtag"))
    # Texts that no query was made of are encoded as hashtags are.
    assert torch.equal(found, whitening(some, "description"))


def test_directions_in_which_nothing_varies_are_left_out():
    """Would fail if rounding were blown up where fewer vectors are than numbers, as with few hashtags."""
    few = vectors(3)
    whitening = Whitening(DIM)
    whitening.fit({"hashtag": few}, power=1.0)
    assert whitening.matrix.abs().max() <= 1.001
    assert (whitening.matrix.abs().sum(dim=0) > 0).tolist() == [True, True, False, False, False, False]
    assert whitening(few, "hashtag").isfinite().all()


@pytest.mark.parametrize(
    ("of_hashtags", "power", "message"),
    [
        (vectors(), 1.5, "`power` is 1.5; give a number from 0 to 1"),
        (vectors(), float("nan"), "`power` is nan"),
        (vectors(1), 0.5, "1 hashtag vectors: a retriever's space is whitened by two or more"),
        (torch.zeros(9, DIM), 0.5, "0 hashtag vectors"),
    ],
)
def test_what_cannot_be_whitened_is_told(of_hashtags, power, message):
    """Would fail if a map of nothing were made."""
    with pytest.raises(InputError, match=message):
        Whitening(DIM).fit({"hashtag": of_hashtags}, power)


def make_retriever(query="video+text"):
    torch.manual_seed(0)
    if query != "text":
        return HashtagRetriever(HashtagRetrieverConfig(clip_config(), query=query)).eval()
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return HashtagRetriever(
        HashtagRetrieverConfig(BertConfig(vocab_size=50, **sizes), query="text", text_pooling="mean")
    ).eval()


def inputs(retriever, seed=1):
    torch.manual_seed(seed)
    ids = torch.randint(4, 40, (9, 6))
    ids[:, -1] = 3
    found = {"description_input_ids": ids, "description_attention_mask": torch.ones_like(ids)}
    if retriever.config.query_reads_video:
        found["pixel_values_videos"] = torch.randn(9, 2, 3, 16, 16)
    return found


def parts(retriever, given):
    """The vectors of hashtags and of what a query is made of."""
    ids = given["description_input_ids"]
    found = {"hashtag": retriever.get_hashtag_features(ids.flip(0)).pooler_output}
    found["description"] = retriever.get_description_features(ids).pooler_output
    if "pixel_values_videos" in given:
        found["video"] = retriever.get_video_features(given["pixel_values_videos"]).pooler_output
    return found


@pytest.mark.parametrize("query", ["video", "text", "video+text"])
@torch.no_grad()
def test_retriever_gives_whitened_vectors_of_all_kinds(query):
    """Would fail if a way to the vectors passed by the map, or what was whitened were whitened again."""
    retriever = make_retriever(query)
    given = inputs(retriever)
    before = parts(retriever, given)
    retriever.fit_whitening(before, power=0.5)
    after = parts(retriever, given)
    for kind, of_kind in before.items():
        assert torch.equal(after[kind], retriever.whitening(of_kind, kind))
        assert not torch.allclose(after[kind], of_kind, atol=1e-2)
    asked = {"video": ["video"], "text": ["description"], "video+text": ["video", "description"]}[query]
    expected = normalize(sum(after[kind] for kind in asked), dim=-1)
    torch.testing.assert_close(retriever.get_query_features(**given).pooler_output, expected)
    outputs = retriever(**given, input_ids=given["description_input_ids"].flip(0))
    torch.testing.assert_close(outputs.video_embeds, expected)
    assert torch.equal(outputs.hashtag_embeds, after["hashtag"])
    retriever.remove_whitening()
    assert all(torch.equal(of_kind, before[kind]) for kind, of_kind in parts(retriever, given).items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_whitening_is_saved_and_belongs_to_the_fingerprint(tmp_path, dtype):
    """Would fail if a loaded retriever had another space, or a pool of the space before were taken for its own."""
    retriever = make_retriever()
    given = inputs(retriever)
    plain = retriever.fingerprint()
    retriever.fit_whitening(parts(retriever, given), power=0.5)
    expected = retriever.get_query_features(**given).pooler_output
    assert retriever.fingerprint() != plain
    retriever.save_pretrained(tmp_path)
    loaded = HashtagRetriever.from_pretrained(tmp_path, dtype=dtype)
    assert loaded.config.whitening_power == 0.5 and loaded.whitening.matrix.dtype == dtype
    assert loaded.fingerprint() == retriever.fingerprint()
    found = loaded.get_query_features(**given).pooler_output.float()
    assert (found * expected).sum(dim=-1).min() > (0.9999 if dtype == torch.float32 else 0.99)


def test_weights_without_a_whitening_are_not_whitened(tmp_path):
    """Would fail if the map were left as memory happened to be where a checkpoint has none."""
    make_retriever().save_pretrained(tmp_path)
    loaded = HashtagRetriever.from_pretrained(tmp_path, whitening_power=0.5)
    assert torch.equal(loaded.whitening.matrix, torch.eye(loaded.config.projection_dim))
    assert not loaded.whitening.video_mean.any()


@pytest.mark.parametrize("power", [-0.1, 1.01, float("nan")])
def test_power_out_of_range_is_refused_by_the_configuration(power):
    """Would fail if it came out only where a space is whitened."""
    with pytest.raises(ValueError, match="`whitening_power` must be from 0 to 1"):
        HashtagRetrieverConfig(whitening_power=power)
