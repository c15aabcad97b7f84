"""The retriever: vectors of videos and hashtags, its loss, and the fingerprint of its weights."""

import copy
import json

import numpy as np
import pytest
import torch
from modeling_samples import (
    VISION_CONFIGS,
    VOCAB_SIZE,
    checkpoint_activations,
    clip_config,
    randomize,
    same_tensors,
    siglip_config,
)
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    CLIPConfig,
    CLIPModel,
    SiglipModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTModel,
)
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from transformers_ggm import HashtagRetriever, HashtagRetrieverConfig
from transformers_ggm.errors import CheckpointError, InputError
from transformers_ggm.modeling import hashtag_contrastive_loss


def dual_encoder_config():
    text = BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    return VisionTextDualEncoderConfig(
        vision_config=VISION_CONFIGS["vit"].to_dict(), text_config=text.to_dict(), projection_dim=20
    )


BACKBONES = {
    "clip": (CLIPModel, clip_config, 12),
    "siglip": (SiglipModel, siglip_config, 24),
    "dual encoder": (VisionTextDualEncoderModel, dual_encoder_config, 20),
}


def make_retriever(kind="clip", **kwargs) -> HashtagRetriever:
    model = HashtagRetriever(HashtagRetrieverConfig(BACKBONES[kind][1](), **kwargs)).eval()
    scale = model.logit_scale.detach().clone()
    randomize(model, 0.3)
    model.logit_scale.data.copy_(scale)
    return model


def make_inputs(batch_size=3, frames=2, length=6):
    ids = torch.randint(4, VOCAB_SIZE, (batch_size, length))
    ids[:, -1] = 3
    return {
        "pixel_values_videos": torch.randn(batch_size, frames, 3, 16, 16),
        "frame_mask": torch.ones(batch_size, frames, dtype=torch.long),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
    }


def unit_vectors(count, dim=8):
    return torch.nn.functional.normalize(torch.randn(count, dim), dim=-1)


@pytest.mark.parametrize("kind", BACKBONES)
def test_projection_dim(kind):
    """Else a pool would be made for vectors of another width than the retriever's."""
    model, inputs = make_retriever(kind), make_inputs()
    output = model(**inputs)
    assert model.config.projection_dim == BACKBONES[kind][2]
    assert output.video_embeds.shape == output.hashtag_embeds.shape == (3, model.config.projection_dim)


@pytest.mark.contract
@pytest.mark.parametrize("kind", BACKBONES)
def test_features_are_the_backbones(kind):
    """Else a video's vector would not be the mean of its frames' vectors, or a hashtag's not its text's."""
    model, inputs = make_retriever(kind), make_inputs(frames=3)
    inputs["frame_mask"][1, 2:] = 0
    with torch.no_grad():
        video, hashtag = model(**inputs).video_embeds, model(**inputs).hashtag_embeds
        for row, frames, mask in zip(video, inputs["pixel_values_videos"], inputs["frame_mask"]):
            vectors = model.backbone.get_image_features(pixel_values=frames[mask.bool()]).pooler_output
            mean = (vectors / vectors.norm(dim=-1, keepdim=True)).mean(0)
            torch.testing.assert_close(row, mean / mean.norm(), atol=1e-5, rtol=1e-5)
        vectors = model.backbone.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
        torch.testing.assert_close(hashtag, vectors / vectors.norm(dim=-1, keepdim=True), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [0.0, 1e4, float("nan")])
