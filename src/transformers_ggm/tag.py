"""Tags every clip of a folder, into a file of JSON lines.

```bash
python -m transformers_ggm.tag clips --output tags.jsonl --model outputs/ggm/checkpoint --batch_size 8 --num_workers 4
```
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm
from transformers import pipeline

from .data.prepare.options import available_cores
from .data.sources.tars import CLIP_EXTENSIONS
from .errors import DatasetError
from .pipelines import HashtagGenerationPipeline

# Where the Hub's convention has the words that belong to the clips of a folder.
METADATA = "metadata.jsonl"


def tag_folder(
    suggest: HashtagGenerationPipeline,
    folder: str | os.PathLike,
    output: str | os.PathLike,
    *,
    batch_size: int = 8,
    num_workers: int = 0,
    on_error: str = "skip",
    **kwargs,
) -> "TaggingReport":
    """
    Suggests hashtags for all clips in a folder and in those in it, in the order of their names, and appends a line to
    `output` as soon as those of a clip are known.

    A line is `{"file_name": "a/clip.mp4", "hashtags": [...]}`, with what the pipeline says about the clip, or
    `{"file_name": ..., "error": "..."}` for one that cannot be read. Clips that have a line are not looked at again:
    work that was cut off, or that new clips have come to, is gone on with by the same call. Lines of another model stay
    what they are, so give each model its own file. Where the folder has a `metadata.jsonl`, the `description` of a
    `file_name` in it is read with the clip.

    Args:
        suggest ([`HashtagGenerationPipeline`]): From `pipeline("hashtag-generation")`.
        folder (`str` or `os.PathLike`): Where the clips are.
        output (`str` or `os.PathLike`): File to append to. It is made where there is none.
        batch_size (`int`, defaults to 8), num_workers (`int`, defaults to 0): Clips at a time, and processes that
            decode them.
        on_error (`str`, defaults to `"skip"`): `"raise"` ends all at a clip that cannot be read.
        **kwargs: Further arguments of the pipeline's call (`top_n`, `num_beams`, ...).

    Returns:
        [`TaggingReport`]: What this call has done.

    Raises:
        `DatasetError`: There is no such folder, no clip in it, or `output` or `metadata.jsonl` has lines of another kind.
        `MediaError`: A clip cannot be read (with `on_error="raise"`).

    Example:

    ```python
    from transformers import pipeline
    from transformers_ggm.tag import tag_folder

    report = tag_folder(pipeline("hashtag-generation"), "clips", "tags.jsonl", num_workers=2, top_n=5)
    report.tagged, report.skipped
    ```
    """
    folder, output = Path(folder), Path(output)
    names = clip_names(folder)
    done = _names_in(output)
    waiting = [name for name in names if name not in done]
    progress = tqdm(total=len(names), initial=len(names) - len(waiting), desc="Tagging", unit="clip")
    skipped: dict[str, str] = {}
    if waiting:
        descriptions = _descriptions(folder / METADATA)
        items = ({"video": str(folder / name), "description": descriptions.get(name, "")} for name in waiting)
        found = suggest(items, batch_size=batch_size, num_workers=num_workers, on_error=on_error, **kwargs)
        with progress, closing(found), output.open("a", encoding="utf-8") as file:
            for name, hashtags in zip(waiting, found):
                reason = dict(suggest.skipped[len(skipped) :]).get(str(folder / name))
                line = {"file_name": name, "hashtags": hashtags}
                if reason is not None:
                    skipped[name] = reason
                    line = {"file_name": name, "error": reason}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                progress.update()
    return TaggingReport(len(waiting) - len(skipped), skipped, len(names) - len(waiting))


@dataclass(frozen=True)
class TaggingReport:
    """What a call of [`tag_folder`] has done.

    Args:
        tagged (`int`): Clips that now have hashtags.
        skipped (`dict[str, str]`): Clips that cannot be read, by their `file_name`, and why.
        before (`int`): Clips that had a line already.
    """

    tagged: int
    skipped: dict[str, str]
    before: int

    def __str__(self) -> str:
        lines = [f"{self.tagged} clips tagged, {len(self.skipped)} skipped, {self.before} done before"]
        return "\n".join([*lines, *(f"  {reason}" for reason in self.skipped.values())])


def clip_names(folder: Path) -> list[str]:
    """The clips in a folder and in those in it, as sorted paths relative to it with `/`; hidden ones are left out."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder: give the one that the clips are in.")
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = [
        path.as_posix()
        for path in paths
        if path.suffix[1:].lower() in CLIP_EXTENSIONS and not any(part.startswith(".") for part in path.parts)
    ]
    if not names:
        raise DatasetError(f"There is no clip in {folder}: files named {', '.join(sorted(CLIP_EXTENSIONS))} are read.")
    return sorted(names)


def _names_in(output: Path) -> set[str]:
    """The clips that have a line. Half a line, of a process that was killed while it wrote it, is removed."""
    if not output.exists():
        return set()
    with output.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
    return {row["file_name"] for row in _rows(output)}


def _descriptions(metadata: Path) -> dict[str, str]:
    if not metadata.is_file():
        return {}
    return {row["file_name"]: row.get("description") or "" for row in _rows(metadata)}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                row["file_name"]
            except (ValueError, TypeError, KeyError) as error:
                raise DatasetError(
                    f'{path}, line {number}: this is no line of the kind {{"file_name": "clip.mp4", ...}}. Give another'
                    " file, or repair it."
                ) from error
            yield row


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives the exit status: 0, or 1 with a line on stderr that says what is wrong; clips that
    were skipped are listed there too."""
    options = _parser().parse_args(arguments)
    try:
        clip_names(Path(options.folder))  # before a model is loaded
        suggest = pipeline("hashtag-generation", model=options.model, device=options.device, int8=options.int8)
        report = tag_folder(
            suggest,
            options.folder,
            options.output,
            batch_size=options.batch_size,
            num_workers=options.num_workers,
            on_error=options.on_error,
            **{name: getattr(options, name) for name in ("top_n", "num_beams") if getattr(options, name) is not None},
        )
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on where this one was.", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:  # what this package raises, and what the file system does
        print(error, file=sys.stderr)
        return 1
    print(report, file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m transformers_ggm.tag",
        description="Tags every clip of a folder, into a file of JSON lines. What has a line is not done again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", help="of clips; descriptions are read from its metadata.jsonl, where there is one")
    parser.add_argument("--output", required=True, help="file of JSON lines, appended to")
    parser.add_argument("--model", help="folder or Hub id of a checkpoint (None: the bundled demonstration)")
    parser.add_argument("--device", help="such as cuda:0 (None: a GPU where there is one)")
    parser.add_argument("--int8", action="store_true", help="round to eight bits, which is quicker on processors")
    parser.add_argument("--batch_size", type=int, default=8, help="clips at a time")
    parser.add_argument("--num_workers", type=int, default=available_cores(), help="processes that decode")
    parser.add_argument("--top_n", type=int, help="hashtags of a clip, at most (None: all that the model writes)")
    parser.add_argument("--num_beams", type=int, help="1 is the quickest (None: what the checkpoint says)")
    parser.add_argument(
        "--on_error", choices=("skip", "raise"), default="skip", help="about clips that cannot be read"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
