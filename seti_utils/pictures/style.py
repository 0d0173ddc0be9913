"""One look for all pictures: colours that colour-blind readers can tell apart, and a way to save them."""

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from seti_utils.files import replacing

# Okabe & Ito's palette (2008), darkened where text must be read on white
ON_COLOUR, OFF_COLOUR = "#C44E00", "#5F7385"
POSITIVE, NEGATIVE, TEST = "#D55E00", "#0072B2", "#009E73"
FOLDS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT, ARROW = "#22282E", "#C9D0D6", "#00B4D8"
WATERFALL = "inferno"
"""Dark noise, bright signal, monotonous in lightness: readable in grey and by colour-blind people."""

LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "figure.dpi": 100,
    "savefig.dpi": 100,
}


class Picture(Figure):
    """A matplotlib figure without pyplot: nothing global is touched, and any notebook shows it as a PNG."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return png_bytes(self)


def new_picture(width: float, height: float, layout: str | None = "constrained") -> Picture:
    """An empty picture of ``width`` x ``height`` inches; call it, and draw, inside ``with styled()``.

    ``layout``: matplotlib's engine that finds places for axes and texts, or None where they are known.
    """
    return Picture(figsize=(width, height), layout=layout)


def styled() -> AbstractContextManager[None]:
    """A context in which axes, ticks and texts get the toolkit's look."""
    return rc_context(LOOK)


def open_axes(axes: Axes, title: str = "", x: str = "", y: str = "") -> Axes:
    """Axes with a title and labels, a faint grid and no box: for curves and histograms."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.7)
    axes.set_axisbelow(True)
    return axes


def png_bytes(figure: Figure, colours: int | None = 256) -> bytes:
    """The figure as PNG without a time stamp, in a palette of ``colours`` (about half the size) or in full.

    Its layout is settled once and then kept: matplotlib's engine moves things a little at every drawing.
    """
    raw = io.BytesIO()
    with styled():
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(raw, format="rgba", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    image = Image.frombytes("RGBA", (int(width), int(height)), raw.getvalue()).convert("RGB")
    if colours is not None:
        image = reduce_colours(image, colours)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=7)  # one per cent larger than the best, in half the time
    return out.getvalue()


def reduce_colours(image: Image.Image, colours: int) -> Image.Image:
    """``image`` in a palette in which rare colours (an arrow, the end of a colour bar) keep their place.

    Median cut over every colour as often as the square root of its count (by plain counts, dark noise takes it all),
    and the most frequent colours exactly: paper stays white, bars and tags keep their tone. Pillow's own search for
    the nearest entry is approximate, so this looks at every one.
    """
    pixels = np.asarray(image).astype(np.uint32)
    every = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    packed, counts = np.unique(every, return_counts=True)
    place = np.empty(1 << 24, np.uint32)
    place[packed] = np.arange(len(packed))
    found = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1).astype(np.uint8)
    flat = found[np.argsort(-counts, kind="stable")[: colours // 8]]
    sample = np.repeat(found, np.ceil(np.sqrt(counts)).astype(int), axis=0)[None]
    cut = Image.fromarray(sample).quantize(colours - len(flat), method=Image.Quantize.MEDIANCUT).getpalette()
    palette = np.concatenate([flat, np.array(cut, np.uint8).reshape(-1, 3)])[:colours]
    nearest = np.concatenate([nearest_colours(some, palette) for some in np.array_split(found, -(-len(found) // 8192))])
    reduced = Image.fromarray(nearest[place[every]])
    reduced.putpalette(palette.tobytes())
    return reduced


def nearest_colours(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The place in ``palette`` (K, 3), K up to 256, of the nearest colour to each of ``colours`` (N, 3), uint8."""
    entries = palette.astype(np.float32)  # all sums below are whole numbers that float32 holds exactly
    distance = (entries**2).sum(1) - 2 * colours.astype(np.float32) @ entries.T
    return distance.argmin(1).astype(np.uint8)


def save_picture(figure: Figure, path: str | Path, *, colours: int | None = 256) -> Path:
    """Write ``figure`` as PNG, atomically; the same figure gives the same bytes. Returns the path."""
    content = png_bytes(figure, colours)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)
