"""Local files: what comes through, and what is refused."""

import gzip
import hashlib
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from lookback.config import FilePair, FilesCorpus
from lookback.corpus import files, lines
from lookback.errors import LookbackError

TRAIN = [("one two", "un deux"), ("three", "trois"), ("", "blank"), ("four", "quatre")]


def write(path: Path, data: bytes) -> None:
    compress = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(compress(data))


def text(sentences) -> bytes:
    return "".join(f"{sentence}\n" for sentence in sentences).encode()


def corpus(root: Path, suffix: str = "", **changes) -> FilesCorpus:
    """A small corpus under `root`; changes are the contents of files by name, as `train_source=b"…"`."""
    contents = {
        "train_source": text(source for source, _ in TRAIN),
        "train_target": text(target for _, target in TRAIN),
        **{
            f"{split}_{side}": text([f"{split} {side} {i}" for i in range(3)])
            for split in ("valid", "test")
            for side in lines.SIDES
        },
        **changes,
    }
    for name, data in contents.items():
        write(root / f"{name}{suffix}", data)
    train, valid, test = (
        (FilePair(source=f"{split}_source{suffix}", target=f"{split}_target{suffix}"),) for split in lines.SPLITS
    )
    return FilesCorpus(kind="files", root=str(root), licence="free", train=train, valid=valid, test=test)


def fetched(settings: FilesCorpus, folder: Path) -> dict[str, list[str]]:
    files.fetch(settings, folder)
    return {path.name: path.read_bytes().decode().split("\n")[:-1] for path in folder.iterdir()}


def fetch_error(settings: FilesCorpus, folder: Path) -> str:
    """The message of the refusal, one line; nothing is left in the folder."""
    with pytest.raises(LookbackError) as caught:
        files.fetch(settings, folder)
    assert not folder.exists() or not list(folder.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what comes through -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".txt", ".gz", ".xz"])
def test_plain_and_compressed(tmp_path, suffix):
    found = fetched(corpus(tmp_path, suffix), tmp_path / "raw")
    assert found["train.source"] == [source for source, _ in TRAIN]
    assert found["train.target"] == [target for _, target in TRAIN]
    assert found["test.target"] == ["test target 0", "test target 1", "test target 2"]
    assert len(found) == 6


