"""Lines through a panel's sums: how high any sum near a cell of channels is, and the sums along single lines."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.telescope.grid import Grid, halved


@dataclass(frozen=True)
class Sums:
    """Sums along tracks in units of their scatter: ``values`` (D, P, F), contiguous, of rising ``displacements`` (D,), of several
    panels, of which this one has the number ``place``."""

    values: Tensor
    displacements: np.ndarray
    place: int


@dataclass(frozen=True)
class Lines:
    """Tracks of some drifts through a panel, (D,): the row of ``sums``, and the channel at which that of the first wanted channel
    enters the panel."""

    sums: Sums
    row: Tensor
    begin: Tensor

    def highest(self, cells: int, cell: int) -> Tensor:
        """(D, cells): what no sum along the tracks of a cell, of ``cell`` channels each, exceeds; at least 0."""
        grain = max(cell // 2, 1)
        many = cell // grain
        values = self.sums.values[:, self.sums.place]
        whole = values.shape[1] // grain * grain
        peaks = values[:, :whole].unflatten(1, (-1, grain)).amax(2)
        if whole < values.shape[1]:
            peaks = torch.cat([peaks, values[:, whole:].amax(1, keepdim=True)], 1)
        first = self.begin.div(grain, rounding_mode="floor")
        least, most = (int(edge) for edge in first.aminmax())
        before, after = max(-least, 0), max(most + many * cells + 1 - peaks.shape[1], 0)
        peaks = F.pad(peaks.clamp_(min=0), (before, after))
        around = peaks[:, : peaks.shape[1] - many]
        for step in range(1, many + 1):
            around = torch.maximum(around, peaks[:, step : peaks.shape[1] - many + step])
        place = first[:, None] + before + many * torch.arange(cells, device=values.device)
        return around[self.row[:, None], place]

    def cut(self, drift: Tensor, ahead: Tensor, many: int) -> Tensor:
        """(N, ``many``): neighbouring sums along tracks of the drifts of these numbers (N,), from ``ahead`` (N,) channels beyond
        ``begin`` on; outside the panel 0."""
        _, panels, size = self.sums.values.shape
        flat = self.sums.values.view(-1)
        row = (self.row[drift] * panels + self.sums.place) * size
        first = self.begin[drift] + ahead
        out = flat.unfold(0, many, 1).index_select(0, (row + first).clamp_(0, len(flat) - many))
        if len(beyond := ((first < 0) | (first + many > size)).nonzero()[:, 0]):
            channel = first[beyond, None] + torch.arange(many, device=flat.device)
            inside = (channel >= 0) & (channel < size)
            out[beyond] = torch.where(inside, flat[row[beyond, None] + channel.clamp(0, size - 1)], 0)
        return out


def through(sums: Sums, grid: Grid, panel: int, width: int, drifts: np.ndarray, first: int, alone: bool = False) -> Lines:
    """Tracks of ``drifts`` (D,), channels per second, through a panel, those at channel ``first`` at the cadence's middle; at the
    panel's own where it is looked at ``alone``."""
    displacement = grid.displacement(panel, width, drifts)
    offset = -halved(displacement) if alone else grid.offset(panel, displacement, drifts)
    row, begin = np.searchsorted(sums.displacements, displacement), first + offset
    return Lines(sums, *(torch.from_numpy(number).to(sums.values.device) for number in (row, begin)))
