"""``seti search`` beside turboSETI with find_event, on the same files: recall, false events, drift, frequency, seconds, memory.

    python benchmarks/search.py --turboseti ENV/bin/python [--choose 11 12] [--report 21 22 23] [--product 0002] [--out out/search]

Writes cadences in Breakthrough Listen's layout (``search_files.py``), searches each with the network, without it, and with turboSETI
(``search_turboseti.py``, in the environment ENV; left out without the option), and holds every event against the truth. Thresholds
are chosen on the cadences of the seeds ``--choose``: the lowest at which there are at most ``--rate`` false events per MHz and hour.
Everything told is measured on the seeds ``--report``. The same call resumes. An event is a needle's when their lines come within
eight channels of each other in an ON panel; every other event is false, those of terrestrial lines and of echoes too.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from search_files import FINE, LATE, MID, MJD, ON, Product, random_truth, write_cadence

from seti_utils.machine import cores, versions
from seti_utils.stats.recall import wilson

ROOT = Path(__file__).parents[1]
PRODUCTS = {"0002": MID, "0002-279": LATE, "0000": FINE}
MAX_DRIFT = {"0002": 390.0, "0002-279": 390.0, "0000": 4.0}
SNRS = (8.0, 10.0, 15.0, 25.0, 50.0)
WIDTHS = (0.72, 2.0, 5.0)
CLOSE = 8.0
WAYS = {"search": ("--network", "raw"), "search, classical": ("--network", "none")}
TURBO = {"turboSETI, all ON (filter 3)": "filter_3.csv", "turboSETI, any ON (filter 2)": "filter_2.csv"}


@dataclass
class Searched:
    """Events of one cadence by one way: ``time`` s from the cadence's middle at which ``mhz`` is, ``drift`` Hz/s, and
    ``score``, the higher the surer; what it cost."""

    events: pd.DataFrame
    seconds: float
    processor: float
    mebibytes: float


def timed(words: list[str], log: Path) -> dict[str, float]:
    """Run a command; seconds by the clock and of all processors, and the peak memory of its largest process."""
    began = time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        child = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    done, peak = 0, 0
    while not done:
        peak = max([peak, *(resident(process) for process in family(child.pid))])
        time.sleep(0.2)
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
    if status:
        raise SystemExit(f"{' '.join(words)} failed: see {log}")
    processor = usage.ru_utime + usage.ru_stime
    return {"seconds": time.perf_counter() - began, "processor": processor, "MiB": peak / 1024}


def family(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [process, *(one for child in children for one in family(int(child)))]


def resident(process: int) -> int:
    """A process's peak so far, KiB: its own, where ``ru_maxrss`` would count what its parent held when it began."""
    try:
        said = Path(f"/proc/{process}/status").read_text(encoding="utf-8").partition("VmHWM:")[2].split()
    except OSError:
        return 0
    return int(said[0]) if said else 0


def ours(folder: Path, out: Path, way: str, max_drift: float) -> Searched:
    """``seti search``, every event above its SNR, whatever its rate of false alarms."""
    cost = out / "cost.json"
    if not cost.exists():
        words = [sys.executable, "-m", "seti_utils", "search", str(folder), "-o", str(out), "--false-alarms", "any"]
        spent = timed([*words, "-M", str(max_drift), "--processes", str(cores()), *WAYS[way]], folder / f"{out.name}.log")
        cost.write_text(json.dumps(spent), encoding="utf-8")
    spent = json.loads(cost.read_text(encoding="utf-8"))
    table = pd.read_csv(out / "events.csv")
    events = pd.DataFrame({"mhz": table["f_mid"], "drift": table["drift"], "time": 0.0, "score": -table["false_alarms"]})
    return Searched(events.assign(error=table["drift_error"]), spent["seconds"], spent["processor"], spent["MiB"])


