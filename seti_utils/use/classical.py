"""A score without a network: is the brightest thing of every row brighter in the ON panels?"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import OFF, ON
from seti_utils.use.prediction import sigmoid

BRIGHTEST = 2
"""Channels of a row: a needle between two channels lights both."""

FLOOR = 1e-3
"""In sigma; nothing is fainter. What float16 leaves of the noise in a cleaned panel is a third of it."""


def panel_light(x_BPTF: Tensor) -> Tensor:
    """(B, P): the logarithm of the mean, over a panel's rows, of the row's ``BRIGHTEST`` highest pixels, at least ``FLOOR``.

    For panels in sigma whose background is gone (cleaned ones): there a row's brightest pixels are the needle's, wherever
    it drifts, and no track has to be searched for. On raw panels it is a poor score.
    """
    rows = x_BPTF.float().topk(BRIGHTEST, dim=3).values.mean(3)
    return rows.mean(2).clamp(min=FLOOR).log()


def light_scores(batches: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) in (0, 1) of all rows of ``batches`` (all six panels), and their numbers: ON light above OFF light."""
    values, rows = [], []
    for batch in batches:
        light = panel_light(batch.x)
        values.append(light[:, ON].amax(1) - light[:, OFF].amax(1))
        rows.append(torch.as_tensor(batch.rows).clone())
    return sigmoid(torch.cat(values).double().numpy()), torch.cat(rows).numpy()
