"""Train every experiment of the log at one small, equal budget on the synthetic sky, and tell what each change did.

    python benchmarks/replicate_log.py [--out FOLDER] [--seeds 2021 5656] [--pages "The old log" ...] [--experiments NAME ...]

The scale (:mod:`replicate_log_scale`): the same rows, folds and seeds for all, the same number of cadences seen, images and
networks smaller than the log's in proportion. Fold 0 is trained; its best epoch is judged on the hidden labels of a
test whose sky and needles are shifted, as the competition's are. ``benchmarks/results/replicate_log.csv`` gets one
row per experiment, written as soon as it is known: a killed call resumes where it was, and a later one adds seeds
or pages. The ``.md`` beside it states the budget. ``make experiments`` puts both into EXPERIMENTS.md.

``change`` is against the parent, on the same test rows and seeds: a paired bootstrap over rows. It does not hold what
another seed would do; the text states how far two seeds of one experiment are apart. A dead run is a result.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from scipy.stats import rankdata

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
import replicate_log_scale as scale  # noqa: E402
from replicate_log_remarks import REMARKS  # noqa: E402

from seti_utils.errors import InputError  # noqa: E402
from seti_utils.files import replacing, write_table  # noqa: E402
from seti_utils.learn.survival import DeadRun, Diverged  # noqa: E402
from seti_utils.log.book import pages
from seti_utils.log.pages import LOG
from seti_utils.run.artifacts import run_folder
from seti_utils.run.identity import Run  # noqa: E402
from seti_utils.run.infer import scores_of  # noqa: E402
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train  # noqa: E402
from seti_utils.scores.tables import read_scores
from seti_utils.sky.ranges import SKY_VERSION

RESULTS = Path(__file__).parent / "results" / "replicate_log.csv"
DRAWS = 1000


def run(name: str, seed: int, runtime: Runtime) -> tuple[str, float]:
    """Train and predict; returns ``""`` or how the run died, and the seconds of processor time."""
    began = time.process_time()
    try:
        train(name, [0], [seed], runtime, say=lambda line: None)
        scores_of([Run(name, 0, seed, runtime).found()])
    except (DeadRun, Diverged) as death:
        return f"dead: {getattr(death, 'symptom', death)}", time.process_time() - began
    except InputError as error:
        return f"not run: {error}", time.process_time() - began
    return "", time.process_time() - began


def test_scores(name: str, seeds: list[int], runtime: Runtime) -> dict[int, np.ndarray]:
    """The test scores of the seeds that lived, in the order of the submission."""
    found = {}
    for seed in seeds:
        path = run_folder(runtime.out, name, 0, seed) / "test.csv"
        if path.exists():
            table = read_scores(path)
            if set(table["fingerprint"]) == {LOG.fingerprint(name)}:
                found[seed] = table["score"].to_numpy()
    return found


def auc_of(target: np.ndarray, score: np.ndarray) -> float:
    """The AUC by ranks; ties count half."""
    positive = target > 0.5
    places, many = rankdata(score)[positive], int(positive.sum())
    return (places.sum() - many * (many + 1) / 2) / (many * (len(target) - many))


def interval(target: np.ndarray, ours: list[np.ndarray], theirs: list[np.ndarray]) -> tuple[float, float, float]:
    """Mean AUC over ``ours``, minus that over ``theirs`` (may be empty), and its 95 % bootstrap over rows, by class."""

    def value(rows: np.ndarray) -> float:
        mine, other = ([auc_of(target[rows], score[rows]) for score in side] for side in (ours, theirs))
        return float(np.mean(mine) - (np.mean(other) if other else 0.0))

    chance, classes = np.random.default_rng(0), [np.flatnonzero(target == label) for label in (0, 1)]
    draws = [value(np.concatenate([chance.choice(rows, len(rows)) for rows in classes])) for _ in range(DRAWS)]
    return (value(np.arange(len(target))), *np.quantile(draws, (0.025, 0.975)))


def rounded(values: tuple[float, ...]) -> list[float]:
    """Five digits, two more than the interval allows."""
    return [round(value, 5) for value in values]


def row_of(name: str, seeds: list[int], deaths: dict[int, str], seconds: float, target: np.ndarray, runtime: Runtime) -> dict:
    """One row of the table."""
    parent, alive = LOG.find(name).parent, test_scores(name, seeds, runtime)
    row: dict[str, object] = {
        "experiment": name,
        "parent": parent or "",
        "seeds": " ".join(map(str, seeds)),
        "fingerprint": LOG.fingerprint(name),
        "sky": SKY_VERSION,
        "cpu_seconds": round(seconds, 1),
    }
    dead = [text for text in deaths.values() if text]
    said = []
    if alive:
        row["auc"], row["low"], row["high"] = rounded(interval(target, list(alive.values()), []))
        by_seed = [auc_of(target, score) for score in alive.values()]
        row["by_seed"] = " ".join(f"{value:.4f}" for value in by_seed)
        spread = f" ± {np.std(by_seed, ddof=1):.3f} over {len(by_seed)} seeds" if len(by_seed) > 1 else ""
        said.append(f"{row['auc']:.3f}{spread} [{row['low']:.3f}, {row['high']:.3f}]")
        theirs = test_scores(parent, list(alive), runtime) if parent else {}
        if common := [seed for seed in alive if seed in theirs]:
            change = interval(target, [alive[seed] for seed in common], [theirs[seed] for seed in common])
            row["change"], row["change_low"], row["change_high"] = rounded(change)
            said.append("change {:+.3f} [{:+.3f}, {:+.3f}]".format(*change))
        metas = [json.loads((run_folder(runtime.out, name, 0, seed) / "meta.json").read_text(encoding="utf-8")) for seed in alive]
        history = pd.read_csv(run_folder(runtime.out, name, 0, next(iter(alive))) / "history.csv")
        row["cv"] = round(float(np.mean([meta["best_auc"] for meta in metas])), 5)
        row["steps"] = len(history) * (metas[0]["train_rows"] // scale.BATCH)
        said.append(f"CV {row['cv']:.3f}")
    if dead:
        said.append(f"{len(dead)} of {len(seeds)} {dead[0]}" if len(seeds) > 1 else dead[0])
    return row | {"dead": len(dead), "cell": "; ".join(said), "remark": REMARKS.get(name, "")}


COLUMNS = [
    "experiment",
    "cell",
    "remark",
    "parent",
    "auc",
    "low",
    "high",
    "change",
    "change_low",
    "change_high",
    "cv",
    "by_seed",
    "dead",
    "seeds",
    "steps",
    "cpu_seconds",
    "fingerprint",
    "sky",
]


def write(rows: dict[str, dict], path: Path, seed: int) -> None:
    """The table in the log's order, remarks as they are now, and the budget in words."""
    for name, row in rows.items():
        row["remark"] = REMARKS.get(name, "")
    table = pd.DataFrame([rows[name] for name in LOG.experiments if name in rows], columns=COLUMNS)
    write_table(path, table)
    with replacing(path.with_suffix(".md")) as temporary:
        temporary.write_text(words(table, seed) + "\n", encoding="utf-8")


