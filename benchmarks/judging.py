"""What networks are judged by: empty cadences with one needle at every brightness, and the rows of a sky beside two references.

Shared by ``response.py`` (any network, the whole judgement) and ``ship_detector.py`` (the card of the detector that is shipped).
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import CLEANED_SIX, FREQ, PANELS, SHAPE, SIX, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.learn.predicting import predict
from seti_utils.log.pages import LOG
from seti_utils.nets.shipped import ShippedDetector, load_detector
from seti_utils.overlap.clean import clean_panels
from seti_utils.progress import progress
from seti_utils.run.artifacts import kept_weights, load_network, read_meta
from seti_utils.run.compose import bare_network, panels_of, view_of
from seti_utils.sky.background import random_bands
from seti_utils.sky.cadences import cut, finish
from seti_utils.sky.folder import needles_of
from seti_utils.sky.needles import FAMILIES, Tracks, draw, light_snr, pixels, random_tracks
from seti_utils.sky.plan import seeded
from seti_utils.sky.profiles import plain_profiles
from seti_utils.sky.ranges import TRAIN_MIX
from seti_utils.sky.reference import along_track, contrast, drift_search, track_score
from seti_utils.stats.recall import wilson
from seti_utils.views.normalising import normalise_panels

AMPLITUDES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 30.0, 100.0, 300.0)
WIDTHS, DRIFTS, CARRIERS = (0.5, 1.5, 6.0), (0.2, 8.0, 30.0), ((0, 2, 4), (2,))
CURVED = ("chirp_linear", "sine", "walk", "intermittent")
"""Families besides straight lines; their drifts are drawn."""
START, SHIFT = 300, 17
"""Where an empty cadence's window lies in its band, and how far beside it the neighbour's that cleans it: 93 % are covered."""
TOGETHER = 8
EMPTY = "empty"
"""The cell without a needle."""


@dataclass(frozen=True)
class Judged:
    """A network: its ``name``, the ``mark`` of its weights, whether it looks at ``cleaned`` panels, and logits (B,) of (B, 6, T, F)."""

    name: str
    mark: str
    cleaned: bool
    score: Callable[[Tensor], Tensor]


def open_network(what: str) -> Judged:
    """A shipped detector by its name, a .safetensors file with its card, or the folder of a trained run."""
    if not Path(what).is_dir():
        return of_detector(load_detector(what))
    folder = Path(what)
    meta = read_meta(folder)
    if meta is None:
        raise InputError("holds no finished run", where=folder, remedy="give a folder such as runs/rung_detector/fold0_seed2021")
    name = str(meta["experiment"])
    if name not in LOG.experiments or LOG.fingerprint(name) != meta["fingerprint"]:
        raise InputError(f"{name} was trained with other settings than the log's", where=folder, remedy="train it without --set")
    config = LOG.config(name)
    panels = panels_of(config)
    if panels not in (SIX, CLEANED_SIX):
        raise InputError(f"{name} does not look at six panels, all raw or all cleaned", where=folder, remedy="judge another one")
    model = bare_network(config)
    load_network(model, folder / kept_weights(config.adapt))
    look = partial(predict, model, render=view_of(config), tta=("identity",), autocast=config.precision)

    def score(x_BPTF: Tensor) -> Tensor:
        rows = torch.arange(len(x_BPTF))
        return torch.from_numpy(look([Batch(x_BPTF.half(), torch.full((len(rows),), torch.nan), rows, panels)])[0])

    return Judged(name, str(meta["weights"][kept_weights(config.adapt)]), panels == CLEANED_SIX, score)


def of_detector(detector: ShippedDetector) -> Judged:
    """A detector with a card."""
    return Judged(
        detector.name, detector.mark, detector.card["panels"] == "cleaned", lambda x_BPTF: detector.score(x_BPTF.half()).logit
    )


# --- response: one needle in empty cadences, at every brightness


@dataclass(frozen=True)
class Cell:
    """Needles of one kind: ``family``, ``width`` (full width at half maximum, channels), ``drift`` (channels per panel; None: drawn), ``panels``."""

    family: str
    width: float
    drift: float | None
    panels: tuple[int, ...]

    @property
    def name(self) -> str:
        """As a table says it."""
        course = f"drift {self.drift:g}" if self.drift is not None else self.family
        return f"panels {' '.join(map(str, self.panels))}, {course}, width {self.width:g}"

    def tracks(self, count: int) -> Tracks:
        """``count`` tracks, always the same."""
        if self.drift is not None:
            return straight(count, self.drift, self.panels, self.width)
        carriers = torch.zeros(count, PANELS, dtype=torch.bool)
        carriers[:, list(self.panels)] = True
        generator = seeded(7, "response", self.family, 0)
        return replace(
            random_tracks((self.family,), count, generator=generator, carriers=carriers),
            profile=plain_profiles(count, self.width),
        )


STRAIGHT = tuple(Cell("drift", width, drift, panels) for panels, drift, width in product(CARRIERS, DRIFTS, WIDTHS))
CELLS = STRAIGHT + tuple(Cell(family, width, None, panels) for panels, family, width in product(CARRIERS, CURVED, (0.5, 1.5)))


def straight(count: int, drift: float, carriers: tuple[int, ...], width: float) -> Tracks:
    """Straight tracks through the middle of the window and beside it."""
    time = (torch.arange(PANELS * TIME) + 0.5) / TIME
    freq = (FREQ / 2 + drift * (time - 3)).view(1, PANELS, TIME) + torch.linspace(-40, 40, count)[:, None, None]
    gate = torch.zeros(count, PANELS, TIME)
    gate[:, list(carriers)] = 1
    family = torch.full((count,), FAMILIES.index("drift"))
    return Tracks(freq, gate, family, torch.full((count,), drift), plain_profiles(count, width))


def empty_cadences(count: int, seed: int = 9) -> tuple[Tensor, Tensor]:
    """Cadences (count, 6, 273, 256) without any needle, of all kinds of background, and their neighbours ``SHIFT`` channels beside."""
    generator = seeded(seed, "empty", "bands", 0)
    own, beside = torch.empty(count, *SHAPE), torch.empty(count, *SHAPE)
    kinds = torch.multinomial(torch.tensor(TRAIN_MIX), count, replacement=True, generator=generator)
    for row, kind in enumerate(kinds):  # a band at a time: each is 7 MB, and as much again while it is drawn
        sky = random_bands(kind[None], generator=generator)
        own[row], beside[row] = finish(cut(sky, [0, 0], [START, START + SHIFT]), (), "current")
    return own, beside


def respond(judge: Judged, count: int = 10, cells: Iterable[Cell] = CELLS, known: Iterable[str] = ()) -> Iterable[pd.DataFrame]:
    """For every cell that is not ``known``: its logits, a row per cadence (``count`` of them) and amplitude.

    ``cell``, ``amplitude`` (one of ``AMPLITUDES``, in sigma per pixel), ``snr`` (as drawn, integrated over its brightest panel),
    ``logit``. The first has no needle: its name is "empty", its amplitude and SNR are 0. A needle has one shape at every
    amplitude: drawing leaves out what is fainter than 0.05 sigma, which the brightest has least of, so that one is drawn and dimmed.
    """
    own, beside = empty_cadences(count)
    sigma, known = local_sigma(own), set(known)

    def told(cell: str, height: float, snr: Tensor, x_BPTF: Tensor) -> pd.DataFrame:
        if judge.cleaned:
            whole = torch.ones(1, PANELS, dtype=torch.bool)
            pairs = zip(x_BPTF, beside, strict=True)
            x_BPTF = torch.stack([clean_panels(one, other[None], [SHIFT], whole)[0] for one, other in pairs])
        logit = torch.cat([judge.score(part) for part in x_BPTF.half().split(TOGETHER)])
        return pd.DataFrame({"cell": cell, "amplitude": height, "snr": snr.numpy(), "logit": logit.float().numpy()})

    if EMPTY not in known:
        yield told(EMPTY, 0.0, torch.zeros(count), own)
    for cell in cells:
        if cell.name not in known:
            drawn = brighter_and_brighter(own, sigma, cell.tracks(count))
            yield pd.concat([told(cell.name, *one) for one in drawn], ignore_index=True)


def brighter_and_brighter(own: Tensor, sigma: Tensor, tracks: Tracks) -> Iterable[tuple[float, Tensor, Tensor]]:
    """Cadences with a needle of one shape at every amplitude: that, its SNR (B,), and the panels."""
    most = torch.full((len(own), PANELS), max(AMPLITUDES))
    light = draw(torch.zeros_like(own), tracks, most[:, 0], sigma=sigma) / max(AMPLITUDES)
    snr = light_snr(pixels(tracks, most, range(PANELS)), tracks.freq).amax(1) / max(AMPLITUDES)
    for height in AMPLITUDES:
        yield height, snr * height, normalise_panels(own + light * height)


def told_the_track(count: int = 10) -> pd.DataFrame:
    """``cell``, ``snr`` and ``true_track`` of the cadences of ``respond``, as raw panels: what the filter that is told the track sees of them."""
    own, _ = empty_cadences(count)
    sigma, parts = local_sigma(own), []
    for cell in progress(CELLS, desc="told the track", unit="cell"):
        tracks = cell.tracks(count)
        for _, snr, x_BPTF in brighter_and_brighter(own, sigma, tracks):
            parts.append(pd.DataFrame({"cell": cell.name, "snr": snr.numpy(), "true_track": true_track(x_BPTF.half(), tracks)}))
    return pd.concat(parts, ignore_index=True)


def true_track(x_BPTF: Tensor, tracks: Tracks) -> np.ndarray:
    """The upper reference's score (B,) of cadences along ``tracks``."""
    z, energy = along_track(contrast(x_BPTF), tracks)
    return track_score(z, energy, (tracks.gate > 0).any(2)).numpy()


