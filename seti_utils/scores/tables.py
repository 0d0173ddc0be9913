"""Score tables: one row per cadence, and in every row where its score comes from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from seti_utils.data.tables import as_numbers, ignore_columns, place_of, read_table, refuse
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_table

ORIGIN = ("fold", "experiment", "seed", "fingerprint")
NUMBERS = {"target": np.float64, "score": np.float64, "fold": np.int64, "seed": np.int64}
MANY = -1
"""The fold, or the seed, of a score that is a mean over several."""


def make_scores(
    ids: Sequence[str],
    score: np.ndarray,
    *,
    fold: int | np.ndarray,
    experiment: str,
    seed: int,
    fingerprint: str,
    target: np.ndarray | None = None,
) -> pd.DataFrame:
    """A checked score table with the columns id, [target], score, fold, experiment, seed, fingerprint.

    ``score`` is float64 ``(N,)`` in [0, 1]; ``target`` is in [0, 1] where it is known; ``fold`` may differ by row.
    Raises ``InputError`` as ``check_scores`` does.
    """
    columns = {"id": np.asarray(ids, dtype=object)} | ({} if target is None else {"target": target})
    columns |= {"score": score, "fold": fold, "experiment": experiment, "seed": seed, "fingerprint": fingerprint}
    lengths = {name: len(value) for name, value in columns.items() if np.ndim(value)}
    if len(set(lengths.values())) > 1:
        raise InputError(f"columns of different lengths: {lengths}", where=experiment)
    return check_scores(pd.DataFrame(columns, index=range(lengths["id"])), where=f"scores of {experiment}")


def check_scores(table: pd.DataFrame, where: object = "score table") -> pd.DataFrame:
    """The table with its columns in order and of the right types.

    Raises ``InputError``, naming the first id concerned, for missing columns, an empty table, an empty or repeated
    id, and scores or targets that are not numbers in [0, 1].
    """
    missing = [name for name in ("id", "score", *ORIGIN) if name not in table.columns]
    if missing:
        raise InputError(
            f"has the columns {', '.join(map(str, table.columns))}, not {', '.join(missing)}",
            where=where,
            remedy="give a submission (id,target), or a table that the command predict wrote",
        )
    if table.empty:
        raise InputError("has no rows", where=where)
    table = table[["id", *(["target"] if "target" in table else []), "score", *ORIGIN]].copy()
    for name in ("id", "experiment", "fingerprint"):
        table[name] = table[name].astype(str)
    for name, kind in NUMBERS.items():
        if name in table:
            table[name] = as_numbers(table[name], kind, table["id"], where)
    bad = table["id"].str.strip() == ""
    if bad.any():
        raise InputError(
            "a row has no id", where=where, remedy="give every row its id", **place_of(table["id"], int(np.argmax(bad)))
        )
    refuse(table["id"].duplicated(), table["id"], "appear twice", where, "keep one row per id")
    for name in ("score", "target") if "target" in table else ("score",):
        outside = ~table[name].between(0, 1)
        remedy = "apply the sigmoid to logits, or blend by rank (--how rank)" if name == "score" else "targets are 0 or 1"
        refuse(outside, table["id"], f"have a {name} outside [0, 1]", where, remedy)
    return table


def write_scores(path: str | Path, table: pd.DataFrame) -> None:
    """Check a score table and write it as CSV, atomically; every score is read back bit for bit."""
    write_table(path, check_scores(table, path))


def read_scores(path: str | Path, any_scale: bool = False) -> pd.DataFrame:
    """Read and check a score table, or a submission.

    A table with ``id`` and ``target`` and without ``score`` is a submission: its target is the score, its experiment the file's
    name and its fingerprint the first twelve digits of the file's SHA-256; other columns are not used, and a note says so.
    ``any_scale``: scores that leave [0, 1] (logits, say) become ranks, for whoever looks at nothing but the order.
    Raises ``InputError`` as ``check_scores`` does.
    """
    table = read_table(path)
    if "score" not in table and {"id", "target"} <= set(table):
        ignore_columns(table, ["id", "target"], path)
        table = table[["id", "target"]].rename(columns={"target": "score"})
        table[[*ORIGIN]] = [MANY, Path(path).stem, MANY, sha256(path)[:12]]
    if any_scale and "score" in table:
        score = as_numbers(table["score"], np.float64, table["id"], path)
        if score.min() < 0 or score.max() > 1:
            table["score"] = rankdata(score) / len(score)
    return check_scores(table, path).reset_index(drop=True)


def gather_folds(tables: Sequence[pd.DataFrame], ids: Sequence[str], where: object = "out-of-fold table") -> pd.DataFrame:
    """Out-of-fold table: the folds' validation tables as one, with exactly one row for each of ``ids``, in their order.

    ``ids`` are the training ids (or those of the folds that were run). Raises ``InputError``, with counts and the
    first ids, when an id is missing, appears twice, or is no training id; and when the tables come from different
    experiments, seeds or fingerprints.
    """
    gathered = check_one_origin(tables, ("experiment", "seed", "fingerprint"), where)
    refuse(
        gathered["id"].duplicated(),
        gathered["id"],
        "appear twice",
        where,
        "each training row is validated in exactly one fold: use one fold file for all folds",
    )
    refuse(
        ~gathered["id"].isin(ids),
        gathered["id"],
        "are no training ids",
        where,
        "unlabelled or pseudo-labelled rows never enter the out-of-fold table",
    )
    ids = pd.Index(np.asarray(ids, dtype=object))
    refuse(~ids.isin(gathered["id"]), ids, "are missing", where, "run the folds that hold them, last batch included")
    return gathered.set_index("id").loc[ids].rename_axis("id").reset_index()


def mean_scores(tables: Sequence[pd.DataFrame], where: object = "mean of tables") -> pd.DataFrame:
    """The plain mean of the scores of several tables of the same ids, in the order of the first.

    Meant for the folds (and seeds) of one experiment on the test rows: one experiment and fingerprint, or
    ``InputError``; blending different ones is ``ensemble.blend``. Fold and seed become -1 where they differ.
    """
    check_one_origin(tables, ("experiment", "fingerprint"), where)
    values = np.stack([table["score"] for table in align(tables, where)])
    mean = tables[0].reset_index(drop=True).assign(score=values.mean(0))
    for name in ("fold", "seed"):
        found = {int(value) for table in tables for value in table[name].unique()}
        mean[name] = found.pop() if len(found) == 1 else MANY
    return check_scores(mean, where)


def align(tables: Sequence[pd.DataFrame], where: object) -> list[pd.DataFrame]:
    """The tables with their rows in the order of the first. Raises ``InputError`` unless all hold the same ids."""
    first = tables[0]["id"]
    for number, table in enumerate(tables[1:], start=2):
        label = f"{where}: table {number} ({table['experiment'].iloc[0]})"
        refuse(~table["id"].isin(first), table["id"], "are not in the first table", label, "use the same rows")
        refuse(~first.isin(table["id"]), first, "of the first table are missing", label, "use tables of the same rows")
    return [table.set_index("id").loc[first].reset_index() for table in tables]


def check_one_origin(tables: Sequence[pd.DataFrame], names: Sequence[str], where: object) -> pd.DataFrame:
    """All tables below each other. Raises ``InputError`` when there is none or one of the columns ``names`` differs."""
    if not len(tables):
        raise InputError("no score tables were given", where=where, remedy="predict at least one fold first")
    stacked = pd.concat([check_scores(table, where) for table in tables], ignore_index=True)
    for name in names:
        found = stacked[name].unique()
        if len(found) > 1:
            raise InputError(
                f"mixes the {name}s {', '.join(map(str, found[:3]))}", where=where, remedy="give tables of one run, or use blend"
            )
    return stacked
