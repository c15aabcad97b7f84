"""Searches whose decoder OpenVINO runs: they write what they write by PyTorch."""

import pytest
import torch
from modeling_samples import ggm_model

pytest.importorskip("openvino")

from transformers_ggm.backends import use_openvino
from transformers_ggm.generation.speculative_decoding import HashtagDrafts, drafted_greedy_search
from transformers_ggm.generation.token_tree import TokenTree
from transformers_ggm.generation.tree_beam_search import tree_beam_search
from transformers_ggm.modeling import GGMEncoderOutput

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module", params=["bart", "mbart"])
def pair(request, tmp_path_factory):
    """A generator by PyTorch, and the same one by OpenVINO."""
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(ggm_model(text=request.param, audio=None).eval())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers_ggm.backends.openvino_files.HF_HOME", str(tmp_path_factory.mktemp("cache")))
        use_openvino(models[1])
        models[1].token_tree(models[1], torch.randn(1, 3, 16))
    return models


def encoded(rows):
    states = torch.randn(rows, 5, 16, generator=torch.Generator().manual_seed(1)) * 3
    mask = torch.ones(rows, 5, dtype=torch.int64)
    mask[-1, 3:] = 0
    return states, mask


@torch.inference_mode()
def test_branches_and_rows(pair):
    """Would fail if a branch saw another one, the source's padding counted, or rows that are left out stayed."""
    states, mask = encoded(3)
    trees = TokenTree(pair[0], states, mask), pair[1].token_tree(pair[1], states, mask)
    one = torch.ones(3, 1, 1, dtype=torch.bool)
    steps = [
        (torch.full((3, 1), 2), torch.zeros(3, 1, dtype=torch.int64), one),
        (
            torch.tensor([[7, 8], [9, 4], [5, 6]]),
            torch.ones(3, 2, dtype=torch.int64),
            _seen([[1, 1, 0], [1, 0, 1]], 3),
        ),
    ]
    for step in steps:
        plain, found = (tree.grow(*step) for tree in trees)
        torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)
    kept = torch.tensor([0, 2])
    for tree in trees:
        tree.keep_rows(kept)
    step = (torch.tensor([[3], [4]]), torch.full((2, 1), 2), _seen([[1, 1, 0, 1]], 2))
    plain, found = (tree.grow(*step) for tree in trees)
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


def _seen(rows, count):
    return torch.tensor([rows] * count, dtype=torch.bool)


@pytest.mark.parametrize("search", ["beams", "drafts"])
def test_searches_write_the_same(pair, search):
    """Would fail if a search did not go through OpenVINO's decoder, or wrote something else by it."""
    options = {"custom_generate": tree_beam_search, "num_beams": 4}
    if search == "drafts":
        drafts = [HashtagDrafts([[9, 4, 5], [9, 7, 8]])] * 3
        options = {"custom_generate": drafted_greedy_search, "num_beams": 1, "drafts": drafts}
    states, mask = encoded(3)
    passes = []
    hook = pair[1].get_decoder().layers[0].register_forward_hook(lambda *_: passes.append(1))
    written = [
        model.generate(
            input_ids=torch.full((3, 5), 5),
            attention_mask=mask,
            encoder_outputs=GGMEncoderOutput(states),
            max_new_tokens=10,
            return_dict_in_generate=True,
            **options,
        )
        for model in pair
    ]
    hook.remove()
    assert not passes
    assert torch.equal(written[0].sequences, written[1].sequences)
    torch.testing.assert_close(written[0].log_probs, written[1].log_probs, atol=1e-4, rtol=1e-4)
