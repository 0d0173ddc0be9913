"""Panels in units of their own noise: the cheapest cleaning that leaves needles alone."""

import torch
from torch import Tensor

from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.keeping import keep
from seti_utils.views.cleaning import as_numbers

LEAST = 1e-3
"""Smallest noise that is divided by, in standard deviations of the panel: a constant panel stays 0."""

BLOCK = 64
"""Channels whose level is subtracted by one product on a CPU."""


def whiten(x_BPTF: Tensor, freq: int = 15, limit: float = 6.0) -> Tensor:
    """Per panel: divide by the local noise, subtract the running mean over ``freq`` channels, clip to +-``limit``.

    (B, P, T, F) of any float dtype -> the same. The noise is that of neighbouring channels' differences
    (:func:`seti_utils.data.noise.local_sigma`), so slopes, ripples and bursts do not count; what they are goes with
    the running mean (shorter at the edges), and the clip keeps a spike from outshining a needle. A needle loses
    1/``freq`` of its height, up to 2/``freq`` at the edges. No statistic crosses a panel. Raises ``InputError`` unless
    ``freq`` is odd, 3 or more, and ``limit`` positive.
    """
    if freq < 3 or freq % 2 == 0 or not limit > 0:
        raise InputError(f"whiten: freq={freq}, limit={limit}", remedy="choose an odd freq of 3 or more and a positive limit")
    x = as_numbers(x_BPTF)
    scale = local_sigma(x).clamp_(min=LEAST).reciprocal_()[..., None, None]
    with torch.autocast(x.device.type, enabled=False):
        if x.device.type != "cpu":
            flat = x @ without_level(x.shape[-1], freq, x.device)
            return flat.mul_(scale).clamp_(-limit, limit).to(x_BPTF.dtype)
        # One cadence at a time stays in the cache, and of the matrix only the band around its diagonal is multiplied.
        for rows, by in zip(x.flatten(1, 2), scale.expand_as(x[..., :1]).flatten(1, 2), strict=True):
            level = rows.clone()
            for start in range(0, rows.shape[-1], BLOCK):
                first, last = max(start - freq // 2, 0), start + BLOCK + freq // 2
                band = without_level(rows.shape[-1], freq, x.device)[first:last, start : start + BLOCK]
                torch.mm(level[:, first:last], band, out=rows[:, start : start + BLOCK])
            rows.mul_(by).clamp_(-limit, limit)
    return x.to(x_BPTF.dtype)


@keep(8)
def without_level(size: int, freq: int, device: torch.device) -> Tensor:
    """The matrix (size, size) that subtracts from every channel the mean of the ``freq`` channels around it."""
    at = torch.arange(size)
    near = ((at[:, None] - at).abs() <= freq // 2).double()
    return (torch.eye(size, dtype=torch.float64) - near / near.sum(0)).float().to(device)
