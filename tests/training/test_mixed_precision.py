"""Training in mixed precision."""

import pytest
import torch
from training_samples import losses, weights


@pytest.mark.slow
def test_bfloat16_on_cpus(finished, train, tmp_path):
    """Would fail if `--bf16` did not reach a training, went astray there, or left rounded weights behind."""
    half = train(tmp_path / "half", bf16=True, stages=["prepare", "retriever", "pool", "guidance", "generator"])
    for name in ("retriever", "generator"):
        expected, found = losses(finished / "runs" / name), losses(half / "runs" / name)
        assert found != expected and found == pytest.approx(expected, rel=0.02)
    for folder in (half / "checkpoint", half / "checkpoint" / "retriever"):
        stored = weights(folder)
        assert {values.dtype for values in stored.values() if values.is_floating_point()} == {torch.float32}
        assert all(values.isfinite().all() for values in stored.values())
        assert any((values != values.bfloat16().float()).any() for values in stored.values())
