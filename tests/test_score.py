"""The command for anyone's translations: right answers on awkward text, and one line where it cannot give any."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lookback.evaluation.by_length import overall
from lookback.evaluation.comparison import read_comparisons
from lookback.evaluation.systems import System
from lookback.evaluation.tables import read_rows
from lookback.rendering import figures
from lookback.rendering.looks import looks
from lookback.score import main
from tests.test_by_length import corpus

A, REFERENCES = corpus(90)
B = [" ".join(line.split()[:12]) for line in REFERENCES]
SOURCES = [line.upper() for line in REFERENCES]


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that name the files of a test set and of the systems A and B."""
    texts = {"source": SOURCES, "reference": REFERENCES, "A.txt": A, "B.txt": B}
    source, reference, *systems = (write(tmp_path / name, lines) for name, lines in texts.items())
    return ["--source", source, "--reference", reference, "--hypothesis", *systems]


def given(folder: Path, sources: list[str], references: list[str], **systems: list[str]) -> list[str]:
    paths = [write(folder / name, lines) for name, lines in systems.items()]
    source, reference = write(folder / "source", sources), write(folder / "reference", references)
    return ["--source", source, "--reference", reference, "--hypothesis", *paths, "--resamples", "20"]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    """The lines of the table that the command prints."""
    main(arguments)
    scores, _, _ = capsys.readouterr().out.partition("In brackets")
    lines = [line for line in scores.splitlines() if line.startswith("|")]
    names, _, *rows = ([run.strip() for run in line.strip("|").split("|")] for line in lines)
    assert len({len(line) for line in lines}) == 1, "columns that are not aligned"
    return [dict(zip(names, row, strict=True)) for row in rows]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert capsys.readouterr().out == ""
    message = str(ended.value)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


# --- right answers ----------------------------------------------------------------------------------------------------


def test_the_total_is_what_the_sacrebleu_command_prints(files: list[str], tmp_path: Path) -> None:
    """Also with what may stand in a line: other line separators, carriage returns, spaces at the end, empty lines."""
    odd = ["", " ", "a\u2028b c d e", "a\x0bb c d e\r", "die  Katze schläft .  ", "\u3000x y z w"]
    for name, lines in (("A.txt", A + odd), ("reference", REFERENCES + odd[::-1]), ("source", SOURCES + odd)):
        write(tmp_path / name, lines)
    write(tmp_path / "B.txt", B + odd)
    run: Any = {"cwd": tmp_path, "check": True, "capture_output": True, "text": True}
    ours = subprocess.run(
        [sys.executable, "-m", "lookback.score", *files, "--output", "out", "--resamples", "20"],
        **run,
    ).stdout
    totals = {row["system"]: row for row in read_rows(tmp_path / "out/by_length.csv") if row["bucket_low"] is None}
    for name, lines in (("A", A + odd), ("B", B + odd)):
        command = [
            sys.executable,
            "-m",
            "sacrebleu",
            "reference",
            "-i",
            f"{name}.txt",
            "-m",
            "bleu",
            "chrf",
            "-b",
            "-w",
        ]
        bleu, chrf = json.loads(subprocess.run([*command, "2"], **run).stdout)
        assert (totals[name]["bleu"], totals[name]["chrf"]) == (bleu, chrf)
        (line,) = (line for line in ours.splitlines() if line.startswith("| all") and f"| {name} " in line)
        for metric in (BLEU(), CHRF()):
            assert f" {metric.corpus_score(lines, [REFERENCES + odd[::-1]]).score:.1f} [" in line
        assert totals[name]["signature"] in ours


def test_each_bucket_has_its_own_sentences(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, *files, "--edges", "10", "20", "--resamples", "20")
    assert [(row["source words"], row["system"]) for row in rows] == [
        (bucket, system) for bucket in ("1–10", "11–20", "21+", "all") for system in "AB"
    ]
    inside = [i for i, line in enumerate(SOURCES) if 11 <= len(line.split()) <= 20]
    pair = [A[i] for i in inside], [[REFERENCES[i] for i in inside]]
    assert rows[2]["n"].removesuffix(" †") == str(len(inside))
    assert rows[2]["BLEU"].startswith(f"{BLEU().corpus_score(*pair).score:.1f} [")
    assert rows[2]["chrF"].startswith(f"{CHRF().corpus_score(*pair).score:.1f} [")
    assert rows[1]["equal"] == "100.0 %"
    assert rows[1]["dropped"] == "0.0 %"
    assert float(rows[5]["dropped"].split()[0]) > 20
    assert all(("†" in row["n"]) == (int(row["n"].split()[0]) < 50) for row in rows)


