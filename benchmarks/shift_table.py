"""What the ladder measured (``shift.py``), as a table and as a picture: every rung's CV and test AUC with intervals."""

import os
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from seti_utils.files import write_table
from seti_utils.overlap.folder import read_pairs
from seti_utils.pictures.style import INK, NEGATIVE, TEST, new_picture, open_axes, styled
from seti_utils.run.artifacts import run_folder
from seti_utils.scores.tables import read_scores
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.auc import auc

TRAIN, TEST_ROWS, SKY_SEED, FOLDS = 2400, 1200, 2021, 3
LIGHT, STACK, WHOLE = "rung_light", "rung_top_stacked", "rung_top_whole"
SHIPPED = {"detector_raw": "raw", "detector_cleaned": "cleaned"}
"""Rungs that nobody trains: detectors that come with the package, by rung."""
RUNGS = {
    "rung_plain": "baseline",
    "rung_inject": "+ injection: drifts and S-shapes",
    "rung_family": "+ injection: the whole family",
    "rung_apart": "+ overlap-aware validation",
    "rung_rising": "+ a brighter needle is never worse",
    "rung_detector": "detector taught by drawn needles alone",
    "detector_raw": "the shipped detector, untrained here",
    "rung_cleaned": "+ overlap cleaning",
    "rung_cleaned_detector": "detector on cleaned panels",
    "detector_cleaned": "the shipped detector of cleaned panels, untrained here",
    LIGHT: "no network: ON light above OFF light of cleaned panels",
    "rung_top": "+ ensemble: mean of the logits",
    STACK: "+ ensemble: stacked by coverage",
    WHOLE: "the same of all three folds, one stack",
}
AGAINST = {
    "rung_inject": "rung_plain", "rung_family": "rung_inject", "rung_apart": "rung_family", "rung_rising": "rung_apart",
    "rung_detector": "rung_rising", "detector_raw": "rung_detector", "rung_cleaned": "rung_rising",
    "rung_cleaned_detector": "rung_detector", "detector_cleaned": "detector_raw", "rung_top": "detector_cleaned", STACK: "rung_top",
}  # fmt: skip
"""The rung that each is measured against."""

DRAWS = 1000

AIM = 0.97
"""Test AUC that the winners' board stood at, and the top rung is meant to reach."""


def home_of(out: Path, version: int, overlap: float) -> Path:
    """Where a sky and its runs lie; figures of two versions of the sky never meet."""
    return out / f"sky{version}_overlap{overlap:g}"


def truth_of(sky: Path, overlap: Path) -> pd.DataFrame:
    """By id of the test: target, the needle's family, and ``near``: the search found a file of the same sky."""
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str, "family": str}, keep_default_na=False).set_index("id")
    pairs = read_pairs(overlap)
    return truth.assign(near=truth.index.isin({*pairs["a"], *pairs["b"]}))


def measured(results: Path, out: Path) -> pd.DataFrame:
    """One row per sky of the present version and rung: seeds, values with intervals, the comparison with the rung below.

    They are written beside ``results``: intervals of runs that are not in ``out`` any more are those of the last call that had them.
    """
    rows, lines, path = pd.read_csv(results), [], results.with_name(f"{results.stem}_rungs.csv")
    rows = rows[rows["version"] == SKY_VERSION]
    words = {"marks": str, "below": str}
    before = pd.read_csv(path, dtype=words).fillna({"below": ""}).to_dict("records") if path.exists() else []
    for _, sky in rows.groupby(["version", "overlap"]):
        version, overlap = int(sky["version"].iloc[0]), float(sky["overlap"].iloc[0])
        home = home_of(out, version, overlap)
        truth = truth_of(home / "sky", home / "overlap") if (home / "overlap").is_dir() else None
        marks = sky.groupby("rung")["fingerprint"].agg(lambda marks: " ".join(dict.fromkeys(marks)))
        for name, runs in sky.groupby("rung", sort=False):
            rung = str(name)
            folders = [run_folder(home / "runs", rung, fold, seed) for fold, seed in zip(runs["fold"], runs["seed"], strict=True)]
            means = ("cv", "test", "gap", "with_neighbour", "without_neighbour", "s_shapes", "seconds")
            what = {"version": version, "overlap": overlap, "rung": rung, "seeds": len(runs), "marks": marks[name]}
            what["below"] = marks.get(AGAINST.get(rung, ""), "")
            line = what | runs[list(means)].mean().to_dict() | runs[["cv", "test", "gap"]].std().add_suffix("_sd").to_dict()
            if truth is not None and all((folder / "test.csv").exists() for folder in folders):
                line |= pooled(folders, truth) | change(rung, runs, sky, home, truth) | {"bound": bound(folders, truth)}
            lines.append(earlier(before, what) | line)
    rungs = pd.DataFrame(lines)
    write_table(path, rungs)
    return rungs