def medians(answers: pd.DataFrame) -> pd.DataFrame:
    """The median logit of every cell (index, in the table's order) at every amplitude (columns; those of "empty" are all one)."""
    middle = answers.pivot_table("logit", "cell", "amplitude", aggfunc="median")
    if EMPTY in middle.index:
        middle.loc[EMPTY] = middle.loc[EMPTY].max()
    return middle.reindex(index=answers["cell"].unique(), columns=list(AMPLITUDES))


def largest_fall(row: Iterable[float]) -> float:
    """How far logits, in the order of brightness, fall below what a fainter needle had."""
    values = np.asarray(list(row), np.float64)
    return float((np.maximum.accumulate(values) - values).max())


# --- recall: the rows of a sky, and what two references make of them


def score_rows(source: Source, judge: Judged) -> pd.DataFrame:
    """``id`` and ``logit`` of every cadence of ``source``."""
    logits = []
    for rows in progress(
        [range(at, min(at + TOGETHER, len(source))) for at in range(0, len(source), TOGETHER)], desc=judge.name, unit="batch"
    ):
        x_BPTF = torch.empty(len(rows), *SHAPE, dtype=torch.float16)
        source.read_into(rows, x_BPTF)
        logits.append(judge.score(x_BPTF))
    return pd.DataFrame({"id": source.ids, "logit": torch.cat(logits).double().numpy()})


