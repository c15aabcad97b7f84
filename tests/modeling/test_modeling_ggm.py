"""The Guided Generative Model: what it computes, and what must not change it."""

import pytest
import torch
from modeling_samples import (
    PAD,
    VOCAB_SIZE,
    as_batch,
    ggm_inputs,
    ggm_model,
    mixed_rows,
    target_ids,
    text_inputs,
)
from transformers import BartForConditionalGeneration, MBartForConditionalGeneration
from transformers.models.bart.modeling_bart import shift_tokens_right as bart_shift
from transformers.models.mbart.modeling_mbart import shift_tokens_right as mbart_shift

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.errors import InputError

IMPLEMENTATIONS = ["eager", "sdpa"]


def text_backbone_of(model: GGMForHashtagGeneration):
    """transformers' own BART or mBART with the weights that `model` has."""
    classes = {"bart": BartForConditionalGeneration, "mbart": MBartForConditionalGeneration}
    text = classes[model.config.text_config.model_type](model.config.text_config).eval()
    text.model.shared.load_state_dict(model.model.shared.state_dict())
    text.model.encoder.load_state_dict(model.model.encoder.text_encoder.state_dict())
    text.model.decoder.load_state_dict(model.model.decoder.state_dict())
    text.lm_head.load_state_dict(model.lm_head.state_dict())
    text.final_logits_bias.copy_(model.final_logits_bias)
    return text


def silence_fusion(model):
    """Sets the output projections to what `fusion_init="zero"` starts them with."""
    for attention in (model.model.encoder.video_grounding, model.model.encoder.audio_grounding):
        torch.nn.init.zeros_(attention.out_proj.weight)
        torch.nn.init.zeros_(attention.out_proj.bias)
    return model


@pytest.mark.contract
@pytest.mark.parametrize("text", ["bart", "mbart"])
def test_without_a_video_it_is_its_text_backbone(text):
    """Else a text-only row would be read by another model than the pretrained one (t' = t)."""
    model = ggm_model(text=text)
    inputs, labels = text_inputs(), target_ids()
    inputs["attention_mask"][1, 4:] = 0
    ours, theirs = model(**inputs, labels=labels), text_backbone_of(model)(**inputs, labels=labels)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.loss, theirs.loss, atol=1e-6, rtol=0)


@pytest.mark.parametrize("text", ["bart", "mbart"])
def test_with_silent_fusion_it_is_its_text_backbone(text):
    """Else `fusion_init="zero"` would not start from the pretrained model, however the video looks."""
    model = silence_fusion(ggm_model(text=text))
    inputs, labels = ggm_inputs(), target_ids()
    ours = model(**inputs, labels=labels)
    words = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    theirs = text_backbone_of(model)(**words, labels=labels)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-6, rtol=0)


def test_fusion_init():
    """Else the two choices of `fusion_init` would not start where they say."""
    for fusion_init, silent in (("zero", True), ("normal", False)):
        model = GGMForHashtagGeneration(ggm_model(fusion_init=fusion_init).config)
        for attention in (model.model.encoder.video_grounding, model.model.encoder.audio_grounding):
            assert (attention.out_proj.weight == 0).all() == silent
            assert not (attention.v_proj.weight == 0).any()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("audio", [None, "clap", "clap_fusion", "ast", "whisper"])
def test_encoder_is_the_composition_of_its_parts(audio, implementation):
    """Else a part would be left out or wired to the wrong one: v = CAM(w, a, a) + w, t' = CAM(t, v, v) + t."""
    model = ggm_model(audio=audio, attn_implementation=implementation)
    encoder, inputs = model.get_encoder(), ggm_inputs(audio=audio)
    with torch.no_grad():
        text = encoder.text_encoder(inputs["input_ids"]).last_hidden_state
        videos = inputs["pixel_values_videos"]
        video = torch.stack([encoder.vision_encoder(frames).last_hidden_state.flatten(0, 1) for frames in videos])
        if audio is not None:
            options = {"is_longer": torch.zeros(2, 1, dtype=torch.bool)} if audio == "clap_fusion" else {}
            sound = encoder.audio_encoder(inputs["input_features"], **options).last_hidden_state
            sound = sound.flatten(2).mT if sound.ndim == 4 else sound
            video = encoder.audio_grounding(video, sound)
        expected = encoder.video_grounding(text, video)
        torch.testing.assert_close(encoder(**inputs).last_hidden_state, expected, atol=1e-5, rtol=0)
        assert not torch.allclose(expected, text, atol=1e-2)


@pytest.mark.parametrize("audio", [None, "ast"])
def test_video_and_sound_are_heard(audio):
    """Else the model would be blind or deaf, which no other equality would notice."""
    model, inputs = ggm_model(audio=audio), ggm_inputs(audio=audio)
    states = model.get_encoder()(**inputs).last_hidden_state
    for name in ("pixel_values_videos", "input_features"):
        if name in inputs:
            other = model.get_encoder()(**{**inputs, name: torch.randn_like(inputs[name])}).last_hidden_state
            assert not torch.allclose(states, other, atol=1e-3)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("padding", [0.0, 1e4, float("nan")])
