"""run.json: what a run says about itself, so that whoever fetches its output knows which run it was."""

import json
import os
import time
from pathlib import Path

from seti_utils.files import sha256, write_json
from seti_utils.session import bundle as bundling
from seti_utils.session.errors import Unverified

SCHEMA = 2
RUN_FILE = "run.json"
KEYS = {
    "schema": int,
    "stage": str,
    "run_id": str,
    "kernel": str,
    "package_sha256": str,
    "experiment": str,
    "fingerprint": str,
    "folds": list,
    "seeds": list,
    "finished": bool,
    "reason": str,
    "created": str,
    "bundle": (dict, type(None)),
    "files": dict,
}


def write_run(
    out: str | Path,
    *,
    stage: str,
    experiment: str,
    fingerprint: str,
    folds: list[int],
    seeds: list[int],
    finished: bool = True,
    reason: str = "done",
    bundle: bool | None = None,
    **extra: object,
) -> Path:
    """Write ``out/run.json`` as the last thing a run does, and return its path.

    Run id, kernel, package and machine come from the variables that the generated first cell sets ("local" and ""
    without it). ``files`` lists every file below ``out`` with bytes and SHA-256, but hidden ones, notebooks and logs.
    ``finished`` False means that the time budget ended the run and that it resumes when pushed again.
    ``bundle`` puts the files into one tar (see :mod:`seti_utils.session.bundle`); None does so in a batch session of
    the site, whose output would otherwise be hundreds of files to serve and to mount.
    """
    out = Path(out)
    (out / bundling.BUNDLE_FILE).unlink(missing_ok=True)
    files = files_in(out)
    bundle = os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Batch" if bundle is None else bundle
    packed = bundling.pack(out, list(files)) if bundle else None
    content = {
        "schema": SCHEMA,
        "stage": stage,
        "run_id": os.environ.get("SETI_RUN_ID", "local"),
        "kernel": os.environ.get("SETI_KERNEL", ""),
        "package_sha256": os.environ.get("SETI_PACKAGE_SHA256", ""),
        "experiment": experiment,
        "fingerprint": fingerprint,
        "folds": list(folds),
        "seeds": list(seeds),
        "finished": finished,
        "reason": reason,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "extra": {"machine": os.environ.get("SETI_MACHINE", ""), **extra},
        "bundle": packed,
        "files": files,
    }
    write_json(out / RUN_FILE, content)
    if packed:
        bundling.clear(out, list(files))
    return out / RUN_FILE


def files_in(out: Path) -> dict[str, dict[str, object]]:
    """Bytes and SHA-256 of every file below ``out`` that belongs into the list, by its path from there."""
    return {
        path.relative_to(out).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(out.rglob("*"))
        if listed(path.relative_to(out)) and path.is_file()
    }


def listed(name: Path) -> bool:
    """Whether a file belongs into the list: not run.json or the tar, nothing hidden, no notebook or log."""
    hidden = any(part.startswith((".", "__")) for part in name.parts)
    return not hidden and name.as_posix() not in (RUN_FILE, bundling.BUNDLE_FILE) and name.suffix not in (".ipynb", ".log")


def read_run(folder: str | Path) -> dict:
    """The content of ``folder/run.json``. Raises ``Unverified`` where it is missing, not JSON, or of another shape."""
    path = Path(folder) / RUN_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise Unverified("the output has no run.json", where=folder) from missing
    except ValueError as broken:
        raise Unverified("not JSON: perhaps an error page was saved in its place", where=path) from broken
    wrong = [key for key, kind in KEYS.items() if not isinstance(content, dict) or not isinstance(content.get(key), kind)]
    entries = [] if wrong else content["files"].values()
    if not all(isinstance(entry, dict) and {"bytes", "sha256"} <= set(entry) for entry in entries):
        wrong = ["files"]
    if wrong:
        raise Unverified(f"no valid {', '.join(wrong)}", where=path)
    return content


def verify_run(folder: str | Path, *, files: bool = True, **expected: object) -> dict:
    """The run in ``folder`` if it is the expected one and intact; raises ``Unverified`` naming the first difference.

    ``expected`` compares keys of run.json (run_id, package_sha256, experiment, fingerprint, folds, seeds, stage);
    None is not compared. Every listed file must be there with its size and SHA-256, unless ``files`` is False.
    """
    folder, run = Path(folder), read_run(folder)
    for key, value in expected.items():
        if value is not None and run[key] != value:
            raise Unverified(f"{key} is {run[key]!r}, not {value!r}: this is another run's output", where=folder / RUN_FILE)
    for name, entry in run["files"].items() if files else ():
        path = folder / name
        if not path.is_file():
            raise Unverified(f"{name} is missing", where=folder)
        if path.stat().st_size != entry["bytes"] or sha256(path) != entry["sha256"]:
            raise Unverified(f"{name} is not the file that the run wrote", where=folder)
    return run
