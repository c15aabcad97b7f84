"""The classifiers over a fixed set of hashtags: what they compute, learn, save and load."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import (
    READER_CONFIGS,
    RESNET_CONFIG,
    VISION_CONFIGS,
    VOCAB_SIZE,
    checkpoint_activations,
    clip_config,
    randomize,
    same_tensors,
    siglip_config,
)
from transformers import (
    AutoModel,
    BartModel,
    BertModel,
    CLIPModel,
    DistilBertModel,
    GPT2Config,
    ResNetModel,
    SiglipModel,
    ViTForImageClassification,
    ViTModel,
)

from transformers_ggm import GGMForHashtagClassification, HashtagClassifierConfig
from transformers_ggm.errors import CheckpointError, InputError
from transformers_ggm.modeling import hashtag_classification_loss

HASHTAGS = ["snow", "toronto", "cat", "dog", "sun"]
VISION = {**VISION_CONFIGS, "resnet": RESNET_CONFIG}
TEXT = {**READER_CONFIGS, "clip": clip_config().text_config}
KINDS = [
    ("vit", None),
    ("siglip", None),
    ("resnet", None),
    (None, "bert"),
    (None, "bart"),
    (None, "clip"),
    ("clip", "distilbert"),
    ("vit", "bert"),
]
MODALITIES = [("vit", None), (None, "bert"), ("vit", "bert")]
BATCH = 3


def make_config(vision, text, **kwargs):
    return HashtagClassifierConfig(
        vision_config=vision and copy.deepcopy(VISION[vision]),
        text_config=text and copy.deepcopy(TEXT[text]),
        **{"id2label": dict(enumerate(HASHTAGS)), **kwargs},
    )


def make_classifier(vision="vit", text="bert", **kwargs) -> GGMForHashtagClassification:
    return randomize(GGMForHashtagClassification(make_config(vision, text, **kwargs))).eval()


def make_inputs(frames=3, length=6):
    ids = torch.randint(4, VOCAB_SIZE, (BATCH, length))
    ids[:, -1] = 3  # CLIP's end of text
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": torch.randn(BATCH, frames, 3, 16, 16),
        "frame_mask": torch.ones(BATCH, frames, dtype=torch.long),
    }


def make_labels():
    return torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1], [1, 1, 1, 0, 0]])


def frame_vector(model, name, frame):
    """What the documentation says of one frame `(3, height, width)`, by the backbone's name."""
    states = model.vision_encoder(pixel_values=frame[None]).last_hidden_state[0]
    if name == "clip":
        return model.vision_encoder.post_layernorm(states[0])
    if name == "siglip":
        return states.mean(dim=0)
    return states.mean(dim=(1, 2)) if name == "resnet" else states[0]


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_loss_is_the_written_sum(objective):
    """Else training would not be the paper's cross-entropy to 1/k, or not the binary one."""
    logits, labels = torch.randn(3, 5), make_labels()
    total = 0.0
    for row, truth in zip(logits.tolist(), labels.tolist()):
        if objective == "softmax":
            normaliser = math.log(sum(math.exp(x) for x in row))
            total += sum((normaliser - x) / sum(truth) for x, true in zip(row, truth) if true)
        else:
            total += sum(math.log(1 + math.exp(-x if true else x)) for x, true in zip(row, truth)) / 5
    for dtype in (torch.long, torch.float32, torch.bool):
        loss = hashtag_classification_loss(logits, labels.to(dtype), objective)
        assert loss.item() == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_rows_without_known_hashtags_do_not_count(objective):
    """Else a video all of whose hashtags are new would teach that nothing is true of it, or weaken the others."""
    logits = torch.randn(4, 5, requires_grad=True)
    labels = torch.cat([make_labels(), torch.zeros(1, 5, dtype=torch.long)])
    loss = hashtag_classification_loss(logits, labels, objective)
    torch.testing.assert_close(loss, hashtag_classification_loss(logits[:3], labels[:3], objective))
    loss.backward()
    assert not logits.grad[3].any() and logits.grad[:3].any(dim=1).all()


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_batch_without_known_hashtags(objective):
    """Else one such batch would make every weight NaN, or stop training for want of a gradient."""
    model = make_classifier(objective=objective)
    loss = model(**make_inputs(), labels=torch.zeros(BATCH, 5)).loss
    loss.backward()
    assert loss.item() == 0.0
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)
    assert model.classifier.weight.grad is not None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 5), hashtags=st.integers(2, 7))