def test_one_system_and_two_identical_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = told(capsys, *given(tmp_path, SOURCES, REFERENCES, A=A))
    both = told(capsys, *given(tmp_path, SOURCES, REFERENCES, A=A, C=A))
    assert {row["system"] for row in alone} == {"A"}
    assert both[0::2] == alone
    assert both[1::2] == [row | {"system": "C"} for row in alone]


def test_systems_are_tested_against_each_other(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = write(tmp_path / "twin.txt", B)
    main([*files, twin, "--edges", "10", "20", "30", "--train-words", "20", "--output", str(tmp_path / "out")])
    _, _, tests = capsys.readouterr().out.partition("In brackets")
    rows = [[run.strip() for run in line.strip("|").split("|")] for line in tests.splitlines() if line[:1] == "|"]
    found = {(system, about): (value, p, corrected) for system, about, _, value, p, corrected in rows[2:]}
    assert found["B − twin", "all"][:2] == ("0.0 [0.0, 0.0]", "1.000")
    assert float(found["A − B", "all"][1]) < 0.01
    assert float(found["A − B", "21–30"][2]) >= float(found["A − B", "21–30"][1])
    compared = read_comparisons(tmp_path / "out/comparisons.csv")
    assert len(compared) == len(found)
    totals = [overall(of) for of in rows_of(tmp_path / "out/by_length.csv")]
    gap = next(row["value"] for row in compared if (row["system"], row["other"], row["bucket_low"]) == ("A", "B", None))
    assert gap == pytest.approx(totals[0]["bleu"] - totals[1]["bleu"], abs=0.011)


def rows_of(path: Path) -> list[list[dict[str, Any]]]:
    """The rows of each system."""
    rows = read_rows(path)
    return [[row for row in rows if row["system"] == name] for name in dict.fromkeys(row["system"] for row in rows)]


def test_a_bucket_of_one_sentence_has_a_score_and_no_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, one = ["a b c d e", *["a " * 15] * 5], ["v w x y z", *["b c d e f g"] * 5]
    rows = told(capsys, *given(tmp_path, source, one, A=one), "--edges", "5", "10", "20")
    assert [(row["source words"], row["n"], row["BLEU"]) for row in rows] == [
        ("1–5", "1 †", "100.0"),
        ("6–10", "0", "–"),
        ("11–20", "5 †", "100.0 [100.0, 100.0]"),
        ("all", "6 †", "100.0 [100.0, 100.0]"),
    ]


def test_empty_lines_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, *given(tmp_path, ["", "a b"], ["", "x y"], A=["", ""]), "--edges", "5")
    assert [(row["source words"], row["n"], row["BLEU"], row["empty"]) for row in rows] == [
        ("0–0", "1 †", "0.0", "100.0 %"),
        ("1–5", "1 †", "0.0", "100.0 %"),
        ("all", "2 †", "0.0 [0.0, 0.0]", "100.0 %"),
    ]
    assert rows[0]["length ratio"] == rows[0]["dropped"] == rows[2]["repeated"] == "–"
    rows = told(capsys, *given(tmp_path, ["", ""], ["", ""], A=["", ""]))
    assert [row["n"] for row in rows if row["source words"] == "all"] == ["2 †"]


