"""The translation models, one file per paper, with the common interface of `lookback.models.base`.

`lookback.architectures` lists them; the dictionary is not a network and has no file here.
"""

from typing import Any

from lookback import config
from lookback.architectures import ARCHITECTURES, load
from lookback.models.base import Step, TranslationModel, parameter_count, reorder, select

__all__ = ["Step", "TranslationModel", "build", "parameter_count", "reorder", "select"]


def build(settings: config.Model, source_vocabulary: int, target_vocabulary: int) -> TranslationModel[Any, Any]:
    """A freshly initialised model; call `torch.manual_seed` first to fix the weights.

    The architecture's own settings and dropout become keyword arguments of the model's class.
    """
    training = set(config.NetworkSettings.model_fields) - {"dropout"}
    arguments = settings.model_dump(exclude=training)
    return load(ARCHITECTURES[settings.architecture].model)(source_vocabulary, target_vocabulary, **arguments)
