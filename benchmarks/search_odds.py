"""Teach the weights of ``seti_utils/telescope/odds.py``: what tells a needle of an event from chance.

    python benchmarks/search_odds.py [--seeds 1 2 3 4 5 6 7 8 9] [--empty 1 2 3] [--out out/search_odds]

Writes and searches a cadence of ``search_files.py`` per seed, with the network and without it (none of the seeds that
``search.py`` chooses by or reports), and fits a logistic regression: events of the cadence that are needles against those that
are not, and against those with ON and OFF exchanged. Prints the weights, taught on all cadences; and, taught without the cadence
that is asked, how many needles are found at given rates of false events, and how many events are false where ``false_alarms`` says a
rate. With ``--empty`` this is told of cadences of these seeds without needles too, where the windows and cells that needles fill
elsewhere are free. A cadence is 300 MB and is removed when it has been searched; what was measured stays in OUT, so that the same call resumes.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))

from search import MAX_DRIFT, SNRS, WIDTHS, Searched, judged
from search_files import MID, random_truth, write_cadence

from seti_utils.nets.shipped import load_detector
from seti_utils.telescope.blocks import Found, joined
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.calibration import Calibration, groups_of
from seti_utils.telescope.events import Limits
from seti_utils.telescope.jobs import Job, prepare
from seti_utils.telescope.odds import FEATURES, features
from seti_utils.telescope.running import search_here
from seti_utils.telescope.sensitivity import BOTH, CLASSICAL, only

LIMITS = Limits(MAX_DRIFT["0002"], false_alarms=None)
RATES = (0.03, 0.05, 0.1)
SAID = (0.003, 0.01, 0.03, 0.05, 0.1, 0.2)
EXPOSURE = MID.channels * MID.df_mhz * 6 * MID.panel / 3600


def measured(seed: int, out: Path, needles: bool = True) -> pd.DataFrame:
    """Every event of a cadence, with its needles or without them, of both ways of searching: as it is (``arrangement`` 0) and with
    ON and OFF exchanged (1). :data:`FEATURES`, ``trust``, ``what`` it is, and of a needle its number ``truth`` and how bright it was
    ``drawn``."""
    kept = out / f"{'events' if needles else 'empty'}_{seed}.csv"
    if not kept.exists():
        truth = random_truth(MID, SNRS, WIDTHS, seed)
        truth = truth if needles else truth[truth["kind"] != "needle"].reset_index(drop=True)
        paths = write_cadence(out / f"cadence_{seed}", MID, "sky", truth, seed)
        job = prepare(open_cadence(paths), LIMITS, detector=load_detector("raw"))
        parts = dict(search_here([job.search], [(0, block) for block in job.blocks]))
        found = joined([parts[0, block] for block in job.blocks])
        known = pd.read_csv(out / f"cadence_{seed}" / "truth.csv")
        pd.concat([events_of(only(found, way), job, known, way) for way in (BOTH, CLASSICAL)]).to_csv(kept, index=False)
        shutil.rmtree(out / f"cadence_{seed}")
    return pd.read_csv(kept).assign(seed=seed)


def events_of(found: Found, job: Job, truth: pd.DataFrame, way: str) -> pd.DataFrame:
    """The events that one way of searching found."""
    cadence, grid, parts = job.cadence, job.search.grid, []
    for number, on in enumerate((cadence.on, cadence.off)):
        groups = groups_of(found, number, grid, on, way == BOTH, LIMITS.snr)
        leaders = [one.tracks[0] for one in groups]
        places = cadence.frequency(np.array([track["channel"] for track in leaders]))
        drifts = np.array([track["drift"] for track in leaders]) * cadence.width * 1e6
        events = judged(Searched(pd.DataFrame({"mhz": places, "drift": drifts, "time": 0.0, "score": 0.0}), 0, 0, 0), truth, MID)
        rows = [features(track, on, grid, one.network) for track, one in zip(leaders, groups, strict=True)]
        table = pd.DataFrame(rows, columns=list(FEATURES))
        needle = (events["what"] == "needle") & (number == 0)
        table = table.assign(trust=[one.trust for one in groups])
        table = table.assign(what=events["what"].where(needle | (number == 0), "exchanged"))
        parts.append(table.assign(truth=events["truth"], drawn=events["snr"], arrangement=number, way=way))
    return pd.concat(parts)


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


def told(events: pd.DataFrame, odds: pd.Series, needles: pd.Series) -> pd.DataFrame:
    """Recall by SNR at given rates of false events, counted in all cadences together."""
    real, _ = sorted_out(events)
    false = np.sort(odds[real & (events["what"] != "needle")])[::-1]
    rows, exposure = [], EXPOSURE * events["seed"].nunique()
    for rate in RATES:
        found = events[real & (odds > false[int(rate * exposure)]) & (events["what"] == "needle")]
        recall = found.drop_duplicates(["seed", "truth"]).groupby("drawn").size() / needles
        rows.append({"false per MHz h": rate, **recall.round(3)})
    return pd.DataFrame(rows)


def true_rates(events: pd.DataFrame, odds: pd.Series) -> pd.DataFrame:
    """False events where ``false_alarms`` says a rate or less, each cadence calibrated by itself; and how many it foretells."""
    said = pd.Series(np.inf, index=events.index)
    real, false = sorted_out(events)
    for seed in events["seed"].unique():
        here = events["seed"] == seed
        calibration = Calibration(-np.sort(-odds[here & false].to_numpy()), EXPOSURE, True)
        said[here & real] = calibration.false_alarms(odds[here & real].to_numpy())
    exposure = EXPOSURE * events["seed"].nunique()
    counted = [int(((said <= rate) & (events["what"] != "needle")).sum()) for rate in SAID]
    return pd.DataFrame({"said": SAID, "counted": counted, "foretold": np.round(np.array(SAID) * exposure, 1)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(1, 10)])
    parser.add_argument("--empty", type=int, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("out/search_odds"))
    args = parser.parse_args()
    every = pd.concat([measured(seed, args.out) for seed in args.seeds], ignore_index=True)
    empty = pd.concat([every[:0], *(measured(seed, args.out, needles=False) for seed in args.empty)], ignore_index=True)
    truths = pd.concat([random_truth(MID, SNRS, WIDTHS, seed) for seed in args.seeds])
    needles = truths[truths["kind"] == "needle"].groupby("snr").size()
    for way, used in ((BOTH, FEATURES[1:]), (CLASSICAL, FEATURES[1:4])):
        events, bare = (table[table["way"] == way].reset_index(drop=True) for table in (every, empty))
        print(f"{way}: {len(events)} events, {(events['what'] == 'needle').sum()} of needles")
        odds = blind(events, events, used)
        print(told(events, odds, needles).to_string(index=False))
        print(true_rates(events, odds).to_string(index=False))
        if len(bare):
            print("without needles:")
            print(true_rates(bare, blind(bare, events, used)).to_string(index=False))
        print("   ", tuple(float(round(weight, 2)) for weight in taught(events[events["trust"] == 1], used)))


if __name__ == "__main__":
    main()
