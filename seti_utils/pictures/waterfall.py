"""Waterfalls of a cadence: frequency across, time downwards, six panels in the order of observation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from seti_utils.data.cadence import DF_HZ, FREQ, HZ_PER_S_PER_CHANNEL_PER_PANEL, ON, PANEL_S, PANELS, POINTINGS, TIME
from seti_utils.errors import InputError
from seti_utils.pictures.emphasis import BINNED, Emphasised, emphasise
from seti_utils.pictures.style import ARROW, FAINT, INK, OFF_COLOUR, ON_COLOUR, WATERFALL, new_picture, styled

CLEANED_RANGE = (0.0, 9.0)
"""Colour range of the cleaned view, in standard deviations of its noise."""

FAINTEST, BRIGHTEST = 0.2, 8.0
"""Least and highest upper end of the colours, in sigma, where the sky is gone: rounding is a thousandth of the one, and
below the other a blinding spike leaves the faint visible."""

ARROWS = "▼ ▲  where the brightest track enters and leaves"
"""What the small triangles at a picture's upper and lower edges mean; it is written above them."""

THUMBNAIL_RANGE = (0.3, 6.0)
"""The same for thumbnails, whose rows are averaged further."""


def draw_cadence(
    cadence: np.ndarray,
    *,
    title: str = "",
    views: Sequence[str] = ("raw", "cleaned"),
    mark: bool = True,
    heat: np.ndarray | None = None,
    less_sky: np.ndarray | None = None,
) -> Figure:
    """The six panels of a cadence ``(6, 273, 256)``, ON and OFF marked, one column for each of ``views``.

    "raw": the values as they are, the contrast of each panel from its own quantiles. "cleaned": each panel flattened
    and averaged along its brightest straight track (``emphasis.emphasise``), all in one scale. Frequency in channels
    below and in MHz from the window's centre above, time in seconds of observation (the telescope's slews left out).
    "less sky": ``less_sky`` (6, 273, 256), the panels minus what neighbours show of the same sky, in sigma of the raw noise.
    "heat": the raw panels in grey under ``heat`` (6, time, freq) in [0, 1], where a network looks.
    ``mark`` puts arrows where that track enters and leaves, if it is beyond doubt (``Emphasised.sure``).
    """
    emphasised = emphasise(cadence) if mark or "cleaned" in views else None
    shown = {"raw": cadence, "cleaned": emphasised.panels if emphasised else cadence}
    shown |= {} if heat is None else {"heat": cadence}
    shown |= {} if less_sky is None else {"less sky": less_sky}
    if not views or not set(views) <= set(shown):
        raise InputError(f"views={views!r}", where="draw_cadence", remedy=f"choose from {', '.join(sorted(shown))}")
    with styled():
        figure = new_picture(1.1 + 3.9 * len(views), 9.6)
        figure.set_layout_engine("constrained", hspace=0, wspace=0.03, h_pad=0.03, rect=(0, 0, 1, 0.995))
        axes = figure.subplots(PANELS, len(views), sharex=True, squeeze=False)
        for column, view in enumerate(views):
            panels, places = np.asarray(shown[view], np.float32), list(axes[:, column])
            scale = sky_range(panels) if view == "less sky" else CLEANED_RANGE if view == "cleaned" else None
            images = [draw_panel(place, panels[n], n, scale or contrast(panels[n])) for n, place in enumerate(places)]
            for panel, place in enumerate(places):
                place.tick_params(labelleft=column == 0)
                place.axvline(0, color=ON_COLOUR if panel in ON else OFF_COLOUR, linewidth=5)
                if column == 0:
                    tag_panel(place, panel)
                if view == "heat" and heat is not None:
                    images[panel].set_cmap("gray")
                    draw_heat(place, heat[panel], panel)
            finish_column(places, view, emphasised if mark else None)
            if scale:
                bar = figure.colorbar(images[-1], ax=places, shrink=0.35, aspect=30, pad=0.02, extend="both")
                bar.set_label("standard deviations of the noise")
                bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]  # a spine, not a list of them
        if title:
            figure.suptitle(title, fontsize=12, fontweight="bold", color=INK, x=0.01, ha="left")
        if mark and emphasised and emphasised.sure:
            figure.text(0.99, 0.997, ARROWS, fontsize=8, color=ARROW, ha="right", va="top")
    return figure


def sky_range(panels: np.ndarray) -> tuple[float, float]:
    """Colour range of panels without their sky: up to the brightest thousandth of the brightest panel, within ``FAINTEST`` and
    ``BRIGHTEST``."""
    return 0.0, float(np.quantile(panels.reshape(len(panels), -1), 0.999, axis=1).max().clip(FAINTEST, BRIGHTEST))


def draw_panel(axes: Axes, panel: np.ndarray, number: int, limits: tuple[float, float]) -> AxesImage:
    """One panel ``(273, 256)`` at its place in frequency [channels] and time [s]."""
    start = number * PANEL_S
    image = axes.imshow(
        panel,
        aspect="auto",
        cmap=WATERFALL,
        vmin=limits[0],
        vmax=limits[1],
        extent=(0, FREQ, start + PANEL_S, start),
        interpolation="antialiased",
        interpolation_stage="data",
    )
    ticks = np.arange(0, PANELS * PANEL_S, 100)
    axes.set_yticks(ticks[(ticks >= start) & (ticks < start + PANEL_S)])
    axes.set_xticks(range(0, FREQ + 1, 32))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=2.5)
    return image


