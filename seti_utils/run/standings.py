"""How the parts of a blend stand beside each other and beside the whole, and one picture that shows why."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from seti_utils.data.cadence import SHAPE, SIX
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import Source
from seti_utils.files import write_table
from seti_utils.log.pages import LOG
from seti_utils.nets.shipped import load_detector
from seti_utils.overlap.panels import cleaned_stores, read_covered
from seti_utils.pictures.style import save_picture
from seti_utils.pictures.waterfall import draw_cadence
from seti_utils.run.artifacts import OOF, TEST, read_meta
from seti_utils.run.blends import detector_folder
from seti_utils.run.identity import runs_of
from seti_utils.run.runtime import Runtime
from seti_utils.run.summary import hidden_labels, shift_of, targets_for
from seti_utils.scores.tables import read_scores
from seti_utils.stats.intervals import auc_interval

STANDINGS, WHY = "standings.csv", "why.png"
ALMOST_ALL, SURE = 0.9, 0.9
"""A needle to show: neighbours cover this much of its cadence, and the blend scores this share of all test cadences lower."""


class Part(NamedTuple):
    """A row of the standings: its scores of the training rows out of fold and of the test, and its seconds."""

    name: str
    oof: pd.DataFrame
    test: pd.DataFrame
    seconds: float


def standings(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> pd.DataFrame:
    """A row for every shipped detector and member of the blend ``name``, and a last one for the blend itself.

    ``part``, ``oof`` and ``test`` (AUC, each with ``_low`` and ``_high``, its 95 % bootstrap interval; missing where labels are
    not known or of one class), and ``seconds``: of training, of a detector's scoring, and for the blend all of them; missing
    for what is made of others' scores. Raises ``InputError`` where something was not scored yet.
    """
    recipe, labels = LOG.blends[name], hidden_labels(runtime.competition.root)
    detectors = [scored(detector, runtime) for detector in recipe.detectors]
    members = [trained(member, folds, seeds, runtime) for member in recipe.members]
    spent = sum(part.seconds for part in (*detectors, *members))
    whole = Part(f"{name}: {recipe.said} these", *tables_in(runtime.out / name), spent)
    rows = []
    for part in (*detectors, *by_coverage(recipe.detectors, detectors, runtime), *members, whole):
        row = {"part": part.name} | measured("oof", part.oof["target"], part.oof["score"])
        row |= measured("test", None if labels is None else targets_for(part.test, labels), part.test["score"])
        rows.append(row | {"seconds": part.seconds})
    return pd.DataFrame(rows)


def tables_in(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The out-of-fold and the test table of ``folder``."""
    return read_scores(folder / OOF), read_scores(folder / TEST)


def scored(detector: str, runtime: Runtime) -> Part:
    """A detector of the package."""
    folder = detector_folder(detector, runtime)
    seconds = (read_meta(folder) or {}).get("seconds", np.nan)
    return Part(f"shipped detector {detector}, untrained here", *tables_in(folder), seconds)


