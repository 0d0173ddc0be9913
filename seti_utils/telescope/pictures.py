"""An event as six panels with its track, the spectra along it, and the band with all events in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seti_utils.pictures.style import FAINT, INK, OFF_COLOUR, ON_COLOUR, WATERFALL, new_picture, open_axes, png_bytes, styled
from seti_utils.telescope.bands import Band
from seti_utils.telescope.blocks import Search
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.normalising import flattened, in_sigma
from seti_utils.telescope.panels import averaged, by_segment, usable, without_shared
from seti_utils.threads import one_thread

SHOWN_ROWS = 34
"""Rows of a panel in a picture, about: faint tracks need some averaging for the eye."""

ROOM = 48
"""Channels on each side of a track."""

PROFILE = 16
"""Channels on each side of a track in the spectra along it."""

HEAD, LANE, FOOT = 0.55, 1.15, 0.45
"""Inches of a picture above the panels, of each panel, and below them."""

Event = Mapping[Any, Any]


def draw_event(search: Search, event: Event, title: str = "") -> Figure:
    """The six panels of an event: left power in units of the noise, right the mean spectrum along the track, minus what OFF
    panels show standing still.

    ``event`` has channel (at the cadence's middle), width, f_mid (MHz), drift (Hz/s) and snr_1 to snr_6. Arrows mark where the
    track enters and leaves each panel.
    """
    grid = search.grid
    hertz = search.cadence.width * 1e6
    rate, middle = event["drift"] / hertz, event["channel"]
    reach = int(abs(rate) * max(grid.middle, 1)) + ROOM
    first, last = max(int(middle) - reach, 0), min(int(middle) + reach + 1, search.cadence.channels)
    first, last = room_for_noise(first, last, search.cadence.channels)
    panels, _ = usable(search.cadence.read(first, last, grid.average), search.bandpass, first, last)
    with torch.inference_mode():
        segments = search.cadence.segments(first, last)
        sigma = [by_segment(in_sigma, panel, segments) for panel in panels]
        left = sigma
        if search.arrangements:
            left = without_shared(sigma, search.arrangements[0], segments, first)
        flat = [flattened(panel, int(event["width"])).numpy() for panel in left]
    low, high = max(int(middle) - reach - first, 0), min(int(middle) + reach + 1 - first, last - first)
    count = len(panels)
    with styled():
        height = HEAD + FOOT + LANE * count
        figure = new_picture(8.6, height, layout=None)  # to look for places takes as long as all the drawing
        places = {
            "left": 0.055,
            "right": 0.965,
            "bottom": FOOT / height,
            "top": 1 - HEAD / height,
            "wspace": 0.03,
            "hspace": 0.09,
        }
        grid_axes = figure.subplots(count, 2, width_ratios=(3, 1), squeeze=False, gridspec_kw=places)
        for number in range(count):
            track = track_of(search, number, middle, rate) - first
            left, right = grid_axes[number]
            draw_waterfall(left, sigma[number].numpy(), low, high, track, middle - first, hertz)
            draw_profile(right, flat[number], track, event[f"snr_{number + 1}"], number in search.on)
            tag(left, search, number)
            for axes in (left, right):
                axes.tick_params(labelbottom=number == count - 1, bottom=number == count - 1)
        grid_axes[-1, 0].set_xlabel(f"kHz from {event['f_mid']:.6f} MHz")
        grid_axes[-1, 1].set_xlabel("channels from the track")
        grid_axes[0, 0].set_title("power, in units of the noise", fontsize=9)
        grid_axes[0, 1].set_title("along the track", fontsize=9)
        if title:
            figure.suptitle(title, x=0.01, y=1 - 0.07 / height, ha="left", va="top", fontsize=10.5, fontweight="bold")
    return figure


def event_png(search: Search, event: Event, title: str) -> bytes:
    """:func:`draw_event` as PNG; one thread, so that every process gives the same bytes."""
    with one_thread():
        return png_bytes(draw_event(search, event, title))


def room_for_noise(first: int, last: int, channels: int, least: int = 512) -> tuple[int, int]:
    """Channels ``first`` to ``last``, widened where there are too few to tell the noise by."""
    lacking = max(least - (last - first), 0)
    first = max(first - lacking // 2, 0)
    last = min(last + lacking - lacking // 2, channels)
    return first, last


def track_of(search: Search, panel: int, middle: float, rate: float) -> np.ndarray:
    """Channels of a track at the rows of a panel."""
    grid = search.grid
    rows = grid.rows[panel]
    return middle + rate * ((np.arange(rows) - (rows - 1) / 2) * grid.row + grid.middles[panel] - grid.middle)


def draw_waterfall(axes: Axes, panel: np.ndarray, low: int, high: int, track: np.ndarray, middle: float, hertz: float) -> None:
    """One panel with arrows where the track enters and leaves it."""
    rows = averaged(torch.from_numpy(panel[:, low:high]), max(len(panel) // SHOWN_ROWS, 1)).numpy()
    floor, centre, upper = np.quantile(rows, [0.02, 0.5, 0.84])
    extent = ((low - 0.5 - middle) * hertz / 1e3, (high - 0.5 - middle) * hertz / 1e3, 1, 0)
    axes.imshow(
        rows, aspect="auto", cmap=WATERFALL, vmin=floor, vmax=centre + max(5 * (upper - centre), 1e-3), extent=extent,
        interpolation="nearest",
    )  # fmt: skip
    for place, edge, shape in ((track[0], 0, "v"), (track[-1], 1, "^")):
        where = (place - middle) * hertz / 1e3
        if extent[0] <= where <= extent[1]:
            axes.plot(where, edge, shape, color="white", markersize=4, markeredgecolor=INK, markeredgewidth=0.5, clip_on=False)
    axes.set(xlim=extent[:2], ylim=(1, 0), yticks=[])
    axes.spines[:].set_visible(False)


def draw_profile(axes: Axes, flat: np.ndarray, track: np.ndarray, snr: float, on: bool) -> None:
    """The panel's sum along the track and beside it, in sigma, with its SNR in words."""
    steps = np.arange(-PROFILE, PROFILE + 1)
    where = np.round(track).astype(int)[:, None] + steps
    inside = (where >= 0) & (where < flat.shape[1])
    picked = np.where(inside, flat[np.arange(len(flat))[:, None], where.clip(0, flat.shape[1] - 1)], 0)
    colour = ON_COLOUR if on else OFF_COLOUR
    axes.plot(steps, picked.sum(0) / len(flat) ** 0.5, color=colour, linewidth=1.1, drawstyle="steps-mid")
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    low, high = axes.get_ylim()
    axes.set(ylim=(min(low, -4), max(high, 8)), xlim=(-PROFILE, PROFILE))
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=7, length=2)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.text(0.97, 0.9, f"SNR {snr:.1f}", transform=axes.transAxes, ha="right", va="top", fontsize=8, color=colour)


