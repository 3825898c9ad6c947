"""The translation models, one file a paper, behind the one contract of `lookback.models.base`.

Apart from them stands `word_by_word`, the baseline: a dictionary, which is no network and has a contract of its own.
"""

from collections.abc import Callable
from typing import Any

from lookback import config
from lookback.models.bahdanau import Bahdanau
from lookback.models.base import Step, TranslationModel, parameter_count, reorder, select
from lookback.models.rnn_encoder_decoder import RNNEncoderDecoder
from lookback.models.transformer import Transformer

__all__ = ["ARCHITECTURES", "Step", "TranslationModel", "build", "parameter_count", "reorder", "select"]

ARCHITECTURES: dict[str, Callable[..., TranslationModel[Any, Any]]] = {
    "rnn_encoder_decoder": RNNEncoderDecoder,
    "bahdanau": Bahdanau,
    "transformer": Transformer,
}


def build(settings: config.Model, source_vocabulary: int, target_vocabulary: int) -> TranslationModel[Any, Any]:
    """A freshly initialised model; `torch.manual_seed` before it decides the weights.

    The settings of the architecture itself, and dropout, are the keyword arguments of the model's class.
    """
    training = {"architecture", *config.ModelSettings.model_fields} - {"dropout"}
    arguments = settings.model_dump(exclude=training)
    return ARCHITECTURES[settings.architecture](source_vocabulary, target_vocabulary, **arguments)
