import pytest

from lookback.evaluation.diagnosis import diagnose, loops, repeated


@pytest.mark.parametrize(
    ("hypothesis", "reference", "tags"),
    [
        ("Die Katze schläft.", "Die Katze  schläft.", ("exact",)),
        ("", "Die Katze schläft.", ("empty",)),
        ("  ", "Die Katze schläft.", ("empty",)),
        ("Die Katze.", "Die Katze schläft heute.", ("too short", "2 of 5 words missing")),
        ("Die Katze, die schläft, rennt heute.", "Die Katze rennt.", ("too long", "5 added")),
        ("Der Hund schläft.", "Die Katze schläft.", ("2 of 4 words missing", "2 added")),
        ("Die die Katze schläft.", "die Die Katze schläft.", ("other order",)),
    ],
)
def test_tags(hypothesis: str, reference: str, tags: tuple[str, ...]) -> None:
    assert diagnose(hypothesis, reference).tags == tags


def test_words_are_counted_as_often_as_they_stand() -> None:
    found = diagnose("der Hund", "der Hund und der Hund und der Hund")
    assert (found.missing, found.added) == (6, 0)


def test_cut_off_and_looping() -> None:
    found = diagnose("die Katze und die Katze und die Katze und", "die Katze schläft .", cut_off=True)
    assert found.tags[:3] == ("cut off", "loops", "too long")


def test_exact_although_cut_off() -> None:
    """At the length limit, but complete: nothing is wrong with it."""
    assert diagnose("Die Katze.", "Die Katze.", cut_off=True).tags == ("exact",)


def test_no_loop_where_the_reference_repeats_too() -> None:
    text = "ja ja ja ja ja"
    assert loops(text.split())
    assert not diagnose(text + " !", text).looping


@pytest.mark.parametrize(
    ("hypothesis", "reference", "count"),
    [
        ("a b c", "a b c", 0),
        ("a a", "b", 1),  # once is no repetition, even where the reference has it not at all
        ("a a a", "a b a", 1),
        ("a", "a a a", 0),
        (". . . .", "x .", 3),
        ("", "a", 0),
        ("a a b b b", "", 3),
    ],
)
def test_repeated_words(hypothesis: str, reference: str, count: int) -> None:
    assert repeated(hypothesis.split(), reference.split()) == count


@pytest.mark.parametrize(
    ("text", "looping"),
    [
        ("a a a a a", True),
        ("a a a a", False),
        ("x a b a b a b y", True),
        ("x a b a b y", False),
        ("a b c d a b c d", True),
        ("a b c a b c", False),
        ("a b c d e f a b c d e x", False),
        ("a b c d e f a b c d e f", True),
        ("", False),
        ("a", False),
    ],
)
def test_loops(text: str, looping: bool) -> None:
    assert loops(text.split()) is looping
