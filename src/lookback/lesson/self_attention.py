"""Sections 1 to 4: a sentence that looks at itself.

Every result comes from `worked` and is formatted here. A sentence says what a number is. It does not interpret the
number where other inputs could show something else.
"""

import math

from lookback.lesson import worked
from lookback.lesson.blocks import Formula, Section, factor, matrix_rows, number, vector
from lookback.lesson.drawing import Drawing, numbered
from lookback.lesson.worked import FOCUS, RANDOM, SEED, VECTORS, WORD, WORDS
from lookback.rendering.table import Table
from lookback.rendering.wording import integer


def untrained() -> Section:
    vectors, found = worked.sequence(), worked.mixing(worked.layer("none"), worked.sequence())
    exponentials = found.scores[FOCUS].exp()
    other = WORDS.index("dog")
    terms = [f"{factor(a)} × {factor(b)}" for a, b in zip(vectors[FOCUS], vectors[other], strict=True)]
    rows = [
        (word, number(score), number(power), number(weight), vector(weight * values))
        for word, score, power, weight, values in zip(
            WORDS, found.scores[FOCUS], exponentials, found.weights[FOCUS], vectors, strict=True
        )
    ]
    sums = ("sum", "", number(exponentials.sum()), number(found.weights[FOCUS].sum()), vector(found.contexts[FOCUS]))
    return Section(
        "simple",
        "1. A word looks at its sentence",
        (
            f"Take the sentence **{' '.join(WORDS)}**. Each word is a small vector, set by hand so that the numbers "
            "stay easy: the two nouns begin alike, and *the* is one word, with one vector, wherever it stands.",
            Table(
                "vectors",
                "The vectors",
                ("word", "x"),
                tuple((word, vector(VECTORS[word.lower()], 1)) for word in WORDS),
            ),
            "Attention does three things. It **compares** one word with every word: the score. It turns the scores "
            "into **weights**, positive numbers that sum to 1: the softmax. It **mixes** the vectors by these weights: "
            "the context vector.",
            Formula(
                (
                    "score(i, j)  = x_i · x_j",
                    "weight(i, j) = exp(score(i, j)) / sum over all k of exp(score(i, k))",
                    "context(i)   = sum over all j of weight(i, j) x_j",
                )
            ),
            f"For **{WORD}**, step by step. Its score for *dog*, say, is {' + '.join(terms)} = "
            f"{number(found.scores[FOCUS, other])}.",
            Table(
                "simple-steps",
                f"What {WORD} sees",
                ("word j", "score", "exp(score)", "weight", "weight × x_j"),
                (*rows, sums),
                f"A weight is its exp(score) divided by the sum of that column. The last cell is the context vector of "
                f"{WORD}: the same word, seen in its sentence.",
            ),
            "The same for all words at once:",
            Drawing(
                "simple",
                "A row for each word that looks, a column for each word that is looked at: weights in whole percents, "
                "darker for more. All pictures of weights read like this.",
                (numbered("nothing trained", WORDS, WORDS, found.weights),),
            ),
            "Nothing is trained here. Introductions begin like this; none of the papers cited on this page has it.",
        ),
    )


def trained() -> Section:
    matrices, vectors = dict(worked.layer().named_parameters()), worked.sequence()
    none, keyed, found = (worked.mixing(worked.layer(kind), vectors) for kind in worked.TRAINED)
    width = found.keys.shape[1]
    parts = [
        (word, *(vector(part) for part in row))
        for word, *row in zip(WORDS, found.queries, found.keys, found.values, strict=True)
    ]
    rows = [
        (word, number(product, 3), number(score, 3), number(weight), vector(weight * x), vector(weight * value))
        for word, product, score, weight, x, value in zip(
            WORDS, found.products[FOCUS], found.scores[FOCUS], found.weights[FOCUS], vectors, found.values, strict=True
        )
    ]
    sums = (
        "sum",
        "",
        "",
        number(found.weights[FOCUS].sum()),
        vector(keyed.contexts[FOCUS]),
        vector(found.contexts[FOCUS]),
    )
    other = WORDS.index("saw")
    return Section(
        "trained",
        "2. Queries, keys and values",
        (
            f"So far looking is mutual: the score of *{WORD}* for *{WORDS[other]}* is "
            f"{number(none.scores[FOCUS, other])}, and of *{WORDS[other]}* for *{WORD}* "
            f"{number(none.scores[other, FOCUS])}. Three matrices let a word play three parts: what it looks for (its "
            "**query**), what it can be found by (its **key**), and what it tells when it is found (its **value**). "
            "Training finds the matrices.",
            Formula(
                (
                    "query(i) = W_q x_i      key(j) = W_k x_j      value(j) = W_v x_j",
                    "score(i, j) = query(i) · key(j) / sqrt(d)      (a key has d numbers)",
                    "context(i)  = sum over all j of weight(i, j) value(j)",
                )
            ),
            "This is the scaled dot-product attention of Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.1, "
            f"equation 1. The matrices here are {RANDOM}, so the weights below mean nothing yet: it is training that "
            "gives them a meaning.",
            Table(
                "matrices",
                "The matrices",
                ("", "W_q", "W_k", "W_v"),
                matrix_rows(*(matrices[f"{name}.weight"] for name in ("query", "key", "value"))),
            ),
            Table("parts", "What they make of the words", ("word", "query", "key", "value"), tuple(parts)),
            f"For **{WORD}**: its query with every key, divided by sqrt({width}) = {number(math.sqrt(width), 0)}, then "
            "the softmax. With queries and keys alone, the weights mix the vectors x themselves; with values as well, "
            "they mix those. The weights are the same.",
            Table(
                "trained-steps",
                f"What {WORD} sees",
                ("word j", "query · key", f"÷ sqrt({width})", "weight", "weight × x_j", "weight × value"),
                (*rows, sums),
                "The last row has both context vectors: of queries and keys alone, and of queries, keys and values.",
            ),
            f"The score of *{WORD}* for *{WORDS[other]}* is now {number(found.scores[FOCUS, other])}, and of "
            f"*{WORDS[other]}* for *{WORD}* {number(found.scores[other, FOCUS])}.",
            Drawing(
                "trained",
                "Weights without any matrix, and with queries and keys.",
                (
                    numbered("nothing trained", WORDS, WORDS, none.weights),
                    numbered("queries and keys", WORDS, WORDS, found.weights),
                ),
            ),
        ),
    )


