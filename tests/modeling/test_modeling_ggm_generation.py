"""Decoding: caches, beams and batches must not change what is written, and the encoders run once."""

import pytest
import torch
import transformers
from modeling_samples import EOS, VOCAB_SIZE, as_batch, ggm_inputs, ggm_model, mixed_rows, target_ids
from packaging.version import Version

from transformers_ggm.modeling.forward_arguments import CACHE_NAME

MODES = {
    "greedy": {"num_beams": 1, "do_sample": False},
    "beams": {"num_beams": 5, "no_repeat_ngram_size": 3},
    "sampling": {"num_beams": 1, "do_sample": True, "top_k": 20},
    "sampled beams": {"num_beams": 3, "do_sample": True, "num_return_sequences": 2},
}


def generate(model, inputs, **settings):
    torch.manual_seed(7)
    return model.generate(**inputs, max_length=14, **settings)


@pytest.mark.contract
@pytest.mark.parametrize("mode", MODES)
def test_cache_changes_nothing(mode):
    """Else decoding with cached keys and values would write other hashtags than decoding without."""
    model, inputs = ggm_model(), as_batch(mixed_rows())
    cached = generate(model, inputs, use_cache=True, **MODES[mode])
    assert cached.shape[1] > 4
    assert torch.equal(cached, generate(model, inputs, use_cache=False, **MODES[mode]))


@pytest.mark.parametrize("mode", ["greedy", "beams"])
@pytest.mark.parametrize("padding", [0.0, 1e4])
def test_batch_equals_its_rows(mode, padding):
    """Else the hashtags of a video would depend on the videos beside it, or on what its padding holds."""
    model, rows = ggm_model(), mixed_rows()
    together = generate(model, as_batch(rows, padding), **MODES[mode])
    for i, row in enumerate(rows):
        alone = generate(model, row, **MODES[mode])[0]
        assert torch.equal(together[i, : len(alone)], alone)
        assert (together[i, len(alone) :] == model.generation_config.pad_token_id).all()


def test_assisted_decoding_changes_nothing():
    """
    Would fail if candidates of an assistant were checked against other logits, or were left in the cache when they are
    wrong.
    """
    model, inputs = ggm_model(), ggm_inputs(1)
    assistant = ggm_model()
    assistant.load_state_dict(model.state_dict())
    with torch.no_grad():
        assistant.final_logits_bias.add_(torch.randn(VOCAB_SIZE) * 0.3)
    expected = generate(model, inputs, **MODES["greedy"])
    assert torch.equal(generate(model, inputs, **MODES["greedy"], assistant_model=assistant), expected)


@pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.18"), reason="transformers 5.17 writes nothing then, with BART too"
)
def test_prompt_lookup_changes_nothing():
    """Would fail if candidates that are looked up in the text were checked against other logits."""
    model, inputs = ggm_model(), ggm_inputs(1)
    expected = generate(model, inputs, **MODES["greedy"])
    assert torch.equal(generate(model, inputs, **MODES["greedy"], prompt_lookup_num_tokens=3), expected)


def test_static_cache_changes_nothing():
    """Would fail if a cache of fixed size, which has room for tokens to come, let them be attended to."""
    model, inputs = ggm_model(), as_batch(mixed_rows())
    settings = {**MODES["greedy"], "disable_compile": True}
    static = generate(model, inputs, cache_implementation="static", **settings)
    assert torch.equal(static, generate(model, inputs, **settings))