def tag(axes: Axes, search: Search, number: int) -> None:
    """ON or OFF at the left of a panel, in colour and in words."""
    on = number in search.on
    axes.text(
        -0.02, 0.5, f"{number + 1} {'ON' if on else 'OFF'}", transform=axes.transAxes, rotation=90, ha="right", va="center",
        color="white", fontsize=8, fontweight="bold",
        bbox={"boxstyle": "round,pad=0.3", "facecolor": ON_COLOUR if on else OFF_COLOUR, "edgecolor": "none"},
    )  # fmt: skip


def draw_band(cadence: Cadence, events: pd.DataFrame, masks: Sequence[Band] = ()) -> Figure:
    """Where in the band the events are: SNR against frequency, as dark as they are rare; masked bands in grey."""
    with styled():
        figure = new_picture(8.6, 2.6)
        axes = open_axes(figure.subplots(), x="MHz", y="SNR of the ON panels")
        for band in masks:
            axes.axvspan(band.low, band.high, color=FAINT, alpha=0.6, linewidth=0)
        every = events["n_on"].to_numpy() >= len(cadence.on)
        for mine, name, marker in ((every, "in all ON panels", "o"), (~every, "in some ON panels", "^")):
            axes.plot(
                events["f_mid"][mine], events["snr"][mine], marker, color=ON_COLOUR, alpha=0.75, markersize=5,
                markeredgewidth=0, label=f"{name} ({int(mine.sum())})",
            )  # fmt: skip
        wide = len(events) > 0 and events["snr"].max() > 10 * events["snr"].min()
        axes.set(xlim=(cadence.lowest, cadence.frequency(cadence.channels)), yscale="log" if wide else "linear")
        if len(events):
            axes.legend(loc="upper right")
    return figure
