"""Batches: what is in them, in which order, and that nothing but the step decides."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookback.data.batches import MAX_PADDED, SentenceBatches, TokenBudgetBatches, by_length
from lookback.data.encoded import EncodedSplit
from lookback.errors import LookbackError
from lookback.tokenizer import BOS, EOS, PAD


def write_split(folder: Path, split: str, pairs: list[tuple[list[int], list[int]]]) -> None:
    """Encodes nothing: pieces as they are, one piece a word."""
    folder.mkdir(exist_ok=True)
    for column, side in enumerate(("source", "target")):
        rows = [pair[column] for pair in pairs]
        np.save(folder / f"{split}.{side}.ids.npy", np.array([i for row in rows for i in row], np.uint16))
        np.save(folder / f"{split}.{side}.offsets.npy", np.cumsum([0, *map(len, rows)]))
    words = np.array([[len(source), len(target)] for source, target in pairs], np.uint16).reshape(-1, 2)
    np.save(folder / f"{split}.words.npy", words)


def lengths(count: int, seed: int = 0, longest: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of pairs whose sides are alike, as in translation."""
    generator = np.random.default_rng(seed)
    source = generator.integers(2, longest, count)
    target = np.maximum(2, (source * generator.normal(1.1, 0.2, count)).round())
    return source.astype(np.int32), target.astype(np.int32)


def plan(source: np.ndarray, target: np.ndarray, **changes: int) -> TokenBudgetBatches:
    given = {"target_tokens": 2 * int(target.sum()), "batch_target_tokens": 300, "seed": 1} | changes
    return TokenBudgetBatches(source, target, **given)


# --- tensors ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_padded_and_marked(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5, 6, 7], [8]), ([9], [10, 11]), ([12], [13])])
    batch = EncodedSplit.open(tmp_path, "train").batch(np.array([1, 0], np.int32))
    assert batch.source.tolist() == [[9, EOS, PAD, PAD], [5, 6, 7, EOS]]
    assert batch.target_in.tolist() == [[BOS, 10, 11], [BOS, 8, PAD]]
    assert batch.target_out.tolist() == [[10, 11, EOS], [8, EOS, PAD]]
    assert batch.target_tokens == 5


def test_an_empty_sentence_is_its_end_mark(tmp_path: Path) -> None:
    write_split(tmp_path, "valid", [([], []), ([5], [6])])
    batch = EncodedSplit.open(tmp_path, "valid").batch(np.array([0], np.int32))
    assert (batch.source.tolist(), batch.target_in.tolist(), batch.target_out.tolist()) == ([[EOS]], [[BOS]], [[EOS]])


def test_lengths_count_the_end_mark(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5, 6, 7], [8]), ([], [10, 11])])
    split = EncodedSplit.open(tmp_path, "train")
    assert split.source.lengths().tolist() == [4, 1]
    assert split.target.lengths().tolist() == [2, 3]
    assert split.source[0].tolist() == [5, 6, 7]


def test_the_cap_binds_either_side(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5] * 3, [5] * 3), ([5] * 4, [5] * 3), ([5] * 3, [5] * 4), ([5], [5])])
    assert EncodedSplit.open(tmp_path, "train").within(3).tolist() == [0, 3]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_devices_share_the_rows_of_a_batch(tmp_path: Path, world_size: int) -> None:
    write_split(tmp_path, "train", [([5 + i], [6 + i] * (1 + i)) for i in range(5)])
    split, indices = EncodedSplit.open(tmp_path, "train"), np.array([4, 2, 0, 1], np.int32)
    shares = [split.batch(indices, rank, world_size) for rank in range(world_size)]
    sources = sorted(row[0] for share in shares for row in share.source.tolist())
    assert sources == [5, 6, 7, 9]
    assert sum(int((share.target_out != PAD).sum()) for share in shares) == 15
    assert {share.target_tokens for share in shares} == {15}


def test_a_device_without_rows_gets_one_that_has_no_target(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5], [6])])
    idle = EncodedSplit.open(tmp_path, "train").batch(np.array([0], np.int32), rank=1, world_size=2)
    assert idle.source.tolist() == [[EOS]]
    assert idle.target_out.tolist() == [[PAD]]
    assert idle.target_tokens == 2


@pytest.mark.parametrize("name", ["train.source.ids", "train.target.offsets", "train.words"])
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    write_split(tmp_path, "train", [([5], [6])])
    (tmp_path / f"{name}.npy").unlink()
    with pytest.raises(LookbackError, match=f"{name}.npy: no such file; run the tokenize stage"):
        EncodedSplit.open(tmp_path, "train")


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5], [6])])
    (tmp_path / "train.words.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(LookbackError, match=r"train.words.npy: not a readable array"):
        EncodedSplit.open(tmp_path, "train")


def test_sides_of_different_length_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5], [6]), ([7], [8])])
    np.save(tmp_path / "train.target.offsets.npy", np.array([0, 2]))
    with pytest.raises(LookbackError, match="2 sources, 1 targets and 2 word counts"):
        EncodedSplit.open(tmp_path, "train")


def test_ids_that_do_not_fit_their_offsets_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [([5], [6]), ([7], [8])])
    np.save(tmp_path / "train.source.ids.npy", np.array([5], np.uint16))
    with pytest.raises(LookbackError, match=r"train.source.ids.npy: does not fit its offsets"):
        EncodedSplit.open(tmp_path, "train")


# --- batches ----------------------------------------------------------------------------------------------------------

some_lengths = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=120)