def test_padding_changes_nothing(padding):
    """Else a video's nearest hashtags would depend on the videos beside it, or on what its padding holds."""
    model, inputs = make_retriever(), make_inputs()
    padded = torch.cat([inputs["pixel_values_videos"], torch.full((3, 2, 3, 16, 16), padding)], dim=1)
    mask = torch.cat([inputs["frame_mask"], torch.zeros(3, 2, dtype=torch.long)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(
            model.get_video_features(padded, mask).pooler_output,
            model.get_video_features(inputs["pixel_values_videos"]).pooler_output,
            atol=1e-5,
            rtol=1e-5,
        )
        ids = torch.cat([inputs["input_ids"], torch.full((3, 2), 1)], dim=1)
        words = torch.cat([inputs["attention_mask"], torch.zeros(3, 2, dtype=torch.long)], dim=1)
        torch.testing.assert_close(
            model.get_hashtag_features(ids, words).pooler_output,
            model.get_hashtag_features(inputs["input_ids"]).pooler_output,
            atol=1e-5,
            rtol=1e-5,
        )


def test_video_without_frames():
    """Else a row without a video would be NaN, and its gradient would make every weight NaN."""
    model, inputs = make_retriever(), make_inputs()
    inputs["frame_mask"][1] = 0
    output = model(**inputs, return_loss=True)
    assert not output.video_embeds[1].any()
    output.loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_loss_is_clips():
    """Else training without known false negatives would not be CLIP's."""
    model, inputs = make_retriever(), make_inputs(batch_size=5, frames=1)
    output = model(**inputs, return_loss=True)
    clip = model.backbone
    clip.logit_scale.data.copy_(model.logit_scale)
    theirs = clip(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        pixel_values=inputs["pixel_values_videos"][:, 0],
        return_loss=True,
    )
    torch.testing.assert_close(output.loss, theirs.loss)
    similarity = output.logit_scale * output.hashtag_embeds @ output.video_embeds.T
    torch.testing.assert_close(output.loss, image_text_contrastive_loss(similarity))
    own_pairs = torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(model(**inputs, is_true=own_pairs, return_loss=True).loss, output.loss)


def test_loss_with_false_negatives_is_the_written_sum():
    """Else a hashtag that is true of a video would be counted among those it must be told apart from."""
    videos, hashtags, scale = unit_vectors(4), unit_vectors(4), torch.tensor(7.0)
    is_true = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 1]]).bool()
    total = torch.tensor(0.0)
    for i in range(4):
        own = scale * videos[i] @ hashtags[i]
        others = [j for j in range(4) if j != i and not is_true[i, j]]
        total += torch.stack([own, *(scale * videos[i] @ hashtags[j] for j in others)]).logsumexp(0) - own
        others = [j for j in range(4) if j != i and not is_true[j, i]]
        total += torch.stack([own, *(scale * videos[j] @ hashtags[i] for j in others)]).logsumexp(0) - own
    torch.testing.assert_close(hashtag_contrastive_loss(videos, hashtags, scale, is_true), total / 8)


def test_true_hashtag_of_another_row_is_not_pushed_away():
    """
    Else training would push a video from a hashtag that is true of it: here the only pairs that could are masked.
    """
    videos, hashtags = unit_vectors(3).requires_grad_(), unit_vectors(3).requires_grad_()
    is_true = torch.eye(3, dtype=torch.bool)
    is_true[0, 1:] = True  # both other hashtags are true of video 0
    is_true[1:, 0] = True  # and hashtag 0 is true of both other videos
    hashtag_contrastive_loss(videos, hashtags, torch.tensor(5.0), is_true).backward()
    # Nothing is left to tell video 0 and hashtag 0 apart from, so neither is moved; the others still are.
    assert not videos.grad[0].any() and not hashtags.grad[0].any()
    assert videos.grad[1].any() and hashtags.grad[2].any()


def test_is_true_is_not_changed():
    """Else the caller's mask would lose its diagonal and the next use of it would be wrong."""
    is_true = torch.ones(3, 3, dtype=torch.bool)
    hashtag_contrastive_loss(unit_vectors(3), unit_vectors(3), torch.tensor(1.0), is_true)
    assert is_true.all()


def test_temperature_is_learned_up_to_its_limit():
    """Else the temperature would stay where it started, or grow until training falls apart."""
    model, inputs = make_retriever(max_inverse_temperature=20.0), make_inputs()
    output = model(**inputs, return_loss=True)
    torch.testing.assert_close(output.logit_scale, torch.tensor(2.6592).exp())
    output.loss.backward()
    assert model.logit_scale.grad.abs() > 0
    model.logit_scale.data.fill_(10.0)
    assert model(**inputs).logit_scale == 20.0


def test_gradient_reaches_every_trainable_parameter():
    """Else distributed training would stop at a parameter without a gradient, such as the backbone's temperature."""
    for kind in ("clip", "siglip"):
        model = make_retriever(kind)
        model(**make_inputs(), return_loss=True).loss.backward()
        assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.contract
