"""What a detector's judge is shown of each track: strips straightened along it, and numbers that strips do not tell."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.data.cadence import ON
from seti_utils.keeping import keep
from seti_utils.nets.shared_sky import compress, residuals
from seti_utils.nets.track_search import CLEANED_MOST, MOST, SEGMENTS, Found, find_tracks

STRIPS = 2
"""Channels of a strip: the two residuals."""

REACH = 10
"""Channels on either side of a track that are shown."""

BESIDE = 5
"""From this many channels on, a place of a strip lies beside the track: the widest needle ends before."""

BINS = 2
"""Time bins that a strip joins."""

BRIGHT = 8.0
"""The cross residual, which keeps what stands still, joins the search from this many compressed sigma on."""

FULL = 40.0
"""Light of the brightest ON panel, in sigma, beyond which a strip is dimmed to it: the judge sees a brighter needle with
less noise and all else in proportion, an echo included."""

BEYOND = 100.0
"""Numbers beyond this count as this."""

WIDTHS = 0, 1, 3
"""Channels on either side over which the light along a track is summed: needles are one to six channels wide."""

NUMBERS = 38
"""Numbers of a track in a panel."""


class TrackViews(NamedTuple):
    """What is shown of K tracks of B cadences.

    ``strips`` (B, K, 6, ``STRIPS``, time / ``BINS``, 2 ``REACH`` + 1): both residuals along the track, in sigma, dimmed to
    ``FULL`` and compressed. ``numbers`` (B, K, 6, ``NUMBERS``): see :func:`numbers_of`. ``channel`` (B, K, 6, time): where the
    track is.
    """

    strips: Tensor
    numbers: Tensor
    channel: Tensor


def views_of(x_BPTF: Tensor, per_column: bool = False) -> TrackViews:
    """Search panels (B, 6, T, F), float32, and show what lies along the tracks found; nothing here is learned."""
    left = residuals(x_BPTF, per_column)
    plain, cross = compress(left.plain), compress(left.cross)
    found = find_tracks(torch.maximum(plain, cross - BRIGHT), cross, most=CLEANED_MOST if per_column else MOST)
    strips = torch.stack([along(one, found.channel, REACH) for one in (*left[:2], left.whole)], 3)
    light = light_of(strips[:, :, :, :STRIPS])
    dim = (FULL / light[:, :, ON].amax((2, 3), keepdim=True)).clamp(max=1)
    numbers = numbers_of(strips, light, dim, found, plain.abs_().mean(3))
    shown = strips[:, :, :, :STRIPS]
    joined = sum((shown[..., bin_of::BINS, :] for bin_of in range(1, BINS)), shown[..., ::BINS, :])
    shown = joined * (dim[..., None, None] / BINS**0.5)
    return TrackViews(compress(shown) / 4, numbers, found.channel)


def numbers_of(strips: Tensor, light: Tensor, dim: Tensor, found: Found, power: Tensor) -> Tensor:
    """(B, K, 6, ``NUMBERS``) of ``strips`` (B, K, 6, 3, T, width) in sigma: residuals, and the panels as they were.

    The light of both residuals in three widths as it is and dimmed; in quarters of the panel; the light of the panel as it was
    above what is smooth around the track (an echo that stands still below a blinding line is lost in either residual); what was
    taken off the track more than beside it; the noise beside it; how alike its course in time is to the panel's ``power``
    (B, 6, T), for what flickers with the sky is sky; evidence nearby, and how many other tracks have half as much; slope, bend
    and span in channels; and how much of it is inside the window.
    """
    left, whole = strips[:, :, :, :STRIPS], strips[:, :, :, STRIPS:]
    middle, rows = strips.shape[-1] // 2, strips.shape[-2]
    narrow = slice(middle - 1, middle + 2)
    course = left[..., narrow].sum(-1)
    quarters = course.unflatten(4, (SEGMENTS, -1)).sum(5) / (3 * rows / SEGMENTS) ** 0.5
    beside = torch.cat([left[..., : middle - BESIDE + 1], left[..., middle + BESIDE :]], -1)
    taken = whole - left
    around = torch.cat([taken[..., : middle - BESIDE + 1], taken[..., middle + BESIDE :]], -1).mean((4, 5))
    taken = (taken[..., narrow].mean((4, 5)) - around) * (3 * rows) ** 0.5
    sharp = light_of((whole.mean(4, keepdim=True) @ smooth_less(strips.shape[-1], strips.device)) * rows**0.5)
    with_sky = likeness(course, power[:, None, :, None])
    channel = found.channel
    slopes = channel[..., -1] - channel[..., 0]
    bend = (channel[..., 2 * rows // 3] - 2 * channel[..., rows // 2] + channel[..., rows // 3]).abs()
    span = (channel[:, :, ON].amax((2, 3)) - channel[:, :, ON].amin((2, 3)))[..., None].expand_as(bend)
    inside = (whole[:, :, :, 0, :, middle] != 0).float().mean(3)
    moves = torch.stack([slopes.abs().log1p(), bend.log1p(), span.log1p(), inside], 3)
    return torch.cat(
        [
            compress(light.clamp(-BEYOND, BEYOND), 3.0),
            compress(light * dim, 3.0),
            compress(quarters.flatten(3).clamp(-BEYOND, BEYOND), 3.0),
            compress(sharp.clamp(-(BEYOND**2), BEYOND**2), 3.0),
            compress(taken.clamp(-(BEYOND**2), BEYOND**2), 3.0),
            beside.square().mean((4, 5)).clamp(max=BEYOND).log1p(),
            with_sky,
            found.nearby.clamp(0, BEYOND).log1p(),
            found.alike[..., None],
            moves,
        ],
        3,
    )


@keep(4)
def smooth_less(width: int, device: torch.device) -> Tensor:
    """Matrix (``width``, ``width``) that takes the cubic off a strip's profile that fits it best beside the track."""
    middle = width // 2
    at = torch.arange(-middle, middle + 1, dtype=torch.float64) / middle
    cubic = torch.stack([at**power for power in range(4)], 1)
    beside = (at.abs() * middle >= BESIDE).double()[:, None]
    fit = cubic @ torch.linalg.pinv(cubic * beside)
    return (torch.eye(len(at)) - (fit * beside.T).T).to(device, torch.float32)


