"""``seti search`` beside turboSETI, find_event and plot_event, on the same files: recall, false events, drift, frequency, seconds.

    python benchmarks/search.py --turboseti ENV/bin/python [--choose 11 12] [--report 21 22 23] [--product 0002] [--out out/search]
        [--setigen ENV2/bin/python] [--turns 3] [--page docs/search.md]

Writes cadences in Breakthrough Listen's layout (``search_files.py``), searches each with the network, without it, and with turboSETI
(``search_turboseti.py``, in the environment ENV; left out without the option), and holds every event against the truth. Thresholds
are chosen on the cadences of the seeds ``--choose``: the lowest at which there are at most ``--rate`` false events per MHz and hour.
Everything told is measured on the seeds ``--report``. The same call resumes. SNR per panel is that of a filter which knows every
pixel of a line. An event is a needle's when their lines come within eight channels of each other in an ON panel; every other event
is false, those of terrestrial lines and of echoes too. A page's tables are of what needs no choice: where our own ``false_alarms``
says ``--rate``, and everything that find_event leaves. Told too: half that rate, the threshold that was chosen, and the one at which
the reported cadences themselves have ``--rate``.

With ``--setigen`` lines are drawn and files written by setigen (``search_setigen.py``), with its own measure of SNR, into the same
bands, or into its own noise where the background is "white".

``--turns``: how often all ways search the last cadence once more, one after the other in every turn, so that a busy machine is
busy for all of them; a page tells the medians of these, and no seconds without them. Tables go to OUT as CSV, and to ``--page``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from pages import write_section
from search_files import FINE, LATE, MID, MJD, ON, Product, panel_snrs, random_truth, write_cadence

from seti_utils.machine import cores, versions
from seti_utils.stats.recall import wilson

ROOT = Path(__file__).parents[1]
PRODUCTS = {"0002": MID, "0002-279": LATE, "0000": FINE}
MAX_DRIFT = {"0002": 390.0, "0002-279": 390.0, "0000": 4.0}
SNRS = (8.0, 10.0, 15.0, 25.0, 50.0)
WIDTHS = (0.72, 2.0, 5.0)
SETIGEN_ECHO = 8.0
"""Least SNR of an echo that setigen draws, as it counts: as bright as ours where a line has the real needle's width."""
CLOSE = 8.0
WAYS = {"search": ("--network", "raw"), "search, classical": ("--network", "none")}
TURBO = {"turboSETI, all ON (filter 3)": "filter_3.csv", "turboSETI, any ON (filter 2)": "filter_2.csv"}
HEADS = {"search": "`seti search`", "search, classical": "`--network none`"}
SAID = (1.0, 0.5)
"""Rates of false events, as ``false_alarms`` says them and in units of ``--rate``, at which our search is told too."""
CHOSEN = "chosen"
"""The threshold that ``--choose`` gives."""
THERE = "as many there"
"""The threshold at which the reported cadences themselves have the rate that is asked for: a point of their curve, not a choice."""
FALSE = ("background", "echo", "terrestrial")
"""What a false event is: nothing that was drawn, so the band's own emission or noise; or interference that was."""


@dataclass
class Searched:
    """Events of one cadence by one way: ``time`` s from the cadence's middle at which ``mhz`` is, ``drift`` Hz/s, and
    ``score``, the higher the surer; what it cost."""

    events: pd.DataFrame
    seconds: float
    processor: float
    mebibytes: float


