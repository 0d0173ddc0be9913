"""Where and how a run happens: nothing here changes what an experiment is, except ``overrides``, which show."""

import ast
import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from seti_utils import __version__
from seti_utils.errors import InputError
from seti_utils.registry import edit

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "opencv-python")


@dataclass(frozen=True)
class Runtime:
    """Folders, machine and budget of a run.

    ``overrides`` replaces knobs of the experiment (a smaller backbone for a test, fewer epochs for a look). They
    enter the fingerprint, so what was trained under them is never mistaken for the experiment itself.
    ``out`` is written to; ``runs`` are further folders in which trained weights are looked for.
    ``overlap`` is the folder of an overlap search, for folds and cleaned panels; ``adversarial`` a table of row
    weights. ``stop_after`` is in seconds of wall-clock time.
    ``sync_bn`` takes BatchNorm over the batch of all ranks (GPUs only).
    """

    data: Path | None = None
    out: Path = Path("runs")
    runs: tuple[Path, ...] = ()
    weights: Path | None = None
    packed: Path | None = None
    overlap: Path | None = None
    adversarial: Path | None = None
    device: str = "auto"
    workers: int | None = None
    sync_bn: bool = False
    stop_after: float | None = None
    overrides: dict[str, object] = field(default_factory=dict)


def parse_overrides(pairs: list[str]) -> dict[str, object]:
    """``["epochs=2", "resize.freq=128", "mixup=None"]`` as overrides of knobs.

    A dotted name edits one field of a feature that is on. Raises ``InputError`` without an equals sign.
    """
    overrides: dict[str, object] = {}
    edits: dict[str, dict[str, object]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is no override", remedy="write knob=value, for example epochs=2")
        knob, _, inside = name.strip().partition(".")
        if inside:
            edits.setdefault(knob, {})[inside] = literal(text)
        else:
            overrides[knob] = literal(text)
    return overrides | {knob: edit(**changes) for knob, changes in edits.items()}


def literal(text: str) -> object:
    """A Python literal where ``text`` is one, otherwise the text itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what the results depend on."""
    found = {"seti_utils": __version__, "python": platform.python_version()}
    found["platform"] = f"{platform.system()} {platform.machine()}"
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
