"""A person explores: any row as six panels, its scores, where a network looks, and others like it."""

import os
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.pictures.gallery import draw_gallery, read_cadences
from seti_utils.pictures.style import png_bytes
from seti_utils.pictures.waterfall import draw_cadence
from seti_utils.wording import quantity

Heat = Callable[[str], np.ndarray]

ORDERS = {
    "as in the table": (None, True),
    "highest score": ("score", False),
    "lowest score": ("score", True),
    "most disputed": ("spread", False),
    "most like test": ("adversarial", False),
    "most like train": ("adversarial", True),
}
"""How rows may be put in order: by which column, and whether upwards."""


def is_interactive() -> bool:
    """Whether a person sits before this notebook: Jupyter, VS Code, Colab or an interactive session on Kaggle say so."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return os.environ["KAGGLE_KERNEL_RUN_TYPE"] == "Interactive"
    return any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))


class Explorer:
    """Rows to walk through.

    ``source`` holds all six panels of every id. ``table``: id, split, and any of target, score, spread, adversarial, covered
    (numbers, NaN where unknown). ``embedding`` float (N, D), a vector per row of the table, by which rows are alike.
    ``heat``, where there is a trained network: an id -> where it looks, (6, time, freq) in [0, 1]. ``less_sky``, where
    overlaps were cleaned: the panels of every id minus what its neighbours show of the same sky.
    """

    def __init__(
        self, source: Source, table: pd.DataFrame, embedding: np.ndarray, heat: Heat | None = None, less_sky: Source | None = None
    ):
        if len(embedding) != len(table):
            raise InputError(
                f"{quantity(len(table), 'row')}, {quantity(len(embedding), 'vector')}",
                where="explorer",
                remedy="give one vector per row",
            )
        self.source, self.table, self.heat, self.less_sky = source, table.reset_index(drop=True), heat, less_sky
        vector = np.asarray(embedding, np.float64)
        vector = (vector - vector.mean(0)) / np.where(vector.std(0) > 0, vector.std(0), 1)
        self.vector = vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-12)

    def orders(self) -> list[str]:
        """The orders that this table's columns allow."""
        return [name for name, (column, _) in ORDERS.items() if column is None or self.known(column)]

    def known(self, column: str) -> bool:
        """Whether the table has numbers in ``column``."""
        return column in self.table and bool(self.table[column].notna().any())

    def ids(self, split: str = "all", order: str = "as in the table") -> list[str]:
        """The ids of a split ("train", "test" or "all") in an order of :meth:`orders`; rows without the number left out."""
        column, upwards = ORDERS[order]
        rows = self.table if split == "all" else self.table[self.table["split"] == split]
        if column is not None:
            rows = rows[rows[column].notna()].sort_values(column, ascending=upwards, kind="stable")
        return rows["id"].tolist()

    def place(self, one: str) -> int:
        """The row of an id. Raises ``InputError`` for one that is not in the table."""
        found = np.flatnonzero(self.table["id"] == one)
        if not len(found):
            raise InputError(f"no row {one!r}", where="explorer", remedy="give an id of the sample; a larger sample holds more")
        return int(found[0])

    def words(self, one: str) -> str:
        """What is known of a row, in one line."""
        row = self.table.iloc[self.place(one)]
        parts = [one, row["split"]]
        if pd.notna(row.get("target")):
            parts.append("positive" if row["target"] > 0.5 else "negative")
        names = {"score": "score", "spread": "dispute", "adversarial": "probability of test", "covered": "covered by neighbours"}
        return " · ".join(parts + [f"{name} {row[column]:.3f}" for column, name in names.items() if pd.notna(row.get(column))])

    def picture(self, one: str, heat: bool = False) -> Figure:
        """The row as six panels in their order, raw and cleaned, and minus its neighbours' sky where that is known.

        With ``heat`` also where the network looks.
        """
        row = self.table["id"].iloc[[self.place(one)]]
        cadence = read_cadences(self.source, row)[0]
        less_sky = None if self.less_sky is None else read_cadences(self.less_sky, row)[0]
        hot = self.heat(one) if heat and self.heat is not None else None
        views = ["raw", "cleaned"] + ["less sky"] * (less_sky is not None) + ["heat"] * (hot is not None)
        return draw_cadence(cadence, title=self.words(one), views=views, heat=hot, less_sky=less_sky)

    def like(self, one: str, count: int = 8) -> pd.DataFrame:
        """The ``count`` rows most like a row by cosine of the embedding, itself left out: the table's columns, likeness."""
        place = self.place(one)
        likeness = self.vector @ self.vector[place]
        likeness[place] = -np.inf
        nearest = np.argsort(-likeness, kind="stable")[: min(count, len(likeness) - 1)]
        return self.table.iloc[nearest].assign(likeness=likeness[nearest]).reset_index(drop=True)

    def others(self, one: str, count: int = 8) -> Figure | None:
        """ "Show me others like this": their gallery, or None where the row is alone."""
        found = self.like(one, count)
        if found.empty:
            return None
        shown = found.drop(columns="score", errors="ignore").rename(columns={"likeness": "score"})
        return draw_gallery(self.source, shown, count=count, title=f"Others like {one}", label="likeness", less_sky=self.less_sky)

    def widgets(self) -> object:
        """Pickers and a slider over the rows, as one ipywidgets box; every change redraws."""
        return Panel(self).box


