"""Gradient checkpointing and `torch.export`: other ways to run the same model."""

import pytest
import torch
from modeling_samples import checkpoint_activations, ggm_inputs, ggm_model, target_ids
from torch.export import Dim, export

FAMILIES = [("vit", "bart", "ast"), ("clip", "mbart", "clap"), ("siglip", "bart", "whisper")]


@pytest.mark.contract
@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("vision, text, audio", FAMILIES)
def test_gradient_checkpointing(vision, text, audio, reentrant):
    """Else saving memory would change what is learned, or no memory would be saved at all."""
    model = ggm_model(vision, text, audio, fusion_dropout=0.0).train()
    for module in model.modules():  # neither dropout nor CLAP's batch statistics are what this is about
        if isinstance(module, torch.nn.Dropout | torch.nn.BatchNorm2d):
            module.eval()
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    inputs, labels = ggm_inputs(audio=audio), target_ids()
    forwards = {}
    for attention in (model.model.encoder.video_grounding, model.model.encoder.audio_grounding):
        attention.q_proj.register_forward_hook(lambda m, *_: forwards.__setitem__(m, forwards.get(m, 0) + 1))
    layer = model.model.encoder.text_encoder.layers[0].fc1
    layer.register_forward_hook(lambda m, *_: forwards.__setitem__(m, forwards.get(m, 0) + 1))

    def gradients():
        model.zero_grad()
        forwards.clear()
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    loss, expected = gradients()
    assert list(forwards.values()) == [1, 1, 1]
    checkpoint_activations(model, use_reentrant=reentrant)
    same_loss, actual = gradients()
    assert list(forwards.values()) == [2, 2, 2]
    torch.testing.assert_close(same_loss, loss)
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], atol=1e-5, rtol=1e-4)


ENCODER_SHAPES = {
    "input_ids": {0: Dim("batch"), 1: Dim("length", max=40)},
    "attention_mask": {0: Dim("batch"), 1: Dim("length", max=40)},
    "pixel_values_videos": {0: Dim("batch"), 1: Dim("frames")},
    "frame_mask": {0: Dim("batch"), 1: Dim("frames")},
    "input_features": {0: Dim("batch")},
    "audio_mask": {0: Dim("batch")},
}


@pytest.mark.slow
@pytest.mark.contract
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("audio", [None, "ast"])
def test_export_of_the_encoder(audio, implementation):
    """Else the encoder could not be exported, or would be right for batches of one size only."""
    encoder = ggm_model(audio=audio, attn_implementation=implementation).get_encoder()
    example = ggm_inputs(2, audio=audio)
    program = export(encoder, (), example, dynamic_shapes={name: ENCODER_SHAPES[name] for name in example})
    for inputs in (example, ggm_inputs(5, frames=4, length=11, audio=audio)):
        inputs["frame_mask"][0, 1:] = 0
        inputs["attention_mask"][-1, 5:] = 0
        if audio is not None:
            inputs["audio_mask"][0] = 0
        actual, expected = (run(**inputs).last_hidden_state for run in (program.module(), encoder))
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.contract
def test_export_of_the_whole_model():
    """Else one step of decoding could not be exported together with the encoder."""
    model = ggm_model()
    example = {**ggm_inputs(2), "decoder_input_ids": target_ids(2, 4), "use_cache": False}
    shapes = {**ENCODER_SHAPES, "decoder_input_ids": {0: Dim("batch"), 1: Dim("target", max=40)}, "use_cache": None}
    program = export(model, (), example, dynamic_shapes=shapes)
    other = {**ggm_inputs(3, frames=2, length=9), "decoder_input_ids": target_ids(3, 7), "use_cache": False}
    for inputs in (example, other):
        inputs["frame_mask"][0, 1:] = 0
        actual, expected = (run(**inputs).logits for run in (program.module(), model))
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
