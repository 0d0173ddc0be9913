"""Measuring needles: de-drift along a track, fit the amplitude, give SNR in both conventions of the field.

* ``snr_bin``: fitted amplitude (:mod:`seti_utils.sky.profiles`) over the local noise, per pixel.
* ``snr_integrated``: ``snr_bin * sqrt(rows)`` with the rows of one panel in which the needle is on - setigen's
  convention (``Frame.get_intensity``) when it is on in all 273. Per panel, not per cadence.
* ``significance``: what a matched filter with the needle's profile sees, ``snr_bin * sqrt(sum of profile**2)``;
  about 0.74 of ``snr_integrated``, since a needle off the channel's centre is dimmer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seti_utils.data.cadence import ON, PANELS, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.sky.needles import Tracks
from seti_utils.sky.profiles import REACH, plain_profiles, row_values

SIDE = (3, 8)
"""The local level of a row is the mean of the channels at these distances on both sides of the real needle's track; of a
broader one's, of as many just outside of it."""


@dataclass(frozen=True)
class Measured:
    """What :func:`measure` finds, each (B, P) float32; ``rows`` counts those in which the needle is on and inside."""

    amplitude: torch.Tensor
    snr_bin: torch.Tensor
    snr_integrated: torch.Tensor
    significance: torch.Tensor
    rows: torch.Tensor


def dedrift(x_BPTF: torch.Tensor, freq_BPT: torch.Tensor, half: int = 8) -> torch.Tensor:
    """Shift every row so that the track stands still: (B, P, T, 2 * half + 1), the track's nearest channel central.

    ``freq_BPT``: channel of the track per row (``Tracks.freq``). Channels outside the window are NaN.
    """
    channel = freq_BPT.round().clamp(-4e6, 4e6).long()[..., None] + torch.arange(-half, half + 1, device=x_BPTF.device)
    inside = (channel >= 0) & (channel < x_BPTF.shape[-1])
    straight = x_BPTF.float().gather(3, channel.clamp(0, x_BPTF.shape[-1] - 1))
    return torch.where(inside, straight, torch.nan)


def measure(x_BPTF: torch.Tensor, tracks: Tracks, *, sigma: torch.Tensor | None = None) -> Measured:
    """Fit the needle's amplitude per panel along a known track, against the level on both sides of it.

    A matched filter over the channels around the track: sum(profile * (x - level)) / sum(profile**2) over the rows in
    which the needle is visible, and of the profile as of the panel what lies at the sides is subtracted. ``sigma``
    (B, P): the local noise, default :func:`local_sigma`. Panels without such a row give 0 everywhere.
    """
    sigma = local_sigma(x_BPTF) if sigma is None else sigma
    batch, panels, time = tracks.freq.shape
    profile = tracks.profile or plain_profiles(batch, device=x_BPTF.device)
    # Where the sides begin: where a narrow line is over, and beyond the lines of a broad one.
    inner = (SIDE[0] + (1.5 * (profile.fwhm - 1)).clamp(min=0) + profile.offset.abs().amax(1)).round()
    half = SIDE[1] if tracks.profile is None else REACH
    straight = dedrift(x_BPTF, tracks.freq, half)
    distance = torch.arange(-half, half + 1, device=x_BPTF.device)
    away = distance.abs() - inner[:, None, None, None]
    side, core = (away >= 0) & (away <= SIDE[1] - SIDE[0]), away < 0
    at = (tracks.freq.round() - tracks.freq)[..., None] + distance
    speed = torch.gradient(tracks.freq, dim=2)[0].abs()
    which = torch.arange(batch, device=x_BPTF.device).repeat_interleave(panels * time)
    value = row_values(profile.rows(which), at.flatten(0, 2), speed.flatten()).view_as(at)
    value = value * profile.peak[:, None, None, None]
    value = (value - side_mean(value, side)) * tracks.gate[..., None]
    clean = straight - side_mean(straight, side)
    used = core & torch.isfinite(clean) & tracks.visible(x_BPTF.shape[-1])[..., None]
    value = torch.where(used, value, 0.0)
    energy = value.square().sum((2, 3))
    amplitude = (value * clean.nan_to_num()).sum((2, 3)) / energy.clamp(min=1e-12)
    rows = tracks.visible(x_BPTF.shape[-1]).sum(2).float()
    snr_bin = amplitude / sigma.clamp(min=1e-12)
    return Measured(amplitude, snr_bin, snr_bin * rows.sqrt(), snr_bin * energy.sqrt(), rows)


