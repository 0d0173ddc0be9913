"""The ladder: how far each step closes the gap between validation and a shifted test, on the synthetic sky.

    python benchmarks/shift.py [--out FOLDER] [--seeds 2021 2022 2023] [--overlap 0.6] [--rungs NAME ...] [--table]

Rungs are experiments of the log's page "The ladder", trained by the same code as every other; the last rung is their blend.
Seed number i trains fold i of three, so the three runs of a rung validate on all training rows once. Each (rung, seed) is a
row of ``benchmarks/results/shift.csv``, written as soon as it is known; the same call goes on where a killed one was.
Budget: TRAIN + TEST cadences, about 1,600 training rows a run; ``seconds`` is processor time of one core, training and
prediction of that run (a student's teacher is a rung of its own). ``--overlap`` makes another sky with more shared rows,
whose rows in the table carry that number. Intervals: 95 %, bootstrap over rows, all seeds together.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path[:0] = [str(Path(__file__).parents[1])]

from seti_utils.data.batches import batches  # noqa: E402
from seti_utils.data.competition import read_competition  # noqa: E402
from seti_utils.data.sky import make_sky  # noqa: E402
from seti_utils.data.sky.ranges import OVERLAP, SKY_VERSION  # noqa: E402
from seti_utils.experiments import LOG  # noqa: E402
from seti_utils.files import replacing, write_table  # noqa: E402
from seti_utils.learn.checkpoint import run_folder  # noqa: E402
from seti_utils.learn.metrics import auc, bootstrap_auc  # noqa: E402
from seti_utils.run.infer import fold_scores  # noqa: E402
from seti_utils.run.rows import cadences, folds_of  # noqa: E402
from seti_utils.run.train import train  # noqa: E402
from seti_utils.runtime import Runtime  # noqa: E402
from seti_utils.use.classical import light_scores  # noqa: E402
from seti_utils.use.ensemble import blend  # noqa: E402
from seti_utils.use.overlap import search  # noqa: E402
from seti_utils.use.overlap_folder import read_groups, read_pairs  # noqa: E402
from seti_utils.use.overlap_panels import COVERED, clean  # noqa: E402
from seti_utils.use.stacking import stack  # noqa: E402
from seti_utils.use.tables import make_scores, read_scores, write_scores  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "shift.csv"
TRAIN, TEST, SKY_SEED = 2400, 1200, 2021
LIGHT, STACK = "rung_light", "rung_top_stacked"
RUNGS = {
    "rung_plain": "baseline",
    "rung_inject": "+ injection: drifts and S-shapes",
    "rung_family": "+ injection: the whole family",
    "rung_student": "+ noisy student",
    "rung_apart": "whole family, overlap-aware validation",
    "rung_student_apart": "+ noisy student, overlap-aware validation",
    "rung_detector": "detector taught by drawn needles alone",
    "rung_cleaned": "+ overlap cleaning",
    "rung_cleaned_detector": "detector on cleaned panels",
    LIGHT: "no network: ON light above OFF light of cleaned panels",
    "rung_top": "+ ensemble: mean of the logits",
    STACK: "+ ensemble: stacked by coverage",
}
AGAINST = {
    "rung_inject": "rung_plain", "rung_family": "rung_inject", "rung_student": "rung_family", "rung_apart": "rung_family",
    "rung_student_apart": "rung_apart", "rung_detector": "rung_apart", "rung_cleaned": "rung_apart",
    "rung_cleaned_detector": "rung_detector", "rung_top": "rung_cleaned", STACK: "rung_cleaned",
}  # fmt: skip
"""The rung that each is measured against."""

DRAWS = 1000
MARKS = "<!-- ladder begins -->", "<!-- ladder ends -->"
COLUMNS = ["version", "overlap", "rung", "seed", "fold", "cv", "cv_low", "cv_high", "test", "test_low", "test_high", "gap", "with_neighbour",
           "without_neighbour", "s_shapes", "seconds", "train_rows", "valid_rows", "test_rows", "fingerprint"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/shift"), help="sky, overlap search and runs (about 8 GB)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021, 2022, 2023])
    parser.add_argument("--overlap", type=float, default=OVERLAP, help="share of rows that share sky (default: the sky's)")
    parser.add_argument("--rungs", nargs="+", default=list(RUNGS), choices=list(RUNGS))
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--doc", type=Path, help="write the table into this page, between its two marks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    home = home_of(args.out, SKY_VERSION, args.overlap)
    if not args.table:
        runtime = prepare(home, args.overlap)
        for number, seed in enumerate(args.seeds):
            for rung in args.rungs:
                if not known(args.results, args.overlap, rung, seed):
                    add_row(args.results, climb(rung, number, seed, runtime, args.overlap))
    text = table(args.results, args.out)
    if args.doc:
        before, rest = args.doc.read_text(encoding="utf-8").split(MARKS[0])
        with replacing(args.doc) as temporary:
            temporary.write_text(f"{before}{MARKS[0]}\n{text}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
    print(text)


def home_of(out: Path, version: int, overlap: float) -> Path:
    """Where a sky and its runs lie; figures of two versions of the sky never meet."""
    return out / f"sky{version}_overlap{overlap:g}"


def prepare(home: Path, overlap: float) -> Runtime:
    """The sky, the search for shared sky and the cleaned panels, each made once."""
    sky = make_sky(home / "sky", train=TRAIN, test=TEST, seed=SKY_SEED, overlap=overlap, workers=1)
    competition = read_competition(sky)
    search(competition, home / "overlap", workers=1)
    clean(competition, home / "overlap", workers=1)
    return Runtime(data=sky, out=home / "runs", overlap=home / "overlap", device="cpu", workers=1)


def climb(rung: str, fold: int, seed: int, runtime: Runtime, overlap: float) -> dict[str, object]:
    """Train one rung (or blend its members) and measure it."""
    began = time.process_time()
    if rung in ("rung_top", STACK, LIGHT):
        here = run_folder(runtime.out, rung, fold, seed)
        made = light(fold, seed, runtime) if rung == LIGHT else joined(rung, fold, seed, runtime)
        for name, scores in zip(("oof.csv", "test.csv"), made, strict=True):
            write_scores(here / name, scores)
    else:
        (here,) = train(rung, [fold], [seed], runtime)
        fold_scores(rung, fold, seed, runtime)
    seconds = time.process_time() - began
    oof, test = read_scores(here / "oof.csv"), read_scores(here / "test.csv")
    truth = truth_of(runtime.data, runtime.overlap).loc[test["id"]]
    target, score = truth["target"].to_numpy(float), test["score"].to_numpy()
    near, s_shape = truth["near"].to_numpy(bool), (truth["family"] == "sine").to_numpy()
    (cv_low, cv_high), (low, high) = bootstrap_auc(oof["target"], oof["score"]), bootstrap_auc(target, score)
    cv, value = auc(oof["target"], oof["score"]), auc(target, score)
    return dict(zip(COLUMNS, (
        SKY_VERSION, overlap, rung, seed, fold, cv, cv_low, cv_high, value, low, high, cv - value, auc(target[near], score[near]),
        auc(target[~near], score[~near]), auc(target[s_shape | (target == 0)], score[s_shape | (target == 0)]), round(seconds, 1),
        TRAIN - len(oof), len(oof), len(test), test["fingerprint"].iloc[0]), strict=True))


def light(fold: int, seed: int, runtime: Runtime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the fold's validation rows and of the test by the light of their cleaned panels: nothing is trained."""
    competition, config = read_competition(runtime.data), LOG.config("rung_cleaned")
    split, mark = folds_of(config, competition, runtime)
    tables = []
    for name, rows in (("train", np.flatnonzero(split == fold)), ("test", np.arange(len(competition.test)))):
        source = cadences(config, competition, name, runtime)
        score, rows = light_scores(batches(source, None, rows, 32, workers=1))
        target = competition.train["target"].to_numpy(float)[rows] if name == "train" else None
        tables.append(make_scores(source.ids[rows], score, fold=fold, experiment=LIGHT, seed=seed, fingerprint=mark[:12],
                                  target=target))
    return tuple(tables)


