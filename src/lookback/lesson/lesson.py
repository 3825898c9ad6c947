"""The sections of the page, in order."""

from lookback.lesson import decoder, self_attention, transformer
from lookback.lesson.blocks import Section
from lookback.lesson.layers import FILE_NAME, MAKE, Layers
from lookback.rendering.table import Table

HEADLINE = (
    "Attention asks of every word: which of the others matter here? It compares, turns the comparisons into weights "
    "that sum to 1, and mixes."
)
OPENING = (
    "Every number and every picture on this page is computed by `src/lookback/models/attention.py`, the attention that "
    "the models of this project are built from. The inputs are small. They are set by hand, or drawn at random from a "
    "seed; the page always says which. So you can check each step with a pencil, or change an input in "
    "`src/lookback/lesson/worked.py` and look again.",
    "To write the page again: `python -m pipeline.mechanisms`. It takes seconds and needs no trained model and no "
    f"network. Only the last section shows a trained model, from the numbers in `{FILE_NAME}`; to take them from a "
    f"model of your own, {MAKE}.",
)


def sections(layers: Layers) -> list[Section]:
    return [
        self_attention.untrained(),
        self_attention.trained(),
        self_attention.scaled(),
        self_attention.masked(),
        decoder.scored(),
        decoder.soft_and_hard(),
        transformer.several_heads(),
        transformer.positions(),
        transformer.refined(layers),
        in_the_code(),
    ]


def in_the_code() -> Section:
    kinds = (
        ("1", 'SelfAttention("none")', "nothing trained"),
        ("2", 'SelfAttention("query-key")', "queries and keys"),
        ("2", 'SelfAttention("query-key-value")', "queries, keys and values"),
        ("2", "attend, attend_with_weights", "the scaled dot product itself"),
        ("3", "scale_of", "what products are divided by"),
        ("4", "causal_mask", "no looking ahead"),
        ("5", "AdditiveScore, DotScore, GeneralScore", "a decoder's state and the annotations"),
        ("6", "choose, reinforce", "hard attention, and how it is trained"),
        ("7", "MultiHeadAttention", "several heads"),
        ("8", "sinusoids (in positions.py)", "positions"),
        ("9", "Transformer (in transformer.py)", "layers of all this"),
    )
    return Section(
        "code",
        "10. Where it stands in the code",
        (Table("code", "In src/lookback/models/attention.py", ("section", "name", "what"), kinds),),
    )