def trained(member: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> Part:
    """An experiment of the log."""
    homes = [run.found().home or run.folder for run in runs_of(member, folds, seeds, runtime)]
    seconds = sum((read_meta(home) or {}).get("seconds", np.nan) for home in homes)
    return Part(f"{member}: {LOG.find(member).title}", *tables_in(runtime.out / member), seconds)


def by_coverage(detectors: Sequence[str], parts: Sequence[Part], runtime: Runtime) -> list[Part]:
    """Of a detector of cleaned panels and one of raw ones: the first where a row has neighbours, and the other elsewhere, as
    ``seti score --overlap`` has it. Nothing where both are not there."""
    of = {load_detector(one).card["panels"]: part for one, part in zip(detectors, parts, strict=True)}
    if runtime.overlap is None or set(of) != {"raw", "cleaned"}:
        return []
    covered = read_covered(runtime.overlap)

    def joined(raw: pd.DataFrame, cleaned: pd.DataFrame) -> pd.DataFrame:
        elsewhere = raw.set_index("id")["score"].loc[cleaned["id"]].to_numpy()
        return cleaned.assign(score=np.where(covered.loc[cleaned["id"]] > 0, cleaned["score"], elsewhere))

    raw, cleaned = of["raw"], of["cleaned"]
    oof, test = joined(raw.oof, cleaned.oof), joined(raw.test, cleaned.test)
    return [Part("these two by coverage, as seti score --overlap has it", oof, test, np.nan)]


def measured(what: str, target: ArrayLike | None, score: ArrayLike) -> dict[str, float]:
    """AUC and interval as columns that begin with ``what``; missing where there is nothing to rank."""
    found = (np.nan,) * 3 if target is None or len(np.unique(target)) < 2 else auc_interval(target, score)
    return dict(zip((what, f"{what}_low", f"{what}_high"), found, strict=True))


def standings_text(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> str:
    """The table as a person reads it, and where everything lies; writes ``standings.csv`` and, where it can, ``why.png``."""
    table = standings(name, folds, seeds, runtime)
    write_table(runtime.out / name / STANDINGS, table)
    competition = runtime.competition
    head = ("", "out of fold", "test" if hidden_labels(competition.root) is None else "hidden test", "seconds")
    rows = zip(table.itertuples(), table["seconds"].tolist(), strict=True)
    lines = [head, *((row.part, worded(row, "oof"), worded(row, "test"), rounded(seconds)) for row, seconds in rows)]
    wide = [max(len(line[column]) for line in lines) for column in range(len(head))]
    said = [
        f"{name}, folds {list(folds)}, seeds {list(seeds)}, data {competition.name}: AUC and its 95 % bootstrap interval",
        f"({shift_of(competition.root)}; seconds of training, for a detector of scoring)",
        "",
        *(
            "  ".join(text.ljust(wide[0]) if not column else text.rjust(wide[column]) for column, text in enumerate(line))
            for line in lines
        ),
        "",
        f"  submission   {runtime.out / 'submission.csv'}",
        f"  table        {runtime.out / name / STANDINGS}",
    ]
    picture = draw_why(name, runtime)
    return "\n".join(said + ([f"  picture      {picture}"] if picture else []))


def worded(row: object, what: str) -> str:
    """``0.9312 [0.9100, 0.9500]``, or a dash."""
    value, low, high = (getattr(row, f"{what}{end}") for end in ("", "_low", "_high"))
    return f"{value:.4f} [{low:.4f}, {high:.4f}]" if np.isfinite(value) else "–"


def rounded(seconds: float) -> str:
    """``343``, or nothing."""
    return f"{seconds:.0f}" if np.isfinite(seconds) else ""


def draw_why(name: str, runtime: Runtime) -> Path | None:
    """One needle of the test as it is, minus the sky that its neighbours show, and where the shipped detector sees it.

    None where the blend has no cleaned panels or no detector for raw ones, or no test cadence is covered.
    """
    recipe = LOG.blends[name]
    detector = next((one for one in map(load_detector, recipe.detectors) if one.card["panels"] == "raw"), None)
    row = needle_to_show(name, detector.name, runtime) if detector else None
    if detector is None or row is None:
        return None
    competition = runtime.competition
    raw = read_one(open_cadences(competition, "test", runtime.packed, SIX), row)
    cleaned = read_one(open_cadences(competition, "test", cleaned_stores(runtime.overlap, competition), SIX), row)
    scores = detector.score(raw)
    figure = draw_cadence(
        raw[0].numpy(),
        title=f"{row}: {name} {score_of(runtime.out / name, row):.3f}, the shipped detector {float(scores.logit.sigmoid()):.3f}",
        views=("raw", "less sky", "heat"),
        mark=False,
        heat=detector.heat(scores)[0].numpy(),
        less_sky=cleaned[0].float().numpy(),
    )
    return save_picture(figure, runtime.out / "pictures" / WHY)


def needle_to_show(name: str, detector: str, runtime: Runtime) -> str | None:
    """The id of a test cadence that neighbours cover and that the blend is sure of; of those, the detector's median one.

    Where the test's labels are known, a positive. None where there is none.
    """
    if runtime.overlap is None:
        return None
    whole, alone = (
        read_scores(folder / TEST).set_index("id")["score"] for folder in (runtime.out / name, detector_folder(detector, runtime))
    )
    covered, labels = read_covered(runtime.overlap), hidden_labels(runtime.competition.root)
    chosen = whole.index[covered.loc[whole.index] >= ALMOST_ALL]
    if labels is not None:
        chosen = chosen[labels.set_index("id").loc[chosen, "target"] > 0]
    chosen = chosen[whole[chosen] >= whole.quantile(SURE)] if len(chosen) else chosen
    if not len(chosen):
        return None
    order = alone[chosen].sort_values(kind="stable")
    return str(order.index[len(order) // 2])


def read_one(source: Source, row: str) -> torch.Tensor:
    """The cadence of one id: float16 (1, 6, 273, 256)."""
    x_BPTF = torch.empty(1, *SHAPE, dtype=torch.float16)
    source.read_into([int(np.flatnonzero(source.ids == row)[0])], x_BPTF)
    return x_BPTF


def score_of(folder: Path, row: str) -> float:
    """The test score of one id."""
    table = read_scores(folder / TEST)
    return float(table["score"].to_numpy()[table["id"] == row][0])
