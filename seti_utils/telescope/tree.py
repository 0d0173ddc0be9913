"""Sums along drifting tracks of one panel: Taylor's tree (1974), for any number of rows and any set of drifts.

Two halves of the rows are summed along every drift that they need, then joined at the shift between them, and so on: a
sum costs about the logarithm of the rows instead of their number. Shifts are rounded to whole channels at every join.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def rounded(numerator: int, denominator: int) -> int:
    """The nearest whole number of ``numerator / denominator``, halves away from zero: both signs alike."""
    if denominator == 0:
        return 0
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def drift_sums(x_TF: Tensor, drifts: Sequence[int]) -> Tensor:
    """(D, F): sums of ``x_TF`` (T, F) along straight tracks, each at the channel in which the track begins.

    ``drifts`` are channels from the first row to the last. ``out[i, f]`` is the sum over rows t of about
    ``x[t, f + drifts[i] * t / (T - 1)]``; channels beyond the edges count as 0.
    """
    sums, place = _sums(x_TF, 0, len(x_TF), sorted(set(drifts)))
    order = [place[drift] for drift in drifts]
    return sums if order == list(range(len(sums))) else sums[torch.tensor(order, device=x_TF.device)]


def _sums(x_TF: Tensor, first: int, count: int, drifts: Sequence[int]) -> tuple[Tensor, dict[int, int]]:
    """Sums over ``count`` rows from ``first`` on, and the place of every drift among them."""
    if count == 1:
        return x_TF[first : first + 1], dict.fromkeys(drifts, 0)
    half = count // 2
    steps = count - 1
    parts = [
        (rounded(drift * (half - 1), steps), rounded(drift * half, steps), drift - rounded(drift * half, steps))
        for drift in drifts
    ]
    upper, up = _sums(x_TF, first, half, sorted({part[0] for part in parts}))
    lower, down = _sums(x_TF, first + half, count - half, sorted({part[2] for part in parts}))
    size = x_TF.shape[-1]
    out = x_TF.new_empty(len(drifts), size)
    for row, (begin, shift, rest) in zip(out, parts, strict=True):
        above, below = upper[up[begin]], lower[down[rest]]
        if shift == 0:
            torch.add(above, below, out=row)
        elif abs(shift) >= size:
            row.copy_(above)
        elif shift > 0:
            torch.add(above[: size - shift], below[shift:], out=row[: size - shift])
            row[size - shift :] = above[size - shift :]
        else:
            torch.add(above[-shift:], below[: size + shift], out=row[-shift:])
            row[:-shift] = above[:-shift]
    return out, {drift: number for number, drift in enumerate(drifts)}
