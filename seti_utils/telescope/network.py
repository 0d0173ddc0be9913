"""The detector on windows of a telescope's band: whether it fits, and what it says of each window."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, ON, PANELS, TIME
from seti_utils.sky.reference import QUIET
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.classical import Arrangement
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import together
from seti_utils.telescope.normalising import flattened
from seti_utils.telescope.panels import by_segment
from seti_utils.views.normalising import normalise_panels
from seti_utils.wording import quantity

MOST_ROWS = 300
"""Panels of more rows than the detector's are cut to its number around their middle; beyond this they are another product."""

ALIKE = 0.01
"""Relative difference of df and dt that a detector does not notice."""

AT_ONCE = 8
"""Windows that are scored at once: what they need stays in a processor's cache."""

STANDING = 0.8
"""A window is looked at where something stands still at this share of the smallest SNR that is asked for, however restless its
surroundings: on emission the sums along tracks, which discount it, miss needles that the network sees."""

WINDOW = np.dtype(
    [
        ("arrangement", np.int16),
        ("start", np.int32),  # first channel of the window
        ("score", np.float32),  # logit
        ("panels", np.float32, PANELS),
        ("channel", np.float64),  # of the best track at the cadence's middle
        ("drift", np.float64),  # channels per second
    ]
)


class Scored(Protocol):
    """What a detector says of a batch: the best track of each."""

    @property
    def track(self) -> Tensor: ...  # (B,) its logit

    @property
    def panel(self) -> Tensor: ...  # (B, 6)

    @property
    def freq(self) -> Tensor: ...  # (B,) channel of the window at the cadence's start

    @property
    def drift(self) -> Tensor: ...  # (B,) channels per panel


class ShippedDetector(Protocol):
    """What :func:`seti_utils.nets.shipped.load_detector` gives."""

    @property
    def card(self) -> Mapping[str, object]: ...

    def shrunk(self, panel_TF: Tensor, /) -> Tensor:
        """A panel (273, F), float32, in the detector's time bins (bins, F)."""
        ...

    def score_shrunk(self, x_BPTF: Tensor, /) -> Scored:
        """Scores of panels (B, 6, bins, 256), float32, each at mean 0."""
        ...


def number(card: Mapping[str, object], name: str, default: float) -> float:
    """A number of the card."""
    value = card.get(name, default)
    return float(value) if isinstance(value, (int, float)) else default


def misfit(cadence: Cadence, card: Mapping[str, object]) -> str:
    """Why a detector with this card cannot look at the cadence; empty when it can."""
    df, dt = number(card, "df_hz", DF_HZ), number(card, "dt_s", DT_S)
    width = cadence.width * 1e6
    if abs(width / df - 1) > ALIKE:
        return f"channels are {width:.6g} Hz wide, it was taught on {df:.6g} Hz"
    if abs(cadence.tsamp / dt - 1) > ALIKE:
        return f"rows are {cadence.tsamp:.6g} s long, it was taught on {dt:.6g} s"
    if len(cadence.rows) != PANELS or cadence.on != ON:
        return f"the order is {cadence.letters}, it was taught on A B A C A D"
    if not TIME <= min(cadence.rows) <= max(cadence.rows) <= MOST_ROWS:
        counts = ", ".join(str(rows) for rows in dict.fromkeys(cadence.rows))
        return f"panels have {counts} rows, it was taught on {TIME} (up to {MOST_ROWS} are cut to that)"
    if cadence.channels < FREQ:
        return f"the band has {quantity(cadence.channels, 'channel')}, a window {FREQ}"
    resize = card.get("resize")
    if isinstance(resize, Mapping) and (resize.get("freq"), resize.get("kernel")) != (FREQ, "area"):
        return f"it looks at channels resized by {resize.get('kernel')} to {resize.get('freq')}, here at each as it is"
    return ""


def standing(panels: Sequence[Tensor], arrangement: Arrangement, segments: Sequence[tuple[int, int]], snr: float) -> np.ndarray:
    """Channels at which the ON panels' spectra together stand out by :data:`STANDING` of ``snr``, and no OFF panel's does.

    ``panels``: (T, F) each, in sigma, minus what the OFF panels show.
    """
    spectra = torch.stack([panel.mean(0) * len(panel) ** 0.5 for panel in panels])
    spectra = by_segment(partial(flattened, width=1), spectra, segments).cpu()
    quiet = spectra[list(arrangement.off)].amax(0) <= QUIET
    return np.flatnonzero(quiet.numpy() & (together(spectra[list(arrangement.on)].T.numpy()) >= STANDING * snr))


