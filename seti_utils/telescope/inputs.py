"""What a person gives to a search: six files, one, a folder of six, or a list of many cadences."""

import re
from collections.abc import Sequence
from pathlib import Path

from seti_utils.data.cadence import PANELS
from seti_utils.errors import InputError
from seti_utils.telescope.cadences import Cadence, open_cadence
from seti_utils.telescope.header import parse_replacements
from seti_utils.wording import first_of, quantity

ENDINGS = (".h5", ".hdf5", ".fil")
LISTS = (".txt", ".lst", ".csv", ".list")


def cadence_paths(given: Sequence[Path]) -> list[list[Path]]:
    """The files of every cadence: of six paths, one path, one folder with six files, or one list (:func:`read_list`)."""
    if len(given) == 1 and given[0].is_dir():
        return [folder_files(given[0])]
    if len(given) == 1 and given[0].suffix.lower() in LISTS:
        return read_list(given[0])
    return [list(given)]


def folder_files(folder: Path) -> list[Path]:
    """The six telescope files of a folder. Raises ``InputError`` listing what is there instead."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if len(files) == PANELS:
        return files
    names = first_of((path.name for path in files), 8)
    raise InputError(
        f"holds {quantity(len(files), 'telescope file')}{': ' + names if files else ''}",
        where=folder,
        remedy="a cadence is six; give the six paths, or a list of cadences (one line of six paths each)",
    )


def read_list(path: Path) -> list[list[Path]]:
    """Cadences from a text file: six paths per line (spaces, tabs or commas between them), or one path per line, six by six.

    Empty lines and those that begin with # are left out; relative paths count from the list's folder. Raises
    ``InputError`` naming the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("there is no such file", where=path, remedy="give six telescope files, or a list of them") from None
    except UnicodeDecodeError:
        raise InputError("is not a text file", where=path, remedy="write one line of six paths per cadence") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise InputError("is empty", where=path, remedy="write one line of six paths per cadence")
    split = [(number, [word for word in re.split(r"[,;\t ]+", line) if word]) for number, line in lines]
    if all(len(words) == 1 for _, words in split):
        if len(split) % PANELS:
            raise InputError(
                f"lists {quantity(len(split), 'file')}", where=path, remedy="six of each cadence, one after the other"
            )
        words = [words[0] for _, words in split]
        groups = [words[start : start + PANELS] for start in range(0, len(words), PANELS)]
    else:
        for number, words in split:
            if len(words) != PANELS:
                raise InputError(
                    f"{quantity(len(words), 'path')}", where=path, line=number, remedy="six per line, or one per line throughout"
                )
        groups = [words for _, words in split]
    return [[path.parent / word for word in group] for group in groups]


def open_cadences(
    given: Sequence[Path],
    *,
    header: Sequence[str] = (),
    planes: Sequence[int] | None = None,
    order: str | None = None,
) -> list[Cadence]:
    """Every cadence that was given, opened; see :func:`cadences.open_cadence`."""
    groups = cadence_paths(given)
    replaced = {len(group): parse_replacements(list(header), len(group)) for group in groups}
    return [open_cadence(group, replaced[len(group)], planes=planes, order=order) for group in groups]


def parse_planes(text: str | None) -> tuple[int, ...] | None:
    """``"0,1"`` as plane numbers."""
    if text is None:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise InputError(f"--planes {text}", remedy="write plane numbers, e.g. 0 or 0,1")
    return tuple(int(word) for word in text.split(","))
