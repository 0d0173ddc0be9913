"""Synthetic observations in the competition's format: wide bands, overlapping windows, needles with known truth.

The names below are imported when they are first used: who asks for a constant of the sky does not wait for tables.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seti_utils.sky.endless import EndlessSky
    from seti_utils.sky.folder import make_sky

__all__ = ["EndlessSky", "make_sky"]

PLACES = {"EndlessSky": "endless", "make_sky": "folder"}


def __getattr__(name: str) -> object:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{PLACES[name]}"), name)
    return value
