"""The pointer head: BART until it learns, and then a mixture of the vocabulary and what stands in the source."""

import copy

import pytest
import torch
from modeling_samples import (
    EOS,
    TEXT_CONFIGS,
    as_batch,
    checkpoint_activations,
    ggm_config,
    ggm_inputs,
    ggm_model,
    mixed_rows,
    same_tensors,
    target_ids,
    text_inputs,
)
from transformers import BartForConditionalGeneration

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.errors import InputError
from transformers_ggm.generation.hashtag_scores import token_log_probs
from transformers_ggm.modeling import GGMEncoderOutput, make_lora_config
from transformers_ggm.modeling.pointer_head import CopySource, PointerHead

FUSIONS = ["grounding", "decoder"]
MODES = {
    "greedy": {"num_beams": 1, "do_sample": False},
    "beams": {"num_beams": 4, "num_return_sequences": 2, "no_repeat_ngram_size": 3},
    "sampling": {"num_beams": 1, "do_sample": True, "top_k": 20, "num_return_sequences": 2},
}


def pointing_model(**kwargs):
    """A tiny model that copies much: gates are open at most places."""
    model = ggm_model(pointer_head=True, **kwargs)
    with torch.no_grad():
        model.pointer_head.gate.bias.fill_(2.0)
    return model


def of_vocabulary(model, **inputs):
    """The model's logits without its pointer head, and the decoder's states."""
    hidden = model.model(**inputs, return_dict=True)
    return model.lm_head(hidden.last_hidden_state) + model.final_logits_bias, hidden


def mixture(model, row, decoder_ids):
    """Equations 9 to 13 of See et al., for one row without padding, one token after another."""
    head = model.pointer_head
    logits, states = of_vocabulary(model, **row, decoder_input_ids=decoder_ids)
    mixed = []
    for scores, hidden in zip(logits[0], states.last_hidden_state[0]):
        tokens = row["input_ids"][0].tolist()
        query = head.query.weight @ hidden + head.query.bias
        read = torch.stack([state @ query for state in states.encoder_last_hidden_state[0, : len(tokens)]])
        attention = (read / 16**0.5).softmax(-1)
        gate = head.gate.weight[0] @ hidden + head.gate.bias[0]
        share = 1 - torch.exp(-gate) if gate > 0 else 0 * gate
        probabilities = (1 - share) * scores.softmax(-1)
        for token, weight in zip(tokens, attention):
            probabilities = probabilities.index_add(0, torch.tensor([token]), (share * weight)[None])
        mixed.append(probabilities)
    return torch.stack(mixed)


@pytest.mark.parametrize("fusion", FUSIONS)
@torch.no_grad()
def test_is_the_mixture_of_the_paper(fusion):
    """
    Would fail if a token that stands in the source twice were counted once or thrice, frames could be copied, or the
    logits were not those of a distribution.
    """
    model = pointing_model(fusion=fusion)
    for row in mixed_rows():
        row["input_ids"][0, 3] = row["input_ids"][0, 0]
        decoder_ids = torch.tensor([[EOS, 5, int(row["input_ids"][0, 0]), 9]])
        actual = model(**row, decoder_input_ids=decoder_ids).logits[0].softmax(-1)
        torch.testing.assert_close(actual, mixture(model, row, decoder_ids), atol=1e-6, rtol=1e-4)
        assert (actual - of_vocabulary(model, **row, decoder_input_ids=decoder_ids)[0].softmax(-1)).abs().max() > 0.01


