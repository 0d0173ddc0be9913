"""Teach the weights of ``seti_utils/telescope/odds.py``: what tells a needle of an event from chance.

    python benchmarks/search_odds.py [--seeds 1 2 3 4 5 6 7 8 9] [--empty 1 2 3] [--out out/search_odds]

Writes and searches two cadences of ``search_files.py`` per seed, with the network and without it (none of the seeds that
``search.py`` chooses by or reports): one with its straight needles, equally bright in every ON panel, and one with needles as
nature draws them, of every family, unevenly bright, half of them in one ON panel or two (:data:`NATURE`). Fits a logistic
regression: events of the cadences that are needles against those that are not, and against those with ON and OFF exchanged. Prints
the weights, taught on all cadences; and, taught without the seed that is asked, how many needles of every kind are found at given rates
of false events, and how many events are false where ``false_alarms`` says a rate. With ``--empty`` this is told of cadences of these
seeds without needles too, where the windows and cells that needles fill elsewhere are free. A cadence is 300 MB and is removed when
it has been searched; what was found stays in OUT, so that the same call resumes.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))

from search import MAX_DRIFT, WIDTHS, Searched, judged
from search_files import ALL, LOWEST_MHZ, MID, ON, random_truth, write_cadence

from seti_utils.nets.shipped import load_detector
from seti_utils.sky.needles import FAMILIES
from seti_utils.sky.profiles import KNOWN
from seti_utils.telescope.blocks import Found, joined
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.calibration import Calibration, Group, groups_of
from seti_utils.telescope.grid import make_grid
from seti_utils.telescope.injecting import Recipe, inject
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.odds import FEATURES, features
from seti_utils.telescope.running import search_here
from seti_utils.telescope.sensitivity import BOTH, CLASSICAL, only, passes

LIMITS = Limits(MAX_DRIFT["0002"], false_alarms=None)
RATES = (0.05, 0.1, np.inf)
SNRS = tuple(KNOWN * snr for snr in (8.0, 10.0, 15.0, 25.0, 50.0))
LOUD = KNOWN * 10.0, KNOWN * 500.0
"""SNR of needles and of interference: fainter than those of ``search.py``, for weights are for what can be mistaken."""
SAID = (0.003, 0.01, 0.03, 0.05, 0.1, 0.2)
EXPOSURE = MID.channels * MID.df_mhz * 6 * MID.panel / 3600
HERTZ = MID.df_mhz * 1e6
GRID = make_grid((MID.rows,) * 6, MID.starts.tolist(), MID.tsamp, HERTZ, LIMITS.max_drift)
OF_THE_NETWORK = ("logit", "elsewhere")
OFF = tuple(panel for panel in ALL if panel not in ON)

NATURE = Recipe(
    SNRS, FAMILIES, (WIDTHS[0], WIDTHS[-1]), LIMITS.max_drift, ("width", "scintillation", "gaps", "pulses", "span"), 0.5
)
"""Needles as nature draws them: a share is in all ON panels, as many are in one or in two."""

STRAIGHT, NATURAL, EMPTY = "straight", "natural", "empty"
"""Cadences: with the needles of ``search_files.py``; with those of :data:`NATURE`; with interference alone."""

KINDS = {
    "sine": "swinging",
    "walk": "wandering",
    **dict.fromkeys(("line", "drift"), "straight, uneven"),
    **dict.fromkeys(("bursts", "intermittent", "partial"), "on for a while"),
}
"""What needles in all ON panels are called; others bend evenly."""


@dataclass(frozen=True)
class Lesson:
    """What was ``found`` in a cadence of one seed; ``lines``: what ``search_files.py`` drew; ``needles``: those of nature."""

    found: Found
    lines: pd.DataFrame
    needles: pd.DataFrame


def lesson(seed: int, kind: str, out: Path, processes: int | None = None) -> Lesson:
    """A cadence, searched with the network; what was found is kept in ``out``."""
    lines = random_truth(MID, SNRS, WIDTHS, seed, LOUD)
    lines = lines if kind == STRAIGHT else lines[lines["kind"] != "needle"].reset_index(drop=True)
    kept, drawn = out / f"{kind}_{seed}.npz", out / f"{kind}_{seed}.csv"
    if not kept.exists():
        folder = out / f"cadence_{seed}"
        job = prepare(open_cadence(write_cadence(folder, MID, "sky", lines, seed)), LIMITS, detector=load_detector("raw"))
        search, needles = job.search, pd.DataFrame(columns=["family", "snr", *(f"channel_{panel + 1}" for panel in ALL)])
        if kind == NATURAL:
            injected, needles = inject(job.cadence, ON, NATURE, seed)
            search = replace(search, cadence=injected)
        parts = dict(search_here([search], [(0, block) for block in job.blocks], processes))
        needles.to_csv(drawn, index=False)
        np.savez(kept, allow_pickle=False, **joined([parts[0, block] for block in job.blocks]).arrays())
        shutil.rmtree(folder)
    with np.load(kept) as arrays:
        return Lesson(Found(**arrays), lines, pd.read_csv(drawn))


def kind_of(needle: pd.Series) -> str:
    """What a needle of nature is called."""
    shown = int(needle[[f"channel_{panel + 1}" for panel in ON]].notna().sum())
    return ("in one ON panel", "in two ON panels", KINDS.get(needle["family"], "bending evenly"))[shown - 1]


def needles_of(seed: int, kind: str, out: Path) -> pd.DataFrame:
    """The needles of a cadence: ``truth`` (its number), ``drawn`` (its SNR) and ``kind``."""
    told = lesson(seed, kind, out)
    straight = told.lines[told.lines["kind"] == "needle"]
    rows = pd.DataFrame({"truth": straight.index, "drawn": straight["snr"].round(1), "kind": STRAIGHT})
    nature = [(number, round(needle["snr"], 1), kind_of(needle)) for number, needle in told.needles.iterrows()]
    return pd.concat([rows, pd.DataFrame(nature, columns=rows.columns)]).assign(seed=seed, cadence=kind)


def events_of(seed: int, kind: str, out: Path) -> pd.DataFrame:
    """Every event of a cadence, of both ways of searching: as it is (``arrangement`` 0) and with ON and OFF exchanged (1).
    :data:`FEATURES`, ``trust``, ``what`` it is, and of a needle its number ``truth``."""
    told, parts = lesson(seed, kind, out), []
    for way in (BOTH, CLASSICAL):
        for number, on in enumerate((ON, OFF)):
            groups = groups_of(only(told.found, way), number, GRID, on, way == BOTH, LIMITS.snr)
            rows = [features(one.tracks[0], on, GRID, one.network) for one in groups]
            table = pd.DataFrame(rows, columns=list(FEATURES))
            table = table.assign(trust=[one.trust for one in groups])
            what, truth = known(groups, told) if number == 0 else ("exchanged", -1)
            parts.append(table.assign(what=what, truth=truth, arrangement=number, way=way))
    return pd.concat(parts).assign(seed=seed, cadence=kind)


def known(groups: Sequence[Group], told: Lesson) -> tuple[np.ndarray, np.ndarray]:
    """What each event is, and the number of the needle; -1 for none."""
    places = LOWEST_MHZ + np.array([one.tracks["channel"][0] for one in groups]) * MID.df_mhz
    drifts = np.array([one.tracks["drift"][0] for one in groups]) * HERTZ
    events = judged(Searched(pd.DataFrame({"mhz": places, "drift": drifts, "time": 0.0, "score": 0.0}), 0, 0, 0), told.lines, MID)
    what, truth = events["what"].to_numpy(object, copy=True), events["truth"].to_numpy(copy=True)
    if len(told.needles):
        near = passes(groups, told.needles, GRID, ON)
        mine = near.any(0)
        what[mine], truth[mine] = "needle", near.argmax(0)[mine]
    return what, truth


def taught(events: pd.DataFrame, used: Sequence[str]) -> np.ndarray:
    """Weights of :data:`FEATURES`, 0 for those that are not ``used``; the first is the constant."""
    values = events[list(used)].to_numpy(float)
    mean, scale = values.mean(0), values.std(0)
    model = LogisticRegression(max_iter=1000).fit((values - mean) / scale, events["what"] == "needle")
    slopes = model.coef_[0] / scale
    weights = {**dict(zip(used, slopes, strict=True)), "one": model.intercept_[0] - slopes @ mean}
    return np.array([weights.get(name, 0.0) for name in FEATURES])


def blind(events: pd.DataFrame, lessons: pd.DataFrame, used: Sequence[str]) -> pd.Series:
    """Log odds of ``events``, of each seed by weights that were taught without it."""
    odds = pd.Series(0.0, index=events.index)
    for seed in events["seed"].unique():
        here = events["seed"] == seed
        weights = taught(lessons[(lessons["seed"] != seed) & (lessons["trust"] == 1)], used)
        odds[here] = events.loc[here, list(FEATURES)].to_numpy(float) @ weights
    return odds


def sorted_out(events: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Which rows are events of the cadence as it is, and which the calibration counts as false ones."""
    usual, sure = events["arrangement"] == 0, events["trust"] == 1
    return usual & sure, (~usual & sure) | (usual & (events["trust"] > 0) & ~sure)


