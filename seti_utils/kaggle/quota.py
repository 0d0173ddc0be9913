"""The week's accelerator hours: what is left, and what runs will need."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seti_utils.kaggle.client import ask
from seti_utils.kaggle.recipe import SESSION
from seti_utils.session.machines import MACHINES, USUAL, machine_of
from seti_utils.wording import quantity


@dataclass(frozen=True)
class Quota:
    """Hours of one accelerator kind in the current week; ``refresh`` is when they come back (ISO time or "")."""

    resource: str
    used: float
    remaining: float
    total: float
    refresh: str


def quota() -> dict[str, Quota]:
    """Hours by accelerator kind (GPU, TPU); empty where the site tells nothing. Raises a ``KaggleError``."""
    answer = ask("kernels.get_accelerator_quota_statistics", where="quota", timeout=120)
    known = {"GPU": answer.get("gpuQuota"), "TPU": answer.get("tpuQuota")}
    refresh = answer.get("quotaRefreshTime") or ""
    found = {}
    for resource, entry in known.items():
        if entry is not None:
            used, total = entry["timeUsed"] / 3600, entry["totalTimeAllowed"] / 3600
            found[resource] = Quota(resource, used, max(0.0, total - used), total, refresh)
    return found


def measured_hours(kernel: str, runs: Path, shape: str | None = None) -> float | None:
    """Median hours of a session of kernels like ``kernel``, from the run.json of those fetched into ``runs``.

    Alike are kernels of the same stage and experiment, whatever their owners, folds and seeds; with ``shape``, a machine_shape,
    those that ran on it. None where there are none.
    """
    seconds = []
    for path in runs.glob("**/run.json"):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            if family(run["kernel"]) == family(kernel) and shape in (None, run["extra"].get("machine", USUAL.shape)):
                seconds.append(float(run["extra"]["session_seconds"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return statistics.median(seconds) / 3600 if seconds else None


def family(kernel: str) -> str:
    """The part of "owner/slug" that depends on neither owner, fold nor seed."""
    return kernel.split("/")[-1].split("-fold")[0]


def projected_hours(kernel: str, runs: Path) -> dict[str, str]:
    """Hours of a session of ``kernel`` by machine: measured there, or from another by the bandwidth of its cards ("~")."""
    measured = {machine.name: measured_hours(kernel, runs, machine.shape) for machine in MACHINES}
    known = next((machine for machine in MACHINES if measured[machine.name] is not None), None)
    told = {}
    for machine in MACHINES:
        hours = measured[machine.name]
        if hours is not None:
            told[machine.name] = f"{hours:.1f}"
        elif known is not None:
            ratio = known.cards * known.bandwidth / (machine.cards * machine.bandwidth)
            told[machine.name] = f"~{(measured[known.name] or 0) * ratio:.1f}"
        else:
            told[machine.name] = "not measured"
    return told


def need(kernels: Mapping[str, str], runs: Path, longest: float = SESSION / 3600) -> str:
    """A sentence about what runs of ``kernels`` (name: machine_shape) will take of the week's GPU hours.

    By the measured hours of their like in ``runs``; kernels without any count as ``longest`` hours, a whole session. An
    hour counts with the machine's price, once where none is published.
    """
    wanted, measured, unpriced = 0.0, 0, set()
    for kernel, shape in kernels.items():
        hours, machine = measured_hours(kernel, runs), machine_of(shape)
        measured += hours is not None
        wanted += (longest if hours is None else hours) * (1.0 if machine is None or machine.price is None else machine.price)
        unpriced |= {machine.name} if machine and machine.price is None else set()
    basis = f"{measured} of {quantity(len(kernels), 'run')} by measured rates, the others a whole session of {longest:.0f} h"
    basis += f"; {', '.join(sorted(unpriced))} may cost more than its hours" if unpriced else ""
    gpu = quota().get("GPU")
    if gpu is None:
        return f"about {wanted:.1f} GPU hours needed ({basis}); the site does not tell the quota"
    fits = "enough" if wanted <= gpu.remaining else "NOT enough"
    renewed = f", renewed {gpu.refresh[:10]}" if gpu.refresh else ""
    return f"about {wanted:.1f} of {gpu.remaining:.1f} GPU hours left are needed: {fits}{renewed} ({basis})"
