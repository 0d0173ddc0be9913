"""The file that is sent in: written in the sample's order, and checked before it is sent."""

from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.files import write_table
from seti_utils.scores.tables import as_numbers, read_text_table, refuse


def write_submission(scores: pd.DataFrame, sample: str | Path, out: str | Path) -> Path:
    """Write ``id,target`` with the scores of a table, in the order of the sample submission; returns ``out``.

    Raises ``InputError``, with nothing written, when an id of the sample has no score or a score's id is not in the
    sample.
    """
    ids = sample_ids(sample)
    refuse(~ids.isin(scores["id"]), ids, "have no score", sample, "predict every test row, last batch included")
    refuse(~scores["id"].isin(ids), scores["id"], "are not in the sample submission", sample, "score this test set")
    refuse(scores["id"].duplicated(), scores["id"], "have two scores", out, "average the folds first")
    target = scores.set_index("id")["score"].loc[ids].to_numpy(np.float64)
    check_values(target, ids, out)
    write_table(out, pd.DataFrame({"id": ids, "target": target}))
    return Path(out)


def check_submission(path: str | Path, sample: str | Path, *, most_tied: float = 0.5) -> dict[str, float | int]:
    """Check a submission against the sample: columns, ids, their order, values, and that the scores rank anything.

    More than the share ``most_tied`` of the rows on one score is refused: it is what a dead run or a broken join
    looks like. Returns ``rows``, ``distinct`` scores, ``most_tied`` (largest share on one score), ``low``, ``high``.
    Raises ``InputError`` naming the row and the remedy.
    """
    table, ids = read_text_table(path), sample_ids(sample)
    if list(table.columns) != ["id", "target"]:
        raise InputError(
            f"has the columns {', '.join(table.columns)}; expected id, target",
            where=path,
            row="header",
            remedy="write it with write_submission",
        )
    refuse(table["id"].duplicated(), table["id"], "appear twice", path, "keep one row per id")
    refuse(~ids.isin(table["id"]), ids, "of the sample are missing", path, "predict every test row")
    refuse(~table["id"].isin(ids), table["id"], "are not in the sample", path, "remove these rows")
    refuse(table["id"] != ids, table["id"], "are not where the sample has them", path, "write the rows in its order")
    target = as_numbers(table["target"], np.float64, table["id"], path)
    check_values(target, ids, path)
    values, counts = np.unique(target, return_counts=True)
    tied = float(counts.max() / len(target))
    if len(target) > 1 and tied > most_tied:
        value = values[counts.argmax()]
        raise InputError(
            f"{counts.max()} of {len(target)} rows have the same score {value:.6g}, not ranked",
            where=path,
            row=int(np.argmax(target == value)),
            remedy="look for a run that did not learn",
        )
    return {"rows": len(target), "distinct": len(values), "most_tied": tied, "low": float(values[0]), "high": float(values[-1])}


def sample_ids(sample: str | Path) -> pd.Series:
    """The ids of a sample submission in its order. Raises ``InputError`` when there are none or one repeats."""
    table = read_text_table(sample)
    if "id" not in table or table.empty:
        raise InputError("has no column id, or no rows", where=sample, remedy="use the competition's own file")
    refuse(table["id"].duplicated(), table["id"], "appear twice", sample, "use the competition's own file")
    return table["id"]


def check_values(target: np.ndarray, ids: pd.Series, where: object) -> None:
    """Raise ``InputError`` naming the first row whose target is not a finite number in [0, 1]."""
    refuse(~np.isfinite(target), ids, "have a target that is not finite", where, "predict these rows again")
    refuse((target < 0) | (target > 1), ids, "have a target outside [0, 1]", where, "apply the sigmoid to logits")
