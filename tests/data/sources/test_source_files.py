import functools
import http.server
import os
import threading

import fsspec
import pytest
from datasets import IterableDataset
from source_samples import (
    FURTHER,
    generate,
    make_rows,
    read_back,
    write_csv,
    write_jsonl,
    write_parquet,
    write_tar,
)

from transformers_ggm.data.sources import open_shorts
from transformers_ggm.errors import DatasetError


@pytest.fixture
def server(tmp_path):
    """The address of an HTTP server on this machine, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


def _clips_by_url(source):
    return [(row["video"], row["file_name"]) for row in source.rows()]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_table_over_http(name, server):
    """Would fail if a table behind a URL could not be read again and again, or its clips were looked for here."""
    address, folder = server
    write = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}[os.path.splitext(name)[1]]
    write(folder / name, make_rows())
    source = open_shorts(f"{address}/{name}?key=1")[None]
    assert source.num_rows == len(make_rows())
    for _ in range(2):
        assert _clips_by_url(source)[0] == (f"{address}/clips/0.mp4", "clips/0.mp4")
    assert source.fingerprint == open_shorts(folder / name)[None].fingerprint
    copy = source._raw.copy.path
    assert os.path.exists(copy)
    del source
    assert not os.path.exists(copy)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_table_in_a_store(name, tmp_path):
    """Would fail if a table in a store of fsspec could not be read, or its clips were looked for elsewhere."""
    write = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}[os.path.splitext(name)[1]]
    with fsspec.open(f"memory://tables/{name}", "wb") as file:
        file.write(write(tmp_path / name, make_rows()).read_bytes())
    source = open_shorts(f"memory://tables/{name}")[None]
    assert _clips_by_url(source)[1] == ("memory://tables/clips/1.mp4", "clips/1.mp4")
    assert [row["id"] for row in source.rows(4)] == [4, 5, 6]


def test_remote_tars(server):
    """Would fail if tars behind URLs gave other rows than local ones, or were taken to be known to their end."""
    address, folder = server
    rows = make_rows()
    write_tar(folder / "a-0.tar", rows[:3])
    write_tar(folder / "a-1.tar", rows[3:], first=3)
    for number in (0, 1):
        with fsspec.open(f"memory://tars/a-{number}.tar", "wb") as file:
            file.write((folder / f"a-{number}.tar").read_bytes())
    for pattern in (f"{address}/a-{{0..1}}.tar", "memory://tars/a-*.tar"):
        source = open_shorts(pattern)[None]
        assert (source.num_rows, source.features) == (None, FURTHER)
        for start in (0, 2, 3, 6, 9):
            assert read_back(source, start) == rows[start:]


def test_field_unknown_to_the_first_rows(server):
    """Would fail if a field that the first rows of a stream lack were dropped silently, or could not be left out."""
    address, folder = server
    rows = [{"clip": None, "tags": ["a"]}] * 70
    write_tar(folder / "a.tar", [*rows, {**rows[0], "late": 1}])
    source = open_shorts(f"{address}/a.tar")[None]
    with pytest.raises(DatasetError, match=r"sample shorts/0070 has the field 'late'.*columns=\{'late': None\}"):
        list(source.rows())
    assert len(list(open_shorts(f"{address}/a.tar", {"late": None})[None].rows())) == 71


def test_type_unknown_to_the_first_rows():
    """Would fail if a value of another type came through, to be refused when it is written hours later."""
    rows = tuple({"clip": None, "description": "a", "n": number} for number in (*range(70), "x"))
    source = open_shorts(IterableDataset.from_generator(generate, gen_kwargs={"rows": rows}))[None]
    with pytest.raises(DatasetError, match="row 70: 'x' in the field 'n' is of another type"):
        list(source.rows())
