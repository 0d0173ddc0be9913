"""What the arrays of a competition folder are, as a fingerprint: equal ids do not make equal data.

Of every file its size, its header and one time row of each panel are read. Every panel is normalised as a whole, so any
other array differs in these rows; a few pixels changed by hand elsewhere do not show (``pack --verify`` reads all).
100,000 files take about 5 s from the page cache on two cores, and as long as opening them takes from a disk. The
outcome can be kept in a file, for as long as sizes and times of all files stay what they were (0.5 s).
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from seti_utils.claims import UNSAID
from seti_utils.data.cadence import FILE_BYTES, FREQ, HEADER_BYTES, PANEL_BYTES, PANELS, TIME
from seti_utils.data.competition import Competition
from seti_utils.data.reading import unreadable
from seti_utils.errors import InputError
from seti_utils.files import write_json
from seti_utils.notes import note
from seti_utils.wording import first_of, some_of

ROW_BYTES = FREQ * 2
STARTS = tuple(HEADER_BYTES + panel * PANEL_BYTES + TIME // 3 * ROW_BYTES for panel in range(PANELS))
"""Where the row of each panel begins in a file: not the middle one, which a panel reversed in time would have too."""

THREADS, FILES = 16, 256
"""Threads that look, and files that each looks at in turn: a disk answers many questions at once."""

KEPT_FILE, WORTH_KEEPING = ".content.json", 2000
"""Where outcomes are kept, and the number of files from which that is worth while."""
SETTLED_S = 5
"""Age of the youngest file below which it is not: it may change again within its time's resolution."""

OFF_SCALE = 3.0
"""A cadence that is this many times louder than most in most of its panels, or fainter as a whole, was not normalised alike. A
burst or a needle makes a row loud in a panel or in three."""


@dataclass(frozen=True)
class Content:
    """Sixteen hexadecimal digits of all files (``mark``), how many there are, and what a person should know of them.

    ``blank``: ids with a panel that is constant; ``off_scale``: ids of another scale than most.
    """

    mark: str
    rows: int
    blank: tuple[str, ...] = ()
    off_scale: tuple[str, ...] = ()

    def remarks(self, split: str) -> list[str]:
        """What is odd about the arrays, in whole sentences."""
        odd = (
            (self.blank, "have a panel without any signal (all values equal)", "nothing can be seen in it"),
            (
                self.off_scale,
                f"are on another scale, more than {OFF_SCALE:.0f} times louder or fainter than most",
                "they may come from another version of the data",
            ),
        )
        return [
            f"{some_of(len(ids), self.rows, f'{split} cadences', what)} ({first_of(ids)}): {so}" for ids, what, so in odd if ids
        ]


_KNOWN: WeakKeyDictionary[Competition, dict[str, Content]] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Competition, Path] = WeakKeyDictionary()


def keep_content(competition: Competition, folder: str | Path) -> None:
    """From now on keep what a look at ``competition`` tells in ``folder``, where there are many files to look at."""
    _KEPT[competition] = Path(folder) / KEPT_FILE


def content_of(competition: Competition, split: str) -> Content:
    """The content of ``split``, looked at once per opened competition. Raises ``InputError`` for an unreadable file."""
    known = _KNOWN.setdefault(competition, {})
    if split not in known:
        table, keep = competition.split(split), _KEPT.get(competition)
        key = _state(table["path"]) if keep and len(table) >= WORTH_KEEPING else None
        seen = _kept(keep, key) if keep and key else None
        known[split] = seen or _looked_at(list(table["id"]), list(table["path"]))
        if keep and key:
            _keep(keep, key, known[split])
    return known[split]


def marks_of(competition: Competition, *splits: str) -> dict[str, str]:
    """The content's mark of every split that has cadences, or of those that are named."""
    there = [split for split in splits or ("train", "test") if len(competition.split(split))]
    return {split: content_of(competition, split).mark for split in there}


def refuse_other_content(there: Mapping[str, str] | None, competition: Competition, where: object, remedy: str) -> None:
    """Raise ``InputError`` when ``where`` was made from other arrays than this competition's.

    ``there``: the marks that it carries, by split; None from versions that wrote none, of which a note says so.
    """
    if there is None:
        note(f"{where} {UNSAID}")
        return
    for split, mark in there.items():
        here = marks_of(competition, split).get(split)
        if here not in (None, mark):
            raise InputError(
                f"was made from other data: its {split} cadences have content {mark}, those of {competition.root} have {here}",
                where=where,
                remedy=remedy,
            )


def _looked_at(ids: list[str], paths: list[str]) -> Content:
    """One look at every file."""
    parts = [paths[start : start + FILES] for start in range(0, len(paths), FILES)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(_sampled, parts))
    digests, low, high, whole, panels = (np.concatenate(column) for column in zip(*found, strict=True))
    total = hashlib.sha256()
    for place in np.argsort(np.array(ids)):  # the order of a table says nothing about its arrays
        total.update(f"{ids[place]} {digests[place]}\n".encode())
    names = np.array(ids, dtype=object)
    usual = np.median(whole[whole > 0]) if (whole > 0).any() else 1.0
    far = ((panels > OFF_SCALE * usual).sum(1) > PANELS // 2) | ((whole > 0) & (whole < usual / OFF_SCALE))
    return Content(total.hexdigest()[:16], len(ids), tuple(names[(low == high).any(1)]), tuple(names[far]))


def _sampled(paths: list[str]) -> tuple[np.ndarray, ...]:
    """Digest (n,), lowest and highest value (n, 6) of the sampled rows, and their deviation, of all together (n,) and of each
    (n, 6), of each file."""
    digests, rows = [], np.full((len(paths), PANELS, FREQ), np.nan, np.float16)
    for place, path in enumerate(paths):
        try:
            with open(path, "rb", buffering=0) as file:
                pieces, size = [file.read(HEADER_BYTES)], os.fstat(file.fileno()).st_size
                for start in STARTS:
                    file.seek(start)
                    pieces.append(file.read(ROW_BYTES))
        except OSError as error:
            raise unreadable(path, error) from error
        digests.append(hashlib.sha256(b"".join(pieces) + str(size).encode()).hexdigest())
        for panel, piece in enumerate(pieces[1:]):
            if size == FILE_BYTES:  # of other formats nothing but the bytes is known here
                rows[place, panel] = np.frombuffer(piece, np.float16)
    with np.errstate(invalid="ignore", over="ignore"):  # values that are not finite are refused when the file is read
        wide = rows.astype(np.float32)
        whole, panels = (np.nan_to_num(wide.std(axes), nan=0.0, posinf=0.0) for axes in ((1, 2), 2))
    return np.array(digests), rows.min(2), rows.max(2), whole, panels


def _state(paths: Iterable[str]) -> str | None:
    """A digest of names, sizes and times of all files; None while they are too young to be told apart by times."""
    total, youngest = hashlib.sha256(b"a needle is not another scale"), 0.0  # what was kept before is looked at anew
    for path in paths:
        about = os.stat(path)
        youngest = max(youngest, about.st_mtime, about.st_ctime)
        total.update(f"{path} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}\n".encode())
    return total.hexdigest() if youngest < time.time() - SETTLED_S else None


def _kept(path: Path, key: str) -> Content | None:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))[key]
        return Content(about["mark"], about["rows"], tuple(about["blank"]), tuple(about["off_scale"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, key: str, content: Content) -> None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    try:
        write_json(path, {**known, key: asdict(content)})
    except OSError:  # only a convenience: what has to be written here will be refused by itself
        pass