@pytest.mark.filterwarnings("ignore:`past_key_values` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_by_its_two_names(name):
    """
    Would fail if keys and values of earlier steps were lost under one of the names that transformers has for them.
    """
    model, inputs, targets = ggm_model(), ggm_inputs(), target_ids()
    whole = model(**inputs, decoder_input_ids=targets).logits
    first = model(**inputs, decoder_input_ids=targets[:, :3], use_cache=True)
    assert first[CACHE_NAME].get_seq_length() == 3
    rest = model(**inputs, decoder_input_ids=targets[:, 3:], use_cache=True, **{name: first[CACHE_NAME]})
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_states_and_attentions_of_every_step(num_beams):
    """Would fail if an output that was asked for, in the call or in the configuration, were missing for some step."""
    model, inputs = ggm_model(attn_implementation="eager"), ggm_inputs()
    wanted = {"output_scores": True, "output_attentions": True, "output_hidden_states": True}
    settings = {"return_dict_in_generate": True, "eos_token_id": None, "max_length": 5, "num_beams": num_beams}
    output = model.generate(**inputs, **wanted, **settings)
    rows, layers = 2 * num_beams, 2
    assert len(output.scores) == len(output.decoder_attentions) == len(output.cross_attentions) == 4
    for step, (attentions, crossed, states) in enumerate(
        zip(output.decoder_attentions, output.cross_attentions, output.decoder_hidden_states)
    ):
        assert [of_layer.shape for of_layer in attentions] == [(rows, 2, 1, step + 1)] * layers
        assert [of_layer.shape for of_layer in crossed] == [(rows, 2, 1, 7)] * layers
        assert [of_layer.shape for of_layer in states] == [(rows, 1, 16)] * (layers + 1)
    assert len(output.encoder_attentions) == layers and len(output.encoder_hidden_states) == layers + 1
    model.generation_config.update(output_hidden_states=True)
    assert model.generate(**inputs, **settings).decoder_hidden_states is not None


def test_greedy_is_the_argmax_of_forward():
    """Else `generate` would not read the inputs that `forward` reads."""
    model, inputs = ggm_model(), as_batch(mixed_rows())
    written = torch.full((4, 1), EOS)
    for _ in range(6):
        logits = model(**inputs, decoder_input_ids=written).logits[:, -1]
        written = torch.cat([written, logits.argmax(-1, keepdim=True)], dim=1)
    generated = model.generate(**inputs, num_beams=1, do_sample=False, max_length=7)
    for ours, theirs in zip(generated, written):
        end = (theirs[1:] == EOS).nonzero()
        stop = int(end[0]) + 2 if len(end) else 7
        assert torch.equal(ours[:stop], theirs[:stop])


def test_no_trigram_comes_twice():
    """Else `no_repeat_ngram_size` of the published decoding would not be heeded."""
    model = ggm_model()
    model.use_published_decoding(max_length=30)
    for row in model.generate(**ggm_inputs(4), eos_token_id=None).tolist():
        trigrams = list(zip(row, row[1:], row[2:]))
        assert len(row) == 30
        assert len(trigrams) == len(set(trigrams))


@pytest.mark.contract
def test_encoders_run_once_and_inputs_are_not_copied_for_beams():
    """Else five beams would cost five times the frames in memory, or the encoders would run at every step."""
    model, inputs = ggm_model(), ggm_inputs(2, frames=3)
    encoder = model.get_encoder()
    calls, seen = {}, []
    for name in ("text_encoder", "vision_encoder", "audio_encoder", "video_grounding", "audio_grounding"):
        getattr(encoder, name).register_forward_hook(
            lambda *_, name=name: calls.__setitem__(name, calls.get(name, 0) + 1)
        )
    model.register_forward_pre_hook(lambda module, args, kwargs: seen.append(kwargs), with_kwargs=True)
    encoder.vision_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: calls.__setitem__("frames", len(kwargs["pixel_values"])), with_kwargs=True
    )
    written = model.generate(**inputs, num_beams=5, max_length=10, use_cache=False, num_return_sequences=5)
    assert written.shape[0] == 10
    assert calls == {
        "text_encoder": 1,
        "vision_encoder": 1,
        "audio_encoder": 1,
        "video_grounding": 1,
        "audio_grounding": 1,
        "frames": 6,
    }
    assert len(seen) > 3
    for kwargs in seen:
        assert kwargs["encoder_outputs"].last_hidden_state.shape[0] == 10
        assert not {"pixel_values_videos", "frame_mask", "input_features", "audio_mask"} & kwargs.keys()


def test_encoder_outputs_can_be_given():
    """Else an encoder run once could not be decoded from several times."""
    model, inputs = ggm_model(), ggm_inputs()
    expected = generate(model, inputs, **MODES["beams"])
    encoded = model.get_encoder()(**inputs)
    again = generate(model, {"encoder_outputs": encoded, "attention_mask": inputs["attention_mask"]}, **MODES["beams"])
    assert torch.equal(again, expected)


@pytest.mark.contract
def test_scores_of_beams_can_be_read_back():
    """Else the score of a hashtag, the mean log-probability of its tokens, could not be computed."""
    model, inputs = ggm_model(), ggm_inputs()
    output = generate(model, inputs, num_beams=5, return_dict_in_generate=True, output_scores=True)
    scores = model.compute_transition_scores(
        output.sequences, output.scores, output.beam_indices, normalize_logits=False
    )
    for row, score, total in zip(output.sequences, scores, output.sequences_scores):
        length = int((row[1:] != model.generation_config.pad_token_id).sum())
        torch.testing.assert_close(score[:length].sum() / length, total, atol=1e-4, rtol=1e-4)


def test_unknown_arguments_are_refused():
    """Else a misspelled modality would be left out of decoding without a word."""
    model, inputs = ggm_model(), ggm_inputs()
    inputs["pixel_values"] = inputs.pop("pixel_values_videos")
    with pytest.raises(ValueError, match="pixel_values"):
        model.generate(**inputs, max_length=5)


@pytest.mark.contract
@pytest.mark.parametrize("size", [VOCAB_SIZE + 9, VOCAB_SIZE - 12])
def test_resized_embeddings(tmp_path, size):
    """Else a grown or shrunk vocabulary would leave a head, bias or setting of the old size behind."""
    model, inputs = ggm_model(), ggm_inputs()
    inputs["input_ids"] = inputs["input_ids"].clamp(max=VOCAB_SIZE - 13)
    labels = inputs["input_ids"]
    before = model(**inputs, labels=labels).logits
    model.resize_token_embeddings(size, mean_resizing=False)
    kept = min(size, VOCAB_SIZE)
    after = model(**inputs, labels=labels).logits
    assert after.shape[-1] == size
    torch.testing.assert_close(after[..., :kept], before[..., :kept], atol=1e-5, rtol=0)
    assert model.config.text_config.vocab_size == model.model.decoder.config.vocab_size == size
    assert model.final_logits_bias.shape == (1, size)
    assert not model.final_logits_bias[:, VOCAB_SIZE:].any()
    assert model.lm_head.weight is model.model.shared.weight is model.model.decoder.embed_tokens.weight
    written = generate(model, inputs, **MODES["beams"])
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert torch.equal(generate(loaded, inputs, **MODES["beams"]), written)
