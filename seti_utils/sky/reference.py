"""What filters see of the sky's needles, to judge networks by: one that is told the track, and a search over drifts.

**The sum along the true track** is the upper reference: it knows where the needle passes, in which rows and panels, and its
profile, not how bright it is, and looks in the OFF panels along the same track. On a cadence without that needle the same
track gives the false alarms. **The search over drifts** is what users have: straight tracks, ON minus OFF, high-passed.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from seti_utils.data.cadence import OFF, ON
from seti_utils.data.noise import MAD_TO_SIGMA, local_sigma
from seti_utils.sky.dedrift import SIDE, dedrift
from seti_utils.sky.needles import Tracks
from seti_utils.sky.profiles import plain_profiles, row_values

NEAR_ROWS = 7
"""Rows whose neighbouring channels tell a pixel's noise."""
MOST = 60.0
"""No pixel counts for more than this, in sigma."""
STEADY = 0.06
"""Share of a standing line that may be left in ON panels when what the OFF panels show is taken off: lines change from panel
to panel."""
AROUND = (18, 50)
"""A track's sum is judged by those of the same track this many channels beside it, where nothing of the needle is left."""
LEAST = 0.1
"""A panel in which a track has less energy says nothing. The light of a blinding needle beside its track counts as noise: at 300
sigma half of one is left."""
HALF = 14
"""Channels of a profile on either side of the track that are summed."""
QUIET, LOUD = 3.5, 7.5
"""An OFF panel's sum along the track, in sigma: up to the first it counts as nothing, from the second on as a detection."""


@dataclass(frozen=True)
class Contrast:
    """Panels (B, 6, T, F) minus their local level, in sigma of the panel's noise, and the ``weight`` of every pixel."""

    value: torch.Tensor
    weight: torch.Tensor


def less_sides(x: torch.Tensor) -> torch.Tensor:
    """``x`` (..., C) minus the mean of the channels beside each: (..., C - 16), linear, so a profile can pass through it too."""
    near, far = SIDE
    kernel = torch.zeros(2 * far + 1, device=x.device)
    kernel[: far - near + 1] = kernel[far + near :] = -0.5 / (far - near + 1)
    kernel[far] = 1
    return F.conv1d(x.reshape(-1, 1, x.shape[-1]), kernel[None, None]).view(*x.shape[:-1], -1)


def less_level(x_BPTF: torch.Tensor) -> torch.Tensor:
    """Panels in sigma of their noise, float32, minus the level of the channels beside each pixel."""
    y = x_BPTF.float() / local_sigma(x_BPTF)[..., None, None].clamp(min=1e-9)
    return less_sides(F.pad(y.flatten(0, 1), (SIDE[1], SIDE[1]), mode="reflect")).view_as(y)


def contrast(x_BPTF: torch.Tensor) -> Contrast:
    """What stands out of its row and is not in the OFF panels' columns; bright surroundings weigh little."""
    y = less_level(x_BPTF)
    near, far = SIDE
    column = y[:, list(OFF)].flatten(1, 2).median(1).values[:, None, None]
    y = y - column
    power = y.square().clamp(max=400.0)
    kernel = torch.ones(NEAR_ROWS, 2 * far + 1, device=y.device)
    kernel[:, far - near + 1 : far + near] = 0
    rows = NEAR_ROWS // 2
    padded = F.pad(power.flatten(0, 1)[:, None], (far, far, rows, rows), mode="reflect")
    noise = F.conv2d(padded, (kernel / kernel.sum())[None, None])[:, 0].view_as(y)
    restless = power[:, list(OFF)].flatten(1, 2).mean(1)[:, None, None]
    noise = torch.maximum(noise, restless).clamp(min=1) + (STEADY * column).square()
    return Contrast(y.clamp(-MOST, MOST), noise.reciprocal())