def theirs(folder: Path, out: Path, python: str, product: Product, max_drift: float, name: str) -> Searched:
    """turboSETI and find_event's table ``name``: one event per Hit_ID, at its first ON panel; its only score is the SNR."""
    cost = out / "cost.json"
    if not cost.exists():
        script = str(Path(__file__).with_name("search_turboseti.py"))
        coarse = str(product.channels // product.coarse)
        spent = timed(
            [python, script, str(folder), str(out), "--max-drift", str(max_drift), "--coarse", coarse], folder / "turbo.log"
        )
        cost.write_text(json.dumps(spent), encoding="utf-8")
    spent = json.loads(cost.read_text(encoding="utf-8"))
    path = out / name
    events = pd.DataFrame(columns=["mhz", "drift", "time", "score"], dtype=float)
    if path.exists():
        table = pd.read_csv(path)
        table["Hit_ID"] = table["Hit_ID"].fillna(pd.Series(table.index.astype(str)))  # filter 2 does not group its hits
        score = table.groupby("Hit_ID")["SNR"].transform("mean")
        first = table.assign(score=score).sort_values("MJD").drop_duplicates("Hit_ID")
        start = (first["MJD"] - MJD) * 86400 - (product.starts[-1] + product.panel) / 2
        events = pd.DataFrame({"mhz": first["Freq"], "drift": first["DriftRate"], "time": start, "score": first["score"]})
    return Searched(events.reset_index(drop=True), spent["seconds"], spent["processor"], spent["MiB"])


def matched(events: pd.DataFrame, truth: pd.DataFrame, product: Product) -> np.ndarray:
    """(N,): the row of ``truth`` whose line comes closest to each event's in an ON panel, within :data:`CLOSE` channels; or -1."""
    hertz = product.df_mhz * 1e6
    middle = product.starts[list(ON)] - (product.starts[-1] + product.panel) / 2
    ends = np.stack([middle, middle + product.panel], 1)
    out = np.full(len(events), -1)
    for row, event in enumerate(events.to_dict("records")):
        here = (event["mhz"] * 1e6 - truth["mhz"].to_numpy() * 1e6) / hertz
        apart = (
            here[:, None, None]
            + event["drift"] / hertz * (ends - event["time"])
            - truth["drift"].to_numpy()[:, None, None] / hertz * ends
        )
        nearest = np.where(apart[..., 0] * apart[..., 1] <= 0, 0, np.abs(apart).min(-1)).min(-1)
        near = nearest <= CLOSE
        if near.any():
            order = np.lexsort((np.abs(truth["drift"] - event["drift"]), truth["kind"] != "needle", ~near))
            out[row] = order[0]
    return out


def judged(found: Searched, truth: pd.DataFrame, product: Product) -> pd.DataFrame:
    """The events with the needle they are (``truth``, -1 for none) and their errors in channels (at their own time) and Hz/s."""
    events = found.events.copy()
    place = matched(events, truth, product)
    needle = np.array([row >= 0 and truth["kind"].iloc[row] == "needle" for row in place], bool)
    events["truth"] = np.where(needle, place, -1)
    of = truth.iloc[np.where(needle, place, 0)].reset_index(drop=True)
    line = of["mhz"] + of["drift"] * events["time"] / 1e6
    events["off"] = np.where(needle, (events["mhz"] - line) / product.df_mhz, np.nan)
    events["drift_off"] = np.where(needle, events["drift"] - of["drift"], np.nan)
    events["snr"] = np.where(needle, of["snr"], np.nan)
    return events


def choose(tables: list[pd.DataFrame], allowed: float) -> float:
    """The lowest score at which all tables together have at most ``allowed`` false events."""
    false = np.sort(np.concatenate([table["score"][table["truth"] < 0].to_numpy(float) for table in tables]))[::-1]
    return -np.inf if len(false) <= allowed else float(false[int(allowed)]) + 1e-9


def told(name: str, tables: list[pd.DataFrame], truths: list[pd.DataFrame], above: float, megahertz_hours: float) -> pd.DataFrame:
    """One row per SNR: recall with Wilson's interval; and what holds for all of them."""
    kept = [table[table["score"] > above] for table in tables]
    false = sum(int((table["truth"] < 0).sum()) for table in kept)
    hits = [set(table["truth"][table["truth"] >= 0]) for table in kept]
    doubles = sum(int((table["truth"] >= 0).sum()) for table in kept) / max(sum(map(len, hits)), 1)
    every = pd.concat(kept)
    rows = []
    for snr in sorted({snr for truth in truths for snr in truth["snr"][truth["kind"] == "needle"]}):
        of = sum(int(((truth["kind"] == "needle") & (truth["snr"] == snr)).sum()) for truth in truths)
        found = sum(sum(truth["snr"].iloc[row] == snr for row in hit) for hit, truth in zip(hits, truths, strict=True))
        mine = every[every["snr"] == snr]
        low, high = wilson(found, of)
        rows.append(
            {
                "way": name, "snr": snr, "found": found, "of": of, "recall": found / of, "low": low, "high": high,
                "drift error, Hz/s": mine["drift_off"].abs().quantile(0.68), "frequency error, channels": mine["off"].abs().median(),
                "within a channel": (mine["off"].abs() <= 1).mean(), "false per MHz h": false / megahertz_hours,
                "events per needle": doubles, "threshold": above,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/search"))
    parser.add_argument("--product", choices=[*PRODUCTS], default="0002")
    parser.add_argument("--background", choices=["sky", "white"], default="sky")
    parser.add_argument("--choose", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--report", type=int, nargs="+", default=[21, 22, 23])
    parser.add_argument("--rate", type=float, default=0.1, help="false events per MHz and hour")
    parser.add_argument("--turboseti", metavar="PYTHON", help="Python of an environment with turboSETI")
    args = parser.parse_args()
    product, drift = PRODUCTS[args.product], MAX_DRIFT[args.product]
    exposure = product.channels * product.df_mhz * 6 * product.panel / 3600
    ways = [*WAYS, *(TURBO if args.turboseti else [])]
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    truths, costs = {}, []
    for seed in [*args.choose, *args.report]:
        folder = args.out / f"{args.product}_{args.background}_{seed}"
        if not (folder / "truth.csv").exists():
            write_cadence(folder, product, args.background, random_truth(product, SNRS, WIDTHS, seed), seed)
        truths[seed] = pd.read_csv(folder / "truth.csv")
        for way in ways:
            if way in TURBO:
                found = theirs(folder, folder / "turboseti", args.turboseti, product, drift, TURBO[way])
            else:
                found = ours(folder, folder / ("classical" if "classical" in way else "both"), way, drift)
            tables[way, seed] = judged(found, truths[seed], product)
            costs.append(
                {"way": way, "seed": seed, "seconds": found.seconds, "processor": found.processor, "MiB": found.mebibytes}
            )
            print(json.dumps(costs[-1]), flush=True)
    results = []
    for way in ways:
        above = choose([tables[way, seed] for seed in args.choose], args.rate * exposure * len(args.choose))
        there = [tables[way, seed] for seed in args.report]
        results.append(told(way, there, [truths[seed] for seed in args.report], above, exposure * len(args.report)))
    table = pd.concat(results)
    print(table.round(3).to_string(index=False))
    print(pd.DataFrame(costs).drop(columns="seed").groupby("way").agg("mean").round(1).to_string())
    print(json.dumps({"cores": cores(), **versions(), "argv": sys.argv[1:]}))
    table.to_csv(args.out / f"{args.product}_{args.background}.csv", index=False)


if __name__ == "__main__":
    main()
