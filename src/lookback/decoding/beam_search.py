"""Beam search: one batched search for all models.

Each step extends every unfinished hypothesis of a sentence by every piece. Of these K * V extensions, those among the K
best that end the sentence are finished; the K best that do not end it continue. The score of a finished hypothesis is
its log-probability divided by a length penalty; both include the end mark. The penalty is that of Wu et al. 2016 (arXiv
1609.08144, section 7), ((5 + length) / 6) ** alpha, or length ** alpha.

A sentence is done as soon as:

- no unfinished hypothesis can overtake its best finished one. Log-probabilities only fall, so the bound of a hypothesis
  is its present log-probability over the penalty of the maximum length; or
- K hypotheses are finished. With K = 1 this makes the search greedy. With larger K it avoids waiting for the bound,
  which a weak model under a strong length penalty reaches late.

A sentence that is done leaves the batch. A translation has at most factor * source pieces + extra pieces; at that
length only the end mark may follow. A minimum length, as a multiple of the source pieces, can be set. A sentence's
result does not depend on its batch, except for rounding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lookback import config
from lookback.models.base import TranslationModel, reorder, select
from lookback.tokenizer import BOS, EOS, PAD

IMPOSSIBLE = float("-inf")


@dataclass(frozen=True)
class Hypothesis:
    """The best translation found for one sentence."""

    tokens: list[int]
    """Piece ids without begin and end mark."""
    score: float
    """Natural log-probability divided by the length penalty."""
    cut_off: bool
    """Whether the maximum length ended it: the most probable next piece was not the end mark."""
    alignment: Tensor | None = None
    """[pieces + end mark, source pieces + end mark] on the CPU; None unless requested, and for models without
    attention."""


@torch.no_grad()
def beam_search(
    model: TranslationModel[Any, Any],
    source: Tensor,
    settings: config.Translate,
    *,
    alignments: bool = False,
    banned: Iterable[int] = (),
) -> list[Hypothesis]:
    """Translate a batch: the best hypothesis of each sentence, in the order of the batch.

    Args:
        model: in eval mode; otherwise dropout makes the result random.
        source: [B, S] int64, pieces and end mark, padded with `PAD`, on the model's device.
        settings: the beam K, the length penalty and the limit of length.
        alignments: whether to add each hypothesis's alignment, from one more, teacher-forced pass.
        banned: ids that are never produced, such as UNK; padding and the begin mark are always banned.
    """
    if not len(source):
        return []
    beam, device = settings.beam, source.device
    pieces = (source != PAD).sum(1) - 1
    limits = (pieces * settings.max_length_factor).long() + settings.max_length_extra
    limits = limits.clamp(min=1)
    minima = (pieces * settings.min_length_factor).long().minimum(limits)
    never = torch.tensor(sorted({PAD, BOS, *banned}), device=device)
    memory = model.encode(source)
    found = [Hypothesis([], IMPOSSIBLE, cut_off=True)] * len(source)

    # The state of the N sentences that are not done. All K hypotheses of a sentence start equal, so only the first may
    # continue; the others have probability 0 until better ones replace them.
    sentences = torch.arange(len(source), device=device)
    state = model.start(select(memory, sentences.repeat_interleave(beam)))
    token = torch.full((len(source) * beam,), BOS, device=device)
    written = torch.empty(len(source), beam, 0, dtype=torch.long, device=device)
    dtype = torch.promote_types(next(model.parameters()).dtype, torch.float32)
    totals = torch.full((len(source), beam), IMPOSSIBLE, dtype=dtype, device=device)
    totals[:, 0] = 0.0
    best = torch.full((len(source),), IMPOSSIBLE, dtype=dtype, device=device)
    finished = torch.zeros(len(source), dtype=torch.long, device=device)

    length = 0  # of the unfinished hypotheses in pieces
    while len(sentences):
        logits, state, _ = model.step(state, token)
        log_p = logits.log_softmax(-1, dtype=dtype)  # [N * K, V]
        log_p[:, never] = IMPOSSIBLE
        log_p = log_p.unflatten(0, (-1, beam))
        log_p[minima[sentences] > length, :, EOS] = IMPOSSIBLE
        at_limit = limits[sentences] == length
        forced = torch.zeros_like(totals, dtype=torch.bool)
        if at_limit.any():
            forced = at_limit[:, None] & (log_p.argmax(-1) != EOS)
            only_end = torch.full_like(log_p[at_limit], IMPOSSIBLE)
            only_end[:, :, EOS] = log_p[at_limit, :, EOS]
            log_p[at_limit] = only_end

        # 2K candidates include at least K that continue, since each hypothesis can end in one way only.
        extended = (totals[:, :, None] + log_p).flatten(1)
        vocabulary = log_p.shape[-1]
        candidate_totals, candidates = extended.topk(min(2 * beam, extended.shape[1]), 1)
        parents, tokens = candidates // vocabulary, candidates % vocabulary
        ends = tokens == EOS

        ending_totals = candidate_totals[:, :beam].masked_fill(~ends[:, :beam], IMPOSSIBLE)
        finished += (ending_totals > IMPOSSIBLE).sum(1)
        score, rank = (ending_totals / _penalty(length + 1, settings)).max(1)
        rows = (score > best).nonzero().flatten()
        best = torch.maximum(score, best)
        parent = parents[rows, rank[rows]]
        for sentence, *hypothesis in zip(
            sentences[rows].tolist(),
            written[rows, parent].tolist(),
            score[rows].tolist(),
            forced[rows, parent].tolist(),
            strict=True,
        ):
            found[sentence] = Hypothesis(*hypothesis)

        totals, kept = candidate_totals.masked_fill(ends, IMPOSSIBLE).topk(beam, 1)
        parents, tokens = parents.gather(1, kept), tokens.gather(1, kept)
        reachable = totals[:, 0] / _penalty(limits[sentences] + 1, settings)
        going = ~((best >= reachable) | (finished >= beam) | at_limit)

        rows = torch.arange(len(sentences), device=device)[:, None] * beam + parents
        written = torch.cat([written.flatten(0, 1)[rows], tokens[:, :, None]], 2)
        if going.all():
            state = reorder(state, rows.flatten())
        else:
            state = select(state, rows[going].flatten())
            sentences, written, tokens = sentences[going], written[going], tokens[going]
            totals, best, finished = totals[going], best[going], finished[going]
        token = tokens.flatten()
        length += 1

    return _aligned(model, memory, pieces + 1, found) if alignments else found


def _penalty(length: Any, settings: config.Translate) -> Any:
    """The length penalty; `length` in pieces counts the end mark, and is an int or a tensor."""
    base = (5 + length) / 6 if settings.normalization == "wu" else length
    return base**settings.length_penalty


def _aligned(
    model: TranslationModel[Any, Any], memory: Any, source_lengths: Tensor, found: list[Hypothesis]
) -> list[Hypothesis]:
    """The hypotheses with their alignments, if the model has any."""
    longest = max(len(hypothesis.tokens) for hypothesis in found)
    rows = [[BOS, *hypothesis.tokens] + [PAD] * (longest - len(hypothesis.tokens)) for hypothesis in found]
    target_in = torch.tensor(rows, device=source_lengths.device)
    _, alignment = model.decode_with_alignment(memory, target_in)
    if alignment is None:
        return found
    return [
        Hypothesis(h.tokens, h.score, h.cut_off, weights[: len(h.tokens) + 1, :source_length].clone())
        for h, weights, source_length in zip(found, alignment.cpu(), source_lengths.tolist(), strict=True)
    ]
