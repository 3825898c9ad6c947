"""Plain text, line by line: validated reading and atomic writing.

A line ends at "\\n" and nowhere else. Unicode has other line separators, which occur *within* sentences of real
corpora; a reader that splits on them (`str.splitlines`) loses the alignment of all following lines.
"""

import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from lookback.errors import LookbackError

BLOCK_LINES = 20_000
SPLITS = ("train", "valid", "test")
SIDES = ("source", "target")

_BUFFER_BYTES = 1 << 20
_SIGNATURES = {".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ\x00"}


class LineReader:
    """A text file, plain, .gz or .xz by its name, read in blocks of lines; strict UTF-8, no NUL bytes.

    Used as a context manager. Memory: one block of lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines_read = 0
        try:
            self._disk = path.open("rb")
        except OSError as error:
            raise LookbackError(f"{path}: cannot be read ({error.strerror})") from None
        self.size_on_disk = os.fstat(self._disk.fileno()).st_size
        self._file = io.BufferedReader(cast(io.RawIOBase, self._decompressed()), _BUFFER_BYTES)

    def _decompressed(self) -> BinaryIO:
        if self.path.suffix == ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=self._disk))
        if self.path.suffix == ".xz":
            return cast(BinaryIO, lzma.LZMAFile(self._disk))
        start = self._disk.read(8)
        self._disk.seek(0)
        for suffix, signature in _SIGNATURES.items():
            if start.startswith(signature):
                self._disk.close()
                raise LookbackError(f"{self.path}: is compressed, by its first bytes; rename it to end in {suffix}")
        return self._disk

    def __enter__(self) -> "LineReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._file.close()
        self._disk.close()

    @property
    def position_on_disk(self) -> int:
        """Number of bytes read from the file on disk, compressed or not: for showing progress."""
        return self._disk.tell()

    def raw_block(self, lines: int = BLOCK_LINES) -> list[bytes]:
        """The next lines, unchanged, "\\n" included; fewer at the end of the file, then none.

        Raises:
            LookbackError: damaged compression.
        """
        try:
            block = list(islice(self._file, lines))
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            kind = {".gz": "gzip", ".xz": "xz"}.get(self.path.suffix, "text")
            raise LookbackError(
                f"{self.path}: damaged or cut off, not a whole {kind} file, after line {self.lines_read:,} "
                f"({_one_line(error)}); get the file again"
            ) from None
        self.lines_read += len(block)
        return block

    def block(self, lines: int = BLOCK_LINES) -> list[str]:
        """The next lines as text without their "\\n"; a "\\r" before it stays.

        Raises:
            LookbackError: naming the line: invalid UTF-8, a NUL byte, damaged compression.
        """
        return self.decode(self.raw_block(lines))

    def decode(self, block: list[bytes]) -> list[str]:
        """The text of the block that `raw_block` returned last."""
        data = b"".join(block)
        if b"\0" in data:
            self._refuse(block, lambda line: b"\0" in line, "a NUL byte, so this is not plain text")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            bad = data[error.start]
            self._refuse(block, _is_not_utf8, f"invalid UTF-8 (byte 0x{bad:02x}); convert the file to UTF-8")
        found = text.split("\n")
        if found[-1] == "":
            found.pop()
        return found

    def _refuse(self, block: list[bytes], is_bad: Callable[[bytes], bool], what: str) -> None:
        index = next(i for i, line in enumerate(block) if is_bad(line))
        number = self.lines_read - len(block) + index + 1
        raise LookbackError(f"{self.path}: line {number}: {what}")

    def count_to_end(self) -> int:
        """Reads to the end without decoding; returns the number of lines in the whole file."""
        while self.raw_block():
            pass
        return self.lines_read


def _is_not_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def aligned_blocks(source: LineReader, target: LineReader) -> Iterator[tuple[list[str], list[str]]]:
    """Blocks of aligned lines of two files, to their end.

    Raises:
        LookbackError: one file has more lines than the other; it names both and their counts.
    """
    while True:
        left, right = source.block(), target.block()
        if len(left) != len(right):
            refuse_unequal(source, target)
        if not left:
            return
        yield left, right


def refuse_unequal(source: LineReader, target: LineReader) -> None:
    """Reads both files to their end and raises if their numbers of lines differ."""
    lines, others = source.count_to_end(), target.count_to_end()
    if lines != others:
        raise LookbackError(
            f"{source.path} has {lines:,} lines but {target.path} has {others:,}: line i of one must translate "
            f"line i of the other"
        )


@contextmanager
def writing(folder: Path, names: list[str]) -> Iterator[dict[str, BinaryIO]]:
    """Files that appear under their names in `folder` when the block ends: all of them, or none after an error.

    A process killed in between leaves `*.partial` files, which the next run overwrites.

    Raises:
        LookbackError: the folder cannot be written to, or the disk is full.
    """
    parts = {name: folder / f"{name}.partial" for name in names}
    files: dict[str, BinaryIO] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            files[name] = part.open("wb+", buffering=_BUFFER_BYTES)
        yield files
        for file in files.values():
            file.close()
        for name, part in parts.items():
            part.replace(folder / name)
    except BaseException as error:
        for name, file in files.items():
            with suppress(OSError):  # a full disk refuses the flush as well
                file.close()
            parts[name].unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise LookbackError(f"{folder}: cannot write there ({error.strerror or _one_line(error)})") from None
        raise


def write_lines(file: BinaryIO, lines: list[str]) -> None:
    """Appends lines, each ended by "\\n"."""
    if lines:
        file.write(("\n".join(lines) + "\n").encode("utf-8"))


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, split at "\\n" only: Unicode line separators are part of a sentence."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n")
