"""The training budget and the batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lookback.settings import Count, Fraction, Settings


class Train(Settings):
    """The training budget and the batches. Every model of an experiment uses them, unless it overrides them.

    The budget is `target_tokens`, `target_tokens_by_length` or `updates`; the size of a batch is `batch_target_tokens`
    or `batch_sentences`.
    """

    target_tokens: Count | None = None
    """Budget in target pieces, end-of-sentence marks included; the batch that reaches it is the last."""
    target_tokens_by_length: dict[Count, Count] | None = None
    """In place of `target_tokens`: one budget for each of `grid.max_train_words`. Shorter sentences need fewer tokens
    for the same number of sentences."""
    updates: Count | None = None
    """Budget in optimiser steps."""
    batch_target_tokens: Count | None = None
    """Batches of pairs of similar length, with at most this many target pieces."""
    batch_sentences: Count | None = None
    """Batches of this many pairs, as in Bahdanau et al. 2015, appendix B.2: sorted by length within `sort_batches`
    batches, in the same order in each epoch."""
    sort_batches: Count = 20
    valid_interval_steps: Count = 500
    average_checkpoints: Annotated[int, Field(ge=0)] = 0
    """Average the weights of this many last validations (Vaswani et al. 2017, section 6.1); 0 keeps the weights of the
    lowest validation loss."""
    label_smoothing: Fraction = 0.1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    scale_down: Count = 1
    """Divides all widths of all models, to try a large experiment on a small machine. Nothing else changes."""

    @model_validator(mode="after")
    def one_budget_and_one_size(self) -> Self:
        for names in (
            ("target_tokens", "target_tokens_by_length", "updates"),
            ("batch_target_tokens", "batch_sentences"),
        ):
            if sum(getattr(self, name) is not None for name in names) != 1:
                raise ValueError(f"give one of {', '.join(names)}")
        return self