def test_the_manifest(tmp_path):
    manifest = files.fetch(corpus(tmp_path, ".gz"), tmp_path / "raw")
    assert manifest["pairs"] == {"train": 4, "valid": 3, "test": 3}
    assert manifest["licence"] == "free"
    data = (tmp_path / "train_source.gz").read_bytes()
    assert manifest["files"][0] == {
        "split": "train",
        "side": "source",
        "path": "train_source.gz",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_other_line_separators_are_part_of_a_sentence(tmp_path, separator):
    sentence = f"before{separator}after"
    found = fetched(corpus(tmp_path, train_source=text([sentence, "b", "c", "d"])), tmp_path / "raw")
    assert found["train.source"] == [sentence, "b", "c", "d"]


def test_windows_line_ends_and_byte_order_marks_are_taken_away_and_counted(tmp_path):
    settings = corpus(tmp_path, valid_source=b"\xef\xbb\xbfa\r\nb\r\nc\n")
    manifest = files.fetch(settings, tmp_path / "raw")
    assert (tmp_path / "raw" / "valid.source").read_bytes() == b"a\nb\nc\n"
    assert manifest["carriage_returns_removed"] == 2
    assert manifest["byte_order_marks_removed"] == 1


def test_a_last_line_without_its_end_is_a_line(tmp_path):
    found = fetched(corpus(tmp_path, test_source=b"a\nb\nc"), tmp_path / "raw")
    assert found["test.source"] == ["a", "b", "c"]


def test_several_files_are_joined(tmp_path):
    settings = corpus(tmp_path)
    pair = settings.train[0]
    settings = settings.model_copy(update={"train": (pair, settings.valid[0], pair)})
    found = fetched(settings, tmp_path / "raw")
    sources = [source for source, _ in TRAIN]
    assert found["train.source"] == [*sources, "valid source 0", "valid source 1", "valid source 2", *sources]


@pytest.mark.parametrize("cap", [1, 3, 4, 5, 100])
def test_a_cap_takes_the_first_pairs(tmp_path, cap):
    settings = corpus(tmp_path)
    both = (*settings.train, *settings.valid)
    settings = settings.model_copy(update={"train": both, "max_train_pairs": cap})
    found = fetched(settings, tmp_path / "raw")
    everything = [*(target for _, target in TRAIN), "valid target 0", "valid target 1", "valid target 2"]
    assert found["train.target"] == everything[:cap]
    assert len(found["train.source"]) == len(found["train.target"])
    assert len(found["valid.source"]) == 3


def test_more_lines_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(lines.LineReader.block, "__defaults__", (3,))
    many = [f"line {i}" for i in range(10)]
    found = fetched(corpus(tmp_path, train_source=text(many), train_target=text(many[::-1])), tmp_path / "raw")
    assert found["train.source"] == many
    assert found["train.target"] == many[::-1]


def test_the_root_may_name_an_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPORA", str(tmp_path))
    settings = corpus(tmp_path).model_copy(update={"root": "$CORPORA"})
    assert fetched(settings, tmp_path / "raw")["valid.source"][0] == "valid source 0"


# --- what is refused --------------------------------------------------------------------------------------------------


def test_an_absent_file_names_the_path_and_the_setting(tmp_path):
    settings = corpus(tmp_path).model_copy(update={"root": str(tmp_path / "elsewhere")})
    message = fetch_error(settings, tmp_path / "raw")
    assert str(tmp_path / "elsewhere" / "train_source") in message
    assert "corpus.root" in message
    assert "conf/" in message


def test_a_folder_is_no_text(tmp_path):
    settings = corpus(tmp_path)
    (tmp_path / "train_source").unlink()
    (tmp_path / "train_source").mkdir()
    assert str(tmp_path / "train_source") in fetch_error(settings, tmp_path / "raw")


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("cap", [None, 2])
def test_unequal_line_counts_name_both_files_and_counts(tmp_path, suffix, cap):
    settings = corpus(tmp_path, suffix, train_target=text(["a", "b", "c", "d", "e", "f"]))
    message = fetch_error(settings.model_copy(update={"max_train_pairs": cap}), tmp_path / "raw")
    assert f"train_source{suffix} has 4 lines" in message
    assert f"train_target{suffix} has 6" in message


@pytest.mark.parametrize("bad", [b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_invalid_utf8_names_file_and_line(tmp_path, bad):
    message = fetch_error(corpus(tmp_path, train_target=b"a\nb\n" + bad + b"\nd\n"), tmp_path / "raw")
    assert f"{tmp_path / 'train_target'}: line 3" in message
    assert "UTF-8" in message


def test_a_character_cut_by_a_line_end_is_not_utf8(tmp_path):
    message = fetch_error(corpus(tmp_path, valid_source=b"a\n\xc3\n\xa9\n"), tmp_path / "raw")
    assert "valid_source: line 2" in message


def test_nul_bytes_name_file_and_line(tmp_path):
    message = fetch_error(corpus(tmp_path, valid_target=b"a\nb\0\nc\n"), tmp_path / "raw")
    assert f"{tmp_path / 'valid_target'}: line 2" in message
    assert "NUL" in message


def test_lines_are_numbered_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(lines.LineReader.block, "__defaults__", (2,))
    message = fetch_error(corpus(tmp_path, valid_target=b"a\nb\nc\0\n"), tmp_path / "raw")
    assert "valid_target: line 3" in message


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("blank", ["", "  \t", "\u00a0"])
def test_a_blank_side_in_valid_or_test(tmp_path, split, blank):
    message = fetch_error(corpus(tmp_path, "", **{f"{split}_target": text(["a", blank, "c"])}), tmp_path / "raw")
    assert f"{split}_target: line 2" in message


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_an_empty_split(tmp_path, split):
    message = fetch_error(corpus(tmp_path, "", **{f"{split}_source": b"", f"{split}_target": b""}), tmp_path / "raw")
    assert f"{split}_source: empty" in message


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:-30] + b"x" * 20 + data[-10:], id="corrupt"),
        pytest.param(lambda data: b"plain text\n" * 4, id="not compressed"),
    ],
)
def test_damaged_compression(tmp_path, suffix, damage):
    settings = corpus(tmp_path, suffix, train_source=text(f"sentence {i * i}" for i in range(9999)))
    path = tmp_path / f"train_source{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    message = fetch_error(settings, tmp_path / "raw")
    assert str(path) in message
    assert "damaged or cut off" in message


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_file_under_a_plain_name(tmp_path, compress):
    settings = corpus(tmp_path)
    (tmp_path / "train_source").write_bytes(compress(b"one\n"))
    assert "is compressed" in fetch_error(settings, tmp_path / "raw")


def test_an_earlier_result_survives_a_refusal(tmp_path):
    fetched(corpus(tmp_path), tmp_path / "raw")
    before = {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()}
    with pytest.raises(LookbackError):
        files.fetch(corpus(tmp_path, test_source=b"\0\n"), tmp_path / "raw")
    assert {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()} == before


def test_a_killed_run_leaves_no_half_file_under_a_whole_name(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path; from lookback.corpus.lines import writing\n"
        "with writing(Path(sys.argv[1]), ['train.source']) as out:\n"
        "    out['train.source'].write(b'half'); out['train.source'].flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == ["train.source.partial"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "raw").write_text("in the way")
    with pytest.raises(LookbackError, match="cannot write there"):
        files.fetch(corpus(tmp_path), tmp_path / "raw")
