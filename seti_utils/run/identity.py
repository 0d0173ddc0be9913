"""What a run is: experiment, fold, seed, and everything that its outcome depends on, in one value.

Whatever a run writes carries its identity, and every file that is read back is compared with it: a recipe or an input that
differs is named and refused, and remedies against a dead run are taken up again.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seti_utils.claims import UNSAID
from seti_utils.data.competition import Competition
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.learn.checkpoint import describe, exists, load, mark_of_weights
from seti_utils.learn.computing import Computing
from seti_utils.learn.distributed import Team
from seti_utils.log.config import Config, plain
from seti_utils.log.pages import LOG
from seti_utils.log.specs import HeadFirst
from seti_utils.nets.detector import Detector
from seti_utils.nets.models import Classifier
from seti_utils.notes import note
from seti_utils.run.artifacts import BEST, HISTORY, LAST, RESUME, dead_attempts, kept_weights, load_network, read_meta, run_folder
from seti_utils.run.compose import bare_network
from seti_utils.run.inputs import data_inputs, other_inputs, refuse_other_inputs
from seti_utils.run.opening import cadences, folds_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.tables import PARTIAL

REMEDIES: dict[str, Callable[[Config], object]] = {
    "head_first": lambda config: HeadFirst(1),
    "lr": lambda config: config.lr / 3,
    "clip_norm": lambda config: 1.0,
    "precision": lambda config: None,
}
"""What each cure against a dead run sets its knob to."""

FIRST_WEIGHTS = {"init_from": LAST, "distill": BEST}
"""The file of a source's weights that is used, by the knob that names the source; otherwise those that make its scores."""


