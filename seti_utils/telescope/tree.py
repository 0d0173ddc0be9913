"""Sums along drifting tracks of one panel: Taylor's tree (1974), for any number of rows and any set of drifts.

Two halves of the rows are summed along every drift that they need, then joined at the shift between them, and so on: a
sum costs about the logarithm of the rows instead of their number. Shifts are rounded to whole channels at every join.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


def rounded(numerator: int, denominator: int) -> int:
    """The nearest whole number of ``numerator / denominator``, halves away from zero: both signs alike."""
    if denominator == 0:
        return 0
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def drift_sums(x_TF: Tensor, drifts: Sequence[int]) -> Tensor:
    """(D, …, F): sums of ``x_TF`` (T, …, F), several panels at once where it has more dimensions, along straight tracks, each at
    the channel in which the track begins.

    ``drifts`` are channels from the first row to the last. ``out[i, f]`` is the sum over rows t of about
    ``x[t, f + drifts[i] * t / (T - 1)]``; channels beyond the edges count as 0.
    """
    every = tuple(sorted(set(drifts)))
    sums = _sums(x_TF, 0, len(x_TF), every)
    if len(sums) < len(every):  # a single row is the same at every drift
        sums = sums.expand(len(every), *sums.shape[1:])
    if every == tuple(drifts):
        return sums
    return sums[torch.tensor([every.index(drift) for drift in drifts], device=x_TF.device)]


class Join(NamedTuple):
    """How sums along ``drifts`` are made of those of the ``upper`` and the ``lower`` half: a place in each, and the shift."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    parts: tuple[tuple[int, int, int], ...]


@lru_cache(4096)
def join_of(count: int, drifts: tuple[int, ...]) -> Join:
    """The join for ``count`` rows, the upper half of which are ``count // 2``."""
    half, steps = count // 2, count - 1
    parts = [
        (rounded(drift * (half - 1), steps), drift - rounded(drift * half, steps), rounded(drift * half, steps))
        for drift in drifts
    ]
    upper, lower = (tuple(sorted({part[side] for part in parts})) for side in (0, 1))
    up, down = ({drift: place for place, drift in enumerate(side)} for side in (upper, lower))
    if half == 1:
        up = dict.fromkeys(up, 0)  # the sums of one row are that row
    if count - half == 1:
        down = dict.fromkeys(down, 0)
    return Join(upper, lower, tuple((up[begin], down[rest], shift) for begin, rest, shift in parts))


def _sums(x_TF: Tensor, first: int, count: int, drifts: tuple[int, ...]) -> Tensor:
    """Sums over ``count`` rows from ``first`` on, one for each of the rising ``drifts``; of a single row the row itself."""
    if count == 1:
        return x_TF[first : first + 1]
    join = join_of(count, drifts)
    half = count // 2
    upper = _sums(x_TF, first, half, join.upper).unbind()
    lower = _sums(x_TF, first + half, count - half, join.lower).unbind()
    size = x_TF.shape[-1]
    out = x_TF.new_empty(len(drifts), *x_TF.shape[1:])
    for row, (up, down, shift) in zip(out.unbind(), join.parts, strict=True):
        above, below = upper[up], lower[down]
        if shift == 0:
            torch.add(above, below, out=row)
        elif abs(shift) >= size:
            row.copy_(above)
        elif shift > 0:
            torch.add(above[..., : size - shift], below[..., shift:], out=row[..., : size - shift])
            row[..., size - shift :] = above[..., size - shift :]
        else:
            torch.add(above[..., -shift:], below[..., : size + shift], out=row[..., -shift:])
            row[..., :-shift] = above[..., :-shift]
    return out
