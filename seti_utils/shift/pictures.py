"""Pictures of the domain-shift study."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from seti_utils.data.cadence import FREQ, PANELS, POINTINGS
from seti_utils.pictures.style import FAINT, FOLDS, INK, NEGATIVE, TEST, WATERFALL, new_picture, open_axes, styled
from seti_utils.shift.adversary import Adversary
from seti_utils.shift.calibration import Calibration
from seti_utils.shift.prior import Prior
from seti_utils.stats.auc import roc_points

TRAIN = NEGATIVE


def draw_effects(effects: pd.DataFrame, *, count: int = 16, title: str = "Statistics, test against train") -> Figure:
    """Cliff's delta with its interval for the ``count`` largest effects of ``effects.effect_sizes``; sure ones in colour."""
    shown = effects.head(count).iloc[::-1]
    with styled():
        figure = new_picture(6.6, 0.6 + 0.26 * len(shown))
        axes = open_axes(figure.subplots(), title, "Cliff's delta (lower in test ← 0 → higher in test)", "")
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (low, high, delta, sure) in enumerate(shown[["low", "high", "delta", "sure"]].to_numpy()):
            colour = TEST if sure else "#8A949C"
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(delta, place, "o", color=colour, markersize=5)
        axes.set_yticks(range(len(shown)), shown["feature"])
        reach = max(0.15, float(np.abs(shown[["low", "high"]].to_numpy()).max()) * 1.08)
        axes.set_xlim(-min(reach, 1.02), min(reach, 1.02))
    return figure


