"""Tags every clip of a folder, into a file of JSON lines: the command `ggm tag`."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..data.clip_files import FolderContents, examples_of, summary_of_left_out
from ..data.shorts import json_lines
from ..data.sources.metadata import FolderMetadata
from ..errors import DatasetError
from ..recommendation import clues_of
from ..utils.file_locks import alone_with, owner_file
from . import HashtagGenerationPipeline
from .inputs import CLUES
from .numbers import check_numbers


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
    `{"file_name": ..., "error": "..."}` for one that cannot be read. Clips that have a line are not tagged again:
    work that was cut off, or that new clips have come to, is resumed by the same call. Lines of another model
    stay what they are, so give each model its own file. Bytes of a name that are no UTF-8 stand in it as JSON's
    escapes of `os.fsdecode`'s letters (`"caf\\udce9.mp4"`), so that `os.fsencode` gives them back.

    Clips are files with an extension of the containers that can be opened; linked folders are gone through once. Where
    a folder has a `metadata.jsonl` (`.csv`, `.parquet`), the `description` of a `file_name` in it is read with the
    clip, also where the two spell a letter in two ways (composed and decomposed). Where the checkpoint goes by them,
    its `transcript`, `screen_text`, `history`, `time`, `language` and `country` are, too; where rows have `user`,
    `time` and `hashtags` but no `history`, that is of the same user's earlier rows.

    Args:
        suggest ([`HashtagGenerationPipeline`]): From `pipeline("hashtag-generation")`.
        folder (`str` or `os.PathLike`): Where the clips are.
        output (`str` or `os.PathLike`): File to append to. It is made where there is none.
        batch_size (`int`, defaults to 8), num_workers (`int`, defaults to 0): Clips at a time, and processes that
            decode them.
        on_error (`str`, defaults to `"skip"`): `"raise"` ends all at a clip that cannot be read.
        **kwargs: Further arguments of the pipeline's call (`top_n`, `min_score`, `explain`, ...).

    Returns:
        [`TaggingReport`]: What this call has done.

    Raises:
        `DatasetError`: There is no such folder, no clip in it, `output` or a metadata file has lines of another kind,
            `output` cannot be written, or another process is at it.
        `InputError`: A number is out of range, or `explain` is asked for where there is no ranker.
        `MediaError`: A clip cannot be read (with `on_error="raise"`).

    Example:

    ```python
    from transformers import pipeline
    from transformers_ggm.pipelines.tag_folder import tag_folder

    report = tag_folder(pipeline("hashtag-generation"), "clips", "tags.jsonl", num_workers=2, top_n=5)
    report.tagged, report.skipped
    ```
    """
    folder, output = Path(folder), Path(output)
    check_numbers(batch_size=batch_size, num_workers=num_workers, **kwargs)
    check_output(output)
    contents = _contents(folder, output)
    metadata = FolderMetadata(folder, contents)
    with alone_with(output, _lock(output)):
        done = _names_in(output)
        waiting = [name for name in contents.clips if name not in done]
        skipped: dict[str, str] = {}
        tagged = 0
        progress = tqdm(
            total=len(contents.clips), initial=len(contents.clips) - len(waiting), desc="Tagging", unit="clip"
        )
        clues = clues_of_clips(contents.clips, metadata) if suggest.used_clues else {}
        items = (
            {"video": str(folder / name), "description": metadata.description(name), **clues.get(name, {})}
            for name in waiting
        )
        # Halves of characters, which stand for bytes of names, are written as JSON escapes them.
        with progress, output.open("a", encoding="utf-8", errors="backslashreplace") as file:
            if waiting:
                found = suggest(items, batch_size=batch_size, num_workers=num_workers, on_error=on_error, **kwargs)
                with closing(found):
                    for name, hashtags in zip(waiting, found):
                        reason = dict(suggest.skipped[len(skipped) :]).get(str(folder / name))
                        line = {"file_name": name, "hashtags": hashtags}
                        if reason is not None:
                            skipped[name] = reason
                            line = {"file_name": name, "error": reason}
                        file.write(json.dumps(line, ensure_ascii=False) + "\n")
                        file.flush()
                        tagged += reason is None
                        progress.update()
    return TaggingReport(
        tagged,
        skipped,
        len(contents.clips) - len(waiting),
        contents.left_out,
        metadata.rows_without_clip,
        metadata.clips_without_row,
    )


@dataclass(frozen=True)
class TaggingReport:
    """What a call of [`tag_folder`] has done.

    Args:
        tagged (`int`): Lines with hashtags that were written.
        skipped (`dict[str, str]`): Clips that cannot be read, by their `file_name`, and why.
        before (`int`): Clips that had a line already.
        left_out (`list[str]`): Files that are no clips by their names, hidden ones, and links that lead nowhere.
        rows_without_clip (`list[str]`): Rows of metadata whose clip is not there: the name, or the row's place.
        clips_without_row (`list[str]`): Clips that no row of the metadata names, where there is metadata.
    """

    tagged: int
    skipped: dict[str, str]
    before: int
    left_out: list[str] = field(default_factory=list)
    rows_without_clip: list[str] = field(default_factory=list)
    clips_without_row: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.tagged} clips tagged, {len(self.skipped)} skipped, {self.before} done before"]
        lines += [f"  {reason}" for reason in self.skipped.values()]
        if self.left_out:
            lines.append(summary_of_left_out(self.left_out))
        for names, what in (
            (self.rows_without_clip, "Rows of metadata without a clip"),
            (self.clips_without_row, "Clips without a row of metadata"),
        ):
            if names:
                lines.append(f"{what}: {len(names)} ({examples_of(names)}).")
        return "\n".join(lines)


def check_output(output: Path) -> None:
    """Raises `DatasetError` where a file to append to cannot be one, before any work is done for it."""
    if output.is_dir():
        raise DatasetError(f"{output} is a folder: name a file to write to.")
    if not output.parent.is_dir():
        raise DatasetError(f"{output.parent} is not a folder: make it, or name a file elsewhere.")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise DatasetError(f"{output} cannot be written to: name another file.")


def _lock(output: Path) -> Path:
    return output.with_name(f".{output.name}.lock")


def _contents(folder: Path, output: Path) -> FolderContents:
    """What lies in a folder, but for what this command itself puts there."""
    contents = FolderContents.of(folder)
    contents.require_clips(folder)
    own = {path.absolute() for path in (output, _lock(output), owner_file(_lock(output)))}
    left_out = [name for name in contents.left_out if (folder / name).absolute() not in own]
    return FolderContents(contents.clips, contents.metadata, left_out)


def clues_of_clips(clips: Sequence[str], metadata: FolderMetadata) -> dict[str, dict[str, Any]]:
    """What is known of each clip besides its description, the history of its user within the folder among it."""
    rows = {name: metadata.clues(name) for name in clips}
    posts = [{name: row.get(name) for name in ("user", "time", "hashtags")} for row in rows.values()]
    histories = [clues.history for clues in clues_of(posts)]
    return {
        name: {"history": history, **{field: value for field, value in row.items() if field in CLUES}}
        for (name, row), history in zip(rows.items(), histories)
    }


def _names_in(output: Path) -> set[str]:
    """The clips that have a line. Half a line, of a process that was killed while it wrote it, is removed."""
    if not output.exists():
        return set()
    with output.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
    names = set()
    for place, row in json_lines(output):
        if not isinstance(row.get("file_name"), str):
            raise DatasetError(
                f'{place}: this is no line of the kind {{"file_name": "clip.mp4", ...}}. Give another file, or repair'
                " it."
            )
        names.add(row["file_name"])
    return names
