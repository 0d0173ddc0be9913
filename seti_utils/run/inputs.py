"""What a run reads besides its recipe, as short hashes: by them it knows whether it was made from the same things."""

import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd

from seti_utils.data.competition import Competition
from seti_utils.data.content import SETTLED_S, marks_of
from seti_utils.data.packed import read_about
from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.log.config import Config
from seti_utils.log.layouts import RAW
from seti_utils.nets.backbones import timm_name, weight_names
from seti_utils.nets.weights import cached_weights, find_weights
from seti_utils.overlap.folder import CLAIM, finished_search
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.run.compose import panels_of
from seti_utils.run.runtime import Runtime

DIGITS = 16

WORDS = {
    "train": ("other training cadences", "--data"),
    "labels": ("other training labels", "--data"),
    "test": ("other test cadences", "--data"),
    "overlap": ("another overlap search", "--overlap"),
    "cleaned": ("other cleaned panels", "--overlap"),
    "adversarial": ("another table of row weights", "--adversarial"),
    "pretrained": ("other pretrained weights", "--weights"),
    "init_from": ("other weights to begin with", "--out or --runs"),
    "pseudo": ("another teacher's pseudo labels", "--out or --runs"),
    "distill": ("another teacher", "--out or --runs"),
}
"""What an input that differs is called, and the option by which the right one is given."""


def data_inputs(config: Config, runtime: Runtime, competition: Competition) -> dict[str, str]:
    """The arrays and labels that ``config`` trains on, and what its cleaned panels or folds come from, as far as it is here."""
    found = marks_of(competition, "train")
    if found:
        found["labels"] = labels_mark(competition.train)
    cleaned = max(panels_of(config)) >= RAW
    if (cleaned or config.fold_groups) and runtime.overlap is not None:
        about = CLAIM.read(finished_search(runtime.overlap, competition) / CLAIM.done)
        found["overlap"] = mark_of(about.get("tables"))
    if cleaned and runtime.overlap is not None:
        stores = cleaned_stores(runtime.overlap, competition)
        if "train" in found:
            found["cleaned"] = read_about(stores / "train")["index"][:DIGITS]
    return found


def other_inputs(config: Config, runtime: Runtime, competition: Competition) -> dict[str, str]:
    """What else a training reads: test cadences, row weights, pretrained weights, as far as they are given and here."""
    found = {}
    if config.pseudo or config.fixmatch or config.adapt:
        found |= marks_of(competition, "test")
    if config.reweight and runtime.adversarial is not None and runtime.adversarial.is_file():
        found["adversarial"] = file_mark(runtime.adversarial)
    if path := pretrained_file(config, runtime):
        found["pretrained"] = file_mark(path)
    return found


def pretrained_file(config: Config, runtime: Runtime) -> Path | None:
    """The file of the pretrained weights that a run begins with; None where it begins otherwise, or nobody knows yet."""
    if not config.pretrained or config.init_from:
        return None
    try:
        if runtime.weights is None:
            return cached_weights(timm_name(config.backbone))
        return find_weights(runtime.weights, *weight_names(config.backbone))
    except InputError:  # said when the network is made
        return None


def labels_mark(table: pd.DataFrame) -> str:
    """A hash of ids and targets in the order of the table, in which epochs are drawn."""
    lines = "".join(f"{name},{int(target)}\n" for name, target in zip(table["id"], table["target"], strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()[:DIGITS]


def mark_of(value: object) -> str:
    """A hash of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]


def file_mark(path: Path) -> str:
    """A hash of a file's bytes, read once as long as it stays as it is.

    A file so young that its time need not tell it from the next one is read each time: some file systems know whole seconds.
    """
    about = path.stat()
    if max(about.st_mtime, about.st_ctime) > time.time() - SETTLED_S:
        return sha256(path)[:DIGITS]
    return _file_mark(path, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_size)


@lru_cache(maxsize=64)
def _file_mark(path: Path, *_: int) -> str:
    return sha256(path)[:DIGITS]


def refuse_other_inputs(there: Mapping[str, str], here: Mapping[str, str], where: object) -> None:
    """Raise ``InputError`` for the first input that differs; what only one of the two says is not compared."""
    for name, mark in here.items():
        if there.get(name, mark) != mark:
            what, option = WORDS[name]
            raise InputError(
                f"was made with {what}: {there[name]} there, {mark} here",
                where=where,
                remedy=f"give what it was made with ({option}), or another --out; or delete it to train again",
            )
