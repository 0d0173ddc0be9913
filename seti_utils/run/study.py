"""The domain-shift study of a competition folder, with what trained experiments say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.competition import Competition, find_data, read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import JoinedCadences
from seti_utils.data.tables import refuse
from seti_utils.errors import InputError
from seti_utils.files import write_table
from seti_utils.learn.distributed import choose_device
from seti_utils.log.config import SEED
from seti_utils.log.pages import LOG
from seti_utils.machine import versions
from seti_utils.overlap.folder import finished_search, groups_of
from seti_utils.overlap.panels import COVERED, cleaned_stores, read_covered
from seti_utils.run.identity import Run, runs_of
from seti_utils.run.infer import gathered, scores_of
from seti_utils.run.runtime import Runtime
from seti_utils.run.saliency import saliency
from seti_utils.run.summary import hidden_labels
from seti_utils.scores.tables import mean_scores, read_scores
from seti_utils.shift.adversary import choose_validation
from seti_utils.shift.drift import calibration_section, models_section, scores_section
from seti_utils.shift.explorer import Explorer
from seti_utils.shift.report import Section, write_report
from seti_utils.shift.sample import Sample, read_sample
from seti_utils.shift.study import Adversarial, adversarial_section, leaks_section, statistics_section


@dataclass(frozen=True)
class Model:
    """Score tables of one model: out of fold (with targets) and test, and the test tables of its folds."""

    oof: pd.DataFrame
    test: pd.DataFrame
    members: list[pd.DataFrame] = field(default_factory=list)


class Study:
    """A study under way: each step shows in a section, and later steps use what earlier ones found.

    ``rows`` random rows of each split are read (None: all). ``names`` are trained experiments, ``folds`` of their
    folds; ``tables`` further models as (out-of-fold file, test file).
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        names: Sequence[str] = (),
        folds: Sequence[int] = (),
        seeds: Sequence[int] = (SEED,),
        tables: Sequence[tuple[Path, Path]] = (),
        rows: int | None = 1000,
        era: str = "current",
        network: bool = True,
        gallery: int = 8,
        seed: int = 0,
    ):
        self.runtime, self.rows, self.network, self.gallery, self.seed = runtime, rows, network, gallery, seed
        self.names, self.folds, self.seeds = [LOG.find(name).name for name in names], list(folds), list(seeds)
        self.competition: Competition = (
            runtime.competition if era == "current" else read_competition(find_data(runtime.data), era, runtime.incomplete)
        )
        if not len(self.competition.test):
            raise InputError(
                "has no test cadences", where=self.competition.root, remedy="give a folder with sample_submission.csv"
            )
        self.device = choose_device(runtime.device)
        self.sources = {split: open_cadences(self.competition, split, runtime.packed) for split in ("train", "test")}
        self.source, self.less_sky = JoinedCadences(list(self.sources.values())), None
        if runtime.overlap is not None and (Path(runtime.overlap) / COVERED).is_file():
            cleaned = cleaned_stores(runtime.overlap, self.competition)
            self.less_sky = JoinedCadences([open_cadences(self.competition, split, cleaned) for split in ("train", "test")])
        self.models = [self.model_of(name) for name in self.names] + [
            Model(read_scores(oof), read_scores(test)) for oof, test in tables
        ]
        for number, (oof, test) in enumerate(tables, start=len(self.names)):
            require_rows(self.models[number], self.competition, oof, test)
        labels = hidden_labels(self.competition.root) if era == "current" else None
        self.hidden = None if labels is None else labels.set_index("id")["target"]
        self.sections: list[Section] = []
        self.effects: pd.DataFrame | None = None
        self.ranked: pd.DataFrame | None = None

    def model_of(self, name: str) -> Model:
        """What an experiment's networks say."""
        runs = [run.found() for run in runs_of(name, self.folds, self.seeds, self.runtime)]
        members = scores_of(runs)
        return Model(gathered(runs), mean_scores(members), members)

    def added(self, section: Section) -> Section:
        """The section, kept for the report."""
        self.sections.append(section)
        return section

    @cached_property
    def sample(self) -> Sample:
        """The rows that are looked at, read when they are first needed."""
        return read_sample(
            self.sources["train"],
            self.sources["test"],
            self.competition.train["target"],
            most=self.rows,
            seed=self.seed,
            workers=self.runtime.workers,
            device=self.device,
        )

    @cached_property
    def groups(self) -> np.ndarray | None:
        """Which rows of the sample share a sky, where there is an overlap search."""
        if self.runtime.overlap is None:
            return None
        return groups_of(finished_search(self.runtime.overlap, self.competition), self.sample.table["id"])

    def statistics(self) -> Section:
        """Statistics of the panels, train against test."""
        section, self.effects = statistics_section(self.sample, self.groups)
        return self.added(section)

    def leaks(self) -> Section:
        """The known leaks."""
        return self.added(leaks_section(self.sample, list(self.competition.train["path"]))[0])

    @cached_property
    def adversarial(self) -> Adversarial:
        """What tells train from test, judged when it is first asked for."""
        return adversarial_section(
            self.sample, self.source, self.groups, network=self.network, gallery=self.gallery, seed=self.seed, device=self.device
        )

    def adversary(self) -> Section:
        """Adversarial validation."""
        return self.added(self.adversarial.section)

    def weights(self) -> pd.DataFrame:
        """``adversarial.csv``: every row of the data, those outside the sample with weight 1."""
        every = pd.concat([pd.DataFrame({"id": self.sources[split].ids.astype(str), "split": split}) for split in self.sources])
        return self.adversarial.whole(every)

    def predictions(self) -> list[Section]:
        """Scores, calibration and dispute, where there are models."""
        if not self.models:
            return [
                self.added(
                    Section(
                        "Predictions",
                        sentences=[
                            "No model was given: --experiment NAME (trained), or --oof and --test tables, add score drift, "
                            "the test's share of "
                            "positives, calibration and the rows that models dispute."
                        ],
                    )
                )
            ]
        first = self.models[0]
        hidden = None if self.hidden is None else self.hidden.loc[first.test["id"]].to_numpy(np.float64)
        name = str(first.test["experiment"].iloc[0])
        members = [model.test for model in self.models] if len(self.models) > 1 else first.members
        disputed, self.ranked = models_section(
            [model.oof for model in self.models],
            [model.test for model in self.models],
            self.source,
            members=members,
            hidden=self.hidden,
            less_sky=self.less_sky,
        )
        return [
            self.added(one)
            for one in (
                scores_section(first.oof, first.test, name, hidden),
                calibration_section([model.oof for model in self.models], None if hidden is None else (first.test, hidden)),
                disputed,
            )
        ]

    def run(self, say: Callable[[str], None] = print) -> None:
        """Every step, each verdict said as soon as it is known."""
        for step in (self.statistics, self.leaks, self.adversary, self.predictions):
            found = step()
            for section in found if isinstance(found, list) else [found]:
                if section.verdict:
                    say(section.verdict)

    def write(self, out: Path) -> Path:
        """Write ``shift.html`` and the tables below ``out``; returns the report's path."""
        table = self.weights()
        write_table(out / "adversarial.csv", table)
        targets = self.competition.train.set_index("id")["target"]
        if self.adversarial.tells:
            groups = None if self.groups is None else pd.Series(self.groups, index=self.sample.table["id"])
            inside = table[table["id"].isin(self.sample.table["id"])]
            write_table(out / "validation.csv", pd.DataFrame({"id": choose_validation(inside, targets=targets, groups=groups)}))
        if self.effects is not None:
            write_table(out / "effects.csv", self.effects)
        if self.ranked is not None:
            write_table(out / "disagreement.csv", self.ranked)
        write_table(out / "statistics.csv", pd.concat([self.sample.table.drop(columns="row"), self.sample.features], axis=1))
        train, test = (len(self.sample.rows(split)) for split in ("train", "test"))
        about = (
            f"{self.competition.name}: {train:,} of {len(self.competition.train):,} training and {test:,} of "
            f"{len(self.competition.test):,} test cadences, drawn with seed {self.seed}."
        )
        if self.names:
            about += (
                " "
                + "; ".join(
                    f"{name} (fingerprint {model.oof['fingerprint'].iloc[0]}), folds {self.folds}, seeds {self.seeds}"
                    for name, model in zip(self.names, self.models, strict=False)  # tables that were given have no name
                )
                + "."
            )
        foot = ", ".join(f"{name} {number}" for name, number in versions().items()) + f"; device {self.device}."
        return write_report(out / "shift.html", "Domain shift: train against test", about, self.sections, foot)

    def explorer(self) -> Explorer:
        """The sample's rows to walk through, with everything that is known of them."""
        table = self.sample.table.drop(columns="row")
        if self.hidden is not None:
            table["target"] = table["target"].fillna(table["id"].map(self.hidden))
        if self.models:
            scores = pd.concat([self.models[0].oof, self.models[0].test]).set_index("id")["score"]
            table["score"] = table["id"].map(scores)
        if self.ranked is not None:
            table["spread"] = table["id"].map(self.ranked.set_index("id")["spread"])
        if self.adversarial.adversaries:
            table["adversarial"] = self.adversarial.table["score"]
        if self.less_sky is not None and self.runtime.overlap is not None:
            table["covered"] = table["id"].map(read_covered(self.runtime.overlap))
        embedding = heat = None
        if self.names:
            first = Run(self.names[0], self.folds[0], self.seeds[0], self.runtime).found()
            embedding, heat = saliency(first, self.sample.table, self.device)
        embedding = self.sample.features.to_numpy() if embedding is None else embedding
        return Explorer(self.source, table, embedding, heat, self.less_sky)


