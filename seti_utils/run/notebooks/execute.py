"""Run a notebook with papermill, its parameters checked before anything starts."""

import os
import sys
from pathlib import Path

import seti_utils
from seti_utils.errors import InputError
from seti_utils.session.parameters import parse_parameters

QUIET = ["--IPKernelApp.log_level=40"]
"""Without it a kernel warns at every start that its sockets, which only this machine reaches, are not encrypted."""
NOTEBOOKS = Path(seti_utils.__file__).parent.parent / "notebooks"


def find_notebook(name: str) -> Path:
    """``notebooks/<name>.ipynb`` of this checkout, or the path itself. Raises ``InputError`` when there is none."""
    for path in (Path(name), NOTEBOOKS / f"{name}.ipynb"):
        if path.is_file() and path.suffix == ".ipynb":
            return path
    known = ", ".join(sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))) or "none here"
    raise InputError("no such notebook", where=name, remedy=f"give a path, or one of: {known}")


def run_notebook(name: str, out: Path, parameters: list[str]) -> None:
    """Execute notebook ``name`` into ``out`` with ``["name=value", ...]``; its output streams to standard output.

    Unknown or wrongly typed parameters are refused before anything runs. A failing cell raises ``InputError`` with
    the cell's own last line; the notebook up to there is in ``out``.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source = find_notebook(name)
    values = parse_parameters(source, parameters)
    out.parent.mkdir(parents=True, exist_ok=True)
    package = str(Path(seti_utils.__file__).parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    try:
        papermill.execute_notebook(
            source,
            out,
            values,
            kernel_name="python3",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=QUIET,
        )
    except PapermillExecutionError as error:
        raise InputError(
            f"cell {error.exec_count} failed: {error.ename}: {error.evalue}",
            where=out,
            remedy="the notebook up to there is in that file",
        ) from None