@pytest.mark.parametrize("kind", BACKBONES)
def test_comes_back_as_it_was(tmp_path, kind):
    """Else a trained retriever would be silently initialised anew when it is loaded."""
    model = make_retriever(kind)
    model.logit_scale.data.fill_(3.25)
    model.save_pretrained(tmp_path)
    for loader in (HashtagRetriever, AutoModel):
        loaded, info = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert type(loaded) is HashtagRetriever
        assert not info["missing_keys"] and not info["unexpected_keys"]
        assert same_tensors(loaded, model)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, HashtagRetrieverConfig)
    assert type(config.backbone_config) is type(model.config.backbone_config)
    assert config.projection_dim == model.config.projection_dim
    assert HashtagRetrieverConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()


@pytest.mark.contract
@pytest.mark.parametrize("kind", BACKBONES)
def test_from_backbone(tmp_path, kind):
    """Else a pretrained dual encoder would lose weights or its temperature on the way into the retriever."""
    model_class, config, _ = BACKBONES[kind]
    source = randomize(model_class(config()))
    source.logit_scale.data.fill_(1.5)
    source.save_pretrained(tmp_path)
    model = HashtagRetriever.from_backbone_pretrained(str(tmp_path))
    assert same_tensors(model.backbone, source)
    assert model.logit_scale.item() == 1.5
    assert model.logit_scale.shape == ()
    fixed = HashtagRetriever.from_backbone_pretrained(str(tmp_path), logit_scale_init_value=2.0)
    assert fixed.logit_scale.item() == 2.0
    source.half().save_pretrained(tmp_path)
    model = HashtagRetriever.from_backbone_pretrained(str(tmp_path))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_from_no_dual_encoder(tmp_path):
    """Else a picture encoder alone would be taken, and fail only when the first hashtag is encoded."""
    ViTModel(VISION_CONFIGS["vit"]).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="dual encoder"):
        HashtagRetriever.from_backbone_pretrained(str(tmp_path))
    with pytest.raises(CheckpointError, match="nowhere"):
        HashtagRetriever.from_backbone_pretrained(str(tmp_path / "nowhere"))


def test_default_configuration():
    """Else a retriever without arguments would not be a CLIP."""
    config = HashtagRetrieverConfig()
    assert isinstance(config.backbone_config, CLIPConfig)
    assert config.projection_dim == 512
    assert HashtagRetrieverConfig(backbone_config={"model_type": "siglip"}).projection_dim == 768


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("saved_in", [torch.float32, torch.float16])
def test_fingerprint_survives_saving_and_loading(tmp_path, dtype, saved_in):
    """Else a retriever would be refused by its own pool."""
    model = make_retriever()
    expected = model.fingerprint()
    assert expected == model.fingerprint() == copy.deepcopy(model).fingerprint()
    model.to(saved_in).save_pretrained(tmp_path)
    loaded = HashtagRetriever.from_pretrained(tmp_path, dtype=dtype)
    assert loaded.dtype == dtype
    assert loaded.fingerprint() == loaded.config.fingerprint == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_fingerprint_tells_weights_apart(tmp_path, dtype):
    """Else a pool of another retriever would be taken for one's own."""
    model = make_retriever()
    model.save_pretrained(tmp_path)
    model = HashtagRetriever.from_pretrained(tmp_path, dtype=dtype)
    seen = {model.fingerprint()}
    parameters = dict(model.named_parameters())
    for name in ("logit_scale", "backbone.visual_projection.weight", "backbone.text_model.final_layer_norm.bias"):
        parameters[name].data.view(-1)[0] += 0.25
        seen.add(model.fingerprint())
    assert len(seen) == 4


def test_fingerprint_of_a_rounded_model_that_is_widened_again(tmp_path):
    """Would fail if a checkpoint in bfloat16 did not know its pool on a processor that computes in float32."""
    model = randomize(HashtagRetriever(HashtagRetrieverConfig(clip_config())))
    expected = model.fingerprint()
    model.keep_fingerprint()
    model.bfloat16().save_pretrained(tmp_path)
    widened = HashtagRetriever.from_pretrained(tmp_path, dtype=torch.float32)
    assert widened.dtype == torch.float32 and widened.fingerprint() == expected
    widened.logit_scale.data *= 1 + 2**-11
    assert widened.fingerprint() != expected