def test_rows_do_not_depend_on_their_batch(implementation, padding):
    """Else padded frames and words, a silent row or a row of text alone would change what is predicted."""
    model = ggm_model(attn_implementation=implementation)
    rows, labels = mixed_rows(), target_ids(4)
    with torch.no_grad():
        together = model(**as_batch(rows, padding), labels=labels).logits
        for i, row in enumerate(rows):
            alone = model(**row, labels=labels[i : i + 1]).logits
            torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_content_of_padding_does_not_reach_gradients(implementation):
    """Else garbage in padding would turn weights into NaN in training, though the loss looks fine."""
    rows, labels = mixed_rows(), target_ids(4)
    gradients = []
    model = ggm_model(attn_implementation=implementation)
    for padding in (0.0, float("nan")):
        model.zero_grad()
        model(**as_batch(rows, padding), labels=labels).loss.backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        if "shared" not in name:  # text padding holds other tokens, which are looked up all the same
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.bool, torch.long, torch.float32])
def test_masks_of_any_type(kind):
    """Else a mask of another type than the processor's would be misread."""
    model, batch = ggm_model(), as_batch(mixed_rows())
    labels = target_ids(4)
    expected = model(**batch, labels=labels).logits
    other = {name: batch[name].to(kind) for name in ("frame_mask", "audio_mask")}
    torch.testing.assert_close(model(**{**batch, **other}, labels=labels).logits, expected, atol=1e-6, rtol=0)


def test_missing_masks_mean_no_padding():
    """Else leaving out a mask of ones would change the result."""
    model, inputs = ggm_model(), ggm_inputs()
    bare = {name: value for name, value in inputs.items() if not name.endswith("mask")}
    labels = target_ids()
    torch.testing.assert_close(
        model(**bare, labels=labels).logits, model(**inputs, labels=labels).logits, atol=1e-6, rtol=0
    )


def test_frames_have_no_order_as_published():
    """Else the default would not be the paper's model, in which frames carry no position in time."""
    model, inputs = ggm_model(), ggm_inputs(frames=4)
    turned = {**inputs, "pixel_values_videos": inputs["pixel_values_videos"].flip(1)}
    encoder = model.get_encoder()
    torch.testing.assert_close(
        encoder(**turned).last_hidden_state, encoder(**inputs).last_hidden_state, atol=1e-5, rtol=0
    )


def test_learned_frame_positions_know_the_order():
    """Else `frame_position_embedding="learned"` would add nothing, or the same to every frame."""
    model = ggm_model(frame_position_embedding="learned", max_frames=4)
    inputs = ggm_inputs(frames=4)
    turned = {**inputs, "pixel_values_videos": inputs["pixel_values_videos"].flip(1)}
    encoder = model.get_encoder()
    assert not torch.allclose(encoder(**turned).last_hidden_state, encoder(**inputs).last_hidden_state, atol=1e-3)
    states = encoder.encode_frames(inputs["pixel_values_videos"])
    plain = encoder.vision_encoder(inputs["pixel_values_videos"].flatten(0, 1)).last_hidden_state
    expected = plain.view(2, 4, 5, 24) + encoder.frame_positions.weight[None, :, None]
    torch.testing.assert_close(states, expected.flatten(1, 2))


def test_more_frames_than_positions():
    """Else an index error from inside torch would be all that the user sees."""
    model = ggm_model(frame_position_embedding="learned", max_frames=2)
    with pytest.raises(InputError, match=r"3 frames.*max_frames.*=2"):
        model(**ggm_inputs(frames=3), labels=target_ids())


def test_unknown_arguments_are_refused():
    """Else a misspelled modality would be left out without a word: all of them are optional."""
    model, inputs = ggm_model(), ggm_inputs()
    inputs["pixel_values"] = inputs.pop("pixel_values_videos")
    with pytest.raises(TypeError, match="pixel_values"):
        model(**inputs, labels=target_ids())


def test_loss_is_the_mean_cross_entropy_of_the_targets():
    """Else training would minimise something else than equation 6, or padding would count as a target."""
    model, inputs, labels = ggm_model(), ggm_inputs(), target_ids()
    labels[1, 3:] = -100
    output = model(**inputs, labels=labels)
    chosen = output.logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    expected = -chosen[labels != -100].mean()
    torch.testing.assert_close(output.loss, expected)
    longer = torch.cat([labels, torch.full((2, 3), -100)], dim=1)
    torch.testing.assert_close(model(**inputs, labels=longer).loss, expected)