def scaled() -> Section:
    found = worked.by_scale(worked.mixing(worked.layer(), worked.sequence()))
    names = ("÷ 1", "÷ sqrt(d)", "÷ d")
    rows = [
        (word, *(f"{number(score, 3)} → {number(weight)}" for score, weight in zip(*pairs, strict=True)))
        for word, *pairs in zip(WORDS, found.scores.T, found.weights.T, strict=True)
    ]
    wide = [worked.at_width(width) for width in worked.WIDTHS]
    measured = [
        (
            str(at.width),
            number(math.sqrt(at.width)),
            number(at.deviation),
            *(f"{number(mean)} [{number(low)}, {number(high)}]" for mean, low, high in at.entropies),
        )
        for at in wide
    ]
    even = number(math.log(len(WORDS)))
    return Section(
        "scale",
        "3. Why divide the scores?",
        (
            f"The scores of *{WORD}* from section 2 again, divided by 1, by sqrt(d) and by d, and what the softmax "
            "makes of each. The **entropy** says how evenly the weights are spread: 0 if one word gets all, and log "
            f"{len(WORDS)} = {even} if all {len(WORDS)} get the same.",
            Table(
                "scales",
                f"Scores → weights of {WORD}, d = {len(VECTORS['the'])}",
                ("word j", *names),
                (*rows, ("entropy", *(number(value) for value in found.entropies))),
            ),
            Drawing(
                "scales",
                f"The weights of {WORD} by what its scores were divided by.",
                (numbered("", names, WORDS, found.weights),),
            ),
            "Why it matters: a dot product is a sum of d terms, so the wider the vectors, the larger the scores. A "
            "softmax of large scores gives nearly all to one word, and there it has hardly any slope for training to "
            "follow. Products of random vectors whose numbers have variance 1 have the standard deviation sqrt(d), and "
            "by that Vaswani et al. divide (section 3.2.1). Some introductions divide by d.",
            Table(
                "widths",
                "Random vectors of growing width",
                ("d", "sqrt(d)", "deviation of the scores", *(f"entropy, {name}" for name in names)),
                tuple(measured),
                f"n = {integer(worked.PAIRS)} random queries (seed {SEED}), {len(WORDS)} random keys for each; mean "
                f"entropy of the weights with its 95 % bootstrap interval over the queries. Even weights: {even}.",
            ),
        ),
    )


def masked() -> Section:
    free, causal = (worked.mixing(worked.layer(causal=mask), worked.sequence()) for mask in (False, True))
    rows = [
        (word, number(score, 3), number(before), number(after) if index <= FOCUS else "masked")
        for index, (word, score, before, after) in enumerate(
            zip(WORDS, free.scores[FOCUS], free.weights[FOCUS], causal.weights[FOCUS], strict=True)
        )
    ]
    sums = ("sum", "", *(number(found.weights[FOCUS].sum()) for found in (free, causal)))
    return Section(
        "mask",
        "4. No looking ahead: the causal mask",
        (
            "A decoder writes from left to right. In training it is given the whole sentence at once, so it must be "
            "kept from reading what it is to predict: the scores of all later words are set to −∞ before the softmax. "
            "Since exp(−∞) = 0, they get nothing, and the others share what is left (Vaswani et al. 2017, section "
            "3.2.3).",
            Table(
                "masked",
                f"Weights of {WORD}, which sees the words up to itself",
                ("word j", "score", "without the mask", "with the mask"),
                (*rows, sums),
            ),
            Drawing(
                "mask",
                f"The same scores, without and with the mask. The first word sees itself alone: "
                f"{number(100 * causal.weights[0, 0], 0)} percent.",
                (
                    numbered("without the mask", WORDS, WORDS, free.weights),
                    numbered("with the mask", WORDS, WORDS, causal.weights),
                ),
            ),
        ),
    )
