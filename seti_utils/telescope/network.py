"""The detector on windows of a telescope's band: whether it fits, and what it says of each window."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, ON, PANELS, TIME
from seti_utils.nets.shipped import TOGETHER
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.classical import Arrangement
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import together
from seti_utils.views.normalising import normalise_panels

MOST_ROWS = 300
"""Panels of more rows than the detector's are cut to its number around their middle; beyond this they are another product."""

ALIKE = 0.01
"""Relative difference of df and dt that a detector does not notice."""

THINNED = 4
"""Where false alarms are counted, of the windows without a track that may be one of them one in so many is looked at, and stands
for the others. Only what the network alone sees can be false there, which is rare."""

WINDOW = np.dtype(
    [
        ("arrangement", np.int16),
        ("start", np.int32),  # first channel of the window
        ("besides", np.int16),  # how many windows it stands for that were not looked at
        ("score", np.float32),  # logit
        ("panels", np.float32, PANELS),
        ("channel", np.float64),  # of the best track at the cadence's middle
        ("drift", np.float64),  # channels per second
    ]
)


class Scored(Protocol):
    """What a detector says of a batch: a logit each, and its best track."""

    @property
    def logit(self) -> Tensor: ...  # (B,)

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

    def score(self, x_BPTF: Tensor, /) -> Scored:
        """Scores of panels (B, 6, 273, 256), float32."""
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
        return f"the band has {cadence.channels} channels, a window {FREQ}"
    return ""


def windows_to_score(
    starts: Sequence[int], arrangements: Sequence[Arrangement], known: np.ndarray, snr: float, stop: int
) -> np.ndarray:
    """:data:`WINDOW` rows of the windows that are to be looked at, with nothing said of them yet: under the first arrangement all
    that begin at ``starts``; under others, which are there to count false alarms, those whose logits are wanted, and some more.

    ``known``: ``tracks.TRACK`` rows of what was measured before channel ``stop``; a logit is wanted of those that reach ``snr``
    and that no OFF panel shows.
    """
    begin = np.asarray(starts, np.int64)
    rows = [np.empty(0, WINDOW)]
    for number, arrangement in enumerate(arrangements):
        loud = together(known["snr"][:, list(arrangement.on)]) >= snr
        held = np.sort(known["channel"][(known["arrangement"] == number) & loud & (known["trust"] == 1)])
        wanted = np.searchsorted(held, begin) < np.searchsorted(held, begin + FREQ)
        wanted |= (begin + FREQ > stop) | (number == 0)
        rest = np.flatnonzero(~wanted)
        some = np.zeros(len(begin), WINDOW)
        some["arrangement"], some["start"] = number, begin
        some["besides"][rest[::THINNED]] = np.diff(np.append(np.arange(0, len(rest), THINNED), len(rest))) - 1
        wanted[rest[::THINNED]] = True
        rows.append(some[wanted])
    return np.concatenate(rows)


def score_windows(
    detector: ShippedDetector,
    panels: Sequence[Tensor],
    first: int,
    out: np.ndarray,
    arrangements: Sequence[Arrangement],
    grid: Grid,
) -> None:
    """What the detector says of windows into ``out``, their :data:`WINDOW` rows.

    ``panels``: float32 (rows, F) each, from channel ``first`` on. Every window's panels are cut to 273 rows around their
    middle and brought to mean 0, standard deviation 1, as the competition's are. Where ON and OFF are exchanged the cadence is
    looked at backwards in time, so that OFF panels stand where the detector knows ON panels.
    """
    backwards = np.array([arrangement.on != ON for arrangement in arrangements])[out["arrangement"]]
    cut = [panel[(len(panel) - TIME) // 2 :][:TIME] for panel in panels]
    for begin in range(0, len(out), TOGETHER):
        some = slice(begin, min(begin + TOGETHER, len(out)))
        x = torch.empty(len(out[some]), len(cut), TIME, FREQ)
        for window, row, back in zip(x, out[some], backwards[some], strict=True):
            at = int(row["start"]) - first
            for number, panel in enumerate(reversed(cut) if back else cut):
                window[number] = panel[:, at : at + FREQ].flip(0) if back else panel[:, at : at + FREQ]
        with torch.inference_mode():
            scored = detector.score(normalise_panels(x))
        fill(out[some], scored, backwards[some], grid)


def fill(rows: np.ndarray, scored: Scored, backwards: np.ndarray, grid: Grid) -> None:
    """What was said of windows, some of which were looked at backwards in time, into their :data:`WINDOW` rows."""
    rows["score"] = scored.logit.float().cpu().numpy()
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
