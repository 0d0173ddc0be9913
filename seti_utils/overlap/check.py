"""Whether two cadences show the same sky at a shift: all common columns of all panels, compared exactly."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from seti_utils.data.cadence import FREQ, TIME
from seti_utils.data.sources import Source
from seti_utils.overlap.keys import whitened_columns
from seti_utils.overlap.match import SAME_SKY

KEPT_ROWS = 24
"""Cadences whose columns are kept for the next pairs; 3.4 MB each in float32."""


class Columns(NamedTuple):
    """Unit columns of one cadence, float32 (6, T, 256): as they are, and whitened; ``alive`` bool (6, 256) is False
    where a whitened column is empty."""

    plain: Tensor
    white: Tensor
    alive: Tensor


@dataclass(frozen=True)
class Likeness:
    """How alike two cadences are: ``similarity``, the median cosine of the common columns as they are; ``panels``
    that agree (numbers), and how many could be ``judged``."""

    similarity: float
    panels: tuple[int, ...]
    judged: int

    @property
    def same(self) -> bool:
        """Whether this is the same sky: at least one panel, and at least half of those that can be judged."""
        return len(self.panels) > 0 and 2 * len(self.panels) >= self.judged


def common(shift: int) -> tuple[slice, slice]:
    """Channels that both windows hold, in ``a`` and in ``b``: channel f of ``a`` is channel f - shift of ``b``."""
    return slice(max(0, shift), FREQ + min(0, shift)), slice(max(0, -shift), FREQ - max(0, shift))


def columns_of(x_PTF: Tensor) -> Columns:
    """The unit columns of one cadence (6, T, 256) of any float dtype."""
    x = torch.nan_to_num(x_PTF.float(), nan=0.0, posinf=0.0, neginf=0.0)
    plain = normalize(x - x.mean(1, keepdim=True), dim=1, eps=1e-6)
    white = normalize(whitened_columns(x_PTF[None])[0], dim=1, eps=1e-6)
    return Columns(plain, white, white.abs().amax(1) > 0)


def likeness(a: Columns, b: Columns, shift: int) -> Likeness:
    """Compare two cadences at ``shift``.

    A panel agrees when the median cosine of its whitened common columns is at least ``SAME_SKY``: needles disturb a few
    columns and move no median, and bursts, which make columns of any sky alike, are gone. A panel with more empty
    columns than others cannot be judged. (6 panels of the same numbers in both.)
    """
    here, there = common(shift)
    white = (a.white[..., here] * b.white[..., there]).sum(1)
    alive = a.alive[..., here] & b.alive[..., there]
    enough = 2 * alive.sum(1) >= alive.shape[1] - 4  # the windows' edge columns are never whitened
    middle = white.masked_fill(~alive, torch.nan).nanmedian(1).values
    agree = enough & alive.any(1) & (middle >= SAME_SKY)
    cosine = (a.plain[..., here] * b.plain[..., there]).sum(1)[enough]
    similarity = float(cosine.median()) if cosine.numel() else 0.0
    return Likeness(similarity, tuple(agree.nonzero()[:, 0].tolist()), int(enough.sum()))


class Reader:
    """Columns of the cadences of a source, the last few kept."""

    def __init__(self, source: Source, device: str | torch.device = "cpu"):
        self.source, self.device = source, torch.device(device)
        self.kept: OrderedDict[int, Columns] = OrderedDict()
        self.room = torch.empty(1, len(source.panels), TIME, FREQ, dtype=torch.float16)

    def __call__(self, row: int) -> Columns:
        if row not in self.kept:
            self.source.read_into([row], self.room)
            self.kept[row] = columns_of(self.room[0].to(self.device))
            if len(self.kept) > KEPT_ROWS:
                self.kept.popitem(last=False)
        self.kept.move_to_end(row)
        return self.kept[row]


def in_reading_order(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """An order of pairs in which those that hang together follow each other, so that few files are read twice."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(max(a.max(initial=-1), b.max(initial=-1))) + 1
    _, group = connected_components(coo_array((np.ones(len(a), bool), (a, b)), shape=(size, size)), directed=False)
    return np.lexsort((b, a, group[a])) if len(a) else np.empty(0, np.int64)
