"""Downloads the competition's data: disk checked first, resumable, unpacked, verified."""

import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

from seti_utils.data.cadence import FILE_BYTES
from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.kaggle.client import ask
from seti_utils.kaggle.competition import COMPETITION, about
from seti_utils.kaggle.datasets import DOWNLOAD_S
from seti_utils.kaggle.errors import NoSpace
from seti_utils.progress import progress
from seti_utils.session.errors import HostileName, Unverified
from seti_utils.wording import quantity

GB = 10**9
PARTIAL = ".kaggle-partial"
"""What the client appends to a download's name for its note of what was begun."""
CURRENT_BYTES, OLD_BYTES = 84 * GB, 72 * GB


def download(
    out: str | Path,
    *,
    old: bool = False,
    keep_archive: bool = False,
    competition: str = COMPETITION,
    archive_bytes: int = CURRENT_BYTES + OLD_BYTES,
    unpacked_bytes: int | None = None,
) -> dict[str, int]:
    """Download and unpack the competition into ``out``; returns the number of train and test cadences.

    The archive holds old and current data (156 GB at most); of the old ones only ``old`` unpacks any. What a stopped
    call left is used: a complete or partial archive, unpacked files of the right size. Raises ``NoSpace`` before the
    first byte if the disk cannot hold archive and files, ``Unverified`` if a file is missing or of the wrong size.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{competition}.zip"
    unpacked_bytes = unpacked_bytes if unpacked_bytes is not None else CURRENT_BYTES + old * OLD_BYTES
    require_space(out, archive_bytes + unpacked_bytes, archive)
    if not complete(archive):
        fetch_archive(archive, competition)
    unpack(archive, out, old)
    counts = verify(out)
    if not keep_archive:
        archive.unlink()
    return counts


def fetch_archive(archive: Path, competition: str) -> None:
    """Download the archive, resuming where a marker shows a partial one; a file without its end is fetched from its start.

    Raises ``Unverified`` where what came is not a whole zip either; it is deleted then, so that the next call starts afresh.
    """
    begun = archive.with_name(archive.name + PARTIAL).exists()
    if archive.is_file() and not begun:
        print(f"{archive} is damaged: it is downloaded again", file=sys.stderr)
        archive.unlink()
    with about(competition):
        ask(
            "competition_download_files",
            where=competition,
            timeout=DOWNLOAD_S,
            live=True,
            competition=competition,
            path=str(archive.parent),
            quiet=not sys.stderr.isatty(),
        )
    if not complete(archive):
        archive.unlink(missing_ok=True)
        raise Unverified(
            "the site served something other than a whole zip file, which was deleted",
            where=archive,
            remedy="run the same command again later",
        )


def require_space(folder: Path, needed: int, archive: Path) -> None:
    """Raise ``NoSpace`` unless the disk holds ``needed`` bytes, minus what of them is there already."""
    there = sum(path.stat().st_size for path in (archive,) if path.is_file())
    for name in ("train", "test", "old_leaky_data"):
        there += sum(len(files) for _, _, files in os.walk(folder / name)) * FILE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed - there:
        raise NoSpace(f"{(needed - there) / GB:.0f} GB are needed, {free / GB:.0f} GB are free", where=folder)


def complete(archive: Path) -> bool:
    """Whether the archive is there and has its table of contents, which a partial download lacks."""
    marker = archive.with_name(archive.name + PARTIAL)
    return archive.is_file() and not marker.exists() and zipfile.is_zipfile(archive)


def unpack(archive: Path, out: Path, old: bool) -> None:
    """Unpack into ``out``, skipping files that are there with their size; each file appears whole or not at all."""
    with zipfile.ZipFile(archive) as packed:
        members = [member for member in packed.infolist() if not member.is_dir()]
        for member in members:
            if not (out / member.filename).resolve().is_relative_to(out.resolve()):
                raise HostileName(f"the archive holds {member.filename!r}", where=archive)
        if not old:
            members = [member for member in members if not member.filename.startswith("old_leaky_data/")]
        for member in progress(members, desc="unpacking", unit="file"):
            path = out / member.filename
            if path.is_file() and path.stat().st_size == member.file_size:
                continue
            try:
                place(packed, member, path)
            except (zipfile.BadZipFile, zlib.error, EOFError) as broken:
                raise Unverified(
                    f"{member.filename} is damaged in the archive",
                    where=archive,
                    remedy="delete the archive and download it again",
                ) from broken


def place(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Unpack one member under a temporary name, then rename. Without fsync, which takes an hour for 100,000 files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with packed.open(member) as source, open(temporary, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def verify(folder: str | Path) -> dict[str, int]:
    """Every cadence that the tables name is there with its size; returns their numbers. Raises ``Unverified``."""
    try:
        found = read_competition(folder)
    except InputError as error:
        raise Unverified(error.problem, where=error.where, line=error.line, row=error.row, remedy=error.remedy) from error
    for path in progress([*found.train["path"], *found.test["path"]], desc="verifying", unit="file"):
        size = os.stat(path).st_size
        if size != FILE_BYTES:
            raise Unverified(
                f"{quantity(size, 'byte')}, not {FILE_BYTES:,}", where=path, remedy="delete it and run the same command again"
            )
    print(f"{len(found.train)} train and {len(found.test)} test cadences in {folder}", file=sys.stderr)
    return {"train": len(found.train), "test": len(found.test)}