def test_softmax_loss_is_smallest_where_true_hashtags_share_the_probability(seed, rows, hashtags):
    """Else the loss would want something else than 1/k for each true hashtag."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (rows, hashtags), generator=generator)
    labels[:, 0] = 1
    counts = labels.sum(1, keepdim=True)
    best = hashtag_classification_loss((labels / counts + 1e-9).log(), labels, "softmax")
    assert best.item() == pytest.approx(counts.float().log().mean().item(), abs=1e-4)
    other = hashtag_classification_loss(torch.randn(rows, hashtags, generator=generator), labels, "softmax")
    assert other >= best - 1e-4


@pytest.mark.parametrize("vision", VISION)
def test_video_vector_is_the_mean_of_its_frames(vision):
    """Else a video would be seen through other tokens, or its frames would not weigh alike."""
    model, inputs = make_classifier(vision, None), make_inputs()
    inputs["frame_mask"][1, 2:] = 0
    inputs["frame_mask"][2, 0] = 0
    with torch.no_grad():
        vectors = model.get_video_features(inputs["pixel_values_videos"], inputs["frame_mask"]).pooler_output
        for row, frames, mask in zip(vectors, inputs["pixel_values_videos"], inputs["frame_mask"]):
            expected = torch.stack([frame_vector(model, vision, frame) for frame in frames[mask.bool()]]).mean(0)
            torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-5)
        unmasked = model.get_video_features(inputs["pixel_values_videos"]).pooler_output
        ones = model.get_video_features(inputs["pixel_values_videos"], torch.ones(BATCH, 3)).pooler_output
        torch.testing.assert_close(unmasked, ones)


@pytest.mark.parametrize("text", TEXT)
def test_text_vector(text):
    """Else a description would be read off another token than the one that has seen the whole of it."""
    model, inputs = make_classifier(None, text), make_inputs()
    with torch.no_grad():
        states = model.text_encoder(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state
        vectors = model.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
    torch.testing.assert_close(vectors, states[:, -1] if text == "clip" else states[:, 0])


@pytest.mark.parametrize("text", TEXT)
def test_every_token_counts(text):
    """Else a part of the description would go unread, as behind a token that looks back only."""
    model, inputs = make_classifier(None, text), make_inputs()
    with torch.no_grad():
        before = model(**inputs).logits
        for position in range(inputs["input_ids"].shape[1] - 1):
            ids = inputs["input_ids"].clone()
            ids[:, position] = (ids[:, position] - 4 + 1) % (VOCAB_SIZE - 4) + 4
            after = model(ids, inputs["attention_mask"]).logits
            assert ((before - after).abs().amax(dim=1) > 1e-6).all()


@pytest.mark.parametrize("vision, text", MODALITIES)
def test_logits_are_a_linear_layer_on_the_concatenated_vectors(vision, text):
    """Else one of the parts would be left out, or go through more than the published head."""
    model, inputs = make_classifier(vision, text), make_inputs()
    with torch.no_grad():
        parts = []
        if text:
            parts.append(model.text_encoder(inputs["input_ids"]).last_hidden_state[:, 0])
        if vision:
            frames = [
                model.vision_encoder(pixel_values=row).last_hidden_state for row in inputs["pixel_values_videos"]
            ]
            parts.append(torch.stack([row[:, 0].mean(0) for row in frames]))
        expected = torch.cat(parts, 1) @ model.classifier.weight.T + model.classifier.bias
        torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [0.0, 1e4, float("nan")])
@pytest.mark.parametrize("vision, text", KINDS)
def test_padding_changes_nothing(vision, text, padding):
    """Else a video's hashtags would depend on the videos beside it, or on what its padding holds."""
    model, inputs = make_classifier(vision, text), make_inputs()
    filled = torch.full((BATCH, 2), 1 if padding == 0.0 else 5)
    nothing = torch.zeros(BATCH, 2, dtype=torch.long)
    padded = {
        "input_ids": torch.cat([inputs["input_ids"], filled], dim=1),
        "attention_mask": torch.cat([inputs["attention_mask"], nothing], dim=1),
        "pixel_values_videos": torch.cat(
            [inputs["pixel_values_videos"], torch.full((BATCH, 2, 3, 16, 16), padding)], dim=1
        ),
        "frame_mask": torch.cat([inputs["frame_mask"], nothing], dim=1),
    }
    with torch.no_grad():
        torch.testing.assert_close(model(**padded).logits, model(**inputs).logits, atol=1e-5, rtol=1e-5)


