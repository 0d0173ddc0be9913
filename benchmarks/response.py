"""Judge a network like an instrument: its logit as a needle gets brighter, its recall beside two references, its false alarms.

    python benchmarks/response.py                                        # the detector that comes with the package
    python benchmarks/response.py runs/rung_cleaned/fold0_seed2021       # a trained run, raw or cleaned panels
    python benchmarks/response.py raw --doc docs/response.md             # write table and picture there, by the network's name
    python benchmarks/response.py RUN RUN … raw --doc docs/response.md   # several networks side by side, a line each

**Response**: the median logit of ten cadences of all kinds of background, empty but for one needle, against its amplitude (0.1 to 300 sigma), for widths, drifts,
families and panels; on cleaned panels a neighbour shows 93 % of the sky. **Recall** on the shifted test of a sky that nothing is chosen on (of cleaned panels:
on its rows that have neighbours), at three shares of false alarms, with Wilson's intervals, beside the sum along the true track (which nobody can beat who is not told) and a search over drifts (which users have).
**False alarms** by what the cadence holds. Minutes on one core; every part is kept in OUT, and the same command resumes.
"""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from judging import (
    AMPLITUDES,
    CARRIERS,
    DRIFTS,
    EMPTY,
    STRAIGHT,
    WIDTHS,
    Judged,
    bright_things,
    largest_fall,
    medians,
    open_network,
    recalled,
    reference_scores,
    respond,
    score_rows,
    told_the_track,
)
from pages import write_section

from seti_utils.data.cadence import SIX
from seti_utils.data.competition import Competition, read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.files import write_table
from seti_utils.overlap.panels import clean, cleaned_stores, read_covered
from seti_utils.overlap.search import search
from seti_utils.pictures.style import FOLDS, INK, new_picture, save_picture, styled
from seti_utils.sky import make_sky
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.auc import auc
from seti_utils.stats.recall import RATES, SNR_EDGES, binned, shares_above, threshold