def draw_heat(axes: Axes, heat: np.ndarray, number: int) -> None:
    """Heat ``(time, freq)`` in [0, 1] of one panel over what is drawn there; nothing where it is 0."""
    start = number * PANEL_S
    axes.imshow(
        heat,
        aspect="auto",
        cmap=WATERFALL,
        vmin=0,
        vmax=1,
        alpha=0.7 * np.clip(heat, 0, 1) ** 0.7,
        extent=(0, FREQ, start + PANEL_S, start),
        interpolation="bilinear",
    )


def tag_panel(axes: Axes, number: int) -> None:
    """Star and ON or OFF at the left of a panel, in colour and in words; above the first, what its numbers are."""
    on = number in ON
    colour = ON_COLOUR if on else OFF_COLOUR
    axes.text(
        -0.165,
        0.5,
        f"{POINTINGS[number]} {'ON' if on else 'OFF'}",
        transform=axes.transAxes,
        rotation=90,
        ha="center",
        va="center",
        color="white",
        fontsize=9,
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"},
    )
    if number == 0:
        axes.annotate("time [s]", (0, 1), (-4, 5), "axes fraction", textcoords="offset points", ha="right", fontsize=8)


def finish_column(axes: Sequence[Axes], view: str, emphasised: Emphasised | None) -> None:
    """Title, both frequency axes and, where it is beyond doubt, the arrows of the track of one column."""
    axes[-1].set_xlabel(f"frequency [channels of {DF_HZ / 1e3:.2f} kHz]")
    for place in axes[:-1]:
        place.tick_params(bottom=False)
    centre = FREQ / 2
    top = axes[0].secondary_xaxis(
        "top",
        functions=(
            lambda channel: (np.asarray(channel) - centre) * DF_HZ / 1e6,
            lambda mhz: np.asarray(mhz) * 1e6 / DF_HZ + centre,
        ),
    )
    top.set_xticks([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3])
    top.set_xlabel("MHz from the centre", labelpad=4)
    top.spines[:].set_visible(False)
    top.tick_params(length=2.5)
    words = {
        "raw": "raw · contrast per panel",
        "cleaned": "cleaned",
        "heat": "where the network looks",
        "less sky": "minus its neighbours' sky",
    }[view]
    if view == "cleaned" and emphasised is not None and not emphasised.sure:
        words += " · no track stands out"
    if emphasised is not None and emphasised.sure:
        rate = emphasised.drift * HZ_PER_S_PER_CHANNEL_PER_PANEL
        if view == "cleaned":
            words += f" · along {emphasised.drift:+.1f} channels per panel ({rate:+.0f} Hz/s)"
        for place, row, shape, edge in ((axes[0], 0, "v", 1), (axes[-1], PANELS * TIME, "^", 0)):
            channel = emphasised.channel(row)
            if 0 <= channel <= FREQ:
                place.plot(
                    [channel / FREQ],
                    [edge],
                    shape,
                    transform=place.transAxes,
                    color=ARROW,
                    markersize=7,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    clip_on=False,
                    zorder=5,
                )
    axes[0].set_title(words, fontsize=9, pad=6)


def contrast(panel: np.ndarray) -> tuple[float, float]:
    """Colour limits of a panel: from its 1 % quantile to five robust deviations above the median.

    The deviation is that of the upper half (84 % quantile), so neither spikes nor bursts decide.
    """
    low, middle, high = np.quantile(panel, [0.01, 0.5, 0.84])
    return float(low), float(middle + max(5 * (high - middle), 1e-3))


def stack(cadence: np.ndarray, view: str = "cleaned") -> np.ndarray:
    """The cadence as one small image ``(234, 256)`` in [0, 1]: six panels downwards, seven rows averaged into one."""
    panels = emphasise(cadence, 2 * BINNED + 1).panels if view == "cleaned" else np.asarray(cadence, np.float32)
    small = panels.reshape(PANELS, TIME // BINNED, BINNED, FREQ).mean(2)
    scale = sky_range(small) if view == "less sky" else THUMBNAIL_RANGE if view == "cleaned" else None
    limits = np.array([scale or contrast(panel) for panel in small])[:, :, None, None]
    return np.clip((small - limits[:, 0]) / (limits[:, 1] - limits[:, 0]), 0, 1).reshape(-1, FREQ)


def draw_stack(axes: Axes, cadence: np.ndarray, view: str = "cleaned") -> None:
    """A compact cadence on one axes: the panels below each other, a coloured bar for ON and OFF, no numbers."""
    axes.imshow(
        stack(cadence, view),
        aspect="auto",
        cmap=WATERFALL,
        vmin=0,
        vmax=1,
        interpolation="antialiased",
        extent=(0, FREQ, PANELS, 0),
    )
    for panel in range(PANELS):
        axes.plot(
            [-5, -5],
            [panel + 0.04, panel + 0.96],
            color=ON_COLOUR if panel in ON else OFF_COLOUR,
            linewidth=4,
            solid_capstyle="butt",
            clip_on=False,
        )
        if panel:
            axes.axhline(panel, color=FAINT, linewidth=0.6)
    axes.set(xticks=[], yticks=[], xlim=(0, FREQ))
    axes.spines[:].set_visible(False)
