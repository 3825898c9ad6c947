"""Cleaning: each filter, what is counted, and what is never touched."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookback.config import Prepare
from lookback.corpus import clean, lines
from lookback.corpus.seen import Seen, fingerprints
from lookback.errors import LookbackError

Pair = tuple[str, str]
VALID: list[Pair] = [("a validation source", "une source")]
TEST: list[Pair] = [("a  test source\u2028of é", "une\u00a0phrase  de test ")]
LONG = " ".join(["word"] * 12)


def write(folder: Path, train: list[Pair], valid: list[Pair] = VALID, test: list[Pair] = TEST) -> Path:
    folder.mkdir(exist_ok=True)
    for split, pairs in zip(lines.SPLITS, (train, valid, test), strict=True):
        for side, sentences in zip(lines.SIDES, zip(*pairs, strict=True) if pairs else ((), ()), strict=True):
            (folder / f"{split}.{side}").write_bytes("".join(f"{s}\n" for s in sentences).encode())
    return folder


def prepare(tmp_path: Path, train: list[Pair], settings: Prepare | None = None, **splits) -> dict:
    raw = write(tmp_path / "raw", train, **splits)
    return clean.prepare(raw, tmp_path / "prepared", settings or Prepare(), "en", "fr")


def kept(tmp_path: Path) -> list[Pair]:
    sides = [(tmp_path / "prepared" / f"train.{side}").read_bytes().decode().split("\n")[:-1] for side in lines.SIDES]
    return list(zip(*sides, strict=True))


def dropped(manifest: dict) -> dict[str, int]:
    return {step["reason"]: step["dropped"] for step in manifest["train"]["steps"] if step["dropped"]}


def test_the_gold_alignment_is_passed_on_where_there_is_one(tmp_path):
    alignment = b"0-0 1-0 2-1\r\n"
    write(tmp_path / "raw", [("a good pair", "une bonne paire")])
    (tmp_path / "raw/test.alignment").write_bytes(alignment)
    manifest = clean.prepare(tmp_path / "raw", tmp_path / "prepared", Prepare(), "en", "fr")
    assert (tmp_path / "prepared/test.alignment").read_bytes() == alignment
    assert manifest["files"]["test.alignment"] == hashlib.sha256(alignment).hexdigest()
    assert not (tmp_path / "prepared/valid.alignment").exists()


# --- the filters ------------------------------------------------------------------------------------------------------

GOOD: Pair = ("a good pair", "une bonne paire")


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("", "rien"), "empty"),
        (("nothing", " \t\u00a0"), "empty"),
        (("\x01\x02", "caractères"), "empty"),
        ((" ".join(["w"] * 21), LONG), "over-long"),
        ((LONG, " ".join(["w"] * 21)), "over-long"),
        ((LONG, "trois mots seulement"), "badly proportioned"),
        (("six words stand on this side", "un"), "badly proportioned"),
        (("a validation source", "other"), "in valid or test"),
        (("a test source of é", "other"), "in valid or test"),
        (("a  test  source of e\u0301", "other"), "in valid or test"),
        (("other", "une\u00a0phrase de test"), "in valid or test"),
        (GOOD, "duplicate"),
        (("a  good\tpair ", "une bonne paire"), "duplicate"),
    ],
)
def test_a_pair_is_dropped_and_counted_under_its_reason(tmp_path, pair, reason):
    manifest = prepare(tmp_path, [GOOD, pair, ("last", "dernier")], Prepare(max_words=20))
    assert kept(tmp_path) == [GOOD, ("last", "dernier")]
    assert dropped(manifest) == {reason: 1}
    assert manifest["train"]["raw"] == 3
    assert manifest["train"]["kept"] == manifest["pairs"]["train"] == 2


@pytest.mark.parametrize(
    "pair",
    [
        (" ".join(["w"] * 20), " ".join(["w"] * 20)),
        ("w w w w w w", "w w"),
        ("the federal constitutional court", "Bundesverfassungsgericht"),
        ("a good pair", "une autre paire"),
        ("another pair", "une bonne paire"),
        ("une source", "a validation source"),
        ("the line\u00a0has a no-break space", "elle\u202fen a"),
    ],
)
def test_a_pair_at_the_bounds_is_kept(tmp_path, pair):
    manifest = prepare(tmp_path, [GOOD, pair], Prepare(max_words=20))
    assert kept(tmp_path) == [GOOD, pair]
    assert dropped(manifest) == {}


def test_the_steps_add_up(tmp_path):
    train = [GOOD, ("", "x"), GOOD, (LONG * 3, LONG), ("a validation source", "y"), ("end", "fin")]
    manifest = prepare(tmp_path, train, Prepare(max_words=20))
    steps = manifest["train"]["steps"]
    assert [step["reason"] for step in steps] == list(clean.REASONS)
    left = manifest["train"]["raw"]
    for step in steps:
        left -= step["dropped"]
        assert step["left"] == left
    assert left == len(kept(tmp_path)) == 2


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("NFC", "cafe\u0301", "café"),
        ("NFKC", "ﬁne\u00a0print", "fine print"),
        (None, "cafe\u0301", "cafe\u0301"),
        ("NFC", "  two   spaces ", "two spaces"),
        ("NFC", "tab\tand\u2028separator\x07", "tab and separator"),
        ("NFC", "no-break\u00a0space", "no-break\u00a0space"),
    ],
)
def test_normalization(tmp_path, form, text, expected):
    manifest = prepare(tmp_path, [GOOD, (text, "cible")], Prepare(normalization=form))
    assert kept(tmp_path)[1] == (expected, "cible")
    assert manifest["train"]["changed_by_normalization"] == (text != expected)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["NFC", "NFKC", None]))
def test_normalization_settles_at_once_and_leaves_one_line(text, form):
    normalise = clean.normaliser(form)
    once = normalise(text)
    assert "\n" not in once
    assert "  " not in once
    if form != "NFKC":  # NFKC can make two spaces of characters that were none
        assert normalise(once) == once


def test_moses_words_are_counted_where_they_are_asked_for(tmp_path):
    prepare(tmp_path, [("Yes, it is.", "Oui, c'est ça.")], Prepare(word_tokenizer="moses"))
    assert np.load(tmp_path / "prepared" / "train.words.npy").tolist() == [[5, 6]]


# --- valid and test ---------------------------------------------------------------------------------------------------


def test_valid_and_test_keep_every_byte(tmp_path):
    odd = [("e\u0301  x", LONG), ("e\u0301  x", LONG), ("w", LONG * 9), ("bell\x07", "\u00a0ligne\u2028une\r")]
    prepare(tmp_path, [GOOD], Prepare(max_words=5), valid=odd, test=odd[::-1])
    for split in ("valid", "test"):
        for side in lines.SIDES:
            name = f"{split}.{side}"
            assert (tmp_path / "prepared" / name).read_bytes() == (tmp_path / "raw" / name).read_bytes()


def test_word_counts_of_all_splits(tmp_path):
    train = [("one two three", "un deux"), ("", "x"), ("four", "quatre cinq")]
    manifest = prepare(tmp_path, train)
    found = {split: np.load(tmp_path / "prepared" / f"{split}.words.npy") for split in lines.SPLITS}
    assert found["train"].tolist() == [[3, 2], [1, 2]]
    assert found["valid"].tolist() == [[3, 2]]
    assert found["test"].tolist() == [[5, 4]]
    assert all(counts.dtype == np.uint16 for counts in found.values())
    mapped = np.load(tmp_path / "prepared" / "train.words.npy", mmap_mode="r")
    assert mapped.shape == (2, 2)
    source = manifest["words"]["train"]["source"]
    assert (source["total"], source["mean"], source["max"], source["by_ten_words"]) == (4, 2.0, 3, {"1-10": 2})


def test_a_count_too_large_for_its_type_stands_for_more(tmp_path):
    prepare(tmp_path, [GOOD], valid=[("w " * 70_000, "x")])
    assert np.load(tmp_path / "prepared" / "valid.words.npy").tolist() == [[65_535, 1]]


# --- the manifest -----------------------------------------------------------------------------------------------------


def test_fingerprints(tmp_path):
    manifest = prepare(tmp_path, [GOOD, ("b", "c")])
    json.dumps(manifest)
    for name, fingerprint in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "prepared" / name).read_bytes()).hexdigest() == fingerprint
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == set(manifest["files"])
    again = prepare(tmp_path, [GOOD, ("b", "c")])
    other_train = prepare(tmp_path, [GOOD, ("b", "d")])
    other_test = prepare(tmp_path, [GOOD, ("b", "c")], test=[("else", "autre")])
    assert again == manifest
    assert other_train["test_fingerprint"] == manifest["test_fingerprint"] != other_test["test_fingerprint"]
    assert len({m["corpus_fingerprint"] for m in (manifest, other_train, other_test)}) == 3


def test_the_size_of_a_block_makes_no_difference(tmp_path, monkeypatch):
    chance = random.Random(1)
    train = [(f"s {chance.randrange(40)}", f"t {chance.randrange(4)}") for _ in range(500)]
    whole = prepare(tmp_path, train)
    assert len(set(train)) == whole["pairs"]["train"]
    assert kept(tmp_path) == list(dict.fromkeys(train))
    monkeypatch.setattr(lines.LineReader.block, "__defaults__", (7,))
    monkeypatch.setattr(lines.LineReader.raw_block, "__defaults__", (7,))
    assert prepare(tmp_path, train) == whole


# --- wrong input ------------------------------------------------------------------------------------------------------


def refusal(tmp_path: Path) -> str:
    with pytest.raises(LookbackError) as caught:
        clean.prepare(tmp_path / "raw", tmp_path / "prepared", Prepare(), "en", "fr")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "prepared").glob("*")) if (tmp_path / "prepared").exists() else True
    return str(caught.value)


def test_a_missing_file(tmp_path):
    (write(tmp_path / "raw", [GOOD]) / "test.target").unlink()
    message = refusal(tmp_path)
    assert "test.target: no such file" in message
    assert "download" in message


@pytest.mark.parametrize("split", lines.SPLITS)
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one\ntwo\n", "line"),
        (b"caf\xe9\n", "line 1: invalid UTF-8"),
        (b"a\0b\n", "line 1: a NUL byte"),
    ],
    ids=["unequal", "not UTF-8", "NUL"],
)
def test_wrong_raw_text(tmp_path, split, data, expected):
    path = write(tmp_path / "raw", [GOOD]) / f"{split}.target"
    path.write_bytes(data)
    message = refusal(tmp_path)
    assert str(path) in message
    assert expected in message


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_blank_line_in_valid_or_test(tmp_path, split):
    write(tmp_path / "raw", [GOOD], **{split: [("a", "b"), ("c", " ")]})
    assert f"{split}.target: line 2: empty" in refusal(tmp_path)


@pytest.mark.parametrize("split", lines.SPLITS)
def test_an_empty_split(tmp_path, split):
    write(tmp_path / "raw", [GOOD])
    for side in lines.SIDES:
        (tmp_path / "raw" / f"{split}.{side}").write_bytes(b"")
    assert f"{split}.source: " in refusal(tmp_path)


def test_nothing_left_of_train_tells_why(tmp_path):
    write(tmp_path / "raw", [("", "x"), ("a validation source", "y")])
    message = refusal(tmp_path)
    assert "no training pair is left of 2" in message
    assert "1 empty, 1 in valid or test" in message


# --- many pairs -------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 40) | st.integers(0, 2**64 - 1), max_size=60), max_size=12))
def test_seen_is_a_set(blocks):
    seen, expected = Seen(capacity=2), set()
    for block in blocks:
        new = seen.add(np.array(block, dtype=np.uint64))
        wanted = []
        for value in block:
            value = max(value, 1)
            wanted.append(value not in expected)
            expected.add(value)
        assert new.tolist() == wanted
        assert len(seen) == len(expected)


def test_fingerprints_differ_and_last():
    values = fingerprints(f"text {i}" for i in range(100_000))
    assert len(np.unique(values)) == 100_000
    digest = hashlib.blake2b(b"text 7", digest_size=8).digest()
    assert values[7] == int.from_bytes(digest, "little")


def test_seen_takes_few_bytes_each():
    seen = Seen()
    chance = np.random.default_rng(1)
    most = 0.0
    for count in range(1, 51):
        seen.add(chance.integers(1, 2**63, 20_000, dtype=np.uint64))
        if count > 10:
            most = max(most, seen.nbytes / len(seen))
    assert len(seen) == 1_000_000
    assert most < 28


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux's /proc")
def test_memory_is_a_few_bytes_a_pair(tmp_path):
    """From the growth between 50,000 and 1,000,000 pairs: 36 million stay far below 8 GB."""
    program = """
import re, sys
from pathlib import Path
from lookback.config import Prepare
from lookback.corpus import clean
manifest = clean.prepare(Path(sys.argv[1]), Path(sys.argv[2]), Prepare(), "en", "fr")
print(manifest["pairs"]["train"], re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    peaks = {}
    for number in (50_000, 1_000_000):
        raw = write(tmp_path / "raw", [])
        for side in lines.SIDES:
            for split, count in (("train", number), ("valid", 1), ("test", 1)):
                text = "".join(f"{split} number {i} of {side}\n" for i in range(count))
                (raw / f"{split}.{side}").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", program, str(raw), str(tmp_path / "prepared")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        pairs, kilobytes = done.stdout.split()
        assert int(pairs) == number
        peaks[number] = int(kilobytes) * 1024
    a_pair = (peaks[1_000_000] - peaks[50_000]) / 950_000
    assert a_pair < 45
    assert a_pair * 36e6 + peaks[50_000] < 4e9
