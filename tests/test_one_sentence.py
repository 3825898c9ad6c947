"""A line of text through tiny models: what is found, how it is shown, and the command."""

import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from lookback import models
from lookback.config import Hardware, SentencePiece, Translate
from lookback.decoding.one_sentence import NO_ALIGNMENT, as_json, as_text, table, translator
from lookback.decoding.translate import translate
from lookback.decoding.word_alignment import END, WordAlignment
from lookback.errors import LookbackError
from lookback.models.saved import load_model, save_model
from lookback.tokenizer import Tokenizer, load_tokenizer
from lookback.tokenizer.sentencepiece import train_sentencepiece
from lookback.tokenizer.words import write_words
from lookback.translate import main
from tests.tiny import MODELS

ROOT = Path(__file__).parents[1]
SOURCE = ["The cat jumped.", "The dog, which slept, jumped."]
TARGET = ["Die Katze sprang.", "Der Hund, der schlief, sprang."]
ATTENTIVE = ["bahdanau", "transformer"]
CPU = Hardware(accelerator="cpu", devices=1, threads=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained models and a dictionary, as runs of the experiment `demo`; Bahdanau's also with words."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("source", "target"):
        (folder / name).write_text("".join(f"{line}\n" for line in (SOURCE if name == "source" else TARGET)))
    pieces, words = folder / "tokenizer.model", folder / "tokenizer.json"
    train_sentencepiece(folder / "source", folder / "target", 2, SentencePiece(vocabulary_size=45), pieces)
    counts = {side: Counter(" ".join(text).split()) for side, text in (("source", SOURCE), ("target", TARGET))}
    write_words(counts, 20, {"source": "en", "target": "de"}, "NFC", words)  # pyright: ignore[reportArgumentType]
    of_words = load_tokenizer_from(words)

    torch.manual_seed(1)
    for settings in MODELS:
        run = folder / "models" / "demo" / f"{settings.architecture}-60-s1"
        save_model(models.build(settings, 45, 45), settings, 45, 45, pieces, run, {})
    sizes = of_words.source_vocabulary, of_words.target_vocabulary
    save_model(models.build(MODELS[1], *sizes), MODELS[1], *sizes, words, folder / "models" / "demo" / "words", {})
    book = folder / "models" / "demo" / "word_by_word-60-s1"
    book.mkdir()
    (book / "dictionary.json").write_text(json.dumps({"entries": {"The": "Die", "cat": "Katze"}}))
    shutil.copy(pieces, book)
    for run in (folder / "models" / "demo").iterdir():
        (run / "training.json").write_text(json.dumps({"run": {"experiment": "demo"}}))

    yaml = YAML(typ="safe", pure=True)
    demo = yaml.load((ROOT / "conf" / "demo.yaml").read_text(encoding="utf-8"))
    demo["translate"] |= {"max_length_factor": 0.01, "max_length_extra": 3}
    (folder / "conf").mkdir()
    with (folder / "conf" / "demo.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(demo, file)
    shutil.copy(ROOT / "params.yaml", folder)
    return folder


def load_tokenizer_from(path: Path) -> Tokenizer:
    alone = path.parent / "alone"
    alone.mkdir()
    shutil.copy(path, alone)
    return load_tokenizer(alone)


def model(project: Path, name: str) -> Path:
    return project / "models" / "demo" / name


def loaded(project: Path, name: str, **settings):
    return translator(model(project, name), Translate(**settings), "NFC", CPU)


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [settings.architecture for settings in MODELS])
def test_it_is_the_translation_of_the_search_with_words_of_the_text(project: Path, architecture: str) -> None:
    folder, settings = model(project, f"{architecture}-60-s1"), Translate(beam=3)
    tokenizer = load_tokenizer(folder)
    found = loaded(project, folder.name, beam=3)(SOURCE[1])
    ids = tokenizer.encode([SOURCE[1]], "source")
    (expected,) = translate(load_model(folder), tokenizer, ids, settings, "test")
    assert found.translation.text == expected.text
    assert found.translation.score == pytest.approx(expected.score, rel=1e-4)
    assert found.unknown == ()
    if architecture not in ATTENTIVE:
        assert found.alignment is None
        return
    assert found.alignment is not None
    assert found.alignment.source == (*SOURCE[1].split(), END)
    assert found.alignment.target[-1] == END
    assert found.alignment.weights.sum(1) == pytest.approx(1, abs=0.02)  # of weights with three decimals


def test_a_dictionary_has_no_alignment(project: Path) -> None:
    found = loaded(project, "word_by_word-60-s1")("The cat cat")
    assert as_text(found, 80) == f"Die Katze Katze\n{NO_ALIGNMENT}"
    assert json.loads(as_json(found)) == {
        "text": "The cat cat",
        "translation": "Die Katze Katze",
        "score": None,
        "words": None,
        "weights": None,
    }


@pytest.mark.parametrize("name", ["bahdanau-60-s1", "words"])
def test_unknown_words_are_named_and_shown_as_they_stand(project: Path, name: str) -> None:
    found = loaded(project, name)("The ☃cat jumped ☃cat ☂")
    assert found.unknown == ("☃cat", "☂") if name != "words" else {"☃cat", "☂"} <= set(found.unknown)
    assert found.alignment is not None
    if name != "words":
        assert found.alignment.source == ("The", "☃cat", "jumped", "☃cat", "☂", END)


def test_spaces_and_control_characters_are_those_of_training_text(project: Path) -> None:
    translated = loaded(project, "transformer-60-s1")
    plain, odd = translated("The cat jumped."), translated("  The\tcat \x07 jumped.\r\n")
    assert odd.translation == plain.translation
    assert odd.alignment is not None
    assert odd.alignment.source == ("The", "cat", "jumped.", END)


@pytest.mark.parametrize(("text", "told"), [("", "no word"), (" \t", "no word"), ("▁", "no word"), ("\udcff", "UTF-8")])
def test_what_is_no_text_is_told(project: Path, text: str, told: str) -> None:
    with pytest.raises(LookbackError, match=told):
        loaded(project, "bahdanau-60-s1")(text)


# --- how it is shown --------------------------------------------------------------------------------------------------

SMALL = WordAlignment(
    ("the", "cat", "saw", "the", "dog.", END),
    ("die", "Katze", END),
    np.array(
        [
            [0.875, 0.125, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.4, 0.3, 0.25, 0.05, 0.0],
            [0.0, 0.09, 0.0, 0.0, 0.01, 0.9],
        ]
    ),
)


def test_a_table_has_a_row_a_word_with_a_map_and_the_most_looked_at() -> None:
    assert table(SMALL, 80).splitlines() == [
        "       1   5",
        "die    █       the (1) 88%  cat 12%",
        "Katze   ▒░░    cat 40%  saw 30%  the (4) 25%",
        "</s>        █  </s> 90%",
    ]


def test_in_a_narrow_terminal_what_is_named_last_goes_and_then_the_map() -> None:
    assert table(SMALL, 26).splitlines() == [
        "       1   5",
        "die    █       the (1) 88%",
        "Katze   ▒░░    cat 40%",
        "</s>        █  </s> 90%",
    ]
    assert table(SMALL, 25).splitlines() == ["die    the (1) 88%", "Katze  cat 40%  saw 30%", "</s>   </s> 90%"]


@pytest.mark.parametrize(("width", "mapped"), [(80, False), (140, True)])
def test_sixty_words_fit(width: int, mapped: bool) -> None:
    random = np.random.default_rng(1)
    words = tuple("w" * int(n) for n in random.integers(1, 26, 60))
    weights = random.dirichlet(np.full(61, 0.1), 61)
    lines = table(WordAlignment((*words, END), (*words, END), weights), width).splitlines()
    assert len(lines) == 61 + mapped
    assert max(map(len, lines)) <= width
    if mapped:
        margin = lines[0].index("1")
        columns = [lines[0].index(f" {n} ") + 1 - margin for n in (5, 10, 15)]
        assert columns == [4, 9, 14]
        peak = int(weights[0].argmax())
        assert lines[1][margin + peak] == " ░▒▓█"[round(4 * weights[0, peak])]


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs it at the project's root; what it prints, or the error that ends it."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str, text: bytes = b"") -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        try:
            main(arguments)
        except SystemExit as ended:
            return str(ended.code)
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", ["bahdanau-60-s1", "rnn_encoder_decoder-60-s1"])
def test_texts_and_lines_are_translated_in_their_order(command, project: Path, name: str) -> None:
    expected = [loaded(project, name, max_length_factor=0.01, max_length_extra=3)(text) for text in SOURCE]
    texts = [argument for text in SOURCE for argument in ("--text", text)]
    at_once = command("--model", f"demo/{name}", *texts)
    assert at_once == "\n\n".join(as_text(found, 80) for found in expected) + "\n"
    stdin = "".join(f"{line}\r\n" for line in SOURCE).encode()
    assert command("--model", f"models/demo/{name}", text=stdin) == at_once
    plain = command("--model", f"demo/{name}", "--no-alignment", "--text", SOURCE[0], "--text", "-", text=stdin)
    assert plain.splitlines() == [expected[0].translation.text, *(found.translation.text for found in expected)]
    objects = command("--model", f"demo/{name}", "--json", text=stdin)
    assert objects.splitlines() == [as_json(found) for found in expected]
    assert [json.loads(line)["text"] for line in objects.splitlines()] == SOURCE


def test_the_search_is_the_experiments_where_the_folder_tells_of_one(command, project: Path, tmp_path: Path) -> None:
    name, text = "bahdanau-60-s1", ("--json", "--text", SOURCE[1])
    alone = shutil.copytree(model(project, name), tmp_path / "alone")
    limited = loaded(project, name, max_length_factor=0.01, max_length_extra=3)(SOURCE[1])
    assert command("--model", str(alone), *text).strip() == as_json(limited)
    (alone / "training.json").unlink()
    free = loaded(project, name)(SOURCE[1])
    assert command("--model", str(alone), *text).strip() == as_json(free)
    assert free.translation.pieces > limited.translation.pieces
    greedy = loaded(project, name, beam=1)(SOURCE[1])
    assert command("--model", str(alone), "--beam", "1", *text).strip() == as_json(greedy)
    assert greedy.translation.score != free.translation.score


def test_a_copied_model_needs_no_project_around_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model(project, "word_by_word-60-s1"), tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    main(["--model", "alone", "--no-alignment", "--text", "The cat"])
    assert capsys.readouterr().out == "Die Katze\n"
    (tmp_path / "alone/training.json").write_text("{")
    with pytest.raises(SystemExit, match=r"^error: alone/training.json: not valid JSON .*delete this file$"):
        main(["--model", "alone", "--text", "The cat"])


def test_bad_input_is_one_line(command, project: Path) -> None:
    known = "models/demo/bahdanau-60-s1, models/demo/rnn_encoder_decoder-60-s1"
    assert f"no such model; there are: {known}" in command("--model", "demo/bahdanau", "--text", "a")
    assert f"no config.json or dictionary.json in this folder; there are: {known}" in command("--model", "models")
    chosen = ("--model", "demo/bahdanau-60-s1")
    assert command(*chosen, "--text", "a", "--beam", "0") == "error: --beam 0: must be at least 1"
    assert command(*chosen, "--text", "") == "error: text '': contains no word; give a sentence"
    assert "not UTF-8" in command(*chosen, text=b"caf\xe9\n")


def test_it_runs_as_a_program_and_warns_of_unknown_words(project: Path) -> None:
    program = [
        sys.executable,
        "-m",
        "lookback.translate",
        "--model",
        "demo/transformer-60-s1",
        "--text",
        "The ☃ jumped.",
    ]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "COLUMNS": "70"}
    done = subprocess.run(program, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "warning: the tokenizer does not know ☃\n")
    expected = loaded(project, "transformer-60-s1", max_length_factor=0.01, max_length_extra=3)("The ☃ jumped.")
    assert done.stdout == as_text(expected, 70) + "\n"
