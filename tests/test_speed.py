from collections.abc import Callable

import pytest

from lookback import config
from lookback.probes import speed
from lookback.probes.points import Point
from tests.tiny import MODELS

SETTINGS = config.Speed(source_pieces=(3, 6), target_pieces=4, sentences=2, rounds=5)
STATISTICS = config.Evaluate(resamples=50)


def measured(settings: config.Speed = SETTINGS) -> dict[tuple[str, str, float | None], Point]:
    models = {model.architecture: model for model in MODELS}
    points = speed.measure(models, settings, 20, 2, STATISTICS, config.Hardware(accelerator="cpu"))
    return {(point["measure"], point["series"], point["x"]): point for point in points}


def test_every_model_is_timed_at_every_length() -> None:
    points = measured()
    assert len(points) == 2 * len(MODELS) * 2
    for (measure, series, x), point in points.items():
        assert measure in ("training_step", "search_step")
        assert (series, x, point["n"]) == (series, point["x"], 5)
        assert 0 < point["low"] <= point["value"] <= point["high"]
        if (series, x) == (MODELS[0].architecture, 3):
            assert (point["low"], point["value"], point["high"]) == (1.0, 1.0, 1.0)


def test_a_ratio_is_that_of_the_times_whatever_disturbs_single_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def clock(factor: float) -> Callable[[], float]:
        def timed() -> float:
            calls.append(1)
            slowed = 50 if len(calls) % 31 == 0 else 1  # something else takes the processor now and then
            return factor * (1 + len(calls) % 3 / 1000) * slowed

        return timed

    monkeypatch.setattr(speed, "training_step", lambda model, pieces, *_: clock(pieces))
    monkeypatch.setattr(speed, "search_step", lambda model, pieces, *_: clock(2 * pieces + 3))
    points = measured(SETTINGS.model_copy(update={"rounds": 25}))
    for model in MODELS:
        assert points["training_step", model.architecture, 6]["value"] == pytest.approx(2, rel=0.01)
        assert points["search_step", model.architecture, 6]["value"] == pytest.approx(15 / 9, rel=0.01)
