"""Sections 7 to 9: heads, positions and layers.

Every result comes from `worked` or layers.json and is formatted here. A sentence says what a number is. It does not
interpret the number where other inputs could show something else.
"""

from collections.abc import Sequence

import numpy as np

from lookback.lesson import worked
from lookback.lesson.blocks import Formula, Section, matrix_rows, number, vector
from lookback.lesson.drawing import Drawing, numbered, plain, waves
from lookback.lesson.layers import Layers
from lookback.lesson.worked import FOCUS, RANDOM, WORD, WORDS
from lookback.rendering.table import Table
from lookback.rendering.wording import code, integer, listed


def several_heads() -> Section:
    found = worked.heads()
    count, _, width = found.mixed.shape
    labels = [f"head {index + 1}" for index in range(count)]
    parts = [(label, vector(mixed[FOCUS])) for label, mixed in zip(labels, found.mixed, strict=True)]
    return Section(
        "heads",
        "7. Several heads",
        (
            "One softmax can say only one thing. So the Transformer looks several times at once, each time with "
            "queries, keys and values of its own: the **heads** (Vaswani et al. 2017, section 3.2.2). What they find "
            "is set side by side, and one more matrix mixes it.",
            Formula(
                (
                    "head(h)(i) = sum over all j of weight(h)(i, j) value(h)(j)",
                    "output(i)  = W_o [head(1)(i), head(2)(i), …]",
                )
            ),
            f"Here {count} heads of width {width}: together as wide as one word's vector. The first three matrices are "
            f"those of section 2; head 1 has their first {width} rows, head 2 the next, and each divides by "
            f"sqrt({width}). W_o is {RANDOM}.",
            Table("output", "The last matrix", ("", "W_o"), matrix_rows(found.output)),
            Drawing(
                "heads",
                "The weights of each head, side by side.",
                tuple(
                    numbered(label, WORDS, WORDS, weights) for label, weights in zip(labels, found.weights, strict=True)
                ),
            ),
            Table(
                "heads",
                f"What the heads make of {WORD}",
                ("", "vector"),
                (*parts, ("output", vector(found.joined[FOCUS]))),
            ),
        ),
    )


def positions() -> Section:
    without, using = worked.order(False), worked.order(True)
    reordered = " ".join(WORDS[index] for index in worked.REORDERED)
    length, width, columns = 30, 16, (0, 2, 4, 6)
    signals = worked.waves(length, width)
    told = f"Sines over {length} positions in columns {listed(columns)}, each slower than the one before."
    shades = f"The sinusoids of {length} positions in {width} columns as shades of gray."
    own = worked.waves(*worked.sequence().shape)
    rows = [
        (word, *(vector(row) for row in contexts))
        for word, *contexts in zip(WORDS, without.here, without.reordered, using.here, using.reordered, strict=True)
    ]
    return Section(
        "positions",
        "8. Where a word stands",
        (
            f"Attention does not know the order of words. *{' '.join(WORDS)}* and *{reordered}* mean different things, "
            "but hold the same vectors, and a sum does not care in which order it is added up. So the Transformer adds "
            "to each vector a signal that tells its position: waves, fast ones in the first columns and ever slower "
            "ones (Vaswani et al. 2017, section 3.5).",
            Formula(
                (
                    "signal(position, 2i)     = sin(position / 10000^(2i / D))",
                    "signal(position, 2i + 1) = cos(position / 10000^(2i / D))",
                )
            ),
            Drawing("waves", f"Columns {listed(columns)} over {length} positions.", (waves(signals, columns, told),)),
            Drawing(
                "signals",
                f"All {width} columns: a row for each position, white for −1, black for 1. No two rows are alike: a "
                "row says where a word stands.",
                (plain("column", [*map(str, range(length))], [*map(str, range(width))], (signals + 1) / 2, shades),),
            ),
            "For our sentence, whose vectors have four numbers:",
            Table(
                "signals",
                "The signals of the first positions",
                ("position", "signal"),
                tuple((str(index), vector(row)) for index, row in enumerate(own)),
            ),
            "Now the head of section 2 reads both sentences. Without positions the largest difference between a word's "
            f"context vectors in the two is **{number(without.difference, 6)}**: every word sees the same in both, and "
            "the two *the* of one sentence cannot be told apart. With positions it is "
            f"**{number(using.difference)}**.",
            Table(
                "order",
                "Context vectors of the words in both sentences",
                (
                    "word",
                    f"without positions: {' '.join(WORDS)}",
                    f"without positions: {reordered}",
                    f"with positions: {' '.join(WORDS)}",
                    f"with positions: {reordered}",
                ),
                tuple(rows),
                "A row is the same word in both sentences.",
            ),
        ),
    )


