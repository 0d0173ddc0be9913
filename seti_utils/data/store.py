"""Packing: a store written in order, checked, verified, and continued where a killed run left off.

While it is being written a store has ``begun.json`` (what it will be), ``cadences.npy.part`` and ``crc32.part``, a
journal with one line per row whose bytes have reached the disk. Finishing renames the array and writes ``store.json``
last, so a store is either whole or not one.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.batches import Batch, batches
from seti_utils.data.cadence import FREQ, PANEL_BYTES, TIME
from seti_utils.data.competition import Competition
from seti_utils.data.packed import ARRAY, FORMAT, INDEX, STORE, PackedCadences, read_index
from seti_utils.data.sources import FileCadences, Source
from seti_utils.errors import InputError
from seti_utils.files import sha256, sync_folder, write_json, write_table
from seti_utils.progress import progress

BEGUN, PART, JOURNAL = "begun.json", f"{ARRAY}.part", "crc32.part"
SPARE = 64 << 20
"""Bytes of disk that packing leaves free."""
BATCH = 32


def pack(
    competition: Competition,
    out: str | Path,
    split: str = "train",
    panels: str | Sequence[int] = "all",
    *,
    workers: int | None = None,
    quiet: bool = False,
) -> Path:
    """Pack ``split`` of the competition into the folder ``out``/``split``, which is returned.

    ``panels="on"`` keeps the ON panels only, half the bytes. Old data are re-normalised on the way. Running it again
    continues a store that was not finished, and leaves a finished one as it is. Raises :class:`InputError` when a file
    is faulty, when the disk will not hold the store (naming the bytes needed; nothing is written), when it fills up
    all the same, or when the folder holds another store.
    """
    table = competition.split(split)
    if not len(table):
        raise InputError(f"{split} has no cadences", where=competition.root, remedy="pack a split that has some")
    source = FileCadences(table["id"], table["path"], competition.renormalise, panels)
    return pack_source(source, Path(out) / split, {"split": split, "era": competition.era}, workers=workers, quiet=quiet)


def pack_source(source: Source, folder: str | Path, about: dict, *, workers: int | None = None, quiet: bool = False) -> Path:
    """Pack all cadences of ``source`` into ``folder``, in their order, as :func:`pack` does.

    ``about``: ``split``, ``era`` and whatever else makes the store what it is; one with other content is refused.
    """
    folder = Path(folder)
    plan = {
        "format": FORMAT,
        **about,
        "panels": list(source.panels),
        "rows": len(source),
        "ids": hashlib.sha256("\n".join(source.ids).encode()).hexdigest(),
    }
    if _settle(folder, plan):
        PackedCadences(folder)
        return folder
    header, size = _header(plan), len(source.panels) * PANEL_BYTES
    if not ((folder / BEGUN).is_file() and (folder / ARRAY).is_file() and (folder / JOURNAL).is_file()):
        done = _done(folder, len(header), size)
        _check_room(folder, len(header) + len(source) * size)
        write_json(folder / BEGUN, plan)
        try:
            _write(folder, source, header, size, done, workers, quiet)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(
                "the disk is full; what was packed stays",
                where=folder,
                remedy="make room and run the same command again, it continues",
            ) from error
        os.replace(folder / PART, folder / ARRAY)
        sync_folder(folder)
    _finish(folder, plan, source.ids)
    return folder


def verify(folder: str | Path, quiet: bool = False) -> int:
    """Read the whole store and compare every row with its checksum; returns the number of rows.

    Raises :class:`InputError` naming the damaged rows.
    """
    store = PackedCadences(folder)
    wanted = read_index(store.folder, store.about)["crc32"].to_numpy()
    stream = batches(store, None, np.arange(len(store)), BATCH)
    bad = []
    for batch in _shown(stream, len(store), f"verifying {folder}", quiet):
        bad += [int(row) for row, one in zip(batch.rows, batch.x.numpy(), strict=True) if zlib.crc32(one) != wanted[row]]
    if bad:
        raise InputError(
            f"{len(bad)} of {len(store)} cadences are damaged: {', '.join(store.ids[bad[:3]])}",
            where=store.folder,
            row=bad[0],
            remedy="delete the folder and pack again",
        )
    return len(store)


def _shown(stream: Iterator[Batch], rows: int, desc: str, quiet: bool) -> Iterable[Batch]:
    return stream if quiet else progress(stream, -(-rows // BATCH), desc, "batch")


def _settle(folder: Path, plan: dict) -> bool:
    """Whether the finished store is there already; refuses a folder that holds, or began, another one."""
    for name in (STORE, BEGUN):
        if (folder / name).is_file():
            try:
                there = json.loads((folder / name).read_text(encoding="utf-8"))
            except ValueError:
                there = None
            if not isinstance(there, dict) or {key: there.get(key) for key in plan} != plan:
                raise InputError(
                    "the folder holds another store", where=folder, remedy="choose another folder, or delete this one"
                )
            return name == STORE
    return False


def _header(plan: dict) -> bytes:
    header = io.BytesIO()
    shape = (plan["rows"], len(plan["panels"]), TIME, FREQ)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _done(folder: Path, start: int, size: int) -> int:
    """Rows that reached the disk; the journal is cut back to them."""
    journal, part = folder / JOURNAL, folder / PART
    if not journal.is_file() or not part.is_file():
        return 0
    lines = journal.read_text(encoding="ascii").split("\n")[:-1]  # a last line without its end was being written
    lines = lines[: max(0, (part.stat().st_size - start) // size)]
    journal.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return len(lines)


def _check_room(folder: Path, total: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / PART
    needed = total - (part.stat().st_size if part.is_file() else 0) + SPARE
    if (free := shutil.disk_usage(folder).free) < needed:
        raise InputError(
            f"the disk has {free / 1e9:,.2f} GB free, the store needs {needed / 1e9:,.2f} GB",
            where=folder,
            remedy="choose another disk, or pack the ON panels only (half the size)",
        )


def _write(folder: Path, source: Source, header: bytes, size: int, done: int, workers: int | None, quiet: bool) -> None:
    stream = batches(source, None, np.arange(done, len(source)), BATCH, workers=workers)
    with (
        open(folder / PART, "r+b" if done else "wb") as array,
        open(folder / JOURNAL, "a" if done else "w", encoding="utf-8") as journal,
    ):
        array.write(header)
        array.seek(len(header) + done * size)
        for batch in _shown(stream, len(source) - done, f"packing {folder}", quiet):
            x_BPTF = batch.x.numpy()
            array.write(x_BPTF)
            array.flush()
            os.fsync(array.fileno())
            journal.writelines(f"{zlib.crc32(one)}\n" for one in x_BPTF)
            journal.flush()


def _finish(folder: Path, plan: dict, ids: np.ndarray) -> None:
    checksums = [int(line) for line in (folder / JOURNAL).read_text(encoding="ascii").split()]
    write_table(folder / INDEX, pd.DataFrame({"id": ids, "crc32": checksums}))
    write_json(folder / STORE, plan | {"index": sha256(folder / INDEX)})
    for name in (BEGUN, JOURNAL):
        (folder / name).unlink(missing_ok=True)
