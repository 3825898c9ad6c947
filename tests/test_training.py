"""Training: what is optimised, what is kept, and that a killed run ends as if nothing had happened."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import safetensors.torch
import torch
from pytorch_lightning.loggers.logger import DummyLogger
from torch import Tensor
from torch.nn import functional

from lookback import config, models
from lookback.data.encode import tokenize
from lookback.data.encoded import EncodedSplit
from lookback.errors import LookbackError
from lookback.models.loss import token_losses
from lookback.models.saved import save_model
from lookback.tokenizer import BOS, EOS, PAD, Side
from lookback.training import checkpoint, progress
from lookback.training.module import CurvePoint
from lookback.training.optimiser import learning_rate
from lookback.training.run import TrainingResult, load_model, train, trend
from tests.tiny import MODELS
from tests.training_program import SETTINGS, on_devices

ROOT = Path(__file__).parent.parent
CPU = config.Hardware(accelerator="cpu", threads=1)
LANGUAGES: dict[Side, str] = {"source": "en", "target": "de"}
names = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with encoded/: targets are sources in capitals; but one has 81 tokens, a batch of one row."""
    folder = tmp_path_factory.mktemp("corpus")
    generator = np.random.default_rng(0)
    (folder / "prepared").mkdir()
    for split, count in (("train", 150), ("valid", 20), ("test", 5)):
        rows = [generator.choice(["aa", "ab", "ba", "bb"], generator.integers(2, 14)) for _ in range(count)]
        for side, text in (("source", lambda row: " ".join(row)), ("target", lambda row: " ".join(row).upper())):
            lines = [text(row) for row in rows]
            if (split, side) == ("train", "target"):
                lines[0] = "A" * 80
            (folder / "prepared" / f"{split}.{side}").write_text("".join(f"{line}\n" for line in lines))
        words = np.array([[len(row), len(row)] for row in rows], np.uint16)
        words[0] = 1
        np.save(folder / "prepared" / f"{split}.words.npy", words)
    tokenize(folder / "prepared", folder / "encoded", 150, config.SentencePiece(vocabulary_size=20), None, LANGUAGES)
    return folder


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Callable[..., TrainingResult]:
    """Trains into tmp_path/resume and tmp_path/model; every argument can be changed."""

    def call(model: config.Model = MODELS[0], settings: config.Train = SETTINGS, **changes: Any) -> TrainingResult:
        run = config.Run(experiment="tiny", model=model.architecture, max_train_words=12, seed=3)
        given = {
            "encoded": corpus / "encoded",
            "run": run,
            "resume_folder": tmp_path / "resume",
            "output": tmp_path / "model",
            "provenance": {"languages": ["en", "EN"]},
            "hardware": CPU,
        }
        return train(model, settings, **{**given, **changes})

    return call


