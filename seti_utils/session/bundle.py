"""A run's output as one tar: a session serves, and the next one mounts, three files instead of hundreds."""

import shutil
import sys
import tarfile
from pathlib import Path

from seti_utils.files import replacing, sha256
from seti_utils.session.errors import HostileName, Unverified

BUNDLE_FILE = "output.tar"
LOOSE = ("submission.csv",)
"""Files that stay beside the tar, because the site's own submit button looks for them."""


def pack(out: Path, names: list[str]) -> dict[str, object] | None:
    """Write the files ``names`` below ``out``, but those in ``LOOSE``, into ``out/output.tar``; its bytes and SHA-256.

    The files stay; :func:`clear` removes them once run.json tells of the tar. None where there is nothing to pack, or
    no room for a tar beside the files.
    """
    inside = [name for name in names if name not in LOOSE]
    if not inside:
        return None
    try:
        with replacing(out / BUNDLE_FILE) as temporary, tarfile.open(temporary, "w") as tar:
            for name in inside:
                tar.add(out / name, name, recursive=False, filter=plain)
    except OSError as full:
        print(f"the files stay as they are, {BUNDLE_FILE} could not be written: {full}", file=sys.stderr)
        return None
    return {"bytes": (out / BUNDLE_FILE).stat().st_size, "sha256": sha256(out / BUNDLE_FILE)}


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member without the names and times of the machine that wrote it."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def clear(out: Path, names: list[str]) -> None:
    """Remove the packed files and the folders that they leave empty."""
    for name in names:
        if name not in LOOSE:
            (out / name).unlink(missing_ok=True)
    for folder in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def unpack(source: Path, target: Path, run: dict) -> None:
    """Unpack ``source/output.tar`` into ``target`` after comparing it with ``run``, the content of run.json.

    Raises ``Unverified`` for a tar that is missing, cut or another one, and ``HostileName`` for a member that run.json
    does not list, that is not a plain file, or whose name would leave ``target``; nothing of it is written then.
    """
    path, said = source / BUNDLE_FILE, run["bundle"]
    if not path.is_file():
        raise Unverified(f"{BUNDLE_FILE} is missing", where=source)
    if path.stat().st_size != said.get("bytes") or sha256(path) != said.get("sha256"):
        raise Unverified(f"{BUNDLE_FILE} is not the file that the run wrote", where=source)
    try:
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            for member in members:
                if not member.isreg() or run["files"].get(member.name, {}).get("bytes") != member.size:
                    raise HostileName(f"{BUNDLE_FILE} holds {member.name!r}, which run.json does not list", where=source)
            tar.extractall(target, members, filter="data")
    except tarfile.FilterError as refused:
        raise HostileName(f"{BUNDLE_FILE} holds a name that leads outside ({refused})", where=source) from refused
    except (tarfile.TarError, EOFError) as broken:
        raise Unverified(f"{BUNDLE_FILE} cannot be read ({broken})", where=source) from broken


def opened(place: Path, run: dict, scratch: Path) -> Path:
    """The folder with the plain files of the mounted output ``place``: itself, or its tar unpacked below ``scratch``.

    A tar that was mounted before is not unpacked again. A site that has unpacked it, as it does with a dataset's
    archives, leaves the files beside run.json or in a folder named like the tar.
    """
    if run.get("bundle") is None:
        return place
    packed = [name for name in run["files"] if name not in LOOSE]
    for folder in (place, place / BUNDLE_FILE.removesuffix(".tar")):
        if all((folder / name).is_file() for name in packed):
            return folder
    home = scratch / str(run["bundle"]["sha256"])[:16]
    if not home.is_dir():
        part = home.with_name(f"{home.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        unpack(place, part, run)
        part.rename(home)
    return home