@torch.no_grad()
def test_starts_as_its_text_backbone():
    """Would fail if a pretrained BART were disturbed before the pointer head has learned anything."""
    model = GGMForHashtagGeneration(ggm_config(audio=None, fusion_init="zero", pointer_head=True)).eval()
    bart = BartForConditionalGeneration(copy.deepcopy(TEXT_CONFIGS["bart"])).eval()
    model.model.encoder.text_encoder.load_state_dict(bart.model.encoder.state_dict())
    model.model.decoder.load_state_dict(bart.model.decoder.state_dict())
    inputs, labels = text_inputs(), target_ids()
    expected = bart(**inputs, labels=labels)
    actual = model(**inputs, labels=labels)
    torch.testing.assert_close(actual.logits, expected.logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(actual.loss, expected.loss, atol=1e-6, rtol=0)


def test_learns_from_zero():
    """Would fail if a gate that starts shut stayed shut, or its attention got no gradient once it is open."""
    torch.manual_seed(0)
    model = GGMForHashtagGeneration(ggm_config(audio=None, fusion_init="zero", pointer_head=True)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    inputs = text_inputs(8)
    labels = inputs["input_ids"][:, :3].clone()
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert model.pointer_head.gate.weight.abs().sum() > 0
    assert model.pointer_head.query.weight.grad.abs().sum() > 0
    assert losses[-1] < losses[0] / 2


def test_gradients():
    """Would fail if the gradients of the mixture were not those of what it computes, duplicates included."""
    torch.manual_seed(0)
    head = PointerHead(ggm_config(pointer_head=True)).double()
    torch.nn.init.constant_(head.gate.bias, 1.0)
    ids, mask = torch.tensor([[4, 5, 4, 6], [7, 5, 1, 1]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    logits, hidden, states = (
        torch.randn(2, length, size, dtype=torch.double, requires_grad=True)
        for length, size in ((3, 9), (3, 16), (4, 16))
    )

    def losses(logits, hidden, states):
        # The head computes probabilities in float32.
        return head(logits, hidden, CopySource(states, ids, mask)).log_softmax(-1)[:, :, 4:8]

    parts = torch.autograd.grad(losses(logits, hidden, states).sum(), (logits, hidden, states))
    for tensor, gradient in zip((logits, hidden, states), parts):
        for place in [(0, 0, 4), (0, 1, 5), (1, 2, 7), (1, 1, 0)]:
            moved = [tensor.detach().clone() for _ in range(2)]
            moved[0][place] += 1e-2
            moved[1][place] -= 1e-2
            ends = [losses(*(end if part is tensor else part for part in (logits, hidden, states))) for end in moved]
            slope = (ends[0].sum() - ends[1].sum()) / 2e-2
            torch.testing.assert_close(gradient[place], slope, atol=2e-3, rtol=1e-2)


def test_tokens_that_the_vocabulary_rules_out():
    """Would fail if an unlikely token could not be copied, or the loss or a gradient were infinite."""
    model, inputs = pointing_model(audio=None), text_inputs()
    token = inputs["input_ids"][0, 0]
    for bias, is_copied in ((-30.0, True), (-1e4, False)):
        model.final_logits_bias[:, token] = bias
        model.zero_grad()
        output = model(**inputs, labels=inputs["input_ids"][:, :3])
        assert output.loss.isfinite() and (output.logits.softmax(-1)[0, :, token].max() > 1e-3) == is_copied
        output.loss.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("padding", [0.0, 1e4])
@torch.no_grad()
def test_rows_do_not_depend_on_their_batch(fusion, padding):
    """Would fail if padding could be copied, or changed what is copied beside it."""
    model, rows = pointing_model(fusion=fusion), mixed_rows()
    decoder_ids = torch.tensor([[EOS, 5, 6]])
    together = model(**as_batch(rows, padding), decoder_input_ids=decoder_ids.expand(len(rows), -1)).logits
    for row, actual in zip(rows, together):
        expected = model(**row, decoder_input_ids=decoder_ids).logits[0]
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.contract
@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("mode", MODES)
def test_decoding(mode, fusion):
    """Would fail if beams, sampling or a cache lost the tokens that can be copied, or took those of another row."""
    model, inputs = pointing_model(fusion=fusion), as_batch(mixed_rows())
    written = {}
    for use_cache in (True, False):
        torch.manual_seed(7)
        written[use_cache] = model.generate(**inputs, max_length=12, use_cache=use_cache, **MODES[mode])
    assert torch.equal(written[True], written[False])
    if mode != "sampling":
        alone = model.generate(**mixed_rows_of(inputs, 1), max_length=12, **MODES[mode])
        repeats = MODES[mode].get("num_return_sequences", 1)
        assert torch.equal(written[True][repeats : 2 * repeats, : alone.shape[1]], alone)


def mixed_rows_of(batch, row):
    """One row of a batch, padding included."""
    return {name: tensor[row : row + 1] for name, tensor in batch.items()}


@torch.no_grad()
def test_scores_and_outputs_of_the_encoder():
    """Would fail if what the encoder gives, as output or tuple, or its tokens beside it, gave other probabilities."""
    model, inputs, labels = pointing_model(audio=None), text_inputs(), target_ids()
    expected = model(**inputs, labels=labels).logits
    for return_dict in (True, False):
        encoded = model.get_encoder()(**inputs, return_dict=return_dict)
        actual = model(encoder_outputs=encoded, attention_mask=inputs["attention_mask"], labels=labels).logits
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)
    decoder_ids = model.prepare_decoder_input_ids_from_labels(labels)
    states = model.get_encoder()(**inputs).last_hidden_state
    scores = token_log_probs(model, states, inputs["attention_mask"], decoder_ids, inputs["input_ids"])
    chosen = expected.log_softmax(-1)[:, :-1].gather(-1, decoder_ids[:, 1:, None])[..., 0]
    torch.testing.assert_close(scores[:, 1:], chosen, atol=1e-5, rtol=0)


def test_text_without_tokens_is_refused():
    """Would fail if a pointer head without anything to point at wrote something else without a word."""
    model, inputs = pointing_model(audio=None), text_inputs()
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    states = GGMEncoderOutput(model.get_encoder()(**inputs).last_hidden_state)
    for given in ({"inputs_embeds": embeds}, {"encoder_outputs": states}):
        with pytest.raises(InputError, match="source_ids"):
            model(**given, labels=target_ids())


def test_comes_back_as_it_was(tmp_path):
    """Would fail if the pointer head were not saved, or a checkpoint without one started with a gate that is open."""
    model = pointing_model()
    model.save_pretrained(tmp_path / "with")
    assert same_tensors(GGMForHashtagGeneration.from_pretrained(tmp_path / "with"), model)
    ggm_model().save_pretrained(tmp_path / "without")
    loaded, told = GGMForHashtagGeneration.from_pretrained(
        tmp_path / "without", pointer_head=True, fusion_init="zero", output_loading_info=True
    )
    assert {name.split(".")[0] for name in told["missing_keys"]} == {"pointer_head"}
    assert not loaded.pointer_head.gate.weight.any() and loaded.pointer_head.query.weight.any()
    assert GGMForHashtagGeneration.from_pretrained(tmp_path / "without").pointer_head is None


@torch.no_grad()
def test_bfloat16_is_close_to_float32():
    """Would fail if probabilities were mixed in half precision."""
    model, inputs, labels = pointing_model(audio=None), text_inputs(), target_ids()
    expected = model(**inputs, labels=labels)
    actual = model.to(torch.bfloat16)(**inputs, labels=labels)
    assert actual.logits.dtype == torch.bfloat16
    torch.testing.assert_close(actual.loss.float(), expected.loss, atol=0.1, rtol=0.05)


def test_activation_checkpointing_and_attentions():
    """Would fail if saving memory, or giving attentions, changed what is learned."""
    model = pointing_model(audio=None, attn_implementation="eager", fusion_dropout=0.0)
    inputs, labels = ggm_inputs(audio=None), target_ids()
    expected = model(**inputs, labels=labels).loss
    output = model(**inputs, labels=labels, output_attentions=True)
    assert output.cross_attentions[0].shape == (2, 2, 5, 7)
    torch.testing.assert_close(output.loss, expected)
    checkpoint_activations(model)
    torch.testing.assert_close(model.eval()(**inputs, labels=labels).loss, expected)


def test_adapters_train_it_whole():
    """Would fail if an adapter left a new pointer head as it was drawn, or did not save it."""
    peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")
    model = pointing_model(audio=None)
    for without in ((), ("video",)):
        assert "pointer_head" in make_lora_config(model, without=without).modules_to_save
    adapted = peft.get_peft_model(model, make_lora_config(model, r=2)).train()
    adapted(**ggm_inputs(audio=None), labels=target_ids()).loss.backward()
    heads = {n: p for n, p in adapted.named_parameters() if "pointer_head" in n and p.requires_grad}
    assert len(heads) == 4 and all(p.grad is not None for p in heads.values())
