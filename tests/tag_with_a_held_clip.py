"""
Runs `python -m transformers_ggm.tag`, but waits for the end of a named pipe before one clip is decoded:

    python tag_with_a_held_clip.py PIPE CLIP FOLDER --output FILE ...
"""

import runpy
import sys
from pathlib import Path

from transformers_ggm.pipelines import inputs

load_item = inputs.load_item
pipe, clip = sys.argv[1:3]


def load_item_held(fields, *args):
    if fields.video is not None and Path(fields.video).name == clip:
        Path(pipe).read_bytes()
    return load_item(fields, *args)


inputs.load_item = load_item_held

if __name__ == "__main__":
    del sys.argv[1:3]
    runpy.run_module("transformers_ggm.tag", run_name="__main__", alter_sys=True)
