"""Stand-ins for the retriever and its processor, so that these tests are about the pool alone and need no model."""

import zlib

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling


class StandInProcessor:
    """Tokenizes like a `HashtagRetrieverProcessor` would, a letter a token: its ids are code points, 0 is padding."""

    def __call__(self, hashtags, return_tensors):
        assert return_tensors == "pt"
        rows = [[ord(letter) for letter in hashtag] for hashtag in hashtags]
        longest = max(map(len, rows))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return {"input_ids": padded, "attention_mask": (padded != 0).long()}


class StandInRetriever(torch.nn.Module):
    """
    Stands in for a `HashtagRetriever`: a hashtag's unit vector is drawn with its token ids as the seed. It remembers
    the batches it was given, and goes wrong in training mode as a model with dropout would.
    """

    def __init__(self, name: str = "stand-in", dim: int = 8):
        super().__init__()
        self.name = name
        self.dim = dim
        self.batches: list[list[str]] = []
        self.device = torch.device("cpu")
        self.eval()

    def fingerprint(self) -> str:
        return f"{zlib.crc32(self.name.encode()):08x}"

    def get_hashtag_features(self, input_ids, attention_mask):
        assert not self.training, "vectors made in training mode are noisy"
        assert not torch.is_grad_enabled(), "encoding a pool must not keep activations"
        rows = [ids[mask.bool()].tolist() for ids, mask in zip(input_ids, attention_mask)]
        self.batches.append(["".join(map(chr, row)) for row in rows])
        return BaseModelOutputWithPooling(pooler_output=torch.stack([self.vector(row) for row in rows]))

    def vector(self, ids) -> torch.Tensor:
        seed = zlib.crc32(repr((self.name, ids)).encode())
        drawn = torch.randn(self.dim, generator=torch.Generator().manual_seed(seed))
        return torch.nn.functional.normalize(drawn, dim=0)

    @property
    def encoded(self) -> list[str]:
        return [hashtag for batch in self.batches for hashtag in batch]
