"""The folder of one run: whether it is finished, whose it is, and the weights in it."""

import json
from pathlib import Path

import torch

from seti_utils.errors import InputError
from seti_utils.learn.checkpoint import load
from seti_utils.learn.distributed import Team, shared
from seti_utils.run.runtime import Runtime


def trained(name: str, fold: int, seed: int, runtime: Runtime) -> Path:
    """The folder with the weights of a run: below ``out`` or one of ``runs``. Raises ``InputError`` when it is nowhere."""
    places = [run_folder(base, name, fold, seed) for base in (runtime.out, *runtime.runs)]
    for place in places:
        if (place / "best.pt").exists():
            return place
    raise InputError(
        f"{name} fold {fold} seed {seed} was not trained: no best.pt in {', '.join(map(str, places))}",
        remedy=f"train it: python -m seti_utils train {name} --folds {fold} --seeds {seed}",
    )


def read_meta(folder: Path) -> dict[str, object] | None:
    """``meta.json`` of a finished run; None where there is none yet."""
    try:
        return json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError("this is no JSON", where=folder / "meta.json", remedy="delete the folder to train again") from None


def finished(folder: Path, fingerprint: str) -> bool:
    """Whether the run in ``folder`` is complete; one of another fingerprint is refused."""
    meta = read_meta(folder)
    if meta is None:
        return False
    if meta.get("fingerprint") != fingerprint:
        raise InputError(
            f"holds a run with fingerprint {meta.get('fingerprint')}, this one has {fingerprint}",
            where=folder,
            remedy="other overrides or another version of the log made it: give another --out, or delete the folder",
        )
    return bool(meta.get("finished"))


def refuse_foreign(folder: Path, fingerprint: str) -> None:
    """Refuse to go on from, or to write over, the weights of another experiment."""
    for name in ("resume.pt", "last.pt"):
        if (folder / name).exists():
            load(folder / name, fingerprint=fingerprint)
            return


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


def load_body(model: torch.nn.Module, path: Path, team: Team = Team(), **expected: object) -> None:
    """Load the backbone alone from the weights in ``path``: what a detector knows, a classifier can begin with.

    A pooling with an exponent of its own keeps it. Errors as in :func:`load_network`.
    """
    content, meta = shared(load(path, **expected) if team.leads else None, team)
    found = {name.removeprefix("body."): value for name, value in content.items() if name.startswith("body.")}
    own = model.body.state_dict()
    lacking = [name for name in own if name not in found and "pool" not in name]
    unlike = [name for name in own if name in found and own[name].shape != found[name].shape]
    if lacking or unlike:
        raise InputError(
            f"these weights are of another backbone ({meta.get('backbone')}): {(lacking + unlike)[0]}",
            where=path,
            remedy="begin with an experiment of the same backbone and channels a panel",
        )
    model.body.load_state_dict(own | {name: value for name, value in found.items() if name in own})


def tidy(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    for path in (*folder.glob("*.previous"), folder / "resume.pt"):
        path.unlink(missing_ok=True)


def run_folder(out: str | Path, experiment: str, fold: int, seed: int) -> Path:
    """The folder of one run: no two folds or seeds share a path, so parallel runs cannot race."""
    return Path(out) / experiment / f"fold{fold}_seed{seed}"
