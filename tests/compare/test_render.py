from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from rasd_nnu.compare import Comparison, compare_summaries
from rasd_nnu.compare.render import print_comparison

Write = Callable[..., Path]
Train = Callable[..., Path]


def _text(comparison: Comparison, width: int = 80) -> str:
    stream = io.StringIO()
    print_comparison(comparison, Console(file=stream, width=width))
    return stream.getvalue()


def test_shows_the_whole_result(train: Train) -> None:
    absent = {"TP": 0, "FP": 7, "FN": 0}
    scores = {f"c{i}": {"1": 0.5 + i / 100, "2": 0.5} for i in range(6)}
    a = train("RaSDTrainer", scores | {"c6": {"1": 0.76, "2": absent}})
    b = train("RaSDTrainer_scratch", {c: {"1": 0.4, "2": 0.5} for c in scores} | {"c6": {"1": 0.7, "2": None}})
    comparison = compare_summaries(
        a / "validation" / "summary.json", b / "validation" / "summary.json", names=("rasd", "[scratch]")
    )
    text = _text(comparison)
    for expected in (
        "rasd, mean ± sd",
        "[scratch], mean ± sd",
        "p, plain permutation (exact)",
        "0.016",
        "smallest p that n can reach",
        "7 / 0 / 0",
        "Hodges-Lehmann",
        "probability of improvement",
        "another run may differ",
        "To see a difference of",
        "1 Anterior",
        "p Holm",
        "False positives in cases whose reference lacks the label",
        "NaN rule: reference",
        "interval unreliable with n = 7",
        "98.0% of the parameters",
        "rasd is better than [scratch]",
    ):
        assert expected in text, expected
    assert "0.000 " not in text


def test_says_when_n_is_too_small(write_summary: Write) -> None:
    a = write_summary("a.json", {f"c{i}": 0.5 + i / 10 for i in range(1, 5)})
    text = _text(compare_summaries(a, write_summary("b.json", {f"c{i}": 0.5 for i in range(1, 5)})))
    assert "0.125: cannot reach 0.05 with n = 4" in text


def test_shows_each_seed_and_its_spread(write_summary: Write) -> None:
    arms = [
        {s: [write_summary(f"{arm}{s}.json", {"c1": base, "c2": base + s / 10})] for s in (0, 1)}
        for arm, base in (("a", 0.5), ("b", 0.4))
    ]
    text = _text(compare_summaries(*arms))
    assert "Mean of each seed" in text
    assert "sd over seeds" in text
    assert "0.0354" in text  # sd of 0.50 and 0.55


def test_lists_only_the_first_differences_of_recipes(train: Train) -> None:
    keys = ["num_epochs", "batch_size", "initial_lr", "weight_decay", "optimizer", "loss", "device", "gpu_name"]
    keys += ["torch_version", "enable_deep_supervision", "configuration_name", "probabilistic_oversampling"]
    scores = {f"c{i}": 0.5 + i / 100 for i in range(6)}
    a = train("RaSDTrainer", scores, **dict.fromkeys(keys, "1"))
    b = train("nnUNetTrainer", dict.fromkeys(scores, 0.5), **dict.fromkeys(keys, "2"))
    comparison = compare_summaries(a / "validation" / "summary.json", b / "validation" / "summary.json")
    text = _text(comparison, width=200)
    assert text.count("Recipe differs in debug.json: ") == 10
    assert "and in 2 more" in text
