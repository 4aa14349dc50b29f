"""How well features separate what people tell apart, in numbers and in two dimensions."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass

import numpy as np

from rasd_nnu.errors import DatasetError, SetupError
from rasd_nnu.features.images import FloatArray
from rasd_nnu.features.points import Points

#: Points that the silhouette and the embedding take at most; both grow with their square.
MOST = 3000
_FOLDS = 5


@dataclass(frozen=True)
class Separation:
    """Two numbers about one kind of points.

    Args:
        kind: Kind of points.
        points: How many.
        classes: How many.
        cases: How many.
        silhouette: Mean silhouette by cosine distance, -1 to 1 (Rousseeuw 1987); higher is better apart.
        probe: Balanced accuracy of a logistic regression, 0 to 1, on cases that it was not fitted to.
        chance: What guessing would give.
    """

    kind: str
    points: int
    classes: int
    cases: int
    silhouette: float
    probe: float
    chance: float


def separation(points: Points, seed: int = 0) -> Separation:
    """Measure how well the classes of points separate.

    The probe is fitted and judged on different cases (five folds, or leaving one case out where there are fewer).

    Raises:
        DatasetError: If there are fewer than two classes, or a class is in fewer than two cases.
    """
    from sklearn.metrics import silhouette_score

    classes, cases = np.unique(points.classes), np.unique(points.groups)
    few = next((c for c in classes if len(np.unique(points.groups[points.classes == c])) < 2), None)
    if len(classes) < 2 or few is not None:
        what = f"{few!r} is in one case only" if few is not None else f"there is one class only ({classes[0]!r})"
        raise DatasetError(
            f"separation of {points.kind}: {what}; expected two classes or more, each in two cases or more. Give more "
            "images."
        )
    some = subset(points, seed)
    silhouette = silhouette_score(some.values, some.classes, metric="cosine")
    return Separation(
        points.kind, len(points.classes), len(classes), len(cases), float(silhouette), _probe(points), 1 / len(classes)
    )


def _probe(points: Points) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    least = min(len(np.unique(points.groups[points.classes == c])) for c in np.unique(points.classes))
    folds = StratifiedGroupKFold(min(_FOLDS, least), shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predicted = cross_val_predict(model, points.values, points.classes, groups=points.groups, cv=folds)
    return float(balanced_accuracy_score(points.classes, predicted))


def subset(points: Points, seed: int) -> Points:
    """Return the points, or `MOST` of them drawn at random."""
    if len(points.classes) <= MOST:
        return points
    chosen = np.sort(np.random.default_rng(seed).choice(len(points.classes), MOST, replace=False))
    return Points(points.kind, points.values[chosen], points.classes[chosen], points.groups[chosen])


def embed(values: FloatArray, method: str = "tsne", seed: int = 0) -> FloatArray:
    """Project features ``(N, F)``, scaled to length 1, to two dimensions by cosine distance.

    Args:
        values: The features.
        method: ``tsne`` (van der Maaten and Hinton 2008) or ``umap`` (McInnes et al. 2018).
        seed: Of the method.

    Returns:
        ``(N, 2)``.

    Raises:
        SetupError: If UMAP is asked for and missing.
    """
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    if method == "umap":
        if importlib.util.find_spec("umap") is None:
            raise SetupError("UMAP is not installed. Fix it with: pip install umap-learn, or leave --embedding out.")
        import umap

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a seed means one thread
            return np.asarray(umap.UMAP(metric="cosine", random_state=seed).fit_transform(unit), np.float32)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(unit) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(unit)
    return np.asarray(found, np.float32)
