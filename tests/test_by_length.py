import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lookback.config import Evaluate
from lookback.errors import LookbackError
from lookback.evaluation import metrics
from lookback.evaluation.by_length import overall, rows_by_length
from lookback.evaluation.metrics import bleu_score, brevity_penalty, chrf_score, sentence_statistics
from lookback.evaluation.tables import COLUMNS, Row, read_rows, write_rows

WORDS = ["die", "der", "Katze", "Hund", "schläft", "gibt,", "3,5", "„nein“", "Größe's", "(alt)", "A&B", ".", "!"]


def corpus(sentences: int, seed: int = 0, longest: int = 40) -> tuple[list[str], list[str]]:
    """Translations with some words dropped, changed and repeated, and their references, 1 to `longest` words long."""
    chance = random.Random(seed)
    references = [" ".join(chance.choices(WORDS, k=chance.randint(1, longest))) for _ in range(sentences)]
    hypotheses = []
    for reference in references:
        words = [chance.choice(WORDS) if chance.random() < 0.2 else word for word in reference.split()]
        hypotheses.append(" ".join(word for word in words for _ in range(chance.choices([0, 1, 2], [10, 85, 5])[0])))
    return hypotheses, references


def words(lines: list[str]) -> list[int]:
    return [len(line.split()) for line in lines]


def rows(hypotheses: list[str], references: list[str], lengths: list[int] | None = None, **others: Any) -> list[Row]:
    others = {"settings": Evaluate(bucket_edges=(10, 20), resamples=100), **others}
    return rows_by_length(
        experiment="demo",
        system="bahdanau-60",
        model="bahdanau",
        max_train_words=60,
        seed=1,
        source_words=words(references) if lengths is None else lengths,
        hypotheses=hypotheses,
        references=references,
        **others,
    )


def sacrebleu_command(folder: Path, hypotheses: list[str], references: list[str], metric: str) -> tuple[str, str]:
    """Signature and score with 6 decimals, as the `sacrebleu` command prints them."""
    (folder / "hypotheses").write_text("".join(f"{line}\n" for line in hypotheses), encoding="utf-8")
    (folder / "reference").write_text("".join(f"{line}\n" for line in references), encoding="utf-8")
    arguments = ["reference", "-i", "hypotheses", "-m", metric, "-w", "6", "-f", "text"]
    command = [sys.executable, "-m", "sacrebleu", *arguments]
    printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^\w+\|(\S+) = ([\d.]+)", printed)
    assert found, printed
    return found[1], found[2]


# --- equal to sacreBLEU -----------------------------------------------------------------------------------------------


def test_every_row_is_what_the_sacrebleu_command_prints_for_its_lines(tmp_path: Path) -> None:
    hypotheses, references = corpus(200)
    lengths = np.array(words(references))
    found = rows(hypotheses, references)
    expected = [lengths <= 10, (lengths > 10) & (lengths <= 20), lengths > 20, lengths > 0]
    for row, chosen in zip(found, expected, strict=True):
        lines = np.flatnonzero(chosen)
        assert row["n"] == len(lines)
        some = [hypotheses[i] for i in lines], [references[i] for i in lines]
        assert sacrebleu_command(tmp_path, *some, "bleu") == (row["signature"], f"{row['bleu']:.6f}")
        assert sacrebleu_command(tmp_path, *some, "chrf") == (row["chrf_signature"], f"{row['chrf']:.6f}")


LINES = st.lists(
    st.tuples(*[st.lists(st.sampled_from(WORDS[:6]), max_size=9).map(" ".join)] * 2),
    min_size=1,
    max_size=6,
)


@given(LINES)
@settings(deadline=None, max_examples=300)
def test_scores_equal_sacrebleu_on_any_lines(lines: list[tuple[str, str]]) -> None:
    """Short and empty lines too, where some order of n-grams is missing or matches nothing."""
    hypotheses, references = [h for h, _ in lines], [r for _, r in lines]
    statistics = sentence_statistics(hypotheses, references)
    bleu = BLEU().corpus_score(hypotheses, [references])
    assert bleu_score(statistics.bleu.sum(axis=0)) == pytest.approx(bleu.score, abs=1e-9)
    assert brevity_penalty(statistics.bleu.sum(axis=0)) == pytest.approx(bleu.bp, abs=1e-12)
    chrf = CHRF().corpus_score(hypotheses, [references]).score
    assert chrf_score(statistics.chrf.sum(axis=0)) == pytest.approx(chrf, abs=1e-9)