def needles_with(events: pd.DataFrame) -> pd.DataFrame:
    """The needles that have one of ``events``, once each, however many tell of them: ``seed``, ``cadence``, ``truth``."""
    real, _ = sorted_out(events)
    return events.loc[real & (events["what"] == "needle"), ["seed", "cadence", "truth"]].drop_duplicates()


def exposure_of(events: pd.DataFrame) -> float:
    """MHz·h of the cadences that these events are of."""
    return EXPOSURE * len(events[["seed", "cadence"]].drop_duplicates())


def told(events: pd.DataFrame, odds: pd.Series, needles: pd.DataFrame) -> pd.DataFrame:
    """Recall by SNR and kind at given rates of false events, counted in all cadences together; the last: whatever their odds."""
    real, _ = sorted_out(events)
    false = np.append(np.sort(odds[real & (events["what"] != "needle")])[::-1], -np.inf)
    parts = []
    for rate in RATES:
        likely = odds > false[int(min(rate * exposure_of(events), len(false) - 1))]
        found = needles_with(events[likely]).assign(found=1)
        every = needles.merge(found, how="left", on=["seed", "cadence", "truth"]).fillna({"found": 0})
        recall = every.pivot_table(index="kind", columns="drawn", values="found").round(2)
        parts.append(recall.assign(many=every.groupby("kind").size(), rate=rate))
    return pd.concat(parts).reset_index()


