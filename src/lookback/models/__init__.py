"""The translation models, one file a paper, behind the one contract of `lookback.models.base`.

`lookback.architectures` lists them; what is no network (the dictionary) has no file here.
"""

from typing import Any

from lookback import config
from lookback.architectures import ARCHITECTURES, load
from lookback.models.base import Step, TranslationModel, parameter_count, reorder, select

__all__ = ["Step", "TranslationModel", "build", "parameter_count", "reorder", "select"]


def build(settings: config.Model, source_vocabulary: int, target_vocabulary: int) -> TranslationModel[Any, Any]:
    """A freshly initialised model; `torch.manual_seed` before it decides the weights.

    The settings of the architecture itself, and dropout, are the keyword arguments of the model's class.
    """
    training = set(config.NetworkSettings.model_fields) - {"dropout"}
    arguments = settings.model_dump(exclude=training)
    return load(ARCHITECTURES[settings.architecture].model)(source_vocabulary, target_vocabulary, **arguments)
