"""Parallel corpora on the Hugging Face Hub, such as `wmt/wmt14`: parquet files with one `translation` column.

`datasets` tells which files make up a split. The files are then fetched one by one. `load_dataset` is not used: with a
cap on the pairs it either fetches every file (`split="train[:100]"`), or verifies nothing and starts again after an
interruption (streaming). Here a file that is needed whole is stored in the Hub's local cache, resumes after an
interruption, and is checked against the fingerprint that the Hub lists. Of the file that reaches the cap, only the row
groups up to the cap are read. No Arrow copy of the corpus is written to disk; memory holds one row group (about 100
MB).
"""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from huggingface_hub import constants

from lookback.config import HubCorpus
from lookback.console import amount, bar, duration
from lookback.corpus.hub.listing import list_files
from lookback.corpus.hub.transfer import RangeReader, RemoteFile, download
from lookback.corpus.lines import SIDES, SPLITS, write_lines, writing
from lookback.errors import LookbackError

_BATCH_ROWS = 10_000
_SPAN_BYTES = 16_000_000
"""Row groups read over the network in one go."""
_BREAKS = r"[\n\r\x00]+"
_ASSUMED_BYTES_A_SECOND = 10e6
_UNREADABLE = (pa.ArrowException, OSError)
"""The errors that pyarrow raises for damaged parquet; OSError for a page or an index that it cannot decode."""


def fetch(settings: HubCorpus, source_language: str, target_language: str, folder: Path) -> dict:
    """Writes the official splits to `folder` as {train,valid,test}.{source,target}, one sentence a line.

    `max_train_pairs` takes the first pairs of train and fetches only the parts of files that hold them. Line breaks and
    NUL characters within a text would break the alignment of lines, so they become spaces and are counted. A missing
    text (null) becomes an empty line, which `prepare` drops and counts.

    Returns:
        the manifest: repository, configuration, resolved revision, pairs and replaced line breaks of each split, and
        for each file its size, SHA-256 and the number of rows taken.

    Raises:
        LookbackError: the Hub cannot be reached after several tries; repository, revision, configuration, split, column
            or language does not exist; a file is damaged; too little disk; an empty side in validation or test.
    """
    listing = list_files(settings)
    languages = (source_language, target_language)
    with bar("download: reading the index of each file", None, " files") as progress:
        parts = _plan(settings, listing.files, languages, progress)
    for split in SPLITS:
        if not any(part.rows for part in parts if part.split == split):
            raise LookbackError(f"{settings.repository}: split {split} of {settings.configuration} has no pairs")
    _announce(settings, listing.revision, parts, folder)

    pairs: dict[str, int] = dict.fromkeys(SPLITS, 0)
    replaced: dict[str, dict[str, int]] = {split: dict.fromkeys(SIDES, 0) for split in SPLITS}
    started, done, to_do = time.monotonic(), 0, sum(part.bytes_to_fetch for part in parts)
    with writing(folder, [f"{split}.{side}" for split in SPLITS for side in SIDES]) as out:
        for part in parts:
            outputs = out[f"{part.split}.source"], out[f"{part.split}.target"]
            writer = _Writer(part, languages, outputs, pairs[part.split])
            try:
                for batch in part.batches(languages):
                    writer.write(batch)
                    if writer.rows == part.rows:
                        break
            except _UNREADABLE as error:
                if getattr(error, "errno", None):  # a disk error; Arrow's own errors have no number
                    raise
                raise _damaged(part.file, error) from None
            pairs[part.split] += writer.rows
            for side, number in zip(SIDES, writer.replaced, strict=True):
                replaced[part.split][side] += number
            done += part.bytes_to_fetch
            _tell_progress(part, done, to_do, time.monotonic() - started)
    return {
        "kind": "hub",
        "repository": settings.repository,
        "configuration": settings.configuration,
        "revision": listing.revision,
        "endpoint": listing.endpoint,
        "licence": listing.licence,
        "pairs": pairs,
        "max_train_pairs": settings.max_train_pairs,
        "line_breaks_replaced": replaced,
        "files": [part.described() for part in parts],
    }