def complete(row: dict, name: str, seeds: list[int], runtime: Runtime) -> bool:
    """Whether ``row`` is about this very experiment with these seeds, and compares it with its parent if that has lived."""
    same = row["fingerprint"] == LOG.fingerprint(name) and set(map(str, seeds)) <= set(str(row["seeds"]).split())
    parent = LOG.find(name).parent
    compared = row["change"] != "" or row["auc"] == "" or not parent or not test_scores(parent, seeds, runtime)
    return same and compared


def known(path: Path) -> dict[str, dict]:
    """The rows that are there, read anew each time, because another call may be at work on another page.

    Rows measured on another version of the sky do not compare with new ones: the first new row starts the table anew.
    """
    if not path.exists():
        return {}
    rows = pd.read_csv(path, keep_default_na=False).to_dict("records")
    return {row["experiment"]: row for row in rows if row["sky"] == SKY_VERSION}


def words(table: pd.DataFrame, seed: int) -> str:
    """The budget, the machine and the command."""
    pairs = [tuple(map(float, str(text).split())) for text in table["by_seed"].dropna() if len(str(text).split()) > 1]
    apart = np.sqrt(np.mean([np.var(pair, ddof=1) for pair in pairs])) if pairs else None
    spread = (
        f"The standard deviation between two seeds of one experiment is {apart:.3f} (from {len(pairs)} experiments): read a "
        f"change of less than about {2 * apart:.2f} as none, whatever its interval."
        if apart
        else "Only one seed was run: a change may be the seed's. The number of epochs was settled after looking at three of "
        "these lines, their test AUC included; the remarks in brackets are conjectures."
    )
    stand_ins = ", ".join(f"{large} → {small}" for large, small in scale.STAND_INS.items())
    rows = scale.TRAIN * (scale.FOLDS - 1) // scale.FOLDS
    cpu = pd.to_numeric(table["cpu_seconds"], errors="coerce").sum() / 60
    seeds = " ".join(sorted({seed for text in table["seeds"] for seed in str(text).split()}))
    return f"""`python benchmarks/replicate_log.py --seeds {seeds}`, sky version {SKY_VERSION}, sky seed {seed}.
{platform.machine()} ({os.cpu_count()} cores; one thread per run), Python {platform.python_version()}, torch {torch.__version__}, timm
{timm.__version__}; {cpu:.0f} minutes of processor time for {len(table)} experiments.

* **Cell**: AUC on {scale.TEST} test cadences with hidden labels [95 % bootstrap over rows]; change against the parent on the
  same rows [paired bootstrap]; CV is the validation AUC of the best epoch, which was chosen by it. {spread}
* **Sky**: {rows} training and {scale.TRAIN - rows} validation cadences (fold 0 of {scale.FOLDS}), half of them positive,
  needles of integrated SNR 4 to 330; no sky is shared between folds or with the test. The test has S-shapes and another mix of
  backgrounds, as `make_sky` gives it. Every panel was whitened when it was written: at this budget nothing learns to look
  past slopes and spikes.
* **Images**: 512 x 512 becomes {scale.FREQ} freq x {scale.TIME} time, other sizes in proportion.
* **Networks**: {stand_ins}. The stand_in ones are small EfficientNetV2-like networks of width {min(scale.WIDTHS.values())} to
  {max(scale.WIDTHS.values())} (0.1 to 0.4 M parameters). "Pretrained" means: {scale.LESSON_EPOCHS}
  epochs on {4 * scale.LESSONS} other images of the sky with the question
  whether they show any needle, so that what an experiment has to learn is which panels make a candidate.
* **Training**: every experiment sees {scale.EPOCHS} x {rows} cadences in batches of {scale.BATCH}
  (accumulated where the log accumulates), shared among its stages;
  students that learn from test rows too have fewer epochs and as many steps, and begin from weights that
  had theirs. The warm-up's epoch comes on top. Learning rates, optimisers, augmentations, losses and heads are the log's;
  precision is float32."""