def windows_to_score(
    starts: Sequence[int],
    arrangements: Sequence[Arrangement],
    known: np.ndarray,
    still: Sequence[np.ndarray],
    snr: float,
    core: tuple[int, int],
) -> np.ndarray:
    """:data:`WINDOW` rows of the windows that begin in ``core`` and are to be looked at, with nothing said of them yet;
    ``starts``: where those around there begin.

    Those that hold the middle of a track that reaches ``snr`` in the ON panels together and that no OFF panel shows; and those
    in whose middle, more than in another one's, a channel of ``still`` is, which :func:`standing` gives for each arrangement. The
    same holds under every arrangement: what is not looked at in the cadence is no false alarm where ON and OFF are exchanged.
    ``known``: ``tracks.TRACK`` rows of what was measured in ``core``; windows that reach beyond are looked at.
    """
    begin = np.asarray(starts, np.int64)
    mine = (core[0] <= begin) & (begin < core[1])
    rows = [np.empty(0, WINDOW)]
    for number, (arrangement, channels) in enumerate(zip(arrangements, still, strict=True)):
        loud = together(known["snr"][:, list(arrangement.on)]) >= snr
        held = np.sort(known["channel"][(known["arrangement"] == number) & loud & (known["trust"] == 1)])
        wanted = (np.searchsorted(held, begin) < np.searchsorted(held, begin + FREQ)) | (begin + FREQ > core[1])
        if len(begin):
            wanted[np.searchsorted((begin[1:] + begin[:-1] + FREQ) / 2, channels)] = True
        chosen = begin[wanted & mine]
        new = np.zeros(len(chosen), WINDOW)
        new["arrangement"], new["start"] = number, chosen
        rows.append(new)
    return np.concatenate(rows)


def shrunk(detector: ShippedDetector, panel: Tensor) -> Tensor:
    """A panel (rows, F), float32, cut to the detector's rows around its middle, in its time bins."""
    return detector.shrunk(panel[(len(panel) - TIME) // 2 :][:TIME])


def score_windows(
    detector: ShippedDetector,
    panels: Sequence[Tensor],
    first: int,
    out: np.ndarray,
    arrangements: Sequence[Arrangement],
    grid: Grid,
) -> None:
    """What the detector says of windows into ``out``, their :data:`WINDOW` rows.

    ``panels``: (bins, F) each, from channel ``first`` on, see :func:`shrunk`. Every window's panels are brought to mean 0,
    standard deviation 1, as the competition's are. Where ON and OFF are exchanged the cadence is looked at backwards in time, so
    that OFF panels stand where the detector knows ON panels.
    """
    backwards = np.array([arrangement.on != ON for arrangement in arrangements])[out["arrangement"]]
    ways = torch.stack(list(panels)), torch.stack([panel.flip(0) for panel in reversed(panels)])
    for begin in range(0, len(out), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        starts = (out[some]["start"].astype(int) - first).tolist()
        cut = [ways[back][..., at : at + FREQ] for at, back in zip(starts, backwards[some].astype(int), strict=True)]
        with torch.inference_mode():
            scored = detector.score_shrunk(normalise_panels(torch.stack(cut)))
        fill(out[some], scored, backwards[some], grid)


def fill(rows: np.ndarray, scored: Scored, backwards: np.ndarray, grid: Grid) -> None:
    """What was said of windows, some of which were looked at backwards in time, into their :data:`WINDOW` rows."""
    rows["score"] = scored.track.float().cpu().numpy()
    panels = scored.panel.float().cpu().numpy()
    rows["panels"] = np.where(backwards[:, None], panels[:, ::-1], panels)
    drift = scored.drift.double().cpu().numpy()
    # the third panel's middle anchors the track: gaps between panels, unknown to the detector, matter least there
    anchor = scored.freq.double().cpu().numpy() + 2.5 * drift
    spacing = np.where(backwards, grid.middles[5] - grid.middles[1], grid.middles[4] - grid.middles[0]) / 4
    rate = drift / spacing
    third = np.where(backwards, 2 * grid.middle - grid.middles[3], grid.middles[2])
    rows["channel"] = rows["start"] + anchor + rate * (grid.middle - third)
    rows["drift"] = np.where(backwards, -rate, rate)
