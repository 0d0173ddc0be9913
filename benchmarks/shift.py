"""The ladder: how far each step closes the gap between validation and a shifted test, on the synthetic sky.

    python benchmarks/shift.py [--out FOLDER] [--seeds 2021 2022 2023] [--overlap 0.6] [--rungs NAME ...] [--table] [--doc PAGE]

Rungs are experiments of the log's page "The ladder", trained by the same code as every other; the last rungs are their
blends. Seed number i trains fold i of three, so the three runs of a rung validate on all training rows once. Each (rung,
seed) is a row of ``benchmarks/results/shift.csv``, written as soon as it is known; the same call resumes where a killed one
was. The whole is one stack of all three runs, as one would hand it in. Budget: TRAIN + TEST cadences, about 1,600 training
rows per run; ``seconds`` is processor time of one core, training and prediction of that run. ``--overlap`` makes another sky
with more shared rows, whose rows in the table carry that number. Intervals: 95 %, bootstrap over rows, all seeds together;
``shift_rungs.csv`` keeps them for a machine where the runs are not.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from pages import write_section
from shift_table import (  # noqa: E402
    FOLDS,
    LIGHT,
    RUNGS,
    SHIPPED,
    SKY_SEED,
    STACK,
    TEST_ROWS,
    TRAIN,
    WHOLE,
    draw_ladder,
    home_of,
    markdown,
    measured,
    truth_of,
)

from seti_utils.data.batches import batches  # noqa: E402
from seti_utils.data.competition import read_competition  # noqa: E402
from seti_utils.files import write_table  # noqa: E402
from seti_utils.log.pages import LOG
from seti_utils.overlap.folder import read_groups
from seti_utils.overlap.panels import clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.pictures.style import save_picture
from seti_utils.run.artifacts import run_folder
from seti_utils.run.blends import detector_scores
from seti_utils.run.identity import Run  # noqa: E402
from seti_utils.run.infer import scores_of  # noqa: E402
from seti_utils.run.opening import cadences, folds_of  # noqa: E402
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train  # noqa: E402
from seti_utils.scores.classical import light_scores
from seti_utils.scores.ensemble import blend
from seti_utils.scores.stacking import stack
from seti_utils.scores.tables import MANY, make_scores, mean_scores, read_scores, write_scores
from seti_utils.sky import make_sky
from seti_utils.sky.ranges import OVERLAP, SKY_VERSION
from seti_utils.stats.auc import auc
from seti_utils.stats.intervals import auc_interval

RESULTS = Path(__file__).parent / "results" / "shift.csv"
COLUMNS = [
    "version",
    "overlap",
    "rung",
    "seed",
    "fold",
    "cv",
    "cv_low",
    "cv_high",
    "test",
    "test_low",
    "test_high",
    "gap",
    "with_neighbour",
    "without_neighbour",
    "s_shapes",
    "seconds",
    "train_rows",
    "valid_rows",
    "test_rows",
    "fingerprint",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/shift"), help="sky, overlap search and runs (about 8 GB)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021, 2022, 2023])
    parser.add_argument("--overlap", type=float, default=OVERLAP, help="share of rows that share sky (default: the sky's)")
    parser.add_argument("--rungs", nargs="+", default=list(RUNGS), choices=list(RUNGS))
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    parser.add_argument(
        "--doc", type=Path, help="write the table into this page, between its two marks, and the picture beside it"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    home = home_of(args.out, SKY_VERSION, args.overlap)
    if not args.table:
        runtime = prepare(home, args.overlap)
        for number, seed in enumerate(args.seeds):
            for rung in args.rungs:
                if rung != WHOLE and not known(args.results, args.overlap, rung, seed):
                    add_row(args.results, climb(rung, number, seed, runtime, args.overlap))
        runs = list(enumerate(args.seeds))
        ready = all(known(args.results, args.overlap, member, seed) for _, seed in runs for member in stacked_members())
        if WHOLE in args.rungs and len(runs) == FOLDS and ready and not known(args.results, args.overlap, WHOLE, MANY):
            add_row(args.results, climb(WHOLE, MANY, MANY, runtime, args.overlap, runs))
    if not args.results.exists():
        return print("nothing measured yet")
    rungs = measured(args.results, args.out)
    text = markdown(rungs, args.results)
    if args.doc:
        save_picture(draw_ladder(rungs), args.doc.with_suffix(".png"))
        write_section(args.doc, "ladder", f"{text}\n")
    print(text)


def prepare(home: Path, overlap: float) -> Runtime:
    """The sky, the search for shared sky and the cleaned panels, each made once."""
    sky = make_sky(home / "sky", train=TRAIN, test=TEST_ROWS, seed=SKY_SEED, overlap=overlap, workers=1)
    competition = read_competition(sky)
    search(competition, home / "overlap", workers=1)
    clean(competition, home / "overlap", workers=1)
    return Runtime(data=sky, out=home / "runs", overlap=home / "overlap", device="cpu", workers=1)


def climb(
    rung: str, fold: int, seed: int, runtime: Runtime, overlap: float, runs: Sequence[tuple[int, int]] = ()
) -> dict[str, object]:
    """Train one rung (or blend its members, of all ``runs`` (fold, seed) for the whole) and measure it."""
    began = time.process_time()
    here = run_folder(runtime.out, rung, fold, seed)
    if rung == LIGHT:
        write_tables(here, light(fold, seed, runtime))
    elif rung in SHIPPED:
        write_tables(here, shipped(rung, fold, seed, runtime))
    elif rung in ("rung_top", STACK, WHOLE):
        write_tables(here, joined(rung, list(runs) or [(fold, seed)], runtime))
    else:
        train(rung, [fold], [seed], runtime)
        scores_of([Run(rung, fold, seed, runtime).found()])
    seconds = time.process_time() - began
    oof, test = read_scores(here / "oof.csv"), read_scores(here / "test.csv")
    truth = truth_of(*places(runtime)).loc[test["id"]]
    target, score = truth["target"].to_numpy(float), test["score"].to_numpy()
    near, s_shape = truth["near"].to_numpy(bool), (truth["family"] == "sine").to_numpy()
    (cv, cv_low, cv_high), (value, low, high) = auc_interval(oof["target"], oof["score"]), auc_interval(target, score)
    return dict(
        zip(
            COLUMNS,
            (
                SKY_VERSION,
                overlap,
                rung,
                seed,
                fold,
                cv,
                cv_low,
                cv_high,
                value,
                low,
                high,
                cv - value,
                auc(target[near], score[near]),
                auc(target[~near], score[~near]),
                auc(target[s_shape | (target == 0)], score[s_shape | (target == 0)]),
                round(seconds, 1),
                TRAIN - len(oof) if len(oof) < TRAIN else TRAIN * (FOLDS - 1) // FOLDS,
                len(oof),
                len(test),
                test["fingerprint"].iloc[0],
            ),
            strict=True,
        )
    )


def places(runtime: Runtime) -> tuple[Path, Path]:
    """The sky and its search, as ``prepare`` named them."""
    assert runtime.data and runtime.overlap
    return Path(runtime.data), Path(runtime.overlap)


def write_tables(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Out-of-fold and test scores of what no command trains, where a run would leave them."""
    for name, scores in zip(("oof.csv", "test.csv"), tables, strict=True):
        write_scores(folder / name, scores)


