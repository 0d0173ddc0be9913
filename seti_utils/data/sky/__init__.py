"""Synthetic observations in the competition's format: wide bands, overlapping windows, needles with known truth."""

from .endless import EndlessSky
from .folder import make_sky

__all__ = ["EndlessSky", "make_sky"]
