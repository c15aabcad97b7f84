"""Files behind names: whatever a server, a store or a file object does becomes an error of ours that names it."""

import asyncio
import http.client
import io
import os
import ssl
import struct
import tempfile
import urllib.parse
import zlib
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from odd_server import OddServer, chunked, content, first, moved, raw, reset, stated_length, status

from transformers_ggm.data.sources import open_shorts
from transformers_ggm.data.sources.files import LocalCopy, open_file
from transformers_ggm.errors import DatasetError, MediaError
from transformers_ggm.processing.media.sources import open_source
from transformers_ggm.utils import opening
from transformers_ggm.utils.opening import local_name, open_named

DATA = bytes(range(256)) * 4000


@pytest.fixture
def server():
    with OddServer().running() as odd:
        yield odd


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(opening, "WAITS_SECONDS", (0.0, 0.0))


def as_clip(name, max_bytes=1 << 30):
    with open_source(name, max_bytes) as file:
        return file.read()


def as_table(name):
    copy = LocalCopy(name)
    return Path(copy.path).read_bytes()


def as_tar(name):
    with open_file(name) as file:
        return file.read()


READERS = {as_clip: MediaError, as_table: DatasetError, as_tar: DatasetError}
ADDRESSES = [
    "/first snow.mp4",
    "/first%20snow.mp4",
    "/100%.mp4",
    "/été/雪 ❄️.mp4",
    "/ثلج.mp4",
    "/a.mp4?name=first snow&key=ä#t=3",
    "/a'b\"(c)[d]{e}|^`<f>.mp4",
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_are_quoted_as_a_browser_does(server, read, address):
    """Would fail if an address with spaces or other letters were refused, or asked for under another name."""
    path, _, query = address.partition("#")[0].partition("?")
    server.answers = {}
    seen = []

    def answer(handler, times):
        seen.append(handler.path)
        content(DATA)(handler, times)

    quoted = opening.urllib.parse.quote(path, safe="/%'()") + ("?name=first%20snow&key=%C3%A4" if query else "")
    server.answers[quoted] = answer
    assert read(server.url + address) == DATA
    assert urllib.parse.unquote(seen[0]) == urllib.parse.unquote(address.partition("#")[0])


def test_an_address_of_ipv6_and_a_name_with_a_password(server):
    """Would fail if a literal address or one with a user's name were refused, or the name left out."""
    server.answers["/a.mp4"] = content(DATA)
    assert as_clip(server.url.replace("://", "://someone:p%40ss@") + "/a.mp4") == DATA
    assert server.headers["/a.mp4"]["Authorization"] == "Basic c29tZW9uZTpwQHNz"
    with OddServer().running("::1") as odd:
        odd.answers["/a.mp4"] = content(DATA)
        assert as_clip(f"{odd.url}/a.mp4") == DATA


BREAKS = {
    "a chunk cut off": chunked(DATA, at=300_000),
    "less than stated": stated_length(DATA[:300_000], len(DATA)),
    "a connection torn down": reset(DATA),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n" * 5),
    "nothing at all": raw(b""),
    "a header that is too long": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
    "too many headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    "a chunk of no size": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "busy": status(503),
    "too often": status(429),
    "broken": status(500),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("how", BREAKS)
def test_what_breaks_is_tried_again(server, read, how):
    """Would fail if a transfer that breaks once or twice cost a clip, a table or a tar, or came out with a seam."""
    if how == "a chunk of no size":
        whole = chunked(DATA)
    else:
        whole = content(DATA)
    server.answers["/a.mp4"] = first(BREAKS[how], BREAKS[how], whole)
    assert read(f"{server.url}/a.mp4") == DATA
    assert server.asked["/a.mp4"] == 3


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("how", BREAKS)
def test_what_stays_broken_is_told_as_ours(server, read, how):
    """Would fail if a server could raise something that ends a call of a thousand clips, or was asked for ever."""
    server.answers["/a b.mp4"] = server.answers["/a%20b.mp4"] = BREAKS[how]
    with pytest.raises(READERS[read], match=r"/a b\.mp4"):
        read(f"{server.url}/a b.mp4")
    # A connection that is torn down may have brought a little more than the time before.
    assert 3 <= server.asked["/a%20b.mp4"] <= (9 if how == "a connection torn down" else 3)


def test_of_a_table_that_breaks_nothing_stays(server, monkeypatch, tmp_path):
    """Would fail if a service that meets broken tables filled its disk with parts of them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server.answers["/a.csv"] = BREAKS["less than stated"]
    with pytest.raises(DatasetError, match=r"/a\.csv") as told:
        as_table(f"{server.url}/a.csv")
    assert told and not list(tmp_path.iterdir())


LASTING = {
    "missing": status(404),
    "forbidden": status(403),
    "gone": status(410),
    "sent in a circle": moved("/a.mp4"),
    "sent to a file": moved("file:///etc/hostname"),
    "sent to another protocol": moved("ftp://127.0.0.1/a.mp4"),
    "sent nowhere": moved("http://[half/a.mp4"),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("how", LASTING)
def test_what_does_not_pass_is_told_at_once(server, read, how):
    """Would fail if a clip that is gone were waited for, or a server could send its readers to files of theirs."""
    server.answers["/a.mp4"] = LASTING[how]
    with pytest.raises(READERS[read], match=r"/a\.mp4"):
        read(f"{server.url}/a.mp4")
    assert server.asked["/a.mp4"] <= 11


def test_redirects_are_followed(server):
    """Would fail if a redirect to an address with spaces or other letters were not followed."""
    server.answers["/a.mp4"] = moved("/first snow é.mp4".encode().decode("latin-1"), 307)
    server.answers["/first%20snow%20%C3%A9.mp4"] = content(DATA)
    assert as_clip(f"{server.url}/a.mp4") == DATA


def test_a_file_that_changes_between_two_tries_is_no_mixture(server):
    """Would fail if the start of one version were joined to the end of another."""
    other = bytes(reversed(DATA)) + b"more"
    server.answers["/a.mp4"] = first(stated_length(DATA[:300_000], len(DATA)), content(other))
    with pytest.raises(DatasetError, match="changed while it was read"):
        as_tar(f"{server.url}/a.mp4")


def test_limits_stay(server):
    """Would fail if a file larger than allowed, of no stated size, were read to its end."""
    server.answers["/a.mp4"] = chunked(DATA)
    with pytest.raises(MediaError, match="100 bytes allowed"):
        as_clip(f"{server.url}/a.mp4", max_bytes=100)
    assert server.asked["/a.mp4"] == 1


NAMES = ["http://", "http://[::1/a.mp4", "http://a:b:c/", "https://\0/", "http://xn--\udcff/", "nowhere://a", "s3://"]
NAMES += ["\0", "a" * 5000, "\ud800.mp4", "memory://", "://", "zip://a.mp4::nowhere://b", "http://" + "ü" * 100, ""]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_name_nothing(name):
    """Would fail if a name that nothing can be made of raised what callers do not expect."""
    for error in (MediaError, DatasetError):
        with pytest.raises(error) as found:
            open_named(name, error)
        assert len(str(found.value)) < 1500


class OddError(Exception):
    """As libraries of stores have them: of no common class."""


ODD_ERRORS = [
    OddError("Unable to locate credentials"),
    http.client.IncompleteRead(b"", 5),
    ssl.SSLError("decryption failed"),
    zlib.error("invalid stored block lengths"),
    struct.error("unpack requires 4 bytes"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    asyncio.TimeoutError(),
    RuntimeError("Loop is not running"),
    KeyError("Contents"),
    AssertionError(),
    NotImplementedError(),
    RecursionError("maximum recursion depth exceeded"),
    EOFError("Compressed file ended"),
    StopIteration(),
    PermissionError("403"),
]


class OddFileSystem(MemoryFileSystem):
    """A store whose reads raise what a test wants, so many times."""

    protocol = "odd"
    store, pseudo_dirs = {}, [""]
    opening_error = reading_error = None
    times = 0

    @classmethod
    def failing(cls, error):
        if error is not None and cls.times:
            cls.times -= 1
            raise error

    def _open(self, path, mode="rb", **kwargs):
        if mode == "rb":
            self.failing(OddFileSystem.opening_error)
        file = super()._open(path, mode, **kwargs)
        if mode != "rb":
            return file
        data, self_ = file.getvalue(), self

        class Reads(io.BytesIO):
            def read(self, size=-1):
                if self.tell() >= 1000:
                    self_.failing(OddFileSystem.reading_error)
                return super().read(1000 if self.tell() < 1000 else size)

        return Reads(data)


@pytest.fixture
def odd_store(monkeypatch):
    fsspec.register_implementation("odd", OddFileSystem, clobber=True)
    with fsspec.open("odd://bucket/a.mp4", "wb") as file:
        file.write(DATA)
    for name in ("opening_error", "reading_error", "times"):
        monkeypatch.setattr(OddFileSystem, name, getattr(OddFileSystem, name))
    return OddFileSystem


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("where", ["opening_error", "reading_error"])
@pytest.mark.parametrize("error", ODD_ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_store_raises_is_told_as_ours(odd_store, read, where, error):
    """Would fail if an exception that nobody thought of came out of a store's library."""
    setattr(odd_store, where, error)
    odd_store.times = 100
    with pytest.raises(READERS[read], match=r"odd://bucket/a\.mp4") as found:
        read("odd://bucket/a.mp4")
    assert found.value.__cause__ is not None


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("error", ODD_ERRORS, ids=lambda error: type(error).__name__)
def test_reading_that_breaks_is_gone_on_with(odd_store, read, error):
    """Would fail if what was opened and breaks off were given up at once, or gone on with at another place."""
    odd_store.reading_error, odd_store.times = error, 2
    assert read("odd://bucket/a.mp4") == DATA


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_concerns_the_whole_process_passes(odd_store, error):
    """Would fail if Ctrl-C or a full memory were taken for a broken clip."""
    for where in ("opening_error", "reading_error"):
        setattr(odd_store, where, error)
        odd_store.times = 1
        with pytest.raises(type(error)):
            as_clip("odd://bucket/a.mp4")


class OddFile(io.BytesIO):
    """A file object that fails at one of its methods."""

    def __init__(self, method, error):
        super().__init__(DATA)
        self.method, self.error = method, error

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "method"):
            raise object.__getattribute__(self, "error")
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", ["seek", "tell", "seekable"])
@pytest.mark.parametrize("error", ODD_ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_file_object_raises_is_told_as_ours(method, error):
    """Would fail if a file object of another library, a closed one among them, raised what callers do not expect."""
    with pytest.raises(MediaError):
        OddFile.__init__(file := OddFile.__new__(OddFile), "", error)
        file.method = method
        as_clip(file)


def test_closed_files_and_texts():
    """Would fail if a file that is closed, or gives text, raised what callers do not expect."""
    closed = io.BytesIO(DATA)
    closed.close()
    gives_text = type("GivesText", (), {"read": lambda self, size=-1: "text"})()
    for file in (closed, gives_text, io.StringIO("text")):
        with pytest.raises(MediaError):
            as_clip(file)


class OddPath:
    def __init__(self, value):
        self.value = value

    def __fspath__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_paths_of_other_libraries(tmp_path):
    """
    Would fail if a path object that gives bytes were refused, or one that fails raised what callers do not expect.
    """
    (tmp_path / "a.mp4").write_bytes(DATA)
    assert as_clip(OddPath(os.fsencode(tmp_path / "a.mp4"))) == DATA
    for value in (OddError("no path"), None):
        with pytest.raises(MediaError):
            as_clip(OddPath(value))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipes_are_not_waited_for(tmp_path):
    """Would fail if a pipe among the clips stopped all until somebody writes to it."""
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="pipe"):
        as_clip(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="folder"):
        as_clip(tmp_path)


def test_addresses_of_local_files(tmp_path):
    """Would fail if a `file://` address were not the file it stands for, for clips or for tables."""
    path = tmp_path / os.fsdecode(b"first snow \xff.csv")
    path.write_bytes(DATA)
    assert local_name(path.as_uri()) == str(path)
    assert as_clip(path.as_uri()) == as_tar(path.as_uri()) == DATA


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.tar", "*.tar", "a-{0..1}.tar"])
@pytest.mark.parametrize("error", ODD_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["opening_error", "reading_error"])
def test_sources_of_data_in_a_store_that_fails(odd_store, monkeypatch, name, error, where):
    """
    Would fail if a table or tar in a store could raise what the commands do not expect, in opening, listing or asking
    for its state.
    """
    with fsspec.open("odd://bucket/a.tar", "wb") as file:
        file.write(b"a.txt" + bytes(20_000))
    setattr(odd_store, where, error)
    odd_store.times = 1000
    for method in ("glob", "ukey", "info"):
        monkeypatch.setattr(odd_store, method, lambda *args, **kwargs: odd_store.failing(error))
    with pytest.raises(DatasetError, match="odd://bucket/"):
        open_shorts(f"odd://bucket/{name}")
