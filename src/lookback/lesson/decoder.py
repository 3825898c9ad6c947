"""Sections 5 and 6: a decoder that looks at the source.

Every result comes from `worked` and is formatted here. A sentence says what a number is. It does not interpret the
number where other inputs could show something else.
"""

from lookback.lesson import worked
from lookback.lesson.blocks import Formula, Section, matrix_rows, number, vector
from lookback.lesson.drawing import Drawing, numbered
from lookback.lesson.worked import RANDOM, SEED, WORDS
from lookback.rendering.table import Table
from lookback.rendering.wording import integer

SHOWN_DRAWS = 4
SCORE_LABELS = {"additive": "additive", "dot": "dot", "scaled-dot": "scaled dot", "general": "general"}


def scored() -> Section:
    found = worked.looking()
    labels = [SCORE_LABELS[name] for name in worked.SCORE_NAMES]
    rows = [
        (word, *(f"{number(score, 3)} → {number(weight)}" for score, weight in zip(*pairs, strict=True)))
        for word, *pairs in zip(WORDS, found.scores.T, found.weights.T, strict=True)
    ]
    additive, general = (dict(found.modules[name].named_parameters()) for name in ("additive", "general"))
    return Section(
        "scores",
        "5. From one language to the other: a decoder looks at the source",
        (
            "Attention was invented for this (Bahdanau et al. 2015, arXiv 1409.0473). The decoder of a translation "
            "model has a state s, and before each word that it writes, it looks at the **annotations** h_j of the "
            "source: one vector for each source word. Here the annotations are the vectors of section 1, and the "
            f"state, s = {vector(worked.STATE, 1)}, is set by hand: that of a decoder which is about to write its word "
            "for *cat*. There are several ways to compare the two:",
            Formula(
                (
                    "additive     v · tanh(W s + U h_j)     Bahdanau et al. 2015, appendix A.1.2",
                    "dot          s · h_j                   Luong et al. 2015 (arXiv 1508.04025), section 3.1",
                    "scaled dot   s · h_j / sqrt(d)         Vaswani et al. 2017, section 3.2.1",
                    "general      s · W h_j                 Luong et al. 2015, section 3.1",
                )
            ),
            Table(
                "score-matrices",
                "The matrices",
                ("", "additive W", "additive U", "general W"),
                (
                    *matrix_rows(additive["query.weight"], additive["key.weight"], general["key.weight"]),
                    ("v", vector(additive["energy"], 1), "", ""),
                ),
                f"All {RANDOM}, so the weights of these two scores mean nothing yet; the dot scores have no matrices. "
                "The additive score of the code has a bias, too; here it is 0.",
            ),
            Table("scored", "Scores → weights", ("annotation", *labels), tuple(rows)),
            Drawing("scores", "The weights of the four scores.", (numbered("", labels, WORDS, found.weights),)),
        ),
    )


def soft_and_hard() -> Section:
    found = worked.looking()
    index = worked.SCORE_NAMES.index("dot")
    weights, soft = found.weights[index], found.contexts[index]
    annotations, hard = worked.sequence(), worked.hard(weights)
    shares = hard.drawn.mean(0)
    rows = [
        (word, number(weight), number(share), number(largest, 0))
        for word, weight, share, largest in zip(WORDS, weights, shares, hard.largest, strict=True)
    ]
    choices = [(f"draw {count}", row) for count, row in enumerate(hard.drawn[:SHOWN_DRAWS], start=1)]
    seen = [
        (f"hard, {name}: {WORDS[int(row.argmax())]}", vector(row @ annotations))
        for name, row in (*choices, ("largest", hard.largest))
    ]
    return Section(
        "hard",
        "6. Soft and hard attention",
        (
            "**Soft** attention mixes all annotations. **Hard** attention (Xu et al. 2015, arXiv 1502.03044, section "
            "4.1) takes one of them: in training a position is drawn, with the weights as probabilities; when the "
            "model is used, one may also take the position of the largest weight. A draw has no slope, so hard "
            "attention is trained by trying: REINFORCE (Williams 1992). With the weights of the dot score:",
            Table(
                "hard",
                "Where the decoder looks",
                ("annotation", "soft: weight", f"hard: share of {integer(worked.DRAWS)} draws", "hard: largest"),
                tuple(rows),
                f"Drawn by torch's generator with seed {SEED}.",
            ),
            Table("hard-contexts", "What it gets to see", ("", "context vector"), (("soft", vector(soft)), *seen)),
        ),
    )
