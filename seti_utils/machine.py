"""What this machine is: its cores, and the versions that results depend on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from seti_utils import __version__

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "opencv-python")


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


def memory_gib() -> float:
    """The machine's memory in GiB; NaN where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return float("nan")
