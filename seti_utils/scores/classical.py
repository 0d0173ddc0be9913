"""A score without a network: is the brightest thing of every row brighter in the ON panels?"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import OFF, ON
from seti_utils.stats.logistic import sigmoid

BRIGHTEST = 2
"""Channels of a row: a needle between two channels lights both."""

FLOOR = 1e-3
"""In sigma; nothing is fainter. What float16 leaves of the noise in a cleaned panel is a third of it."""

HIGHEST = 8.0
"""In sigma; nothing is brighter, so that no row outshines all the others."""


BELOW, OFTEN = -0.05, 0.2
"""A channel that lies below ``BELOW`` sigma in more than this share of a panel's rows is noise, not a background gone."""


def panel_light(x_BPTF: Tensor) -> Tensor:
    """(B, P): the logarithm of the mean, over a panel's rows, of the row's ``BRIGHTEST`` highest pixels, at least ``FLOOR``.

    For panels in sigma whose background is gone (cleaned ones): there a row's brightest pixels are the needle's, wherever
    it drifts, and no track has to be searched for. Channels that still show noise, because no neighbour covers them, do
    not count; a panel with nothing else has the least light there is.
    """
    x = x_BPTF.float().clamp(-HIGHEST, HIGHEST)
    quiet = (x < BELOW).float().mean(2, keepdim=True) < OFTEN
    rows = (x * quiet).topk(BRIGHTEST, dim=3).values.mean(3)
    return rows.mean(2).clamp(min=FLOOR).log()


def light_scores(batches: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) in (0, 1) of all rows of ``batches`` (all six panels), and their numbers: ON light above OFF light."""
    values, rows = [], []
    for batch in batches:
        light = panel_light(batch.x)
        values.append(light[:, ON].amax(1) - light[:, OFF].amax(1))
        rows.append(torch.as_tensor(batch.rows).clone())
    return sigmoid(torch.cat(values).double().numpy()), torch.cat(rows).numpy()