TRAIN, TEST, SEED = 30, 1200, 101
"""The sky whose test is judged on."""
MOST = 0.3
"""A logit may fall by this much as a needle gets brighter."""
SURE, ENOUGH = 25, 0.98
"""From this SNR on, integrated over a panel, a needle should be found; and in this share of cadences."""
KINDS = {
    "line": "straight", "drift": "straight", "sine": "S-shape", "one_panel": "one panel",
    "bursts": "on and off", "intermittent": "on and off", "partial": "on and off",
}  # fmt: skip
"""Families put together; every other is curved."""
COARSE = (3, 10), (10, 25), (25, 50), (50, 5000)
"""Bins of SNR for networks side by side."""
METHODS = {"logit": "the network", "true_track": "sum along the true track", "drift_search": "search over drifts"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "network", nargs="*", default=["raw"], help="shipped detectors, .safetensors files, or runs' folders (default: raw)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/response"))
    parser.add_argument("--count", type=int, default=10, help="cadences per cell (default: 10)")
    parser.add_argument("--test", type=int, default=TEST, help=f"rows of the sky's test (default: {TEST})")
    parser.add_argument(
        "--doc", type=Path, help="write into this page, between the marks of the network's name, and a picture beside it"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    if len(args.network) > 1:
        text = side_by_side([open_network(network) for network in args.network], args)
        print(text)
        return write_section(args.doc, "networks", text, title="Response") if args.doc else None
    judge = open_network(*args.network)
    answers, rows = answers_of(judge, args.out, args.count), judged_rows(judge, args.out, args.test)
    told = kept(args.out / f"told_{args.count}.csv", lambda: told_the_track(args.count))
    text = report(judge, args, answers, told, rows)
    print(text)
    picture = args.doc.with_name(f"{args.doc.stem}_{judge.name}.png") if args.doc else args.out / f"{judge.name}.png"
    save_picture(draw(judge, medians(answers), rows), picture)
    if args.doc:
        write_section(args.doc, judge.name, f"![Response and recall of {judge.name}]({picture.name})\n\n{text}", title="Response")


def side_by_side(judges: list[Judged], args: argparse.Namespace) -> str:
    """A line per network: in how many cells its logit falls, how far at most, and what it finds at 1 % false alarms."""
    lines, names = [], [f"SNR {low:g}-{high:g}" for low, high in COARSE]
    for judge in judges:
        table, rows = medians(answers_of(judge, args.out, args.count)), judged_rows(judge, args.out, args.test)
        falls = table.drop(EMPTY).apply(largest_fall, axis=1)
        needles, empty = rows[rows["target"] == 1], rows[rows["target"] == 0]
        found = needles["logit"] > threshold(empty["logit"], 0.01)
        lines.append(
            [
                f"`{judge.name}`",
                "cleaned" if judge.cleaned else "raw",
                f"{(falls > MOST).sum()} of {len(falls)}",
                f"{falls.max():.1f}: {falls.idxmax()}",
                f"{auc(rows['target'], rows['logit']):.3f}",
                *(recalled(found[needles["snr_drawn"].between(*span, inclusive="left")].to_numpy()) for span in COARSE),
            ]
        )
    return "\n".join(
        [
            f"Sky version {SKY_VERSION}, `sky --train {TRAIN} --test {args.test} --seed {SEED}`, its shifted test; networks of cleaned panels: its rows with neighbours; "
            f"{args.count} cadences per cell; {platform.machine()}, torch {torch.__version__}, one thread.",
            "",
            *markdown(["network", "panels", f"cells that fall by more than {MOST}", "largest fall", "AUC", *names], lines),
        ]
    )


def answers_of(judge: Judged, out: Path, count: int) -> pd.DataFrame:
    """Logits by cell, amplitude and cadence; those that an earlier call left are not computed again."""
    path = out / f"answers_{judge.name}_{judge.mark[:12]}_{count}.csv"
    parts = [pd.read_csv(path)] if path.exists() else []
    for part in respond(judge, count, known=[name for one in parts for name in one["cell"].unique()]):
        parts.append(part)
        write_table(path, pd.concat(parts))
        print(medians(part).round(1).to_string(header=False, index_names=False), flush=True)
    return pd.concat(parts, ignore_index=True)


def kept(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table of an earlier call, or the one that is made now."""
    if not path.exists():
        write_table(path, make())
    return pd.read_csv(path, dtype={"id": str})


def judged_rows(judge: Judged, out: Path, test: int) -> pd.DataFrame:
    """The truth of every test cadence (that has neighbours, for a network of cleaned panels), the network's ``logit``, both
    references and what glares; each kept where it is made."""
    sky = make_sky(out / f"sky{SKY_VERSION}_{test}", train=TRAIN, test=test, seed=SEED, workers=1)
    competition = read_competition(sky)
    raw, overlap = open_cadences(competition, "test", None, SIX), out / f"overlap{SKY_VERSION}_{test}"
    parts = {
        f"scores_{judge.name}_{judge.mark[:12]}": lambda: score_rows(seen_by(judge, competition, overlap), judge),
        "references": lambda: reference_scores(sky, raw),
        "glare": lambda: bright_things(raw).rename_axis("id").rename("glare").reset_index(),
    }
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str, "panels": str}).set_index("id")
    for name, make in parts.items():
        truth = truth.join(kept(sky / f"{name}.csv", make).set_index("id"), how="inner")
    return truth[read_covered(overlap).reindex(truth.index) > 0] if judge.cleaned else truth


def seen_by(judge: Judged, competition: Competition, overlap: Path):
    """The test cadences as the network sees them: raw, or minus the sky that other files show."""
    if not judge.cleaned:
        return open_cadences(competition, "test", None, SIX)
    search(competition, overlap, workers=1)
    clean(competition, overlap, workers=1)
    return open_cadences(competition, "test", cleaned_stores(overlap, competition), SIX)


def report(judge: Judged, args: argparse.Namespace, answers: pd.DataFrame, told: pd.DataFrame, rows: pd.DataFrame) -> str:
    """All tables as markdown, with their conditions."""
    table = medians(answers)
    falls = table.drop(EMPTY).apply(largest_fall, axis=1)
    over = falls[falls > MOST]
    needles, empty = rows[rows["target"] == 1], rows[rows["target"] == 0]
    above = threshold(empty["logit"], 0.01)
    surely = found_in_cells(answers, "logit", above)
    filtered = found_in_cells(told, "true_track", threshold(empty["true_track"], 0.01))
    enough, had = surely["share"] >= ENOUGH, filtered["share"] >= ENOUGH
    head = [f"{height:g}" for height in AMPLITUDES]
    shown = (
        table.drop(EMPTY)
        .map("{:.1f}".format)
        .assign(fall=falls.map("{:.1f}".format), found=surely["told"], filtered=filtered["told"])
    )
    return "\n".join(
        [
            f"`{judge.name}` (weights {judge.mark[:12]}), {'cleaned' if judge.cleaned else 'raw'} panels; sky version {SKY_VERSION}, `sky --train {TRAIN} --test {args.test} "
            f"--seed {SEED}`, its shifted test{f', the {len(rows)} rows with neighbours' if judge.cleaned else ''}; {args.count} cadences per cell; {platform.machine()}, torch {torch.__version__}, one thread.",
            "",
            f"Median logit by amplitude in sigma per pixel (empty: {table.loc[EMPTY].max():.1f}), and the largest fall. It falls by more than {MOST} in {len(over)} of "
            f'{len(falls)} cells, most in "{falls.idxmax()}": {falls.max():.1f}. Then: of the cadences with an SNR of {SURE} or more, '
            f"integrated over the brightest panel, the share above the logit that 1 % of the sky's negatives pass, {above:.2f}. It is at least {ENOUGH} in {enough.sum()} of {len(enough)} cells. "
            f"Last: the same of the filter that is told the track, in raw panels: at least {ENOUGH} in {had.sum()}.",
            "",
            *markdown(
                ["cell", *head, "fall", f"found from SNR {SURE} on", "by the filter"], shown.reset_index().to_numpy().tolist()
            ),
            "",
            "Recall by the needle's SNR as drawn, integrated over its brightest panel:",
            "",
            *recall_by_snr(needles, empty),
            "",
            "Recall at 1 % false alarms by what the needle is and where it lies:",
            "",
            *recall_by_kind(needles, empty),
            "",
            "False alarms above the threshold of 1 %, by what the cadence without a needle holds:",
            "",
            *false_alarms(empty),
        ]
    )


def found_in_cells(scores: pd.DataFrame, column: str, above: float) -> pd.DataFrame:
    """By cell, the ``share`` of the cadences with a needle that should be found whose score is ``above`` that, and how it is ``told``."""
    sure = scores[scores["snr"] >= SURE]
    found = {str(name): (some[column] > above).to_numpy() for name, some in sure.groupby("cell")}
    return pd.DataFrame({name: (one.mean(), recalled(one)) for name, one in found.items()}, index=["share", "told"]).T


def markdown(head: list[str], rows: list[list[object]]) -> list[str]:
    """A table's lines."""
    return [f"| {' | '.join(map(str, line))} |" for line in (head, ["---"] * len(head), *rows)]


def recall_by_snr(needles: pd.DataFrame, empty: pd.DataFrame) -> list[str]:
    """Every method at every share of false alarms, by SNR, and its AUC."""
    bins = pd.Series(binned(needles["snr_drawn"]), needles.index)
    names = [name for name in bins.cat.categories if (bins == name).any()]
    lines = []
    for column, said in METHODS.items():
        value = auc(np.r_[np.ones(len(needles)), np.zeros(len(empty))], np.r_[needles[column], empty[column]])
        for rate in RATES:
            above = threshold(empty[column], rate)
            found = [recalled(needles.loc[bins == name, column].to_numpy() > above) for name in names]
            lines.append([said, f"{value:.3f}", f"{rate:.1%}", *found])
    return markdown(["", "AUC", "false alarms", *(f"SNR {name}" for name in names)], lines)


def recall_by_kind(needles: pd.DataFrame, empty: pd.DataFrame, rate: float = 0.01) -> list[str]:
    """Every method by family, width, number of panels and background, for needles of SNR 10 to 25 and above."""
    width = pd.cut(
        needles["fwhm"], [0, 1, 2, np.inf], labels=["narrower than 1 channel", "1 to 2 channels", "wider than 2 channels"]
    )
    groups = {
        "course": needles["family"].map(lambda name: KINDS.get(str(name), "curved")),
        "width": width.astype(str),
        "panels": needles["panels"].map(lambda text: f"{len(str(text).split())} of 3"),
        "background": needles["kind"],
    }
    lines = []
    for what, group in groups.items():
        for name in sorted(group.unique()):
            line: list[object] = [what, name]
            for low, high in ((10, 25), (25, np.inf)):
                mine = needles[(group == name) & needles["snr_drawn"].between(low, high, inclusive="left")]
                line += [
                    recalled((mine[column] > threshold(empty[column], rate)).to_numpy()) if len(mine) else "–"
                    for column in METHODS
                ]
            lines.append(line)
    return markdown(["", "", *(f"{said}, SNR {span}" for span in ("10-25", "25-") for said in METHODS.values())], lines)


def false_alarms(empty: pd.DataFrame, rate: float = 0.01) -> list[str]:
    """The share of cadences without a needle that every method takes for one, by what they hold."""
    words = {"off": "signal in OFF panels only", "all": "signal in all six panels", "echo": "echo in OFF panels"}
    held = empty["terrestrial"].map(words).fillna("no signal; " + empty["glare"])
    tables = {said: shares_above(empty[column], threshold(empty[column], rate), held) for column, said in METHODS.items()}
    first = next(iter(tables.values()))
    lines = [
        [
            name,
            *(
                f"{t['found'][row]} of {t['of'][row]}: {t['share'][row]:.1%} [{t['low'][row]:.1%}, {t['high'][row]:.1%}]"
                for t in tables.values()
            ),
        ]
        for row, name in enumerate(first["group"])
    ]
    return markdown(["", *tables], lines)


def draw(judge: Judged, table: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Logit against amplitude, all ON panels and one; recall against SNR at 1 % false alarms beside the references."""
    with styled():
        figure = new_picture(13.0, 4.2)
        figure.set_layout_engine("constrained")
        left, middle, right = figure.subplots(1, 3)
        for axes, panels in zip((left, middle), CARRIERS, strict=True):
            for cell in (cell for cell in STRAIGHT if cell.panels == panels):
                colour, dashes = FOLDS[WIDTHS.index(cell.width)], ("-", "--", ":")[DRIFTS.index(cell.drift)]
                axes.plot(
                    AMPLITUDES,
                    table.loc[cell.name],
                    dashes,
                    color=colour,
                    label=f"width {cell.width:g}, drift {cell.drift:g}",
                )
            axes.axhline(table.loc[EMPTY].max(), color=INK, linewidth=0.7)
            axes.set(
                xscale="log",
                xlabel="amplitude, sigma per pixel",
                ylabel="median logit",
                title="in all ON panels" if len(panels) > 1 else "in one ON panel",
            )
        left.legend(fontsize=7)
        middle.sharey(left)
        needles, empty = rows[rows["target"] == 1], rows[rows["target"] == 0]
        bins = pd.Series(binned(needles["snr_drawn"]), needles.index)
        middles = dict(
            zip(
                bins.cat.categories,
                (np.sqrt(max(a, 1.5) * min(b, 2 * a)) for a, b in zip(SNR_EDGES, SNR_EDGES[1:], strict=False)),
                strict=True,
            )
        )
        for (column, said), colour in zip(METHODS.items(), FOLDS, strict=False):
            told = shares_above(needles[column], threshold(empty[column], 0.01), bins)
            told = told[told["of"] > 0]
            at, share = told["group"].map(middles).astype(float) * 1.04 ** FOLDS.index(colour), told["share"]
            right.errorbar(at, share, [share - told["low"], told["high"] - share], color=colour, label=said, capsize=2)
        right.set(
            xscale="log", xlabel="SNR, integrated over a panel", ylabel="recall", ylim=(0, 1.02), title="at 1 % false alarms"
        )
        right.legend(fontsize=7, loc="center right")
    return figure


if __name__ == "__main__":
    main()
