"""The competition's two-column tables, read with every fault named by file and line."""

import csv
import re
from pathlib import Path

import pandas as pd

from seti_utils.errors import InputError

SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
"""An id becomes a file's name, so nothing in it may leave the folder."""


def read_targets(path: str | Path, labelled: bool = True) -> pd.DataFrame:
    """The table ``id,target`` at ``path``: id (str) and, when ``labelled``, target (int64, 0 or 1), in file order.

    Without ``labelled`` the target column may hold anything or be absent (a sample submission), and only ids return.
    Raises :class:`InputError` with file, line (the header is line 1) and remedy for: a missing, empty or unreadable
    table, unknown, repeated or absent columns, a line of another length, an id that is no plain name, a duplicate
    id, and a target other than 0 and 1.
    """
    lines, header = _lines(Path(path))
    _check_header(header, path, labelled)
    ids, targets, seen = [], [], {}
    at_id, at_target = header.index("id"), header.index("target") if labelled else None
    for number, line in lines:
        if len(line) != len(header):
            raise InputError(
                f"{len(line)} values where the header has {len(header)}",
                where=path,
                row=number,
                remedy="write one value per column",
            )
        name = line[at_id]
        if not SAFE_ID.fullmatch(name):
            raise InputError(
                f"id {name!r} is no plain name",
                where=path,
                row=number,
                remedy="ids are letters, digits, _ and -, without folders or file endings",
            )
        if (first := seen.setdefault(name, number)) != number:
            raise InputError(
                f"id {name!r} was there already in row {first}", where=path, row=number, remedy="keep one row per id"
            )
        ids.append(name)
        if labelled:
            targets.append(_target(line[at_target], path, number))
    if not ids:
        raise InputError("the table has no rows", where=path, remedy="write one row per cadence below the header")
    return pd.DataFrame({"id": ids, "target": targets} if labelled else {"id": ids})


def _lines(path: Path) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Numbered lines below the header, and the header. Blank lines are skipped."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, line) for line in reader if line]
    except FileNotFoundError:
        raise InputError("there is no such table", where=path, remedy="give a complete competition folder") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"this is no CSV table ({error})", where=path, remedy="write it as UTF-8 CSV") from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, remedy="check the file") from error
    if not lines:
        raise InputError("the table is empty", where=path, remedy="write the header id,target and one row per cadence")
    return lines[1:], [name.strip() for name in lines[0][1]]


def _check_header(header: list[str], path: str | Path, labelled: bool) -> None:
    wanted = ["id", "target"]
    if unknown := [name for name in header if name not in wanted]:
        raise InputError(f"unknown columns {unknown}", where=path, row=1, remedy="the columns are id and target")
    if len(set(header)) != len(header):
        raise InputError(f"a column is there twice: {header}", where=path, row=1, remedy="the columns are id and target")
    if absent := [name for name in wanted[: 2 if labelled else 1] if name not in header]:
        raise InputError(f"column {absent[0]!r} is missing", where=path, row=1, remedy="the columns are id and target")


def _target(text: str, path: str | Path, number: int) -> int:
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    if text.strip() not in known:
        raise InputError(
            f"target {text!r} is neither 0 nor 1",
            where=path,
            row=number,
            remedy="write 1 for a cadence with a candidate signal, 0 for one without",
        )
    return known[text.strip()]