def joined(rung: str, fold: int, seed: int, runtime: Runtime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Out-of-fold and test scores of the top: the members' mean, or a stack that knows how much of a row is covered."""
    members = (*LOG.blends["rung_top"].members, *([LIGHT] if rung == STACK else []))
    oofs, tests = ([read_scores(run_folder(runtime.out, member, fold, seed) / name) for member in members]
                   for name in ("oof.csv", "test.csv"))
    if rung == "rung_top":
        return tuple(blend(tables, LOG.blends[rung].how, name=rung) for tables in (oofs, tests))
    covered = pd.read_csv(runtime.overlap / COVERED, dtype={"id": str}).set_index("id")["covered"]
    groups = read_groups(runtime.overlap).set_index("id")["group"]
    return stack(oofs, tests, covered, groups=groups, name=rung, seed=seed)


def truth_of(sky: Path, overlap: Path) -> pd.DataFrame:
    """By id of the test: target, the needle's family, and ``near``: the search found a file of the same sky."""
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str, "family": str}, keep_default_na=False).set_index("id")
    pairs = read_pairs(overlap)
    return truth.assign(near=truth.index.isin({*pairs["a"], *pairs["b"]}))


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
    with open(results.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=COLUMNS)
        rows = pd.concat([rows, pd.DataFrame([row])[COLUMNS]], ignore_index=True) if len(rows) else pd.DataFrame([row])[COLUMNS]
        order = rows["rung"].map({name: place for place, name in enumerate(RUNGS)})
        write_table(results, rows.assign(order=order).sort_values(["version", "overlap", "order", "seed"])[COLUMNS])
    results.with_suffix(".lock").unlink(missing_ok=True)
    print(f"{row['rung']} seed {row['seed']}: CV {row['cv']:.4f}, test {row['test']:.4f}, {row['seconds']:.0f} s", flush=True)


