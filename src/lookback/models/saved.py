"""A trained model on disk: a self-contained folder that loads without Lightning and without the corpus.

weights.safetensors   the parameters
config.json           architecture and its settings, vocabulary sizes, special ids, where the weights come from
tokenizer.model       a copy of the SentencePiece model; or tokenizer.json, a copy of the word tokenizer
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import TypeAdapter, ValidationError

from lookback import config, models
from lookback.errors import LookbackError
from lookback.models import TranslationModel
from lookback.tokenizer import BOS, EOS, FILE_NAMES, PAD, SIDES, UNK

DESCRIPTION = "config.json"
SPECIAL_IDS = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}


def save_model(
    model: TranslationModel[Any, Any],
    settings: config.Model,
    source_vocabulary: int,
    target_vocabulary: int,
    tokenizer: Path,
    folder: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Writes the folder; each file appears whole or not at all.

    Args:
        model: the model whose current weights are written.
        settings: the settings that `models.build` got.
        source_vocabulary: the number of ids of the source.
        target_vocabulary: the same for the target.
        tokenizer: the tokenizer's file, which is copied.
        folder: created if missing.
        provenance: any JSON-serialisable values: languages, fingerprints, steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "model": settings.model_dump(mode="json"),
        "vocabulary_size": {"source": source_vocabulary, "target": target_vocabulary},
        "special_ids": SPECIAL_IDS,
        "provenance": dict(provenance),
    }
    weights, partial = folder / "weights.safetensors", folder / "weights.partial"
    safetensors.torch.save_model(model, str(partial))  # handles shared matrices
    partial.replace(weights)
    partial.write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / DESCRIPTION)
    shutil.copyfile(tokenizer, partial)
    partial.replace(folder / tokenizer.name)
    for name in FILE_NAMES:
        if name != tokenizer.name:  # a leftover of the other kind would be ambiguous
            (folder / name).unlink(missing_ok=True)


def load_model(folder: Path) -> TranslationModel[Any, Any]:
    """Loads a model from a folder that `save_model` wrote, on the CPU, in evaluation mode.

    Raises:
        LookbackError: a file is missing or damaged, or weights and settings do not belong together.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        settings = TypeAdapter(config.Model).validate_python(description["model"])
        sizes = description["vocabulary_size"]
        special_ids = description["special_ids"]
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; run the train stage") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["model", *map(str, first["loc"])])
        raise LookbackError(f"{path}: {key}: {first['msg']}; run the train stage again") from None
    except KeyError as error:
        raise LookbackError(f"{path}: lacks the key {error}; run the train stage again") from None
    except (ValueError, TypeError) as error:
        raise LookbackError(f"{path}: not the description of a model ({error}); run the train stage again") from None
    given = sizes if isinstance(sizes, dict) else {}
    vocabularies = [size for size in map(given.get, SIDES) if isinstance(size, int) and size > 0]
    if len(vocabularies) < len(SIDES):
        raise LookbackError(
            f"{path}: vocabulary_size is {sizes!r}, not a count for {' and one for '.join(SIDES)}; run the train stage "
            f"again"
        )
    if special_ids != SPECIAL_IDS:
        raise LookbackError(f"{path}: special_ids are {special_ids}, this version needs {SPECIAL_IDS}; train it again")

    model = models.build(settings, *vocabularies)
    weights = folder / "weights.safetensors"
    try:
        safetensors.torch.load_model(model, str(weights))
    except FileNotFoundError:
        raise LookbackError(f"{weights}: no such file; run the train stage") from None
    except (RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LookbackError(f"{weights}: does not fit {path} ({reason}); run the train stage again") from None
    return model.eval()


def place(model: TranslationModel[Any, Any], hardware: config.Hardware) -> TranslationModel[Any, Any]:
    """Moves the model to the configured device, and sets the number of CPU threads."""
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    return model.to(accelerator(hardware))


def accelerator(hardware: config.Hardware) -> str:
    """ "cuda" or "cpu"; `auto` takes a CUDA device if there is one.

    Raises:
        LookbackError: a GPU is configured, but torch sees none.
    """
    if hardware.accelerator == "cpu" or (hardware.accelerator == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise LookbackError(
            f"params.yaml: hardware.accelerator is gpu, but torch {torch.__version__} sees no CUDA device; set it to "
            "auto or cpu, or install a CUDA build of torch"
        )
    return "cuda"