def true_rates(events: pd.DataFrame, odds: pd.Series) -> pd.DataFrame:
    """False events where ``false_alarms`` says a rate or less, each cadence calibrated by itself; and how many it foretells."""
    said = pd.Series(np.inf, index=events.index)
    real, false = sorted_out(events)
    for _, mine in events.groupby(["seed", "cadence"]):
        here = events.index.isin(mine.index)
        calibration = Calibration(-np.sort(-odds[here & false].to_numpy()), EXPOSURE, True)
        said[here & real] = calibration.false_alarms(odds[here & real].to_numpy())
    counted = [int(((said <= rate) & (events["what"] != "needle")).sum()) for rate in SAID]
    return pd.DataFrame({"said": SAID, "counted": counted, "foretold": np.round(np.array(SAID) * exposure_of(events), 1)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(1, 10)])
    parser.add_argument("--empty", type=int, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("out/search_odds"))
    parser.add_argument("--processes", type=int, help="default: one per core")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lessons = [(seed, kind) for seed in args.seeds for kind in (STRAIGHT, NATURAL)]
    for seed, kind in [*lessons, *((seed, EMPTY) for seed in args.empty)]:
        lesson(seed, kind, args.out, args.processes)
    every = pd.concat([events_of(seed, kind, args.out) for seed, kind in lessons], ignore_index=True)
    empty = pd.concat([every[:0], *(events_of(seed, EMPTY, args.out) for seed in args.empty)], ignore_index=True)
    needles = pd.concat([needles_of(seed, kind, args.out) for seed, kind in lessons], ignore_index=True)
    for way, used in ((BOTH, FEATURES[1:]), (CLASSICAL, tuple(name for name in FEATURES[1:] if name not in OF_THE_NETWORK))):
        events, bare = (table[table["way"] == way].reset_index(drop=True) for table in (every, empty))
        print(
            f"{way}: {len(events)} events, {len(needles_with(events))} of {len(needles)} needles have one that no OFF panel shows"
        )
        odds = blind(events, events, used)
        print(told(events, odds, needles).to_string(index=False))
        for kind in (STRAIGHT, NATURAL):
            mine = events["cadence"] == kind
            print(f"{kind}:", true_rates(events[mine], odds[mine]).to_string(index=False), sep="\n")
        if len(bare):
            print("without needles:", true_rates(bare, blind(bare, events, used)).to_string(index=False), sep="\n")
        print("   ", tuple(float(round(weight, 2)) for weight in taught(events[events["trust"] == 1], used)))


if __name__ == "__main__":
    main()
