"""Recall against SNR, drift and width: the picture of ``seti sensitivity``."""

import pandas as pd
from matplotlib.figure import Figure

from seti_utils.pictures.style import NEGATIVE, POSITIVE, TEST, new_picture, open_axes, styled

COLOURS = {"both": POSITIVE, "network": TEST, "classical": NEGATIVE}
MARKS = {"both": "o", "network": "^", "classical": "s"}


def draw_sensitivity(table: pd.DataFrame, title: str, bright: float) -> Figure:
    """``table`` as :class:`sensitivity.Sensitivity` has it: recall with its interval by SNR, by drift and by width."""
    ways = list(dict.fromkeys(table["way"]))
    with styled():
        figure = new_picture(9.6, 3.4)
        axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.3, 1, 0.8))
        heads = {"snr": "SNR per panel", "drift": "channels per panel, from", "fwhm": "width in channels, from"}
        for place, (by, head) in enumerate(heads.items()):
            chosen = table[table["by"] == by]
            above = "recall by SNR" if by == "snr" else f"SNR {bright:g} and more"
            one = open_axes(axes[place], title=above, x=head, y="recall" if place == 0 else "")
            values = sorted(set(chosen["group"]))
            for number, way in enumerate(ways):
                mine = chosen[chosen["way"] == way]
                at = [values.index(value) + 0.12 * (number - (len(ways) - 1) / 2) for value in mine["group"]]
                error = [mine["recall"] - mine["low"], mine["high"] - mine["recall"]]
                one.errorbar(
                    at, mine["recall"], yerr=error, fmt=MARKS[way] + "-", color=COLOURS[way], markersize=4, linewidth=1,
                    capsize=2, label=way,
                )  # fmt: skip
            one.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        axes[0].set_ylim(-0.02, 1.02)
        axes[0].legend(loc="lower right")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure
