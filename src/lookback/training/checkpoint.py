"""The resume checkpoint: one file, replaced atomically, and used only by the run that it belongs to."""

import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lookback.architectures import ARCHITECTURES
from lookback.dependencies import ROOT, code
from lookback.errors import LookbackError

FILE_NAME = "resume.ckpt"
KEY = "lookback"
"""The checkpoint's key for the data that Lightning does not store itself."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes the new checkpoint beside the old one, then replaces it.

    Lightning's own writer copies from the system's temporary folder, which is often on another disk. If it is killed
    while copying, half a file remains in place of the checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            partial.unlink(missing_ok=True)
            reason = str(error).splitlines()[0]
            raise LookbackError(f"{path}: the checkpoint cannot be written ({reason}); is the disk full?") from None


def fingerprint_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of the files, in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def fingerprint_code(architecture: str) -> str:
    """SHA-256 over the code that determines the final weights of a training run of this architecture."""
    entry = ARCHITECTURES[architecture]
    files = code(*(path.split(":")[0] for path in (entry.trainer, entry.model)))
    return fingerprint_files(ROOT / file for file in files)


def fingerprint_values(values: Mapping[str, Any]) -> str:
    """SHA-256 over JSON-serialisable values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read(path: Path, identity: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    """The checkpoint, if it belongs to the run with this identity.

    Args:
        path: the checkpoint file.
        identity: the fingerprint of each input that determines the outcome (`parameters`, `data`, `code`, …).

    Returns:
        the checkpoint and ""; or `None` and the reason for not using it ("" if there is no checkpoint).
    """
    if not path.exists():
        return None, ""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        found = checkpoint[KEY]["identity"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        return None, "it cannot be read"
    other = [name for name in identity if found.get(name) != identity[name]]
    if other:
        return None, f"it was made with other {' and '.join(other)}"
    return checkpoint, ""