def earlier(before: list[dict], what: dict[str, object]) -> dict[str, object]:
    """The row that an earlier call wrote of the same runs; without the comparison where the rung below is another one."""
    same = [one for one in before if all(one[key] == what[key] for key in what if key != "below")]
    return {key: value for one in same for key, value in one.items() if one["below"] == what["below"] or "gain" not in key}


def pooled(folders: list[Path], truth: pd.DataFrame) -> dict[str, float]:
    """Means over the seeds of CV, test and gap and the test AUC of the seeds' mean score, each with its interval.

    Every draw resamples the rows for all seeds alike.
    """
    pairs = [(read_scores(folder / "oof.csv"), read_scores(folder / "test.csv")) for folder in folders]
    generator = np.random.default_rng(0)
    ids = pairs[0][1]["id"]
    target = truth.loc[ids, "target"].to_numpy()
    tests = [test.set_index("id").loc[ids, "score"].to_numpy() for _, test in pairs]
    oofs = [(oof["target"].to_numpy(), oof["score"].to_numpy()) for oof, _ in pairs]
    draws = []
    for draw in range(DRAWS + 1):
        rows = np.arange(len(target)) if not draw else resampled(target, generator)
        parts = [np.arange(len(y)) if not draw else resampled(y, generator) for y, _ in oofs]
        cv = np.mean([auc(y[part], score[part]) for (y, score), part in zip(oofs, parts, strict=True)])
        test = np.mean([auc(target[rows], score[rows]) for score in tests])
        draws.append((cv, test, cv - test, auc(target[rows], np.mean(tests, axis=0)[rows])))
    names, (values, *others) = ("cv", "test", "gap", "joint"), np.array(draws)
    low, high = np.quantile(others, (0.025, 0.975), axis=0)
    return {
        f"{name}{end}": float(x)
        for end, three in (("", values), ("_low", low), ("_high", high))
        for name, x in zip(names, three, strict=True)
    }


def bound(folders: list[Path], truth: pd.DataFrame) -> float:
    """The mean test AUC if every row with a neighbour were ranked perfectly, and the others as they are."""
    values = []
    for folder in folders:
        test = read_scores(folder / "test.csv")
        known = truth.loc[test["id"]]
        target = known["target"].to_numpy(float)
        values.append(auc(target, np.where(known["near"].to_numpy(bool), 3 * target - 1, test["score"].to_numpy())))
    return float(np.mean(values))


