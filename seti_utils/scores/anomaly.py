"""Anomaly scores: how far a cadence's features lie from those of negatives, and from everything that was trained on.

``references`` are features (N, D) of rows that are known to be ordinary; ``features`` (M, D) those to be judged. A
distance is turned into a score by its rank among the references' own distances, each measured without the row itself.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage
from sklearn.model_selection import KFold
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from seti_utils.errors import InputError
from seti_utils.wording import quantity

PARTS = 5
"""Parts of the references of which each is measured by the others."""


def knn(references: np.ndarray, features: np.ndarray, neighbours: int) -> np.ndarray:
    """The mean Euclidean distance to the ``neighbours`` nearest references (Ramaswamy 2000), (M,)."""
    found = NearestNeighbors(n_neighbors=neighbours).fit(references)
    return found.kneighbors(features)[0].mean(1)


def mahalanobis(references: np.ndarray, features: np.ndarray, neighbours: int) -> np.ndarray:
    """The Mahalanobis distance to the references' mean, under a shrunk covariance (Ledoit & Wolf 2004), (M,).

    The covariance is c C'C + r I, of N centred references C (N, D). With fewer references than features, a few hundred of
    thousands, it is inverted where it has its rank, in N dimensions (Woodbury), and by its Cholesky factor otherwise.
    """
    count, width = references.shape
    centred, away = references - references.mean(0), features - references.mean(0)
    shrinkage = ledoit_wolf_shrinkage(references)
    c, r = (1 - shrinkage) / count, shrinkage * np.mean(centred**2)
    if r <= 0:  # features that do not vary, or lie on a line
        return np.sqrt(np.maximum(LedoitWolf().fit(references).mahalanobis(features), 0))
    if count >= width:
        factor = np.linalg.cholesky(c * centred.T @ centred + r * np.eye(width))
        return np.linalg.norm(solve_triangular(factor, away.T, lower=True), axis=0)
    factor = np.linalg.cholesky(c * centred @ centred.T + r * np.eye(count))
    inside = solve_triangular(factor, centred @ away.T, lower=True)
    return np.sqrt(np.maximum((away**2).sum(1) - c * (inside**2).sum(0), 0) / r)


def lof(references: np.ndarray, features: np.ndarray, neighbours: int) -> np.ndarray:
    """The local outlier factor (Breunig 2000): how much sparser a row's surroundings are than its neighbours', (M,)."""
    found = LocalOutlierFactor(n_neighbors=neighbours, novelty=True).fit(references)
    return -found.score_samples(features)


DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {"knn": knn, "mahalanobis": mahalanobis, "lof": lof}


def measure(references: np.ndarray, features: np.ndarray, how: str, neighbours: int = 10) -> np.ndarray:
    """The distance of every row of ``features`` from ``references`` by ``how``: float64 (M,).

    Features are divided by the references' standard deviations first. Raises ``InputError`` for an unknown ``how``, too
    few references, and features that are not finite.
    """
    if how not in DISTANCES:
        raise InputError(f"unknown distance {how!r}", remedy=f"choose one of {', '.join(DISTANCES)}")
    if not 1 <= neighbours < len(references):
        raise InputError(
            f"{quantity(len(references), 'reference')} for {quantity(neighbours, 'neighbour')}",
            remedy="take fewer neighbours or more rows",
        )
    if not (np.isfinite(references).all() and np.isfinite(features).all()):
        raise InputError("features that are not finite", where="anomaly", remedy="look for a network that diverged")
    spread = references.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    return DISTANCES[how](references / scale, features / scale, neighbours)


def measure_others(features: np.ndarray, reference: np.ndarray, how: str, neighbours: int = 10, seed: int = 0) -> np.ndarray:
    """The distance of every row from the references among the *other* rows: float64 (N,).

    ``reference`` bool (N,) marks those rows of ``features`` that serve as references. All rows are dealt into ``PARTS``;
    each part is measured by the references of the other parts, so no row is its own neighbour, and a reference is
    treated as any other row.
    """
    distance = np.empty(len(features))
    parts = min(PARTS, len(features))
    for others, own in KFold(parts, shuffle=True, random_state=seed).split(features):
        distance[own] = measure(features[others][reference[others]], features[own], how, neighbours)
    return distance


def as_score(distance: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """The share of the ``ordinary`` distances that are smaller, in [0, 1]; equal ones count half."""
    ordinary = np.sort(ordinary)
    below, upto = (np.searchsorted(ordinary, distance, side=side) for side in ("left", "right"))
    # A rank alone would tie everything farther than the farthest: beyond it the score creeps on towards 1.
    rank = (below + upto) / (2 * len(ordinary))
    reach = max(ordinary[-1], np.finfo(float).tiny)
    beyond = np.clip(1 - reach / np.maximum(distance, reach), 0, 1)
    return (rank * len(ordinary) + beyond) / (len(ordinary) + 1)


def reject(distance: np.ndarray, ordinary: np.ndarray, level: float = 0.01) -> np.ndarray:
    """Bool (M,): rows farther than all but a share ``level`` of the ``ordinary`` ones: no score of theirs is to be trusted."""
    if not 0 < level < 1:
        raise InputError(
            f"level {level} is not a share between 0 and 1", where="reject", remedy="0.01 rejects one in a hundred ordinary rows"
        )
    return distance > np.quantile(ordinary, 1 - level)
