"""Score tables: one row per cadence, and in every row where its score comes from."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from seti_utils.data.tables import as_numbers, ignore_columns, place_of, read_table, refuse
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_table
from seti_utils.wording import first_of

ORIGIN = ("fold", "experiment", "seed", "fingerprint")
MADE_FROM = ("data", "weights")
"""The content of the cadences' data (``data.content``) and the mark of the weights; empty where nobody says."""
NUMBERS = {"target": np.float64, "score": np.float64, "fold": np.int64, "seed": np.int64}
MANY = -1
"""The fold, or the seed, of a score that is a mean over several."""
PARTIAL = " partial"
"""What the mark of weights ends with whose training was not finished."""


def make_scores(
    ids: Collection[str],
    score: np.ndarray,
    *,
    fold: int | np.ndarray,
    experiment: str,
    seed: int,
    fingerprint: str,
    data: str = "",
    weights: str = "",
    target: np.ndarray | None = None,
) -> pd.DataFrame:
    """A checked score table with the columns id, [target], score, fold, experiment, seed, fingerprint, data, weights.

    ``data`` and ``weights`` say what the scores were made from, see ``MADE_FROM``. ``score`` is float64 ``(N,)`` in [0, 1];
    ``target`` is in [0, 1] where it is known; ``fold`` may differ by row. Raises ``InputError`` as ``check_scores`` does.
    """
    columns = {"id": np.asarray(ids, dtype=object)} | ({} if target is None else {"target": target})
    columns |= {"score": score, "fold": fold, "experiment": experiment, "seed": seed, "fingerprint": fingerprint}
    columns |= {"data": data, "weights": weights}
    lengths = {name: np.size(value) for name, value in columns.items() if np.ndim(value)}
    if len(set(lengths.values())) > 1:
        raise InputError(f"columns of different lengths: {lengths}", where=experiment)
    return check_scores(pd.DataFrame(columns, index=range(lengths["id"])), where=f"scores of {experiment}")


def check_scores(table: pd.DataFrame, where: object = "score table") -> pd.DataFrame:
    """The table with its columns in order and of the right types; ``MADE_FROM`` may be absent, other columns are left out.

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
    absent = dict.fromkeys([name for name in MADE_FROM if name not in table], "")
    target = ["target"] if "target" in table else []
    table = table.assign(**absent)[["id", *target, "score", *ORIGIN, *MADE_FROM]]
    for name in ("id", "experiment", "fingerprint", *MADE_FROM):
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
    ``any_scale``: scores that leave [0, 1] (logits, say) become ranks, where nothing but the order counts.
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


def gather_folds(tables: Sequence[pd.DataFrame], ids: Collection[str], where: object = "out-of-fold table") -> pd.DataFrame:
    """Out-of-fold table: the folds' validation tables as one, with exactly one row for each of ``ids``, in their order.

    ``ids`` are the training ids (or those of the folds that were run). Raises ``InputError``, with counts and the
    first ids, when an id is missing, appears twice, or is not a training id; and when the tables come from different
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
        "are not among the training ids",
        where,
        "unlabelled or pseudo-labelled rows never enter the out-of-fold table",
    )
    wanted = pd.Index(np.asarray(ids, dtype=object))
    refuse(
        ~wanted.isin(gathered["id"]), wanted.to_numpy(), "are missing", where, "run the folds that hold them, last batch included"
    )
    return gathered.set_index("id").loc[wanted].rename_axis("id").reset_index()


def mean_scores(tables: Sequence[pd.DataFrame], where: object = "mean of tables") -> pd.DataFrame:
    """The plain mean of the scores of several tables of the same ids, in the order of the first.

    Meant for the folds (and seeds) of one experiment on the test rows: one experiment and fingerprint, or
    ``InputError``; blending different ones is ``ensemble.blend``. Fold and seed become -1 where they differ.
    """
    check_one_origin(tables, ("experiment", "fingerprint"), where)
    tables = align(tables, where)
    values = np.stack([table["score"] for table in tables])
    mean = tables[0].assign(score=values.mean(0), data=same_data(tables, where), weights=made_by(tables))
    for name in ("fold", "seed"):
        found = {int(value) for table in tables for value in table[name].unique()}
        mean[name] = found.pop() if len(found) == 1 else MANY
    return check_scores(mean, where)


def align(tables: Sequence[pd.DataFrame], where: object) -> list[pd.DataFrame]:
    """The tables with their rows in the order of the first.

    Raises ``InputError`` unless all hold the same ids and, as far as they say, were made from the same data.
    """
    first = tables[0]["id"]
    same_data(tables, where)
    for number, table in enumerate(tables[1:], start=2):
        label = f"{where}: table {number} ({table['experiment'].iloc[0]})"
        refuse(~table["id"].isin(first), table["id"], "are not in the first table", label, "use the same rows")
        refuse(~first.isin(table["id"]), first, "are in the first table only", label, "use tables of the same rows")
    return [table.set_index("id").loc[first].reset_index() for table in tables]


def same_data(tables: Sequence[pd.DataFrame], where: object) -> str:
    """The content of the data that all ``tables`` were made from; empty where none says. Raises ``InputError`` for two."""
    said = {mark: table for table in tables for mark in pd.unique(table.get("data", pd.Series(dtype=str))) if mark}
    if len(said) > 1:
        names = " and ".join(f"{mark} ({table['experiment'].iloc[0]})" for mark, table in list(said.items())[:2])
        raise InputError(
            f"mixes scores of different data: content {names}", where=where, remedy="score the same data with all of them"
        )
    return next(iter(said), "")


def made_by(tables: Sequence[pd.DataFrame]) -> str:
    """The mark of the weights that made ``tables`` together: one for several, empty where a table is silent.

    Where some of them were not trained to the end it says so (``PARTIAL``) in any case.
    """
    marks = sorted({mark for table in tables for mark in pd.unique(table["weights"])})
    if len(marks) == 1:
        return marks[0]
    joined = "" if "" in marks else hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16]
    return (joined or "unknown") + PARTIAL if any(map(is_partial, marks)) else joined


def mixed(recipe: Sequence[object], tables: Sequence[pd.DataFrame]) -> str:
    """The fingerprint of what ``recipe``, plain values, makes of ``tables``: twelve hexadecimal digits."""
    origins = [table[["experiment", "seed", "fingerprint"]].drop_duplicates().values.tolist() for table in tables]
    return hashlib.sha256(json.dumps([*recipe, origins]).encode()).hexdigest()[:12]


def is_partial(mark: str) -> bool:
    """Whether ``mark`` is that of weights whose training was not finished."""
    return mark.endswith(PARTIAL)


def check_one_origin(tables: Sequence[pd.DataFrame], names: Sequence[str], where: object) -> pd.DataFrame:
    """All tables below each other. Raises ``InputError`` when there is none or one of the columns ``names`` differs."""
    if not len(tables):
        raise InputError("no score tables were given", where=where, remedy="predict at least one fold first")
    stacked = pd.concat([check_scores(table, where) for table in tables], ignore_index=True)
    for name in names:
        found = stacked[name].unique()
        if len(found) > 1:
            raise InputError(f"mixes the {name}s {first_of(found)}", where=where, remedy="give tables of one run, or use blend")
    same_data(tables, where)
    return stacked
