"""``kaggle``: kernels, data and submissions; its steps are in ``seti_utils.commands.kaggle.kernels``."""

from seti_utils.commands.kaggle.kernels import add_kaggle_parser as add_parser

__all__ = ["add_parser"]
