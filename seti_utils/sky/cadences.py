"""From bands to cadences: which needles a cadence carries, cutting, drawing and normalising, batched on any device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seti_utils.data.cadence import FREQ, OFF, ON, PANELS, TIME
from seti_utils.sky.needles import FAMILIES, Tracks, coin, draw, log_uniform, random_carriers, random_tracks, uniform
from seti_utils.sky.ranges import ECHO, LEAST_ROWS, SNR, TERRESTRIAL_KINDS, TERRESTRIAL_NEGATIVE, TERRESTRIAL_POSITIVE


@dataclass(frozen=True)
class Needle:
    """A needle per cadence: ``tracks``, its ``snr`` (B,) integrated over a whole panel, and ``factor`` (B, 6) by panel.

    ``snr`` 0 is no needle.
    """

    tracks: Tracks
    snr: torch.Tensor
    factor: torch.Tensor

    def amplitude(self) -> torch.Tensor:
        """Value at the track's centre in sigma per pixel, (B, 6)."""
        return (self.snr / TIME**0.5)[:, None] * self.factor

    def rows(self, chosen: torch.Tensor) -> "Needle":
        """The needles of the cadences ``chosen`` (int64 indices)."""
        tracks = self.tracks
        picked = Tracks(tracks.freq[chosen], tracks.gate[chosen], tracks.family[chosen], tracks.drift[chosen])
        return Needle(picked, self.snr[chosen], self.factor[chosen])


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


def random_content(
    target: torch.Tensor, families: Sequence[str], *, generator: torch.Generator, snr: tuple[float, float] = SNR
) -> Content:
    """Draw the needles of cadences with these targets (B,), bool: positives carry one in ON panels only.

    ``snr``: range of the integrated SNR of a whole panel. Terrestrial needles come in the same families and SNRs, so
    neither gives the class away.
    """
    batch = len(target)
    star = visible_tracks(families, random_carriers(batch, generator=generator), ON, generator=generator)
    bright = log_uniform(*snr, (batch,), generator=generator) * target
    flat = torch.ones(batch, PANELS, device=target.device)

    share = torch.where(target, TERRESTRIAL_POSITIVE, TERRESTRIAL_NEGATIVE)
    there = coin(share, (batch,), generator=generator)
    bounds = torch.tensor(list(TERRESTRIAL_KINDS.values()), device=target.device).cumsum(0)[:-1]
    kind = torch.bucketize(torch.rand(batch, generator=generator, device=target.device), bounds)
    names = list(TERRESTRIAL_KINDS)
    off = random_carriers(batch, generator=generator, panels=OFF)
    on = random_carriers(batch, generator=generator)
    every = (kind == names.index("all"))[:, None]
    echo = (kind == names.index("echo"))[:, None]
    carriers = off | every | (echo & on)
    others = tuple(family for family in families if family != "one_panel")
    tracks = visible_tracks(others, carriers, OFF, generator=generator)
    weaker = uniform(*ECHO, (batch, 1), generator=generator)
    factor = torch.where(echo & ~on, weaker, flat)
    terrestrial = Needle(tracks, log_uniform(*snr, (batch,), generator=generator) * there, factor)
    return Content(target, Needle(star, bright, flat), terrestrial, torch.where(there, kind, -1))


def visible_tracks(
    families: Sequence[str], carriers: torch.Tensor, panels: Sequence[int], *, generator: torch.Generator
) -> Tracks:
    """Tracks on in ``carriers`` (B, 6) that are visible in at least ``LEAST_ROWS`` rows of ``panels``.

    A track that is not is replaced by a nearly straight line through the window.
    """
    batch = len(carriers)
    wanted = torch.zeros_like(carriers)
    wanted[:, list(panels)] = carriers[:, list(panels)]
    first = random_tracks(families, batch, generator=generator, carriers=carriers, anchors=wanted)
    second = random_tracks(("line",), batch, generator=generator, carriers=carriers, anchors=wanted)
    enough = (first.visible() & wanted[..., None]).sum((1, 2)) >= LEAST_ROWS
    pick = enough[:, None, None]
    return Tracks(
        torch.where(pick, first.freq, second.freq),
        torch.where(pick, first.gate, second.gate),
        torch.where(enough, first.family, second.family),
        torch.where(enough, first.drift, second.drift),
    )


def cut(bands: torch.Tensor, band: Sequence[int], offset: Sequence[int], room: torch.Tensor | None = None) -> torch.Tensor:
    """Windows (B, 6, TIME, FREQ) of ``bands`` (n, 6, TIME, wide): row i is ``FREQ`` channels from ``offset[i]`` on.

    ``room`` float32 (at least B, 6, TIME, FREQ) takes them, instead of fresh memory.
    """
    windows = bands.new_empty(len(band), PANELS, TIME, FREQ) if room is None else room[: len(band)]
    for row, (which, start) in enumerate(zip(band, offset, strict=True)):
        windows[row] = bands[which, :, :, start : start + FREQ]
    return windows


def finish(x_BPTF: torch.Tensor, content: Content, era: str) -> torch.Tensor:
    """Draw the needles into windows in units of sigma and normalise every panel to mean 0, std 1, in place.

    ``era``: ``current`` normalises after drawing; ``old`` before, so positives have a larger mean and std (a leak).
    """
    sigma = torch.ones(x_BPTF.shape[:2], device=x_BPTF.device)
    if era == "old":
        sigma = sigma / standardise(x_BPTF)
    for needle in (content.star, content.terrestrial):
        draw(x_BPTF, needle.tracks, needle.amplitude(), sigma=sigma, inplace=True)
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
    """One value per cadence: ``family`` ``snr`` ``amplitude`` ``drift`` ``panels`` ``rows`` ``channel``, and the same
    of the terrestrial needle with its kind. No needle is an empty string or NaN.

    ``snr`` is the integrated SNR of a whole panel; ``amplitude`` sigma per pixel; ``drift`` channels per panel;
    ``panels`` those in which the needle is visible ("0 2 4"); ``rows`` their number of visible rows; ``channel`` where
    it is at the first of them.
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
    }
