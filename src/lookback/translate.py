"""Translates lines with a trained model, and shows its attention over the source.

Reads:   a model's folder; conf/<experiment>.yaml, translate and prepare.normalization, where the folder's training.json
         names an experiment of conf/ (otherwise the search defaults apply); params.yaml, if it exists: hardware
Prints:  the translation; for each of its words the source words of largest weight; and, if the terminal is wide enough,
         a map of all weights in quarters (░▒▓█), one column per source word
Example: lookback-translate --model demo/bahdanau-60-s1 --text "The cat jumped."
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lookback.architectures import ARCHITECTURES, load
from lookback.config import Experiment, Params, Translate, load_experiment, load_params
from lookback.console import one_line
from lookback.decoding.one_sentence import as_json, as_text, translator
from lookback.errors import LookbackError


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; bad input ends it with one line and status 1."""
    given = _parser().parse_args(arguments)
    with one_line():
        _run(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookback-translate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, metavar="FOLDER", help="a model's folder, as a path or below models/")
    parser.add_argument("--text", action="append", metavar="LINE", help="or - for the lines of standard input")
    parser.add_argument("--beam", type=int, metavar="N", help="beam size, instead of the experiment's")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--no-alignment", action="store_true", help="print only the translations, one per line")
    output.add_argument("--json", action="store_true", help="print one JSON object per line")
    return parser


def _run(given: argparse.Namespace) -> None:
    if given.beam is not None and given.beam < 1:
        raise LookbackError(f"--beam {given.beam}: must be at least 1")
    folder = find(given.model)
    experiment = experiment_of(folder)
    settings = experiment.translate if experiment else Translate()
    if given.beam:
        settings = settings.model_copy(update={"beam": given.beam})
    normalization = experiment.prepare.normalization if experiment else "NFC"
    params = load_params() if Path("params.yaml").exists() else Params()
    translate = translator(folder, settings, normalization, params.hardware)
    for number, text in enumerate(lines(given.text or ["-"])):
        sentence = translate(text)
        if sentence.unknown:
            print(f"warning: the tokenizer does not know {', '.join(sentence.unknown)}", file=sys.stderr)
        if given.json:
            print(as_json(sentence), flush=True)
        elif given.no_alignment:
            print(sentence.translation.text, flush=True)
        else:
            print("\n" * bool(number) + as_text(sentence, shutil.get_terminal_size().columns), flush=True)


def find(name: str) -> Path:
    """The model's folder of that name: a path, or a folder below models/."""
    files = tuple(dict.fromkeys(load(entry.translator).FILE_NAME for entry in ARCHITECTURES.values()))
    for folder in (Path(name), Path("models", name)):
        if any((folder / file).is_file() for file in files):
            return folder
    known = sorted(path.parent.as_posix() for file in files for path in Path("models").glob(f"*/*/{file}"))
    problem = f"no {' or '.join(files)} in this folder" if Path(name).is_dir() else "no such model"
    raise LookbackError(f"--model {name}: {problem}; there are: {', '.join(known) or 'none yet; run `dvc repro`'}")


def experiment_of(folder: Path) -> Experiment | None:
    """The experiment of the folder's training.json, if conf/ has it."""
    path = folder / "training.json"
    if not path.exists():
        return None
    try:
        name = json.loads(path.read_text(encoding="utf-8")).get("run", {}).get("experiment")
    except ValueError as error:
        raise LookbackError(f"{path}: not valid JSON ({error}); train the model again, or delete this file") from None
    return load_experiment(name) if name and Path("conf", f"{name}.yaml").exists() else None


def lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if text == "-":
            yield from (line.decode("utf-8", "surrogateescape").rstrip("\r\n") for line in sys.stdin.buffer)
        else:
            yield text


if __name__ == "__main__":
    main()
