"""Each part of a checkpoint alone: pushed by its own method, pulled by its own `from_pretrained`."""

import torch

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.pipelines import DEMO_CHECKPOINT


def test_model_alone(hub):
    """Would fail if a pushed model could not be pulled, or came back with other weights."""
    model = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    model.push_to_hub("someone/model")
    pulled = GGMForHashtagGeneration.from_pretrained("someone/model").state_dict()
    assert all(torch.equal(pulled[name], tensor) for name, tensor in model.state_dict().items())