def main() -> None:
    """Go through the log."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/replicate_log"), help="sky, weights and runs (4 GB)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021])
    parser.add_argument("--sky-seed", type=int, default=2021)
    parser.add_argument(
        "--pages", nargs="+", default=["The old log", "The new log", "The 2nd-place solution"], choices=pages(LOG)
    )
    parser.add_argument("--experiments", nargs="+", help="only these, and what they build on")
    choices = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "Detected call of")
    scale.scale_log()
    wanted = choices.experiments or [name for name, entry in LOG.experiments.items() if entry.page in choices.pages]
    order: list[str] = []
    for name in wanted:
        order += [step for step in (*LOG.needs(name), name) if step not in order]
    sky = scale.make_small_sky(choices.out / "sky", choices.sky_seed)
    scale.settle_folds(sky, choices.out)
    runtime = Runtime(data=sky, out=choices.out, weights=choices.out / "weights", workers=1)
    target = pd.read_csv(sky / "test_labels.csv")["target"].to_numpy()
    for number, name in enumerate(order, 1):
        there = known(choices.results).get(name)
        if there and complete(there, name, choices.seeds, runtime):
            continue
        scale.pretrained(LOG.find(name).config.backbone, choices.out, choices.sky_seed)
        before = there if there and there["fingerprint"] == LOG.fingerprint(name) else {"cpu_seconds": 0.0}
        results = {seed: run(name, seed, runtime) for seed in choices.seeds}
        seconds = float(before["cpu_seconds"]) + sum(spent for _, spent in results.values())
        deaths = {seed: death for seed, (death, _) in results.items()}
        row = row_of(name, choices.seeds, deaths, seconds, target, runtime)
        write(known(choices.results) | {name: row}, choices.results, choices.sky_seed)
        print(f"[{number}/{len(order)}] {name}: {row['cell']}  ({seconds:.0f} s of processor time)", flush=True)
    write(known(choices.results), choices.results, choices.sky_seed)


if __name__ == "__main__":
    main()
