"""Another receiver: a passband that lies on every window of a split, and on no column's course in time.

The competition's test can easily be told from its training data (adversarial AUC 0.999), whatever the signals. The sky's
own shift is subtler; this optional mark makes it as plain as the real one, without touching signals or noise.
"""

import torch

SCALLOP_CHANNELS = 128
"""Period of the passband's scallops, in channels of the band: a filter bank's coarse channel, rolled off at its edges."""
DEPTH = 4.0
"""How far the passband falls at the edges, in sigma."""


def other_passband(x_BPTF: torch.Tensor, offsets: list[int]) -> torch.Tensor:
    """Add the passband to windows (B, 6, T, F) that start at the channels ``offsets`` of their bands, in place.

    The same level in every row: what a column does in time, by which overlapping windows are found, is as before.
    """
    for x_PTF, offset in zip(x_BPTF, offsets, strict=True):
        u = ((torch.arange(x_PTF.shape[-1], device=x_PTF.device) + offset) % SCALLOP_CHANNELS) / SCALLOP_CHANNELS * 2 - 1
        x_PTF.sub_(DEPTH * u.pow(4))
    return x_BPTF
