"""Bytes from the Hub: every request is retried with growing pauses, and a bounded number of times.

The Hub is where `HF_ENDPOINT` says. `LOOKBACK_HUB_TRIES` (5) bounds the tries of each step; `HF_HUB_DOWNLOAD_TIMEOUT`
(10 seconds) is how long a silent server is waited for.
"""

import errno
import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import huggingface_hub
import pyarrow as pa
from huggingface_hub import constants, errors
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from lookback.errors import LookbackError

T = TypeVar("T")

_LONGEST_PAUSE_SECONDS = 30
_HOPELESS = (
    errors.RepositoryNotFoundError,
    errors.RevisionNotFoundError,
    errors.RemoteEntryNotFoundError,
    errors.OfflineModeIsEnabled,
    errors.HFValidationError,
)


class DamagedFileError(Exception):
    """A file came whole by its length or by its transfer, and is not what the Hub's listing says."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset repository at one commit."""

    repository: str
    revision: str
    path: str
    size: int
    """Bytes."""
    sha256: str | None
    """As the Hub lists it; small files have none."""

    def cached(self) -> Path | None:
        """Where the file lies in the local cache of the Hub, if it does in its full length."""
        found = huggingface_hub.try_to_load_from_cache(
            self.repository, self.path, revision=self.revision, repo_type="dataset"
        )
        path = Path(found) if isinstance(found, str) else None
        return path if path and path.stat().st_size == self.size else None


def with_retries(what: str, action: Callable[[], T]) -> T:
    """The result of `action`, tried again after network errors, 5xx answers and damaged transfers.

    Raises:
        LookbackError: one line that says what failed, at which endpoint, why, and what to do.
    """
    tries = _tries()
    for attempt in range(1, tries + 1):
        try:
            return action()
        except _HOPELESS as error:
            raise LookbackError(f"{what} at {constants.ENDPOINT}: {_reason(error)}{_advice(error)}") from None
        except Exception as error:
            reason = _reason(error)
            if not _is_transient(error):
                if isinstance(error, OSError):  # a full disk, a refused log-in
                    raise LookbackError(f"{what} at {constants.ENDPOINT}: {reason}") from None
                raise
        if attempt < tries:
            pause = min(_LONGEST_PAUSE_SECONDS, 2 ** (attempt - 1))
            print(f"{what}: {reason}; try {attempt + 1} of {tries} in {pause} s", file=sys.stderr, flush=True)
            time.sleep(pause)
    raise LookbackError(
        f"{what} at {constants.ENDPOINT} failed {tries} times, at last with: {reason}; check the network and "
        f"HF_ENDPOINT and start again; files that came whole are kept"
    )


def _tries() -> int:
    value = os.environ.get("LOOKBACK_HUB_TRIES", "5")
    if not value.isdigit() or int(value) < 1:
        raise LookbackError(f"LOOKBACK_HUB_TRIES={value!r}: must be a whole number, 1 or more")
    return int(value)


def _is_transient(error: BaseException) -> bool:
    from huggingface_hub.utils import httpx

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    if isinstance(error, errors.LocalEntryNotFoundError):  # what the Hub's client makes of a failed HEAD request
        return (
            error.__cause__ is None
            or isinstance(error.__cause__, errors.FileMetadataError)
            or _is_transient(error.__cause__)
        )
    if isinstance(error, PermissionError | FileNotFoundError) or getattr(error, "errno", None) == errno.ENOSPC:
        return False
    # RuntimeError is what the Hub's own transfer protocol raises, a JSON error what a captive portal's page causes.
    return isinstance(error, httpx.RequestError | DamagedFileError | OSError | RuntimeError | json.JSONDecodeError)


def _reason(error: BaseException) -> str:
    """The root of a chain of errors, in one short line."""
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        return _reason(error.__cause__)
    if isinstance(error, errors.HfHubHTTPError):
        return f"HTTP status {error.response.status_code}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__} ({text[:200]})" if text else type(error).__name__


def _advice(error: BaseException) -> str:
    if isinstance(error, errors.GatedRepoError):
        return ", a gated repository; ask for access on its page and log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return ", no such revision; correct corpus.revision in conf/<name>.yaml"
    if isinstance(error, errors.RepositoryNotFoundError):
        return ", no such repository; correct corpus.repository in conf/<name>.yaml"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "; unset HF_HUB_OFFLINE"
    return ""


# --- whole files ------------------------------------------------------------------------------------------------------


def download(file: RemoteFile) -> Path:
    """The file in the Hub's local cache, fetched if it is not there, going on after cuts; its content is verified.

    Raises:
        LookbackError: it cannot be had, or comes damaged every time.
    """

    def fetch_and_verify() -> Path:
        path = Path(
            huggingface_hub.hf_hub_download(file.repository, file.path, revision=file.revision, repo_type="dataset")
        )
        try:
            _verify(path, file)
        except DamagedFileError:
            path.resolve().unlink()  # the cache holds a link to the content; without it, the file is fetched again
            path.unlink(missing_ok=True)
            raise
        return path

    return with_retries(f"downloading {file.path} of {file.repository}", fetch_and_verify)


def _verify(path: Path, file: RemoteFile) -> None:
    size = path.stat().st_size
    if size != file.size:
        raise DamagedFileError(f"{size:,} bytes came of the {file.size:,} that the Hub lists")
    if file.sha256:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise DamagedFileError("its SHA-256 is not the one that the Hub lists")


# --- parts of files ---------------------------------------------------------------------------------------------------


class RangeReader(io.RawIOBase):
    """A remote file that can be sought and read like a local one; each read is one request for that range of bytes."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._position = 0
        self._url = huggingface_hub.hf_hub_url(file.repository, file.path, repo_type="dataset", revision=file.revision)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._file.size if size is None or size < 0 else min(self._file.size, self._position + size)
        if end <= self._position:
            return b""
        data = with_retries(
            f"reading {self._file.path} of {self._file.repository}", lambda: self._range(self._position, end)
        )
        self._position = end
        return data

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _range(self, start: int, end: int) -> bytes:
        headers = {**build_hf_headers(), "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        response = get_session().get(self._url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
        hf_raise_for_status(response)
        data = response.content
        if response.status_code == 200:  # a server without ranges sends the whole
            data = data[start:end]
        if len(data) != end - start:
            raise DamagedFileError(f"{len(data):,} bytes came of {end - start:,}")
        return data


def arrow_input(file: RemoteFile) -> pa.NativeFile:
    """The file for pyarrow: from the local cache where it is there in full, else over the network, range by range."""
    local = file.cached()
    return pa.OSFile(str(local)) if local else pa.PythonFile(RangeReader(file), mode="r")
