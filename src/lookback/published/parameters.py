"""The numbers of parameters that papers print, and those of our models in the same settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from lookback import config, models


@dataclass(frozen=True)
class Published:
    """One configuration of a paper."""

    label: str
    experiment: str
    """The file of `conf/` that has this configuration,"""
    model: str
    """and the name of the model there."""
    vocabulary: int
    """Words or pieces of each language, special ones included."""
    printed: str
    """The number that the paper prints, in millions; a dash where it prints none."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model that differ from those in `conf/`."""


_FACTORISED = {"output": "factorised"}

PUBLISHED = (
    Published("RNNsearch, the paper's output layer", "wmt14-en-fr-bahdanau", "bahdanau", 30_001, "–"),
    Published("RNNsearch, the code's output layer", "wmt14-en-fr-bahdanau", "bahdanau", 30_001, "–", _FACTORISED),
    Published("RNNencdec, the paper's output layer", "wmt14-en-fr-bahdanau", "rnn_encoder_decoder", 30_001, "–"),
    Published(
        "RNNencdec, the code's output layer", "wmt14-en-fr-bahdanau", "rnn_encoder_decoder", 30_001, "–", _FACTORISED
    ),
    *(
        Published(f"Transformer {label}", "wmt14-en-de-table3", model, 37_000, printed)
        for label, model, printed in (
            ("base", "base", "65"),
            ("(B) d_k 16", "b_keys_16", "58"),
            ("(B) d_k 32", "b_keys_32", "60"),
            ("(C) 2 layers", "c_layers_2", "36"),
            ("(C) 4 layers", "c_layers_4", "50"),
            ("(C) 8 layers", "c_layers_8", "80"),
            ("(C) d_model 256", "c_width_256", "28"),
            ("(C) d_model 1024", "c_width_1024", "168"),
            ("(C) d_ff 1024", "c_inner_1024", "53"),
            ("(C) d_ff 4096", "c_inner_4096", "90"),
            ("big", "big", "213"),
        )
    ),
)
"""Bahdanau et al. 2015 print no numbers of parameters; those of the Transformers are Vaswani et al. 2017, Table 3."""

LARGER_VOCABULARY = 41_000
"""With this many pieces, all Transformers except the big one have the printed sizes."""

REASONS = """\
- **Bahdanau et al. 2015** print no sizes. The counts are those of appendix A with 30,000 words and the end mark, and a
  bias on every gate and readout (42 thousand numbers in all). The paper's equations have one output matrix, the
  authors' code two, by way of a layer of 620. RNNencdec has no matrix between the last state and the summary, as in
  that paper; with Cho et al.'s tanh(V h) it has one million more. The two models were not of equal size.
- **Vaswani et al. 2017** give "about 37,000" shared pieces. Nearly all printed sizes are larger than the equations make
  them, by about 4,000 times d_model: with 41,000 pieces all come out as printed, but for the big model, which is
  printed smaller than its equations make it with either vocabulary. What was counted there is not known.
"""


def settings(published: Published, experiment: config.Experiment) -> config.Model:
    """The model's settings, from the file of `conf/` that `published` names."""
    model = experiment.models[published.model]
    assert isinstance(model, config.NetworkSettings)
    return model.model_copy(update=dict(published.changes))


def count(model: config.Model, vocabulary: int) -> int:
    """The number of parameters, without allocating them."""
    with torch.device("meta"):
        return models.parameter_count(models.build(model, vocabulary, vocabulary))


def table(experiments: Mapping[str, config.Experiment]) -> str:
    """All of `PUBLISHED` as a table in Markdown, from the experiments of `conf/`."""
    lines = [
        "| configuration | settings | vocabulary | parameters | with a vocabulary of 41,000 | printed, millions |",
        "| :-- | :-- | --: | --: | --: | --: |",
    ]
    for published in PUBLISHED:
        model = settings(published, experiments[published.experiment])
        larger = f"{count(model, LARGER_VOCABULARY) / 1e6:.1f}M" if model.architecture == "transformer" else ""
        lines.append(
            f"| {published.label} | `{published.experiment}`: `{published.model}` | {published.vocabulary:,} | "
            f"{count(model, published.vocabulary):,} | {larger} | {published.printed} |"
        )
    return "\n".join(lines)
