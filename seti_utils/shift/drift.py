"""Prediction drift: what trained models say of the test, against what they said out of fold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp

from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.pictures.curves import draw_scores
from seti_utils.pictures.gallery import draw_gallery
from seti_utils.scores.ensemble import correlations, member_names
from seti_utils.shift import pictures
from seti_utils.shift.calibration import ROWS_TO_CALIBRATE, calibration
from seti_utils.shift.disagreement import compare_models, correlation_drift, disagreement
from seti_utils.shift.prior import estimate_priors
from seti_utils.shift.report import Section
from seti_utils.stats.auc import auc
from seti_utils.wording import quantity

BLIND = 0.5
"""Intervals of a share that are wider than this say nothing: the model hardly tells the classes apart."""


def scores_section(oof: pd.DataFrame, test: pd.DataFrame, name: str, hidden: ArrayLike | None = None) -> Section:
    """Score distributions, and the test's share of positives estimated from them.

    ``oof`` (with targets) and ``test`` are score tables of one model; ``hidden`` are the test rows' true targets, in
    the order of ``test``, where a synthetic sky tells them.
    """
    distance, above = ks_2samp(oof["score"], test["score"])[0], [(table["score"] > 0.5).mean() for table in (oof, test)]
    section = Section("Scores and the test's share of positives")
    section.sentences.append(
        f"{name}: {above[0]:.1%} of {len(oof):,} out-of-fold scores and {above[1]:.1%} of {len(test):,} test scores are "
        f"above 0.5; the two distributions are at most {distance:.3f} apart (Kolmogorov-Smirnov)."
    )
    section.pictures.append(("Scores out of fold and on the test.", draw_scores(oof, test)))
    hard = np.isin(oof["target"], (0, 1))
    try:
        priors = estimate_priors(oof["target"][hard], oof["score"][hard], test["score"])
    except InputError as problem:
        section.verdict = f"Share of positives in the test: {problem.problem}."
        return section
    train = float(oof["target"][hard].mean())
    truth = None if hidden is None else float(np.mean(np.asarray(hidden, np.float64)))
    named = "; ".join(f"{one.method} {one.value:.1%} [{one.low:.1%}, {one.high:.1%}]" for one in priors)
    blind = all(one.high - one.low > BLIND for one in priors)
    section.verdict = (
        f"Share of positives in the test: {name} cannot tell ({named})."
        if blind
        else f"Share of positives in the test, by {name}: {named}; in train {train:.1%}."
    )
    section.verdict += "" if truth is None else f" This sky's truth is {truth:.1%}."
    section.sentences.append(
        "Both estimates assume that positives and negatives look in the test as they do in train, and only their share "
        "differs. Signals that train does not have are missed, and the estimates come out low."
    )
    section.pictures.append(
        ("Estimated share of positives, 95 % bootstrap intervals.", pictures.draw_priors(priors, train, truth))
    )
    section.tables.append(("Estimates", pd.DataFrame([vars(one) for one in priors])))
    return section


def calibration_section(oofs: Sequence[pd.DataFrame], test: tuple[pd.DataFrame, ArrayLike] | None = None) -> Section:
    """Reliability of every model out of fold; and on the test of a sky, (scores, hidden targets)."""
    section, results = Section("Calibration"), {}
    for name, oof in zip(member_names(oofs), oofs, strict=True):
        if len(oof) < ROWS_TO_CALIBRATE or oof["target"].nunique() < 2:
            section.verdict = f"Calibration: too few rows to tell ({len(oof)}, {ROWS_TO_CALIBRATE} of both classes needed)."
            return section
        results[name] = calibration(oof["target"], oof["score"])
    if test is not None:
        results["hidden test labels"] = calibration(test[1], test[0]["score"])
    words = [f"{name} {one.error:.3f} [{one.low:.3f}, {one.high:.3f}]" for name, one in results.items()]
    first = next(iter(results.values()))
    section.verdict = (
        f"Calibration: expected error {', '.join(words)}; a perfect model of {int(first.bins['rows'].sum()):,} rows would stay "
        f"below {first.chance:.3f}."
    )
    section.sentences.append(
        "The expected calibration error is the mean distance of a bin's score from its share of positives. Ranking (AUC) does "
        "not feel it, but thresholds, pseudo labels and the estimates of the test's share do."
    )
    section.pictures.append(
        ("Bins are equally filled; lines are 95 % intervals of the shares.", pictures.draw_reliability(results))
    )
    return section


def models_section(
    oofs: Sequence[pd.DataFrame],
    tests: Sequence[pd.DataFrame],
    source: Source,
    *,
    members: Sequence[pd.DataFrame],
    hidden: pd.Series | None = None,
    less_sky: Source | None = None,
    count: int = 12,
) -> tuple[Section, pd.DataFrame | None]:
    """How equal the models are out of fold, how alike on both splits, and the test rows they dispute most.

    ``oofs`` and ``tests``: one table per model. ``members``: the test tables that disagree, those models or, of one
    model, its folds. ``hidden``: targets by id where a sky tells them. ``less_sky``: panels minus what
    neighbours show of the same sky, in which the rows are then drawn. Returns the section and the ranked rows.
    """
    section = Section("Agreement between models")
    if len(oofs) > 1:
        compare(section, oofs, tests)
    if len(members) < 2:
        section.verdict = (
            "Models: there is one network only, so nothing can be in dispute; give --experiment two names, or more folds."
        )
        return section, None
    ranked = disagreement(members)
    if hidden is not None:
        ranked.insert(2, "target", ranked["id"].map(hidden))
    kind = quantity(len(members), "model") if len(oofs) > 1 else f"the networks of {quantity(len(members), 'fold')}"
    section.verdict = (
        f"Look first at the {min(count, len(ranked))} test rows that {kind} dispute most (disagreement.csv ranks all "
        f"{len(ranked):,}); the highest spread is {ranked['spread'].iloc[0]:.2f} of the ranking."
    )
    if hidden is not None and (sentence := dispute_sentence(ranked)):
        section.sentences.append(sentence)
    section.tables.append(("The rows in dispute", ranked.head(count)))
    words = "Spread: standard deviation of a row's place in the ranking over the networks."
    if less_sky is not None:
        words += " Drawn without the sky that neighbours show too; noise is where there is no neighbour."
    disputed, title = ranked.assign(score=ranked["spread"]), "Most disputed test rows"
    picture = draw_gallery(source, disputed, count=count, title=title, label="spread", less_sky=less_sky)
    section.pictures.append((words, picture))
    return section, ranked


def compare(section: Section, oofs: Sequence[pd.DataFrame], tests: Sequence[pd.DataFrame]) -> None:
    """Which models are equal out of fold, and how alike they are on both splits."""
    compared = compare_models(oofs)
    equal = compared.loc[compared["equal"], "model"]
    section.sentences.append(
        f"Out of fold, {', '.join(equal)} are equal to the best within the noise of the rows."
        if len(equal) > 1
        else f"Out of fold, {equal.iloc[0]} is ahead of all others beyond the noise of the rows."
    )
    section.tables += [
        ("Out-of-fold AUC, and how far behind the best", compared),
        ("Rank correlations out of fold and on the test", correlation_drift(oofs, tests)),
        ("Rank correlations on the test", matrix(correlations(tests))),
    ]


def dispute_sentence(ranked: pd.DataFrame) -> str | None:
    """What the hidden labels say of rows in dispute and of the others; None where one half is of one class."""
    half = ranked["spread"].rank(pct=True) > 0.5
    parts = [auc(rows["target"], rows["score"]) for rows in (ranked[half], ranked[~half]) if 0 < rows["target"].mean() < 1]
    if len(parts) < 2:
        return None
    return (
        f"The hidden labels of this sky: the mean score has an AUC of {parts[0]:.3f} on the more disputed half of the rows, "
        f"and of {parts[1]:.3f} on the less disputed half."
    )


def matrix(table: pd.DataFrame) -> pd.DataFrame:
    """A square table with its row names as a first column."""
    return table.rename_axis("model").reset_index()
