"""A small Kaggle of our own on the loopback interface, for the real command line client to talk to.

It answers the remote calls that the toolkit needs, breaks on request, and runs pushed notebooks in clean folders.
"""

from .faults import Fault, Script
from .server import LocalKaggle

__all__ = ["Fault", "LocalKaggle", "Script"]
