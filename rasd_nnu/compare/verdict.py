"""The result in one honest sentence."""

from __future__ import annotations

from rasd_nnu.compare.result import PairedStatistics

ALPHA = 0.05


def format_p(p: float) -> str:
    """Write a p-value so that it is never shown as zero.

    Example:
        >>> format_p(0.03125), format_p(0.00049), format_p(1e-9)
        ('= 0.031', '= 0.00049', '< 1e-06')
    """
    if p < 1e-6:
        return "< 1e-06"
    return f"= {p:.3f}" if p >= 0.001 else f"= {p:.2g}"


def verdict(names: tuple[str, str], result: PairedStatistics, recipe_differences: list[str]) -> str:
    """Say what the paired permutation test shows about arm A against arm B, and what it does not.

    Args:
        names: Names of arm A and arm B.
        result: Statistics of the mean over the labels.
        recipe_differences: What else differs between the arms; then no effect is ascribed to the weights.
    """
    a, b = names
    low, high = result.interval.low, result.interval.high
    interval = f"difference {result.difference:+.4f}, 95 % CI {low:+.4f} to {high:+.4f}"
    numbers = f"{interval}; permutation p {format_p(result.signflip.p)}, n = {result.n_units}"
    if result.signflip.p < ALPHA:
        better = "better" if result.difference > 0 else "worse"
        sentence = f"{a} is {better} than {b} ({numbers})."
    elif result.signflip.smallest_p >= ALPHA:
        ties = f", {result.ties} of them without a difference," if result.ties else ""
        sentence = (
            f"Whether {a} or {b} is better cannot be shown: the test cannot reach p < {ALPHA} with "
            f"n = {result.n_units}{ties} (smallest possible p {format_p(result.signflip.smallest_p)}; {interval})."
        )
    else:
        sentence = f"No difference shown between {a} and {b} ({numbers}); this does not show that they are equal."
    if recipe_differences:
        sentence += " The arms differ in more than the initial weights, so nothing here is due to them alone."
    return sentence
