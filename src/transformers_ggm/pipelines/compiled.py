"""The parts of a pipeline that take most of its time, compiled."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from ..errors import InputError
from ..modeling.backbones import tower_of

# What the compiled decoder wants of `generate`: keys and values in tensors whose size does not grow with every token.
# On GPUs `generate` would compile a second time around it.
DECODING = {"cache_implementation": "static", "disable_compile": True}


def compile_parts(model: PreTrainedModel, retriever: PreTrainedModel | None) -> None:
    """
    Compiles a generator's vision encoder, text encoder and decoder and a retriever's vision tower by
    `torch.nn.Module.compile`, where they are. Each part is compiled at its first call, and once more when the number
    of rows was 1 before and is not any more; both take minutes on two cores. Lengths are left open, so that clips and
    texts of other lengths need no more. PyTorch keeps on disk what it compiled (`TORCHINDUCTOR_CACHE_DIR`), for other
    processes.

    On CPUs with bfloat16, little is gained: a tenth of decoding's time at most, since reading the weights is
    what takes it.

    Args:
        model ([`GGMForHashtagGeneration`]): the generator.
        retriever ([`HashtagRetriever`], *optional*): the retriever, where there is one.

    Raises:
        InputError: the model is spread over devices, or the processor's compiler is missing.
    """
    if len(set(getattr(model, "hf_device_map", {"": model.device}).values())) > 1:
        raise InputError(
            "compile=True is for a model on one device, but this one is spread over"
            f" {sorted(map(str, set(model.hf_device_map.values())))}: leave out compile=True or device_map=."
        )
    if model.device.type == "cpu":
        _check_compiler()
    encoder = model.get_encoder()
    parts = [encoder.vision_encoder, encoder.text_encoder, model.get_decoder()]
    if retriever is not None and retriever.config.query_reads_video:
        parts.append(tower_of(retriever, "vision"))
    for part in parts:
        part.compile(dynamic=True)


# Held while the stance is another one: it is the whole process's, and a thread must not put back what another one set.
_stance = threading.Lock()


@contextmanager
def as_written() -> Iterator[None]:
    """A context in which compiled parts run as they were before: for calls of which no two are alike."""
    with _stance, torch.compiler.set_stance("force_eager"):
        yield


def _check_compiler() -> None:
    from torch._inductor import config

    names = [name for name in config.cpp.cxx if name]
    if not any(map(shutil.which, names)):
        raise InputError(
            f"compile=True needs a C++ compiler, but {' and '.join(names)} cannot be found: install one (for instance"
            " `apt-get install g++`), name yours by the environment variable CXX, or leave out compile=True."
        )


__all__ = ["DECODING", "as_written", "compile_parts"]
