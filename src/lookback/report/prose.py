"""The rest of the report's text: what was measured, whether it is fair, how to read it, and its limits.

Like `claims`, it is written from the numbers and the configuration, with the same mark-up.
"""

import math
from collections.abc import Iterable, Sequence

from lookback.architectures import ARCHITECTURES
from lookback.config import Experiment, FragmentCorpus, NetworkSettings
from lookback.evaluation.systems import SPARSE
from lookback.rendering.wording import code, decimal, integer, listed
from lookback.report.claims import TOO_LOW
from lookback.report.results import Results, RunResult
from lookback.stats.buckets import ALL_LENGTHS

LANGUAGES = {"cs": "Czech", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian"}


def measured(results: Results) -> str:
    """What was measured, and on what."""
    experiment, grid = results.experiment, results.experiment.grid
    models, lengths, seeds = len(set(grid.models)), sorted(set(grid.max_train_words)), len(results.seeds)
    unknown = ", the unknown word never written" if experiment.translate.ban_unknown else ""
    without = "; the dictionary has no search" if results.dictionaries else ""
    return (
        f"{_count(models, 'model')}, each trained on sentences of up to {listed(lengths)} words "
        f"with {_count(seeds, 'seed')}, translate the same {integer(results.n(ALL_LENGTHS))} test sentences from "
        f"{direction(experiment)} by beam search (beam {experiment.translate.beam}, "
        f"length penalty {experiment.translate.length_penalty:g}{unknown}{without}). The training length binds both "
        "sides of a pair; validation and test sets are not cut."
    )


def direction(experiment: Experiment) -> str:
    """`English to German`"""
    source, target = experiment.source_language, experiment.target_language
    return f"{LANGUAGES.get(source, source)} to {LANGUAGES.get(target, target)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def models(results: Results) -> list[str]:
    """What each model of the grid is; and the settings in which models of one architecture differ."""
    experiment = results.experiment
    settings = {name: experiment.models[name] for name in dict.fromkeys(experiment.grid.models)}
    texts = []
    for name, model in settings.items():
        alike = [other.model_dump() for other in settings.values() if other.architecture == model.architecture]
        differing = [key for key in alike[0] if any(other[key] != alike[0][key] for other in alike)]
        shown = [f"{code(key)} {getattr(model, key)}" for key in differing if key != "optimiser"]
        averaged = 0
        if isinstance(model, NetworkSettings):
            averaged = model.average_checkpoints
            averaged = experiment.train.average_checkpoints if averaged is None else averaged
        if averaged:
            shown.append(f"its weights are the mean of those at the last {_count(averaged, 'validation')}")
        entry = ARCHITECTURES[model.architecture]
        more = "".join(f"; {text}" for text in shown)
        texts.append(f"{code(name)} ({entry.display_name}): {entry.description}{more}.")
    return texts


# --- is the comparison fair -------------------------------------------------------------------------------------------


def comparison(results: Results) -> list[str]:
    """What differs between two runs besides the architecture."""
    texts = [batches(results), budget(results), parameters(results), falling(results)] if results.networks else []
    return [text for text in (*texts, *dictionaries(results)) if text]


def dictionaries(results: Results) -> list[str]:
    """What the dictionaries were learned from; the rest of the comparison is about networks."""
    told = [
        f"{code(result.run.name)} has {integer(result.get('entries'))} entries, learned from "
        f"{integer(result.get('sentences'))} pairs"
        for result in results.dictionaries
    ]
    if not told:
        return []
    return [f"A dictionary is no network, and has no batches, parameters or validation loss: {listed(told)}."]


def batches(results: Results) -> str:
    """Whether the networks of one training length and seed were trained on the same batches."""
    groups: dict[str, list[RunResult]] = {}
    for result in results.networks:
        groups.setdefault(f"{result.run.max_train_words} words, seed {result.run.seed}", []).append(result)
    groups = {where: group for where, group in groups.items() if len(group) > 1}
    if not groups:
        return "There is one model for each training length and seed, so there are no batches to compare."
    unequal, unknown = [], []
    for where, group in groups.items():
        prints = [result.get("batches_fingerprint") for result in group]
        if None in prints:
            unknown.append(where)
        elif len(set(prints)) > 1:
            named = [f"{code(result.run.name)} {print_[:12]}" for result, print_ in zip(group, prints, strict=True)]
            unequal.append(f"{where} ({listed(named)})")
    if unequal:
        return f"**The models did not see the same batches** at {listed(unequal)}: their scores differ in data too."
    if unknown:
        return f"Whether the models saw the same batches was not recorded at {listed(unknown)}."
    return (
        "For each training length and seed all networks saw the same batches in the same order: the fingerprints of "
        "what they were fed agree."
    )


def budget(results: Results) -> str:
    """Whether all networks, or those of one training length, were trained on equally many target tokens."""
    if results.experiment.train.target_tokens_by_length is not None:
        of_length = {
            words: [result for result in results.networks if result.system.max_train_words == words]
            for words in results.experiment.grid.max_train_words
        }
        return " ".join(
            f"Up to {words} words: {_budget(runs)[0].lower()}{_budget(runs)[1:]}" for words, runs in of_length.items()
        )
    return _budget(results.networks)


def _budget(runs: Sequence[RunResult]) -> str:
    tokens = [result.get("target_tokens") for result in runs]
    if not all(tokens):
        return "The number of target tokens was not recorded for every run."
    low, high = min(tokens), max(tokens)
    if low == high:
        return f"Every network was trained on {integer(low)} target tokens."
    if high / low <= 1.01:
        return (
            f"The networks were trained on {integer(low)} to {integer(high)} target tokens, within 1 % of each other."
        )
    return (
        f"**The training budgets differ**: {integer(low)} to {integer(high)} target tokens, "
        f"{decimal(high / low, 2)} times as many."
    )


def parameters(results: Results) -> str:
    """Whether the models are of similar size; empty for a single model."""
    sizes = {result.system.model: result.get("parameters") for result in results.runs if result.get("parameters")}
    if len(sizes) < 2:
        return ""
    small, large = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    ratio = sizes[large] / sizes[small]
    text = (
        f"The largest model, {code(large)}, has {decimal(ratio, 2)} times the parameters of the smallest, {code(small)}"
    )
    return text + ("." if ratio <= 1.25 else ": **they are not of one size**, and the scores differ in that too.")


def falling(results: Results) -> str:
    """Names the runs whose validation loss was still falling when training ended."""
    fell = [code(result.run.name) for result in results.networks if result.still_falling]
    unknown = [code(result.run.name) for result in results.networks if result.still_falling is None]
    texts = []
    if fell:
        texts.append(
            f"The validation loss was still falling when the training of {listed(fell)} ended: "
            f"{'it' if len(fell) == 1 else 'they'} may gain from more training."
        )
    if unknown:
        texts.append(f"Whether the validation loss of {listed(unknown)} was still falling was not recorded.")
    return " ".join(texts) or "No run's validation loss was still falling when its training ended."


def speed_ratio(results: Results, result: RunResult) -> float:
    """Target tokens a second, relative to the RNN encoder-decoder of the same training length, seed and hardware."""
    for other in results.runs:
        if (
            results.architecture(other.system).kind == "fixed state"
            and (other.run.max_train_words, other.run.seed) == (result.run.max_train_words, result.run.seed)
            and all(other.get(key) == result.get(key) for key in ("hardware", "precision"))
        ):
            ours, theirs = result.get("tokens_per_second"), other.get("tokens_per_second")
            return ours / theirs if ours and theirs else math.nan
    return math.nan


# --- how to read it ---------------------------------------------------------------------------------------------------


def reading(results: Results) -> list[str]:
    """How the intervals are computed, what they cover, and what the statements rest on."""
    settings = results.experiment.evaluate
    texts = [
        f"A score stands with its {100 * settings.confidence:g} % interval in brackets: the percentile bootstrap over "
        f"the sentences of the bucket ({integer(settings.resamples)} resamples of n sentences, drawn with "
        "replacement). It tells how far the score would move with another test set of the same kind and size."
    ]
    if len(results.seeds) == 1:
        texts.append(
            "The intervals do not cover chance in training: each system was trained once, with one seed, and another "
            "seed gives other weights."
        )
    else:
        texts.append(
            f"Each system was trained with {len(results.seeds)} seeds ({listed(results.seeds)}). A score is the mean "
            "over them; its brackets run from the lowest lower bound to the highest upper bound of the seeds' "
            "intervals. The figures mark each seed. That is no interval over all possible seeds."
        )
    counter = {"whitespace": "at white space", "moses": "with the Moses tokenizer"}
    texts += [
        "A sentence says that a score falls, or differs from another, only if a paired bootstrap test shows it "
        f"(p < {1 - settings.confidence:g}; Riezler and Maxwell 2005), after correction where one question is asked of "
        "several buckets or sets (Holm 1979). Number and interval are those of the test, in comparisons.csv: they "
        "come from unrounded scores, so the printed scores may give another last digit. Two scores under "
        f"{TOO_LOW:g} BLEU are too low to fall. Probes and published curves have no test: there a difference is "
        "claimed only if the intervals do not meet.",
        f"Length is counted in source words, split {counter[results.experiment.prepare.word_tokenizer]}; the bounds of "
        "a bucket are included. Two effects are kept apart: what a model loses within the lengths it was trained on "
        "(*capacity*), and what it loses beyond them (*extrapolation*), where any model meets lengths it has never "
        "seen.",
    ]
    sparse = [f"{bucket} (n = {results.n(bucket)})" for bucket in results.buckets if 0 < results.n(bucket) < SPARSE]
    if sparse:
        texts.append(
            f"Buckets with fewer than {SPARSE} sentences are marked † and no statement is made from them: "
            f"{listed(sparse)}."
        )
    if empty := [bucket for bucket in results.buckets if not results.n(bucket)]:
        texts.append(f"The test set has no sentence of {listed(empty)} words.")
    return texts


def alternative(results: Results, column: str, label: str, digits: int = 1) -> str:
    """A figure of a column against length, in words."""
    lines = []
    for system in results.systems:
        scores = [(bucket, results.score(system, bucket, column).value) for bucket in results.buckets]
        told = [f"{decimal(value, digits)} at {bucket}" for bucket, value in scores if not math.isnan(value)]
        if told:
            lines.append(f"{system.name}: {', '.join(told)}.")
    return f"{label} by source words. {' '.join(lines)}"


def alternative_of_curves(results: Results) -> str:
    """The figure of the training curves, in words."""
    lines = []
    for result in results.runs:
        losses = [point.valid_loss for point in result.curves if not math.isnan(point.valid_loss)]
        if losses:
            lines.append(f"{result.run.name}: from {decimal(losses[0], 2)} down to {decimal(min(losses), 2)}.")
    return f"Validation loss during training. {' '.join(lines)}"


# --- limits -----------------------------------------------------------------------------------------------------------


def limits(results: Results) -> list[str]:
    """What these results do not show."""
    experiment = results.experiment
    texts = [
        f"One test set and one direction, {direction(experiment)}; other texts and languages may behave differently."
    ]
    if isinstance(experiment.corpus, FragmentCorpus):
        texts.append(
            "The corpus is generated by a grammar: no idiom, no noise, no ambiguity that takes knowledge of the world. "
            "It shows what the architectures do with length and structure; scores on it say nothing of natural text."
        )
    texts += [
        *_seeds(results),
        "BLEU is best compared between systems within a bucket. From bucket to bucket the references differ too, and "
        "with them what one wrong word costs; the loss per target piece is a second view, which the search does not "
        "touch.",
        "BLEU and chrF compare with one reference. No person has judged these translations.",
    ]
    texts += [falling(results)] if any(result.still_falling for result in results.runs) else []
    texts += [text for text in comparison(results) if "**" in text]
    texts += [
        f"The bucket {bucket} lies partly within and partly beyond training on up to {words} words; no statement on "
        "either uses it."
        for words, bucket in _straddled(results)
    ]
    if dirty := [code(result.run.name) for result in results.runs if result.get("git_dirty")]:
        texts.append(
            f"{listed(dirty)} ran with changes that were not committed: the commit does not describe them fully."
        )
    return texts


def _seeds(results: Results) -> Iterable[str]:
    if len(results.seeds) == 1:
        yield "Each system has one seed: how much training runs differ was not measured."
        return
    spreads = {
        system: max(seeds) - min(seeds)
        for system in results.systems
        if not any(map(math.isnan, seeds := results.score(system, ALL_LENGTHS).seeds))
    }
    if spreads:
        system = max(spreads, key=spreads.__getitem__)
        yield (
            f"{len(results.seeds)} seeds a system: over all lengths they differ by up to {decimal(spreads[system])} "
            f"BLEU ({code(system.name)}). So few seeds say little about others."
        )


def _straddled(results: Results) -> list[tuple[int, str]]:
    return [
        (words, str(bucket))
        for words in sorted({system.max_train_words for system in results.systems})
        for bucket in results.buckets
        if (bucket.low or 0) <= words and bucket.high != 0 and not results.within(words, bucket)
    ]
