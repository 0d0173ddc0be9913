"""From bands to cadences: which needles a cadence carries, cutting, drawing and normalising, batched on any device."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from seti_utils.data.cadence import FREQ, OFF, ON, PANELS, TIME
from seti_utils.sky.carriers import mostly_all, terrestrial_carriers
from seti_utils.sky.draws import coin, log_uniform, may_look
from seti_utils.sky.nature import ALL, natural
from seti_utils.sky.needles import FAMILIES, Tracks, add_light, light_snr, pixels, random_tracks
from seti_utils.sky.profiles import SHAPES, Pixels, plain_profiles
from seti_utils.sky.ranges import (
    BRIGHT_SHARE,
    BRIGHT_SNR,
    LEAST_ROWS,
    SNR,
    TERRESTRIAL_KINDS,
    TERRESTRIAL_NEGATIVE,
    TERRESTRIAL_POSITIVE,
)


@dataclass(frozen=True)
class Needle:
    """A needle per cadence: ``tracks``, its ``snr`` (B,) integrated over a whole panel, and ``factor`` (B, 6) by panel.

    ``snr`` 0 means no needle.
    """

    tracks: Tracks
    snr: torch.Tensor
    factor: torch.Tensor

    def amplitude(self) -> torch.Tensor:
        """Amplitude in sigma per pixel (:mod:`seti_utils.sky.profiles`), (B, 6)."""
        return (self.snr / TIME**0.5)[:, None] * self.factor

    def rows(self, chosen: torch.Tensor) -> "Needle":
        """The needles of the cadences ``chosen`` (int64 indices)."""
        return Needle(self.tracks.rows(chosen), self.snr[chosen], self.factor[chosen])

    @cached_property
    def light(self) -> tuple[Pixels, ...]:
        """The pixels that it lights, in sigma."""
        return tuple(pixels(self.tracks, self.amplitude(), range(PANELS)))

    def panel_snr(self) -> torch.Tensor:
        """Integrated SNR of every panel as drawn, (B, 6): with its gate, its course of brightness and the window's edges."""
        return light_snr(self.light, self.tracks.freq)


@dataclass(frozen=True)
class Content:
    """What cadences carry: ``target`` (B,), the ``star``'s needle, the ``terrestrial`` one and its ``kind``.

    ``kind`` int64 (B,): index into ``TERRESTRIAL_KINDS``, -1 for none.
    """

    target: torch.Tensor
    star: Needle
    terrestrial: Needle
    kind: torch.Tensor

    def rows(self, chosen: torch.Tensor) -> "Content":
        """The content of the cadences ``chosen`` (int64 indices)."""
        return Content(self.target[chosen], self.star.rows(chosen), self.terrestrial.rows(chosen), self.kind[chosen])

    def light(self, first: int = 0, count: int | None = None) -> list[Pixels]:
        """What the needles of ``count`` cadences light, from cadence ``first`` on: all, as one batch."""
        both = (*self.star.light, *self.terrestrial.light)
        if count is None:
            return list(both)
        rows = PANELS * self.star.tracks.freq.shape[2]
        ends = torch.tensor([first * rows, (first + count) * rows])
        parts = [(lit, *torch.searchsorted(lit.row, ends).tolist()) for lit in both]
        return [Pixels(lit.row[a:b] - first * rows, lit.channel[a:b], lit.value[a:b]) for lit, a, b in parts if b > a]


def random_content(
    target: torch.Tensor,
    families: Sequence[str],
    *,
    generator: torch.Generator,
    snr: tuple[float, float] = SNR,
) -> Content:
    """Draw the needles of cadences with these targets (B,), bool: positives carry one in ON panels only.

    ``snr``: range of the integrated SNR of a whole panel. Terrestrial needles come in the same families and SNRs, so
    neither gives the class away.
    """
    batch, device = len(target), target.device
    flat = torch.ones(batch, PANELS, device=device)
    star = needle_tracks(target, families, mostly_all(batch, generator=generator), ON, generator=generator)
    bright = random_snr(batch, snr, generator=generator) * target

    share = torch.where(target, TERRESTRIAL_POSITIVE, TERRESTRIAL_NEGATIVE)
    there = coin(share, (batch,), generator=generator)
    bounds = torch.tensor(list(TERRESTRIAL_KINDS.values()), device=device).cumsum(0)[:-1]
    kind = torch.bucketize(torch.rand(batch, generator=generator, device=device), bounds)
    other = random_snr(batch, snr, generator=generator) * there
    carriers, factor = terrestrial_carriers(kind, other, generator=generator)
    others = tuple(family for family in families if family != "one_panel")
    tracks = needle_tracks(there, others, carriers, OFF, generator=generator)
    return Content(target, Needle(star, bright, flat), Needle(tracks, other, factor), torch.where(there, kind, -1))


def random_snr(batch: int, snr: tuple[float, float], *, generator: torch.Generator) -> torch.Tensor:
    """Integrated SNRs (B,): log-uniform within ``snr``, and a share ``BRIGHT_SHARE`` above, up to ``BRIGHT_SNR``."""
    usual = log_uniform(*snr, (batch,), generator=generator)
    bright = log_uniform(snr[1], max(BRIGHT_SNR, snr[1]), (batch,), generator=generator)
    return torch.where(coin(BRIGHT_SHARE, (batch,), generator=generator), bright, usual)


def needle_tracks(
    wanted: torch.Tensor,
    families: Sequence[str],
    carriers: torch.Tensor,
    panels: Sequence[int],
    *,
    generator: torch.Generator,
) -> Tracks:
    """Tracks of the cadences ``wanted`` (B,), as nature draws them; the others' are some of those, never to be drawn."""
    place = torch.arange(len(wanted), device=wanted.device)
    rows = place
    if may_look(wanted):
        rows = wanted.nonzero()[:, 0] if wanted.any() else place[:1]
        place = (wanted.cumsum(0) - 1).clamp(min=0)
    return visible_tracks(families, carriers[rows], panels, generator=generator).rows(place)


