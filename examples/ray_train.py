"""
Trains as `train.py` does, in processes that Ray starts on the machines of its cluster, and starts them again when one
is lost: the training goes on from its last checkpoint.

    pip install 'transformers-ggm[ray]'
    python examples/ray_train.py --num_workers 8 --address auto -- --data_dir /shared/prepared --output_dir /shared/ggm

What stands after `--` are arguments of `train.py`; `--output_dir` is on a file system that all machines share.
"""

import argparse

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer


def train_loop_per_worker(config: dict) -> None:
    """What each process runs; Ray has joined them already, as `accelerate launch` would."""
    from transformers_ggm.training import main

    main(config["arguments"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_workers", type=int, default=2, help="processes, each with a GPU (default: 2)")
    parser.add_argument("--address", help="the cluster's; by default this machine alone")
    parser.add_argument("--use_cpu", action="store_true", help="train on CPUs")
    parser.add_argument("--max_failures", type=int, default=3, help="how often to start again (default: 3)")
    parser.add_argument("--storage_path", help="where Ray notes its own state (default: ~/ray_results)")
    parser.add_argument("arguments", nargs="*", help="of train.py, after --")
    options = parser.parse_args()
    ray.init(options.address)
    arguments = [*options.arguments, "--use_cpu", str(options.use_cpu)]
    TorchTrainer(
        train_loop_per_worker,
        train_loop_config={"arguments": arguments},
        scaling_config=ScalingConfig(num_workers=options.num_workers, use_gpu=not options.use_cpu),
        run_config=RunConfig(
            storage_path=options.storage_path, failure_config=FailureConfig(max_failures=options.max_failures)
        ),
    ).fit()


if __name__ == "__main__":
    main()
