"""One cadence under every cleaning step, side by side."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from seti_utils.pictures.style import new_picture, styled
from seti_utils.pictures.waterfall import draw_stack
from seti_utils.views.background import low_rank
from seti_utils.views.cleaning import clip, column_norm, compress, emphasis, high_pass, off_median, row_norm
from seti_utils.views.whitening import whiten

STEPS: dict[str, Callable] = {
    "as it is": lambda x: x,
    "OFF median off": off_median,
    "clipped at 3 sigma": clip,
    "compressed": compress,
    "columns normalised": column_norm,
    "rows normalised": row_norm,
    "high-pass": high_pass,
    "narrow features": emphasis,
    "low rank off (SVD)": low_rank,
    "low rank off (NMF)": partial(low_rank, method="nmf"),
    "whitened": whiten,
}
COLUMNS = 4


def draw_cleaning(cadence: np.ndarray, *, title: str = "") -> Figure:
    """The cadence ``(6, 273, 256)`` as a compact stack, once for each cleaning step of ``seti_utils.views``."""
    x_BPTF = torch.from_numpy(np.asarray(cadence, np.float32))[None]
    with styled():
        figure = new_picture(13.0, 9.0)
        figure.suptitle(title)
        places = list(figure.subplots(-(-len(STEPS) // COLUMNS), COLUMNS).flat)
        for spare in places[len(STEPS) :]:
            spare.set_axis_off()
        for axes, (name, step) in zip(places, STEPS.items(), strict=False):
            draw_stack(axes, step(x_BPTF)[0].numpy(), view="raw")
            axes.set_title(name)
    return figure
