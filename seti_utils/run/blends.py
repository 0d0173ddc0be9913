"""A blend of the log: its members' tables and those of shipped detectors, the blend of them all, and its submission."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.cadence import SIX
from seti_utils.data.content import content_of
from seti_utils.data.packed import open_cadences, read_about
from seti_utils.errors import InputError
from seti_utils.files import write_json
from seti_utils.log.pages import LOG
from seti_utils.log.registry import STACK, Blend
from seti_utils.nets.shipped import load_detector
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.overlap.stacking import stack_by_coverage
from seti_utils.run.artifacts import META, OOF, TEST
from seti_utils.run.identity import runs_of
from seti_utils.run.infer import experiment_scores, sample_of
from seti_utils.run.inputs import mark_of
from seti_utils.run.runtime import Runtime
from seti_utils.run.scoring import score_source
from seti_utils.scores.ensemble import blend
from seti_utils.scores.submission import write_submission
from seti_utils.scores.tables import MANY, make_scores, read_scores, write_scores
from seti_utils.stats.logistic import sigmoid

Say = Callable[[str], None]
Tables = tuple[pd.DataFrame, pd.DataFrame]
"""Test scores and out-of-fold table of one member, or of all."""


def run_blend(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, say: Say = print) -> Path:
    """Blend the members' out-of-fold and test scores, write them below ``out``/``name``, and the submission.

    The shipped detectors of the blend score the same rows; what they say is kept in ``out``/``detector_NAME``. Raises
    ``InputError`` where a member was not trained, and for a stack without the folder of cleaned panels.
    """
    recipe, folder = LOG.blends[name], runtime.out / name
    if recipe.how == STACK:
        cleaned_stores(needed_overlap(name, runtime), runtime.competition)
    for member in recipe.members:
        for run in runs_of(member, folds, seeds, runtime):
            run.found()
    tables = [experiment_scores(member, folds, seeds, runtime) for member in recipe.members]
    test, oof = blended(recipe, tables, runtime, say)
    write_scores(folder / OOF, oof)
    write_scores(folder / TEST, test)
    path = write_submission(test, sample_of(runtime.competition), runtime.out / "submission.csv")
    say(f"{name}: {recipe.said} {', '.join(recipe.parts)}, written to {path}")
    return path


def blended(recipe: Blend, members: list[Tables], runtime: Runtime, say: Say = print) -> Tables:
    """The tables of ``members``, and of the shipped detectors of ``recipe``, as one; a stack says what it comes to."""
    tables = [*members, *(detector_scores(detector, members[0][1], runtime) for detector in recipe.detectors)]
    tests, oofs = zip(*tables, strict=True)
    if recipe.how == STACK:
        made = stack_by_coverage(oofs, tests, needed_overlap(recipe.name, runtime), name=recipe.name, shown=False)
        say(made.said())
        return made.test, made.oof
    return blend(tests, recipe.how, name=recipe.name), blend(oofs, recipe.how, name=recipe.name)


def needed_overlap(name: str, runtime: Runtime) -> Path:
    """The folder of the overlap search. Raises ``InputError`` where nobody gave one."""
    if runtime.overlap is None:
        raise InputError(
            "a stack by coverage needs to know what neighbours cover",
            where=name,
            remedy="give the overlap search: --overlap FOLDER",
        )
    return runtime.overlap


def detector_folder(name: str, runtime: Runtime) -> Path:
    """Where the scores of a shipped detector are kept."""
    return runtime.out / f"detector_{name}"


def detector_scores(name: str, oof: pd.DataFrame, runtime: Runtime) -> Tables:
    """Test scores and those of the training rows of ``oof``, with its folds and targets, by a detector of the package.

    It was taught on other skies, so every training row is out of fold to it. Kept in its folder for as long as detector,
    data and cleaned panels are the same, and with them, in ``meta.json``, the seconds that they took.
    """
    detector, folder, competition = load_detector(name), detector_folder(name, runtime), runtime.competition
    marks = {split: content_of(competition, split).mark for split in ("test", "train")}
    stores, seen = runtime.packed, detector.mark
    if detector.card["panels"] == "cleaned":
        stores = cleaned_stores(needed_overlap(name, runtime), competition)
        seen = mark_of([detector.mark, *(read_about(stores / split)["index"] for split in marks if (stores / split).is_dir())])
    if (folder / META).exists() and len(oof):
        kept = read_scores(folder / TEST), read_scores(folder / OOF)
        made = all(
            set(table["fingerprint"]) == {seen} and set(table["data"]) == {mark}
            for table, mark in zip(kept, marks.values(), strict=True)
        )
        if made and kept[1]["id"].equals(oof["id"]) and kept[1]["fold"].equals(oof["fold"]):
            return kept
    began, tables = time.monotonic(), []
    for split, mark in marks.items():
        source = open_cadences(competition, split, stores, SIX)
        rows = list(range(len(source)))
        if split == "train":
            rows = pd.Index(source.ids).get_indexer(pd.Index(oof["id"])).tolist()
        score = sigmoid(score_source(source, detector, runtime.workers, rows).logit.double().numpy())
        known = split == "train"
        tables.append(
            make_scores(
                np.asarray(source.ids, object)[rows],
                score,
                fold=oof["fold"].to_numpy() if known else MANY,
                experiment=f"detector {name}",
                seed=MANY,
                fingerprint=seen,
                data=mark,
                weights=detector.mark,
                target=oof["target"].to_numpy(np.float64) if known else None,
            )
        )
    write_scores(folder / TEST, tables[0])
    write_scores(folder / OOF, tables[1])
    write_json(folder / META, {"detector": name, "weights": detector.mark, "seconds": round(time.monotonic() - began, 1)})
    return tables[0], tables[1]
