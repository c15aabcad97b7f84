"""The options of `ggm tag` for a cluster, as far as no cluster is needed for them."""

import sys

import pytest

from transformers_ggm.cli import main
from transformers_ggm.cluster.ray_session import ray_session
from transformers_ggm.errors import ClusterError

TAG = ["tag", "clips", "--output", "tags"]


def test_without_ray_its_extra_is_named(monkeypatch, capsys):
    """Would fail if who has no Ray were told of a missing module alone."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*TAG, "--engine", "ray"]) == 1
    assert "pip install 'transformers-ggm[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--address", "auto", "--num_models", "2"], "--address, --num_models"),
        (["--gpus_per_model", "0.5", "--retry_rejected"], "--gpus_per_model, --retry_rejected"),
        (["--engine", "ray", "--explain"], "--explain"),
        (["--engine", "ray", "--on_error", "raise"], "--on_error raise"),
        (["--engine", "spark"], "spark"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, told, capsys):
    """Would fail if an option were silently without effect."""
    assert main([*TAG, *options]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--num_models", "0"], "models=0"),
        (["--num_workers", "0"], "decoders=0"),
        (["--gpus_per_model", "-1"], "gpus_per_model=-1"),
        (["--batch_size", "0"], "batch_size=0"),
        (["--platform", "nowhere"], "nowhere"),
    ],
)
def test_values_out_of_range_are_told_before_anything_is_loaded(options, told, capsys):
    """Would fail if a wrong number were found out by a cluster, or after a model was loaded."""
    assert main([*TAG, "--engine", "ray", "--model", "none", *options]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:port", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_told(address):
    """Would fail if a wrong address ended in an exception of Ray's, after its many minutes of waiting."""
    with pytest.raises(ClusterError, match=rf"at '{address}' cannot be reached"), ray_session(address):
        pytest.fail("it was reached")
