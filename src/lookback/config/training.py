"""The training budget and the batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lookback.settings import Count, Fraction, Settings


class Train(Settings):
    """The training budget and the batches: the same for every model of an experiment, unless a model says otherwise.

    The budget is `target_tokens`, `target_tokens_by_length` or `updates`; the size of a batch is `batch_target_tokens`
    or `batch_sentences`.
    """

    target_tokens: Count | None = None
    """Target pieces with end-of-sentence marks; the batch that reaches this is the last."""
    target_tokens_by_length: dict[Count, Count] | None = None
    """In place of `target_tokens`, so many for each of `grid.max_train_words`: where sentences are shorter, fewer make
    as many sentences."""
    updates: Count | None = None
    """Steps of the optimiser."""
    batch_target_tokens: Count | None = None
    """Batches of pairs of similar length with at most so many target pieces."""
    batch_sentences: Count | None = None
    """Batches of so many pairs, as in Bahdanau et al. 2015, appendix B.2: sorted by length within `sort_batches`
    batches, and seen in the same order in each epoch."""
    sort_batches: Count = 20
    valid_interval_steps: Count = 500
    average_checkpoints: Annotated[int, Field(ge=0)] = 0
    """The weights are the mean of those at the last so many validations (Vaswani et al. 2017, section 6.1); 0 keeps
    those of the lowest validation loss."""
    label_smoothing: Fraction = 0.1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    scale_down: Count = 1
    """Divides all widths of all models, to try a large experiment on a small machine; nothing else changes."""

    @model_validator(mode="after")
    def one_budget_and_one_size(self) -> Self:
        for names in (
            ("target_tokens", "target_tokens_by_length", "updates"),
            ("batch_target_tokens", "batch_sentences"),
        ):
            if sum(getattr(self, name) is not None for name in names) != 1:
                raise ValueError(f"give one of {', '.join(names)}")
        return self