def likeness(one: Tensor, other: Tensor) -> Tensor:
    """Correlation along the last dimension, 0 where either is constant."""
    one, other = one - one.mean(-1, keepdim=True), other - other.mean(-1, keepdim=True)
    norm = (one.square().sum(-1) * other.square().sum(-1)).sqrt()
    return (one * other).sum(-1) / norm.clamp(min=1e-6)


def along(x_BPTF: Tensor, channel: Tensor, reach: int) -> Tensor:
    """What lies along tracks: (B, P, T, F) and channels (B, K, P, T) -> (B, K, P, T, 2 ``reach`` + 1), 0 outside the window."""
    batch, panels, time, freq = x_BPTF.shape
    wide = 2 * reach + 1
    rows = F.pad(x_BPTF, (wide, wide)).reshape(-1)  # what begins in the pad on either side lies in it as a whole
    first = (channel.round().long() - reach).clamp(-wide, freq) + wide
    row = torch.arange(batch * panels * time, device=channel.device).view(batch, 1, panels, time)
    place = first + row * (freq + 2 * wide)
    return rows.unfold(0, wide, 1).index_select(0, place.reshape(-1)).view(*place.shape, wide)


def light_of(strips: Tensor) -> Tensor:
    """(B, K, 6, C, T, width) strips -> (B, K, 6, C x 3): light along the track in sigma, in each of ``WIDTHS``."""
    middle, rows = strips.shape[-1] // 2, strips.shape[-2]
    sums = [strips[..., middle - wide : middle + wide + 1].sum((4, 5)) / (rows * (2 * wide + 1)) ** 0.5 for wide in WIDTHS]
    return torch.cat(sums, 3)
