"""A Hugging Face Hub on localhost: enough of its API to list and download dataset repositories, and to fail at will.

It answers what `huggingface_hub` and `datasets` ask for: a dataset's revision, the tree of its files, and the files
themselves by HEAD and GET, with ranges. Whatever else is asked gets 404.
"""

import hashlib
import io
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

COMMIT = hashlib.sha1(b"the only commit").hexdigest()


def parquet_file(
    rows: Sequence[dict | None],
    row_group_size: int = 50,
    column: str = "translation",
    languages: Sequence[str] = (),
) -> bytes:
    """A parquet file as `datasets` writes it for a translation corpus: one struct column, one field a language.

    `languages` are those of the first row, unless given.
    """
    languages = languages or list(next(row for row in rows if row))
    kind = pa.struct([(language, pa.string()) for language in languages])
    out = io.BytesIO()
    pq.write_table(pa.table({column: pa.array(rows, type=kind)}), out, row_group_size=row_group_size)
    return out.getvalue()


@dataclass
class Fault:
    """What goes wrong with requests whose path contains `path`: the first `times` of them, or all."""

    path: str
    times: int | None = None
    method: str | None = None
    """GET or HEAD; or both."""
    status: int | None = None
    """Answer with this status."""
    delay: float = 0.0
    """Keep silent for so many seconds first."""
    cut_after: int | None = None
    """Promise the whole and close the connection after so many bytes."""
    seen: int = 0


@dataclass
class Repository:
    """The files of a dataset repository; `listed` overrides, by path, what the tree says of a file's content."""

    files: dict[str, bytes]
    listed: dict[str, bytes] = field(default_factory=dict)
    lfs: bool = True
    """Whether the tree gives the SHA-256 of parquet files, as of all that is in LFS."""