@settings(max_examples=60, deadline=None)
@given(pairs=some_lengths, budget=st.integers(1, 400), seed=st.integers(-5, 5))
def test_whatever_the_lengths_budgets_hold(pairs: list[tuple[int, int]], budget: int, seed: int) -> None:
    source, target = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    batches = plan(source, target, target_tokens=3 * int(target.sum()), batch_target_tokens=budget, seed=seed)
    rows = [batches[step] for step in range(len(batches))]
    for step, indices in enumerate(rows):
        assert batches.tokens[step] == target[indices].sum()
        assert batches.sentences[step] == len(indices) > 0
        if len(indices) > 1:
            assert target[indices].sum() <= budget
            assert len(indices) * max(source[indices].max(), target[indices].max()) <= MAX_PADDED * budget
    # Three times the tokens of the corpus are three epochs, and each holds every pair once.
    order = np.concatenate(rows)
    assert np.bincount(order, minlength=len(pairs)).tolist() == [3] * len(pairs)
    for epoch in range(3):
        assert len(set(order[epoch * len(pairs) : (epoch + 1) * len(pairs)].tolist())) == len(pairs)
    assert batches.epochs == 3


@pytest.mark.parametrize("tokens", [1, 299, 5_000, 31_234, 200_000])
def test_the_batch_that_reaches_the_budget_is_the_last(tokens: int) -> None:
    batches = plan(*lengths(1000), target_tokens=tokens)
    assert batches.tokens.sum() >= tokens > batches.tokens[:-1].sum()


def test_a_step_gives_the_same_batch_whatever_was_asked_before() -> None:
    forwards = plan(*lengths(500))
    backwards = plan(*lengths(500))
    want = [forwards[step].tolist() for step in range(len(forwards))]
    assert [backwards[step].tolist() for step in reversed(range(len(backwards)))] == want[::-1]
    with pytest.raises(IndexError):
        forwards[len(forwards)]


def test_epochs_and_seeds_have_their_own_batches() -> None:
    batches, other = plan(*lengths(500)), plan(*lengths(500), seed=2)
    epoch = len(batches) // 2
    seen = [
        {tuple(sorted(plan_[step])) for step in steps}
        for plan_, steps in ((batches, range(epoch)), (batches, range(epoch, len(batches))), (other, range(epoch)))
    ]
    assert all(len(a & b) < 0.2 * epoch for a, b in ((seen[0], seen[1]), (seen[0], seen[2])))


def test_batches_of_all_lengths_come_in_any_order() -> None:
    source, target = lengths(5000)
    batches = plan(source, target, target_tokens=int(target.sum()))
    mean = np.array([target[batches[step]].mean() for step in range(len(batches))])
    assert abs(np.corrcoef(mean, np.arange(len(mean)))[0, 1]) < 0.2


def test_similar_lengths_come_together() -> None:
    source, target = lengths(20_000)
    assert plan(source, target, batch_target_tokens=2000).padding < 0.1
    # As they come, the longest of a batch would decide.
    assert 1 - source.mean() / source.max() > 0.4


def test_batches_fill_their_budget() -> None:
    batches = plan(*lengths(20_000), batch_target_tokens=2000)
    assert np.quantile(batches.tokens, 0.05) > 1800


def test_the_fingerprint_stands_for_the_batches() -> None:
    pairs = lengths(500)
    want = plan(*pairs).fingerprint
    assert plan(*pairs).fingerprint == want
    changed = [{"seed": 2}, {"target_tokens": 5000}, {"batch_target_tokens": 301}]
    others = {plan(*pairs, **change).fingerprint for change in changed} | {plan(*lengths(500, seed=1)).fingerprint}
    assert want not in others
    assert len(others) == 4


def test_validation_batches_hold_every_pair_once() -> None:
    source, target = lengths(300)
    batches = by_length(source, target, 300)
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    assert max(int(target[indices].sum()) for indices in batches) <= 300


# --- batches of sentences ---------------------------------------------------------------------------------------------


def test_batches_of_sentences_are_sorted_within_their_pool_by_the_longer_side() -> None:
    """Bahdanau et al. 2015, appendix B.2, on a small scale: 3 batches of 5 at a time."""
    source, target = lengths(37)
    batches = SentenceBatches(source, target, updates=16, batch_sentences=5, sort_batches=3, seed=4)
    longer = np.maximum(source, target)
    steps = [batches[step] for step in range(8)]
    assert [len(step) for step in steps] == [5] * 7 + [2]
    assert sorted(np.concatenate(steps).tolist()) == list(range(37))
    for pool in (steps[0:3], steps[3:6], steps[6:8]):
        in_order = longer[np.concatenate(pool)]
        assert (np.diff(in_order) >= 0).all()
    assert not (np.diff(longer[np.concatenate(steps)]) >= 0).all()


def test_batches_of_sentences_come_in_the_same_order_in_each_epoch() -> None:
    source, target = lengths(37)
    batches = SentenceBatches(source, target, updates=19, batch_sentences=5, sort_batches=3, seed=4)
    assert len(batches) == 19
    assert batches.epochs == pytest.approx((2 * 37 + 15) / 37)
    for step in range(8):
        assert batches[step].tolist() == batches[step + 8].tolist()
    other = SentenceBatches(source, target, updates=19, batch_sentences=5, sort_batches=3, seed=5)
    assert other.fingerprint != batches.fingerprint


@pytest.mark.parametrize("updates", [1, 7, 100])
def test_a_budget_of_updates_is_met_exactly(updates: int) -> None:
    source, target = lengths(80)
    batches = TokenBudgetBatches(source, target, updates=updates, batch_target_tokens=300, seed=1)
    assert len(batches) == len(batches.tokens) == updates
    same = TokenBudgetBatches(source, target, target_tokens=int(batches.tokens.sum()), batch_target_tokens=300, seed=1)
    assert same.fingerprint == batches.fingerprint
