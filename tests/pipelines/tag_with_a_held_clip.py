"""
Runs `python -m transformers_ggm`, but waits for the end of a named pipe before one clip is
decoded:

    python tag_with_a_held_clip.py PIPE CLIP tag FOLDER --output FILE ...
"""

import runpy
import signal
import sys
from pathlib import Path

from transformers_ggm import HashtagGenerationPipeline


def hold(pipe, clip):
    """Lets this process, and those that it forks, wait before the clip is decoded."""
    preprocess = HashtagGenerationPipeline.preprocess

    def preprocess_held(self, item, **params):
        if Path(item["video"]).name == clip:
            Path(pipe).read_bytes()
        return preprocess(self, item, **params)

    HashtagGenerationPipeline.preprocess = preprocess_held


if __name__ == "__main__":
    # A shell has what it runs in the background ignore Ctrl-C, tests and all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hold(*sys.argv[1:3])
    del sys.argv[1:3]
    runpy.run_module("transformers_ggm", run_name="__main__", alter_sys=True)
