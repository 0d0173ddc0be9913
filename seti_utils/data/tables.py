"""Tables: one reader for every CSV that comes from outside, with every fault named by file and line.

The competition's ``id,target`` tables, submissions, score tables and row weights are all read here, as text: an id such as
``0012e4`` stays what it is, and every fault can be named by the line in which it stands.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seti_utils.errors import InputError
from seti_utils.notes import note
from seti_utils.wording import first_of, quantity, some_of

Ids = Sequence[str] | np.ndarray | pd.Series

SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
"""An id becomes a file's name, so nothing in it may leave the folder."""

LINE = "line"
"""Name of the index of a table that was read here: the line of the file, the header being line 1."""

SAVE = "save it as CSV: UTF-8, commas between columns, points in decimals"
FORMS = (
    (rb"\x93NUMPY", "is an array, not a table", "give the table"),
    (rb"PK\x03\x04", "is a zip archive or a spreadsheet, not a CSV table", f"unpack it, or {SAVE}"),
    (rb"\x1f\x8b", "is compressed (gzip)", "unpack it: gunzip"),
    (rb"version https://git-lfs", "is a Git-LFS pointer: the table itself was never downloaded", "fetch it: git lfs pull"),
    (rb"\s*<(!doctype|html|\?xml)", "is a web page, not a table", "log in to the site and download the file again"),
    (rb"\xff\xfe|\xfe\xff|.\x00.\x00|\x00.\x00.", "is UTF-16 text, as spreadsheets write it", SAVE),
)
"""Beginnings of files that are not CSV in UTF-8, what they are, and what to do."""

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_table(path: str | Path, missing: str = "check the path") -> pd.DataFrame:
    """The CSV at ``path`` as text columns, its index the line of each row in the file; blank lines are left out.

    Raises :class:`InputError` with file, line and remedy for a table that is missing (its remedy is ``missing``), empty or
    without rows, in another encoding or with another separator, a spreadsheet, a web page or an archive, with a column twice,
    or with a line of another length than the header.
    """
    rows, header = _rows(Path(path), missing)
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{quantity(len(row), 'value')} where the header has {len(header)}",
                where=path,
                line=number,
                remedy="write one value per column",
            )
    if not rows:
        raise InputError("the table has no rows", where=path, remedy="write its rows below the header")
    index = pd.Index([number for number, _ in rows], name=LINE)
    return pd.DataFrame(dict(zip(header, zip(*(row for _, row in rows), strict=True), strict=True)), index=index, dtype=object)


def read_targets(path: str | Path, labelled: bool = True) -> pd.DataFrame:
    """The table ``id,target`` at ``path``: id (str) and, when ``labelled``, target (int64, 0 or 1), in file order.

    Without ``labelled`` the target column may hold anything or be absent (a sample submission), and only ids return. Columns
    besides these two are not used, and a note says so. Raises :class:`InputError` as :func:`read_table` does, and for an absent
    column, an id that cannot be a file's name, a duplicate id, and a target other than 0 and 1.
    """
    table = read_table(path, "give a complete competition folder")
    wanted = ["id", "target"] if labelled else ["id"]
    require_columns(table, wanted, path)
    ignore_columns(table, ["id", "target"], path)
    check_ids(table["id"], path)
    if not labelled:
        return table[["id"]].reset_index(drop=True)
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    target = table["target"].str.strip().map(known)
    if (wrong := target.isna()).any():
        row = int(wrong.argmax())
        raise InputError(
            f"target {table['target'].iloc[row]!r} is neither 0 nor 1",
            where=path,
            **place_of(table["id"], row),
            remedy="write 1 for a cadence with a candidate signal, 0 for one without",
        )
    return pd.DataFrame({"id": table["id"].to_numpy(), "target": target.to_numpy(np.int64)})


def require_columns(table: pd.DataFrame, wanted: Sequence[str], path: object) -> None:
    """Raise ``InputError`` for the first of the columns ``wanted`` that the table lacks."""
    if absent := [name for name in wanted if name not in table]:
        raise InputError(
            f"column {absent[0]!r} is missing; the table has {', '.join(map(repr, table))}",
            where=path,
            line=1,
            remedy=f"the columns are {' and '.join(wanted)}",
        )


def ignore_columns(table: pd.DataFrame, used: Sequence[str], path: object) -> None:
    """Say which columns of a table are not used."""
    if more := [str(name) or "(no name)" for name in table if name not in used]:
        note(f"{path}: not used: column{'s' if len(more) > 1 else ''} {', '.join(more)}")


