"""
Runs `train.py`, but waits for the end of a named pipe before one step of the generator's training:

    python train_with_a_held_step.py PIPE STEP --data_dir ...
"""

import runpy
import sys
from pathlib import Path

from transformers_ggm.training import callbacks


def hold(pipe, step):
    """Lets the generator's training wait before the step."""

    def on_step_begin(self, args, state, control, **kwargs):
        if args.output_dir.endswith("generator") and state.global_step == int(step):
            Path(pipe).read_bytes()

    callbacks.EpochCallback.on_step_begin = on_step_begin


if __name__ == "__main__":
    hold(*sys.argv[1:3])
    del sys.argv[1:3]
    sys.argv[0] = str(Path(__file__).resolve().parents[2] / "train.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
