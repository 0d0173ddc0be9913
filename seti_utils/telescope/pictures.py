"""An event as six panels with its track, the spectra along it, and the band with all events in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

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

GAP = 0.1
"""Room between two panels, over a panel's height."""

Event = Mapping[Any, Any]


def draw_event(search: Search, event: Event, title: str = "", power: Sequence[np.ndarray] | None = None) -> Figure:
    """The six panels of an event: left power in units of the noise, right the mean spectrum along the track, minus what OFF
    panels show standing still.

    ``event`` has channel (at the cadence's middle), width, f_mid (MHz), drift (Hz/s) and snr_1 to snr_6. Arrows mark where the
    track enters and leaves each panel. ``power``: the channels :func:`channels_of` the event, where they have been read.
    """
    hertz = search.cadence.width * 1e6
    rate, middle = event["drift"] / hertz, event["channel"]
    first, last = channels_of(search, event)
    low, high = (edge - first for edge in around_track(search, event))
    read = power or search.cadence.panel_by_panel(first, last, search.grid.average)
    panels = [usable(panel, search.bandpass, first, last)[0] for panel in read]
    with torch.inference_mode():
        segments = search.cadence.segments(first, last)
        sigma = [by_segment(in_sigma, panel, segments) for panel in panels]
        left = sigma
        if search.arrangements:
            left = without_shared(sigma, search.arrangements[0], segments, first)
        flat = [flattened(panel, int(event["width"])).numpy() for panel in left]
    tracks = [track_of(search, number, middle, rate) - first for number in range(len(panels))]
    with styled():
        height = HEAD + FOOT + LANE * len(panels)
        figure = new_picture(8.6, height, layout=None)  # to look for places takes as long as all the drawing
        tall = 1 - (HEAD + FOOT) / height
        left = figure.add_axes((0.055, FOOT / height, 0.675, tall))  # two axes for all panels: each costs as much as its content
        right = figure.add_axes((0.74, FOOT / height, 0.225, tall))
        waterfalls = [panel.numpy()[:, low:high] for panel in sigma]
        draw_waterfalls(left, search, waterfalls, tracks, low - middle + first, middle - first, hertz / 1e3)
        draw_profiles(right, search, flat, tracks, [event[f"snr_{number + 1}"] for number in range(len(panels))])
        draw_scale(left, f"kHz from {event['f_mid']:.6f} MHz")
        draw_scale(right, "channels from the track")
        left.set_title("power, in units of the noise", fontsize=9, y=1)  # where it is given, no place is looked for
        right.set_title("along the track", fontsize=9, y=1)
        if title:
            figure.suptitle(title, x=0.01, y=1 - 0.07 / height, ha="left", va="top", fontsize=10.5, fontweight="bold")
    return figure


def around_track(search: Search, event: Event) -> tuple[int, int]:
    """First and last + 1 channel that a picture of an event shows."""
    rate, middle = event["drift"] / (search.cadence.width * 1e6), event["channel"]
    reach = int(abs(rate) * max(search.grid.middle, 1)) + ROOM
    return max(int(middle) - reach, 0), min(int(middle) + reach + 1, search.cadence.channels)


def channels_of(search: Search, event: Event) -> tuple[int, int]:
    """First and last + 1 channel that are read for a picture: what it shows, and enough to tell the noise by."""
    return room_for_noise(*around_track(search, event), search.cadence.channels)


def event_pngs(search: Search, events: Sequence[Event], titles: Sequence[str]) -> list[bytes]:
    """Pictures of ``events`` as PNG, all read in one pass through the files; one thread, so that every process gives the same
    bytes. A cadence with needles drawn into it is not pictured."""
    assert isinstance(search.cadence, Cadence)
    with one_thread():
        power = search.cadence.read_ranges([channels_of(search, event) for event in events], search.grid.average)
        every = zip(events, titles, power, strict=True)
        return [png_bytes(draw_event(search, event, title, panels)) for event, title, panels in every]


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


