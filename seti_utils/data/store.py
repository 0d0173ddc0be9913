"""Packing: a store written in order, checked, verified, and continued where a killed run left off.

While it is being written a store has ``begun.json`` (what it will be), ``cadences.npy.part`` and ``crc32.part``, a
journal with one line per row whose bytes have reached the disk. Finishing renames the array and writes ``store.json``
last, so a store is either whole or not one.
"""

import errno
import hashlib
import io
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.claims import Claim
from seti_utils.data.batches import batches
from seti_utils.data.cadence import FREQ, PANEL_BYTES, TIME
from seti_utils.data.competition import Competition
from seti_utils.data.content import keep_content, marks_of
from seti_utils.data.packed import ARRAY, FORMAT, INDEX, STORE, PackedCadences, read_index
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.files import sha256, sync_folder, write_table
from seti_utils.progress import progress
from seti_utils.wording import first_of, some_of

CLAIM = Claim("packed store", STORE, "begun.json", key=None)
PART, JOURNAL = f"{ARRAY}.part", "crc32.part"
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
    is faulty, when the disk cannot hold the store (naming the bytes needed; nothing is written), when it fills up
    all the same, or when the folder holds another store.
    """
    table = competition.split(split)
    if not len(table):
        raise InputError(f"{split} has no cadences", where=competition.root, remedy="pack a split that has some")
    keep_content(competition, out)
    about, content = {"split": split, "era": competition.era}, marks_of(competition, split)
    source = competition.open(split, panels)
    return pack_source(source, Path(out) / split, about, content, workers=workers, quiet=quiet)


def pack_source(
    source: Source,
    folder: str | Path,
    about: dict,
    content: dict[str, str],
    *,
    workers: int | None = None,
    quiet: bool = False,
) -> Path:
    """Pack all cadences of ``source`` into ``folder``, in their order, as :func:`pack` does.

    ``about``: ``split``, ``era`` and whatever else makes the store what it is; ``content``: that of the data which it is
    made from. A folder that holds another store, or one from other data, is refused.
    """
    folder = Path(folder)
    plan = {
        "format": FORMAT,
        **about,
        "panels": list(source.panels),
        "rows": len(source),
        "ids": hashlib.sha256("\n".join(source.ids).encode()).hexdigest(),
    }
    if not CLAIM.find(folder, plan, content):
        _check_room(folder, len(_header(plan)) + len(source) * len(source.panels) * PANEL_BYTES)
    with CLAIM.taken(folder, plan, content) as free:
        if free:
            _fill(folder, source, plan, workers, quiet)
    PackedCadences(folder)
    return folder


def _fill(folder: Path, source: Source, plan: dict, workers: int | None, quiet: bool) -> None:
    """Write what is not there yet, then the index and the description."""
    header, size = _header(plan), len(source.panels) * PANEL_BYTES
    if not ((folder / ARRAY).is_file() and (folder / JOURNAL).is_file()):
        done = _done(folder, len(header), size)
        try:
            _write(folder, source, header, size, done, workers, quiet)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(
                "the disk is full; what has been packed is kept",
                where=folder,
                remedy="free some space and run the same command again; it resumes",
            ) from error
        os.replace(folder / PART, folder / ARRAY)
        sync_folder(folder)
    checksums = [int(line) for line in (folder / JOURNAL).read_text(encoding="ascii").split()]
    write_table(folder / INDEX, pd.DataFrame({"id": source.ids, "crc32": checksums}))
    CLAIM.finish(folder, CLAIM.read(folder / CLAIM.begun) | {"index": sha256(folder / INDEX)})
    (folder / JOURNAL).unlink(missing_ok=True)


def verify(folder: str | Path, competition: Competition | None = None, *, quiet: bool = False) -> int:
    """Read the whole store and compare every row with its checksum, and with the file of ``competition`` that it came from.

    Returns the number of rows. Raises :class:`InputError` naming the rows that are damaged, or that the files have otherwise.
    """
    store = PackedCadences(folder)
    wanted = read_index(store.folder, store.about)["crc32"].to_numpy()
    source = None if competition is None else _files(store, competition)
    streams = [batches(one, None, np.arange(len(store)), BATCH) for one in (store, source) if one is not None]
    damaged, other = [], []
    for batch, *file in _shown(zip(*streams, strict=True), len(store), f"verifying {folder}", quiet):
        for place, row in enumerate(batch.rows.tolist()):
            x_PTF = batch.x[place].numpy()
            if zlib.crc32(x_PTF) != wanted[row]:
                damaged.append(row)
            elif file and competition and not _alike(x_PTF, file[0].x[place].numpy(), competition.renormalise):
                other.append(row)
    for rows, problem, remedy in (
        (damaged, "are damaged", "delete the folder and pack again"),
        (other, f"are not from {competition and competition.root}", "it was packed from other data: pack these again"),
    ):
        if rows:
            raise InputError(
                f"{some_of(len(rows), len(store), 'cadences', problem)}: {first_of(store.ids[rows])}",
                where=store.folder,
                row=rows[0],
                remedy=remedy,
            )
    return len(store)


def _files(store: PackedCadences, competition: Competition) -> Source:
    """The files of the store's cadences, in its order."""
    known = set(competition.split(store.about["split"])["id"])
    if absent := [name for name in store.ids if name not in known]:
        raise InputError(
            f"{some_of(len(absent), len(store), 'cadences', f'are not in {competition.root}')}: {first_of(absent)}",
            where=store.folder,
            remedy="give the data that it was packed from",
        )
    return competition.open(store.about["split"], store.panels, store.ids)


def _alike(stored: np.ndarray, file: np.ndarray, renormalised: bool) -> bool:
    """Whether a stored cadence is that of its file: bit for bit, but for the last bits of a mean where it was re-normalised."""
    return np.array_equal(stored, file) or (renormalised and np.allclose(stored, file, rtol=2e-3, atol=2e-3))


def _shown(stream: Iterator, rows: int, desc: str, quiet: bool) -> Iterable:
    return stream if quiet else progress(stream, -(-rows // BATCH), desc, "batch")


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
    there = [path.stat().st_size for path in (folder / PART, folder / ARRAY) if path.is_file()]
    needed = total - max(there, default=0) + SPARE
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