def test_order_of_frames_and_rows():
    """Else frames would be told apart by their place, which the published model does not know, or rows be mixed up."""
    model, inputs = make_classifier(), make_inputs()
    with torch.no_grad():
        logits = model(**inputs).logits
        rows = {name: value[[2, 0, 1]] for name, value in inputs.items()}
        torch.testing.assert_close(model(**rows).logits, logits[[2, 0, 1]], atol=1e-5, rtol=1e-5)
        inputs["pixel_values_videos"] = inputs["pixel_values_videos"][:, [1, 2, 0]]
        torch.testing.assert_close(model(**inputs).logits, logits, atol=1e-5, rtol=1e-5)


def test_row_without_a_video():
    """Else a row without a video would be NaN, or be read otherwise than in a batch without any."""
    model, inputs = make_classifier(), make_inputs()
    inputs["frame_mask"][1] = 0
    output = model(**inputs, labels=make_labels())
    text_alone = model(inputs["input_ids"], inputs["attention_mask"])
    torch.testing.assert_close(output.logits[1], text_alone.logits[1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(output.logits[0], text_alone.logits[0])
    output.loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("vision, text", MODALITIES)
def test_other_inputs_are_not_looked_at(vision, text):
    """Else the baselines could not be trained and compared on the same batches."""
    model, inputs = make_classifier(vision, text), make_inputs()
    own = {**({} if vision else {"pixel_values_videos": None}), **({} if text else {"input_ids": None})}
    torch.testing.assert_close(model(**inputs).logits, model(**{**inputs, **own}).logits, atol=0, rtol=0)


@pytest.mark.parametrize("vision, text, missing", [("vit", None, "pixel_values_videos"), ("vit", "bert", "input_ids")])
def test_missing_inputs_are_named(vision, text, missing):
    """Else the user would see an error from inside a backbone."""
    inputs = make_inputs()
    inputs.pop(missing)
    with pytest.raises(InputError, match=missing):
        make_classifier(vision, text)(**inputs)


def test_labels_of_another_width_are_refused():
    """Else labels made for another set of hashtags, or class numbers, would be broadcast into a loss."""
    model, inputs = make_classifier(), make_inputs()
    for labels in (torch.ones(BATCH, 4), torch.tensor([0, 1, 2]), torch.ones(BATCH, 1), torch.ones(1, 5)):
        with pytest.raises(InputError, match="labels"):
            model(**inputs, labels=labels)


@pytest.mark.contract
def test_outputs_by_name_and_place():
    """Else `return_dict=False`, which exporting asks for, would give something else."""
    model, inputs = make_classifier(), make_inputs()
    output = model(**inputs, labels=make_labels())
    loss, logits = model(**inputs, labels=make_labels(), return_dict=False)
    assert torch.equal(loss, output.loss) and torch.equal(logits, output.logits)
    torch.testing.assert_close(loss, hashtag_classification_loss(logits, make_labels(), "softmax"))
    assert model(**inputs).loss is None
    assert len(model(**inputs, return_dict=False)) == 1


def test_objective_of_the_configuration_is_used():
    """Else the sigmoid variant would be trained like the softmax."""
    inputs, losses = make_inputs(), {}
    for objective in ("softmax", "sigmoid"):
        output = make_classifier(objective=objective)(**inputs, labels=make_labels())
        losses[objective] = hashtag_classification_loss(output.logits, make_labels(), objective)
        torch.testing.assert_close(output.loss, losses[objective])
    assert losses["softmax"] != losses["sigmoid"]


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
@pytest.mark.parametrize("vision, text", MODALITIES)
def test_learns_a_small_batch(vision, text, objective):
    """Else the model could not be trained: here it must name each video's hashtags after a few steps."""
    model = GGMForHashtagClassification(
        make_config(vision, text, objective=objective, dropout=0.0, initializer_range=0.2)
    ).eval()
    inputs, labels = make_inputs(frames=2), make_labels()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        output = model(**inputs, labels=labels)
        output.loss.backward()
        optimizer.step()
    logits = model(**inputs).logits
    for row, truth in zip(logits, labels):
        true = {HASHTAGS[i] for i in truth.nonzero()[:, 0].tolist()}
        assert set(model.predict_hashtags(row[None], len(true))[0]) == true
    if objective == "softmax":
        torch.testing.assert_close(logits.softmax(1), labels / labels.sum(1, keepdim=True), atol=0.1, rtol=0)
    else:
        torch.testing.assert_close(logits.sigmoid(), labels.float(), atol=0.2, rtol=0)


@pytest.mark.parametrize("vision, text", KINDS)
def test_gradient_reaches_every_parameter(vision, text):
    """Else distributed training would stop at a parameter without a gradient, such as an unused pooling layer's."""
    model = make_classifier(vision, text)
    model(**make_inputs(), labels=make_labels()).loss.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_dropout_works_in_training_only():
    """Else `dropout` would change nothing, or predictions would be random."""
    model, inputs = make_classifier(dropout=0.5), make_inputs()
    assert torch.equal(model(**inputs).logits, model(**inputs).logits)
    model.dropout.train()
    assert not torch.equal(model(**inputs).logits, model(**inputs).logits)


@pytest.mark.contract
def test_frozen_vision_keeps_its_batch_statistics():
    """Else a frozen encoder would change while the layers behind it are trained."""
    model = make_classifier("resnet", None)
    model.vision_encoder.requires_grad_(False)
    model.train()
    before = copy.deepcopy(model.vision_encoder.state_dict())
    model(**make_inputs())
    assert model.dropout.training
    assert all(torch.equal(value, before[name]) for name, value in model.vision_encoder.state_dict().items())


@pytest.mark.contract
@pytest.mark.parametrize("vision, text", KINDS)
def test_comes_back_as_it_was(tmp_path, vision, text):
    """Else a trained classifier would be silently initialised anew, or name other hashtags, when it is loaded."""
    model, inputs = make_classifier(vision, text), make_inputs()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    model.save_pretrained(tmp_path)
    for loader in (GGMForHashtagClassification, AutoModel):
        loaded, info = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert type(loaded) is GGMForHashtagClassification
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
        assert same_tensors(loaded, model)
        assert loaded.config.hashtags == HASHTAGS
        torch.testing.assert_close(loaded(**inputs).logits, model(**inputs).logits, atol=0, rtol=0)


@pytest.mark.parametrize("vision, text", KINDS)
def test_types_of_all_parts_agree(tmp_path, vision, text):
    """Else a model loaded in half precision, or made of backbones that were saved in it, would mix types and fail."""
    config = make_config(vision, text)
    for part in (config.vision_config, config.text_config):
        if part is not None:
            part.dtype = torch.float16
    model = randomize(GGMForHashtagClassification(config)).eval()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model.save_pretrained(tmp_path)
    half = GGMForHashtagClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    inputs = make_inputs()
    expected, output = model(**inputs), half(**inputs, labels=make_labels())
    assert output.logits.dtype == torch.bfloat16 and output.loss.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(output.logits.float(), expected.logits)
    assert cosine.min() > 0.98
    output.loss.backward()


def saved(model_class, config, folder):
    """A checkpoint of random weights in the Hub's format, and the model that it holds."""
    model = randomize(model_class(copy.deepcopy(config))).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    model.save_pretrained(folder)
    return model


SOURCES = {
    "vit": (ViTModel, VISION["vit"], "vision", lambda model: model),
    "vit classifier": (ViTForImageClassification, VISION["vit"], "vision", lambda model: model.vit),
    "clip": (CLIPModel, clip_config(), "vision", lambda model: model.vision_model),
    "siglip": (SiglipModel, siglip_config(), "vision", lambda model: model.vision_model),
    "resnet": (ResNetModel, RESNET_CONFIG, "vision", lambda model: model),
    "bert": (BertModel, TEXT["bert"], "text", lambda model: model),
    "distilbert": (DistilBertModel, TEXT["distilbert"], "text", lambda model: model),
    "bart": (BartModel, TEXT["bart"], "text", lambda model: model.encoder),
    "clip texts": (CLIPModel, clip_config(), "text", lambda model: model.text_model),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_weights_of_a_pretrained_backbone(tmp_path, kind):
    """Else a pretrained backbone would be loaded in part, from the wrong place or not at all."""
    model_class, config, modality, tower = SOURCES[kind]
    source = tower(saved(model_class, config, tmp_path))
    model = GGMForHashtagClassification.from_backbones_pretrained(HASHTAGS, **{modality: str(tmp_path)}).eval()
    ours, theirs = getattr(model, f"{modality}_encoder").state_dict(), source.state_dict()
    left_out = {key.split(".")[0] for key in theirs.keys() - ours.keys()}
    assert ours and ours.keys() <= theirs.keys() and left_out <= {"pooler", "head"}
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert (model.config.hashtags, model.config.modality) == (HASHTAGS, "video" if modality == "vision" else "text")
    assert model(**make_inputs()).logits.isfinite().all()


def test_both_pretrained_backbones_and_settings(tmp_path):
    """Else the two towers would be swapped or settings lost."""
    vision = saved(ViTModel, VISION["vit"], tmp_path / "vision")
    text = saved(BertModel, TEXT["bert"], tmp_path / "text")
    model = GGMForHashtagClassification.from_backbones_pretrained(
        HASHTAGS, str(tmp_path / "vision"), str(tmp_path / "text"), objective="sigmoid", dropout=0.4
    )
    assert torch.equal(model.vision_encoder.embeddings.cls_token, vision.embeddings.cls_token)
    words = model.text_encoder.embeddings.word_embeddings.weight
    assert torch.equal(words, text.embeddings.word_embeddings.weight)
    assert model.get_input_embeddings().weight is words
    assert (model.config.modality, model.config.objective, model.dropout.p) == ("video+text", "sigmoid", 0.4)
    assert model.classifier.weight.shape == (5, 24 + 16)


def test_no_backbone_and_wrong_backbones(tmp_path):
    """Else the user would get a random model, or an error that does not say which backbone is meant."""
    with pytest.raises(InputError, match="text"):
        GGMForHashtagClassification.from_backbones_pretrained(HASHTAGS)
    saved(ViTModel, VISION["vit"], tmp_path)
    with pytest.raises(CheckpointError, match="no text encoder"):
        GGMForHashtagClassification.from_backbones_pretrained(HASHTAGS, text=str(tmp_path))
    with pytest.raises(CheckpointError, match="nowhere"):
        GGMForHashtagClassification.from_backbones_pretrained(HASHTAGS, vision=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="twice"):
        GGMForHashtagClassification.from_backbones_pretrained(["cat", "cat"], vision=str(tmp_path))


def test_backbone_that_reads_left_to_right_is_refused():
    """Else the classifier would see the first word only, and just be worse."""
    text = GPT2Config(vocab_size=VOCAB_SIZE, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    with pytest.raises(ValueError, match="left to right"):
        GGMForHashtagClassification(HashtagClassifierConfig(text_config=text))


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("vision, text", [("vit", "bert"), ("clip", "bart")])
def test_attention_implementation_reaches_the_backbones(tmp_path, vision, text, implementation):
    """Else a choice of kernel would hold for the shell only, or change what is predicted."""
    expected = make_classifier(vision, text)
    expected.save_pretrained(tmp_path)
    model = GGMForHashtagClassification.from_pretrained(tmp_path, attn_implementation=implementation)
    assert model.vision_encoder.config._attn_implementation == implementation
    assert model.text_encoder.config._attn_implementation == implementation
    inputs = make_inputs()
    inputs["attention_mask"][1, 4:] = 0
    inputs["frame_mask"][0, 1:] = 0
    torch.testing.assert_close(model(**inputs).logits, expected(**inputs).logits, atol=1e-5, rtol=1e-5)


def test_gradient_checkpointing():
    """Else saving memory would change what is learned, or no memory would be saved."""
    model = make_classifier(dropout=0.0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    inputs, calls = make_inputs(), []
    # The attention inside the first layers: it runs once more only if its layer is checkpointed.
    for encoder in (model.text_encoder, model.vision_encoder):
        inner = next(module for name, module in encoder.named_modules() if name.endswith("0.attention"))
        inner.register_forward_hook(lambda module, *_: calls.append(module))
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            checkpoint_activations(model)
        model.train().zero_grad()
        model(**inputs, labels=make_labels()).loss.backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    assert len(calls) == 2 * 3 and len(set(calls)) == 2
    assert {name for name, gradient in gradients[0].items() if not gradient.any()} == set()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


CLASSIFIER = GGMForHashtagClassification(make_config(None, "bert"))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(-3, 3), min_size=5, max_size=5), min_size=1, max_size=4), k=st.integers(1, 5)
)
def test_predicted_hashtags_are_the_best_in_order(rows, k):
    """Else the guidance and the predictions would not be the k hashtags the classifier thinks most likely."""
    expected = [[HASHTAGS[i] for i in sorted(range(5), key=lambda i: (-row[i], i))[:k]] for row in rows]
    logits = torch.tensor(rows, dtype=torch.float32)
    assert CLASSIFIER.predict_hashtags(logits, k) == expected
    assert CLASSIFIER.predict_hashtags(np.array(rows), k) == expected
    assert CLASSIFIER.predict_hashtags(logits.to(torch.bfloat16), k) == expected


def test_ties_are_broken_by_place():
    """Else the same logits would be read as other hashtags on another machine or in a larger set."""
    tags = [f"tag{i}" for i in range(3000)]
    model = GGMForHashtagClassification(make_config(None, "bert", id2label=dict(enumerate(tags))))
    logits = torch.zeros(1, 3000)
    logits[0, 2999] = 1.0
    assert model.predict_hashtags(logits, 100) == [[tags[2999], *tags[:99]]]


@pytest.mark.parametrize("logits, k", [(torch.zeros(2, 5), 0), (torch.zeros(2, 5), 6), (torch.zeros(2, 4), 1)])
def test_predictions_that_cannot_be_made(logits, k):
    """Else fewer hashtags than asked for would come back, or names of another model's."""
    with pytest.raises(InputError, match="k" if logits.shape[1] == 5 else "logits"):
        CLASSIFIER.predict_hashtags(logits, k)


@pytest.mark.parametrize("vision, text", MODALITIES)
def test_vocabulary_can_grow(vision, text):
    """Else special tokens could not be added to the text backbone, or asking a classifier of frames would crash."""
    model = make_classifier(vision, text)
    if text is None:
        assert model.get_input_embeddings() is model.vision_encoder.get_input_embeddings()
        return
    model.resize_token_embeddings(VOCAB_SIZE + 3)
    assert model.text_encoder.get_input_embeddings().weight.shape[0] == VOCAB_SIZE + 3
    assert model(**make_inputs()).logits.isfinite().all()