def reference_scores(sky: Path, source: Source) -> pd.DataFrame:
    """``id``, and the scores of the references for every test cadence of ``sky``: ``true_track`` and ``drift_search``.

    A cadence without a needle gets the track of another one's: that is what a false alarm of the first is.
    """
    place, parts = {row: number for number, row in enumerate(source.ids)}, []
    for ids, content in progress(list(needles_of(sky, "test")), desc="references", unit="chunk"):
        for some in torch.arange(len(ids)).split(TOGETHER):
            x_BPTF = torch.empty(len(some), *SHAPE, dtype=torch.float16)
            source.read_into([place[ids[row]] for row in some.tolist()], x_BPTF)
            parts.append(
                pd.DataFrame(
                    {
                        "id": [ids[row] for row in some.tolist()],
                        "true_track": true_track(x_BPTF, content.star.rows(some).tracks),
                        "drift_search": drift_search(x_BPTF).numpy(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def bright_things(source: Source) -> pd.Series:
    """Which backgrounds of every cadence glare, by id: ``spikes``, ``bursts``, ``spikes and bursts`` or ``nothing``.

    A spike is a channel, a burst a row, whose mean stands out of its neighbours' by 8 and 3 sigma of the noise of a pixel.
    """
    kinds = []
    for row in range(len(source)):
        x_BPTF = torch.empty(1, *SHAPE, dtype=torch.float16)
        source.read_into([row], x_BPTF)
        x = x_BPTF[0].float() / local_sigma(x_BPTF)[0, :, None, None].clamp(min=1e-6)
        column, line = x.mean(1), x.mean(2)
        spiky = ((column[:, 1:-1] - torch.maximum(column[:, :-2], column[:, 2:])) > 8).any()
        bursting = ((line - line.median(1, keepdim=True).values) > 3).any()
        kinds.append(" and ".join(word for word, there in (("spikes", spiky), ("bursts", bursting)) if there) or "nothing")
    return pd.Series(kinds, source.ids)


def recalled(found: np.ndarray) -> str:
    """``0.85 [0.71, 0.93] of 40``."""
    low, high = wilson(int(found.sum()), len(found))
    return f"{found.mean():.2f} [{low:.2f}, {high:.2f}] of {len(found)}"
