"""Relative positions in the text encoder: the paper's four methods, and BART until they learn."""

import copy

import pytest
import torch
from modeling_samples import TEXT_CONFIGS, ggm_config, ggm_inputs, ggm_model, same_tensors, target_ids
from transformers import BartForConditionalGeneration, MBartForConditionalGeneration

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.modeling import make_lora_config
from transformers_ggm.modeling.relative_positions import additional_scores, restarted

METHODS = ["relative_1", "relative_2", "relative_3", "relative_4"]
START = 7


def relative_model(method, **kwargs):
    """A tiny model whose relative terms are not those it starts with."""
    model = ggm_model(text_position_embedding=method, relative_attention_max_distance=3, **kwargs)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.model.encoder.relative_positions.parameters():
            weight.normal_()
    return model


def published_scores(method, query, key, positions, weights, max_distance):
    """Scores of Huang et al. before they are scaled, one query, one key and one head after another."""
    scores = torch.empty(len(query), len(query[0]), len(query[0]))
    for head, (queries, keys) in enumerate(zip(query, key)):
        for i, q in enumerate(queries):
            for j, k in enumerate(keys):
                distance = int((positions[i] - positions[j]).clamp(-max_distance, max_distance))
                row = weights[abs(distance)] if method == "relative_1" else weights[distance + max_distance]
                scores[head, i, j] = {
                    "relative_1": (q @ k) * (1 + row[0]),
                    "relative_2": (q @ k) * (1 + row[0]),
                    "relative_3": (q * k * (1 + row)).sum() if method == "relative_3" else 0,
                    "relative_4": q @ k + q @ row + k @ row if method == "relative_4" else 0,
                }[method]
    return scores


@pytest.mark.parametrize("restart_ids", [None, [START]], ids=["no restart", "restart"])
@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_scores_are_those_of_the_paper(method, restart_ids, monkeypatch):
    """
    Would fail if a distance were read the wrong way round, clipped elsewhere, or a part of the products that are made
    one after another were lost.
    """
    monkeypatch.setattr("transformers_ggm.modeling.relative_positions._NUM_PRODUCTS", 2000)
    model = relative_model(method, position_restart_token_ids=restart_ids)
    ids = torch.tensor([[5, 6, START, 8, 9, START, 10], [START, 5, 6, 8, 9, 10, 11]])
    terms = model.model.encoder.relative_positions(ids)
    query, key = torch.randn(2, 2, 2, 7, 8)
    found = query @ key.transpose(-1, -2) + additional_scores(method, query, key, terms.weights[0], terms.rows)
    positions = restarted(ids, restart_ids or [])
    for row in range(2):
        expected = published_scores(method, query[row], key[row], positions[row], terms.weights[0], 3)
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.contract
@pytest.mark.parametrize("family", ["bart", "mbart"])
@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_starts_as_its_pretrained_backbone(method, family, tmp_path):
    """Would fail if terms did not start where they change nothing, or the backbone's weights did not reach it."""
    model_class = {"bart": BartForConditionalGeneration, "mbart": MBartForConditionalGeneration}[family]
    text = model_class(TEXT_CONFIGS[family]).eval()
    ggm_model().model.encoder.vision_encoder.save_pretrained(tmp_path / "vision")
    text.save_pretrained(tmp_path / "text")
    model = GGMForHashtagGeneration.from_backbones_pretrained(
        str(tmp_path / "vision"), str(tmp_path / "text"), text_position_embedding=method
    ).eval()
    inputs = {name: value for name, value in ggm_inputs().items() if name in ("input_ids", "attention_mask")}
    targets = target_ids()
    torch.testing.assert_close(
        model(**inputs, labels=targets).logits, text(**inputs, labels=targets).logits, atol=1e-5, rtol=1e-5
    )


@pytest.mark.contract
@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_eager_and_fused_attention_agree(method):
    """Would fail if a mask, the scale or the term reached one of the two otherwise than the other."""
    model = relative_model(method)
    inputs = {**ggm_inputs(), "labels": target_ids()}
    fused = model(**inputs).logits
    model.set_attn_implementation("eager")
    outputs = model(**inputs, output_attentions=True)
    torch.testing.assert_close(fused, outputs.logits, atol=1e-5, rtol=1e-5)
    for attention in outputs.encoder_attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention.sum(-1)))


@pytest.mark.parametrize("method", METHODS)
def test_every_term_learns_and_comes_back(method, tmp_path):
    """Would fail if a table got no gradient, was not saved, or was drawn anew while loading."""
    model = relative_model(method)
    model(**ggm_inputs(), labels=target_ids()).loss.backward()
    for weight in model.model.encoder.relative_positions.parameters():
        assert weight.grad.abs().sum() > 0
    model.save_pretrained(tmp_path)
    assert same_tensors(model, GGMForHashtagGeneration.from_pretrained(tmp_path))


