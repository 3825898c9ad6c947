"""Files from the Hub through its own client, `huggingface_hub`, with more retries and with checks of the content.

`HF_ENDPOINT` gives the address of the Hub. `LOOKBACK_HUB_TRIES` (5) bounds the tries of each step: the client repeats
some requests itself, but tries only once after 5xx answers or a damaged file. `LOOKBACK_HUB_PAUSE` (1 second) is the
first pause between tries; each further pause is twice as long. `HF_HUB_DOWNLOAD_TIMEOUT` (10 seconds) bounds the wait
for a silent server.
"""

import errno
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import huggingface_hub
from fsspec.spec import AbstractBufferedFile
from huggingface_hub import constants, errors
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, httpx
from huggingface_hub.utils.sha import git_hash

from lookback.errors import LookbackError

T = TypeVar("T")

_LONGEST_PAUSE_SECONDS = 30

constants.HF_HUB_DISABLE_TELEMETRY = True
constants.HF_HUB_DISABLE_XET = True  # it fetches from other servers than HF_ENDPOINT, with retries of its own


class DamagedFileError(OSError):
    """A file was transferred without an error, but differs from the Hub's listing."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset repository at one commit."""

    repository: str
    revision: str
    path: str
    size: int
    """Bytes."""
    blob_id: str
    """Git's blob id of the file, or of its LFS pointer."""
    sha256: str | None
    """None for a file that is not in LFS."""

    def cached(self) -> Path | None:
        """The file's path in the local cache of the Hub, if it is there at full length."""
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
    tries, first_pause = _tries(), _first_pause()
    for attempt in range(1, tries + 1):
        try:
            return action()
        except (OSError, httpx.RequestError, json.JSONDecodeError, errors.HFValidationError) as error:
            if isinstance(error, errors.LocalEntryNotFoundError):  # the client's error for a failed HEAD request
                error = error.__cause__ or error
            reason = _reason(error)
            if not _is_transient(error):
                raise LookbackError(f"{what} at {constants.ENDPOINT}: {reason}{_advice(error)}") from None
        if attempt < tries:
            pause = min(_LONGEST_PAUSE_SECONDS, first_pause * 2 ** (attempt - 1))
            print(f"{what}: {reason}; try {attempt + 1} of {tries} in {pause:g} s", file=sys.stderr, flush=True)
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


def _first_pause() -> float:
    value = os.environ.get("LOOKBACK_HUB_PAUSE", "1")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise LookbackError(f"LOOKBACK_HUB_PAUSE={value!r}: must be a number of seconds, 0 or more")
    return seconds


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    lasting = (errors.HFValidationError, errors.OfflineModeIsEnabled, PermissionError, FileNotFoundError)
    return not isinstance(error, lasting) and getattr(error, "errno", None) != errno.ENOSPC


def _reason(error: BaseException) -> str:
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


def download(file: RemoteFile) -> Path:
    """The file in the Hub's local cache. Fetches it if missing, resumes after interruptions, and verifies its content.

    Raises:
        LookbackError: the download fails, or arrives damaged every time.
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
    """Checks the content: the client compares only lengths, and its `verify_repo_checksums` lists the repository at
    each call."""
    size = path.stat().st_size
    if size != file.size:
        raise DamagedFileError(f"{size:,} bytes arrived of the {file.size:,} that the Hub lists")
    with path.open("rb") as stream:
        if file.sha256 is None:
            if git_hash(stream.read()) != file.blob_id:
                raise DamagedFileError("its git blob id is not the one that the Hub lists")
        elif hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
            raise DamagedFileError("its SHA-256 is not the one that the Hub lists")


class RangeReader(AbstractBufferedFile):
    """A remote file with `seek` and `read`; each read is one request for that range of bytes.

    `huggingface_hub.HfFileSystem` opens such files too, but it does not let us bound the tries (six, of half a minute),
    and it does not notice when a server sends something other than the range.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._url = huggingface_hub.hf_hub_url(file.repository, file.path, repo_type="dataset", revision=file.revision)
        super().__init__(None, file.path, cache_type="none", size=file.size)

    def _fetch_range(self, start: int, end: int) -> bytes:
        end = min(end, self._file.size)

        def fetch() -> bytes:
            headers = {**build_hf_headers(), "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
            response = get_session().get(self._url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
            hf_raise_for_status(response)
            # A server without range support sends the whole file, with status 200.
            data = response.content[start:end] if response.status_code == 200 else response.content
            if len(data) != end - start:
                raise DamagedFileError(f"{len(data):,} bytes arrived of {end - start:,}")
            return data

        return with_retries(f"reading {self._file.path} of {self._file.repository}", fetch)
