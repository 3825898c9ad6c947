import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookback.errors import LookbackError
from lookback.stats.buckets import ALL_LENGTHS, Bucket, buckets, windows


def test_bounds_are_inclusive_and_an_open_bucket_takes_what_is_longer() -> None:
    assert buckets([10, 20], [21]) == [Bucket(1, 10), Bucket(11, 20), Bucket(21, None)]


def test_the_open_bucket_is_there_only_if_it_holds_a_sentence() -> None:
    assert buckets([10, 20], [20]) == [Bucket(1, 10), Bucket(11, 20)]


def test_sentences_at_a_bound() -> None:
    lengths = np.array([1, 10, 11, 20, 21, 500])
    inside = [bucket.contains(lengths).tolist() for bucket in buckets([10, 20], lengths)]
    assert inside == [
        [True, True, False, False, False, False],
        [False, False, True, True, False, False],
        [False, False, False, False, True, True],
    ]


def test_no_edges_leave_one_open_bucket() -> None:
    assert buckets([], [3]) == [Bucket(1, None)]


def test_sentences_without_words_get_a_bucket_of_their_own() -> None:
    assert buckets([10], [0, 4]) == [Bucket(0, 0), Bucket(1, 10)]


@given(
    st.sets(st.integers(1, 100)).map(sorted),
    st.lists(st.integers(0, 200), min_size=1),
)
def test_each_sentence_is_in_exactly_one_bucket(edges: list[int], lengths: list[int]) -> None:
    inside = np.array([bucket.contains(lengths) for bucket in buckets(edges, lengths)])
    assert (inside.sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    ("counts", "merged"),
    [
        ([9, 9, 9], ["1–10", "11–20", "21+"]),
        ([9, 9, 4], ["1–10", "11+"]),
        ([9, 4, 9], ["1–20", "21+"]),
        ([4, 9, 9], ["1–20", "21+"]),
        ([9, 0, 9], ["1–20", "21+"]),
        ([9, 3, 3], ["1–10", "11+"]),  # together they are enough
        ([9, 2, 2], ["1+"]),
        ([2, 2, 9], ["1+"]),
        ([1, 0, 0], ["1–20"]),  # too few in all: one bucket is left; the open one is not there
        ([5, 5, 5], ["1–10", "11–20", "21+"]),
    ],
)
def test_sparse_buckets_are_merged_with_the_shorter_neighbour(counts: list[int], merged: list[str]) -> None:
    lengths = np.repeat([10, 11, 21], counts)
    assert [str(bucket) for bucket in buckets([10, 20], lengths, merge_below=5)] == merged


def test_the_bucket_without_words_is_merged_with_the_next() -> None:
    assert buckets([10, 20], [0, *[5] * 9, *[15] * 9], merge_below=5) == [Bucket(0, 10), Bucket(11, 20)]


@given(st.sets(st.integers(1, 60)).map(sorted), st.lists(st.integers(0, 70), min_size=1), st.integers(0, 9))
def test_merged_buckets_hold_each_sentence_once_and_enough_of_them(
    edges: list[int], lengths: list[int], least: int
) -> None:
    found = buckets(edges, lengths, least)
    inside = np.array([bucket.contains(lengths) for bucket in found])
    assert (inside.sum(axis=0) == 1).all()
    assert len(found) == 1 or inside.sum(axis=1).min() >= least


def test_windows_slide_until_the_longest_sentence_is_in() -> None:
    assert [str(window) for window in windows(10, 5, [3, 21])] == ["1–10", "6–15", "11–20", "16–25"]
    assert [str(window) for window in windows(10, 5, [20])] == ["1–10", "6–15", "11–20"]
    assert [str(window) for window in windows(10, 10, [11])] == ["1–10", "11–20"]
    assert [str(window) for window in windows(10, 3, [0, 2])] == ["1–10"]


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(1, 90), min_size=1))
def test_each_sentence_is_in_a_window_and_no_window_is_beyond_the_longest(
    width: int, step: int, lengths: list[int]
) -> None:
    found = windows(width, min(step, width), lengths)
    assert np.any([window.contains(lengths) for window in found], axis=0).all()
    assert found[-1].low is not None
    assert found[-1].low <= max(lengths)


def test_all_lengths_contains_everything() -> None:
    assert ALL_LENGTHS.is_all
    assert ALL_LENGTHS.contains([0, 1, 99]).all()


def test_names() -> None:
    assert [str(bucket) for bucket in (Bucket(1, 10), Bucket(61, None), ALL_LENGTHS)] == [
        "1\N{EN DASH}10",
        "61+",
        "all",
    ]


@pytest.mark.parametrize("edges", [[10, 10], [20, 10], [0, 5], [-3]])
def test_edges_must_rise(edges: list[int]) -> None:
    with pytest.raises(LookbackError, match="bucket_edges"):
        buckets(edges, [1])


def test_negative_lengths_are_refused() -> None:
    with pytest.raises(LookbackError, match="-1"):
        buckets([10], [3, -1])