class Panel:
    """The explorer's widgets and what they do."""

    def __init__(self, explorer: Explorer):
        import ipywidgets as w

        self.explorer = explorer
        wide = w.Layout(width="420px")
        self.split = w.Dropdown(options=["all", *explorer.table["split"].unique()], description="split")
        self.order = w.Dropdown(options=explorer.orders(), description="order", layout=wide)
        self.slider = w.IntSlider(min=0, max=0, description="place", continuous_update=False, layout=wide)
        self.name = w.Text(description="or an id", continuous_update=False)
        self.heat = w.Checkbox(description="where the network looks", value=False, disabled=explorer.heat is None)
        self.button = w.Button(description="show me others like this", layout=w.Layout(width="220px"))
        self.said, self.image, self.others = (
            w.HTML(),
            w.Image(format="png"),
            w.Image(format="png", layout=w.Layout(display="none")),
        )
        self.ids: list[str] = []
        self.box = w.VBox(
            [
                w.HBox([self.split, self.order]),
                w.HBox([self.slider, self.name]),
                w.HBox([self.heat, self.button]),
                self.said,
                self.image,
                self.others,
            ]
        )
        self.split.observe(lambda _: self.reorder(), "value")
        self.order.observe(lambda _: self.reorder(), "value")
        self.slider.observe(lambda _: self.show(), "value")
        self.heat.observe(lambda _: self.show(), "value")
        self.name.observe(lambda change: self.jump(change["new"].strip()), "value")
        self.button.on_click(lambda _: self.show_others())
        self.reorder()

    @property
    def one(self) -> str:
        """The id on display."""
        return self.ids[self.slider.value]

    def reorder(self) -> None:
        """Other rows, or another order: begin at the first."""
        self.ids = self.explorer.ids(str(self.split.value), str(self.order.value))
        if not self.ids:
            self.said.value = "No such rows: choose another split or order."
            return
        before, self.slider.value = self.slider.value, 0
        self.slider.max = len(self.ids) - 1
        if before == 0:
            self.show()

    def show(self) -> None:
        """Draw the row at the slider's place."""
        if self.ids:
            self.said.value = f"{self.slider.value + 1} of {len(self.ids)}"
            self.image.value = png_bytes(self.explorer.picture(self.one, self.heat.value))
            self.others.layout.display = "none"

    def jump(self, one: str) -> None:
        """Go to the row with this id."""
        if one in self.ids:
            self.slider.value = self.ids.index(one)
        elif one:
            self.said.value = f"{one[:40]!r} is not among these rows."

    def show_others(self) -> None:
        """Draw the rows most like the one on display."""
        figure = self.explorer.others(self.one) if self.ids else None
        if figure is not None:
            self.others.value, self.others.layout.display = png_bytes(figure), ""