def test_other_units_windows_and_merging(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--resamples", "20")
    by_characters = told(capsys, *files, *few, "--by", "source_characters", "--edges", "60", "120")
    count = sum(len(line.replace(" ", "")) <= 60 for line in SOURCES)
    assert by_characters[0]["source characters"] == "1–60"
    assert by_characters[0]["n"].split()[0] == str(count)
    by_reference = told(capsys, *files, *few, "--by", "reference_words", "--words", "moses", "--language", "de")
    assert next(iter(by_reference[0])) == "reference words"
    sliding = told(capsys, *files, *few, "--window", "20", "10")
    assert [row["source words"] for row in sliding[::2]] == ["1–20", "11–30", "21–40", "all"]
    merged = told(capsys, *files, *few, "--edges", "10", "20", "30", "--merge-below", "60")
    assert [row["source words"] for row in merged[::2]] == ["1+", "all"]


def test_the_figure_is_drawn_as_the_reports_are(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    draw = figures.draw
    monkeypatch.setattr(figures, "draw", lambda chart, width: drawn.append(chart) or draw(chart, width))
    names = ["--names", "one", "other", "--train-words", "20", "other=30"]
    main([*files, *names, "--resamples", "20", "--output", str(tmp_path / "new/out")])
    (chart,) = drawn
    assert [line.system for line in chart.lines] == ["one", "other"]
    assert [words for words, _ in chart.marks] == [20, 30]
    assert [str(bucket) for bucket in chart.x.buckets] == ["1–10", "11–20", "21–30", "31–40", "41–50", "51–60"]
    assert chart.x.label == "source words"
    written = {"by_length.csv", "comparisons.csv", "length.svg", "length.png"}
    assert {path.name for path in (tmp_path / "new/out").iterdir()} == written
    rows = read_rows(tmp_path / "new/out/by_length.csv")
    drawn_scores = [point.y for point in chart.lines[0].points[:4]]
    assert [row["bleu"] for row in rows[:4]] == pytest.approx(drawn_scores, abs=0.006)
    assert {(row["system"], row["max_train_words"]) for row in rows} == {("one", 20), ("other", 30)}


def test_windows_and_many_systems_can_be_drawn(tmp_path: Path) -> None:
    options = given(tmp_path, SOURCES, REFERENCES, **{f"S{number}": A for number in range(10)})
    main([*options, "--window", "8", "2", "--train-words", "30", "S3=20", "--output", str(tmp_path / "out")])
    styles = looks([System(f"S{number}", 30) for number in range(10)]).values()
    assert len({(look.color, str(look.dash)) for look in styles}) == 10
    assert (tmp_path / "out/length.svg").stat().st_size > 10_000


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--edges", "10", "10"], "--edges 10 10: must rise"),
        (["--edges", "20", "10"], "--edges 20 10: must rise"),
        (["--edges", "0", "10"], "--edges: .*greater than or equal to 1, not 0"),
        (["--window", "5", "6"], r"--window: step \(6\) must not be larger than width \(5\)"),
        (["--window", "0", "1"], "--window: .*greater than or equal to 1"),
        (["--merge-below", "-1"], "--merge-below: .*greater than or equal to 0"),
        (["--confidence", "95"], "--confidence: .*less than 1, not 95"),
        (["--resamples", "0"], "--resamples: .*greater than or equal to 1"),
        (["--names", "A"], "--names: 1 names for 2 files"),
        (["--names", "A", "A"], "two systems are called 'A'"),
        (["--train-words", "C=30"], "--train-words: there is no system 'C'; there are A, B"),
        (["--train-words", "A=many"], "--train-words: 'A=many' is not a number of words"),
        (["--by", "source_characters"], "--edges: missing"),
        (["--by", "source_characters", "--edges", "50", "--train-words", "30"], "--train-words: counts words"),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], message: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(message, refused(capsys, *files, *options))


def test_files_that_cannot_be_scored(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "two systems are called 'A'" in refused(capsys, *files, files[5])
    assert f"{tmp_path / 'none.txt'}: cannot be read (No such file" in refused(capsys, *files, f"{tmp_path}/none.txt")
    write(tmp_path / "C.txt", A[:-1])
    message = refused(capsys, *files, str(tmp_path / "C.txt"))
    assert f"{tmp_path / 'C.txt'} has 89 lines but {tmp_path / 'reference'} has 90" in message
    (tmp_path / "D.txt").write_bytes(b"fine\n" + "Größe\n".encode("latin-1"))
    assert f"{tmp_path / 'D.txt'}: line 2: invalid UTF-8" in refused(capsys, *files, str(tmp_path / "D.txt"))
    (tmp_path / "E.txt").write_bytes(b"")
    assert f"{tmp_path / 'E.txt'}: is empty" in refused(capsys, *files, str(tmp_path / "E.txt"))
    write(tmp_path / "source", SOURCES + SOURCES)
    assert f"{tmp_path / 'source'} has 180 lines" in refused(capsys, *files)
    (tmp_path / "reference").write_bytes(b"")
    assert f"{tmp_path / 'reference'}: is empty" in refused(capsys, *files)


def test_an_output_folder_that_cannot_be(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: .*A\.txt: File exists"):
        main([*files, "--resamples", "20", "--output", str(tmp_path / "A.txt")])