@pytest.mark.contract
@pytest.mark.parametrize("count", [11, torch.tensor(11)])
def test_loss_over_the_items_of_accumulated_batches(count):
    """Else gradient accumulation would weigh the tokens of short batches more than those of long ones."""
    model, inputs, labels = ggm_model(), ggm_inputs(), target_ids()
    labels[1, 3:] = -100
    mean = model(**inputs, labels=labels).loss
    loss = model(**inputs, labels=labels, num_items_in_batch=count).loss
    torch.testing.assert_close(loss, mean * 8 / 11)
    assert model.accepts_loss_kwargs


@pytest.mark.contract
@pytest.mark.parametrize(
    "text, shift", [("bart", lambda x: bart_shift(x, PAD, 2)), ("mbart", lambda x: mbart_shift(x, PAD))]
)
def test_decoder_inputs_from_labels(text, shift):
    """Else the decoder would be trained behind another start token than the backbone's own."""
    labels = target_ids(3)
    labels[1, 3:] = -100
    actual = ggm_model(text=text, audio=None).prepare_decoder_input_ids_from_labels(labels)
    assert torch.equal(actual, shift(labels))


@pytest.mark.parametrize("vision", ["vit", "deit", "siglip", "clip", "dinov2"])
@pytest.mark.parametrize("audio", ["clap", "clap_fusion", "ast"])
def test_gradient_reaches_every_parameter(vision, audio):
    """Else a part would never learn, or distributed training would stop at a parameter without a gradient."""
    model = ggm_model(vision, audio=audio, frame_position_embedding="learned").train()
    model(**ggm_inputs(audio=audio), labels=target_ids()).loss.backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert model.model.encoder.frame_positions.weight.grad[:3].abs().sum() > 0


def test_zero_init_learns():
    """Else projections that start at zero would stay there: nothing would ever be seen."""
    model = silence_fusion(ggm_model()).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, labels = ggm_inputs(), target_ids()
    for _ in range(3):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    for attention in (model.model.encoder.video_grounding, model.model.encoder.audio_grounding):
        assert attention.out_proj.weight.abs().sum() > 0
        assert attention.v_proj.weight.grad.abs().sum() > 0


@pytest.mark.contract
def test_outputs():
    """Else callers that read tuples, hidden states or attentions from other models would find them missing here."""
    model, inputs, labels = ggm_model(attn_implementation="eager"), ggm_inputs(), target_ids()
    output = model(**inputs, labels=labels, output_hidden_states=True, output_attentions=True)
    assert output.logits.shape == (2, 5, VOCAB_SIZE)
    assert [state.shape for state in output.encoder_hidden_states] == [(2, 7, 16)] * 3
    assert [state.shape for state in output.decoder_hidden_states] == [(2, 5, 16)] * 3
    assert [a.shape for a in output.encoder_attentions] == [(2, 2, 7, 7)] * 2
    assert [a.shape for a in output.cross_attentions] == [(2, 2, 5, 7)] * 2
    torch.testing.assert_close(
        output.encoder_last_hidden_state, model.get_encoder()(**inputs).last_hidden_state, atol=1e-6, rtol=0
    )
    as_tuple = model(**inputs, labels=labels, return_dict=False)
    assert isinstance(as_tuple, tuple)
    torch.testing.assert_close(as_tuple[0], output.loss)
    torch.testing.assert_close(as_tuple[1], output.logits)


def test_encoder_outputs_and_embeddings_in_place_of_inputs():
    """Else an encoder run before, or embeddings of one's own, could not be given."""
    model, inputs, labels = ggm_model(), ggm_inputs(), target_ids()
    expected = model(**inputs, labels=labels).logits
    encoded = model.get_encoder()(**inputs)
    for given in (encoded, (encoded.last_hidden_state,)):
        actual = model(encoder_outputs=given, attention_mask=inputs["attention_mask"], labels=labels).logits
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)
    embeds = model.get_input_embeddings()(inputs.pop("input_ids"))
    decoder_ids = model.prepare_decoder_input_ids_from_labels(labels)
    actual = model(
        **inputs, inputs_embeds=embeds, decoder_inputs_embeds=model.get_input_embeddings()(decoder_ids)
    ).logits
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def test_bfloat16_is_close_to_float32():
    """Else the model could not be run in half precision: some part would stay in another type."""
    model, inputs, labels = ggm_model("clip", audio="whisper"), ggm_inputs(audio="whisper"), target_ids()
    expected = model(**inputs, labels=labels)
    model = model.to(torch.bfloat16)
    output = model(**inputs, labels=labels)
    assert output.logits.dtype == torch.bfloat16
    torch.testing.assert_close(output.logits.float(), expected.logits, atol=0.25, rtol=0.1)
    torch.testing.assert_close(output.loss, expected.loss, atol=0.1, rtol=0.05)
    assert model.generate(**inputs, max_length=8, num_beams=2).shape[0] == 2