def along_track(panels: Contrast, tracks: Tracks) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums along the tracks of the same cadences, (B, 6) each: in sigma, and the sigma's inverse square (its energy).

    Rows and profile as the tracks have them; OFF panels in all rows. Centred and scaled by the same track beside itself
    (``AROUND``), so that what is left of a background counts as noise; never scaled up.
    """
    batch, count, time = tracks.freq.shape
    reach = AROUND[1]
    gate = tracks.gate.clone()
    gate[:, list(OFF)] = 1
    profile = tracks.profile or plain_profiles(batch, device=gate.device)
    wide = HALF + SIDE[1]
    distance = (tracks.freq.round() - tracks.freq)[..., None] + torch.arange(-wide, wide + 1, device=gate.device)
    speed = torch.gradient(tracks.freq, dim=2)[0].abs()
    which = torch.arange(batch, device=gate.device).repeat_interleave(count * time)
    shape = less_sides(row_values(profile.rows(which), distance.flatten(0, 2), speed.flatten()))
    shape = shape.view(*gate.shape, -1) * gate[..., None]
    sums = []
    for what, power in ((panels.value * panels.weight, 1), (panels.weight, 2)):
        straight = dedrift(what, tracks.freq, HALF + reach).nan_to_num(0.0)
        sums.append(torch.einsum("bptsk,bptk->bps", straight.unfold(-1, 2 * HALF + 1, 1), shape**power))
    signal, energy = sums
    z = torch.where(energy > LEAST, signal / energy.clamp(min=LEAST).sqrt(), torch.nan)
    beside = (torch.arange(-reach, reach + 1, device=gate.device)).abs() >= AROUND[0]
    level = z[..., beside].nanmedian(-1, keepdim=True).values.nan_to_num()
    scatter = MAD_TO_SIGMA * (z[..., beside] - level).abs().nanmedian(-1).values.nan_to_num().clamp(min=1 / MAD_TO_SIGMA)
    here = (z[..., reach] - level[..., 0]) / scatter
    return here.nan_to_num(), energy[..., reach] / scatter.square()


def track_score(z: torch.Tensor, energy: torch.Tensor, carriers: torch.Tensor) -> torch.Tensor:
    """Score (B,) of sums (B, 6) along tracks: ON panels in ``carriers`` (B, 6) together, times how quiet the OFF panels are."""
    on = carriers.clone()
    on[:, list(OFF)] = False
    together = (z * energy.sqrt() * on).sum(1) / (energy * on).sum(1).clamp(min=1e-6).sqrt()
    loudest = z[:, list(OFF)].amax(1)
    return together * ((LOUD - loudest) / (LOUD - QUIET)).clamp(0, 1)


def drift_search(x_BPTF: torch.Tensor, steepest: float = 42.0, bins: int = 91, clip: float = 6.0) -> torch.Tensor:
    """Score (B,) of the classical search: the best straight track over all channels and drifts, ON minus OFF, in sigma.

    Incoherent de-Doppler of panels minus their level and each its own columns' medians (what stands still is lost), clipped:
    drifts up to ``steepest`` channels per panel either way, in steps of half a channel over the cadence's six panels, summed
    over ``bins`` time bins.
    """
    y = less_level(x_BPTF)
    y = (y - y.median(2, keepdim=True).values).clamp_(-clip, clip)
    batch, panels, time, freq = y.shape
    rows = y.view(batch, panels, bins, time // bins, freq).sum(3) if time % bins == 0 else y
    sign = torch.ones(panels, device=y.device)
    sign[list(OFF)] = -len(ON) / len(OFF)
    flat = (rows * sign[:, None, None]).flatten(1, 2)
    t = (torch.arange(flat.shape[1], device=y.device) + 0.5) * panels / flat.shape[1]
    drifts = torch.arange(-steepest, steepest + 1e-6, 0.5, device=y.device)
    best = torch.full((batch,), -math.inf, device=y.device)
    reach = math.ceil(steepest * panels)
    padded = F.pad(flat, (reach, reach))
    for drift in drifts.tolist():
        # Anchored in the middle of the cadence, where every track is inside the window.
        column = torch.arange(freq, device=y.device) + reach + (drift * (t - panels / 2)).round().long()[:, None]
        best = torch.maximum(best, padded.gather(2, column[None].expand(batch, -1, -1)).sum(1).amax(1))
    return best / (panels * time) ** 0.5
