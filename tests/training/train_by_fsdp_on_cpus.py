"""
Runs `train.py` with FSDP on CPUs, where accelerate does not offer it: its settings are read on GPUs only.

PyTorch's FSDP itself does not mind. All that is changed here is that accelerate takes processes on CPUs too.
"""

import runpy
import sys
from pathlib import Path

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

make_state = AcceleratorState.__init__


def make_state_with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
    make_state(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        if self.mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self.mixed_precision)
        self.fsdp_plugin = fsdp_plugin
    if self._shared_state.get("fsdp_plugin") is not None:
        # Set back to processes on CPUs whenever the state is made once more.
        self.distributed_type = DistributedType.FSDP


AcceleratorState.__init__ = make_state_with_fsdp

if __name__ == "__main__":
    sys.argv[0] = str(Path(__file__).resolve().parents[2] / "train.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
