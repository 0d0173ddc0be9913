"""Brings a run's output home: the right run's, whole, into a fresh folder, or nothing."""

import re
import shutil
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from seti_utils.errors import InputError
from seti_utils.kaggle.client import ask, pages
from seti_utils.kaggle.errors import RunFailed, StillRunning
from seti_utils.kaggle.push import read_pushes
from seti_utils.kaggle.status import named, plain_log, status
from seti_utils.session import bundle
from seti_utils.session.errors import HostileName, Unverified
from seti_utils.session.runfile import RUN_FILE, listed, read_run, verify_run
from seti_utils.wording import first_of, quantity

# The client (2.2.4) joins served names to the folder unchecked; what does not match this it never downloads.
SAFE = r"^(?!/)(?!.*(^|/)\.\.?(/|$))(?!.*[\\:\x00-\x1f])[^/].*$"


def fetch(kernel: str, out: str | Path, *, partial: bool = False, **expected: Any) -> dict:
    """Download the output of ``kernel``'s last run into ``out`` and return its run.json.

    ``out`` must not exist or be empty. The output comes into a folder beside it, is unpacked and verified
    (``expected``: see :func:`seti_utils.session.runfile.verify_run`) and then takes its name, so ``out`` is whole or
    not there. ``partial`` also takes a failed run's output, verified as far as there is a run.json ({} without one).
    Raises ``StillRunning``, ``RunFailed``, ``Unverified``, ``HostileName`` or another ``KaggleError``.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", where=out, remedy="choose a fresh one: old and new files never mix")
    state = status(kernel)
    if state.state != "COMPLETE" and not partial:
        kind = StillRunning if state.active else RunFailed
        raise kind(
            f"the run is {state.state}{': ' + state.message if state.message else ''}",
            where=kernel,
            remedy=None if state.active else "fetch what there is with --partial",
        )
    served = served_names(kernel)
    out.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        download(kernel, served, place)
        rewrite_log(place, kernel)
        run = read_partial(place, expected) if partial else verified(place, kernel=kernel, **expected)
        strangers = [name for name in files_below(place) if listed(Path(name)) and run and name not in run["files"]]
        if strangers:
            print(
                f"note: {quantity(len(strangers), 'file is', 'files are')} not listed in run.json "
                f"and not verified: {first_of(strangers)}",
                file=sys.stderr,
            )
        if out.exists():
            out.rmdir()
        place.rename(out)
        return run
    except (Unverified, HostileName) as wrong:
        inside = Path(str(wrong.where)).relative_to(place).as_posix() if str(wrong.where).startswith(str(place)) else "."
        where = kernel if inside == "." else f"{kernel}, {inside}"
        raise type(wrong)(wrong.problem, where=where, remedy=wrong.remedy) from wrong
    finally:
        shutil.rmtree(place, ignore_errors=True)


def download(kernel: str, served: Collection[str], place: Path) -> None:
    """Bring the files ``served`` into ``place``. Raises ``StillRunning`` where some of them do not arrive."""
    ask(
        "kernels_output",
        where=kernel,
        timeout=7200,
        live=True,
        kernel=kernel,
        path=str(place),
        file_pattern=SAFE,
        force=True,
        page_size=100,
    )
    missing = [name for name in served if not (place / name).is_file()]
    if missing:
        raise StillRunning(
            f"{len(missing)} of {len(served)} served files did not arrive, {missing[0]} first",
            where=kernel,
            remedy="fetch again",
        )


def read_partial(place: Path, expected: dict) -> dict:
    """The run of a partial output: verified where it has a run.json, {} otherwise."""
    return verified(place, **expected) if (place / RUN_FILE).is_file() else {}


def verified(place: Path, **expected: Any) -> dict:
    """The expected run, its tar unpacked in place and every file compared; see :func:`verify_run` for the errors."""
    run = verify_run(place, files=False, **expected)
    if run.get("bundle") is not None:
        bundle.unpack(place, place, run)
        (place / bundle.BUNDLE_FILE).unlink()
    return verify_run(place, **expected)


def served_names(kernel: str) -> list[str]:
    """Names of the files that ``kernel``'s last run left; raises ``HostileName`` before anything is downloaded."""
    names: list[str] = []
    for page in pages("kernels.list_kernel_files", where=kernel, timeout=300, pageSize=100, **named(kernel)):
        for entry in page.get("files") or []:
            if not safe(entry["name"]):
                raise HostileName(f"a file is called {entry['name']!r}", where=kernel)
            names.append(entry["name"])
    return names


def safe(name: str) -> bool:
    """Whether a served name stays below the folder it is joined to, on every system."""
    return bool(re.match(SAFE, name)) and not PurePosixPath(name).is_absolute()


def files_below(folder: Path) -> list[str]:
    """Relative names of all files below ``folder``."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def rewrite_log(place: Path, kernel: str) -> None:
    """Turn the served log, a JSON array, into plain text."""
    path = place / f"{kernel.split('/')[1]}.log"
    if path.is_file():
        path.write_text(plain_log(path.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")


def fetch_pushed(folder: str | Path, out: str | Path, *, partial: bool = False) -> dict:
    """Fetch the output of the last push noted in a kernel folder, and of no other run of that kernel.

    Where ``out`` already holds just that output, intact, nothing is downloaded.
    """
    pushes = read_pushes(folder)
    if not pushes:
        raise InputError("was never pushed from here", where=folder, remedy="push it, or name the kernel as owner/slug")
    last = pushes[-1]
    expected = {"run_id": last["run_id"], "package_sha256": last["package_sha256"]}
    if (Path(out) / RUN_FILE).is_file() and read_run(out)["run_id"] == last["run_id"]:
        return verify_run(out, **expected)
    return fetch(last["kernel"], out, partial=partial, **expected)
