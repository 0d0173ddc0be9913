"""The way in which a run's steps are computed: as it was begun, as it was asked for, as was measured here, or as usual.

A run keeps its way: it stands in its resume state, in its weights and in ``meta.json`` (``computing``), and whoever predicts
with the weights takes its memory layout and precision. It is not part of the fingerprint. What was measured for an experiment
on a machine lies in ``out/<experiment>/computing.json``, so that all folds and seeds are computed alike and each is not
measured anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from seti_utils.errors import InputError
from seti_utils.files import read_object, write_json
from seti_utils.learn.checkpoint import exists, load
from seti_utils.learn.computing import MEASURED, Computing, asked_for
from seti_utils.learn.distributed import Team, shared
from seti_utils.learn.measuring import measured, rates
from seti_utils.learn.precision import choose_precision
from seti_utils.nets.detector import Detector
from seti_utils.nets.models import Classifier
from seti_utils.run.artifacts import LAST, RESUME
from seti_utils.run.identity import Run
from seti_utils.wording import quantity

FILE, RATES = "computing.json", "images_per_second"
KEYS = {"computing", RATES}
Say = Callable[[str], None]


def computing_of(
    run: Run, model: Classifier | Detector, team: Team, shape: tuple[int, ...], images: float, say: Say
) -> Computing:
    """How the steps of ``run`` are to be computed on this team's devices; rank 0 decides for all.

    ``shape``: of a rank's part of a batch of images (B, C, freq, time). ``images``: how many the training will see. A GPU is
    measured unless the runtime says otherwise; a CPU only where it says so, because its choices would depend on the clock and
    with them the last bits of the weights. Raises ``InputError`` where ``compiled`` was asked for and does not work.
    """
    return shared(chosen(run, model, team.device, shape, images, say) if team.leads else None, team)


def chosen(
    run: Run, model: Classifier | Detector, device: torch.device, shape: tuple[int, ...], images: float, say: Say
) -> Computing:
    """As :func:`computing_of`, on the rank that decides."""
    usual = Computing(precision=choose_precision(run.config.precision, device))
    asked, begun = run.runtime.computing, begun_with(run.folder, usual)
    if asked not in (None, MEASURED):
        way = asked_for(asked, begun or usual)
        way = Computing(way.layout, choose_precision(way.precision, device), way.compiled)
        if begun not in (None, way):
            say(f"begun as {begun}, resumed as {way}")
        if way.compiled:
            refuse_broken(model, way, shape)
        say(f"{run.title}: computed as {way}")
        return way
    if begun is not None:
        return begun
    if isinstance(model, Detector) or (asked is None and device.type != "cuda"):
        return usual
    wanted = run.config.precision
    name = f"{run.fingerprint}, {wanted}, batch {shape[0]}, {machine_of(device)}, torch {torch.__version__}"
    path = run.folder.parent / FILE
    known = read_measured(path).get(name)
    if known is None:
        compiling = images if device.type == "cuda" else 0  # on a CPU it gains nothing worth its minute
        way, found = measured(model, shape, wanted, usual, compiling)
        known = {"computing": way.record(), RATES: {str(each): round(rate, 1) for each, rate in found.items()}}
        write_json(path, read_measured(path) | {name: known})
    speeds = "; ".join(f"{each} {rate:g}" for each, rate in known[RATES].items())
    way = Computing.recorded(known["computing"])
    say(f"{run.title}: computed as {way} (images/s of up to twenty steps each: {speeds})")
    return way


def begun_with(folder: Path, usual: Computing) -> Computing | None:
    """How the run in ``folder`` was begun; None where none was. Earlier versions computed as ``usual`` and did not say so."""
    path = next((folder / name for name in (RESUME, LAST) if exists(folder / name)), None)
    if path is None:
        return None
    return Computing.recorded(load(path)[1].get("computing"), usual.precision)


def refuse_broken(model: Classifier | Detector, way: Computing, shape: tuple[int, ...]) -> None:
    """Raise ``InputError`` where a compiled step of ``model`` does not work."""
    remedy = "leave out compiled"
    if isinstance(model, Detector):
        raise InputError("a detector's search for tracks is not compiled", where="computing", remedy=remedy)
    if not rates(model, shape, [way]):
        raise InputError("torch.compile does not work here (see the note above)", where="computing", remedy=remedy)


def machine_of(device: torch.device) -> str:
    """The device's name."""
    return (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU with {quantity(torch.get_num_threads(), 'thread')}"
    )


def read_measured(path: Path) -> dict[str, Any]:
    """What was measured before; what is not there or not whole is measured again."""
    try:
        found = read_object(path, "delete it")
    except InputError:
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict) and KEYS <= entry.keys()}
