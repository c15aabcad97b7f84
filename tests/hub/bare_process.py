"""Processes that do not have this package."""

import json
import os
import subprocess
import sys

PRELUDE = """
import json, sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "transformers_ggm":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
try:
    import transformers_ggm
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("the package can be imported")

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, AutoProcessor, AutoVideoProcessor, pipeline

torch.set_num_threads(1)

def tell(**answers):
    print("\\nANSWERS", json.dumps(answers))

def loaded_code():
    return sorted(name for name in sys.modules if name.startswith("transformers_modules"))
"""


def run_without_package(code, hub=None, cache=None, offline=False, **names):
    """
    Runs Python code in a process in which this package cannot be imported.

    Args:
        code (`str`): may use the Auto classes, `pipeline`, `loaded_code()`, and `tell(name=value)`, once.
        hub ([`StandInHub`], *optional*): the Hub that the process talks to; without it there is none.
        cache (`Path`): a folder for what is fetched, and for the code.
        offline (`bool`): whether the Hub is not asked although there is one.
        **names: values that the code finds under these names.

    Returns:
        What was told as a dict, and all that the process wrote.
    """
    environment = {**os.environ, "HF_HOME": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for name in ("HF_HUB_CACHE", "HF_MODULES_CACHE", "HF_TOKEN"):
        environment.pop(name, None)
    if hub is not None:
        environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_someone", "HF_HUB_DISABLE_XET": "1"}
        environment["HF_HUB_OFFLINE"] = str(int(offline))
    assignments = "".join(f"{name} = {str(value)!r}\n" for name, value in names.items())
    process = subprocess.run(
        # Isolated, so that neither the current folder nor PYTHONPATH is searched.
        [sys.executable, "-I", "-c", PRELUDE + assignments + code],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    [answers] = [line for line in process.stdout.splitlines() if line.startswith("ANSWERS")]
    return json.loads(answers.removeprefix("ANSWERS")), process.stdout + process.stderr