@pytest.mark.parametrize(
    ("correct", "total"),
    [
        ([9, 5, 2, 1], [10, 9, 8, 7]),
        ([9, 5, 2, 0], [10, 9, 8, 7]),
        ([9, 5, 0, 0], [10, 9, 8, 7]),
        ([9, 0, 0, 0], [10, 9, 8, 7]),
        ([0, 0, 0, 0], [10, 9, 8, 7]),
        ([3, 2, 1, 0], [3, 2, 1, 0]),
        ([0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("reference_length", [0, 5, 10, 25])
def test_bleu_of_zero_counts(correct: list[int], total: list[int], reference_length: int) -> None:
    expected = BLEU.compute_bleu(list(correct), list(total), total[0], reference_length, smooth_method="exp")
    sums = [total[0], reference_length, *correct, *total]
    assert bleu_score(sums) == pytest.approx(expected.score, abs=1e-9)
    assert brevity_penalty(sums) == pytest.approx(expected.bp, abs=1e-12)


def test_sentences_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = corpus(25)
    whole = sentence_statistics(*lines)
    monkeypatch.setattr(metrics, "PART", 10)
    parts = sentence_statistics(*lines)
    assert (parts.bleu == whole.bleu).all()
    assert (parts.chrf == whole.chrf).all()


def test_many_sums_at_once() -> None:
    statistics = sentence_statistics(*corpus(30))
    for score, values in ((bleu_score, statistics.bleu), (chrf_score, statistics.chrf)):
        together = score(values.reshape(5, 6, -1))
        assert together.shape == (5, 6)
        assert together[2, 3] == score(values[15])


# --- rows -------------------------------------------------------------------------------------------------------------


def test_buckets_are_inclusive_and_the_last_two_rows_open() -> None:
    hypotheses, references = corpus(5)
    found = rows(hypotheses, references, lengths=[10, 11, 20, 21, 99])
    assert [(row["bucket_low"], row["bucket_high"], row["n"]) for row in found] == [
        (1, 10, 1),
        (11, 20, 2),
        (21, None, 2),
        (None, None, 5),
    ]
    assert all(tuple(row) == tuple(COLUMNS) for row in found)
    assert overall(found) is found[-1]


def test_an_empty_bucket_stays_with_blank_scores() -> None:
    hypotheses, references = corpus(5)
    found = rows(hypotheses, references, lengths=[3, 4, 30, 31, 32], cut_off=[False] * 5)
    blank = {name for name, value in found[1].items() if value is None}
    assert found[1]["n"] == 0
    assert blank == set(COLUMNS) - set(rows(hypotheses, references)[0]) | {
        *("bleu", "bleu_low", "bleu_high", "chrf", "chrf_low", "chrf_high", "length_ratio", "brevity_penalty"),
        *("exact_match", "empty", "cut_off", "looping", "dropped", "repeated", "reference_loss"),
        *("legacy_bleu", "legacy_bleu_low", "legacy_bleu_high", "legacy_signature"),
    }


def test_one_sentence_has_a_score_and_no_interval() -> None:
    (row, *_, total) = rows(["die Katze schläft heute ."], ["die Katze schläft hier ."])
    assert row["n"] == total["n"] == 1
    expected = BLEU().corpus_score(["die Katze schläft heute ."], [["die Katze schläft hier ."]]).score
    assert row["bleu"] == pytest.approx(expected)
    assert row["bleu_low"] is row["bleu_high"] is row["chrf_low"] is None


def test_sentences_without_source_words_are_not_lost() -> None:
    found = rows(["", "ein Hund"], ["x", "ein Hund"], lengths=[0, 2])
    assert (found[0]["bucket_low"], found[0]["bucket_high"], found[0]["n"]) == (0, 0, 1)


def test_perfect_and_empty_translations() -> None:
    references = corpus(20)[1]
    perfect, empty = overall(rows(references, references)), overall(rows([""] * 20, references))
    names = ("bleu", "bleu_low", "bleu_high", "chrf", "exact_match", "empty", "length_ratio", "brevity_penalty")
    assert [perfect[name] for name in names] == pytest.approx([100, 100, 100, 100, 1, 0, 1, 1])
    assert [empty[name] for name in names] == [0, 0, 0, 0, 0, 1, 0, 0]


def test_shares() -> None:
    total = overall(rows(["a  b", "", "c", "d"], ["a b", "b", "x", "y"], cut_off=[False, True, True, True]))
    assert (total["exact_match"], total["empty"], total["cut_off"]) == (0.25, 0.25, 0.75)


def test_looping_is_what_the_reference_does_not_do_and_repetition_is_per_word() -> None:
    hypotheses = ["ja ja ja ja ja ja", "so so so so so", "ein Hund"]
    references = ["ja", "so so so so so", "ein Hund"]
    total = overall(rows(hypotheses, references))
    assert (total["looping"], total["repeated"]) == (pytest.approx(1 / 3), pytest.approx(5 / 13))


def test_dropped_words_are_per_source_word_and_need_the_sources() -> None:
    references = ["die Katze schläft", "der Hund schläft", "die Katze rennt", "der Hund rennt"] * 5
    sources = ["cat sleeps", "dog sleeps", "cat runs", "dog runs"] * 5
    hypotheses = ["die Katze", *references[1:]]
    lengths = [2, 12, *[2] * 18]
    first, second, *_, total = rows(hypotheses, references, lengths=lengths, sources=sources)
    assert (first["dropped"], second["dropped"], total["dropped"]) == (pytest.approx(1 / 38), 0, pytest.approx(1 / 40))
    assert overall(rows(references, references, sources=sources))["dropped"] == 0
    assert overall(rows(hypotheses, references))["dropped"] is None
    known = {"sleeps": frozenset({"katze", "schläft"})}
    assert overall(rows(hypotheses, references, sources=sources, lexicon=known))["dropped"] == 0


def test_without_words_there_is_no_share_of_them() -> None:
    total = overall(rows(["", ""], ["a", "b"], sources=["", "…"]))
    assert (total["dropped"], total["repeated"], total["looping"]) == (None, None, 0)


def test_windows_and_further_units_follow_with_scores_of_their_own_sentences() -> None:
    hypotheses, references = corpus(60)
    sources = [line.replace(" ", "") for line in references]
    settings = Evaluate.model_validate(
        {"bucket_edges": [20], "resamples": 20, "window": {"width": 20, "step": 10}, "merge_below": 5}
        | {"further_buckets": {"source_characters": [100], "reference_words": [3, 20], "source_pieces": [1]}}
    )
    pieces = [1] * 30 + [2] * 30
    lengths = {"reference_words": words(references), "source_pieces": pieces}
    found = rows(hypotheses, references, settings=settings, sources=sources, further_lengths=lengths)
    assert [(row["bucket_by"], row["bucket_low"], row["bucket_high"]) for row in found] == [
        ("source_words", 1, 20),
        ("source_words", 21, None),
        ("source_words", None, None),
        ("source_words_window", 1, 20),
        ("source_words_window", 11, 30),
        ("source_words_window", 21, 40),
        ("source_characters", 1, 100),
        ("source_characters", 101, None),
        ("reference_words", 1, 20),  # 1 to 3 has fewer than 5
        ("reference_words", 21, None),
        ("source_pieces", 1, 1),
        ("source_pieces", 2, None),
    ]
    assert {row["bucket_by"]: row["n"] for row in found if row["bucket_low"] == 101} == {
        "source_characters": sum(len(source) > 100 for source in sources)
    }
    inside = [i for i, length in enumerate(words(references)) if 11 <= length <= 30]
    alone = rows([hypotheses[i] for i in inside], [references[i] for i in inside])
    assert found[4]["n"] == len(inside)
    assert found[4]["bleu"] == overall(alone)["bleu"]
    same = ("n", "bleu", "bleu_low", "bleu_high", "chrf_low", "repeated")
    assert [found[1][name] for name in same] == [found[9][name] for name in same]
    plain = rows(hypotheses, references, settings=Evaluate(bucket_edges=(20,), resamples=20), sources=sources)
    assert found[:3] == plain


def test_reference_loss_is_per_piece_and_not_per_sentence() -> None:
    losses = {"reference_loss": [2.0, 30.0], "reference_pieces": [4, 10]}
    found = rows(["a", "b"], ["a", "b"], lengths=[5, 15], **losses)
    assert [row["reference_loss"] for row in found] == pytest.approx([0.5, 3.0, 32 / 14])


def test_the_interval_contains_the_score_and_is_wider_for_fewer_sentences() -> None:
    hypotheses, references = corpus(400)
    many, few = overall(rows(hypotheses, references)), overall(rows(hypotheses[:40], references[:40]))
    for row in (many, few):
        assert row["bleu_low"] < row["bleu"] < row["bleu_high"]
        assert row["chrf_low"] < row["chrf"] < row["chrf_high"]
    assert few["bleu_high"] - few["bleu_low"] > 2 * (many["bleu_high"] - many["bleu_low"])


def test_intervals_depend_on_the_seed_alone() -> None:
    lines = corpus(50)
    first, again = rows(*lines), rows(*lines)
    other = rows(*lines, settings=Evaluate(bucket_edges=(10, 20), resamples=100, seed=2))
    assert first == again
    assert overall(first)["bleu"] == overall(other)["bleu"]
    assert overall(first)["bleu_low"] != overall(other)["bleu_low"]


def test_other_bucket_edges_leave_the_row_over_all_as_it_was() -> None:
    lines = corpus(50)
    settings = Evaluate(bucket_edges=(5, 8, 13), resamples=100)
    assert overall(rows(*lines)) == overall(rows(*lines, settings=settings))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hypotheses": ["a"]}, "bahdanau-60: hypotheses: 1 lines, but the reference has 2"),
        ({"hypotheses": ["a", "b", "c"]}, "3 lines, but the reference has 2"),
        ({"hypotheses": [], "references": []}, "the test set is empty"),
        ({"lengths": [1, 2, 3]}, "source_words: 3 lines, but the reference has 2"),
        ({"cut_off": [True]}, "cut_off: 1 lines"),
        ({"sources": ["a"]}, "sources: 1 lines"),
        ({"further_lengths": {"source_pieces": [1]}}, "source_pieces: 1 lines"),
        ({"settings": Evaluate(further_buckets={"source_pieces": (5,)})}, "the source_pieces of the sentences are not"),
        ({"reference_loss": [1.0, 2.0]}, "must be given together"),
        ({"reference_loss": [1.0], "reference_pieces": [3, 3]}, "reference_loss: 1 lines"),
        ({"reference_loss": [1.0, float("nan")], "reference_pieces": [3, 3]}, "reference 2 has a loss of nan"),
        ({"reference_loss": [1.0, 1.0], "reference_pieces": [0, 3]}, "reference 1 .* 0 pieces"),
    ],
)
def test_wrong_input_is_told_in_one_line(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"hypotheses": ["a", "b"], "references": ["a", "b"]} | changed
    with pytest.raises(LookbackError, match=message) as error:
        rows(**arguments)
    assert "\n" not in str(error.value)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_table_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "by_length.csv"
    written = rows(*corpus(30), settings=Evaluate(bucket_edges=(10, 20, 100, 200), resamples=100))
    write_rows(path, written)
    again = read_rows(path)
    for before, after in zip(written, again, strict=True):
        assert list(after) == list(COLUMNS)
        for name, value in before.items():
            assert type(after[name]) is type(value)
            assert after[name] == (pytest.approx(value, abs=0.006) if isinstance(value, float) else value)
    assert [row["n"] for row in again][-2] == 0
    assert b"\r" not in path.read_bytes()
    write_rows(tmp_path / "again.csv", again)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_reading_what_is_not_there_or_not_right(tmp_path: Path) -> None:
    with pytest.raises(LookbackError, match="no such file"):
        read_rows(tmp_path / "none.csv")
    path = tmp_path / "by_length.csv"
    write_rows(path, rows(["a"], ["a"]))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("bleu_low", "low"), encoding="utf-8")
    with pytest.raises(LookbackError, match="no column 'bleu_low'"):
        read_rows(path)
    path.write_text(text.replace("demo,bahdanau-60,bahdanau,60", "demo,bahdanau-60,bahdanau,sixty"), encoding="utf-8")
    with pytest.raises(LookbackError, match="line 2: max_train_words is 'sixty'"):
        read_rows(path)
