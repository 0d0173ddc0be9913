"""Panels in units of their own noise: the cheapest cleaning that leaves needles alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.keeping import keep
from seti_utils.views.cleaning import as_numbers

LEAST = 1e-3
"""Smallest noise that is divided by, in standard deviations of the panel: a constant panel stays 0."""

BLOCK = 64
"""Channels whose level is subtracted by one product on a CPU."""


def whiten(x_BPTF: Tensor, freq: int = 15, limit: float | None = 6.0, cut: float | None = None) -> Tensor:
    """Per panel: divide by the local noise, subtract the running mean over ``freq`` channels, clip to +-``limit`` (None: not).

    (B, P, T, F) of any float dtype -> the same. The noise is that of neighbouring channels' differences
    (:func:`seti_utils.data.noise.local_sigma`), so slopes, ripples and bursts do not count; what they are goes with
    the running mean (shorter at the edges), and the clip keeps a spike from outshining a needle. A needle loses
    1/``freq`` of its height, up to 2/``freq`` at the edges, and its neighbours as much: one of 100 sigma stands in a trough of 7.
    With ``cut`` it does not: the mean is that of pixels cut at ``cut`` sigma above the darker of the means on either side
    (what "smallest of" cell averaging does in radar: Trunk 1978), so it loses at most ``cut``/``freq`` per channel of its
    width, and what is fainter is whitened as without. No statistic crosses a panel. Raises ``InputError`` unless
    ``freq`` is odd, 3 or more, and ``limit`` and ``cut`` are positive.
    """
    if freq < 3 or freq % 2 == 0 or not all(bound is None or bound > 0 for bound in (limit, cut)):
        raise InputError(
            f"whiten: freq={freq}, limit={limit}, cut={cut}", remedy="choose an odd freq of 3 or more, positive limit and cut"
        )
    x = as_numbers(x_BPTF)
    scale = local_sigma(x).clamp_(min=LEAST).reciprocal_()[..., None, None]
    with torch.autocast(x.device.type, enabled=False):
        # A CPU takes one cadence at a time, which stays in the cache.
        step = 1 if x.device.type == "cpu" else max(len(x), 1)
        for part, by in zip(x.split(step), scale.split(step), strict=True):
            less = less_mean(part, freq)
            if cut is not None:
                held = torch.minimum(part, beside(part - less, freq) + cut / by)
                less = part - held + less_mean(held, freq)
            part.copy_(less.mul_(by))
            if limit is not None:
                part.clamp_(-limit, limit)
    return x.to(x_BPTF.dtype)


def less_mean(x: Tensor, freq: int) -> Tensor:
    """A new ``x`` (..., F) minus its running mean over ``freq`` channels, fewer at the edges."""
    if x.device.type != "cpu":
        return x @ without_level(x.shape[-1], freq, x.device)
    rows = x.flatten(0, -2)
    out = torch.empty_like(rows)
    for start in range(0, rows.shape[-1], BLOCK):  # only the band around the matrix's diagonal is multiplied
        first, last = max(start - freq // 2, 0), start + BLOCK + freq // 2
        band = without_level(rows.shape[-1], freq, x.device)[first:last, start : start + BLOCK]
        torch.mm(rows[:, first:last], band, out=out[:, start : start + BLOCK])
    return out.view(x.shape)


def beside(x: Tensor, apart: int) -> Tensor:
    """Of the values ``apart`` channels to the left and to the right of each of ``x`` (..., F) the lower one; infinity where
    there is neither."""
    padded = F.pad(x, (apart, apart), value=torch.inf)
    return torch.minimum(padded[..., : x.shape[-1]], padded[..., 2 * apart :])


@keep(8)
def without_level(size: int, freq: int, device: torch.device) -> Tensor:
    """The matrix (size, size) that subtracts from every channel the mean of the ``freq`` channels around it."""
    at = torch.arange(size)
    near = ((at[:, None] - at).abs() <= freq // 2).double()
    return (torch.eye(size, dtype=torch.float64) - near / near.sum(0)).float().to(device)
