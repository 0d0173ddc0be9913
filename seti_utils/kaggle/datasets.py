"""Uploads a folder as a private dataset, and waits until kernels can mount it."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from seti_utils.files import write_json
from seti_utils.kaggle.cli import ask
from seti_utils.kaggle.errors import Conflict, ConnectionLost, Forbidden, NotFound, ServerTrouble
from seti_utils.kaggle.metadata import slug_of
from seti_utils.session.errors import KaggleError

METADATA = "dataset-metadata.json"


def write_dataset_metadata(folder: Path, owner: str, title: str) -> str:
    """Write the metadata that an upload of ``folder`` needs; returns "owner/slug" of the dataset."""
    dataset = f"{owner}/{slug_of(title)}"
    write_json(folder / METADATA, {"id": dataset, "title": title, "licenses": [{"name": "CC0-1.0"}]})
    return dataset


def upload_dataset(folder: Path, *, timeout: float = 900, sleep: Callable[[float], None] = time.sleep) -> str:
    """Create the dataset in ``folder``, or a new version of it, and wait until it is ready; returns "owner/slug".

    The client uploads the files directly inside the folder. A kernel that is pushed earlier would see the previous
    version or nothing. Raises ``Conflict`` for a taken slug, ``ConnectionLost`` where a file did not arrive,
    ``ServerTrouble`` if not ready in ``timeout`` seconds.
    """
    dataset = json.loads((folder / METADATA).read_text(encoding="utf-8"))["id"]
    with tempfile.TemporaryDirectory() as place:
        copy = shutil.copytree(folder, Path(place) / folder.name, copy_function=link_or_copy)
        try:
            ask("datasets", "status", dataset, timeout=120)
        except (NotFound, Forbidden):
            answer, made = ask("datasets", "create", "-p", copy, timeout=7200), "being created. Please check progress"
        else:
            answer = ask("datasets", "version", "-p", copy, "-m", "renewed", timeout=7200)
            made = "Dataset version is being created"
    if made not in answer.text:
        kind = Conflict if "already in use" in answer.text else KaggleError
        raise kind(f"the dataset was not made: {answer.text[-300:]}", where=dataset)
    require_arrival(answer.text, folder, dataset)
    waited = 0.0
    while ask("datasets", "status", dataset, timeout=120).out.strip().lower() != "ready":
        if waited >= timeout:
            raise ServerTrouble(f"not ready after {waited:.0f} s", where=dataset, remedy="look at its page, then push")
        waited += 10
        sleep(10)
    return dataset


def require_arrival(text: str, folder: Path, dataset: str) -> None:
    """Raise ``ConnectionLost`` unless the client tells of every file's arrival: it makes the dataset without the others."""
    wanted = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != METADATA)
    lost = [name for name in wanted if f"Upload successful: {name} " not in text]
    if lost:
        raise ConnectionLost(
            f"{', '.join(lost)} did not arrive, and the dataset was made without",
            where=dataset,
            remedy="run the same command again: it makes a new version",
        )


def link_or_copy(source: str, target: str) -> None:
    """A hard link where the file system allows one, otherwise a copy: weights are large."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
