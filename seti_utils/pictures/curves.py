"""Curves and histograms: how training went, how well scores separate, and how the test differs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seti_utils.errors import InputError
from seti_utils.pictures.style import FAINT, FOLDS, INK, NEGATIVE, POSITIVE, TEST, new_picture, open_axes, styled
from seti_utils.stats.auc import roc_points
from seti_utils.stats.bootstrap import bootstrap
from seti_utils.stats.intervals import auc_interval
from seti_utils.wording import quantity

GRID = np.linspace(0, 1, 201)


def draw_training(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Loss and validation AUC by epoch, one line per fold; phases follow each other, a dashed line between them.

    ``history`` has one row per fold and epoch: fold, phase, epoch (both from 0), loss, and, where it was measured,
    auc. The best epoch of each fold carries a ring. A fold that stays at 0.5 did not learn. Epochs are judged by one view of
    every image, final scores by the mean over several (the knob ``tta``), so the two AUCs of a fold differ. Raises ``InputError``
    for missing columns or an empty table.
    """
    history = history.rename(columns={"stage": "phase"})  # what earlier versions wrote
    missing = {"fold", "phase", "epoch", "loss"} - set(history.columns)
    if missing or history.empty:
        raise InputError(
            "has no rows" if history.empty else f"has no column {', '.join(sorted(missing))}",
            where="training history",
            remedy="give the history that fit returned, with the fold added",
        )
    measured = "auc" in history and bool(history["auc"].notna().any())
    with styled():
        figure = new_picture(9.6 if measured else 5.2, 3.6)
        places = figure.subplots(1, 1 + measured, squeeze=False)[0]
        open_axes(places[0], "Training loss", "epoch", "loss")
        if measured:
            open_axes(places[1], "Validation AUC, by one view of the image", "epoch", "AUC").axhline(
                0.5, color=INK, linewidth=0.8, linestyle=":"
            )
        for number, (fold, rows) in enumerate(history.groupby("fold")):
            rows = rows.sort_values(["phase", "epoch"])
            epoch, colour = np.arange(1, len(rows) + 1), FOLDS[number % len(FOLDS)]
            places[0].plot(epoch, rows["loss"], color=colour, marker="o", markersize=3, label=f"fold {fold}")
            if measured:
                values = rows["auc"].to_numpy(np.float64)
                best = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
                places[1].plot(
                    epoch, values, color=colour, marker="o", markersize=3, label=f"fold {fold}: best {values[best]:.4f}"
                )
                places[1].plot(epoch[best], values[best], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
            ends = np.flatnonzero(np.diff(rows["phase"].to_numpy())) + 1.5
            for place in places if number == 0 else ():
                for end in ends:
                    place.axvline(end, color=FAINT, linewidth=1, linestyle="--")
        for place in places:
            place.legend(loc="best")
            place.xaxis.get_major_locator().set_params(integer=True)
        if title:
            figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def draw_roc(curves: dict[str, tuple[ArrayLike, ArrayLike]], *, draws: int = 200, seed: int = 0, title: str = "ROC") -> Figure:
    """ROC curves with 95 % bootstrap bands; ``curves`` maps a name to (target, score).

    The band is pointwise, over ``draws`` samples of the rows (positives and negatives apart); the AUC's interval in
    the legend is that of ``auc_interval``. Raises ``InputError`` as ``auc`` does.
    """
    with styled():
        figure = new_picture(5.2, 5.0)
        axes = open_axes(figure.subplots(), title, "false-positive rate", "true-positive rate")
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for number, (name, (target, score)) in enumerate(curves.items()):
            colour = FOLDS[number % len(FOLDS)]
            value, low, high = auc_interval(target, score, seed=seed)
            false, true, _ = roc_points(target, score)
            bottom, top = roc_band(target, score, draws, seed)
            axes.fill_between(GRID, bottom, top, color=colour, alpha=0.2, linewidth=0)
            axes.plot(false, true, color=colour, label=f"{name}: {value:.4f} [{low:.4f}, {high:.4f}]")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.legend(loc="lower right", title="AUC with 95 % interval", title_fontsize=8, alignment="left")
    return figure


def roc_band(target: ArrayLike, score: ArrayLike, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """2.5 and 97.5 % quantiles of the bootstrapped true-positive rate at each false-positive rate of ``GRID``."""
    kinds = [np.flatnonzero(np.asarray(target) == label) for label in (0, 1)]

    def rates(times: np.ndarray) -> np.ndarray:
        false, true, _ = roc_points(target, score, times)
        return np.interp(GRID, false, true)

    return bootstrap(rates, kinds, draws=draws, seed=seed)


def draw_scores(oof: pd.DataFrame, test: pd.DataFrame | None = None, *, by_class: bool = True, bins: int = 40) -> Figure:
    """Histograms of the scores: out-of-fold by class (with ``by_class``) and, with ``test``, out-of-fold against test.

    ``oof`` and ``test`` are score tables, ``oof`` with targets. Shares of the rows on a logarithmic axis; the share
    above 0.5 is in the legend: far more in test than out of fold is the domain shift's first sign.
    """
    if "target" not in oof:
        raise InputError("has no targets", where="draw_scores", remedy="give an out-of-fold table")
    high = oof["target"] > 0.5
    groups = [
        (
            "Out-of-fold scores by class",
            [("negative", oof.loc[~high, "score"], NEGATIVE, "-"), ("positive", oof.loc[high, "score"], POSITIVE, "--")],
        )
    ]
    if test is not None:
        groups = groups if by_class else []
        groups.append(
            ("Out-of-fold against test", [("out-of-fold", oof["score"], INK, "-"), ("test", test["score"], TEST, "--")])
        )
    with styled():
        figure = new_picture(4.9 * len(groups), 3.6)
        for place, (heading, parts) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
            open_axes(place, heading, "score", "share of the rows")
            for name, score, colour, line in parts:
                if not len(score):
                    continue
                share, edges = np.histogram(score, bins=bins, range=(0, 1), weights=np.full(len(score), 1 / len(score)))
                label = f"{name}, {quantity(len(score), 'row')}: {(score > 0.5).mean():.1%} above 0.5"
                place.stairs(share, edges, fill=True, color=colour, alpha=0.15)
                place.stairs(share, edges, color=colour, linestyle=line, linewidth=1.6, label=label)
            # from below a single row, so that few rows, or scores all alike, still stand on an axis
            place.set(yscale="log", xlim=(0, 1), ylim=(0.5 / max(len(score) for _, score, _, _ in parts if len(score)), 1))
            place.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure
