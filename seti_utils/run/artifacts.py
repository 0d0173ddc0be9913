"""The folder of one run: what lies in it, and the weights read from it.

``best.safetensors``, ``last.safetensors`` and ``adapted.safetensors`` (weights with their provenance; earlier versions wrote
``.pt``), ``history.csv`` (one row per epoch), ``oof.csv`` (the validation rows' scores), ``test.csv`` (the test's, once they
were asked for) and, written last, ``meta.json``; while it is unfinished, ``resume.pt``; where an attempt died, ``dead.json``.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import torch

from seti_utils.errors import InputError
from seti_utils.files import read_object
from seti_utils.learn.checkpoint import exists, load, mark_of_weights
from seti_utils.learn.distributed import Team, shared
from seti_utils.log import specs

BEST, LAST, ADAPTED, RESUME = "best.safetensors", "last.safetensors", "adapted.safetensors", "resume.pt"
META, DEAD, HISTORY, OOF, TEST = "meta.json", "dead.json", "history.csv", "oof.csv", "test.csv"


def read_meta(folder: Path) -> dict[str, Any] | None:
    """``meta.json`` of a finished run; None where there is none yet."""
    return read_object(folder / META, "delete the folder to train again") if (folder / META).exists() else None


def dead_attempts(folder: Path) -> list[dict[str, Any]]:
    """What ``dead.json`` says of the attempts at the run in ``folder`` that died and were moved aside, the latest first."""
    found = []
    for place in sorted(
        folder.parent.glob(f"{folder.name}.dead*"), key=lambda place: (len(place.name), place.name), reverse=True
    ):
        try:
            found.append(json.loads((place / DEAD).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return found


def move_aside(folder: Path) -> Path:
    """Keep a dead attempt under another name, and return that."""
    places = (folder.with_name(f"{folder.name}.dead{number}") for number in itertools.count(1))
    place = next(place for place in places if not place.exists())
    return folder.rename(place)


def kept_weights(adapt: specs.Adaptation | None) -> str:
    """The file of the weights that make an experiment's scores."""
    return ADAPTED if adapt else BEST


def load_network(model: torch.nn.Module, path: Path, team: Team = Team(), **expected: object) -> None:
    """Load the weights in ``path`` into ``model``; refuses another fingerprint, split or architecture.

    Rank 0 reads the file and the others get it from there: only the first machine needs it.
    """
    content, meta = shared(load(path, **expected) if team.leads else None, team)
    try:
        model.load_state_dict(content)
    except RuntimeError as error:
        raise InputError(
            f"these weights are of another network ({meta.get('backbone')}): {str(error).splitlines()[1].strip()}",
            where=path,
            remedy="weights start an experiment of the same architecture only",
        ) from None


def marks_in(folder: Path) -> dict[str, str]:
    """The mark of every file of weights in ``folder``."""
    return {name: mark_of_weights(load(folder / name)[0]) for name in (BEST, LAST, ADAPTED) if exists(folder / name)}


def tidy(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    for path in (*folder.glob("*.previous"), folder / RESUME):
        path.unlink(missing_ok=True)


def run_folder(out: str | Path, experiment: str, fold: int, seed: int) -> Path:
    """The folder of one run: no two folds or seeds share a path, so parallel runs cannot race."""
    return Path(out) / experiment / f"fold{fold}_seed{seed}"
