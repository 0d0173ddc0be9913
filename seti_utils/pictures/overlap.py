"""A cadence before and after overlap cleaning, side by side."""

import numpy as np
import torch
from matplotlib.figure import Figure

from seti_utils.data.cadence import FREQ, ON, PANELS, TIME
from seti_utils.pictures.style import OFF_COLOUR, ON_COLOUR, WATERFALL, new_picture, styled
from seti_utils.pictures.waterfall import contrast
from seti_utils.views.whitening import whiten

BINNED = 7
"""Rows averaged into one."""


def draw_overlap(cadence: np.ndarray, cleaned: np.ndarray, *, title: str = "", limit: float = 0.6) -> Figure:
    """The cadence ``(6, 273, 256)`` as it is, whitened, and cleaned by its neighbours, the last two in sigma.

    Six panels downwards, seven rows averaged into one; ``limit``: the top of the colours in sigma of a single pixel.
    """
    raw = np.asarray(cadence, np.float32)
    white = whiten(torch.from_numpy(raw)[None])[0].numpy()
    columns = {
        "as it is (contrast per panel)": raw,
        f"whitened (0 to {limit:g} σ)": white,
        f"less its neighbours' sky (0 to {limit:g} σ)": np.asarray(cleaned, np.float32),
    }
    with styled():
        figure = new_picture(10.5, 6.4)
        figure.suptitle(title)
        grid = figure.subplots(PANELS, len(columns), sharex=True, gridspec_kw={"hspace": 0.06, "wspace": 0.06})
        for place, (name, panels) in enumerate(columns.items()):
            grid[0, place].set_title(name, fontsize=9)
            grid[-1, place].set_xlabel("frequency [channels]")
            for number, axes in enumerate(grid[:, place]):
                small = panels[number].reshape(TIME // BINNED, BINNED, FREQ).mean(1)
                low, high = contrast(small) if not place else (0.0, limit)
                axes.imshow(small, aspect="auto", cmap=WATERFALL, vmin=low, vmax=high, interpolation="nearest")
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if not place:
                    on = number in ON
                    axes.set_ylabel("ON" if on else "OFF", color=ON_COLOUR if on else OFF_COLOUR, fontweight="bold", fontsize=9)
    return figure