def visible_tracks(
    families: Sequence[str],
    carriers: torch.Tensor,
    panels: Sequence[int],
    *,
    generator: torch.Generator,
) -> Tracks:
    """Tracks on in ``carriers`` (B, 6) that are visible in at least ``LEAST_ROWS`` rows of ``panels``.

    They are as nature draws them. One that is not visible is replaced by a nearly straight, steady line of its profile
    through the window.
    """
    wanted = torch.zeros_like(carriers)
    wanted[:, list(panels)] = carriers[:, list(panels)]
    options = {"generator": generator, "carriers": carriers, "anchors": wanted}
    first = natural(random_tracks(families, len(carriers), **options), (ALL,), generator=generator)
    second = random_tracks(("line",), len(carriers), **options)
    enough = (first.visible() & wanted[..., None]).sum((1, 2)) >= LEAST_ROWS
    pick = enough[:, None, None]
    return Tracks(
        torch.where(pick, first.freq, second.freq),
        torch.where(pick, first.gate, second.gate),
        torch.where(enough, first.family, second.family),
        torch.where(enough, first.drift, second.drift),
        first.profile,
    )


def cut(bands: torch.Tensor, band: Sequence[int], offset: Sequence[int], room: torch.Tensor | None = None) -> torch.Tensor:
    """Windows (B, 6, TIME, FREQ) of ``bands`` (n, 6, TIME, wide): row i is ``FREQ`` channels from ``offset[i]`` on.

    ``room`` float32 (at least B, 6, TIME, FREQ) takes them, instead of fresh memory.
    """
    windows = bands.new_empty(len(band), PANELS, TIME, FREQ) if room is None else room[: len(band)]
    for row, (which, start) in enumerate(zip(band, offset, strict=True)):
        windows[row] = bands[which, :, :, start : start + FREQ]
    return windows


def finish(x_BPTF: torch.Tensor, light: Sequence[Pixels], era: str) -> torch.Tensor:
    """Draw the needles' ``light`` into windows in units of sigma and normalise every panel to mean 0, std 1, in place.

    ``era``: ``current`` normalises after drawing; ``old`` before, so positives have a larger mean and std (a leak).
    """
    add_light(x_BPTF, light, 1 / standardise(x_BPTF) if era == "old" else None)
    if era == "current":
        standardise(x_BPTF)
    return x_BPTF


def standardise(x_BPTF: torch.Tensor) -> torch.Tensor:
    """Bring every panel to mean 0, std 1 in place and return the standard deviations it had, (B, P)."""
    flat = x_BPTF.flatten(2)
    flat -= flat.mean(2, keepdim=True)
    std = torch.linalg.vector_norm(flat, dim=2) / flat.shape[2] ** 0.5
    flat /= std[..., None]
    return std


def truth_columns(content: Content) -> dict[str, list]:
    """One value per cadence: ``family`` ``snr`` ``amplitude`` ``drift`` ``panels`` ``rows`` ``channel`` ``snr_drawn``
    ``profile`` ``fwhm`` ``lines``, and the same of the terrestrial needle with its kind. No needle is an empty string or NaN.

    ``snr`` is the integrated SNR of a whole panel, were it on and steady there; ``amplitude`` sigma per pixel; ``drift``
    channels per panel; ``panels`` those in which the needle is visible ("0 2 4"); ``rows`` their number of visible rows;
    ``channel`` where it is at the first of them; ``snr_drawn`` what its brightest panel has of ``snr``, as drawn;
    ``profile`` its shape, ``fwhm`` its width in channels, and ``lines`` how many.
    """
    columns = needle_columns(content.star)
    names = list(TERRESTRIAL_KINDS)
    columns["terrestrial"] = [names[kind] if kind >= 0 else "" for kind in content.kind.tolist()]
    columns |= {f"terrestrial_{name}": values for name, values in needle_columns(content.terrestrial).items()}
    return columns


def needle_columns(needle: Needle) -> dict[str, list]:
    """The columns of :func:`truth_columns` for one needle."""
    there = (needle.snr > 0).cpu()
    visible = needle.tracks.visible().cpu() & there[:, None, None]
    panels = visible.any(2)
    first = visible.flatten(1).int().argmax(1, keepdim=True)
    channel = needle.tracks.freq.cpu().flatten(1).gather(1, first)[:, 0]
    profile = needle.tracks.profile or plain_profiles(len(there))
    snr, drift = needle.snr.cpu(), needle.tracks.drift.cpu()

    def numbers(values: torch.Tensor, digits: int) -> list[float]:
        shown = torch.where(there, values, torch.nan).double().tolist()
        return [round(value, digits) for value in shown]

    return {
        "family": [FAMILIES[i] if on else "" for i, on in zip(needle.tracks.family.tolist(), there, strict=True)],
        "snr": numbers(snr, 3),
        "amplitude": numbers(snr / TIME**0.5, 4),
        "drift": numbers(drift, 3),
        "panels": [" ".join(str(p) for p in range(PANELS) if row[p]) for row in panels.tolist()],
        "rows": visible.sum((1, 2)).tolist(),
        "channel": numbers(channel, 2),
        "snr_drawn": numbers(needle.panel_snr().amax(1).cpu(), 3),
        "profile": [SHAPES[i] if on else "" for i, on in zip(profile.shape.tolist(), there, strict=True)],
        "fwhm": numbers(profile.fwhm.cpu(), 3),
        "lines": ((profile.height > 0).sum(1).cpu() * there).tolist(),
    }
