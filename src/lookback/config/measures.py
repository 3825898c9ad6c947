"""Search, scores, probes and timing: the settings of everything that follows training."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lookback.settings import Count, Settings


class Showcase(Settings):
    """A further source sentence whose translation and alignment the report shows. A file may give the text alone."""

    text: str
    source_word: str | None = None
    """A source word and its translation: the report says where the alignment of the translation peaks."""
    target_word: str | None = None

    @model_validator(mode="before")
    @classmethod
    def text_alone(cls, data: Any) -> Any:
        return {"text": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def both_words_can_be_found(self) -> Self:
        if (self.source_word is None) != (self.target_word is None):
            raise ValueError("give both source_word and target_word, or neither")
        words = bare_words(self.text)
        if self.source_word is not None and self.source_word not in words:
            raise ValueError(f"source_word {self.source_word!r} is not a word of text; take one of {', '.join(words)}")
        if self.target_word is not None and bare_words(self.target_word) != [self.target_word]:
            raise ValueError(f"target_word {self.target_word!r} must be one word without punctuation around it")
        return self


def bare_words(text: str) -> list[str]:
    """The whitespace-separated words, stripped of surrounding punctuation; bare punctuation is left out."""
    return [bare for word in text.split() if (bare := re.sub(r"^\W+|\W+$", "", word))]


class Translate(Settings):
    """Beam search; see `lookback.decoding.beam_search`."""

    beam: Count = 4
    normalization: Literal["wu", "length"] = "wu"
    """Scores are divided by ((5 + length) / 6) ** length_penalty (Wu et al. 2016), or by length ** length_penalty."""
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    min_length_factor: Annotated[float, Field(ge=0)] = 0.0
    """The minimum length of a translation is factor x source pieces; GroundHog uses 0.5."""
    max_length_factor: Annotated[float, Field(gt=0)] = 2.0
    max_length_extra: Annotated[int, Field(ge=0)] = 10
    """The maximum length of a translation is factor x source pieces + extra pieces."""
    ban_unknown: bool = False
    """The search never writes the unknown piece."""
    batch_sentences: Count = 64
    examples: Count = 40
    """Number of test sentences kept with their alignment, at even steps from the shortest to the longest."""
    showcase: tuple[Showcase, ...] = ()


class Window(Settings):
    """Overlapping buckets: the first covers lengths 1 to `width`, each further one starts `step` later."""

    width: Count
    step: Count

    @model_validator(mode="after")
    def no_gaps(self) -> Self:
        if self.step > self.width:
            raise ValueError(
                f"step ({self.step}) must not be larger than width ({self.width}): lengths would be left out"
            )
        return self


LengthUnit = Literal["source_pieces", "source_characters", "reference_words"]
"""Units of sentence length besides source words: tokenizer pieces; characters other than white space, for scripts
without spaces between words; words of the reference."""


class Evaluate(Settings):
    bucket_edges: tuple[Count, ...] = (10, 20, 30, 40, 50, 60)
    """Inclusive upper bounds in source words: (10, 20) gives 1-10, 11-20 and, if the test set has any, 21 and over."""
    further_buckets: dict[LengthUnit, tuple[Count, ...]] = Field(default_factory=dict)
    """Edges in other units. by_length.csv has these rows, with the unit under `bucket_by`; the report does not show
    them."""
    window: Window | None = None
    """Sliding windows over source words. Their rows have `bucket_by` source_words_window."""
    merge_below: Annotated[int, Field(ge=0)] = 0
    """Buckets (not windows) with fewer sentences are merged into the next shorter one; 0 merges none."""
    resamples: Count = 1_000
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    seed: int = 1
    legacy: Literal["none", "moses", "moses-split"] = "none"
    """Tokenised BLEU (BLEU of Moses tokens) beside sacreBLEU's, as the papers report it. `moses-split` also splits
    compounds at hyphens, as is usual for English-German. See `lookback.evaluation.moses_bleu`."""

    @model_validator(mode="after")
    def edges_rise(self) -> "Evaluate":
        for name, edges in {"bucket_edges": self.bucket_edges, **self.further_buckets}.items():
            if list(edges) != sorted(set(edges)):
                raise ValueError(f"{name} {list(edges)} must rise")
        return self


class Probe(Settings):
    """Measures on models, trained and untrained; see `lookback.probes`. `evaluate` gives resamples, confidence and
    seed."""

    sentences: Count = 50
    """Number of test sentences to probe."""
    largest_lag: Count = 40
    """For recurrent encoders: the last state is compared with earlier states, up to this many steps back."""


class Speed(Settings):
    """Timing of the steps of untrained models against source length; see `lookback.probes.speed`."""

    source_pieces: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 20, 40, 80)
    target_pieces: Count = 20
    sentences: Count = 16
    rounds: Count = 15
