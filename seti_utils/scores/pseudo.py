"""Pseudo labels: test rows that join the training of one fold with a teacher's scores as their targets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seti_utils.data.tables import refuse
from seti_utils.errors import InputError
from seti_utils.scores.tables import MANY, check_scores


@dataclass(frozen=True)
class PseudoRows:
    """Chosen test rows of one fold's teacher: positions in its table (int64), ids, and float32 targets in [0, 1]."""

    rows: np.ndarray
    ids: np.ndarray
    targets: np.ndarray
    fold: int


def select_pseudo(
    test: pd.DataFrame,
    *,
    source: str | None = None,
    above: float | None = None,
    below: float | None = None,
    top: int | None = None,
    bottom: int | None = None,
    soft: bool = True,
) -> PseudoRows:
    """The rows of one fold's test table that become training rows, and their targets.

    Chosen are rows with a score above ``above`` or below ``below``; and the ``top`` highest and ``bottom`` lowest
    rows (equal scores: the earlier row first); with all four None, every row. ``soft`` keeps the score as the target,
    otherwise it is rounded. Rows come in the order of the table, each once. The keywords are the fields of
    ``specs.Pseudo``; ``source``, where given, must be the table's experiment.

    A mean over folds is refused: a student of fold k may only learn from a teacher that has not seen fold k either,
    or its validation rows leak through the test rows' labels. Raises ``InputError`` for that, for another source, for
    thresholds that cross. If no row is confident enough, none is selected.
    """
    test = check_scores(test, f"test scores of {source}" if source else "test scores")
    origin = test[["experiment", "fold"]].drop_duplicates()
    experiment, fold = origin["experiment"].iloc[0], int(origin["fold"].iloc[0])
    where = f"test scores of {experiment}, fold {fold}"
    if len(origin) > 1 or fold == MANY:
        raise InputError(
            "pseudo labels come from one fold's teacher, not from a mean or a mixture",
            where=where,
            remedy="give the test table of the fold that is trained",
        )
    if source is not None and experiment != source:
        raise InputError(f"the labels should be those of {source}", where=where, remedy=f"give the test table of {source}")
    if above is not None and below is not None and below > above:
        raise InputError(f"below={below} is higher than above={above}", where=where, remedy="swap the two")
    score = test["score"].to_numpy()
    lowest_first = np.argsort(score, kind="stable")
    highest_first = np.argsort(-score, kind="stable")
    chosen = np.full(len(test), all(limit is None for limit in (above, below, top, bottom)))
    if above is not None:
        chosen |= score > above
    if below is not None:
        chosen |= score < below
    chosen[highest_first[: top or 0]] = True
    chosen[lowest_first[: bottom or 0]] = True
    rows = np.flatnonzero(chosen)
    targets = score[rows] if soft else np.round(score[rows])
    return PseudoRows(rows, test["id"].to_numpy(dtype=object)[rows], targets.astype(np.float32), fold)


def append_pseudo(
    train_rows: np.ndarray,
    train_targets: np.ndarray,
    pseudo: PseudoRows,
    *,
    fold: int,
    train_ids: np.ndarray,
    test_ids: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and targets for training fold ``fold`` on the joined source [training files, test files].

    ``train_rows`` int64: the rows that this fold trains on. ``train_targets`` float ``(N,)`` belong to ``train_ids``,
    all N training files; ``test_ids`` are all M test files in the order of their source. Returns int64 rows, the
    pseudo rows after the others; and float32 targets ``(N + M,)``: NaN for a test row that was not chosen, so that
    training on one shows at once. The validation rows stay those of the fold file, which knows training ids only.

    Raises ``InputError`` when the teacher is of another fold, a pseudo row is a training row, or is not a test file.
    """
    if pseudo.fold != fold:
        raise InputError(
            f"the pseudo labels are of fold {pseudo.fold}, the training is of fold {fold}",
            where="pseudo labels",
            remedy="take the teacher fold to fold",
        )
    refuse(
        np.isin(pseudo.ids.astype(str), np.asarray(train_ids, dtype=str)),
        pseudo.ids,
        "are among the training rows",
        "pseudo labels",
        "choose from the test table, not from an out-of-fold table",
    )
    places = pd.Index(np.asarray(test_ids, dtype=str)).get_indexer(pd.Index(pseudo.ids.astype(str)))
    refuse(places < 0, pseudo.ids, "are not among the test files", "pseudo labels", "use the teacher's scores of this test set")
    count = len(train_ids)
    targets = np.full(count + len(test_ids), np.nan, np.float32)
    targets[:count] = train_targets
    targets[count + places] = pseudo.targets
    return np.concatenate([np.asarray(train_rows, np.int64), count + places.astype(np.int64)]), targets