def weights(folder: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / "weights.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def faster(model: config.Model, **optimiser: Any) -> config.Model:
    return model.model_copy(update={"optimiser": config.Adam(**{"warmup_steps": 5, **optimiser})})


# --- loss, learning rate, trend ---------------------------------------------------------------------------------------


def test_the_loss_is_what_a_hand_calculates() -> None:
    logits = torch.tensor([[[0.0, 1.0, 2.0, 0.5], [1.0, 0.0, 0.0, 3.0]], [[0.3, 0.2, 0.1, 0.0], [9.0, 9.0, 1.0, 9.0]]])
    target = torch.tensor([[2, 3], [1, PAD]])
    nll = smoothed = 0.0
    for b, t in ((0, 0), (0, 1), (1, 0)):
        row = [math.exp(x) for x in logits[b, t].tolist()]
        log_probs = [math.log(x / sum(row)) for x in row]
        right = log_probs[int(target[b, t])]
        nll -= right
        smoothed -= 0.9 * right + 0.1 * sum(log_probs) / 4
    got = token_losses(logits, target, 0.1)
    assert [float(x) for x in got] == pytest.approx([smoothed, nll], rel=1e-5)
    assert [float(x) for x in token_losses(logits, target, 0.0)] == pytest.approx([nll, nll], rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradient_are_those_of_torch(smoothing: float) -> None:
    torch.manual_seed(0)
    target = torch.randint(1, 11, (3, 5))
    target[1, 2:] = PAD
    gradients = []
    for ours in (True, False):
        logits = torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(1)).requires_grad_()
        if ours:
            loss, nll = token_losses(logits, target, smoothing)
            assert not nll.requires_grad
        else:
            loss = functional.cross_entropy(
                logits.flatten(0, 1), target.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
            )
        loss.backward()
        gradients.append((loss.detach(), logits.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_batch_of_padding_has_neither_loss_nor_gradient() -> None:
    logits = torch.randn(1, 2, 5, requires_grad=True)
    loss, nll = token_losses(logits, torch.zeros(1, 2, dtype=torch.int64), 0.1)
    loss.backward()
    assert loss.item() == nll.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def rates(schedule: Any, warmup: int = 10, steps: int = 100) -> list[float]:
    settings = config.Adam(learning_rate=2.0, schedule=schedule, warmup_steps=warmup)
    return [learning_rate(settings, step, steps) for step in range(steps)]


@pytest.mark.parametrize("schedule", ["constant", "inverse_square_root", "cosine"])
def test_schedules_rise_to_the_peak_and_never_again(schedule: str) -> None:
    got = rates(schedule)
    assert got[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert max(got) == pytest.approx(2.0)
    assert all(a >= b > 0 for a, b in pairwise(got[9:]))
    assert rates(schedule, warmup=0)[0] == pytest.approx(2.0)
    assert all(rate > 0 for rate in rates(schedule, warmup=500))


def test_values_of_the_schedules() -> None:
    assert rates("constant")[-1] == 2.0
    assert rates("inverse_square_root")[39] == pytest.approx(1.0)  # four times the warm-up: half the peak
    assert rates("cosine")[55] == pytest.approx(1.0)  # half-way down
    assert rates("cosine")[99] < 0.01


def curve(losses: list[float]) -> list[CurvePoint]:
    return [
        CurvePoint(step=10 * (i + 1), target_tokens=i, train_loss=loss, valid_loss=loss, learning_rate=1.0)
        for i, loss in enumerate(losses)
    ]


@pytest.mark.parametrize(
    ("losses", "slope", "falling"),
    [
        ([4 - 0.1 * i for i in range(20)], -0.5, True),  # 20 validations: a quarter is 5 of them
        ([4 / (i + 1) for i in range(20)], None, True),
        ([1.0] * 20, 0.0, False),
        ([3.1 - 0.15 * i for i in range(15)] + [1.0, 0.999, 0.998, 0.997, 0.996], -0.005, False),  # fell before
        ([1 + 0.1 * i for i in range(20)], 0.5, False),
        ([2.0, 1.0, 0.5], None, True),
        ([2.0, 1.0], None, True),
    ],
)
def test_whether_the_loss_was_still_falling(losses: list[float], slope: float | None, falling: bool) -> None:
    got, still_falling = trend(curve(losses))
    assert still_falling is falling
    if slope is not None:
        assert got == pytest.approx(slope, abs=1e-3)


def test_noise_is_no_fall() -> None:
    generator = np.random.default_rng(0)
    assert trend(curve(list(2 + 0.005 * generator.standard_normal(40))))[1] is False


# --- a run ------------------------------------------------------------------------------------------------------------


class Watch(pl.Callback):
    """Keeps what each step was given."""

    def __init__(self) -> None:
        self.batches: list[tuple[Any, Any]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append((batch.source.tolist(), batch.target_out.tolist()))


def test_all_models_see_the_same_batches(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    watches, results = [Watch() for _ in MODELS], []
    for i, (model, watch) in enumerate(zip(MODELS, watches, strict=True)):
        results.append(run(model, callbacks=[watch], resume_folder=tmp_path / f"resume-{i}"))
    assert watches[0].batches == watches[1].batches == watches[2].batches
    assert len({(r.batches_fingerprint, r.target_tokens, r.sentences, r.steps) for r in results}) == 1
    result = results[0]
    assert len(watches[0].batches) == result.steps
    assert sum(token != PAD for _, rows in watches[0].batches for row in rows for token in row) == result.target_tokens
    assert sum(len(rows) for _, rows in watches[0].batches) == result.sentences
    assert result.target_tokens >= SETTINGS.target_tokens


def test_the_curve_has_a_point_an_interval_and_one_at_the_end(run: Callable[..., TrainingResult]) -> None:
    result = run()
    assert result.steps % 10 > 0  # or the test shows less than it says
    assert [point["step"] for point in result.history] == [*range(10, result.steps, 10), result.steps]
    assert result.history[-1]["target_tokens"] == result.target_tokens
    assert result.resumed_at is None
    assert result.tokens_per_second > 0
    assert result.seconds > 0


@names
def test_a_model_learns_and_its_best_weights_are_kept(
    run: Callable[..., TrainingResult], model: config.Model, tmp_path: Path, corpus: Path
) -> None:
    longer = SETTINGS.model_copy(update={"target_tokens": 8_000, "batch_target_tokens": 100})
    result = run(faster(model, learning_rate=0.01), longer)
    losses = [point["valid_loss"] for point in result.history]
    assert losses[-1] < 0.9 * losses[0]
    assert result.valid_loss == min(losses)
    assert result.history[losses.index(min(losses))]["step"] == result.best_step
    # Those weights, that loss: calculated once more, a sentence at a time.
    kept = load_model(tmp_path / "model")
    valid = EncodedSplit.open(corpus / "encoded", "valid")
    nll = tokens = 0.0
    for i in range(len(valid)):
        source, target = valid.source[i].tolist(), valid.target[i].tolist()
        logits = kept(torch.tensor([[*source, EOS]]), torch.tensor([[BOS, *target]]))
        nll += functional.cross_entropy(logits[0], torch.tensor([*target, EOS]), reduction="sum").item()
        tokens += len(target) + 1
    assert nll / tokens == pytest.approx(result.valid_loss, rel=1e-5)
    assert result.parameters == models.parameter_count(kept)


def test_the_best_weights_are_kept_when_later_ones_are_worse(
    run: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    class Spoil(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 20:
                torch.nn.init.normal_(next(pl_module.model.parameters()), std=30)

    result = run(faster(MODELS[0]), callbacks=[Spoil()])
    assert result.best_step == 20
    assert result.history[-1]["valid_loss"] > result.valid_loss
    assert next(load_model(tmp_path / "model").parameters()).abs().max() < 30


def test_gradients_are_clipped(run: Callable[..., TrainingResult]) -> None:
    norms = []

    class Norm(pl.Callback):
        def on_before_zero_grad(self, trainer: pl.Trainer, pl_module: Any, optimizer: Any) -> None:
            gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            if gradients:
                norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    run(faster(MODELS[0], clip_norm=0.01), callbacks=[Norm()])
    assert norms
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_the_sum_of_the_loss_is_the_mean_times_the_tokens(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    """Clipped to the same small norm, both give the same gradients but for the tokens of a batch."""
    norms = {}

    class Norms(pl.Callback):
        def __init__(self, kept: list[float]) -> None:
            self.kept = kept

        def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.kept.append(
                float(torch.stack([p.grad.norm() for p in pl_module.parameters() if p.grad is not None]).norm())
            )

    for loss in ("mean", "sum"):
        norms[loss] = []
        model = faster(MODELS[0], loss=loss).model_copy(update={"dropout": 0.0})
        settings = SETTINGS.model_copy(update={"target_tokens": None, "updates": 1})
        run(
            model,
            settings,
            output=tmp_path / loss,
            resume_folder=tmp_path / f"{loss}-resume",
            callbacks=[Norms(norms[loss])],
        )
    tokens = norms["sum"][0] / norms["mean"][0]
    assert tokens == pytest.approx(round(tokens), rel=1e-3)
    assert 1 < tokens <= 81


def test_averaged_weights_are_the_mean_of_the_last_checkpoints(
    run: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    seen: list[dict[str, Tensor]] = []

    class Seen(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            model = pl_module.get_submodule("model")
            seen.append({name: value.detach().clone() for name, value in model.named_parameters()})

    result = run(faster(MODELS[2]), SETTINGS.model_copy(update={"average_checkpoints": 3}), callbacks=[Seen()])
    assert len(seen) > 3
    averaged = load_model(tmp_path / "model")
    for name, value in averaged.named_parameters():
        torch.testing.assert_close(value, torch.stack([weights[name] for weights in seen[-3:]]).mean(0))
    assert result.best_step == result.steps
    assert result.valid_loss not in [point["valid_loss"] for point in result.history]
    assert abs(result.valid_loss - result.history[-1]["valid_loss"]) < 0.5
    assert len(list((tmp_path / "resume").glob("weights-*.safetensors"))) == 3
    again = run(faster(MODELS[2]), SETTINGS.model_copy(update={"average_checkpoints": 3}))
    assert again.valid_loss == pytest.approx(result.valid_loss)


def test_adadelta_trains_on_batches_of_sentences(run: Callable[..., TrainingResult]) -> None:
    settings = config.Train(
        updates=150, batch_sentences=8, sort_batches=4, valid_interval_steps=50, label_smoothing=0.0
    )
    optimiser = config.Adadelta(algorithm="adadelta", epsilon=1e-4, loss="sum")
    model = MODELS[1].model_copy(update={"optimiser": optimiser, "dropout": 0.0, "initialisation": "glorot"})
    result = run(model, settings)
    assert result.steps == 150
    assert result.history[-1]["valid_loss"] < 0.9 * result.history[0]["valid_loss"]


def test_mixed_precision_trains_full_weights(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    seen = []

    class Precision(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            layer = next(m for m in pl_module.model.modules() if isinstance(m, torch.nn.Linear))
            layer.register_forward_hook(lambda _module, _given, output: seen.append(output.dtype))

    result = run(settings=SETTINGS.model_copy(update={"precision": "bf16-mixed"}), callbacks=[Precision()])
    assert set(seen) == {torch.bfloat16}
    assert math.isfinite(result.valid_loss)
    assert {value.dtype for value in weights(tmp_path / "model").values()} == {torch.float32}


def test_metrics_reach_the_logger(run: Callable[..., TrainingResult]) -> None:
    logged: list[tuple[int | None, dict[str, float]]] = []

    class Recorder(DummyLogger):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            logged.append((step, dict(metrics)))

    result = run(logger=Recorder())
    valid = {step: metrics["val/loss"] for step, metrics in logged if "val/loss" in metrics}
    assert valid == {point["step"]: point["valid_loss"] for point in result.history}
    training = {"train/loss", "train/learning_rate", "train/tokens_per_second"}
    assert {step for step, metrics in logged if training <= metrics.keys()} >= set(valid)
    assert {name for _, metrics in logged for name in metrics} == training | {"val/loss"}


def test_fast_dev_run_goes_through_and_leaves_no_checkpoint(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    result = run(fast_dev_run=True)
    assert result.steps == 1
    assert not (tmp_path / "resume").exists()
    load_model(tmp_path / "model")


def test_it_says_what_it_needs_and_how_far_it_is(
    run: Callable[..., TrainingResult], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    result = run()
    first, *others = capfd.readouterr().out.splitlines()
    assert first.startswith(f"train rnn_encoder_decoder-12-s3: {result.steps} steps, {result.target_tokens:,} target")
    assert all(word in first for word in ("needs about", "on this machine", "of memory", "of disk"))
    assert f"step 25/{result.steps}" in others[24]
    assert "left" in others[24]
    assert others[-1].endswith("done")


def test_trying_how_long_it_takes_changes_nothing(
    run: Callable[..., TrainingResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setattr("lookback.training.run.needs", lambda *_: "")
    run(resume_folder=tmp_path / "other", output=tmp_path / "untried")
    assert same(weights(tmp_path / "model"), weights(tmp_path / "untried"))


def test_the_generator_of_the_caller_is_left_alone(run: Callable[..., TrainingResult]) -> None:
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    run()
    assert torch.equal(torch.rand(3), want)


def test_the_seed_decides(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    for seed in (1, 2):
        one = config.Run(experiment="tiny", model="rnn_encoder_decoder", max_train_words=12, seed=seed)
        run(run=one, output=tmp_path / str(seed))
    assert not same(weights(tmp_path / "1"), weights(tmp_path / "2"))


def test_a_cap_that_leaves_nothing_is_an_error(run: Callable[..., TrainingResult], corpus: Path) -> None:
    one = config.Run(experiment="tiny", model="bahdanau", max_train_words=12, seed=1)
    with pytest.raises(LookbackError, match="no train pair has at most 0 words on either side"):
        run(run=one.model_copy(update={"max_train_words": 0}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(LookbackError, match=r"hardware.accelerator is gpu, but torch .* sees no CUDA device"):
        run(hardware=config.Hardware(accelerator="gpu"))


# --- going wrong and going on -----------------------------------------------------------------------------------------


class At(pl.Callback):
    """Does something to the module before one step."""

    def __init__(self, step: int, action: Callable[[Any], None]) -> None:
        self.step, self.action = step, action

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            self.action(pl_module)


class AfterUpdate(At):
    def on_train_batch_start(self, *_: Any) -> None:
        pass

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.action(pl_module)


def poison(module: Any) -> None:
    with torch.no_grad():
        next(module.model.parameters()).fill_(math.nan)


@pytest.mark.parametrize(
    ("accident", "message"),
    [
        (At(23, poison), r"the training loss is nan at step 24, .*the last good checkpoint is that of step 20"),
        (At(4, poison), r"the training loss is nan at step 5, .*there is no checkpoint yet"),
        # All losses of the interval were good, the weights are not.
        (AfterUpdate(30, poison), r"the validation loss is nan at step 30, .*that of step 20"),
    ],
)
def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint(
    run: Callable[..., TrainingResult], tmp_path: Path, accident: pl.Callback, message: str
) -> None:
    with pytest.raises(LookbackError, match=message) as error:
        run(callbacks=[accident])
    assert "learning rate" in str(error.value)
    assert "\n" not in str(error.value)
    file = tmp_path / "resume" / checkpoint.FILE_NAME
    if "no checkpoint" in message:
        assert not file.exists()
        return
    kept = torch.load(file, weights_only=True)
    assert kept["lookback"]["step"] == 20
    assert all(value.isfinite().all() for value in kept["state_dict"].values())
    assert not (tmp_path / "model").exists()


def stop(_module: Any) -> None:
    raise RuntimeError("power cut")


def interrupted(run: Callable[..., TrainingResult], **changes: Any) -> None:
    """Leaves the checkpoint of step 20."""
    with pytest.raises(RuntimeError, match="power cut"):
        run(callbacks=[At(25, stop)], **changes)


def test_a_run_goes_on_from_its_checkpoint(
    run: Callable[..., TrainingResult], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(run)
    watch = Watch()
    result = run(callbacks=[watch])
    assert result.resumed_at == 20
    assert len(watch.batches) == result.steps - 20
    assert f"resumes after step 20 of {result.steps}" in capsys.readouterr().out
    assert [point["step"] for point in result.history][:2] == [10, 20]
    whole = run(resume_folder=tmp_path / "other", output=tmp_path / "whole")
    assert same(weights(tmp_path / "model"), weights(tmp_path / "whole"))
    assert result.history == whole.history


def test_the_resume_folder_may_move(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    interrupted(run)
    (tmp_path / "resume").rename(tmp_path / "elsewhere")
    assert run(resume_folder=tmp_path / "elsewhere").resumed_at == 20
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [checkpoint.FILE_NAME]


def test_a_complete_run_is_only_read(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    first, watch = run(), Watch()
    kept = weights(tmp_path / "model")
    (tmp_path / "model/weights.safetensors").unlink()
    again = run(callbacks=[watch])
    assert watch.batches == []
    assert again.resumed_at == again.steps
    assert (again.history, again.valid_loss, again.seconds) == (first.history, first.valid_loss, first.seconds)
    assert same(weights(tmp_path / "model"), kept)


def other_corpus(corpus: Path, tmp_path: Path) -> Path:
    """The same lengths, so the same batches; one piece is another."""
    folder = tmp_path / "encoded"
    folder.mkdir()
    for path in (corpus / "encoded").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    ids = np.load(folder / "train.target.ids.npy")
    ids[-1] = ids[-1] - 1 if ids[-1] > EOS + 1 else ids[-1] + 1
    np.save(folder / "train.target.ids.npy", ids)
    return folder


@pytest.mark.parametrize("what", ["parameters", "data", "code", "torch version", "parameters and code", "damage"])
def test_a_checkpoint_of_another_run_is_not_resumed(
    what: str,
    run: Callable[..., TrainingResult],
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupted(run)
    changes: dict[str, Any] = {}
    reason = f"it was made with other {what}; starts afresh"
    if "parameters" in what:
        changes["model"] = faster(MODELS[0])
    if what == "data":
        changes["encoded"] = other_corpus(corpus, tmp_path)
    if "code" in what:
        monkeypatch.setattr(checkpoint, "fingerprint_code", lambda _: "edited")
    if what == "torch version":
        monkeypatch.setattr(torch, "__version__", "1.0")
    if what == "damage":
        file = tmp_path / "resume" / checkpoint.FILE_NAME
        file.write_bytes(file.read_bytes()[:1000])
        reason = "it cannot be read; starts afresh"
    capsys.readouterr()
    result = run(**changes)
    assert result.resumed_at is None
    assert result.history[0]["step"] == 10
    assert reason in capsys.readouterr().out
    assert run(**changes).resumed_at == result.steps  # its own checkpoint has taken the place of the other


def test_a_full_disk_is_one_line_and_keeps_the_checkpoint(
    run: Callable[..., TrainingResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(run)
    save = torch.save

    def full(value: Any, file: Any) -> None:
        save(value, file)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(LookbackError, match=r"resume.ckpt: the checkpoint cannot be written \(.*No space left"):
        run()
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "resume").iterdir()] == [checkpoint.FILE_NAME]
    assert run().resumed_at == 20


def test_ctrl_c_reaches_the_caller(run: Callable[..., TrainingResult]) -> None:
    def press(_module: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[At(25, press)])
    assert run().resumed_at == 20


# --- weights ----------------------------------------------------------------------------------------------------------


@names
def test_saved_and_loaded_a_model_gives_the_same_logits(model: config.Model, corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    built = models.build(model, 20, 20).eval()
    save_model(built, model, 20, 20, corpus / "encoded/tokenizer.model", tmp_path, {"step": 3})
    loaded = load_model(tmp_path)
    source, target = torch.randint(4, 20, (3, 7)), torch.randint(4, 20, (3, 5))
    assert torch.equal(loaded(source, target), built(source, target))
    assert not loaded.training
    description = json.loads((tmp_path / "config.json").read_text())
    assert description["provenance"] == {"step": 3}
    assert description["model"]["architecture"] == model.architecture
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "tokenizer.model", "weights.safetensors"]


def edit(**changes: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"config.json: no such file; run the train stage"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config.json: not the description of a model"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config.json: not the description of a model"),
        (lambda folder: (folder / "config.json").write_text("{}"), r"config.json: lacks the key 'model'"),
        (edit(model={"architecture": "seq2seq"}), r"config.json: model: .*seq2seq"),
        (edit(model={"architecture": "transformer", "heads": -1}), r"config.json: model.transformer.heads"),
        (edit(vocabulary_size=20), r"config.json: vocabulary_size is 20, not a count for source and one for target"),
        (edit(vocabulary_size={"source": 20}), r"config.json: vocabulary_size is {'source': 20}"),
        (edit(vocabulary_size={"source": 20, "target": 21}), r"weights.safetensors: does not fit .*config.json"),
        (edit(special_ids={"pad": 3}), r"config.json: special_ids are"),
        (lambda folder: (folder / "weights.safetensors").unlink(), r"weights.safetensors: no such file"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"123"), r"weights.safetensors: does not fit"),
    ],
)
def test_a_damaged_model_is_one_line(damage: Callable[[Path], Any], message: str, corpus: Path, tmp_path: Path) -> None:
    save_model(models.build(MODELS[0], 20, 20), MODELS[0], 20, 20, corpus / "encoded/tokenizer.model", tmp_path, {})
    damage(tmp_path)
    with pytest.raises(LookbackError, match=message) as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)


# --- other processes --------------------------------------------------------------------------------------------------


def program(*arguments: object) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "tests/training_program.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@names
def test_killed_at_any_moment_training_ends_with_the_same_weights(
    model: config.Model, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "encoded").symlink_to(corpus / "encoded")
    # Three steps in the middle of three intervals, and two moments when it would hurt most.
    steps = [interval + random.randint(1, 9) for interval in (0, 10, 30)]
    moments = [f"step-{steps[0]}", f"step-{steps[1]}", "validation-20", "checkpoint-30", f"step-{steps[2]}"]
    said = program("kill", tmp_path, model.architecture, *moments)
    whole, killed = (tmp_path / model.architecture / name for name in ("whole", "killed"))
    assert (whole / "model/weights.safetensors").read_bytes() == (killed / "model/weights.safetensors").read_bytes()
    one, other = (json.loads((folder / "result.json").read_text()) for folder in (whole, killed))
    assert one["history"] == other["history"], moments
    assert (one["resumed_at"], other["resumed_at"]) == (None, 30)
    resumed = [line.split(" of ")[0] for line in said.splitlines() if "resumes" in line]
    assert [int(line.split()[-1]) for line in resumed] == [10, 10, 20, 30], said


@pytest.mark.slow
def test_two_devices_train_as_one(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "encoded").symlink_to(corpus / "encoded")
    one = on_devices(tmp_path, 1)
    # Only the first process comes back from training.
    (line,) = [line for line in program("devices", tmp_path, 2).splitlines() if line.startswith("{")]
    two = json.loads(line)
    assert one.target_tokens == two["target_tokens"]
    for a, b in zip(one.history, two["history"], strict=True):
        assert a == pytest.approx(b, rel=1e-5)
    single, double = (weights(tmp_path / f"devices-{devices}/model") for devices in (1, 2))
    for name in single:
        torch.testing.assert_close(single[name], double[name], rtol=1e-4, atol=1e-5)