def draw_waterfalls(
    axes: Axes,
    search: Search,
    panels: Sequence[np.ndarray],
    tracks: Sequence[np.ndarray],
    low: float,
    middle: float,
    kilohertz: float,
) -> None:
    """The panels below each other, with arrows where the track enters and leaves each; ``low``: where the first channel is from
    the event's, at ``middle`` of what the ``tracks`` count from."""
    left, right = ((low + edge) * kilohertz for edge in (-0.5, panels[0].shape[1] - 0.5))
    for number, panel in enumerate(panels):
        top, on = number * (1 + GAP), number in search.on
        rows = averaged(torch.from_numpy(panel), max(len(panel) // SHOWN_ROWS, 1)).numpy()
        floor, centre, upper = np.quantile(rows, [0.02, 0.5, 0.84])
        axes.imshow(
            rows, aspect="auto", cmap=WATERFALL, vmin=floor, vmax=centre + max(5 * (upper - centre), 1e-3),
            extent=(left, right, top + 1, top), interpolation="nearest",
        )  # fmt: skip
        axes.text(
            -0.03, top + 0.5, f"{number + 1} {'ON' if on else 'OFF'}", transform=axes.get_yaxis_transform(), rotation=90,
            ha="center", va="center", color="white", fontsize=8, fontweight="bold",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": ON_COLOUR if on else OFF_COLOUR, "edgecolor": "none"},
        )  # fmt: skip
    for place, edge, shape in ((0, 0, "v"), (-1, 1, "^")):
        ends = [((track[place] - middle) * kilohertz, number * (1 + GAP) + edge) for number, track in enumerate(tracks)]
        inside = [end for end in ends if left <= end[0] <= right]
        axes.plot(
            [end[0] for end in inside], [end[1] for end in inside], shape, color="white", markersize=4, markeredgecolor=INK,
            markeredgewidth=0.5, clip_on=False,
        )  # fmt: skip
    axes.set(xlim=(left, right), ylim=(lanes(panels), 0))


def draw_scale(axes: Axes, label: str) -> None:
    """Numbers, marks and a label below the axes. Matplotlib's own ticks take as long as everything else in the picture."""
    axes.set_axis_off()
    low, high = axes.get_xlim()
    below = axes.get_xaxis_transform()
    ticks = [value for value in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= value <= high]
    axes.plot(ticks, [0] * len(ticks), "|", transform=below, color=INK, markersize=4, markeredgewidth=0.7, clip_on=False)
    for value in ticks:
        axes.text(value, -0.008, f"{value:g}".replace("-", "−"), transform=below, ha="center", va="top", fontsize=8)
    axes.text(0.5, -0.035, label, transform=axes.transAxes, ha="center", va="top", fontsize=9)


def draw_profiles(
    axes: Axes, search: Search, panels: Sequence[np.ndarray], tracks: Sequence[np.ndarray], snrs: Sequence[float]
) -> None:
    """Each panel's sum along the track and beside it, in sigma, every one on its own scale, with its SNR in words."""
    steps = np.arange(-PROFILE, PROFILE + 1)
    ticks = {}
    for number, (flat, track, snr) in enumerate(zip(panels, tracks, snrs, strict=True)):
        where = np.round(track).astype(int)[:, None] + steps
        inside = (where >= 0) & (where < flat.shape[1])
        picked = np.where(inside, flat[np.arange(len(flat))[:, None], where.clip(0, flat.shape[1] - 1)], 0)
        profile = picked.sum(0) / len(flat) ** 0.5
        low, high = min(1.08 * profile.min(), -4), max(1.08 * profile.max(), 8)
        top = number * (1 + GAP)
        heights = top + (high - profile) / (high - low)
        colour = ON_COLOUR if number in search.on else OFF_COLOUR
        axes.plot(steps, heights, color=colour, linewidth=1.1, drawstyle="steps-mid")
        axes.text(0.97 * PROFILE, top + 0.1, f"SNR {snr:.1f}", ha="right", va="top", fontsize=8, color=colour)
        for value in (0, tick_below(high)):
            ticks[top + (high - value) / (high - low)] = f"{value:g}"
    axes.hlines(list(ticks)[::2], -PROFILE, PROFILE, color=FAINT, linewidth=0.6, zorder=0)
    axes.hlines([number * (1 + GAP) + 1 for number in range(len(panels))], -PROFILE, PROFILE, color=INK, linewidth=0.7)
    axes.set(xlim=(-PROFILE, PROFILE), ylim=(lanes(panels), 0))
    for place, value in ticks.items():
        axes.text(1.04 * PROFILE, place, value, ha="left", va="center", fontsize=7)


def lanes(panels: Sequence[np.ndarray]) -> float:
    """How high so many panels are, with the gaps between them, over a panel's height."""
    return len(panels) * (1 + GAP) - GAP


def tick_below(high: float) -> float:
    """The largest round number (1, 2 or 5 times a power of ten) below ``high``."""
    power = 10.0 ** np.floor(np.log10(high))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= high)


def draw_band(cadence: Cadence, events: pd.DataFrame, masks: Sequence[Band] = ()) -> Figure:
    """Where in the band the events are: SNR against frequency, as dark as they are rare; masked bands in grey."""
    with styled():
        figure = new_picture(8.6, 2.6, layout=None)
        axes = open_axes(figure.add_axes((0.085, 0.18, 0.9, 0.71)), x="MHz", y="SNR of the ON panels")
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
        if wide:  # plain numbers: powers with exponents take a fifth of a second
            axes.yaxis.set(major_formatter=LogFormatter(), minor_formatter=LogFormatter())
        if len(events):
            axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)  # above the axes: events lie anywhere in them
    return figure
