"""The file that is sent in: written in the sample's order, and checked before it is sent."""

from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.tables import as_numbers, check_ids, read_table, refuse, require_columns
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_json, write_table
from seti_utils.scores.tables import MADE_FROM, ORIGIN, is_partial
from seti_utils.wording import quantity

FEW = 10
"""Distinct scores below which rows are ranked by chance."""


def write_submission(scores: pd.DataFrame, sample: str | Path, out: str | Path) -> Path:
    """Write ``id,target`` with the scores of a table, in the order of the sample submission; returns ``out``.

    Beside it, as ``<name>.origin.json``, stands what the two columns cannot say: experiment, fold, seed and fingerprint of
    the scores, which data and weights they were made from, and whether these were trained to the end. Raises ``InputError``,
    with nothing written, when an id of the sample has no score or a score's id is not in the sample.
    """
    ids = sample_ids(sample)
    refuse(~ids.isin(scores["id"]), ids, "have no score", sample, "predict every test row, last batch included")
    refuse(~scores["id"].isin(ids), scores["id"], "are not in the sample submission", sample, "score this test set")
    refuse(scores["id"].duplicated(), scores["id"], "have two scores", out, "average the folds first")
    target = scores.set_index("id")["score"].loc[ids].to_numpy(np.float64)
    check_values(target, ids, out)
    write_table(out, pd.DataFrame({"id": ids.to_numpy(), "target": target}))
    write_json(origin_file(out), origin_of(scores) | {"sha256": sha256(out)})
    return Path(out)


def origin_file(submission: str | Path) -> Path:
    """Where the origin of a submission stands."""
    return Path(submission).with_suffix(".origin.json")


def origin_of(scores: pd.DataFrame) -> dict[str, object]:
    """Where the scores of a table come from; ``partial`` where weights were used whose training was not finished."""
    origin: dict[str, list] = {name: pd.unique(scores[name]).tolist() for name in (*ORIGIN, *MADE_FROM)}
    plain: dict[str, object] = {name: values[0] if len(values) == 1 else values for name, values in origin.items()}
    return plain | {"partial": any(map(is_partial, origin["weights"]))}


def check_submission(path: str | Path, sample: str | Path, *, most_tied: float = 0.5) -> dict[str, float | int | bool]:
    """Check a submission against the sample: columns, ids, values, and that the scores rank anything.

    More than the share ``most_tied`` of the rows on one score, or fewer than ``FEW`` distinct ones, is refused: it is what a dead
    run, a broken join or a table of classes looks like. Rows may come in any order, as for the site. Returns ``rows``,
    ``distinct`` scores, ``most_tied`` (largest share on one score), ``low``, ``median``, ``high``, and whether the rows are
    ``in_order`` of the sample. Raises ``InputError`` naming line and remedy.
    """
    table, wanted = read_table(path), sample_ids(sample)
    require_columns(table, ["id", "target"], path)
    again = f"python -m seti_utils blend {path} --sample {sample} --out submission.csv"
    if more := [str(name) or "(no name)" for name in table if name not in ("id", "target")]:
        raise InputError(
            f"has columns that the site refuses: {', '.join(more)}", where=path, line=1, remedy=f"write it without them: {again}"
        )
    ids = table["id"]
    check_ids(ids, path)
    refuse(~wanted.isin(ids), wanted, f"have no row in {path}", sample, "predict every test row")
    refuse(~ids.isin(wanted), ids, "are not in the sample", path, "remove these rows")
    target = as_numbers(table["target"], np.float64, ids, path)
    check_values(target, ids, path)
    values, counts = np.unique(target, return_counts=True)
    tied = float(counts.max() / len(target))
    if len(target) > 1 and tied > most_tied:
        value = values[counts.argmax()]
        refuse(target == value, ids, f"have the same score {value:.6g}, not ranked", path, "look for a run that did not learn")
    if len(values) < min(FEW, len(target)):
        raise InputError(
            f"only {quantity(len(values), 'distinct score')} in {quantity(len(target), 'row')}: ties rank by chance",
            where=path,
            remedy="submit probabilities, not classes",
        )
    return {
        "rows": len(target),
        "distinct": len(values),
        "most_tied": tied,
        "low": float(values[0]),
        "median": float(np.median(target)),
        "high": float(values[-1]),
        "in_order": ids.tolist() == wanted.tolist(),
    }


def sample_ids(sample: str | Path) -> pd.Series:
    """The ids of a sample submission in its order. Raises ``InputError`` when there are none or one repeats."""
    table = read_table(sample)
    require_columns(table, ["id"], sample)
    check_ids(table["id"], sample)
    return table["id"]


def check_values(target: np.ndarray, ids: pd.Series, where: object) -> None:
    """Raise ``InputError`` naming the first row whose target is not a finite number in [0, 1]."""
    refuse(~np.isfinite(target), ids, "have a target that is not finite", where, "predict these rows again")
    remedy = "apply the sigmoid to logits, or let `python -m seti_utils blend --how rank` make ranks of them"
    refuse((target < 0) | (target > 1), ids, "have a target outside [0, 1]", where, remedy)
