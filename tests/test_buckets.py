import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookback.buckets import ALL_LENGTHS, Bucket, buckets
from lookback.errors import LookbackError


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
