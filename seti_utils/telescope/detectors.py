"""The shipped detector by its name, where there is one."""

from seti_utils.nets.shipped import load_detector
from seti_utils.telescope.network import ShippedDetector

NONE = "none"


def find_detector(name: str) -> tuple[ShippedDetector | None, str]:
    """The detector called ``name``, or None and why there is none. Raises ``InputError`` for a name that is unknown."""
    if name == NONE:
        return None, "as asked"
    return load_detector(name), ""
