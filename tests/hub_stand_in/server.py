"""
The server of the stand-in Hub.

It answers, on loopback and from memory, the requests that `huggingface_hub` makes for pushing and pulling model
repositories: creation, preupload, upload of large files, commits, branches and pull requests, revisions, trees and
downloads. It stands in for https://huggingface.co in tests and is no more than that: no accounts beyond a table of
tokens, no Xet storage (the client is told to leave it out, by its own setting HF_HUB_DISABLE_XET), no pages.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .repositories import HubError, Repository, blob_id, etag, file_entry, is_large, tree

TOKENS = {"hf_someone": "someone", "hf_else": "else", "hf_user": "user"}
CUT, ANSWER_LOST = "cut", "answer lost"


@dataclass
class Fault:
    """What goes wrong with the next requests that match; see [`StandInHub.fail`]."""

    method: str
    path: str
    how: int | str
    times: int


class StandInHub:
    """
    A Hub of its own, to be used in a `with` block; `url` is its address.

    `requests` lists the method and path of every request, `repositories` holds what was pushed.

    Example:

    ```python
    >>> import urllib.request
    >>> from hub_stand_in import StandInHub
    >>> with StandInHub() as hub:
    ...     hub.create("someone/tags").id
    ...     urllib.request.urlopen(f"{hub.url}/someone/tags/resolve/main/.gitattributes").status
    'someone/tags'
    200

    ```
    """

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.before: list[Callable[[str, str], None]] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def storage_url(self) -> str:
        """Where large files are: another host for the client, as on the Hub, which must not be shown its token."""
        return f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> "StandInHub":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def create(self, repo_id: str, private: bool = False) -> Repository:
        """Makes a repository."""
        if repo_id in self.repositories:
            raise HubError(409, "You already created this model repo")
        return self.repositories.setdefault(repo_id, Repository(repo_id, private))

    def fail(self, method: str, path: str, how: int | str, times: int = 1_000) -> None:
        """
        Lets requests fail.

        Args:
            method (`str`), path (`str`): of the requests, the latter a regular expression that is searched for.
            how (`int` or `str`): a status; `CUT`, the connection breaks in the middle of the request, which is not
                carried out; or `ANSWER_LOST`, it is carried out and then the connection breaks.
            times (`int`): how many requests; the client itself tries some again.
        """
        self.faults.append(Fault(method, path, how, times))

    def heal(self) -> None:
        """Lets nothing fail any more."""
        self.faults.clear()

    def take_fault(self, method: str, path: str) -> int | str | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault.how
        return None


class _Handler(BaseHTTPRequestHandler):
    """Routes a request to its method, by the table below."""

    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        """Says nothing."""

    def do_GET(self):
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.hub.requests.append((self.command, url.path))
        for listener in list(self.hub.before):
            listener(self.command, url.path)
        fault = self.hub.take_fault(self.command, url.path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault == CUT:
            self.rfile.read(length // 2)
            return self._hang_up()
        self.body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        if isinstance(fault, int):
            return self._send(fault, {"error": "the stand-in was told to fail"})
        try:
            with self.hub.lock:
                status, content, headers = self._answer(url.path)
        except HubError as error:
            status, content, headers = error.status, {"error": str(error)}, error.headers
        if fault == ANSWER_LOST:
            return self._hang_up()
        self._send(status, content, headers)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _answer(self, path: str) -> tuple[int, Any, dict[str, str]]:
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split("|"):
                result = answer(self, *(unquote(part or "") for part in match.groups()))
                return result if isinstance(result, tuple) else (200, result, {})
        raise HubError(404, f"The stand-in does not know {self.command} {path}")

    def _user(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise HubError(401, "Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def _readable(self, repo_id: str) -> Repository:
        repository = self.hub.repositories.get(repo_id)
        if repository is None or (repository.private and self._user() != repo_id.split("/")[0]):
            raise HubError(401 if self._user() is None else 404, "Repository not found", "RepoNotFound")
        return repository

    def _writable(self, repo_id: str, by_request: bool = False) -> Repository:
        """The repository, for its owner; for a pull request, for everyone who has logged in."""
        repository, user = self._readable(repo_id), self._user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user != repo_id.split("/")[0] and not by_request:
            raise HubError(403, "You don't have the rights to write to this repository")
        return repository

    def whoami(self):
        if self._user() is None:
            raise HubError(401, "Invalid username or password.")
        return {"type": "user", "name": self._user(), "orgs": [], "auth": {"accessToken": {"role": "write"}}}

    def create_repo(self):
        wanted, user = json.loads(self.body), self._user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        owner = wanted.get("organization") or user
        repo_id = f"{owner}/{wanted['name']}"
        url = f"{self.hub.url}/{repo_id}"
        if repo_id in self.hub.repositories:
            return 409, {"error": "You already created this model repo", "url": url, "name": repo_id}, {}
        if owner != user:
            raise HubError(403, f"You don't have the rights to create a model under the namespace {owner}")
        private = wanted.get("private") or wanted.get("visibility") == "private"
        self.hub.create(repo_id, bool(private))
        return {"url": url, "name": repo_id}

    def validate_yaml(self):
        return {"errors": [], "warnings": []}

    def model_info(self, repo_id: str, revision: str = "main"):
        repository = self._readable(repo_id)
        commit = repository.commit(revision)
        return {
            "id": repo_id, "modelId": repo_id, "sha": commit.id, "private": repository.private, "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }  # fmt: skip

    def list_tree(self, repo_id: str, revision: str, folder: str = ""):
        files = self._readable(repo_id).commit(revision).files
        return tree(files, folder, self.query.get("recursive", "").lower() in ("true", "1"))

    def paths_info(self, repo_id: str, revision: str):
        files = self._readable(repo_id).commit(revision).files
        asked = parse_qs(self.body.decode())["paths"]
        return [file_entry(path, files[path]) for path in asked if path in files]

    def list_refs(self, repo_id: str):
        refs = self._readable(repo_id).refs
        branches = [ref for ref in refs if not ref.startswith("refs/")]
        return {
            "branches": [{"name": r, "ref": f"refs/heads/{r}", "targetCommit": refs[r]} for r in branches],
            "converts": [],
            "tags": [],
        }

    def create_branch(self, repo_id: str, branch: str):
        self._writable(repo_id).branch(branch, json.loads(self.body or b"{}").get("startingPoint", "main"))
        return {}

    def preupload(self, repo_id: str, revision: str):
        files = self._writable(repo_id, by_request="create_pr" in self.query).commit(revision).files
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                    "oid": etag(file["path"], files[file["path"]]) if file["path"] in files else None,
                }
                for file in json.loads(self.body)["files"]
            ]
        }

    def batch(self, repo_id: str):
        self._writable(repo_id, by_request=True)
        answers = []
        for wanted in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.hub.storage_url}/storage/{wanted['oid']}"}
            verify = {"href": f"{self.hub.url}/{repo_id}.git/info/lfs/verify"}
            actions = {} if wanted["oid"] in self.hub.large else {"actions": {"upload": upload, "verify": verify}}
            answers.append({"oid": wanted["oid"], "size": wanted["size"], **actions})
        return {"transfer": "basic", "objects": answers}

    def store(self, oid: str):
        self._refuse_token()
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, "The content is not what its name says")
        self.hub.large[oid] = self.body
        return b""

    def verify(self, repo_id: str):
        wanted = json.loads(self.body)
        if len(self.hub.large.get(wanted["oid"], b"")) != wanted["size"]:
            raise HubError(404, "The object was not uploaded")
        return {}

    def commit(self, repo_id: str, revision: str):
        create_pr = "create_pr" in self.query
        repository = self._writable(repo_id, by_request=create_pr)
        lines = [json.loads(line) for line in self.body.splitlines()]
        ref = repository.change(revision, lines, self.hub.large, create_pr)
        request = f"{self.hub.url}/{repo_id}/discussions/{ref.rsplit('/', 1)[-1]}" if create_pr else None
        commit_id = repository.refs[ref]
        return {
            "success": True, "commitOid": commit_id, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit_id}",
            "pullRequestUrl": request, "hookOutput": "",
        }  # fmt: skip

    def resolve(self, repo_id: str, revision: str, path: str):
        commit, content = self._readable(repo_id).file(revision, path)
        headers = {"X-Repo-Commit": commit.id, "ETag": f'"{etag(path, content)}"'}
        if not is_large(path):
            return 200, content, headers
        oid = etag(path, content)
        headers |= {"X-Linked-ETag": f'"{oid}"', "X-Linked-Size": str(len(content)), "ETag": f'"{blob_id(content)}"'}
        return 302, b"", {**headers, "Location": f"{self.hub.storage_url}/storage/{oid}"}

    def fetch(self, oid: str):
        self._refuse_token()
        content = self.hub.large[oid]
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start, size = int(match[1]), len(content)
            return 206, content[start:], {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return content

    def _refuse_token(self) -> None:
        if "Authorization" in self.headers:
            raise HubError(400, "A token was shown to the storage, which is another host")


_ID = r"([^/]+/[^/]+)"
_ROUTES = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create_repo),
    ("POST", "/api/validate-yaml", _Handler.validate_yaml),
    ("GET", f"/api/models/{_ID}", _Handler.model_info),
    ("GET", f"/api/models/{_ID}/revision/([^/]+)", _Handler.model_info),
    ("GET", f"/api/models/{_ID}/tree/([^/]+)(?:/(.+))?", _Handler.list_tree),
    ("POST", f"/api/models/{_ID}/paths-info/([^/]+)", _Handler.paths_info),
    ("GET", f"/api/models/{_ID}/refs", _Handler.list_refs),
    ("POST", f"/api/models/{_ID}/branch/([^/]+)", _Handler.create_branch),
    ("POST", f"/api/models/{_ID}/preupload/([^/]+)", _Handler.preupload),
    ("POST", f"/api/models/{_ID}/commit/([^/]+)", _Handler.commit),
    ("POST", rf"/{_ID}\.git/info/lfs/objects/batch", _Handler.batch),
    ("POST", rf"/{_ID}\.git/info/lfs/verify", _Handler.verify),
    ("PUT", "/storage/([0-9a-f]{64})", _Handler.store),
    ("GET|HEAD", "/storage/([0-9a-f]{64})", _Handler.fetch),
    ("GET|HEAD", f"/{_ID}/resolve/([^/]+)/(.+)", _Handler.resolve),
]
