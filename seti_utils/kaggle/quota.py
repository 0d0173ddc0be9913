"""The week's accelerator hours: what is left, and what runs will need."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from seti_utils.kaggle.client import ask


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


def measured_hours(kernel: str, runs: Path) -> float | None:
    """Median hours of a session of kernels like ``kernel``, from the run.json of those fetched into ``runs``.

    Alike are kernels of the same stage and experiment, whatever their folds and seeds. None where there are none.
    """
    seconds = []
    for path in runs.glob("**/run.json"):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            if family(run["kernel"]) == family(kernel):
                seconds.append(float(run["extra"]["session_seconds"]))
        except (ValueError, KeyError, TypeError):
            continue
    return statistics.median(seconds) / 3600 if seconds else None


def family(kernel: str) -> str:
    """The part of "owner/slug" that does not depend on fold and seed."""
    return kernel.split("-fold")[0]


def need(kernels: list[str], runs: Path, longest: float = 12) -> str:
    """A sentence about what runs of ``kernels`` will take of the week's GPU hours.

    By the measured hours of their like in ``runs``; kernels without any count as ``longest`` hours, a whole session.
    """
    rates = [measured_hours(kernel, runs) for kernel in kernels]
    wanted = sum(longest if rate is None else rate for rate in rates)
    measured = len(rates) - rates.count(None)
    basis = f"{measured} of {len(rates)} run(s) by measured rates, the others a whole session of {longest:.0f} h"
    gpu = quota().get("GPU")
    if gpu is None:
        return f"about {wanted:.1f} GPU hours needed ({basis}); the site does not tell the quota"
    fits = "enough" if wanted <= gpu.remaining else "NOT enough"
    renewed = f", renewed {gpu.refresh[:10]}" if gpu.refresh else ""
    return f"about {wanted:.1f} of {gpu.remaining:.1f} GPU hours left are needed: {fits}{renewed} ({basis})"