def light(fold: int, seed: int, runtime: Runtime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the fold's validation rows and of the test by the light of their cleaned panels: nothing is trained."""
    competition, config = read_competition(places(runtime)[0]), LOG.config("rung_cleaned")
    split, mark = folds_of(config, runtime)
    tables = []
    for name, rows in (("train", np.flatnonzero(split == fold)), ("test", np.arange(len(competition.test)))):
        source = cadences(config, name, runtime)
        score, rows = light_scores(batches(source, None, rows, 32, workers=1))
        target = competition.train["target"].to_numpy(float)[rows] if name == "train" else None
        tables.append(
            make_scores(source.ids[rows], score, fold=fold, experiment=LIGHT, seed=seed, fingerprint=mark[:12], target=target)
        )
    return tables[0], tables[1]


def shipped(rung: str, fold: int, seed: int, runtime: Runtime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the rows that ``rung_apart`` validates on and of the test, by a detector of the package that is trained no further."""
    oof = read_scores(run_folder(runtime.out, "rung_apart", fold, seed) / "oof.csv")
    test, oof = detector_scores(SHIPPED[rung], oof, runtime)
    return oof, test


def joined(rung: str, runs: list[tuple[int, int]], runtime: Runtime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Out-of-fold and test scores of the top: the members' mean, or a stack that knows which rows have neighbours.

    Of several ``runs`` (fold, seed) the out-of-fold rows are put together, and the test scores are their mean.
    """
    members = top_members() if rung == "rung_top" else stacked_members()
    tables = [
        [[read_scores(run_folder(runtime.out, member, *run) / name) for run in runs] for member in members]
        for name in ("oof.csv", "test.csv")
    ]
    oofs, tests = [pd.concat(parts, ignore_index=True) for parts in tables[0]], [mean_scores(parts) for parts in tables[1]]
    if rung == "rung_top":
        oof, test = (blend(scores, LOG.blends[rung].how, name=rung) for scores in (oofs, tests))
        return oof, test
    _, overlap = places(runtime)
    groups = read_groups(overlap).set_index("id")["group"]
    return stack(oofs, tests, read_covered(overlap), groups=groups, name=rung, seed=runs[0][1])


def top_members() -> tuple[str, ...]:
    """What the mean of logits is made of: the log's members and its detectors, by their rungs."""
    top = LOG.blends["rung_top"]
    return (*top.members, *(rung for rung, name in SHIPPED.items() if name in top.detectors))


def stacked_members() -> tuple[str, ...]:
    """What the stack is made of."""
    return (*top_members(), LIGHT)


def known(results: Path, overlap: float, rung: str, seed: int) -> bool:
    """Whether the row is there already."""
    if not results.exists():
        return False
    rows = pd.read_csv(results)
    here = (rows["version"] == SKY_VERSION) & (rows["overlap"] == overlap)
    return bool((here & (rows["rung"] == rung) & (rows["seed"] == seed)).any())


def add_row(results: Path, row: dict[str, object]) -> None:
    """Append, atomically; sorted by sky, rung and seed, so that two processes may share the work and not the order."""
    import fcntl

    results.parent.mkdir(parents=True, exist_ok=True)
    with open(results.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=COLUMNS)
        rows = pd.concat([rows, pd.DataFrame([row])[COLUMNS]], ignore_index=True) if len(rows) else pd.DataFrame([row])[COLUMNS]
        order = rows["rung"].map({name: place for place, name in enumerate(RUNGS)})
        write_table(results, rows.assign(order=order).sort_values(["version", "overlap", "order", "seed"])[COLUMNS])
    results.with_suffix(".lock").unlink(missing_ok=True)
    print(f"{row['rung']} seed {row['seed']}: CV {row['cv']:.4f}, test {row['test']:.4f}, {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
