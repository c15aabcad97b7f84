"""Trains a checkpoint's generator for some steps on noise and says how fast, as JSON: `gpu.py` runs it as a process.

accelerate launch benchmarks/gpu_training.py CHECKPOINT --batch_size 32
"""

import argparse
import json
import tempfile
import time

import torch
from gpu import NUM_FRAMES, SIZE, memory
from transformers import TrainerCallback
from transformers.utils import logging

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, GGMTrainer, GGMTrainingArguments


class Clock(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self):
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser(description="Says how fast a generator is trained.")
    parser.add_argument("checkpoint")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args()
    logging.set_verbosity_error()
    processor = GGMProcessor.from_pretrained(options.checkpoint)
    noise = torch.randint(0, 256, (NUM_FRAMES, 3, SIZE, SIZE), dtype=torch.uint8)
    # A row as the collator reads it: nothing is decoded.
    row = {
        "frames": processor.video_processor.resize_frames(noise), "input_features": None, "description": "first snow",
        "hashtags": ["snow", "winter", "mountains"], "guidance": ["lake", "snow"], "index": 0,
    }  # fmt: skip
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = GGMTrainingArguments(
            folder, max_steps=options.steps, per_device_train_batch_size=options.batch_size, bf16=True,
            use_cpu=options.device == "cpu", save_strategy="no", disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        trainer = GGMTrainer(
            GGMForHashtagGeneration.from_pretrained(options.checkpoint, dtype=torch.float32),
            arguments,
            train_dataset=[row] * options.batch_size,
            processing_class=processor,
            callbacks=[clock],
        )
        trainer.train()
    # The first steps choose kernels and make room.
    begin = min(3, len(clock.ends) - 2)
    rate = (len(clock.ends) - 1 - begin) / (clock.ends[-1] - clock.ends[begin])
    print(json.dumps({"rate": rate, "memory": memory(trainer.args.device)}))


if __name__ == "__main__":
    main()
