"""Synthetic observations in the competition's format: wide bands, overlapping windows, needles with known truth.

The names below are imported when they are first used: who asks for a constant of the sky does not wait for tables.
"""

from typing import TYPE_CHECKING

from seti_utils.lazily import on_first_use

if TYPE_CHECKING:
    from seti_utils.sky.endless import EndlessSky
    from seti_utils.sky.folder import make_sky

__all__ = ["EndlessSky", "make_sky"]

__getattr__ = on_first_use(__name__, {"EndlessSky": "endless:EndlessSky", "make_sky": "folder:make_sky"})
