"""Kernels, data and submissions on Kaggle.

Every step ends with exit code 0 only when what it says has happened. The whole story, one command per step, is below.
"""

from seti_utils.commands.kaggle.kernels import EXAMPLES, add_arguments

__all__ = ["EXAMPLES", "add_arguments"]