@dataclass(frozen=True)
class Run:
    """``name`` of the log on ``fold`` with ``seed``, where and how ``runtime`` says, with ``remedies`` against a dead run.

    ``home`` is where it was found (:meth:`found`), and ``paused`` whether its training is not finished there.
    """

    name: str
    fold: int
    seed: int
    runtime: Runtime
    remedies: tuple[str, ...] = ()
    home: Path | None = None
    paused: bool = False

    # --- what it is

    @property
    def title(self) -> str:
        """``exp0023 fold 0 seed 2021``."""
        return f"{self.name} fold {self.fold} seed {self.seed}"

    @cached_property
    def recipe(self) -> Config:
        """The experiment's configuration under the overrides of the runtime, without remedies: what its fingerprint covers."""
        return LOG.config(self.name, self.runtime.overrides)

    @cached_property
    def config(self) -> Config:
        """The configuration that is trained: the recipe with the remedies taken."""
        return replace(self.recipe, **{knob: REMEDIES[knob](self.recipe) for knob in self.remedies})

    @cached_property
    def fingerprint(self) -> str:
        """The recipe's fingerprint."""
        return LOG.fingerprint(self.name, self.runtime.overrides)

    @property
    def competition(self) -> Competition:
        """The data, indexed."""
        return self.runtime.competition

    @cached_property
    def split(self) -> tuple[np.ndarray, str]:
        """The fold of every training row and the fingerprint of the whole split, see :func:`folds_of`."""
        return folds_of(self.recipe, self.runtime)

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Hashes of what it is made from besides the recipe, as far as that is here."""
        found = data_inputs(self.config, self.runtime, self.competition)
        found |= other_inputs(self.config, self.runtime, self.competition)
        for knob, name in self.config.sources().items():
            try:
                source = self.source(name)
            except InputError:  # said when it is needed
                continue
            found[knob] = source.mark(FIRST_WEIGHTS.get(knob))
        return found

    def identity(self) -> dict[str, Any]:
        """What its artifacts carry."""
        return describe(
            experiment=self.name,
            fold=self.fold,
            seed=self.seed,
            fingerprint=self.fingerprint,
            folds=self.split[1],
            backbone=self.config.backbone,
            remedies=list(self.remedies),
            recipe={knob: plain(value) for knob, value in self.recipe.departures().items()},
            inputs=self.inputs,
        )

    def refuse_other(self, meta: Mapping[str, Any], where: Path, inputs: Mapping[str, str], folds: bool = True) -> None:
        """Raise ``InputError`` unless ``meta``, the identity of what lies at ``where``, is this run's.

        Recipe, split (``folds``) and ``inputs`` are compared. Earlier versions wrote no inputs: a note says so.
        """
        if meta.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"holds a run with fingerprint {meta.get('fingerprint')}, this one has {self.fingerprint}"
                + self.differences(meta.get("recipe")),
                where=where,
                remedy="other overrides or another version of the log made it: give another --out, or delete it",
            )
        if "inputs" not in meta:
            note(f"{where} {UNSAID}")
        refuse_other_inputs(meta.get("inputs", {}), inputs, where)
        if folds and meta.get("folds") not in (None, self.split[1]):
            raise InputError(
                f"was trained on another split: folds is {meta['folds']}, here it is {self.split[1]}",
                where=where,
                remedy="its validation rows are not unseen: use its fold file, or train again in another --out",
            )

    def differences(self, recipe: Mapping[str, object] | None) -> str:
        """The knobs in which another recipe differs from this one's, as words to append; nothing where it does not say."""
        if recipe is None:
            return ""
        here = {knob: plain(value) for knob, value in self.recipe.departures().items()}
        usual = {knob: plain(getattr(Config(), knob)) for knob in {**recipe, **here}}
        both = {knob: (recipe.get(knob, value), here.get(knob, value)) for knob, value in usual.items()}
        said = [f"{knob} is {one} there, {other} here" for knob, (one, other) in both.items() if one != other]
        return f" ({'; '.join(said[:3]) or 'what it builds on differs'})"

    # --- its data

    def cadences(self, split: str) -> Source:
        """The cadences of ``split`` with the panels that it looks at, see :func:`seti_utils.run.opening.cadences`."""
        return cadences(self.config, split, self.runtime)

    # --- where it lies, and what came of it

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return run_folder(self.runtime.out, self.name, self.fold, self.seed)

    @property
    def lies(self) -> Path:
        """Where it lies: where it was found, or where it is written."""
        return self.home or self.folder

    @property
    def command(self) -> str:
        """The command that trains it, or resumes it, with everything that was said to this one."""
        words = [self.name, "--folds", str(self.fold), "--seeds", str(self.seed), *self.runtime.words()]
        return f"python -m seti_utils train {shlex.join(words)}"

    def finished(self) -> bool:
        """Whether its folder holds it, trained to the end. Raises ``InputError`` where another run lies there."""
        meta = read_meta(self.folder)
        if meta is None:
            return False
        self.refuse_other(meta, self.folder, self.inputs)
        return bool(meta.get("finished"))

    def begun(self, retry: int = 0) -> "Run":
        """This run as it was begun: with the remedies of its saved state, or, with ``retry``, the next one after a death.

        Raises ``InputError`` where the weights of another run lie in its folder.
        """
        for name in (RESUME, LAST):
            if exists(self.folder / name):
                meta = load(self.folder / name)[1]
                self.refuse_other(meta, self.folder / name, self.inputs)
                return replace(self, remedies=tuple(meta.get("remedies", ())))
        for dead in dead_attempts(self.folder):
            if dead.get("fingerprint") == self.fingerprint and dead.get("next") and len(dead["remedies"]) < retry:
                return replace(self, remedies=(*dead["remedies"], dead["next"]))
        return self

    def source(self, name: str) -> "Run":
        """The run of ``name`` that this one builds on, fold to fold and seed to seed; as :meth:`found`."""
        return Run(name, self.fold, self.seed, self.runtime).found()

    def places(self) -> list[Path]:
        """Where it may lie: below ``out``, then below each of ``runs``."""
        return [run_folder(base, self.name, self.fold, self.seed) for base in (self.runtime.out, *self.runtime.runs)]

    def is_somewhere(self) -> bool:
        """Whether weights of a run of this name, fold and seed lie in one of its places."""
        return any(exists(place / BEST) for place in self.places())

    def found(self, data: bool = True) -> "Run":
        """This run where it lies: below ``out`` or one of ``runs``, with the remedies that it took.

        Without ``data`` nobody asks which data it was made from: for whoever uses none. A finished one comes first. Raises
        ``InputError`` where there is none, where only one lies that is not finished (unless the runtime takes ``partial``
        ones), and where it was made from another recipe or other data.
        """
        places = self.places()
        metas = {place: meta for place in places if (meta := read_meta(place)) and meta.get("finished")}
        begun = [place for place in places if place not in metas and exists(place / BEST)]
        if metas:
            home, meta = next(iter(metas.items()))
        elif begun:
            home, meta = begun[0], load(begun[0] / BEST)[1]
        else:
            raise InputError(
                f"{self.title} was not trained: no {BEST} in {', '.join(map(str, places))}", remedy=f"train it: {self.command}"
            )
        inputs = data_inputs(self.recipe, self.runtime, self.competition) if data else {}
        self.refuse_other(meta, home, inputs, folds=False)
        if not metas and not self.runtime.partial:
            stands = (
                f"its best weights are of phase {meta.get('phase', meta.get('stage', 0)) + 1}, epoch {meta['epoch'] + 1}"
                if "epoch" in meta
                else "begun"
            )
            raise InputError(
                f"the training of {self.title} is not finished: {stands}",
                where=home,
                remedy=f"finish it: {self.command}, or take it as it is with --partial",
            )
        return replace(self, home=home, paused=not metas, remedies=tuple(meta.get("remedies", ())))

    def weights(self, file: str | None = None) -> Path:
        """The file of its weights: ``file``, or those that make its scores."""
        kept = kept_weights(self.config.adapt)
        return self.lies / (file or (kept if exists(self.lies / kept) else BEST))

    def network(self, team: Team = Team(), file: str | None = None, **expected: object) -> Classifier | Detector:
        """The network with these weights, on the CPU. Raises ``InputError`` where they are not what is ``expected``."""
        model = bare_network(self.config)
        load_network(model, self.weights(file), team, fingerprint=self.fingerprint, **expected)
        return model

    @cached_property
    def computing(self) -> Computing:
        """How it was trained: whoever predicts computes so, and gives its own validation scores again bit for bit."""
        meta = (None if self.paused else read_meta(self.lies)) or load(self.weights())[1]
        return Computing.recorded(meta.get("computing"), self.config.precision)

    def mark(self, file: str | None = None) -> str:
        """The mark of these weights; it ends in ``PARTIAL`` where the training is not finished."""
        path = self.weights(file)
        said = ((None if self.paused else read_meta(path.parent)) or {}).get("weights", {})
        return (said.get(path.name) or mark_of_weights(load(path)[0])) + (PARTIAL if self.paused else "")

    def history(self) -> pd.DataFrame:
        """``history.csv``: one row per epoch, with fold and seed."""
        files = [place / HISTORY for place in ([self.home] if self.home else self.places())]
        path = next((path for path in files if path.exists()), files[0])
        return pd.read_csv(path).assign(fold=self.fold, seed=self.seed)


def runs_of(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> list[Run]:
    """Every fold with every seed."""
    return [Run(name, fold, seed, runtime) for seed in seeds for fold in folds]