def check_ids(ids: pd.Series, path: object) -> None:
    """Raise ``InputError`` for an id that cannot be a file's name, or that is there twice."""
    wrong = ~ids.str.fullmatch(SAFE_ID.pattern)
    if wrong.any():
        row = int(wrong.argmax())
        name = ids.iloc[row]
        ending = name.endswith(".npy")
        raise InputError(
            f"id {name!r} {'is the name of a file' if ending else 'is not a valid id'}",
            where=path,
            **place_of(ids, row),
            remedy="leave out .npy" if ending else "ids are letters, digits, _ and -, without folders or file endings",
        )
    if (again := ids.duplicated()).any():
        row = int(again.argmax())
        first = ids.index[int((ids == ids.iloc[row]).argmax())]
        raise InputError(
            f"id {ids.iloc[row]!r} already appeared in line {first}",
            where=path,
            **place_of(ids, row),
            remedy="keep one row per id",
        )


def refuse(bad: ArrayLike, ids: Ids, do: str, where: object, remedy: str) -> None:
    """Raise ``InputError`` when any row is ``bad``: how many, the first three ids, and the line or row of the first."""
    rows = np.flatnonzero(bad)
    if len(rows):
        raise InputError(
            f"{some_of(len(rows), len(ids), 'ids', do)} ({first_of(np.asarray(ids, dtype=object)[rows])})",
            where=where,
            remedy=remedy,
            **place_of(ids, int(rows[0])),
        )


def place_of(ids: Ids, row: int) -> dict[str, int]:
    """Where ``InputError`` should point: the line in the file where ``ids`` were read from one, the row otherwise."""
    if isinstance(ids, pd.Series) and ids.index.name == LINE:
        return {"line": int(ids.index[row])}
    return {"row": row}


def as_numbers(column: pd.Series, kind: type, ids: pd.Series, where: object) -> np.ndarray:
    """``column`` as finite numbers of ``kind``, text parsed to the nearest float64; refused by name otherwise.

    pandas' own fast parser may miss the last bit, and its exact one is spelled differently in pandas 2 and 3.
    """
    try:
        values = column.to_numpy(dtype=object).astype(np.float64)
    except (ValueError, TypeError):
        row = int(np.argmax(pd.to_numeric(column, errors="coerce").isna()))
        text = column.iloc[row]
        comma = re.fullmatch(r"-?\d*,\d+", str(text).strip())
        raise InputError(
            f"{column.name} {text!r} of id {ids.iloc[row]} is not a number",
            where=where,
            remedy="write decimals with a point" if comma else "the table was edited or cut short: write it again",
            **place_of(ids, row),
        ) from None
    refuse(~np.isfinite(values), ids, f"have a {column.name} that is not finite", where, "predict these rows again")
    if kind is np.int64:
        refuse(values % 1 != 0, ids, f"have a {column.name} that is not a whole number", where, "write it again")
    return values.astype(kind)


def _rows(path: Path, missing: str) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Numbered rows below the header, and the header. Blank lines are skipped."""
    text = _text(path, missing)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise InputError(f"is not a CSV table ({error})", where=path, line=reader.line_num, remedy=SAVE) from error
    if not rows:
        raise InputError("the table is empty", where=path, remedy="write a header, and its rows below it")
    header = [name.strip() for name in rows[0][1]]
    if len(header) == 1 and (found := [mark for mark in SEPARATORS if mark in header[0]]):
        raise InputError(f"its columns are separated by {SEPARATORS[found[0]]}", where=path, line=1, remedy=SAVE)
    if len(set(header)) != len(header):
        raise InputError(f"a column appears twice: {', '.join(header)}", where=path, line=1, remedy="keep one of them")
    return rows[1:], header


def _text(path: Path, missing: str) -> str:
    """The file's text, once it is plain UTF-8."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("there is no such table", where=path, remedy=missing) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, remedy="give a CSV file") from error
    for beginning, problem, remedy in FORMS:
        if re.match(beginning, content, re.IGNORECASE | re.DOTALL):
            raise InputError(problem, where=path, remedy=remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte 0x{content[error.start]:02x})",
            where=path,
            line=content.count(b"\n", 0, error.start) + 1,
            remedy=SAVE,
        ) from error
