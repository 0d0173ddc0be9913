"""A picture in a notebook and, where it is to be kept, in a file."""

from pathlib import Path

from matplotlib.figure import Figure

from seti_utils.pictures.style import save_picture


def show(figure: Figure, path: Path | None) -> None:
    """Show a picture in the notebook, and write it as a file where ``path`` says."""
    from IPython.display import display

    if path is not None:
        save_picture(figure, path)
    display(figure)