def pooled(folders: Iterable[Path], truth: pd.DataFrame) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Means over the seeds of CV, test and gap, each with its interval: every draw resamples the rows for all seeds alike."""
    pairs = [(read_scores(folder / "oof.csv"), read_scores(folder / "test.csv")) for folder in folders]
    generator = np.random.default_rng(0)
    target = truth.loc[pairs[0][1]["id"], "target"].to_numpy()
    draws = []
    for draw in range(DRAWS + 1):
        rows = np.arange(len(target)) if not draw else resampled(target, generator)
        cv = np.mean([quick(oof, None if not draw else resampled(oof["target"].to_numpy(), generator)) for oof, _ in pairs])
        test = np.mean([auc(target[rows], scores["score"].to_numpy()[rows]) for _, scores in pairs])
        draws.append((cv, test, cv - test))
    values = np.array(draws)
    low, high = np.quantile(values[1:], (0.025, 0.975), axis=0)
    return tuple(float(x) for three in zip(values[0], low, high, strict=True) for x in three)


def change(rung: str, runs: pd.DataFrame, sky: pd.DataFrame, home: Path, truth: pd.DataFrame) -> str:
    """The test AUC against the rung below, on the same rows and seeds, with its interval, and whether that is a gain."""
    below = AGAINST.get(rung)
    seeds = sorted(set(runs["seed"]) & set(sky.loc[sky["rung"] == below, "seed"]))
    folds = runs.set_index("seed")["fold"]
    pairs = [[run_folder(home / "runs", name, folds[seed], seed) / "test.csv" for name in (rung, below)] for seed in seeds]
    if not pairs or not all(path.exists() for pair in pairs for path in pair):
        return "–"
    tables = [[read_scores(path) for path in pair] for pair in pairs]
    ids = tables[0][0]["id"]
    target, generator = truth.loc[ids, "target"].to_numpy(), np.random.default_rng(0)
    scores = [[one.set_index("id").loc[ids, "score"].to_numpy() for one in pair] for pair in tables]

    def gain(rows: np.ndarray) -> float:
        return float(np.mean([auc(target[rows], a[rows]) - auc(target[rows], b[rows]) for a, b in scores]))

    draws = [gain(resampled(target, generator)) for _ in range(DRAWS // 2)]
    low, high = np.quantile(draws, (0.025, 0.975))
    word = "earns" if low > 0 else "costs" if high < 0 else "not shown"
    return f"{gain(np.arange(len(target))):+.3f} [{low:+.3f}, {high:+.3f}] {word}"


def mean_of_seeds(folders: list[Path], truth: pd.DataFrame) -> str:
    """The test AUC of the mean of the seeds' scores: what a submission would be."""
    tables = [read_scores(folder / "test.csv") for folder in folders]
    score = np.mean([table.set_index("id").loc[tables[0]["id"], "score"].to_numpy() for table in tables], axis=0)
    return f"{auc(truth.loc[tables[0]['id'], 'target'], score):.3f}"