# --- what to fetch ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The first `rows` rows of a file, and the row groups that hold them."""

    split: str
    file: RemoteFile
    index: pq.FileMetaData
    rows: int
    row_groups: tuple[int, ...]
    """Bytes of each row group to be read."""
    whole: bool
    text_bytes: int
    bytes_to_fetch: int
    """0 if the file is in the local cache."""

    def batches(self, languages: tuple[str, str]) -> Iterator[pa.RecordBatch]:
        """The rows of the part's row groups, fetched lazily; the last group may have more rows than the part."""
        columns = [f"translation.{language}" for language in languages]
        if self.whole or not self.bytes_to_fetch:
            with pq.ParquetFile(download(self.file)) as parquet:
                yield from parquet.iter_batches(_BATCH_ROWS, range(len(self.row_groups)), columns)
            return
        with (
            bar(f"download: {self.file.path}", sum(self.row_groups)) as progress,
            pq.ParquetFile(RangeReader(self.file), metadata=self.index, pre_buffer=True) as parquet,
        ):
            for span in _spans(self.row_groups):
                yield from parquet.read_row_groups(span, columns).to_batches(_BATCH_ROWS)
                progress.update(sum(self.row_groups[i] for i in span))

    def described(self) -> dict:
        described = {"split": self.split, "path": self.file.path, "bytes": self.file.size, "sha256": self.file.sha256}
        return {**described, "rows": self.rows, "whole": self.whole}


def _spans(row_groups: tuple[int, ...]) -> Iterator[list[int]]:
    """Runs of consecutive row groups of at most `_SPAN_BYTES` together, or a single larger one."""
    span: list[int] = []
    for index, size in enumerate(row_groups):
        if span and sum(row_groups[i] for i in span) + size > _SPAN_BYTES:
            yield span
            span = []
        span.append(index)
    if span:
        yield span


def _plan(
    settings: HubCorpus, files: dict[str, list[RemoteFile]], languages: tuple[str, str], progress: Any
) -> list[_Part]:
    """Reads the index at the end of each file, decides which parts are needed, and checks the columns."""
    parts = []
    for split in SPLITS:
        left = settings.max_train_pairs if split == "train" else None
        for file in files[split]:
            if left == 0:
                break
            index = _read_index(file)
            _check_columns(file, index.schema.to_arrow_schema(), languages)
            progress.update()
            part = _part(split, file, index, left)
            parts.append(part)
            left = None if left is None else left - part.rows
    return parts


def _read_index(file: RemoteFile) -> pq.FileMetaData:
    try:
        if path := file.cached():
            with suppress(*_UNREADABLE):
                return pq.read_metadata(path)
            path = download(file)  # detects the damaged copy in the cache, and replaces it
        return pq.read_metadata(path or RangeReader(file))
    except _UNREADABLE as error:
        raise _damaged(file, error) from None


def _part(split: str, file: RemoteFile, index: pq.FileMetaData, limit: int | None) -> _Part:
    rows, text_bytes, row_groups = 0, 0, []
    for number in range(index.num_row_groups):
        if limit is not None and rows >= limit:
            break
        group = index.row_group(number)
        rows += group.num_rows
        text_bytes += group.total_byte_size
        row_groups.append(sum(group.column(i).total_compressed_size for i in range(group.num_columns)))
    whole = len(row_groups) == index.num_row_groups
    fetched = 0 if file.cached() else file.size if whole else sum(row_groups)
    rows = rows if limit is None else min(rows, limit)
    return _Part(split, file, index, rows, tuple(row_groups), whole, text_bytes, fetched)


def _check_columns(file: RemoteFile, schema: pa.Schema, languages: tuple[str, str]) -> None:
    where = f"{file.repository}: {file.path}"
    if "translation" not in schema.names:
        raise LookbackError(
            f"{where}: has no column `translation` but {', '.join(schema.names)}; name a parallel corpus under corpus "
            f"in conf/<name>.yaml"
        )
    kind = schema.field("translation").type
    known = [field.name for field in kind] if pa.types.is_struct(kind) else []
    for language in languages:
        if language not in known:
            raise LookbackError(
                f"{where}: its column `translation` has no {language!r} but {', '.join(known) or kind}; correct "
                f"source_language, target_language or corpus.configuration in conf/<name>.yaml"
            )
        if not (pa.types.is_string(kind.field(language).type) or pa.types.is_large_string(kind.field(language).type)):
            raise LookbackError(f"{where}: `translation.{language}` holds {kind.field(language).type}, not text")


