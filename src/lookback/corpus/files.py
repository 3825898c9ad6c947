"""The user's own parallel text: aligned local files, plain, .gz or .xz."""

from pathlib import Path
from typing import BinaryIO

from lookback.config import FilePair, FilesCorpus
from lookback.console import amount, bar
from lookback.corpus.lines import SIDES, SPLITS, LineReader, refuse_unequal, sha256, write_lines, writing
from lookback.errors import LookbackError

_BYTE_ORDER_MARK = "\ufeff"


def fetch(settings: FilesCorpus, folder: Path) -> dict:
    """Copies the corpus to `folder` as plain text: {train,valid,test}.{source,target}, one sentence a line.

    Several file pairs of a split are concatenated in order. A byte order mark at the start of a file and the "\\r" of
    line ends "\\r\\n" are removed, and counted in the manifest. Nothing else is changed. `max_train_pairs` takes the
    first pairs of train; their files are still read to the end, to check that both sides have the same number of lines.
    Memory: one block of lines.

    Returns:
        the manifest: pairs of each split; path, size in bytes and SHA-256 of each file; licence.

    Raises:
        LookbackError: a file is absent, empty, damaged, not UTF-8, has NUL bytes; two sides differ in their number of
            lines; a line of valid or test is blank (`prepare` counts and drops blank lines of train).
    """
    root = settings.folder
    corpus = {"train": settings.train, "valid": settings.valid, "test": settings.test}
    inputs = [
        (split, side, name, root / name)
        for split in SPLITS
        for pair in corpus[split]
        for side, name in zip(SIDES, (pair.source, pair.target), strict=True)
    ]
    for _, _, _, path in inputs:
        _check_there(path, settings.root)

    size = sum(path.stat().st_size for *_, path in inputs)
    print(f"download: copies {amount(size)} of local files; compressed files take about 4 times that here", flush=True)
    copier = _Copier(size)
    pairs: dict[str, int] = {}
    with copier.progress, writing(folder, [f"{split}.{side}" for split in SPLITS for side in SIDES]) as out:
        for split in SPLITS:
            outputs = out[f"{split}.source"], out[f"{split}.target"]
            limit = settings.max_train_pairs if split == "train" else None
            pairs[split] = 0
            for pair in corpus[split]:
                left = None if limit is None else limit - pairs[split]
                pairs[split] += copier.copy(root, pair, outputs, left, blank_allowed=split == "train")
        described = [
            {"split": split, "side": side, "path": name, "bytes": path.stat().st_size, "sha256": sha256(path)}
            for split, side, name, path in inputs
        ]
    return {
        "kind": "files",
        "pairs": pairs,
        "max_train_pairs": settings.max_train_pairs,
        "licence": settings.licence,
        "byte_order_marks_removed": copier.byte_order_marks,
        "carriage_returns_removed": copier.carriage_returns,
        "files": described,
    }


def _check_there(path: Path, root: str) -> None:
    if not path.exists():
        raise LookbackError(
            f"{path}: no such file; point corpus.root (now {root!r}) in the experiment's file conf/<name>.yaml to the "
            f"folder that holds the text, or correct the file's name there"
        )
    if not path.is_file():
        raise LookbackError(f"{path}: no file; name a text file (plain, .gz or .xz) under corpus in conf/<name>.yaml")


class _Copier:
    """Copies pairs of files to pairs of plain files, and counts what it removes."""

    def __init__(self, total_bytes: int) -> None:
        self.progress = bar("download: local files", total_bytes)
        self.byte_order_marks = 0
        self.carriage_returns = 0

    def copy(
        self, root: Path, pair: FilePair, outputs: tuple[BinaryIO, BinaryIO], limit: int | None, blank_allowed: bool
    ) -> int:
        """Returns the number of pairs copied, at most `limit`."""
        copied = 0
        with LineReader(root / pair.source) as source, LineReader(root / pair.target) as target:
            readers = (source, target)
            before = self.progress.n
            while True:
                blocks = [reader.block() for reader in readers]
                if len(blocks[0]) != len(blocks[1]):
                    refuse_unequal(source, target)
                if not blocks[0]:
                    break
                at = source.lines_read - len(blocks[0])
                for reader, block, output in zip(readers, blocks, outputs, strict=True):
                    block = self._cleaned(block, first=at == 0)
                    if not blank_allowed:
                        _refuse_blank(reader.path, block, at)
                    write_lines(output, block if limit is None else block[: limit - copied])
                copied += len(blocks[0])
                self.progress.update(before + sum(r.position_on_disk for r in readers) - self.progress.n)
                if limit is not None and copied >= limit:
                    copied = limit
                    refuse_unequal(source, target)
                    break
            if source.lines_read == 0:
                raise LookbackError(f"{source.path}: empty, and so is {target.path}; a split needs at least one pair")
            self.progress.update(before + sum(r.size_on_disk for r in readers) - self.progress.n)
        return copied

    def _cleaned(self, block: list[str], first: bool) -> list[str]:
        if first and block[0].startswith(_BYTE_ORDER_MARK):
            self.byte_order_marks += 1
            block = [block[0][1:], *block[1:]]
        ended = sum(line.endswith("\r") for line in block)
        if ended:
            self.carriage_returns += ended
            block = [line.removesuffix("\r") for line in block]
        return block


def _refuse_blank(path: Path, block: list[str], lines_before: int) -> None:
    for number, line in enumerate(block, lines_before + 1):
        if not line.strip():
            raise LookbackError(
                f"{path}: line {number}: empty, but validation and test keep every line; take the pair out of both"
            )
