"""The time of a step against the length of the source, for all models of an experiment side by side.

    training_step   encoder, decoder, loss and gradients of a batch: the source grows, the target does not
    search_step     one more target piece of every hypothesis, after the source has been read

Time depends on the machine and its load, so no seconds are reported. Each round measures every model at every length,
one after the other in a new order. The value is a ratio of medians over the rounds: to the first model at the shortest
source. A disturbed round hardly moves a median. Weights and pieces are random, since neither changes the cost of a
step.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from lookback import config, models
from lookback.models import TranslationModel
from lookback.models.loss import token_losses
from lookback.models.saved import place
from lookback.probes.points import Point
from lookback.stats.bootstrap import percentile_interval
from lookback.tokenizer import BOS, EOS

SPECIALS = 4
"""Smaller ids are special, not pieces of text."""
SEARCH_STEPS = 4
"""Steps of the search that are timed together: one is too short for the clock."""
SOURCE_PIECES = "source pieces"


def measure(
    settings: Mapping[str, config.Model],
    speed: config.Speed,
    vocabulary: int,
    beam: int,
    statistics: config.Evaluate,
    hardware: config.Hardware,
) -> Iterator[Point]:
    """The points of `training_step` and `search_step`: one series a model; x is the number of source pieces.

    Args:
        settings: of the models, by name; the first model is the reference.
        speed: lengths, size of the batch, rounds.
        vocabulary: the number of pieces of each language.
        beam: hypotheses for each sentence in the search.
        statistics: resamples, confidence and seed of the bootstrap intervals, which are over rounds: n is their number.
        hardware: where the models are placed.
    """
    torch.manual_seed(statistics.seed)
    tasks: dict[tuple[str, str, int], Callable[[], float]] = {}
    for name, of in settings.items():
        model = place(models.build(of, vocabulary, vocabulary), hardware)
        for pieces in speed.source_pieces:
            tasks["training_step", name, pieces] = training_step(model, pieces, speed, vocabulary)
            tasks["search_step", name, pieces] = search_step(model, pieces, speed, vocabulary, beam)
    seconds = {key: np.zeros(speed.rounds) for key in tasks}
    order, generator = list(tasks), np.random.default_rng(statistics.seed)
    for task in tasks.values():  # the first call allocates
        task()
    for number in range(speed.rounds):
        generator.shuffle(order)
        for key in order:
            seconds[key][number] = tasks[key]()
    first = next(iter(settings))
    drawn = generator.integers(0, speed.rounds, (statistics.resamples, speed.rounds))
    for (measured, name, pieces), values in seconds.items():
        beside = seconds[measured, first, speed.source_pieces[0]]
        value = float(np.median(values) / np.median(beside))
        resampled = np.median(values[drawn], axis=1) / np.median(beside[drawn], axis=1)
        low, high = percentile_interval(resampled, statistics.confidence)
        yield Point(
            measure=measured, series=name, x_by=SOURCE_PIECES, x=pieces, n=speed.rounds, value=value, low=low, high=high
        )


def training_step(model: TranslationModel, pieces: int, speed: config.Speed, vocabulary: int) -> Callable[[], float]:
    """A function that runs one step and returns its seconds."""
    source, target = _batch(model, pieces, speed, vocabulary), _batch(model, speed.target_pieces, speed, vocabulary)
    target_in = torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1)

    def work() -> None:
        logits, surrogate = model.logits_and_surrogate(source, target_in, target)
        loss, _ = token_losses(logits, target, 0.0)
        (loss if surrogate is None else loss + surrogate).backward()
        model.zero_grad()

    return lambda: _seconds(model.train(), work)


def search_step(
    model: TranslationModel, pieces: int, speed: config.Speed, vocabulary: int, beam: int
) -> Callable[[], float]:
    """A function that runs `SEARCH_STEPS` steps and returns their seconds; the source has been read before."""
    source = _batch(model, pieces, speed, vocabulary)
    rows = torch.arange(len(source), device=source.device).repeat_interleave(beam)
    token = torch.full((len(rows),), BOS, device=source.device)

    @torch.no_grad()
    def timed() -> float:
        model.eval()
        state = model.start(models.select(model.encode(source), rows))

        def work() -> None:
            after = state
            for _ in range(SEARCH_STEPS):
                _, after, _ = model.step(after, token)

        return _seconds(model, work)

    return timed


def _batch(model: TranslationModel, pieces: int, speed: config.Speed, vocabulary: int) -> torch.Tensor:
    """[sentences, pieces]: random pieces, then an end mark."""
    ids = torch.randint(SPECIALS, vocabulary, (speed.sentences, pieces))
    ids[:, -1] = EOS
    return ids.to(next(model.parameters()).device)


def _seconds(model: TranslationModel, work: Callable[[], None]) -> float:
    """The seconds of `work`, until the device has finished."""
    cuda = next(model.parameters()).is_cuda
    if cuda:
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began
