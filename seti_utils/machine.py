"""What this machine is: its cores, and the versions that results depend on."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

from seti_utils import __version__
from seti_utils.errors import InputError

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "opencv-python")
DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


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


def check_device(text: str) -> None:
    """Raise ``InputError`` unless ``text`` is a device's name; whether it is there is what ``choose_device`` asks torch."""
    if not DEVICES.fullmatch(text):
        raise InputError(f"{text!r} is not a device", where="device", remedy="write auto, cpu, cuda or cuda:1")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float:
    """The machine's memory in GiB; NaN where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return float("nan")