def draw_distributions(features: pd.DataFrame, is_test: np.ndarray, names: Sequence[str]) -> Figure:
    """Histograms of up to six statistics, train against test, as shares of each split's rows."""
    names = list(names)[:6]
    with styled():
        figure = new_picture(9.6, 2.5 * -(-len(names) // 3))
        places = figure.subplots(-(-len(names) // 3), 3, squeeze=False).ravel()
        for place, name in zip(places, names, strict=False):
            value = features[name].to_numpy(np.float64)
            low, high = np.quantile(value, [0.005, 0.995])
            edges = np.linspace(low, high if high > low else low + 1, 31)
            open_axes(place, name, "", "share")
            for word, group, colour, line in (("train", 0, TRAIN, "-"), ("test", 1, TEST, "--")):
                inside = np.clip(value[is_test == group], edges[0], edges[-1])
                share = np.histogram(inside, edges)[0] / max(len(inside), 1)
                place.stairs(share, edges, color=colour, fill=True, alpha=0.13)
                place.stairs(share, edges, color=colour, linestyle=line, linewidth=1.5, label=word)
        places[0].legend()
        for place in places[len(names) :]:
            place.set_axis_off()
    return figure


def draw_adversaries(adversaries: Sequence[Adversary], is_test: np.ndarray) -> Figure:
    """ROC of every adversary, its interval in the legend, and the scores of train and test rows by the best of them."""
    with styled():
        figure = new_picture(9.6, 4.7)
        left, right = figure.subplots(1, 2)
        open_axes(left, "Train or test?", "share of train rows called test", "share of test rows called test")
        left.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for number, one in enumerate(adversaries):
            false, true, _ = roc_points(is_test, one.score)
            left.plot(false, true, color=FOLDS[number], label=f"{one.name}: {one.auc:.3f} [{one.low:.3f}, {one.high:.3f}]")
        left.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        left.legend(
            loc="upper left", bbox_to_anchor=(0, -0.14), title="AUC with 95 % interval", title_fontsize=8, alignment="left"
        )
        best = max(adversaries, key=lambda one: one.auc)
        open_axes(right, f"Scores by {best.name}", "probability of test, calibrated", "share of the split's rows")
        for word, group, colour, line in (("train", 0, TRAIN, "-"), ("test", 1, TEST, "--")):
            share, edges = np.histogram(best.score[is_test == group], bins=30, range=(0, 1))
            share = share / max(share.sum(), 1)
            right.stairs(share, edges, color=colour, fill=True, alpha=0.13)
            right.stairs(share, edges, color=colour, linestyle=line, linewidth=1.6, label=word)
        right.legend()
    return figure


def draw_importance(importance: pd.DataFrame, count: int = 12) -> Figure:
    """What boosting looks at: the AUC lost when a statistic is shuffled, with its scatter over the folds."""
    shown = importance.head(count).iloc[::-1]
    with styled():
        figure = new_picture(6.6, 0.6 + 0.26 * len(shown))
        axes = open_axes(figure.subplots(), "What boosting looks at", "AUC lost when the statistic is shuffled", "")
        axes.barh(
            range(len(shown)),
            shown["importance"],
            xerr=shown["scatter"],
            color=TEST,
            height=0.6,
            error_kw={"ecolor": INK, "elinewidth": 0.9, "capsize": 2},
        )
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), shown["feature"])
    return figure


def draw_heat(panels: torch.Tensor, heat: torch.Tensor, titles: Sequence[str]) -> Figure:
    """Small panels (N, 6, time, freq) of some rows below each other, and beside them where the network looked.

    ``heat`` is (N, 1, freq, time), joint for the six panels, or (N, 6, freq, time).
    """
    with styled():
        columns = len(panels)
        figure, extent = new_picture(1.75 * columns + 0.2, 5.2), (0, FREQ, PANELS, 0)
        for column, (place, x, hot, title) in enumerate(
            zip(figure.subplots(1, columns, squeeze=False)[0], panels, heat, titles, strict=True)
        ):
            stacked = x.float().flatten(0, 1).numpy()
            place.imshow(stacked, aspect="auto", cmap="gray", extent=extent, vmax=float(np.quantile(stacked, 0.998)))
            spread = hot.expand(PANELS, -1, -1).transpose(1, 2).flatten(0, 1).numpy()
            place.imshow(spread, aspect="auto", cmap=WATERFALL, extent=extent, alpha=0.75 * spread.clip(0, 1) ** 0.8)
            for line in range(1, PANELS):
                place.axhline(line, color=FAINT, linewidth=0.6)
            place.set_title(title, fontsize=7.5)
            place.set(xticks=[], yticks=np.arange(PANELS) + 0.5, yticklabels=list(POINTINGS) if column == 0 else [])
            place.tick_params(length=0)
            place.spines[:].set_visible(False)
    return figure


def draw_reliability(results: dict[str, Calibration]) -> Figure:
    """Reliability diagrams: share of positives against score, with 95 % intervals; on the diagonal is calibrated."""
    with styled():
        figure = new_picture(5.4, 4.6)
        axes = open_axes(figure.subplots(), "Calibration, out of fold", "score (mean of a bin)", "share of positives")
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for number, (name, one) in enumerate(results.items()):
            bins, colour = one.bins, FOLDS[number % len(FOLDS)]
            axes.vlines(bins["score"], bins["low"], bins["high"], color=colour, alpha=0.5)
            axes.plot(
                bins["score"],
                bins["share"],
                "o-",
                color=colour,
                markersize=4,
                label=f"{name}: error {one.error:.3f} [{one.low:.3f}, {one.high:.3f}]",
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.legend(loc="upper left")
    return figure


def draw_priors(priors: Sequence[Prior], train: float, truth: float | None = None) -> Figure:
    """Estimated shares of positives in the test, beside the training share and, on a sky, the truth."""
    with styled():
        figure = new_picture(6.0, 0.9 + 0.4 * len(priors))
        axes = open_axes(figure.subplots(), "Share of positives in the test", "", "")
        axes.axvline(train, color=TRAIN, linestyle=":", label=f"train: {train:.1%}")
        if truth is not None:
            axes.axvline(truth, color=INK, linewidth=1, label=f"truth of this sky: {truth:.1%}")
        for place, prior in enumerate(reversed(list(priors))):
            axes.plot([prior.low, prior.high], [place, place], color=TEST, linewidth=2.5, solid_capstyle="round")
            axes.plot(prior.value, place, "o", color=TEST, markersize=6)
        axes.set_yticks(range(len(priors)), [prior.method for prior in reversed(list(priors))])
        axes.set_ylim(-0.6, len(priors) - 0.4)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
