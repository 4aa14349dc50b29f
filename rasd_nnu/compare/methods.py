"""A paragraph for the methods section, of what was really done."""

from __future__ import annotations

from rasd_nnu import __version__
from rasd_nnu.compare.collapse import count_collapsed
from rasd_nnu.compare.result import Comparison
from rasd_nnu.compare.scoring import DESCRIPTIONS
from rasd_nnu.compare.study import Study

_TESTS = {
    "mean": "The mean paired difference was tested with a skewness-corrected studentised sign-flip test (Hall 1992; "
    "Janssen 1997); the 95 % confidence interval holds the values that this test does not reject.",
    "crossed": "Training seeds and {unit} were treated as crossed random effects, as readers and cases are in "
    "multi-reader multi-case studies (Obuchowski and Rockette 1995; Dorfman, Berbaum and Metz 1992), with critical "
    "values weighted after Cochran and Cox (1950); a two-way bootstrap (Owen 2007) serves as a second opinion.",
    "delong": "AUCs were compared with the test of DeLong et al. (1988), for clustered data after Obuchowski (1997).",
    "bootstrap": "{unit} were resampled 2,000 times, both arms together; the 95 % confidence interval is the "
    "percentile interval.",
}


def methods_paragraph(study: Study) -> str:
    """Describe the analysis in sentences that a paper can take over."""
    first = study.entries[0].comparison
    unit = "patients" if first.grouped else "cases"
    ways = dict.fromkeys(entry.comparison.overall.method for entry in study.entries)
    arms = dict.fromkeys(entry.comparison.names[0] for entry in study.entries)
    n = sorted({entry.comparison.overall.n_units for entry in study.entries})
    text = [
        f"{', '.join(arms)} {'was' if len(arms) == 1 else 'were'} compared with {study.control} on the same held-out "
        f"cases ({_range(n)} {unit} a comparison). The score is {_scores(study)}.",
        _missing(first),
        *(_TESTS[way].format(unit=unit) for way in ways),
    ]
    if len(study.entries) > 1:
        text.append("P-values were corrected over the comparisons (Holm 1979).")
    if study.across:
        text.append(
            "Over data sets, the mean differences of the data sets are the units (Demsar 2006), tested likewise, "
            "with the "
            f"Bayesian signed-rank test and a region of practical equivalence of {study.across[0].result.bayes.rope:g} "
            "(Benavoli et al. 2017)."
        )
    if study.rankings:
        text.append("The arms were ranked with Friedman's test and Nemenyi's critical difference.")
    if failed := count_collapsed(entry.comparison for entry in study.entries):
        what = "1 training collapsed and is" if failed == 1 else f"{failed} trainings collapsed and are"
        text.append(f"{what} part of all figures.")
    text.append(f"Computed with rasd_nnu {__version__}.")
    return " ".join(part for part in text if part)


def _range(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _scores(study: Study) -> str:
    names = dict.fromkeys(entry.comparison.score for entry in study.entries)
    means = {
        "Dice": "the Dice coefficient, averaged over the labels of a case",
        "AUC": "the area under the ROC curve",
        "mean AUC": "the area under the ROC curve, averaged over the classes",
    }
    return " and ".join(means.get(name, f"the {name}") for name in names)


def _missing(comparison: Comparison) -> str:
    described = DESCRIPTIONS.get(comparison.nan_rule)
    return f"Absent labels: {described}." if described else ""
