"""What the six panels of a cadence share, found as a matrix of low rank, and what is left when it is taken away."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seti_utils.data.cadence import OFF
from seti_utils.data.noise import MAD_TO_SIGMA
from seti_utils.keeping import keep
from seti_utils.views.medians import median_along

RANK = 20
"""Most components that are removed: the five real cadences have 6 to 20 above the noise."""

ROUNDS = 3
"""Rounds of the subspace iteration; two already give the same residuals."""

MARGIN = 1.2
"""A component counts from this many times the largest singular value of pure noise."""

LEAST_NOISE = 1e-3
"""Smallest noise that is divided by, in the unit of the panels."""

LEAST_COLUMN = 0.02
"""Least noise of a column of cleaned panels, in sigma of the raw noise: what lacks is added. Where neighbours took the sky off, a
thousandth is left, and with it what their scales and needles did not fit, all of it bright in units of that; and a needle without
noise around it looks like nothing that a judge has seen. The faintest needle that a sky holds has nine times as much."""

DARKEST = 4.0
"""Cleaned panels are no darker than so many times their noise: a neighbour's needle leaves a shadow, and no signal is dark."""


class Residuals(NamedTuple):
    """Panels (B, 6, T, F) in units of their noise: minus a sky, in two ways, and ``whole``, as they were.

    ``plain``: minus the components of all six panels; what is left of a background is nearly white. ``cross``: minus the
    components of the OFF panels alone: what only ON panels have stays whole, however bright it is, even where it stands still,
    and so does an echo of it in OFF panels that is too faint to be a component there.
    """

    plain: Tensor
    cross: Tensor
    whole: Tensor


def residuals(x_BPTF: Tensor, per_column: bool = False) -> Residuals:
    """Take the shared sky off six panels (B, 6, T, F), float32, of any unit.

    A background is a sum of emitters, spectrum times course in time, each seen by several panels with its own strength: a
    matrix (6 T, F) of low rank, plus noise. Singular values above the edge of noise (Marchenko & Pastur 1967) are
    removed by the share of them that is not noise. A needle that drifts has no such spectrum and stays, unless it is very
    bright; one that stands still in ON panels alone stays in ``cross``. ``per_column``: the noise is each column's own,
    from differences in time, for cleaned panels where columns with and without neighbours lie side by side.
    """
    x = cleaned_white(x_BPTF) if per_column else x_BPTF / panel_noise(x_BPTF)
    return Residuals(without_components(x, x), without_components(x, x[:, OFF]), x)


def cleaned_white(x_BPTF: Tensor) -> Tensor:
    """Cleaned panels in units of each column's noise, at least ``LEAST_COLUMN``, and without the shadows of neighbours' needles.

    What a column lacks of that noise is added, always the same.
    """
    noise = column_noise(x_BPTF)
    least = noise.clamp(min=LEAST_COLUMN)
    added = fixed_noise(tuple(x_BPTF.shape[1:]), x_BPTF.device) * (least.square() - noise.square()).sqrt()
    return (x_BPTF.maximum(noise * -DARKEST) + added) / least


@keep(2)
def fixed_noise(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Noise of unit deviation, (6, T, F), the same in every call: each row minus the one before, so no track adds up."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(20))
    return ((noise - noise.roll(1, 1)) / math.sqrt(2)).to(device)


def without_components(x_BPTF: Tensor, sample: Tensor) -> Tensor:
    """``x_BPTF`` minus its part in the strongest spectra of ``sample``, panels of the same cadences, each in units of the
    noise."""
    matrix, values = sample.flatten(1, 2), x_BPTF.flatten(1, 2)
    spectra, strength = strongest(matrix)
    share = not_noise(strength.square(), matrix.shape[1], matrix.shape[2]).unsqueeze(1)
    return (values - ((values @ spectra) * share) @ spectra.mT).view_as(x_BPTF)


def not_noise(power: Tensor, rows: int, channels: int) -> Tensor:
    """The share of squared singular values of a matrix (``rows``, ``channels``) that is not noise of unit deviation: 0 up to the
    edge of noise (Marchenko & Pastur 1967) and its margin."""
    edge = (MARGIN * (math.sqrt(rows) + math.sqrt(channels))) ** 2
    return 1 - edge / power.clamp(min=edge)


def strongest(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The first right singular vectors (B, F, rank) of (B, N, F) and their singular values (B, rank), rising."""
    freq = matrix.shape[-1]
    rank = min(RANK, freq // 4, matrix.shape[1] // 4)
    # Cosines of many different waves: no random numbers, and no spectrum is orthogonal to all of them.
    at = torch.arange(freq, device=matrix.device, dtype=torch.float32)
    start = torch.cos(at[:, None] ** 2 * 0.37 + at[:, None] * torch.arange(1, rank + 1, device=matrix.device) * 2.39)
    spectra = start.expand(len(matrix), -1, -1)
    for _ in range(ROUNDS):
        spectra = torch.linalg.qr(matrix.mT @ (matrix @ spectra)).Q
    part = matrix @ spectra
    power, turn = torch.linalg.eigh(part.mT @ part)
    return spectra @ turn, power.clamp(min=0).sqrt()


def panel_noise(x_BPTF: Tensor) -> Tensor:
    """(B, 6, 1, 1): the noise of every panel, from how a channel differs from its two neighbours, and that from row to row.

    Ripples, slopes and spikes have no part in it: they are smooth in frequency, or the same in the next row.
    """
    pairs = x_BPTF[:, :, ::4][:, :, : x_BPTF.shape[2] // 4] - x_BPTF[:, :, 1::4][:, :, : x_BPTF.shape[2] // 4]
    bend = (pairs[..., :-2] + pairs[..., 2:]).sub_(pairs[..., 1:-1], alpha=2)
    noise = median_along(bend.abs_().flatten(2), 2) * (MAD_TO_SIGMA / math.sqrt(12))
    return noise.clamp_(min=LEAST_NOISE)[..., None, None]


def column_noise(x_BPTF: Tensor) -> Tensor:
    """(B, 1, 1, F): the noise of every column, from differences of neighbouring rows, the median of the panels."""
    step = median_along((x_BPTF[:, :, 1:] - x_BPTF[:, :, :-1]).abs_(), 2)
    return (median_along(step, 1) * (MAD_TO_SIGMA / math.sqrt(2))).clamp_(min=LEAST_NOISE)[:, None, None]


def compress(x: Tensor, scale: float = 8.0) -> Tensor:
    """Linear below ``scale``, logarithmic far above it, cheaper than an arcsinh: a bright pixel outshines no track."""
    return torch.log1p(x.abs() / scale).mul_(scale).copysign_(x)