def test_fingerprint_in_bfloat16_is_that_of_the_new_weights_after_training(tmp_path):
    """Else a model trained on in bfloat16 would be saved with the fingerprint of the one it started from."""
    make_retriever().save_pretrained(tmp_path)
    model = HashtagRetriever.from_pretrained(tmp_path, dtype=torch.bfloat16)
    model.backbone.visual_projection.weight.data += 0.5
    model.save_pretrained(tmp_path / "new")
    fingerprints = {
        HashtagRetriever.from_pretrained(tmp_path / "new", dtype=dtype).fingerprint()
        for dtype in (torch.bfloat16, torch.float32)
    }
    assert fingerprints == {model.fingerprint()}
    assert model.fingerprint() != HashtagRetriever.from_pretrained(tmp_path).fingerprint()


def step(model, **how):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, **how)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


CHANGES = {
    "in place": lambda model: torch.nn.init.zeros_(model.backbone.visual_projection.weight),
    "data": lambda model: model.logit_scale.data.add_(0.25),
    "numpy": lambda model: np.add(model.logit_scale.detach().numpy(), 0.25, out=model.logit_scale.detach().numpy()),
    "load_state_dict": lambda model: model.load_state_dict(
        {name: tensor + 0.25 if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()}
    ),
    "optimizer": step,
    "fused optimizer": lambda model: step(model, fused=True),
    "another type": lambda model: model.to(torch.bfloat16),
    "there and back": lambda model: model.to(torch.bfloat16).to(torch.float32),
    "another layer": lambda model: setattr(model.backbone, "text_projection", torch.nn.Linear(64, 32, bias=False)),
}


@pytest.mark.parametrize("how", CHANGES)
def test_fingerprint_notices_every_change(how):
    """Would fail if a fingerprint that was computed once were given for other weights, however they came."""
    model = randomize(make_retriever())
    before = model.fingerprint()
    CHANGES[how](model)
    after = model.fingerprint()
    assert before != after == copy.deepcopy(model).fingerprint()


def test_fingerprint_is_computed_once(monkeypatch):
    """Would fail if weights that stay as they are were hashed again, for instance whenever a hashtag is added."""
    digests, digest = [], HashtagRetriever._digest
    monkeypatch.setattr(HashtagRetriever, "_digest", lambda *given: digests.append(given) or digest(*given))
    model = make_retriever()
    expected = model.fingerprint()
    assert model.eval().fingerprint() == model.train().requires_grad_(False).fingerprint() == expected
    assert len(digests) == 1
    other = make_retriever()
    other.load_state_dict(model.state_dict())
    assert other.fingerprint() == expected and len(digests) == 2


def test_bfloat16_is_close_to_float32():
    """Else the retriever could not be run in half precision."""
    model, inputs = make_retriever(), make_inputs()
    expected = model(**inputs)
    output = model.to(torch.bfloat16)(**inputs)
    assert (output.video_embeds.float() * expected.video_embeds).sum(-1).min() > 0.99
    assert (output.hashtag_embeds.float() * expected.hashtag_embeds).sum(-1).min() > 0.99


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_attention_implementation_reaches_the_backbone(tmp_path, implementation):
    """Else a choice of kernel would hold for the shell only."""
    expected = make_retriever()
    expected.save_pretrained(tmp_path)
    model = HashtagRetriever.from_pretrained(tmp_path, attn_implementation=implementation)
    assert model.backbone.vision_model.config._attn_implementation == implementation
    assert model.backbone.text_model.config._attn_implementation == implementation
    inputs = make_inputs()
    torch.testing.assert_close(model(**inputs).video_embeds, expected(**inputs).video_embeds, atol=1e-5, rtol=1e-5)


def test_gradient_checkpointing():
    """Else saving memory would change what is learned, or no memory would be saved."""
    model, inputs, calls = make_retriever().train(), make_inputs(), []
    model.backbone.vision_model.encoder.layers[0].layer_norm1.register_forward_hook(lambda *_: calls.append(1))
    model(**inputs, return_loss=True).loss.backward()
    expected = model.backbone.visual_projection.weight.grad.clone()
    model.zero_grad()
    checkpoint_activations(model)
    model(**inputs, return_loss=True).loss.backward()
    assert len(calls) == 3
    torch.testing.assert_close(model.backbone.visual_projection.weight.grad, expected)


WITH_PADDING = ("clip", "dual encoder")  # SigLIP pools at the last position, which must be the same in every row


def description(length):
    """One description without padding, which ends where CLIP's text tower pools."""
    return torch.cat([torch.tensor([0]), torch.randint(4, VOCAB_SIZE, (length - 2,)), torch.tensor([3])])[None]


