"""The same few shorts, written in every shape in which people have them."""

import csv
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, List, Value, Video

from transformers_ggm.data.sources import open_shorts

WORDS = [
    ("first snow", ["snow", "winter"]),
    ('he said "hi", and left\nthen came back', ["lakelife"]),
    ("", ["rain"]),
    ("été à la plage", ["été", "plage"]),
    ("nothing to tag", []),
    ("123", ["snow"]),
    ("the last one", ["album", "snow"]),
]
FURTHER = Features({"id": Value("int64"), "score": Value("float64"), "title": Value("string")})


def make_rows():
    """Rows as they must come out: the clip's bytes, words, hashtags and further columns; one has no clip."""
    return [
        {
            "clip": None if number == 2 else f"clip {number}".encode() * 9,
            "description": description,
            "hashtags": hashtags,
            "id": number,
            "score": number / 2 if number != 3 else None,
            "title": f"no. {number}" if number != 4 else None,
        }
        for number, (description, hashtags) in enumerate(WORDS)
    ]


def read_back(source, start=0):
    """Rows of a source in the form of [`make_rows`]."""
    rows = []
    for row in source.rows(start):
        video = row.pop("video")
        row.pop("file_name")
        rows.append({"clip": Path(video).read_bytes() if isinstance(video, str) else video, **row})
    return rows


def _write_clips(folder, rows):
    """Writes the clips, and gives the rows with their paths in place of their bytes."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    named = []
    for number, row in enumerate(rows):
        clip = row["clip"]
        if clip is not None:
            (folder / "clips" / f"{number}.mp4").write_bytes(clip)
        named.append({"file_name": None if clip is None else f"clips/{number}.mp4", **row})
        del named[-1]["clip"]
    return named


def write_jsonl(path, rows):
    """Lines without the fields that have no value."""
    rows = [
        {name: value for name, value in row.items() if value is not None} for row in _write_clips(path.parent, rows)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        named = _write_clips(path.parent, rows)
        writer = csv.DictWriter(file, named[0], delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        for row in named:
            writer.writerow({**row, "hashtags": " ".join(f"#{tag}" for tag in row["hashtags"])})
    return path


def write_parquet(path, rows, row_group_size=3):
    named = _write_clips(path.parent, rows)
    pq.write_table(pa.Table.from_pylist(named), path, row_group_size=row_group_size)
    return path


def write_parquet_with_clips(path, rows):
    renamed = [{"video": row["clip"]} | {name: row[name] for name in row if name != "clip"} for row in rows]
    pq.write_table(pa.Table.from_pylist(renamed), path, row_group_size=3)
    return path


def write_tar(path, rows, first=0):
    with tarfile.open(path, "w") as tar:
        for number, row in enumerate(rows, start=first):
            row = dict(row)
            clip = row.pop("clip")
            if clip is not None:
                add_member(tar, f"shorts/{number:04d}.mp4", clip)
            add_member(tar, f"shorts/{number:04d}.json", json.dumps(row).encode())
    return path


def add_member(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def make_dataset(rows):
    """A dataset with a column of media, which must never be decoded."""
    features = Features(
        {"video": Video(), "description": Value("string"), "hashtags": List(Value("string")), **FURTHER}
    )
    clips = [row["clip"] and {"bytes": row["clip"], "path": None} for row in rows]
    columns = {name: [row[name] for row in rows] for name in features if name != "video"}
    return Dataset.from_dict({"video": clips, **columns}, features=features)


def generate(rows):
    """What a streaming dataset without features gives."""
    for row in rows:
        yield {"video": row["clip"], **{name: value for name, value in row.items() if name != "clip"}}


def write_lines(path, *rows):
    """Writes rows as JSON lines, as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def only_row(source, columns=None):
    """The row of a source that has one."""
    (row,) = open_shorts(source, columns)[None].rows()
    return row


def _folder_of(name, write):
    def write_folder(folder, rows):
        for split in ("train", "test"):
            (folder / "set" / split).mkdir(parents=True)
            write(folder / "set" / split / name, rows)
        return folder / "set"

    return write_folder


def _in_folder(write, name):
    return lambda folder, rows: write(folder / name, rows)


def _bare_folder(folder, rows):
    write_jsonl(folder / "metadata.jsonl", rows)
    return folder


def _tar_pattern(folder, rows):
    write_tar(folder / "shorts-08.tar", rows[:3])
    write_tar(folder / "shorts-09.tar", rows[3:4], first=3)
    write_tar(folder / "shorts-10.tar", rows[4:], first=4)
    return f"{folder}/shorts-{{08..10}}.tar"


def _untyped_stream(folder, rows):
    return IterableDataset.from_generator(generate, gen_kwargs={"rows": tuple(rows)})


SHAPES = {
    "folder, jsonl": _folder_of("metadata.jsonl", write_jsonl),
    "folder, csv": _folder_of("metadata.csv", write_csv),
    "folder, parquet": _folder_of("metadata.parquet", write_parquet),
    "folder without splits": _bare_folder,
    "csv": _in_folder(write_csv, "shorts.csv"),
    "tsv": _in_folder(write_csv, "shorts.tsv"),
    "jsonl": _in_folder(write_jsonl, "shorts.jsonl"),
    "json": _in_folder(write_jsonl, "shorts.json"),
    "parquet": _in_folder(write_parquet, "shorts.parquet"),
    "parquet with clips": _in_folder(write_parquet_with_clips, "shorts.parquet"),
    "tar": _in_folder(write_tar, "shorts.tar"),
    "tar pattern": _tar_pattern,
    "dataset": lambda folder, rows: make_dataset(rows),
    "dataset dict": lambda folder, rows: DatasetDict(train=make_dataset(rows), test=make_dataset(rows)),
    "stream": lambda folder, rows: make_dataset(rows).to_iterable_dataset(num_shards=2),
    "stream dict": lambda folder, rows: IterableDatasetDict(train=make_dataset(rows).to_iterable_dataset()),
    "stream without features": _untyped_stream,
}
STREAMS = {"stream", "stream dict", "stream without features"}
WITH_SPLITS = {"folder, jsonl", "folder, csv", "folder, parquet", "dataset dict"}
