"""A packed store: all cadences of a split in one float16 ``.npy`` file, read several times as fast as single files.

A store is a folder with ``cadences.npy`` (rows, panels, 273, 256), ``index.csv`` (id, crc32 of the row's bytes) and
``store.json``, written last: without it the store is half-written and is never read.
"""

import json
import os
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import FREQ, PANEL_BYTES, TIME, Rows, panel_numbers
from seti_utils.data.competition import Competition
from seti_utils.data.content import refuse_other_content
from seti_utils.data.reading import read_at, read_header, runs
from seti_utils.data.sources import Source, buffer_of
from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.wording import first_of, some_of

ARRAY, INDEX, STORE = "cadences.npy", "index.csv", "store.json"
FORMAT = 1


class PackedCadences:
    """The cadences of a packed store.

    ``panels`` chooses among the stored ones (all of them by default); only their bytes are read. ``ids`` chooses and
    orders rows. Values were checked when packed and are not looked at again; :func:`verify` compares checksums.
    Raises :class:`InputError` when the store is missing, half-written or not of one piece, or lacks a panel or an id.
    """

    def __init__(self, folder: str | Path, panels: str | Sequence[int] | None = None, ids: Collection[str] | None = None):
        self.folder = Path(folder)
        self.about = read_about(self.folder)
        stored = tuple(self.about["panels"])
        self.panels = stored if panels is None else panel_numbers(panels)
        if absent := sorted(set(self.panels) - set(stored)):
            raise InputError(f"the store has no panels {absent}", where=self.folder, remedy="pack with --panels all")
        all_ids = read_index(self.folder, self.about)["id"].to_numpy(dtype=object)
        self.ids = all_ids if ids is None else np.asarray(ids, dtype=object)
        self._places = _places(all_ids, self.ids, self.folder)
        self._row_bytes = len(stored) * PANEL_BYTES
        self._runs = runs(tuple(stored.index(panel) for panel in self.panels))
        self._start = _data_start(self.folder / ARRAY, (self.about["rows"], len(stored), TIME, FREQ))
        self._handle = os.open(self.folder / ARRAY, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._closed = weakref.finalize(self, os.close, self._handle)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def array(self) -> np.ndarray:
        """The whole store memory-mapped, read-only: float16 (rows, stored panels, 273, 256), in the store's order."""
        return np.load(self.folder / ARRAY, mmap_mode="r", allow_pickle=False)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with the cadences of ``rows``."""
        _, memory, size = buffer_of(out, rows, self.panels)
        for place, row in enumerate(rows):
            at = place * size
            for offset, length in self._pieces(row):
                if read_at(self._handle, [memory[at : at + length]], offset) != length:
                    raise InputError(
                        "the store is shorter than it was",
                        where=self.folder / ARRAY,
                        row=int(row),
                        remedy="delete the folder and pack again",
                    )
                at += length

    def will_need(self, rows: Rows) -> None:
        """Start reading ``rows`` into the page cache."""
        if hasattr(os, "posix_fadvise"):
            for offset, length in (piece for row in rows for piece in self._pieces(row)):
                os.posix_fadvise(self._handle, offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the file; dropping the object does it too."""
        self._closed()

    def _pieces(self, row: int) -> list[tuple[int, int]]:
        """(offset, bytes) of each stretch of wanted panels of one row."""
        start = self._start + int(self._places[row]) * self._row_bytes
        return [(start + first * PANEL_BYTES, count * PANEL_BYTES) for first, count in self._runs]


def open_cadences(
    competition: Competition, split: str, packed: str | Path | None = None, panels: str | Sequence[int] = "all"
) -> Source:
    """The cadences of ``split`` in the order of the competition's table: from the store ``packed``, or from files.

    ``packed`` is the folder given to :func:`seti_utils.data.store.pack`, or the split's own folder in it. Raises
    :class:`InputError` when the store is of another split or era, or lacks cadences or panels.
    """
    table = competition.split(split)
    if packed is None:
        return competition.open(split, panels)
    inside = Path(packed) / split
    folder = inside if inside.is_dir() else Path(packed)
    about = read_about(folder)
    if (about["split"], about["era"]) != (split, competition.era):
        raise InputError(
            f"the store holds {about['split']} of the {about['era']} data, not {split} of the {competition.era} data",
            where=folder,
            remedy="point to the other store, or pack this one",
        )
    pack = f"python -m seti_utils pack {competition.root} FOLDER"
    refuse_other_content(about.get("content"), competition, folder, f"give the store of this data, or pack it: {pack}")
    return PackedCadences(folder, panels, table["id"])


def read_about(folder: str | Path) -> dict:
    """The content of ``store.json``: format, split, era, panels, rows, index (its sha256)."""
    folder = Path(folder)
    if not (folder / STORE).is_file():
        half = any(folder.glob("*.part"))
        if half:
            raise InputError("the store is only half-written", where=folder, remedy="run the same pack command again; it resumes")
        raise InputError("there is no packed store", where=folder, remedy="make one: python -m seti_utils pack")
    try:
        about = json.loads((folder / STORE).read_text(encoding="utf-8"))
        known = about["format"] == FORMAT and {"split", "era", "panels", "rows", "index"} <= set(about)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError(f"is not a store of format {FORMAT}", where=folder / STORE, remedy="delete the folder and pack again")
    return about


def read_index(folder: Path, about: dict) -> pd.DataFrame:
    """The table id (str), crc32 (int64) of a store, checked against the fingerprint in ``store.json``."""
    path = folder / INDEX
    if not path.is_file() or sha256(path) != about["index"]:
        raise InputError("the store's index is missing or was changed", where=path, remedy="delete the folder and pack again")
    return pd.read_csv(path, dtype={"id": str, "crc32": "int64"}, keep_default_na=False)


def _places(all_ids: np.ndarray, ids: np.ndarray, folder: Path) -> np.ndarray:
    """The stored row of each of ``ids``."""
    where = {name: place for place, name in enumerate(all_ids)}
    if absent := [name for name in ids if name not in where]:
        raise InputError(
            f"{some_of(len(absent), len(ids), 'cadences', 'are not in the store')}: {first_of(absent)}",
            where=folder,
            remedy="pack a store of these data",
        )
    return np.array([where[name] for name in ids], dtype=np.int64)


def _data_start(path: Path, shape: tuple[int, ...]) -> int:
    """Where the values begin in the ``.npy`` file, once it is what ``store.json`` says and whole."""
    again = "delete the folder and pack again"
    try:
        found, dtype, offset = read_header(path)
    except (InputError, OSError) as error:
        problem = error.problem if isinstance(error, InputError) else error.strerror
        raise InputError(f"the store's array cannot be read ({problem})", where=path, remedy=again) from error
    if found != shape or dtype != np.float16:
        raise InputError(f"the store's array is {dtype} {found}, not float16 {shape}", where=path, remedy=again)
    return offset
