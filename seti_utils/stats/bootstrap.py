"""The bootstrap: how much a number would vary if other rows of the same kinds had been drawn (Efron & Tibshirani 1993)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from seti_utils.errors import InputError
from seti_utils.wording import quantity


def redrawn(strata: Sequence[ArrayLike], draws: int, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each row comes, draw by draw: int64 (n,), ``draws`` times.

    ``strata`` are row numbers, together 0 to n - 1 each once: every draw takes from each stratum as many rows as it has,
    with replacement. The same seed gives the same draws.
    """
    rows = [np.asarray(stratum, np.int64) for stratum in strata]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(draws):
        times = np.zeros(sum(map(len, rows)), np.int64)
        for stratum in rows:
            drawn = torch.randint(len(stratum), (len(stratum),), generator=generator).numpy()
            times[stratum] = np.bincount(drawn, minlength=len(stratum))
        yield times


def repeated(times: np.ndarray) -> np.ndarray:
    """The rows of a draw, each as often as it comes, for a statistic that takes rows instead of weights."""
    return np.repeat(np.arange(len(times)), times)


def quantile_interval(values: Sequence[ArrayLike], level: float = 0.95) -> tuple[Any, Any]:
    """Low and high end of the middle ``level`` of ``values`` along their first axis; NaN does not count."""
    low, high = np.nanquantile(np.asarray(values, np.float64), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def bootstrap(
    statistic: Callable[[np.ndarray], ArrayLike],
    strata: Sequence[ArrayLike],
    *,
    groups: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Any, Any]:
    """Percentile interval (low, high) of ``statistic``, a function of how often each row comes (:func:`redrawn`).

    A statistic may give one number or an array of them: the ends are floats or arrays alike. With ``groups``, a label for
    every row, whole groups are drawn and ``strata`` is not used: rows that share something, the same sky for example, are
    not independent witnesses. Raises ``InputError`` for fewer than two draws or a level outside (0, 1).
    """
    if draws < 2 or not 0.0 < level < 1.0:
        problem = f"{quantity(draws, 'draw')} at level {level}"
        raise InputError(problem, where="bootstrap", remedy="take 2 draws or more and 0 < level < 1")
    if groups is None:
        return quantile_interval([statistic(times) for times in redrawn(strata, draws, seed)], level)
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    every = [np.arange(group.max() + 1)]
    return quantile_interval([statistic(times[group]) for times in redrawn(every, draws, seed)], level)