def require_rows(model: Model, competition: Competition, oof: object, test: object) -> None:
    """Raise ``InputError`` unless a model's tables are of this folder: training rows with its labels, and all its test rows."""
    if "target" not in model.oof:
        raise InputError("has no targets, so it is not an out-of-fold table", where=oof, remedy="give oof tables to --oof")
    train, own, ids = competition.train.set_index("id")["target"], model.oof["id"], competition.test["id"]
    remedy = f"give tables of {competition.root}"
    refuse(~own.isin(train.index), own, "are not among the training cadences of this folder", oof, remedy)
    refuse(
        train.loc[own].to_numpy() != model.oof["target"].round(), own, "have another target than in train_labels.csv", oof, remedy
    )
    refuse(~model.test["id"].isin(ids), model.test["id"], "are not among the test cadences of this folder", test, remedy)
    refuse(~ids.isin(model.test["id"]), ids, "have no score", test, remedy)


def folds_trained(name: str, runtime: Runtime, seeds: Sequence[int]) -> list[int]:
    """The folds of an experiment that were trained with all ``seeds``."""
    count = LOG.config(name, runtime.overrides).folds
    bases = (runtime.out, *runtime.runs)
    found = [fold for fold in range(count) if all(Run(name, fold, seed, runtime).is_somewhere() for seed in seeds)]
    if not found:
        raise InputError(
            f"{name} was not trained in {', '.join(map(str, bases))}",
            remedy=f"train it (python -m seti_utils train {name}), or name its folder with --runs",
        )
    return found
