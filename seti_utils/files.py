"""Files that are either complete or not there."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seti_utils.errors import InputError, explained

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    The data reach the disk (fsync) before the rename, so a crash or a full disk leaves the previous file intact;
    a failed block leaves no temporary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename == str(temporary):  # nobody knows that name
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_writable(folder: str | Path, remedy: str = "choose another place (--out)") -> None:
    """Raise ``InputError`` unless files can be written in ``folder``, or it can be made; writes nothing.

    A command that works for an hour before it writes asks first.
    """
    folder = Path(folder)
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError("is a file, where a folder is needed", where=nearest, remedy="give the name of a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError("cannot be written to", where=nearest, remedy=remedy)


def require_place(file: str | Path | None, remedy: str = "choose another place (--out)") -> None:
    """The same for a ``file`` that is to be written; None where none is asked for."""
    if file is None:
        return
    if Path(file).is_dir():
        raise explained(IsADirectoryError(errno.EISDIR, "", str(file)))
    require_writable(Path(file).absolute().parent, remedy)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable; a no-op where folders cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: str | Path, content: object) -> None:
    """Write ``content`` as indented JSON with a final newline, atomically. NaN is refused."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_object(path: str | Path, remedy: str, missing: tuple[str, str] = ("there is no such file", "check the path")) -> dict:
    """The JSON object in ``path``. Raises ``InputError``: with ``missing``, problem and remedy, where there is no file."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(missing[0], where=path, remedy=missing[1]) from error
    except ValueError as error:
        raise InputError(f"is not valid JSON ({error})", where=path, remedy=remedy) from error
    if not isinstance(content, dict):
        raise InputError("is not a JSON object", where=path, remedy=remedy)
    return content


def write_table(path: str | Path, table: "pd.DataFrame") -> None:
    """Write ``table`` as CSV without its index, atomically; floats keep all their digits."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
