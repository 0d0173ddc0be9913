"""The shipped detector by its name, where there is one."""

import importlib
import importlib.util

from seti_utils.telescope.network import ShippedDetector

NONE = "none"


def find_detector(name: str) -> tuple[ShippedDetector | None, str]:
    """The detector called ``name``, or None and why there is none. Raises ``InputError`` for a name that is unknown."""
    if name == NONE:
        return None, "as asked"
    if importlib.util.find_spec("seti_utils.nets.shipped") is None:
        return None, "this version ships no detector"
    return importlib.import_module("seti_utils.nets.shipped").load_detector(name), ""
