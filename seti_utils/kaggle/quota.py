"""The week's accelerator hours: what is left, and what runs will need."""

import csv
import io
import json
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from seti_utils.kaggle.cli import ask
from seti_utils.kaggle.errors import UnknownAnswer


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
    return read_quota(ask("quota", "--csv", timeout=120).out)


def read_quota(text: str) -> dict[str, Quota]:
    """The client's CSV as :class:`Quota` objects. Raises ``UnknownAnswer`` for columns of another kind."""
    if "No quota information" in text:
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(text[text.index("resource") :])))
        return {
            row["resource"]: Quota(
                row["resource"],
                hours(row["used"]),
                hours(row["remaining"]),
                hours(row["total"]),
                row.get("refreshAt") or "",
            )
            for row in rows
        }
    except (ValueError, KeyError) as broken:
        raise UnknownAnswer(f"the quota is not a table that is known: {text[:100]!r}") from broken


def hours(text: str) -> float:
    """ "29.00h" as 29.0."""
    return float(re.sub(r"h$", "", text.strip()))


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
