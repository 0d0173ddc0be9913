"""``kaggle``: kernels, data and submissions; its steps are in ``seti_utils.kaggle.commands``."""

from seti_utils.kaggle.commands import add_kaggle_parser as add_parser

__all__ = ["add_parser"]
