"""Galleries: many cadences at a glance, with their ids, scores and, where known, targets."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from seti_utils.data.cadence import PANELS, SHAPE
from seti_utils.data.sources import Source
from seti_utils.data.tables import refuse
from seti_utils.errors import InputError
from seti_utils.pictures.style import INK, NEGATIVE, OFF_COLOUR, ON_COLOUR, POSITIVE, new_picture, styled
from seti_utils.pictures.waterfall import draw_stack

PANELS_SHOWN = {
    "cleaned": "panels A B A C A D, whitened (background flattened) and averaged along the brightest track",
    "raw": "panels A B A C A D as the arrays are",
    "less sky": "panels A B A C A D, minus what neighbours show of the same sky",
}
"""What was done to the panels before they were drawn; it is written below them."""
WORDS = {1.0: ("positive", POSITIVE), 0.0: ("negative", NEGATIVE)}


def draw_gallery(
    source: Source,
    scores: pd.DataFrame,
    *,
    count: int = 12,
    lowest: bool = False,
    columns: int = 4,
    view: str = "cleaned",
    title: str = "",
    label: str = "score",
    less_sky: Source | None = None,
) -> Figure:
    """The ``count`` highest-scoring cadences of a score table, best first; the lowest with ``lowest``.

    ``source`` has ``ids``, ``panels`` (all six) and ``read_into(rows, out)``. Each cadence is drawn as its panels below each
    other, seven rows averaged into one, with an orange bar at ON and a grey one at OFF panels. ``view`` is "cleaned" or "raw"
    (see ``waterfall.draw_cadence``); ``label`` is what the column score is. ``less_sky``, a source like ``source`` of panels
    minus what neighbours show of the same sky, is drawn instead where it is given. Equal scores keep the order of the table.
    Raises ``InputError`` when an id is not in the source, or the source lacks panels.
    """
    if view not in ("raw", "cleaned") or count < 1 or columns < 1:
        raise InputError(
            f"view={view!r}, count={count}, columns={columns}",
            where="draw_gallery",
            remedy="view raw or cleaned, count and columns at least 1",
        )
    chosen = scores.sort_values("score", ascending=lowest, kind="stable").head(count)
    cadences = read_cadences(source if less_sky is None else less_sky, chosen["id"])
    view = view if less_sky is None else "less sky"
    columns = min(columns, len(chosen))
    rows = -(-len(chosen) // columns)
    with styled():
        figure = new_picture(2.35 * columns + 0.2, 2.65 * rows + 0.55)
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for rank, (place, cadence, row) in enumerate(zip(places, cadences, chosen.to_dict("records"), strict=False), 1):
            draw_stack(place, cadence, view)
            word, colour = WORDS.get(row.get("target", np.nan), ("", INK))
            place.set_title(f"{rank}. {row['id']}", fontsize=8, pad=13)
            place.text(0, 1.015, f"{label} {row['score']:.4f}", transform=place.transAxes, fontsize=8, va="bottom")
            place.text(
                1, 1.015, word, transform=place.transAxes, fontsize=8, va="bottom", ha="right", color=colour, fontweight="bold"
            )
        for place in places[len(chosen) :]:
            place.set_axis_off()
        if title:
            figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel(f"frequency →   time ↓   {PANELS_SHOWN[view]}", fontsize=8)
        name_bars(figure)
    return figure


def name_bars(figure: Figure) -> None:
    """Write in the lower right corner what the bars beside the panels mean."""
    for word, colour, inches in (("▮ ON", ON_COLOUR, 0.1), ("▮ OFF", OFF_COLOUR, 0.6)):
        figure.text(
            1 - inches / figure.get_figwidth(),
            0.04 / figure.get_figheight(),
            word,
            color=colour,
            fontsize=8,
            ha="right",
            va="bottom",
            fontweight="bold",
        )


def read_cadences(source: Source, ids: pd.Series) -> np.ndarray:
    """The cadences of ``ids``, float16 ``(N, 6, 273, 256)``, from a source that holds them."""
    if tuple(source.panels) != tuple(range(PANELS)):
        raise InputError(
            f"the source holds the panels {tuple(source.panels)}",
            where="gallery",
            remedy="open the files, or a store packed with all six panels",
        )
    rows = pd.Index(np.asarray(source.ids, dtype=str)).get_indexer(pd.Index(ids.astype(str)))
    refuse(rows < 0, ids, "are not among the files", "gallery", "give the table and the files of one data set")
    out = torch.empty((len(rows), *SHAPE), dtype=torch.float16)
    source.read_into(rows.tolist(), out)
    return out.numpy()
