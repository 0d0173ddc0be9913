"""Finding technosignatures in radio-telescope cadences, notebook-first, on Kaggle GPUs."""

__version__ = "0.1.0"