@torch.no_grad()
def test_terms_that_a_checkpoint_lacks_start_at_zero(tmp_path):
    """Would fail if a model that was trained without them began with whatever stood in memory."""
    ggm_model().save_pretrained(tmp_path)
    config = ggm_config(text_position_embedding="relative_4")
    model, info = GGMForHashtagGeneration.from_pretrained(tmp_path, config=config, output_loading_info=True)
    assert all("relative_positions" in key for key in info["missing_keys"]) and info["missing_keys"]
    assert all(not weight.any() for weight in model.model.encoder.relative_positions.parameters())


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_without_absolute_positions_only_distances_count(method):
    """Would fail if absolute positions were still added: words that all lie further on would be encoded otherwise."""
    model = relative_model(method, position_biased_input=False)
    assert not any("embed_positions" in name for name, _ in model.model.encoder.named_parameters())
    ids = torch.tensor([[5, 6, 8, 9, 0, 0], [0, 0, 5, 6, 8, 9]])
    mask = (ids != 0).long()
    states = model.model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(states[0, :4], states[1, 2:], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_order_of_hashtags_does_not_matter_where_positions_restart():
    """Would fail if a hashtag's tokens stood at other distances from the text when others come before it."""
    model = relative_model("relative_4", position_biased_input=False, position_restart_token_ids=[START])
    ids = torch.tensor([[5, 6, START, 8, 9, START, 10, 11], [5, 6, START, 10, 11, START, 8, 9]])
    states = model.model.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    torch.testing.assert_close(states[0, :2], states[1, :2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(states[0, 2:5], states[1, 5:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_beams", [1, 3])
@torch.no_grad()
def test_generates_alone_as_in_a_batch(num_beams):
    """Would fail if padding moved distances, or beams met terms of another row."""
    model = relative_model("relative_4", position_restart_token_ids=[START])
    ids = torch.tensor([[5, 6, START, 8, 9, START, 10, 11], [5, START, 10, 11, 0, 0, 0, 0]])
    mask = (ids != 0).long()
    options = {"max_new_tokens": 5, "num_beams": num_beams, "do_sample": False}
    together = model.generate(input_ids=ids, attention_mask=mask, **options)
    for row, length in enumerate(mask.sum(1)):
        alone = model.generate(input_ids=ids[row : row + 1, :length], **options)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()


@pytest.mark.parametrize(
    "method", [*(pytest.param(name, marks=pytest.mark.slow) for name in METHODS[:-1]), METHODS[-1]]
)
@torch.no_grad()
def test_can_be_exported(method):
    """Would fail if the encoder's terms could not be traced."""
    encoder = relative_model(method).model.encoder
    ids = torch.tensor([[5, 6, 8, 9]])
    exported = torch.export.export(encoder, (ids,), {"attention_mask": torch.ones_like(ids)}, strict=False).module()
    found = exported(ids, attention_mask=torch.ones_like(ids))
    torch.testing.assert_close(found.last_hidden_state, encoder(ids, torch.ones_like(ids)).last_hidden_state)


@pytest.mark.parametrize("fusion", ["full", "lora"])
def test_adapters_hold_its_terms_in_full(fusion, tmp_path):
    """Would fail if LoRA left out the attentions that stand for BART's, or new terms stayed untrained or unsaved."""
    peft = pytest.importorskip("peft")
    model = relative_model("relative_4", fusion_init="normal")
    base = copy.deepcopy(model)
    config = make_lora_config(model, parts=["text"], fusion=fusion)
    assert r"self_attn\.k_proj" in config.target_modules
    adapted = peft.get_peft_model(model, config)
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert sum("relative_positions" in name for name in trained) == 2
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if name in trained:
                weight.add_(0.1)
    adapted.save_pretrained(tmp_path)
    inputs = {**ggm_inputs(), "labels": target_ids()}
    again = peft.PeftModel.from_pretrained(base, tmp_path)
    torch.testing.assert_close(again.eval()(**inputs).logits, adapted.eval()(**inputs).logits)


@pytest.mark.parametrize(
    "settings",
    [
        {"text_position_embedding": "rotary"},
        {"position_biased_input": False},
        {"position_restart_token_ids": [5]},
        {"text_position_embedding": "relative_1", "relative_attention_max_distance": 0},
        {"text_position_embedding": "relative_1", "text_config": {"model_type": "t5"}},
    ],
    ids=str,
)
def test_settings_that_fit_nothing_are_refused(settings):
    """Would fail if a setting were taken and did nothing."""
    with pytest.raises(ValueError, match=r"text_position_embedding|relative_attention_max_distance"):
        GGMConfig(**settings)