def query_rows():
    """Rows alone, unpadded: both, a video alone, a description alone, both of other lengths."""
    clips = [torch.randn(1, count, 3, 16, 16) for count in (2, 3, 1)]
    return [(clips[0], description(6)), (clips[1], None), (None, description(9)), (clips[2], description(3))]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@torch.no_grad()
def test_rows_without_frames_or_words_are_zero_in_every_dtype(dtype):
    """Would fail if zeros, divided by a length that rounds to zero, became NaN, as padding does in float16."""
    model = make_retriever(query="video+text").to(dtype)
    videos = torch.randn(2, 3, 3, 16, 16)
    videos[1] = 0
    masks = torch.tensor([[1, 1, 0], [0, 0, 0]]), torch.tensor([[1, 1], [0, 0]])
    vectors = model.get_query_features(videos, masks[0], torch.tensor([[5, 6], [0, 0]]), masks[1]).pooler_output
    assert vectors.isfinite().all() and not vectors[1].any()
    torch.testing.assert_close(vectors[0].float().norm(), torch.tensor(1.0), atol=1e-2, rtol=0)


def query_inputs(rows):
    """Arguments of `get_query_features` for some rows, padded to the longest."""
    num_frames = max((video.shape[1] for video, _ in rows if video is not None), default=0)
    length = max((words.shape[1] for _, words in rows if words is not None), default=2)
    inputs = {
        "frame_mask": torch.zeros(len(rows), num_frames, dtype=torch.long),
        "pixel_values_videos": torch.zeros(len(rows), num_frames, 3, 16, 16),
        "description_input_ids": torch.ones(len(rows), length, dtype=torch.long),
        "description_attention_mask": torch.zeros(len(rows), length, dtype=torch.long),
    }
    for i, (video, words) in enumerate(rows):
        if video is not None:
            inputs["pixel_values_videos"][i, : video.shape[1]] = video[0]
            inputs["frame_mask"][i, : video.shape[1]] = 1
        if words is not None:
            inputs["description_input_ids"][i, : words.shape[1]] = words[0]
            inputs["description_attention_mask"][i, : words.shape[1]] = 1
    if not num_frames:
        del inputs["pixel_values_videos"], inputs["frame_mask"]
    return inputs


def unit(vector):
    return vector / vector.norm()


def reference_vectors(model, row):
    """The unit vectors of a row's video and description by the backbone alone, `None` where there is none."""
    video, words = row
    with torch.no_grad():
        if video is not None:
            frames = model.backbone.get_image_features(pixel_values=video[0]).pooler_output
            video = unit(sum(unit(frame) for frame in frames) / len(frames))
        if words is not None:
            words = unit(model.backbone.get_text_features(words, torch.ones_like(words)).pooler_output[0])
    return video, words


