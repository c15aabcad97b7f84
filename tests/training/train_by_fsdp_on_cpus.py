"""
Runs `train.py` with FSDP on CPUs, where accelerate does not offer it: its settings are read on GPUs only.

PyTorch's FSDP itself does not mind. All that is changed here is that accelerate takes processes on CPUs too.
"""

import os
import runpy
import sys

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

make_state = AcceleratorState.__init__


def make_state_with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
    is_made = bool(AcceleratorState._shared_state)
    make_state(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if not is_made and fsdp_plugin is not None:
        assert self.distributed_type == DistributedType.MULTI_CPU
        self.distributed_type = DistributedType.FSDP
        if self.mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self.mixed_precision)
        self.fsdp_plugin = fsdp_plugin


AcceleratorState.__init__ = make_state_with_fsdp

if __name__ == "__main__":
    train = os.path.join(os.path.dirname(__file__), "..", "..", "train.py")
    sys.argv[0] = train
    runpy.run_path(train, run_name="__main__")