def timed(words: list[str], log: Path) -> dict[str, float]:
    """Run a command; seconds by the clock and of all processors, and the peak memory of its largest process.

    Its modules are compiled once and kept, ours as well as those of a package that pip installed.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        child = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=env)
    peaks, ended = [0], Event()
    watcher = Thread(target=watch, args=(child.pid, peaks, ended))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    ended.set()
    watcher.join()
    if status:
        raise SystemExit(f"{' '.join(words)} failed: see {log}")
    return {"seconds": seconds, "processor": usage.ru_utime + usage.ru_stime, "MiB": max(peaks) / 1024}


def watch(process: int, peaks: list[int], ended: Event) -> None:
    """Note the largest peak, KiB, of a process and all that it started in ``peaks``, five times a second until it has ended."""
    while not ended.wait(0.2):
        peaks.append(max(map(resident, family(process)), default=0))


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


def command(folder: Path, out: Path, way: str, product: Product, max_drift: float, python: str | None) -> list[str]:
    """What searches a cadence this way: ours, every event above its SNR whatever its rate of false alarms; or turboSETI."""
    if way in WAYS:
        words = [sys.executable, "-m", "seti_utils", "search", str(folder), "-o", str(out), "--false-alarms", "any"]
        return [*words, "-M", str(max_drift), "--processes", str(cores()), *WAYS[way]]
    script, coarse = str(Path(__file__).with_name("search_turboseti.py")), str(product.channels // product.coarse)
    return [str(python), script, str(folder), str(out), "--max-drift", str(max_drift), "--coarse", coarse]


def written(folder: Path, product: Product, background: str, seed: int, setigen: str | None) -> None:
    """Write the cadence of a seed, its lines drawn by us, or by setigen in the environment of this Python."""
    truth = random_truth(product, SNRS, WIDTHS, seed)
    if setigen is None:
        write_cadence(folder, product, background, truth, seed)
        return
    bare, lines = folder.with_name(f"{folder.name}_bare"), folder.with_name(f"{folder.name}_lines.csv")
    write_cadence(bare, product, background, truth[:0], seed)
    panels = np.array([panel_snrs(line, SETIGEN_ECHO) for line in truth.to_dict("records")])
    truth.assign(**{f"snr_{number + 1}": panels[:, number] for number in range(6)}).to_csv(lines, index=False)
    words = [setigen, str(Path(__file__).with_name("search_setigen.py")), str(bare), str(folder), "--truth", str(lines)]
    timed(
        [*words, "--seed", str(seed), *(["--noise"] if background == "white" else [])],
        folder.with_name(f"{folder.name}_setigen.log"),
    )
    shutil.rmtree(bare)


def once(words: list[str], out: Path) -> dict[str, float]:
    """What a command cost that leaves its results in ``out``, where it is not run twice."""
    cost = out / "cost.json"
    if not cost.exists():
        spent = timed(words, out.with_suffix(".log"))
        cost.write_text(json.dumps(spent), encoding="utf-8")
    return json.loads(cost.read_text(encoding="utf-8"))


def in_turns(folder: Path, ways: list[str], product: Product, max_drift: float, python: str | None, turns: int) -> list[dict]:
    """What each way costs, one after the other in every turn; what they leave is thrown away."""
    rows = []
    for turn in range(turns):
        for way in ways:
            out = folder / f"turn_{turn}"
            shutil.rmtree(out, ignore_errors=True)
            load = os.getloadavg()[0]
            spent = timed(command(folder, out, way, product, max_drift, python), out.with_suffix(".log"))
            rows.append({"way": way, "turn": turn, "load before": load, **spent})
            print(json.dumps(rows[-1]), flush=True)
            shutil.rmtree(out)
    return rows


def ours(out: Path, words: list[str]) -> Searched:
    """The events of ``seti search``."""
    spent = once(words, out)
    table = pd.read_csv(out / "events.csv")
    events = pd.DataFrame({"mhz": table["f_mid"], "drift": table["drift"], "time": 0.0, "score": -table["false_alarms"]})
    return Searched(events.assign(error=table["drift_error"]), spent["seconds"], spent["processor"], spent["MiB"])


def theirs(out: Path, words: list[str], product: Product, name: str) -> Searched:
    """turboSETI and find_event's table ``name``: one event per Hit_ID, at its first ON panel; its only score is the SNR."""
    spent = once(words, out)
    path = out / name
    events = pd.DataFrame(columns=["mhz", "drift", "time", "score"], dtype=float)
    if path.exists():
        table = pd.read_csv(path)
        table["Hit_ID"] = (
            table["Hit_ID"].astype(object).fillna(pd.Series(table.index.astype(str)))
        )  # filter 2 does not group its hits
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
    events["what"] = [FALSE[0] if row < 0 else truth["kind"].iloc[row] for row in place]
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
    kinds = {f"false, {kind}": sum(int((table["what"] == kind).sum()) for table in kept) for kind in FALSE}
    hits = [set(table["truth"][table["truth"] >= 0]) for table in kept]
    doubles = sum(int((table["truth"] >= 0).sum()) for table in kept) / max(sum(map(len, hits)), 1)
    every = pd.concat(kept)
    rows = []
    for snr in sorted({snr for truth in truths for snr in truth["snr"][truth["kind"] == "needle"]}):
        here = [truth[(truth["kind"] == "needle") & (truth["snr"] == snr)] for truth in truths]
        of, known = sum(map(len, here)), pd.concat(here)["filter"]
        found = sum(sum(truth["snr"].iloc[row] == snr for row in hit) for hit, truth in zip(hits, truths, strict=True))
        mine = every[every["snr"] == snr]
        low, high = wilson(found, of)
        rows.append(
            {
                "way": name, "snr": snr, "filter": known.median(), "least": known.min(), "most": known.max(), "found": found, "of": of, "recall": found / of, "low": low, "high": high,
                "drift error, Hz/s": mine["drift_off"].abs().quantile(0.68), "frequency error, channels": mine["off"].abs().median(),
                "within a channel": (mine["off"].abs() <= 1).mean(), "false per MHz h": false / megahertz_hours, **kinds, "MHz h": megahertz_hours,
                "events per needle": doubles, "threshold": above,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def said(rate: float) -> str:
    """What a threshold is called that ``false_alarms`` gives."""
    return f"{rate:g} as said"


def markdown(table: pd.DataFrame, costs: pd.DataFrame, turns: bool, wanted: float) -> str:
    """The tables of a page: recall by SNR where ``false_alarms`` says the rate that is ``wanted``, and what holds for all; of
    turboSETI, everything that find_event leaves."""
    first = said(wanted)
    main = table[table["at"] == first]
    ways = [str(way) for way in dict.fromkeys(main["way"])]
    cells = {(row["way"], row["snr"]): row for row in main.to_dict("records")}
    heads = " | ".join(HEADS.get(way, way) for way in ways)
    varied = bool((main["least"] < main["most"]).any())  # setigen's SNR is not that of a filter
    lines = [f"| SNR per panel{' (of a filter)' * varied} | {heads} |", "|---" * (len(ways) + 1) + "|"]
    for snr in sorted(set(main["snr"])):
        rows = [cells[way, snr] for way in ways]
        known = f" ({rows[0]['least']:.0f} to {rows[0]['most']:.0f})" * varied
        told = [f"{row['recall']:.2f} [{row['low']:.2f}, {row['high']:.2f}] of {row['of']}" for row in rows]
        lines.append(f"| {snr:g}{known} | {' | '.join(told)} |")
    lines += ["", f"| | {heads} |", "|---" * (len(ways) + 1) + "|"]

    def line(name: str, value: Callable[[str], str]) -> None:
        lines.append(f"| {name} | {' | '.join(value(way) for way in ways)} |")

    def at(way: str, where: str, column: str, snr: float) -> float:
        mine = table[(table["way"] == way) & (table["at"] == where) & (table["snr"] == snr)]
        return mine[column].iloc[0] if len(mine) else np.nan

    def number(value: float, digits: int) -> str:
        return "–" if np.isnan(value) else f"{value:.{digits}f}"

    def significant(value: float) -> str:
        return "–" if np.isnan(value) else f"{value:.2g}"

    def spent(way: str, column: str, digits: int) -> str:
        mine = costs[(costs["way"] == way) & costs["turn"].notna()][column]
        return "–" if mine.empty else f"{mine.median():.{digits}f} [{mine.min():.{digits}f}, {mine.max():.{digits}f}]"

    snr = main["snr"].max()
    line("false events per MHz and hour", lambda way: number(at(way, first, "false per MHz h", snr), 2))
    for kind, name in zip(
        FALSE, ("nothing that was drawn: the band's own emission, noise", "echoes", "terrestrial lines"), strict=True
    ):
        line(f"of them, {name}", lambda way, kind=kind: number(at(way, first, f"false, {kind}", snr), 0))
    others = {f"where `false_alarms` says {share * wanted:g}": said(share * wanted) for share in SAID[1:]}
    if (table["at"] == CHOSEN).any():
        others["at the threshold chosen on other cadences"] = CHOSEN
    for name, where in others.items():
        line(f"false events {name}", lambda way, where=where: number(at(way, where, "false per MHz h", snr), 2))
        line("recall at SNR 15 there", lambda way, where=where: number(at(way, where, "recall", 15.0), 2))
    for snr in (15.0, 25.0):
        line(
            f"recall at SNR {snr:g} at the threshold with {wanted:g} on these very cadences",
            lambda way, snr=snr: number(at(way, THERE, "recall", snr), 2),
        )
    line("events per needle found", lambda way: number(at(way, first, "events per needle", snr), 2))
    for snr in (25.0, 50.0):
        line(
            f"drift error at SNR {snr:g}, 68 % are below, Hz/s",
            lambda way, snr=snr: significant(at(way, first, "drift error, Hz/s", snr)),
        )
    line("frequency error at SNR 25, median, channels", lambda way: number(at(way, first, "frequency error, channels", 25.0), 2))
    line("within a channel of the true frequency, SNR 25", lambda way: number(at(way, first, "within a channel", 25.0), 2))
    if turns:
        line("seconds by the clock, median [least, most]", lambda way: spent(way, "seconds", 1))
        line("processor seconds", lambda way: spent(way, "processor", 1))
    line("MiB of the largest process", lambda way: number(costs.loc[costs["way"] == way, "MiB"].max(), 0))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/search"))
    parser.add_argument("--product", choices=[*PRODUCTS], default="0002")
    parser.add_argument("--background", choices=["sky", "white"], default="sky")
    parser.add_argument("--choose", type=int, nargs="*", default=[11, 12])
    parser.add_argument("--report", type=int, nargs="+", default=[21, 22, 23])
    parser.add_argument("--rate", type=float, default=0.1, help="false events per MHz and hour")
    parser.add_argument("--turboseti", metavar="PYTHON", help="Python of an environment with turboSETI")
    parser.add_argument("--setigen", metavar="PYTHON", help="Python of an environment with setigen, which draws the lines")
    parser.add_argument("--turns", type=int, default=0, help="times that all ways search the last cadence in turn")
    parser.add_argument("--page", type=Path, help="page whose tables are written anew")
    args = parser.parse_args()
    product, drift = PRODUCTS[args.product], MAX_DRIFT[args.product]
    name = f"{args.product} {args.background}{' setigen' if args.setigen else ''}"
    exposure = product.channels * product.df_mhz * 6 * product.panel / 3600
    fits = [way for way in WAYS if args.product != "0000" or "classical" in way]
    ways = [*fits, *(TURBO if args.turboseti else [])]
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    truths, costs = {}, []
    for seed in [*args.choose, *args.report]:
        folder = args.out / f"{name.replace(' ', '_')}_{seed}"
        if not (folder / "truth.csv").exists():
            written(folder, product, args.background, seed, args.setigen)
        truths[seed] = pd.read_csv(folder / "truth.csv")
        for way in ways:
            out = folder / ("turboseti" if way in TURBO else "classical" if "classical" in way else "both")
            words = command(folder, out, way, product, drift, args.turboseti)
            found = theirs(out, words, product, TURBO[way]) if way in TURBO else ours(out, words)
            tables[way, seed] = judged(found, truths[seed], product)
            costs.append(
                {"way": way, "seed": seed, "seconds": found.seconds, "processor": found.processor, "MiB": found.mebibytes}
            )
            print(json.dumps(costs[-1]), flush=True)
    last = args.out / f"{name.replace(' ', '_')}_{args.report[-1]}"
    timed_ways = [*fits, *list(TURBO)[: len(ways) - len(fits)][:1]]
    turns = in_turns(last, timed_ways, product, drift, args.turboseti, args.turns)
    costs = pd.DataFrame([{**row, "turn": np.nan} for row in costs] + [{**row, "seed": args.report[-1]} for row in turns])
    results = []
    for way in ways:
        there, known = [tables[way, seed] for seed in args.report], [truths[seed] for seed in args.report]
        levels = {said(share * args.rate): -share * args.rate - 1e-9 for share in SAID} if way in WAYS else {}
        if args.choose:
            levels[CHOSEN] = choose([tables[way, seed] for seed in args.choose], args.rate * exposure * len(args.choose))
        if way in TURBO:
            levels[said(args.rate)] = -np.inf  # everything that find_event leaves
        if args.rate * exposure * len(args.report) >= 1:
            levels[THERE] = choose(there, args.rate * exposure * len(args.report))
        for where, above in levels.items():
            table = told(way, there, known, above, exposure * len(args.report))
            results.append(table.assign(at=where, seeds=" ".join(map(str, args.report))))
    table = pd.concat(results).assign(product=name)
    print(table[table["at"] == said(args.rate)].round(3).to_string(index=False))
    print(costs.drop(columns=["seed"]).groupby(["way", costs["turn"].notna()]).median().round(1).to_string())
    print(json.dumps({"cores": cores(), **versions(), "argv": sys.argv[1:]}))
    args.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(args.out / f"search_{name.replace(' ', '_')}.csv", index=False)
    costs.round(2).to_csv(args.out / f"search_{name.replace(' ', '_')}_seconds.csv", index=False)
    text = markdown(table, costs, args.turns > 0, args.rate)
    print(text)
    if args.page:
        write_section(args.page, f"{name} table", text)


if __name__ == "__main__":
    main()
