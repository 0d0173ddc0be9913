"""What the thin notebooks call: one session that trains, shows and writes."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from seti_utils.data.packed import open_cadences
from seti_utils.durations import spelled
from seti_utils.errors import Paused
from seti_utils.log.book import lineage_text
from seti_utils.log.layouts import RAW
from seti_utils.log.pages import LOG
from seti_utils.machine import cores, memory_gib, versions
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.pictures.curves import draw_roc, draw_scores, draw_training
from seti_utils.pictures.gallery import draw_gallery
from seti_utils.run.compose import panels_of
from seti_utils.run.coordinates import parse_folds, parse_seeds
from seti_utils.run.identity import runs_of
from seti_utils.run.infer import out_of_fold, predict_test
from seti_utils.run.launch import launch
from seti_utils.run.notebooks.show import show
from seti_utils.run.runtime import Runtime
from seti_utils.run.summary import hidden_labels, targets_for, worded
from seti_utils.run.train import train
from seti_utils.session.mounts import find_previous, find_runs, input_root
from seti_utils.session.runfile import write_run
from seti_utils.wording import quantity

ASK_CARDS = (
    "import torch\nfor number in range(torch.cuda.device_count()):\n    gpu = torch.cuda.get_device_properties(number)\n"
    "    print(f'{gpu.name} with {gpu.total_memory / 2**30:.0f} GiB')"
)


def cards() -> str:
    """The GPUs and their memory, asked of another process.

    Asking opens the first GPU and keeps half a gigabyte of it for as long as this process lives, while those that train on all
    of them are its children.
    """
    if not torch.cuda.device_count():  # this opens none
        return "no GPU"
    told = subprocess.run([sys.executable, "-c", ASK_CARDS], capture_output=True, text=True, encoding="utf-8", check=False)
    return ", ".join(told.stdout.split("\n")).strip(", ") or f"{torch.cuda.device_count()} GPUs"


def find_overlap() -> Path | None:
    """The folder of an overlap search among a kernel's mounted datasets, or None."""
    patterns = ("/".join(["*"] * depth) + "/overlap.json" for depth in (1, 2, 3, 4))
    return next((path.parent for pattern in patterns for path in sorted(input_root().glob(pattern))), None)


def session(
    experiment: str,
    *,
    folds: str,
    seeds: str,
    data: str,
    out: str,
    overrides: str = "",
    weights: str = "",
    runs: str = "",
    overlap: str = "",
    adversarial: str = "",
    computing: str = "",
    stop_after: str = "",
    partial: str = "",
) -> "Session":
    """The notebook's parameters, checked, as a :class:`Session`. Empty strings mean: find it."""
    name = LOG.find(experiment).name
    base = Runtime.parsed(
        data=data,
        out=out,
        overrides=overrides,
        weights=weights or (str(input_root()) if input_root().is_dir() else ""),
        runs=runs,
        overlap=overlap or str(find_overlap() or ""),
        adversarial=adversarial,
        computing=computing,
        stop_after=stop_after,
        partial=partial,
    )
    config = LOG.config(name, base.overrides)
    return Session(name, parse_folds(folds, config.folds), parse_seeds(seeds), base)