def change(rung: str, runs: pd.DataFrame, sky: pd.DataFrame, home: Path, truth: pd.DataFrame) -> dict[str, float]:
    """The test AUC against the rung below, on the same rows and seeds, with its interval; empty where there is none."""
    below = AGAINST.get(rung)
    if below is None:
        return {}
    seeds = sorted(set(runs["seed"]) & set(sky.loc[sky["rung"] == below, "seed"]))
    folds = runs.set_index("seed")["fold"]
    pairs = [[run_folder(home / "runs", name, folds[seed], seed) / "test.csv" for name in (rung, below)] for seed in seeds]
    if not pairs or not all(path.exists() for pair in pairs for path in pair):
        return {}
    tables = [[read_scores(path) for path in pair] for pair in pairs]
    ids = tables[0][0]["id"]
    target, generator = truth.loc[ids, "target"].to_numpy(), np.random.default_rng(0)
    scores = [[one.set_index("id").loc[ids, "score"].to_numpy() for one in pair] for pair in tables]

    def gain(rows: np.ndarray) -> float:
        return float(np.mean([auc(target[rows], a[rows]) - auc(target[rows], b[rows]) for a, b in scores]))

    low, high = np.quantile([gain(resampled(target, generator)) for _ in range(DRAWS // 2)], (0.025, 0.975))
    return {"gain": gain(np.arange(len(target))), "gain_low": float(low), "gain_high": float(high)}


def resampled(target: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows drawn with replacement, as many of each class as there are."""
    parts = [np.flatnonzero(target == label) for label in (0, 1)]
    return np.concatenate([generator.choice(part, len(part)) for part in parts])


def markdown(rungs: pd.DataFrame, results: Path) -> str:
    """The ladder as Markdown, with what plain folds flatter and where it was measured."""
    rows, lines = pd.read_csv(results), []
    for (version, overlap), sky in rungs.groupby(["version", "overlap"]):
        lines += [
            f"\nSky of version {version} with overlap {overlap:g}: {TRAIN} training and {TEST_ROWS} test cadences, sky seed {SKY_SEED}\n",
            "| rung | experiment | seeds | CV | test AUC | gap | test AUC against the rung below "
            "| mean of the seeds' scores | with a neighbour | without | S-shapes | core-s per run |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for _, line in sky.iterrows():
            cells = [interval(line, name) for name in ("cv", "test", "gap")]
            cells += [
                f"{interval(line, 'gain', '+.3f')} {verdict(line)}" if pd.notna(line.get("gain_low")) else "–",
                interval(line, "joint") if pd.notna(line.get("joint")) else "–",
            ]
            cells += [f"{line[name]:.3f}" for name in ("with_neighbour", "without_neighbour", "s_shapes")] + [
                f"{line['seconds']:.0f}"
            ]
            lines.append(
                "| "
                + " | ".join([RUNGS[line["rung"]], line["rung"], str(FOLDS if line["rung"] == WHOLE else line["seeds"]), *cells])
                + " |"
            )
        last = sky.iloc[-1]
        if pd.notna(last.get("bound")):
            lines.append(
                f"\nWere every row that has a neighbour ranked perfectly, `{last['rung']}` would stand at {last['bound']:.3f}."
            )
        here = rows[(rows["version"] == version) & (rows["overlap"] == overlap)]
        plain, apart = (here[here["rung"] == name].set_index("seed")["cv"] for name in ("rung_family", "rung_apart"))
        if both := sorted(set(plain.index) & set(apart.index)):
            flattery = plain[both].to_numpy() - apart[both].to_numpy()
            lines.append(
                f"\nPlain folds flatter the CV of the whole family's rung by {flattery.mean():+.3f} "
                f"(by seed: {', '.join(f'{value:+.3f}' for value in flattery)})."
            )
    lines.append(
        f"\n{platform.machine()}, {os.cpu_count()} cores (shared; one thread per run), "
        f"Python {platform.python_version()}, torch {torch.__version__}; command: python benchmarks/shift.py"
    )
    return "\n".join(lines)


def interval(line: pd.Series, name: str, how: str = ".3f") -> str:
    """A value and, where they were worked out, its standard deviation over seeds and its interval over rows."""
    words = [format(line[name], how)]
    if pd.notna(line.get(f"{name}_sd")):
        words.append(f"± {line[f'{name}_sd']:.3f}")
    if pd.notna(line.get(f"{name}_low")):
        words.append(f"[{line[f'{name}_low']:{how}}, {line[f'{name}_high']:{how}}]")
    return " ".join(words)


def verdict(line: pd.Series) -> str:
    """Whether a rung earns its place."""
    return "earns" if line["gain_low"] > 0 else "costs" if line["gain_high"] < 0 else "not shown"


def draw_ladder(rungs: pd.DataFrame) -> Figure:
    """CV and test AUC of every rung with intervals, a column a sky; the first rung on top."""
    skies = list(rungs.groupby(["version", "overlap"]))
    names = [name for name in RUNGS if name in set(rungs["rung"])]
    with styled():
        figure = new_picture(4.0 + 3.6 * len(skies), 1.4 + 0.36 * len(names))
        for axes, ((version, overlap), sky) in zip(
            figure.subplots(1, len(skies), sharex=True, sharey=True, squeeze=False)[0], skies, strict=True
        ):
            open_axes(axes, f"{overlap:.0%} of the rows share sky (version {version})", "AUC, 95 % interval")
            axes.axvline(AIM, color=INK, linewidth=0.8, linestyle=":")
            for place, colour, name, label in ((-0.14, NEGATIVE, "cv", "validation"), (0.14, TEST, "test", "shifted test")):
                at = np.array([names.index(rung) for rung in sky["rung"]]) + place
                axes.hlines(at, sky[f"{name}_low"], sky[f"{name}_high"], color=colour, linewidth=1.6)
                axes.plot(sky[name], at, "o", color=colour, markersize=4, label=label)
            at = np.array([names.index(rung) for rung in sky["rung"]]) + 0.14
            axes.plot(
                sky["joint"],
                at,
                "D",
                markerfacecolor="white",
                markeredgecolor=TEST,
                markersize=4.5,
                label="… mean of the seeds' scores",
            )
            axes.set_yticks(range(len(names)), [RUNGS[name] for name in names])
            axes.set_ylim(len(names) - 0.4, -0.6)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
