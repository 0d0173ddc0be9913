"""How far the figures of `make run` spread over seeds, and over the machines that this one can pass for.

    python benchmarks/spread.py                                    # ten seeds as it is, three on every other machine
    python benchmarks/spread.py --seeds 20 --elsewhere 0           # this machine only
    python benchmarks/spread.py --machines "avx2, AVX2" --elsewhere 10

The same sky, blend and fold as `make run` (``--experiment sky_demo``: as `make quick`); what changes is the seed of training, which a user's other processor changes in
effect too: it rounds otherwise, and 400 steps later that is another network. One process at a time; every run is a row of
``benchmarks/results/spread.csv`` as soon as it is known, and the same command resumes where it was stopped. Rows of another
recipe or sky version are measured anew. The machines are those of ``benchmarks/numerics.py``.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from numerics import ROOT, bare, conditions, level_here, machines

from seti_utils.files import write_table
from seti_utils.log.pages import LOG
from seti_utils.nets.shipped import load_detector
from seti_utils.run.standings import STANDINGS
from seti_utils.sky.ranges import SKY_VERSION

RESULTS = Path(__file__).parent / "results" / "spread.csv"
FIRST_SEED = 2021
FIGURES = {"oof": r"out-of-fold AUC\s+([\d.]+)", "test": r"hidden test AUC\s+([\d.]+)"}
"""Column of the table, and how ``summary`` words it of an experiment; of a blend it writes a table with these columns."""


def seti(*words: object, machine: dict[str, str]) -> str:
    """What one command prints, run as ``machine``; a command that fails ends all."""
    command = [sys.executable, "-m", "seti_utils", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=bare() | machine, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def measure(args: argparse.Namespace, name: str, variables: dict[str, str], seed: int) -> dict[str, object]:
    """One training of the experiment as one machine: its row of the table."""
    out = args.out / name.replace(", ", "-").replace(" ", "-")
    where = ("--folds", 0, "--seeds", seed, "--data", args.out / "sky", "--out", out)
    if args.experiment in LOG.blends:
        where += ("--overlap", args.out / "overlap")
    seti("chain", args.experiment, *where, machine=variables)
    said = seti("summary", args.experiment, *where, machine=variables)
    if args.experiment in LOG.blends:
        last = pd.read_csv(out / args.experiment / STANDINGS).iloc[-1]
        figures = {column: float(last[column]) for column in FIGURES}
    else:
        figures = {column: float(re.findall(pattern, said)[0]) for column, pattern in FIGURES.items()}
    return {**identity(args), "machine": name, "seed": seed, **figures}


def identity(args: argparse.Namespace) -> dict[str, object]:
    """What a row has to have in common with this call to be kept."""
    blend = LOG.blends.get(args.experiment)
    marks = [LOG.fingerprint(part) for part in (blend.members if blend else (args.experiment,))]
    marks += [f"{name}:{load_detector(name).mark[:12]}" for name in (blend.detectors if blend else ())]
    return {
        "experiment": args.experiment,
        "fingerprint": " ".join(marks),
        "sky": SKY_VERSION,
        "train": args.train,
        "test_rows": args.test,
    }


def known(args: argparse.Namespace) -> pd.DataFrame:
    """The rows that are there and of this recipe, sky and size."""
    if not RESULTS.exists():
        return pd.DataFrame(columns=[*identity(args), "machine", "seed", *FIGURES])
    rows = pd.read_csv(RESULTS, dtype={"fingerprint": str})
    return rows[(rows[list(identity(args))] == list(identity(args).values())).all(axis=1)]


def table(rows: pd.DataFrame) -> list[str]:
    """Mean, standard deviation, least and most of both figures, a line per machine and one for all."""
    parts = [*rows.groupby("machine", sort=False), ("all", rows)]
    lines = ["| machine | seeds | out of fold | least to most | test | least to most |", "|---|---|---|---|---|---|"]
    for name, part in parts:
        said = []
        for column in FIGURES:
            value = part[column]
            said += [f"{value.mean():.3f} ± {value.std():.3f}", f"{value.min():.3f} to {value.max():.3f}"]
        lines.append(f"| {name} | {len(part)} | {' | '.join(said)} |")
    return lines


def main() -> None:
    every = machines()
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiment", default="sky_stack", help="an experiment or a blend (default: sky_stack)")
    parser.add_argument("--seeds", type=int, default=10, help="on this machine as it is")
    parser.add_argument("--elsewhere", type=int, default=3, help="seeds on every other machine")
    parser.add_argument(
        "--machines", nargs="+", choices=list(every), default=list(every), metavar="NAME", help=f"of {list(every)}"
    )
    parser.add_argument("--train", type=int, default=2400)
    parser.add_argument("--test", type=int, default=800)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "spread")
    args = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    seti("sky", args.out / "sky", "--train", args.train, "--test", args.test, "--seed", FIRST_SEED, machine={})
    if args.experiment in LOG.blends:
        seti("overlap", "search", args.out / "sky", args.out / "overlap", machine={})
        seti("overlap", "clean", args.out / "sky", args.out / "overlap", machine={})
    rows = known(args)
    for name in args.machines:
        for seed in range(FIRST_SEED, FIRST_SEED + (args.seeds if name == "as it is" else args.elsewhere)):
            if not ((rows["machine"] == name) & (rows["seed"] == seed)).any():
                row = measure(args, name, every[name], seed)
                rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True) if len(rows) else pd.DataFrame([row])
                write_table(RESULTS, rows)
                print(f"{name}, seed {seed}: out of fold {row['oof']:.4f}, test {row['test']:.4f}", flush=True)
    print(f"\n{conditions(level_here())}, {args.train} + {args.test} cadences, sky {SKY_VERSION}, {args.experiment}\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