@pytest.mark.parametrize("kind", WITH_PADDING)
def test_fused_query_is_the_normalised_sum(kind):
    """
    Else video and description would not weigh the same, or a row without one of them would not be the other alone.
    """
    model, rows = make_retriever(kind, query="video+text"), query_rows()
    with torch.no_grad():
        queries = model.get_query_features(**query_inputs(rows)).pooler_output
    for query, row in zip(queries, rows):
        present = [vector for vector in reference_vectors(model, row) if vector is not None]
        torch.testing.assert_close(query, unit(sum(present)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", WITH_PADDING)
def test_query_of_the_description(kind):
    """Else frames, or the padding of shorter descriptions, would change what a description is answered with."""
    model, rows = make_retriever(kind, query="text"), query_rows()
    with torch.no_grad():
        queries = model.get_query_features(**query_inputs(rows)).pooler_output
    for query, row in zip(queries, rows):
        _, words = reference_vectors(model, row)
        torch.testing.assert_close(query, torch.zeros_like(query) if words is None else words, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("query", ["video", "text", "video+text"])
@pytest.mark.parametrize("kind", WITH_PADDING)
def test_query_alone_and_in_a_batch(kind, query):
    """Else a row's hashtags would depend on the rows beside it, also where those have what it lacks."""
    model, rows = make_retriever(kind, query=query), query_rows()
    reads = {"video": slice(0, 1), "text": slice(1, 2), "video+text": slice(0, 2)}[query]
    rows = [row for row in rows if any(value is not None for value in row[reads])]
    with torch.no_grad():
        batch = model.get_query_features(**query_inputs(rows)).pooler_output
        alone = torch.cat([model.get_query_features(**query_inputs([row])).pooler_output for row in rows])
    torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-5)


def test_query_of_the_video_is_its_vector():
    """Else the published retriever would find other hashtags than before, or look at the description."""
    model, inputs = make_retriever(), query_inputs(query_rows())
    assert model.config.query == "video"
    expected = model.get_video_features(inputs["pixel_values_videos"], inputs["frame_mask"]).pooler_output
    assert torch.equal(model.get_query_features(**inputs).pooler_output, expected)
    hashtags = {name: value for name, value in make_inputs(4).items() if "ids" in name or name == "attention_mask"}
    assert torch.equal(model(**inputs, **hashtags).video_embeds, expected)


def test_loss_of_descriptions_alone():
    """
    Else a corpus without any clip could not be trained on, or its loss would be another than that of its queries.
    """
    model, inputs = make_retriever(query="text"), make_inputs(batch_size=4)
    del inputs["pixel_values_videos"], inputs["frame_mask"]
    queries = query_inputs([(None, description(length)) for length in (3, 9, 5, 6)])
    output = model(**inputs, **queries, return_loss=True)
    with torch.no_grad():
        hashtags = model.get_hashtag_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
        videos = model.get_description_features(*queries.values()).pooler_output
        similarity = output.logit_scale * hashtags @ videos.T
    torch.testing.assert_close(output.video_embeds, videos)
    torch.testing.assert_close(output.loss, image_text_contrastive_loss(similarity))


@pytest.mark.parametrize("query", ["text", "video+text"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", BACKBONES)
def test_gradient_of_descriptions(kind, implementation, query):
    """Else a row without words would make every weight NaN, or a trainable tower that no query reads go without."""
    model = make_retriever(kind, query=query)
    model.set_attn_implementation(implementation)
    rows = [*query_rows(), (torch.randn(1, 2, 3, 16, 16), None)]
    inputs = {**make_inputs(len(rows)), **query_inputs(rows)}
    output = model(**inputs, return_loss=True)
    assert output.video_embeds.isfinite().all()
    output.loss.backward()
    trainable = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert [name for name, gradient in trainable.items() if gradient is None] == []
    assert all(gradient.isfinite().all() for gradient in trainable.values())
    assert any(name.startswith("backbone.vision_model") for name in trainable) == (query == "video+text")


def test_query_without_its_inputs():
    """Else a retriever of descriptions would answer a clip alone with an error that does not say what it reads."""
    inputs = query_inputs(query_rows())
    videos = {name: inputs[name] for name in ("pixel_values_videos", "frame_mask")}
    with pytest.raises(InputError, match=r"query is 'text': pass `description_input_ids`\."):
        make_retriever(query="text").get_query_features(**videos)
    with pytest.raises(InputError, match=r"pass `pixel_values_videos` or `description_input_ids`\."):
        make_retriever(query="video+text").get_query_features()


@pytest.mark.parametrize("query", ["text", "video+text"])
def test_query_is_saved(tmp_path, query):
    """Else a retriever trained on descriptions would be asked by videos once it is loaded."""
    model, inputs = make_retriever(query=query), query_inputs(query_rows())
    model.save_pretrained(tmp_path)
    loaded = HashtagRetriever.from_pretrained(tmp_path)
    assert loaded.config.query == query and loaded.fingerprint() == model.fingerprint()
    torch.testing.assert_close(
        loaded.get_query_features(**inputs).pooler_output, model.get_query_features(**inputs).pooler_output
    )


def test_configuration_without_a_query(tmp_path):
    """Else retrievers saved before there was a choice could not be loaded, or would read descriptions."""
    model = make_retriever()
    model.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    assert content.pop("query") == "video"
    (tmp_path / "config.json").write_text(json.dumps(content))
    loaded = HashtagRetriever.from_pretrained(tmp_path)
    assert loaded.config.query == "video" and loaded.fingerprint() == model.fingerprint()


def test_unknown_query():
    """Else a misspelt query would be found out after hours of training."""
    with pytest.raises(ValueError, match=r"`query` must be one of .*'text\+video'"):
        HashtagRetrieverConfig(query="text+video")