def quick(oof: pd.DataFrame, rows: np.ndarray | None) -> float:
    """The AUC of an out-of-fold table's rows."""
    target, score = oof["target"].to_numpy(), oof["score"].to_numpy()
    return auc(target, score) if rows is None else auc(target[rows], score[rows])


def resampled(target: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows drawn with replacement, as many of each class as there are."""
    parts = [np.flatnonzero(target == label) for label in (0, 1)]
    return np.concatenate([generator.choice(part, len(part)) for part in parts])


def table(results: Path, out: Path) -> str:
    """The ladder as Markdown, with what plain folds flatter and where it was measured."""
    if not results.exists():
        return "nothing measured yet"
    rows, lines = pd.read_csv(results), []
    for (version, overlap), sky in rows.groupby(["version", "overlap"]):
        lines += [f"\nSky of version {version} with overlap {overlap:g}: {TRAIN} training and {TEST} test cadences, sky seed {SKY_SEED}\n",
                  "| rung | experiment | seeds | CV | test AUC | gap | test AUC against the rung below "
                  "| mean of the seeds' scores | with a neighbour | without | S-shapes | core-s a run |",
                  "|---|---|---|---|---|---|---|---|---|---|---|---|"]
        home = home_of(out, version, overlap)
        for rung, runs in sky.groupby("rung", sort=False):
            folders = [run_folder(home / "runs", rung, fold, seed) for fold, seed in zip(runs["fold"], runs["seed"], strict=True)]
            there, mean = all((folder / "test.csv").exists() for folder in folders), "–"
            if there:
                truth = truth_of(home / "sky", home / "overlap")
                mean = mean_of_seeds(folders, truth)
                worded = [f"{value:.3f} [{low:.3f}, {high:.3f}]"
                          for value, low, high in np.reshape(pooled(folders, truth), (3, 3))]
            else:
                worded = [f"{runs[name].mean():.3f}" for name in ("cv", "test", "gap")]
            worded += [change(rung, runs, sky, home, truth) if there else "–", mean]
            more = [f"{runs[name].mean():.3f}" for name in ("with_neighbour", "without_neighbour", "s_shapes")]
            more.append(f"{runs['seconds'].mean():.0f}")
            lines.append("| " + " | ".join([RUNGS[rung], rung, str(len(runs)), *worded, *more]) + " |")
        plain, apart = (sky[sky["rung"] == name].set_index("seed")["cv"] for name in ("rung_family", "rung_apart"))
        if both := sorted(set(plain.index) & set(apart.index)):
            flattery = plain[both].to_numpy() - apart[both].to_numpy()
            lines.append(f"\nPlain folds flatter the CV of the whole family's rung by {flattery.mean():+.3f} "
                         f"(by seed: {', '.join(f'{value:+.3f}' for value in flattery)}).")
    lines.append(f"\n{platform.machine()}, {os.cpu_count()} cores (shared; one thread a run), "
                 f"Python {platform.python_version()}, torch {torch.__version__}; command: python benchmarks/shift.py")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
