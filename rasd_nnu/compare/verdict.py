"""The result in one honest sentence, and what has to be said beside it."""

from __future__ import annotations

from collections.abc import Sequence

from rasd_nnu.compare.result import Comparison, PairedStatistics

ALPHA = 0.05

#: What another training run changes, where this is known: two arms of the same recipe on three small data sets.
OTHER_RUNS = (
    "in this project's few-shot trainings of 1000 iterations, the standard deviation of the difference over seeds was "
    "0.0002 to 0.018 Dice, and far more where a training collapsed (docs/reference/few_shot.md)"
)


def format_p(p: float) -> str:
    """Write a p-value so that it is never shown as zero.

    Example:
        >>> format_p(0.03125), format_p(0.00049), format_p(1e-9)
        ('= 0.031', '= 0.00049', '< 1e-06')
    """
    if p < 1e-6:
        return "< 1e-06"
    return f"= {p:.3f}" if p >= 0.001 else f"= {p:.2g}"


def verdict(
    names: tuple[str, str], result: PairedStatistics, recipe_differences: Sequence[str], failed: Sequence[str] = ()
) -> str:
    """Say what the primary analysis shows about arm A against arm B, and what it does not.

    Args:
        names: Names of arm A and arm B.
        result: Statistics of the primary score.
        recipe_differences: What else differs between the arms; then no effect is ascribed to the weights.
        failed: Arms all of whose trainings collapsed; then no quality is compared, whatever the numbers.
    """
    a, b = names
    low, high = result.interval.low, result.interval.high
    interval = f"difference {result.difference:+.4f}, 95 % CI {low:+.4f} to {high:+.4f}"
    n = f"n = {result.n_units}" + (f", {result.n_seeds} seeds" if result.n_seeds > 1 else "")
    numbers = f"{interval}; p {format_p(result.p)}, {n}"
    if failed:
        sentence = _of_failed(names, failed, numbers)
    elif result.p < ALPHA:
        better = "better" if result.favour > 0 else "worse"
        sentence = f"{a} is {better} than {b} ({numbers})." + _not_by_these(result)
    elif result.ties == result.n_units:
        sentence = f"{a} and {b} have the same score in all {result.n_units} cases: there is no difference to test."
    elif result.smallest_p is not None and result.smallest_p >= ALPHA:
        ties = f", {result.ties} of them without a difference," if result.ties else ""
        sentence = (
            f"Whether {a} or {b} is better cannot be shown: the test cannot reach p < {ALPHA} with "
            f"n = {result.n_units}{ties} (smallest possible p {format_p(result.smallest_p)}; {interval})."
        )
    else:
        sentence = f"No difference shown between {a} and {b} ({numbers}); this does not show that they are equal."
    if recipe_differences:
        sentence += " The arms differ in more than the initial weights, so nothing here is due to them alone."
    return sentence


def _of_failed(names: tuple[str, str], failed: Sequence[str], numbers: str) -> str:
    """Return the sentence for arms that learned nothing: their numbers are no statement about quality."""
    if len(failed) == 2:
        return f"All trainings of {names[0]} and of {names[1]} collapsed: there is no quality to compare ({numbers})."
    other = names[1] if failed[0] == names[0] else names[0]
    return (
        f"All trainings of {failed[0]} collapsed: the difference from {other} is that of a failed training, not one in "
        f"quality ({numbers})."
    )


def _not_by_these(result: PairedStatistics) -> str:
    """Return the sentence for seeds that agree by chance, so that more is claimed of others than of themselves."""
    if result.crossed is None or result.crossed.these_seeds.p < ALPHA:
        return ""
    return (
        f" It rests on how closely the {result.n_seeds} seeds agree: these trainings alone do not show it "
        f"(p {format_p(result.crossed.these_seeds.p)})."
    )


def about_seeds(comparison: Comparison) -> str:
    """Say what the p-value covers, and what another training run could change."""
    result = comparison.overall
    unit = "patients" if comparison.grouped else "cases"
    if result.method == "crossed" and result.crossed is not None:
        return f"The p-value and the interval cover other {unit} and other training seeds. {_what_would_help(result)}"
    known = OTHER_RUNS if comparison.kind == "segmentation" else "by how much is not known for this kind of task"
    return (
        f"The p-value and the interval cover the choice of {unit}, not that of the training seed: another run may "
        f"differ; {known}."
    )


def _what_would_help(result: PairedStatistics) -> str:
    """Say whether seeds or patients are the larger part of the variance of the mean difference."""
    assert result.crossed is not None
    parts = result.crossed.components
    seed = max(parts.seed, 0.0) / parts.n_seeds
    patient = max(parts.patient, 0.0) / parts.n_patients
    rest = max(parts.residual, 0.0) / (parts.n_seeds * parts.n_patients)
    total = seed + patient + rest
    if total <= 0:
        return "Nothing varies."
    advice = "more seeds or more patients would help alike"
    if seed != patient:
        advice = f"more {'seeds' if seed > patient else 'patients'} would help most"
    return (
        f"Of the variance of the difference, {seed / total:.0%} comes from seeds, {patient / total:.0%} from patients "
        f"and {rest / total:.0%} from both together: {advice}."
    )


def about_sizes(comparison: Comparison) -> str:
    """Say how many patients, and seeds, it takes to see the difference; empty where it cannot be said."""
    sizes = comparison.overall.sizes
    if sizes is None or comparison.failed:
        return ""
    unit = "patients" if comparison.grouped else "cases"
    ways = [f"{sizes.patients} {unit}"] if sizes.patients is not None else []
    if comparison.overall.n_seeds > 1:
        ways = [f"{way} with these seeds" for way in ways]
        ways += [f"{sizes.seeds} seeds with these {unit}"] if sizes.seeds is not None else []
    need = f"it takes {' or '.join(ways)}" if ways else f"10 000 {unit} are not enough"
    return (
        f"To see a difference of {abs(sizes.difference):.4f} with a power of {sizes.target:.0%}, {need} (power now "
        f"{sizes.power:.0%})."
    )


def about_margin(comparison: Comparison) -> str:
    """Say whether the arms are equivalent, or A not worse, within the margin; empty where none was given."""
    found = comparison.overall.equivalence
    if found is None:
        return ""
    a, b = comparison.names
    if comparison.failed:
        return f"Within a margin of {found.margin:g}, nothing is claimed, as all trainings of an arm collapsed."
    if found.equivalent:
        claim = f"{a} and {b} are equivalent"
    else:
        claim = f"{a} is not worse than {b}" if found.not_worse else f"that {a} is not worse than {b} is not shown"
    p = found.p if found.equivalent else found.p_not_worse
    return f"Within a margin of {found.margin:g}, {claim} (p {format_p(p)})."