class HubServer(ThreadingHTTPServer):
    """Used as a context manager; `endpoint` is what HF_ENDPOINT must be."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, Repository], faults: Sequence[Fault] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = repositories
        self.faults = list(faults)
        self.log: list[tuple[str, str, int]] = []
        """Method, path and bytes of the body sent, of every request."""
        self.user_agents: set[str] = set()
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def requests(self, path: str, method: str = "GET") -> list[tuple[str, str, int]]:
        """The requests by `method` whose path contains `path`."""
        return [entry for entry in self.log if entry[0] == method and path in entry[1]]

    def bytes_sent(self, path: str) -> int:
        return sum(size for _, _, size in self.requests(path))

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.path in path and fault.method in (None, method):
                    fault.seen += 1
                    if fault.times is None or fault.seen <= fault.times:
                        return fault
        return None

    def handle_error(self, request, client_address) -> None:
        """Clients that hang up are part of the tests."""

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(404, b"", "text/plain")

    def _handle(self) -> None:
        self.path = unquote(urlsplit(self.path).path)
        self.server.user_agents.add(self.headers.get("User-Agent", ""))
        fault = self.server.fault(self.command, self.path)
        if fault and fault.delay:
            time.sleep(fault.delay)
        if fault and fault.status:
            return self._send(fault.status, b"out of order", "text/plain")
        for name, repository in self.server.repositories.items():
            if self.path.startswith(f"/api/datasets/{name}"):
                return self._api(name, repository, self.path.removeprefix(f"/api/datasets/{name}").split("/")[1:])
            if self.path.startswith(f"/datasets/{name}/resolve/"):
                revision, _, path = self.path.removeprefix(f"/datasets/{name}/resolve/").partition("/")
                return self._file(name, repository, revision, path, fault)
        return self._send(404, b"{}", "application/json", {"X-Error-Code": "RepoNotFound"})

    def _api(self, name: str, repository: Repository, parts: list[str]) -> None:
        if parts[:1] in ([], ["revision"]):
            if (parts[1:] or ["main"])[0] not in (COMMIT, "main"):
                return self._send(404, b"{}", "application/json", {"X-Error-Code": "RevisionNotFound"})
            siblings = [{"rfilename": path} for path in repository.files]
            card = {"license": "unknown"}
            return self._json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "cardData": card})
        if parts[:2] == ["tree", COMMIT]:
            return self._json(_tree(repository, "/".join(parts[2:]), "recursive=true" in self.requestline.lower()))
        return self._send(404, b"{}", "application/json")

    def _file(self, name: str, repository: Repository, revision: str, path: str, fault: Fault | None) -> None:
        headers = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if revision not in (COMMIT, "main"):
            return self._send(404, b"", "text/plain", {**headers, "X-Error-Code": "RevisionNotFound"})
        content = repository.files.get(path)
        if content is None:
            return self._send(404, b"", "text/plain", {**headers, "X-Error-Code": "EntryNotFound"})
        headers["ETag"] = f'"{hashlib.sha256(path.encode() + content).hexdigest()}"'
        if path.endswith(".parquet"):  # the Hub offers Xet for what is in LFS; a client that takes it up gets 404
            headers["X-Xet-Hash"] = hashlib.sha256(content).hexdigest()
            headers["X-Xet-Refresh-Route"] = f"{self.server.endpoint}/api/datasets/{name}/xet-read-token/{COMMIT}"
        status, asked = 200, self.headers.get("Range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            end = min(int(last) + 1, len(content)) if last else len(content)
            if int(first) >= len(content):
                return self._send(416, b"", "text/plain", headers)
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            status, content = 206, content[int(first) : end]
        return self._send(status, content, "application/octet-stream", headers, fault and fault.cut_after)

    def _json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), "application/json")

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None, cut_after: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        sent = b"" if self.command == "HEAD" else body if cut_after is None else body[:cut_after]
        self.server.log.append((self.command, self.path, len(sent)))
        self.wfile.write(sent)
        if cut_after is not None:
            self.wfile.flush()
            self.close_connection = True


def _tree(repository: Repository, folder: str, recursive: bool) -> list[dict]:
    entries: dict[str, dict] = {}
    prefix = f"{folder}/" if folder else ""
    for path, content in {**repository.files, **repository.listed}.items():
        if not path.startswith(prefix):
            continue
        first, *deeper = path.removeprefix(prefix).split("/")
        if deeper:
            name = prefix + first
            oid = hashlib.sha1(name.encode()).hexdigest()
            entries[name] = {"type": "directory", "path": name, "oid": oid, "size": 0}
        if recursive or not deeper:
            blob_id = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id}
            if repository.lfs and path.endswith(".parquet"):
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entries[path] = entry
    return list(entries.values())


# --- a repository like wmt/wmt14 --------------------------------------------------------------------------------------

CARD = """---
configs:
- config_name: de-en
  data_files:
  - {split: train, path: de-en/train-*}
  - {split: validation, path: de-en/validation-*}
  - {split: test, path: de-en/test-*}
- config_name: fr-en
  data_files:
  - {split: train, path: fr-en/train-*}
  - {split: validation, path: fr-en/validation-*}
  - {split: test, path: fr-en/test-*}
---
# WMT14
"""


def rows(split: str, number: int, start: int = 0) -> list[dict | None]:
    numbers = range(start, start + number)
    return [{"en": f"{split} sentence {i} é\u2028", "fr": f"phrase {i} de {split}"} for i in numbers]


def wmt14(card: str | None = None, **overrides: bytes) -> Repository:
    """Three train files of 200 pairs in four row groups each, validation and test, in two configurations.

    With a card, `datasets` is asked for the files, which takes it seconds to import; without, it is not.
    """
    files = {f"fr-en/train-0000{i}-of-00003.parquet": parquet_file(rows("train", 200, 200 * i)) for i in range(3)}
    files["fr-en/validation-00000-of-00001.parquet"] = parquet_file(rows("validation", 7))
    files["fr-en/test-00000-of-00001.parquet"] = parquet_file(rows("test", 8))
    other = [{"de": "ja", "en": "yes"}]
    files |= {f"de-en/{split}-00000-of-00001.parquet": parquet_file(other) for split in ("train", "validation", "test")}
    if card is not None:
        files["README.md"] = card.encode()
    return Repository(files)
