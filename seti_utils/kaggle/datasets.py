"""Folders as private datasets: sent with everything in them, waited for until kernels can mount them, fetched whole."""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.files import write_json
from seti_utils.kaggle.answers import refusal
from seti_utils.kaggle.client import ask, pages
from seti_utils.kaggle.errors import Conflict, Forbidden, NotFound, RunFailed, ServerTrouble
from seti_utils.kaggle.metadata import slug_of
from seti_utils.kaggle.poll import poll
from seti_utils.session.errors import KaggleError
from seti_utils.wording import quantity

DATASET_FILE = "dataset-metadata.json"

UPLOAD_S, DOWNLOAD_S = 24 * 3600, 7 * 24 * 3600
"""How long the client may take to send or to fetch 84 GB over a slow line."""

TITLE_LENGTHS = range(6, 51)
BROKEN = ("FAILED", "DELETED")
LICENCE = {"licenses": [{"name": "CC0-1.0"}]}
"""What the client wants to be told of every dataset, a private one too."""


def dataset_metadata(owner: str, title: str) -> dict:
    """The metadata of a private dataset called ``title``; raises ``InputError`` for a title that the site refuses."""
    slug = slug_of(title)
    if len(title) not in TITLE_LENGTHS or len(slug) not in TITLE_LENGTHS:
        raise InputError(
            f"the title {title!r} has {quantity(len(title), 'character')}", remedy="give one of 6 to 50 letters and digits"
        )
    return {"id": f"{owner}/{slug}", "title": title} | LICENCE


def write_dataset_metadata(folder: Path, owner: str, title: str) -> str:
    """Write the metadata that an upload of ``folder`` needs into it; returns "owner/slug" of the dataset."""
    metadata = dataset_metadata(owner, title)
    write_json(folder / DATASET_FILE, metadata)
    return metadata["id"]


def upload_dataset(
    folder: Path,
    metadata: dict | None = None,
    *,
    timeout: float = 1800,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Make ``folder`` a private dataset, or a new version of it, and wait until it is ready; returns "owner/slug".

    ``metadata`` is the folder's own where None. Sub-folders travel as archives, which the site unpacks again. A kernel
    that is pushed earlier would see the previous version or nothing. Before the first byte: ``Conflict`` for a title
    that another dataset of the user has. Afterwards: ``ConnectionLost`` where a file did not arrive (nothing is made
    then), ``RunFailed`` where the site could not process it, ``ServerTrouble`` if not ready in ``timeout`` seconds.
    """
    metadata = metadata or read_dataset_metadata(folder)
    dataset, title = metadata["id"], metadata["title"]
    there = state_of(dataset) is not None
    if not there:
        require_free(title, dataset)
    with staged(folder, {DATASET_FILE: metadata}) as place:
        how = "zip" if any(path.is_dir() for path in place.iterdir()) else "skip"
        arguments = {"folder": str(place), "quiet": not sys.stderr.isatty(), "convert_to_csv": False, "dir_mode": how}
        if there:
            arguments["version_notes"] = "renewed"
        call = "dataset_create_version" if there else "dataset_create_new"
        answer = ask(call, where=dataset, timeout=UPLOAD_S, live=True, **arguments)
    if answer.get("error") or str(answer.get("status") or "ok").lower() != "ok":
        raise refusal(answer.get("error") or str(answer), where=dataset)
    wait_until_ready(dataset, timeout, sleep)
    return dataset


def read_dataset_metadata(folder: Path) -> dict:
    """The metadata that lie in ``folder``. Raises ``InputError``."""
    path = folder / DATASET_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {**LICENCE, **content, "id": str(content["id"]), "title": str(content["title"])}
    except FileNotFoundError as missing:
        raise InputError("this folder is not a dataset yet", where=path, remedy="give a title with --title") from missing
    except (ValueError, KeyError, TypeError) as broken:
        raise InputError("not the metadata of a dataset", where=path, remedy="delete it and give a title") from broken


def state_of(dataset: str) -> str | None:
    """READY, FAILED, … of a dataset; None where there is none of that name that the user may see."""
    owner, slug = dataset.split("/")
    try:
        answer = ask("datasets.get_dataset_status", where=dataset, timeout=120, ownerSlug=owner, datasetSlug=slug)
    except (NotFound, Forbidden):
        return None
    return str(answer["status"])


def require_free(title: str, dataset: str) -> None:
    """Raise ``Conflict`` where another dataset of the user has this title: the site tells so only after the upload."""
    listed = pages("datasets.list_datasets", where=dataset, timeout=120, group="DATASET_SELECTION_GROUP_MY", search=title)
    for page in listed:
        for entry in page.get("datasets") or []:
            if (entry.get("title") or "").strip().lower() == title.lower():
                raise Conflict(
                    f"your dataset {entry.get('ref')} has the title {title!r} already",
                    where=dataset,
                    remedy="give another title with --title, or delete that dataset on its page",
                )


@contextmanager
def staged(folder: Path, metadata: dict[str, dict]) -> Iterator[Path]:
    """A temporary folder with links to all that is in ``folder``, and with metadata files: nothing is written into ``folder``.

    Hidden entries and earlier metadata stay out.
    """
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / folder.resolve().name
        place.mkdir()
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and path.name not in metadata:
                link(path.resolve(), place / path.name)
        if not any(place.iterdir()):
            raise InputError("the folder is empty", where=folder, remedy="name the folder that is to be sent")
        for name, content in metadata.items():
            write_json(place / name, content)
        yield place


def link(source: Path, target: Path) -> None:
    """A link where the system allows one, otherwise a copy."""
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def wait_until_ready(dataset: str, timeout: float, sleep: Callable[[float], None]) -> None:
    """Return when kernels can mount ``dataset``; see :func:`upload_dataset` for the errors."""

    def ready() -> str | None:
        state = state_of(dataset)
        if state in BROKEN:
            raise RunFailed(
                f"the site could not process it ({state})",
                where=dataset,
                remedy=f"see https://www.kaggle.com/datasets/{dataset}, then send it again",
            )
        return state if state == "READY" else None

    def late(passed: float) -> KaggleError:
        return ServerTrouble(
            f"not ready after {passed / 60:.0f} min: it arrived, and the site is still processing it",
            where=dataset,
            remedy=f"wait until https://www.kaggle.com/datasets/{dataset} shows its files, then push",
        )

    poll(ready, every=10, longest=timeout, late=late, sleep=sleep)


def download_dataset(dataset: str, out: Path) -> Path:
    """Fetch and unpack the newest version of ``dataset`` ("owner/slug") into ``out``, which appears whole or not at all."""
    return download("dataset_download_files", dataset, out, dataset=dataset, unzip=True)


def download(call: str, name: str, out: Path, **arguments: object) -> Path:
    """What the client's ``call`` brings of ``name``, in ``out``, which appears whole or not at all."""
    with fresh(out) as place:
        ask(call, where=name, timeout=DOWNLOAD_S, live=True, path=str(place), **arguments)
    return out


@contextmanager
def fresh(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block ends well. Raises ``InputError`` where ``out`` holds anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("the folder is not empty", where=out, remedy="choose a fresh one: old and new files never mix")
    out.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield place
        if out.exists():
            out.rmdir()
        place.rename(out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
