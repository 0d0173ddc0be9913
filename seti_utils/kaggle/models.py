"""Folders as private Kaggle Models: "owner/model/pyTorch/variation/version", which kernels mount as model_sources."""

import sys
from pathlib import Path
from typing import Any

from seti_utils.errors import InputError
from seti_utils.kaggle.answers import refusal
from seti_utils.kaggle.client import ask
from seti_utils.kaggle.datasets import UPLOAD_S, download, staged
from seti_utils.kaggle.errors import Forbidden, NotFound
from seti_utils.kaggle.metadata import slug_of, source_problem

MODEL_FILE, INSTANCE_FILE = "model-metadata.json", "model-instance-metadata.json"
FRAMEWORK = "pyTorch"
CARD = "README.md"


def upload_model(folder: Path, owner: str, title: str, variation: str = "default") -> str:
    """Make ``folder`` a private model called ``title``, or a new version of its ``variation``; returns its full name.

    Its README.md is the model's description. Sub-folders travel as archives. Raises ``InputError`` for a name that the
    site refuses, ``ConnectionLost`` where a file did not arrive (nothing is made then), or another ``KaggleError``.
    """
    model, variation = slug_of(title), slug_of(variation)
    if not model or not variation or len(model) > 50 or len(variation) > 50:
        raise InputError(f"{title!r} is not a name for a model", remedy="give one of up to 50 letters and digits")
    card = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else title
    about = {"ownerSlug": owner, "slug": model, "title": title, "subtitle": "", "isPrivate": True, "description": card}
    instance = {
        "ownerSlug": owner,
        "modelSlug": model,
        "instanceSlug": variation,
        "framework": FRAMEWORK,
        "overview": title,
        "usage": "Mount it in a kernel; seti_utils finds it there, or take its folder with --weights.",
        "licenseName": "MIT",
        "fineTunable": True,
        "trainingData": [],
    }
    name = f"{owner}/{model}/{FRAMEWORK}/{variation}"
    with staged(folder, {MODEL_FILE: about, INSTANCE_FILE: instance}) as place:
        how = {"quiet": not sys.stderr.isatty(), "dir_mode": "zip" if any(path.is_dir() for path in place.iterdir()) else "skip"}
        if not there("model_get", model=f"{owner}/{model}"):
            made(ask("model_create_new", where=name, folder=str(place)), name)
        if there("model_instance_get", model_instance=name):
            call, more = "model_instance_version_create", {"model_instance": name, "version_notes": "renewed"}
        else:
            call, more = "model_instance_create", {}
        made(ask(call, where=name, timeout=UPLOAD_S, live=True, folder=str(place), **how, **more), name)
    return f"{name}/{newest(name)}"


def there(call: str, **named: Any) -> bool:
    """Whether the site knows a model or a variation of it."""
    try:
        ask(call, where=next(iter(named.values())), timeout=120, **named)
    except (NotFound, Forbidden):
        return False
    return True


def made(answer: dict, name: str) -> None:
    """Raise the typed error of an answer that made nothing."""
    if answer.get("error") or not answer.get("id"):
        raise refusal(answer.get("error") or "no model was made", where=name)


def newest(name: str) -> int:
    """The newest version of a variation ("owner/model/framework/variation")."""
    return int(ask("model_instance_get", where=name, timeout=120, model_instance=name)["versionNumber"])


def download_model(name: str, out: Path) -> Path:
    """Fetch a variation's files into ``out``, which appears whole or not at all; without a version, the newest one's."""
    if name.count("/") == 3:
        name = f"{name}/{newest(name)}"
    if problem := source_problem("model_sources", name):
        raise InputError(problem)
    return download("model_instance_version_download", name, out, model_instance_version=name, untar=True)
