"""Fusion in the decoder: the frames' tokens lie behind those of the text, and the decoder looks at both."""

import math

import pytest
import torch
from modeling_samples import as_batch, ggm_config, ggm_inputs, ggm_model, mixed_rows, same_tensors, target_ids
from modeling_samples import text_inputs as words
from transformers import BartForConditionalGeneration

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.modeling import CrossModalAttention, GGMEncoderOutput

MODES = {"greedy": {"num_beams": 1, "no_repeat_ngram_size": 1}, "beams": {"num_beams": 5, "no_repeat_ngram_size": 3}}


def fusion_model(**kwargs):
    return ggm_model(fusion="decoder", **kwargs)


def what_the_decoder_sees(model, **inputs):
    """States and mask that the decoder is given."""
    seen = {}
    hook = model.model.decoder.register_forward_pre_hook(lambda m, args, kwargs: seen.update(kwargs), with_kwargs=True)
    model(**inputs)
    hook.remove()
    return seen["encoder_hidden_states"], seen["encoder_attention_mask"]


def attended(attention, target, source):
    """Target plus the multi-head attention of one video (patches, c) to one sound (tokens, c'), in plain torch."""
    heads = []
    size = target.shape[1] // attention.num_heads
    query, key, value = attention.q_proj(target), attention.k_proj(source), attention.v_proj(source)
    for head in range(attention.num_heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        heads.append(scores.softmax(-1) @ value[:, part])
    return target + attention.out_proj(torch.cat(heads, dim=-1))


def expected_states(model, row):
    """The states of one unpadded row, part by part."""
    encoder = model.get_encoder()
    states = encoder.text_encoder(row["input_ids"]).last_hidden_state[0]
    if "pixel_values_videos" not in row:
        return states
    frames = [encoder.vision_encoder(frame[None]).last_hidden_state[0] for frame in row["pixel_values_videos"][0]]
    video = torch.cat(frames)
    if "input_features" in row:
        sound = encoder.audio_encoder(row["input_features"]).last_hidden_state[0]
        video = attended(encoder.audio_grounding, video, sound)
    projection = encoder.video_projection
    return torch.cat([states, video @ projection.weight.T + projection.bias])


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@torch.no_grad()
def test_decoder_sees_text_and_all_frames(implementation):
    """Would fail if a frame, the sound or the text did not reach the decoder, or padding did."""
    model, rows = fusion_model(attn_implementation=implementation), mixed_rows()
    states, mask = what_the_decoder_sees(model, **as_batch(rows, padding=1e4), labels=target_ids(4))
    assert states.shape[:2] == mask.shape == (4, 7 + 3 * 5)
    for row, seen, kept in zip(rows, states, mask):
        torch.testing.assert_close(seen[kept.bool()], expected_states(model, row), atol=1e-5, rtol=1e-5)


def test_masks_that_are_not_given_are_of_ones():
    """Would fail if leaving out a mask of ones changed the result, or frames were masked for want of one."""
    model, inputs, labels = fusion_model(), ggm_inputs(), target_ids()
    expected = model(**inputs, labels=labels).logits
    for name in ("attention_mask", "frame_mask"):
        fewer = {key: value for key, value in inputs.items() if key != name}
        assert what_the_decoder_sees(model, **fewer, labels=labels)[1].all()
        torch.testing.assert_close(model(**fewer, labels=labels).logits, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
def test_masks_of_any_type(kind):
    """Would fail if a mask of another type than the processor's were misread."""
    model, batch, labels = fusion_model(), as_batch(mixed_rows()), target_ids(4)
    other = {name: batch[name].to(kind) for name in ("frame_mask", "audio_mask", "attention_mask")}
    torch.testing.assert_close(
        model(**{**batch, **other}, labels=labels).logits, model(**batch, labels=labels).logits, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("padding", [0.0, 1e4, float("nan")])
@torch.no_grad()
def test_rows_do_not_depend_on_their_batch(padding):
    """Would fail if padded frames and words, a silent row or one of text alone changed what is predicted."""
    model, rows, labels = fusion_model(), mixed_rows(), target_ids(4)
    together = model(**as_batch(rows, padding), labels=labels).logits
    for i, row in enumerate(rows):
        alone = model(**row, labels=labels[i : i + 1]).logits
        torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=1e-5)


def test_without_a_video_it_is_bart():
    """Would fail if a row of text alone were read by another model than the text backbone."""
    model, inputs, labels = fusion_model(), words(), target_ids()
    inputs["attention_mask"][1, 4:] = 0
    bart = BartForConditionalGeneration(model.config.text_config).eval()
    bart.model.shared.load_state_dict(model.model.shared.state_dict())
    bart.model.encoder.load_state_dict(model.model.encoder.text_encoder.state_dict())
    bart.model.decoder.load_state_dict(model.model.decoder.state_dict())
    bart.final_logits_bias.copy_(model.final_logits_bias)
    torch.testing.assert_close(
        model(**inputs, labels=labels).logits, bart(**inputs, labels=labels).logits, atol=1e-6, rtol=0
    )


def test_withheld_words_leave_two_tokens():
    """Would fail if more of the text than the two tokens that frame it stood before the frames (TrOCR over frames)."""
    model, inputs = fusion_model(audio=None), ggm_inputs(frames=2, audio=None)
    inputs |= {"input_ids": torch.tensor([[0, 2]] * 2), "attention_mask": torch.ones(2, 2, dtype=torch.long)}
    states, mask = what_the_decoder_sees(model, **inputs, labels=target_ids())
    assert states.shape[1] == mask.shape[1] == 2 + 2 * 5


@pytest.mark.parametrize("mode", MODES)
def test_cache_changes_nothing(mode):
    """Would fail if decoding with cached keys and values wrote other hashtags than decoding without."""
    model, inputs = fusion_model(), as_batch(mixed_rows())
    cached, plain = (model.generate(**inputs, max_length=12, use_cache=use, **MODES[mode]) for use in (True, False))
    assert cached.shape[1] > 4 and torch.equal(cached, plain)


@pytest.mark.parametrize("mode", MODES)
def test_decoded_batch_equals_its_rows(mode):
    """Would fail if beams were given another row's frames, or all positions of a padded one."""
    model, rows = fusion_model(), mixed_rows()
    together = model.generate(**as_batch(rows, 1e4), max_length=12, **MODES[mode])
    assert len({tuple(row.tolist()) for row in together}) > 1
    for i, row in enumerate(rows):
        alone = model.generate(**row, max_length=12, **MODES[mode])[0]
        assert torch.equal(together[i, : len(alone)], alone)


def test_greedy_is_the_argmax_of_forward():
    """Would fail if `generate` did not look at what `forward` looks at."""
    model, inputs = fusion_model(), as_batch(mixed_rows())
    generated = model.generate(**inputs, num_beams=1, max_length=7, min_length=7)
    decoder_ids = generated[:, :-1]
    logits = model(**inputs, decoder_input_ids=decoder_ids).logits
    logits[..., model.config.eos_token_id] = -math.inf
    assert torch.equal(logits.argmax(-1), generated[:, 1:])


def test_encoder_runs_once_and_its_outputs_can_be_given():
    """Would fail if an encoder run once, as a whole or as a tuple, could not be decoded from."""
    model, inputs, labels = fusion_model(), as_batch(mixed_rows()), target_ids(4)
    expected = model(**inputs, labels=labels).logits
    encoded = model.get_encoder()(**inputs)
    assert isinstance(encoded, GGMEncoderOutput)
    whole = (encoded.last_hidden_state, None, None, encoded.attention_mask)
    for given in (encoded, whole):
        actual = model(encoder_outputs=given, attention_mask=inputs["attention_mask"], labels=labels).logits
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_encoder_outputs_as_a_tuple():
    """Would fail if the mask of text and frames, in a tuple of the encoder, were taken for hidden states or lost."""
    model, inputs, labels = fusion_model(attn_implementation="eager"), as_batch(mixed_rows()), target_ids(4)
    expected = model(**inputs, labels=labels).logits
    for flags in ({}, {"output_hidden_states": True, "output_attentions": True}):
        encoded = model.get_encoder()(**inputs, return_dict=False, **flags)
        assert type(encoded) is tuple
        output = model(encoder_outputs=encoded, labels=labels, **flags)
        torch.testing.assert_close(output.logits, expected)
        assert (output.encoder_attentions is not None) == bool(flags)


@pytest.mark.parametrize("text", ["bart", "mbart"])
@pytest.mark.parametrize("audio", [None, "ast"])
def test_save_and_load(tmp_path, text, audio):
    """Would fail if the projection were drawn anew on loading, or the kind of fusion forgotten."""
    model = fusion_model(text=text, audio=audio)
    model.save_pretrained(tmp_path)
    loaded, info = GGMForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert loaded.config.fusion == "decoder" and same_tensors(loaded, model)
    inputs, labels = ggm_inputs(audio=audio), target_ids()
    assert torch.equal(loaded(**inputs, labels=labels).logits, model(**inputs, labels=labels).logits)


def test_gradient_reaches_every_parameter():
    """Would fail if the frames could not be learnt from."""
    model = fusion_model(frame_position_embedding="learned").train()
    model(**ggm_inputs(), labels=target_ids()).loss.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    for part in (model.get_encoder().video_projection, model.get_encoder().vision_encoder):
        assert all(parameter.grad.abs().sum() > 0 for name, parameter in part.named_parameters() if "key" not in name)


def test_new_weights():
    """Would fail if the model had a video grounding it does not use, or its projection started at zero or too wide."""
    torch.manual_seed(0)
    encoder = GGMForHashtagGeneration(ggm_config(fusion="decoder", initializer_range=0.05, audio=None)).get_encoder()
    assert not [module for module in encoder.modules() if isinstance(module, CrossModalAttention)]
    assert encoder.video_projection.weight.shape == (16, 24)
    assert encoder.video_projection.weight.std().item() == pytest.approx(0.05, rel=0.2)
    assert not encoder.video_projection.bias.any()
