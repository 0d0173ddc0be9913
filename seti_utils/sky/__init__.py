"""Synthetic observations in the competition's format: wide bands, overlapping windows, needles with known truth."""

from seti_utils.sky.endless import EndlessSky
from seti_utils.sky.folder import make_sky

__all__ = ["EndlessSky", "make_sky"]