def _damaged(file: RemoteFile, error: Exception) -> LookbackError:
    reason = " ".join(str(error).split())[:200]
    return LookbackError(
        f"{file.repository}: {file.path} is not a readable parquet file ({reason}); the copy on the Hub or mirror is "
        f"damaged, try another revision or HF_ENDPOINT"
    )


# --- telling ----------------------------------------------------------------------------------------------------------


def _announce(settings: HubCorpus, revision: str, parts: list[_Part], folder: Path) -> None:
    """One line on what the download needs; raises if the disk is too small."""
    fetched = sum(part.bytes_to_fetch for part in parts)
    cached = sum(part.bytes_to_fetch for part in parts if part.whole)
    text = sum(part.text_bytes for part in parts)
    rows = {split: sum(part.rows for part in parts if part.split == split) for split in SPLITS}
    print(
        f"download: {settings.repository} {settings.configuration} at {revision[:12]}: "
        f"{rows['train']:,} training, {rows['valid']:,} validation, {rows['test']:,} test pairs; "
        f"{amount(fetched)} from {constants.ENDPOINT} (at {amount(_ASSUMED_BYTES_A_SECOND)}/s: "
        f"{duration(fetched / _ASSUMED_BYTES_A_SECOND)}); disk: {amount(cached)} in {constants.HF_HUB_CACHE}, "
        f"at most about {amount(text)} in {folder}; memory: below 1 GB",
        file=sys.stderr,
        flush=True,
    )
    cache = Path(constants.HF_HUB_CACHE)
    needs = [(_existing(cache), cached, "set HF_HOME to a larger disk"), (_existing(folder), text, "free some")]
    if needs[0][0].stat().st_dev == needs[1][0].stat().st_dev:
        needs = [(needs[0][0], cached + text, "free some, or set HF_HOME to another disk")]
    for place, needed, advice in needs:
        free = shutil.disk_usage(place).free
        if needed > free:
            raise LookbackError(f"{place}: needs {amount(needed)}, but {amount(free)} are free; {advice}")


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _tell_progress(part: _Part, done: int, to_do: int, seconds: float) -> None:
    remaining = seconds / done * (to_do - done) if done else 0.0
    left = f", about {duration(remaining)} left" if remaining >= 1 else ""
    print(
        f"download: {part.file.path}: {part.rows:,} pairs; "
        f"{amount(done)} of {amount(to_do)} in {duration(seconds)}{left}",
        file=sys.stderr,
        flush=True,
    )


# --- writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    """Appends the rows of a part, at most `part.rows`, to the two text files of its split."""

    def __init__(
        self, part: _Part, languages: tuple[str, str], outputs: tuple[BinaryIO, BinaryIO], rows_before: int
    ) -> None:
        self.rows = 0
        self.replaced = [0, 0]
        self._part, self._languages, self._outputs, self._rows_before = part, languages, outputs, rows_before

    def write(self, batch: pa.RecordBatch) -> None:
        batch = batch.slice(0, self._part.rows - self.rows)
        translation = batch.column(0)
        for side, (language, output) in enumerate(zip(self._languages, self._outputs, strict=True)):
            texts = pc.fill_null(pc.struct_field(translation, language), "")  # pyright: ignore
            texts.validate(full=True)  # invalid UTF-8 raises ArrowInvalid
            broken = pc.sum(pc.match_substring_regex(texts, _BREAKS)).as_py() or 0  # pyright: ignore
            if broken:
                texts = pc.replace_substring_regex(texts, _BREAKS, " ")  # pyright: ignore
                self.replaced[side] += broken
            lines = texts.to_pylist()
            if self._part.split != "train":
                self._refuse_blank(lines, language)
            write_lines(output, lines)
        self.rows += len(batch)

    def _refuse_blank(self, lines: list[str], language: str) -> None:
        for row, line in enumerate(lines, self._rows_before + self.rows):
            if not line.strip():
                raise LookbackError(
                    f"{self._part.file.repository}: {self._part.file.path}: the {language} text of pair {row + 1} of "
                    f"{self._part.split} is empty, but validation and test keep every line; choose another split"
                )