def side_mean(values: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
    """Mean of the last axis where ``side``, of what is not NaN, kept as an axis."""
    return torch.where(side, values, torch.nan).nanmean(-1, keepdim=True)


def straight_tracks(
    start: torch.Tensor, drift: torch.Tensor, panels: Sequence[int] = ON, count: int = PANELS, time: int = TIME
) -> Tracks:
    """Straight tracks on in ``panels``: ``start`` (B,) channel as the first row begins, ``drift`` (B,) per panel."""
    t = (torch.arange(count * time, device=start.device) + 0.5) / time
    freq = (start[:, None] + drift[:, None] * t).reshape(-1, count, time)
    gate = torch.zeros_like(freq)
    gate[:, list(panels)] = 1.0
    return Tracks(freq, gate, torch.zeros_like(start, dtype=torch.long), drift)


def flatten_level(x_BPTF: torch.Tensor, width: int = 15, limit: float = 6.0) -> torch.Tensor:
    """What is narrow and moves, in units of the local noise, float32: for searching, not for measuring.

    Subtracts each column's median over its panel (spikes, slopes, ripples - and needles that stand still), then each
    row's running median over ``width`` channels (odd; bursts, blobs), and clips at ``limit``.
    """
    x = x_BPTF.float() / local_sigma(x_BPTF)[..., None, None].clamp(min=1e-12)
    x = x - x.median(2, keepdim=True).values
    pad = width // 2
    level = torch.nn.functional.pad(x.flatten(0, 1), (pad, pad), mode="replicate").unfold(2, width, 1).median(-1).values
    return (x - level.view_as(x)).clamp(-limit, limit)


@dataclass(frozen=True)
class Found:
    """The brightest straight needle of each cadence, each (B,): channel at time 0, drift per panel, sum in sigma."""

    start: torch.Tensor
    drift: torch.Tensor
    snr: torch.Tensor


def find_drift(x_BPTF: torch.Tensor, drifts: torch.Tensor, panels: Sequence[int] = ON) -> Found:
    """Incoherent de-Doppler: try every drift (D,) in channels per panel over ``panels`` of six contiguous ones.

    Rows are flattened (:func:`flatten_level`: a needle below about one channel a panel is lost) and shifted by whole
    channels; ``snr`` is the sum along the best path over the square root of its rows, about two thirds of the
    integrated SNR per panel times the square root of the panels. Needs all six panels in ``x_BPTF``.
    """
    batch, count, time, freq = x_BPTF.shape
    flat = flatten_level(x_BPTF)[:, list(panels)].reshape(batch, -1, freq)
    t = ((torch.arange(count * time, device=x_BPTF.device) + 0.5) / time).view(count, time)[list(panels)].reshape(-1)
    best: torch.Tensor | None = None
    for drift in drifts.tolist():
        reach = int(abs(drift) * count) + 1
        padded = torch.nn.functional.pad(flat, (reach, reach))
        starts = torch.arange(freq + 2 * reach, device=x_BPTF.device)
        column = (starts[None] + (drift * t).round().long()[:, None]).clamp(0, padded.shape[-1] - 1)
        power = padded.gather(2, column[None].expand(batch, -1, -1)).sum(1) / len(t) ** 0.5
        snr, where = power.max(1)
        found = torch.stack([(where - reach).float(), torch.full_like(snr, drift), snr])
        best = found if best is None else torch.where(snr > best[2], found, best)
    if best is None:
        raise ValueError("find_drift needs at least one drift")
    return Found(*best)
