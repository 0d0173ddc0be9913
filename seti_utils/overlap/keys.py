"""A short key for every frequency column: columns of the same sky get the same one, whatever file they are in.

Cadences are overlapping windows of wider bands, so a column of one file may lie in another file too, noise and all,
differing by the panel's normalisation (scale and offset), by float16's rounding, and by the needles of one of them.
Comparing every column with every other grows with the square of the number of files. Instead each column is
whitened and multiplied with ``BITS`` random vectors; the signs are its key (locality-sensitive hashing by random
hyperplanes, Charikar 2002). Columns with cosine c share one sign with probability 1 - arccos(c) / pi: all 32 with
0.87 at c = 0.9999, with 1 in 4 billion at c = 0. Equal keys are found by sorting, which grows with N log N.
"""

import torch
from torch import Tensor

from seti_utils.data.cadence import OFF, TIME
from seti_utils.keeping import keep

BITS = 32
NO_KEY = 0
"""What a column gets that cannot be told from others: at a window's edge, constant, or next to it."""

KEY_PANELS = OFF
"""Panels whose columns get keys: most needles are in the ON panels."""

SEED = 20210728


def column_keys(x_BPTF: Tensor) -> Tensor:
    """Keys int32 (B, P, F) of panels (B, P, T, F) of any float dtype; ``NO_KEY`` where a column has none.

    A column is whitened first (:func:`whitened_columns`) and clipped at twice its mean deviation, so that a burst,
    which is alike in all columns of a panel, decides no sign by itself. Computed in float32 on the device of
    ``x_BPTF``. Pixels that are not finite count as 0.
    """
    rows = whitened_columns(x_BPTF, steps=True)
    scale = rows.abs().mean(2, keepdim=True)
    limit = 2 * rows.clamp(-3 * scale, 3 * scale).abs().mean(2, keepdim=True)
    rows = rows.clamp(-limit, limit)
    with torch.autocast(x_BPTF.device.type, enabled=False):
        signs = torch.einsum("kt,bptf->bpkf", directions(x_BPTF.device), rows) > 0
    weights = 2 ** torch.arange(BITS, device=x_BPTF.device)
    keys = (signs * weights[:, None]).sum(2).sub_(2 ** (BITS - 1)).to(torch.int32)
    alive = (limit[:, :, 0] > 0) & (keys != NO_KEY)
    alive[..., [0, -1]] = False
    return torch.where(alive, keys, NO_KEY)


def whitened_columns(x_BPTF: Tensor, steps: bool = False) -> Tensor:
    """Every column minus the mean of its two neighbours, float32 of the same shape; the window's edge columns are 0.

    What is smooth along frequency (slopes, ripples, bursts) goes and the noise stays, and no value depends on where
    the window ends. With ``steps`` differences from row to row follow (T - 1 rows), which takes emitters that switch
    on and off. The mean over time is 0 in both cases.
    """
    x = torch.nan_to_num(x_BPTF.float(), nan=0.0, posinf=0.0, neginf=0.0)
    out = torch.zeros_like(x)
    torch.sub(x[..., 1:-1], (x[..., :-2] + x[..., 2:]) / 2, out=out[..., 1:-1])
    out = out[:, :, 1:] - out[:, :, :-1] if steps else out
    return out - out.mean(2, keepdim=True)


@keep(4)
def directions(device: torch.device, rows: int = TIME - 1) -> Tensor:
    """The random vectors (BITS, rows), always the same."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(BITS, rows, generator=generator).to(device)
