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

import seti_utils
from seti_utils.errors import InputError
from seti_utils.files import replacing, write_json
from seti_utils.kaggle.datasets import write_dataset_metadata
from seti_utils.kaggle.embed import PACK, TAG, compress, first_cell, package_archive
from seti_utils.kaggle.metadata import (
    LONGEST_TITLE,
    NAME,
    PLACEHOLDER,
    derive,
    kernel_of,
    read_metadata,
    slug_of,
    title_of,
)
from seti_utils.log.overrides import parse_overrides, split_overrides
from seti_utils.log.pages import LOG
from seti_utils.session.parameters import check_parameters, read_parameters

LARGEST_EMBEDDED = 700_000
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


def repository() -> Path:
    """The folder that holds the top-level metadata and notebooks: here, or where the package lies."""
    places = [Path.cwd(), Path(seti_utils.__file__).resolve().parent.parent]
    found = next((place for place in places if (place / NAME).is_file() and (place / "notebooks").is_dir()), None)
    if found is None:
        raise InputError(f"no {NAME} with notebooks beside it", where=places[0], remedy="run from the repository's root")
    return found


def build(
    stage: str,
    *,
    owner: str,
    experiment: str,
    folds: list[int],
    seeds: list[int],
    parameters: dict[str, object] | None = None,
    kernel_sources: list[str] | None = None,
    dataset_sources: list[str] = (),
    model_sources: list[str] = (),
    docker_image: str | None = None,
    machine: str | None = None,
    budget: str = "11h15m",
    transport: str = "auto",
    title: str | None = None,
    root: Path | None = None,
    out: Path = Path("build"),
) -> Built:
    """Write ``out/<slug>/`` with notebook.ipynb and kernel-metadata.json for one kernel.

    ``stage`` names the notebook (train, infer); ``parameters`` join experiment, folds and seeds. An infer kernel gets
    the outputs of the experiment's train kernels, one per fold and seed, unless ``kernel_sources`` says otherwise.
    ``budget`` is a train notebook's ``stop_after``, below the session's 12 hours, unless ``parameters`` say it.
    ``transport``: "embed" puts the package into the notebook, "dataset" beside it, "auto" embeds up to 700 kB.
    Two builds of the same sources are equal byte for byte.
    Raises ``InputError`` for an unknown experiment, fold, knob or parameter, a value of the wrong type, a title beyond 50
    characters, or pretrained weights that nothing mounts: without internet the run would end at its start.
    """
    root = root or repository()
    notebook = root / "notebooks" / f"{stage}.ipynb"
    if owner == PLACEHOLDER:
        raise InputError("the owner is still the placeholder", where=NAME, remedy="log in or give your name with --owner")
    chosen = {"experiment": experiment, "folds": join(folds), "seeds": join(seeds), **(parameters or {})}
    if stage == "train" and "stop_after" in read_parameters(notebook):
        chosen = {"stop_after": budget, **chosen}
    check_parameters(notebook, chosen)
    mounted = [*(kernel_sources or ()), *dataset_sources, *model_sources]
    check_experiment(stage, experiment, folds, str(chosen.get("overrides", "")), mounted)
    title = title or title_of(stage, experiment, folds, seeds)
    if not 5 <= len(title) <= LONGEST_TITLE:
        raise InputError(f"title {title!r} has {len(title)} characters", remedy=f"5 to {LONGEST_TITLE} are allowed")
    kernel = f"{owner}/{slug_of(title)}"
    if kernel_sources is None:
        pairs = [(fold, seed) for fold in folds for seed in seeds] if stage == "infer" else []
        kernel_sources = [kernel_of(owner, "train", experiment, [fold], [seed]) for fold, seed in pairs]
    base = read_metadata(root)
    archive, prepared = package_archive(), prepare(notebook, chosen)
    shape = base.get("machine_shape", "") if machine is None else machine
    text = assemble(prepared, first_cell(archive, kernel=kernel, machine=shape))
    package_folder, datasets = None, list(dataset_sources)
    if transport == "dataset" or (transport == "auto" and len(text) > LARGEST_EMBEDDED):
        dataset = f"{owner}/{slug_of(PACKAGE_TITLE)}"
        text = assemble(prepared, first_cell(archive, kernel=kernel, machine=shape, dataset=dataset))
        package_folder, datasets = write_package(out, dataset, archive), [*datasets, dataset]
    metadata = derive(
        base,
        owner=owner,
        title=title,
        code_file=NOTEBOOK,
        kernel_sources=kernel_sources,
        dataset_sources=datasets,
        model_sources=list(model_sources),
        docker_image=docker_image,
        machine=machine,
    )
    folder = Path(out) / slug_of(title)
    with replacing(folder / NOTEBOOK) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_json(folder / NAME, metadata)
    return Built(folder, kernel, hashlib.sha256(archive).hexdigest(), len(text), package_folder)


def check_experiment(stage: str, experiment: str, folds: list[int], overrides: str, mounted: list[str]) -> None:
    """Raise ``InputError`` for what the run would stumble over: see :func:`build`."""
    config = LOG.config(LOG.find(experiment).name, parse_overrides(split_overrides(overrides)))
    if wrong := [fold for fold in folds if not 0 <= fold < config.folds]:
        raise InputError(f"there is no fold {wrong[0]}", where=experiment, remedy=f"it has folds 0 to {config.folds - 1}")
    if stage == "train" and config.pretrained and not mounted:
        raise InputError(
            f"starts from pretrained {config.backbone}, and nothing that could hold the weights is mounted",
            where=experiment,
            remedy=f"make a dataset with `python -m seti_utils kaggle weights {experiment}` and give it with --dataset, "
            "or a Kaggle model with --model",
        )


def join(numbers: list[int]) -> str:
    """Fold or seed numbers as a notebook parameter."""
    return ",".join(str(number) for number in numbers)


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
