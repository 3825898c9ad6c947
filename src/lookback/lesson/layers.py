"""The encoder of a trained Transformer on one sentence: a small file in git, since the model's weights are not in git.

The model is used unchanged. Hooks record the inputs of its layers, and each layer's own modules, called again on these
inputs, give the weights of its heads.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from lookback.config import Settings, Translate
from lookback.decoding.translate import translate
from lookback.errors import LookbackError
from lookback.models.saved import load_model
from lookback.models.transformer import Transformer
from lookback.tokenizer import EOS, load_tokenizer

FILE_NAME = "layers.json"
SENTENCE = "The cat that was sitting on the mat, which was next to the dog, jumped."
MAKE = "run `python -m pipeline.mechanisms --layers models/demo/transformer-60-s1`"


class Origin(Settings):
    """The model, from its training.json."""

    experiment: str
    run: str
    target_tokens: int
    valid_loss: float
    """Nats per piece."""
    git_commit: str
    git_dirty: bool | None


class Layers(Settings):
    """The content of the file. Numbers are in whole percent; S counts pieces, including the end mark."""

    model: Origin
    sentence: str
    translation: str
    """By the same model, with beam search."""
    pieces: list[str]
    attention: list[list[list[list[int]]]]
    """[layers, heads, S, S]: the weights of the encoder's self-attention; a row sums to 100, except for rounding."""
    cosine: list[list[list[int]]]
    """[layers + 1, S, S]: cosine similarity of the vectors, before the first layer and after each."""


def trace(model: Transformer, source: Tensor) -> tuple[Tensor, Tensor]:
    """The weights and vectors of the encoder, for one sentence [1, S].

    Returns:
        the weights of each layer's heads [layers, heads, S, S]; and the vectors before the first layer and after each,
        [layers + 1, S, D].

    Raises:
        LookbackError: the model's self-attention uses distances, so its weights are not those of plain heads.
    """
    if model.positions not in ("sinusoidal", "learned", "none"):
        raise LookbackError(
            f"positions: {model.positions} act within the heads, whose weights cannot be shown; take a Transformer "
            "with sinusoidal, learned or no positions"
        )
    states: list[Tensor] = []
    with torch.inference_mode(), ExitStack() as hooks:
        for layer in model.encoder:
            hooks.enter_context(layer.register_forward_pre_hook(lambda _, given: states.append(given[0])))
        memory = model.encode(source)
        weights = []
        for layer, before in zip(model.encoder, states, strict=True):
            seen, attention = layer.self_attention_sublayer.before(before), layer.self_attention
            weights.append(attention.with_weights(seen, attention.keys_values(seen), memory.mask)[1])
    return torch.cat(weights), torch.cat([*states, memory.states])


def measure(folder: Path) -> Layers:
    """The content of the file, for the trained model in `folder`, which the train stage writes.

    Raises:
        LookbackError: a file of the folder is missing or damaged, or it holds another kind of model.
    """
    model = load_model(folder)
    if not isinstance(model, Transformer):
        raise LookbackError(f"{folder}: holds a {type(model).__name__}; name a folder with a Transformer")
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode([SENTENCE], "source")[0]
    try:
        weights, states = trace(model, torch.tensor([[*ids, EOS]]))
    except LookbackError as error:
        raise LookbackError(f"{folder}: {error}") from None
    return Layers(
        model=_origin(folder / "training.json"),
        sentence=SENTENCE,
        translation=translate(model, tokenizer, [ids], Translate(), folder.name)[0].text,
        pieces=tokenizer.pieces([*ids, EOS], "source"),
        attention=_percent(weights),
        cosine=_percent(F.cosine_similarity(states[:, :, None], states[:, None], dim=-1)),
    )


def _percent(numbers: Tensor) -> Any:
    return (100 * numbers).round().int().tolist()


def _origin(path: Path) -> Origin:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Origin(
            experiment=known["run"]["experiment"],
            run=path.parent.name,
            target_tokens=known["target_tokens"],
            valid_loss=round(known["valid_loss"], 3),
            git_commit=known["provenance"]["git_commit"],
            git_dirty=known["provenance"]["git_dirty"],
        )
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; run the train stage") from None
    except (ValueError, KeyError, TypeError) as error:
        raise LookbackError(f"{path}: not what the train stage writes ({error!r}); run it again") from None


def save(layers: Layers, path: Path) -> None:
    """Write one line for each key and each matrix: small, and a diff shows changes."""
    lines = []
    for key, value in layers.model_dump().items():
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        lines.append(f'"{key}":' + text.replace("]],[[", "]],\n[["))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def load(path: Path) -> Layers:
    """Read the file that `save` wrote.

    Raises:
        LookbackError: the file is missing or malformed.
    """
    try:
        return Layers.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; it is in git: restore it, or {MAKE}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise LookbackError(f"{path}: {key}: {first['msg']}; restore it from git, or {MAKE}") from None
