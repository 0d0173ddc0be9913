"""Makes kernels: a thin notebook, its parameters, the package, and metadata derived from the top-level ones."""

import contextlib
import hashlib
import io
import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seti_utils.errors import InputError
from seti_utils.files import replacing, write_json
from seti_utils.kaggle.datasets import write_dataset_metadata
from seti_utils.kaggle.embed import (
    PACK,
    TAG,
    compress,
    detectors_used,
    every_detector,
    first_cell,
    package_archive,
    uses_telescope,
)
from seti_utils.kaggle.metadata import METADATA_FILE, derive, read_metadata, slug_of
from seti_utils.kaggle.recipe import repository, resolve

LARGEST_EMBEDDED = 900_000
"""Bytes of a notebook that still carries the package; the site takes less than 1,000,000 (``check.LARGEST_SOURCE``)."""
NOTEBOOK = "notebook.ipynb"
PACKAGE_TITLE = "seti utils package"


@dataclass(frozen=True)
class Built:
    """A kernel folder ready to check and push. ``package_folder`` is the dataset to upload first, if any."""

    folder: Path
    kernel: str
    package_sha256: str
    size: int
    package_folder: Path | None = None


def build(
    stage: str,
    *,
    docker_image: str | None = None,
    transport: str = "auto",
    root: Path | None = None,
    out: Path = Path("build"),
    **what: Any,
) -> Built:
    """Write ``out/<slug>/`` with notebook.ipynb and kernel-metadata.json for one kernel.

    ``stage`` names the notebook (train, infer); ``what`` it is made of are the arguments of
    :func:`seti_utils.kaggle.recipe.resolve`, which checks them before anything is written. ``parameters`` join
    experiment, folds and seeds. An infer kernel gets the outputs of the experiment's train kernels, one per fold and
    seed, unless ``kernel_sources`` says otherwise. ``budget`` is a train notebook's ``stop_after`` unless ``parameters``
    say it. ``transport``: "embed" puts the package into the notebook, "dataset" beside it, "auto" embeds up to 900 kB.
    Two builds of the same sources are equal byte for byte.
    """
    root = root or repository()
    recipe, base = resolve(stage, root=root, **what), read_metadata(root)
    prepared = prepare(recipe.notebook, recipe.parameters)
    archive = package_archive(detectors=detectors_used(prepared), telescope=uses_telescope(prepared))
    shape = base.get("machine_shape", "") if recipe.machine is None else recipe.machine
    text = assemble(prepared, first_cell(archive, kernel=recipe.kernel, machine=shape))
    package_folder, datasets = None, recipe.dataset_sources
    if transport == "dataset" or (transport == "auto" and len(text) > LARGEST_EMBEDDED):
        dataset = f"{recipe.owner}/{slug_of(PACKAGE_TITLE)}"
        archive = package_archive(detectors=every_detector(), telescope=True)  # one for all kernels
        text = assemble(prepared, first_cell(archive, kernel=recipe.kernel, machine=shape, dataset=dataset))
        package_folder, datasets = write_package(out, dataset, archive), [*datasets, dataset]
    metadata = derive(
        base,
        owner=recipe.owner,
        title=recipe.title,
        code_file=NOTEBOOK,
        kernel_sources=recipe.kernel_sources,
        dataset_sources=datasets,
        model_sources=recipe.model_sources,
        docker_image=docker_image,
        machine=recipe.machine,
    )
    folder = Path(out) / slug_of(recipe.title)
    with replacing(folder / NOTEBOOK) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_json(folder / METADATA_FILE, metadata)
    return Built(folder, recipe.kernel, hashlib.sha256(archive).hexdigest(), len(text), package_folder)


def prepare(notebook: Path, parameters: dict[str, object]) -> dict:
    """The notebook with ``parameters`` injected by papermill, without outputs and without papermill's timestamps."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            import papermill
    except ImportError as missing:
        raise InputError("papermill is not installed", remedy="pip install -r requirements.txt") from missing
    logging.getLogger("papermill").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp())
    try:
        papermill.execute_notebook(
            str(notebook),
            str(folder / "out.ipynb"),
            parameters,
            prepare_only=True,
            progress_bar=False,
            kernel_name="python3",
        )
        made = json.loads((folder / "out.ipynb").read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    made["metadata"] = {key: value for key, value in made["metadata"].items() if key in ("kernelspec", "language_info")}
    made["metadata"]["kernelspec"]["name"] = "python3"
    for number, cell in enumerate(made["cells"], 1):
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return made


def assemble(notebook: dict, source: str) -> str:
    """The notebook's text with ``source`` as its first cell, hidden in the site's editor."""
    cell = {
        "cell_type": "code",
        "id": "cell-0",
        "metadata": {"tags": [TAG], "_kg_hide-input": True},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
    made = {**notebook, "cells": [cell, *notebook["cells"]], "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write_package(out: Path, dataset: str, archive: bytes) -> Path:
    """A dataset folder with the package, for `kaggle datasets create`; not a zip, which the site would unpack."""
    folder = Path(out) / f"dataset-{dataset.split('/')[1]}"
    with replacing(folder / PACK) as temporary:
        temporary.write_bytes(compress(archive))
    write_dataset_metadata(folder, dataset.split("/")[0], PACKAGE_TITLE)
    return folder