def refined(layers: Layers) -> Section:
    pieces = [piece.removeprefix("▁") for piece in layers.pieces]
    attention, cosine = np.array(layers.attention) / 100, np.array(layers.cosine) / 100
    stages = ["before the first layer", *(f"after layer {index + 1}" for index in range(len(attention)))]
    model = layers.model
    changed = " with uncommitted changes" if model.git_dirty else ""
    pictures = [
        Drawing(
            f"layer-{index}",
            f"Layer {index}: the weights of its {len(heads)} heads.",
            tuple(
                plain(f"layer {index}, head {head}", pieces, pieces, weights, _strongest(pieces, weights))
                for head, weights in enumerate(heads, start=1)
            ),
        )
        for index, heads in enumerate(attention, start=1)
    ]
    told = "Cosine similarity {}; the most similar word of each is in the table below."
    nearest = [
        (f"{piece} ({index + 1})", *(_nearest(pieces, values[index], index) for values in cosine))
        for index, piece in enumerate(pieces)
    ]
    return Section(
        "layers",
        "9. Layer by layer, in a trained model",
        (
            "A Transformer repeats this. Each layer of its encoder lets every word look at all others, adds what it "
            "saw to what it had, and hands the result to the next layer: the same words, each time seen a little more "
            "in their sentence.",
            f"The pictures are of a **trained** model: {code(model.run)} of the experiment {code(model.experiment)}, "
            f"trained on {integer(model.target_tokens)} target tokens (validation loss {number(model.valid_loss, 3)} "
            f"nats a piece; commit {code(model.git_commit[:10])}{changed}). It reads: *{layers.sentence}* It "
            f"translates: *{layers.translation}* Its numbers, in whole percents, are in layers.json beside this page.",
            *pictures,
            "No one told a head what to look for; training did. What a head seems to do in one sentence it may not do "
            "in the next, so read these pictures as examples, not as an explanation of the model.",
            "How alike are the vectors of two words? Their **cosine similarity** is 100 percent if they point the same "
            "way, and 0 if they have nothing in common.",
            Drawing(
                "similarity",
                "Cosine similarity of the vectors of any two words, layer by layer: black for 100 percent, white for 0 "
                "or less.",
                tuple(
                    plain(stage, pieces, pieces, values, told.format(stage))
                    for stage, values in zip(stages, cosine, strict=True)
                ),
            ),
            Table(
                "nearest",
                "The most similar other word, and the cosine similarity in percent",
                ("word (position)", *stages),
                tuple(nearest),
            ),
        ),
    )


def _strongest(pieces: Sequence[str], weights: np.ndarray) -> str:
    pairs = [f"{piece} at {pieces[row.argmax()]}" for piece, row in zip(pieces, weights, strict=True)]
    return f"Where each word looks most: {', '.join(pairs)}."


def _nearest(pieces: Sequence[str], similarities: np.ndarray, itself: int) -> str:
    others = similarities.copy()
    others[itself] = -np.inf
    best = int(others.argmax())
    return f"{pieces[best]} ({best + 1}): {number(100 * others[best], 0)}"