class Session:
    """One experiment in one notebook: trains or predicts, and shows what came of it."""

    def __init__(self, name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime):
        self.name, self.folds, self.seeds, self.runtime = name, list(folds), list(seeds), runtime
        self.fingerprint = LOG.fingerprint(name, runtime.overrides)
        self.stage, self.stopped, self.started = "train", "", time.monotonic()

    def describe(self, recipe: bool = True) -> None:
        """The machine, the software, the data, the run, and, where it is to be trained, the recipe with its lineage."""
        competition, budget = self.runtime.competition, self.runtime.stop_after
        free = shutil.disk_usage(self.runtime.out if self.runtime.out.is_dir() else ".").free / 1e9
        print(f"machine   {quantity(cores(), 'core')}, {memory_gib():.0f} GiB of memory, {free:.0f} GB of disk free; {cards()}")
        print("software  " + ", ".join(f"{name} {number}" for name, number in versions().items() if name != "platform"))
        print(
            f"data      {competition.name}: {len(competition.train)} training cadences "
            f"({int(competition.train['target'].sum())} positive), {len(competition.test)} test cadences"
        )
        print(
            f"run       {self.name}, fingerprint {self.fingerprint}, folds {self.folds}, seeds {self.seeds}"
            + (f", at most {spelled(budget)}" if budget else "")
        )
        if recipe:
            print("\n" + lineage_text(LOG, self.name, self.runtime.overrides))

    def train(self) -> None:
        """Train every fold and seed, on every GPU there is; a spent time budget ends it in good order."""
        self.adopt_previous()
        self.find_sources()
        try:
            if (gpus := torch.cuda.device_count()) > 1:
                mode = "folds" if len(self.folds) >= gpus else "ranks"
                launch(mode, self.name, self.folds, self.seeds, self.runtime)
            else:
                train(self.name, self.folds, self.seeds, self.runtime)
        except Paused as reason:
            self.stopped = str(reason)
            print(self.stopped)

    def find_sources(self) -> None:
        """Look among this kernel's inputs for the runs that the experiment builds on, where they are not here."""
        needed = LOG.config(self.name, self.runtime.overrides).sources().values()
        places = (self.runtime.out, *self.runtime.runs)
        if all(any((base / name).is_dir() for base in places) for name in needed):
            return
        self.runtime = replace(self.runtime, runs=tuple(find_runs(*map(str, self.runtime.runs))))
        print(f"builds on {', '.join(dict.fromkeys(needed))} from {', '.join(map(str, self.runtime.runs))}")

    def adopt_previous(self) -> None:
        """Copy this kernel's own earlier output, where it is mounted, so that training resumes from there."""
        previous = find_previous(self.name, self.folds, self.seeds, self.fingerprint)
        if previous is None:
            return
        print(f"resuming from this kernel's earlier output in {previous}")
        for item in previous.iterdir():
            if item.is_dir() and item.name == self.name:
                shutil.copytree(item, self.runtime.out / item.name, dirs_exist_ok=True)
            elif item.name.startswith("folds_"):
                shutil.copy2(item, self.runtime.out / item.name)

    def show_curves(self) -> None:
        """Loss and validation AUC, epoch by epoch."""
        runs = [run for run in runs_of(self.name, self.folds, self.seeds, self.runtime) if run.is_somewhere()]
        if tables := [run.history() for run in runs]:
            show(draw_training(pd.concat(tables), title=self.name), self.picture("curves"))

    def show_out_of_fold(self) -> None:
        """Out-of-fold AUC with its interval, ROC and histograms."""
        if self.stopped:
            print("not finished yet: the out-of-fold table comes when every fold is trained")
            return
        oof = out_of_fold(self.name, self.folds, self.seeds, self.runtime)
        if oof["target"].nunique() < 2:
            print(f"out-of-fold AUC undefined: {quantity(len(oof), 'cadence')}, all of one class")
        else:
            print(
                f"out-of-fold AUC {worded(oof['target'], oof['score'])} "
                f"(95 % bootstrap interval, {quantity(len(oof), 'cadence')})"
            )
            views = len(LOG.config(self.name, self.runtime.overrides).tta)
            name = "out of fold" + (f", mean of {views} views" if views > 1 else "")
            show(draw_roc({name: (oof["target"], oof["score"])}), self.picture("roc"))
        show(draw_scores(oof), self.picture("scores"))

    def predict(self) -> None:
        """Score the test cadences and write ``submission.csv``; on a sky, say how right it is."""
        self.stage = "infer"
        if not any(self.has_weights(base) for base in (self.runtime.out, *self.runtime.runs)):
            found = find_runs(*map(str, self.runtime.runs))
            self.runtime = replace(self.runtime, runs=tuple(found))
        mean, _ = predict_test(self.name, self.folds, self.seeds, self.runtime)
        score = mean["score"]
        print(
            f"scores from {score.min():.4f} to {score.max():.4f}, half of them below {score.median():.4f}; "
            f"{int((score > 0.5).sum())} of {len(score)} above 0.5"
        )
        if (labels := hidden_labels(self.runtime.competition.root)) is not None:
            print(f"AUC on the sky's hidden test labels: {worded(targets_for(mean, labels), mean['score'])}")

    def has_weights(self, base: Path) -> bool:
        """Whether ``base`` holds runs of this experiment."""
        return (base / self.name).is_dir() and any((base / self.name).glob("*/best.*"))

    def show_test_scores(self) -> None:
        """Test scores beside out-of-fold scores."""
        mean, _ = predict_test(self.name, self.folds, self.seeds, self.runtime, say=lambda line: None)
        oof = out_of_fold(self.name, self.folds, self.seeds, self.runtime)
        show(draw_scores(oof, mean, by_class=False), self.picture("test_scores"))

    def show_gallery(self, split: str) -> None:
        """The highest-scoring cadences of ``train`` (out of fold) or ``test``."""
        if self.stopped:
            return
        competition = self.runtime.competition
        if split == "train":
            table = out_of_fold(self.name, self.folds, self.seeds, self.runtime)
        else:
            table, _ = predict_test(self.name, self.folds, self.seeds, self.runtime, say=lambda line: None)
            if (labels := hidden_labels(competition.root)) is not None:
                table = table.assign(target=targets_for(table, labels))
        source = open_cadences(competition, split, self.runtime.packed)
        config, cleaned = LOG.config(self.name, self.runtime.overrides), None
        if max(panels_of(config)) >= RAW:
            cleaned = open_cadences(competition, split, cleaned_stores(self.runtime.overlap, competition))
        figure = draw_gallery(source, table, title=f"{self.name}: highest scores of {split}", less_sky=cleaned)
        show(figure, self.picture(f"gallery_{split}"))

    def picture(self, name: str) -> Path:
        """Where a picture is kept."""
        return self.runtime.out / "pictures" / f"{self.name}_{name}.png"

    def finish(self) -> None:
        """Write ``run.json``, by which whoever fetches this output knows which run it was."""
        write_run(
            self.runtime.out,
            stage=self.stage,
            experiment=self.name,
            fingerprint=self.fingerprint,
            folds=self.folds,
            seeds=self.seeds,
            finished=not self.stopped,
            reason=self.stopped or "done",
            versions=versions(),
            session_seconds=round(time.monotonic() - self.started, 1),
        )
        print(f"{'stopped' if self.stopped else 'done'}; artifacts in {self.runtime.out.resolve()}")
