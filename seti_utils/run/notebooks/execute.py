"""Run a notebook with papermill, in this very Python, its parameters checked before anything starts."""

import importlib.util
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seti_utils.errors import InputError, UserError
from seti_utils.places import PACKAGE, find_root
from seti_utils.session.parameters import parse_parameters

QUIET = ["--IPKernelApp.log_level=40"]
"""Without it a kernel warns at every start that its sockets, which only this machine reaches, are not encrypted."""
KERNEL = "python3"
"""The kernel's name in the executed notebook: the one that every Jupyter has."""


class KernelDied(UserError):
    """The notebook's process ended before the notebook did."""

    exit_code = 1


def find_notebook(name: str) -> Path:
    """The notebook ``name`` of the toolkit, or the path itself. Raises ``InputError`` when there is none."""
    folder = (find_root("notebooks/train.ipynb") or Path()) / "notebooks"
    for path in (Path(name), folder / f"{name}.ipynb"):
        if path.is_file() and path.suffix == ".ipynb":
            return path
    known = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none here"
    raise InputError("there is no such notebook", where=name, remedy=f"give a path, or one of: {known}")


def run_notebook(name: str, out: Path, parameters: list[str]) -> None:
    """Execute notebook ``name`` into ``out`` with ``["name=value", ...]``; its output streams to standard output.

    Unknown or wrongly typed parameters are refused before anything runs. A failing cell raises ``InputError`` with
    the cell's own last line, a kernel that dies ``KernelDied``; the notebook up to there is in ``out``.
    """
    source = find_notebook(name)
    values = parse_parameters(source, parameters)
    if out.is_dir():
        raise InputError("is a folder", where=out, remedy=f"give the notebook to write, {out / source.name} for example")
    require("papermill", "ipykernel")
    import nbformat
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    notebook = nbformat.read(source, as_version=4)
    notebook.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    out.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    with own_kernel():
        try:
            papermill.execute_notebook(
                notebook,
                str(out).replace("{", "{{").replace("}", "}}"),  # papermill would fill in parameters there
                values,
                kernel_name=KERNEL,
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
        except DeadKernelError:
            raise KernelDied(
                f"{out}: the notebook's process was killed; most often memory ran out: take a smaller batch or image, or end "
                "what else is running (the notebook up to there is in that file)"
            ) from None
        except (NoSuchKernel, RuntimeError, TimeoutError) as error:
            told = str(error).strip().splitlines() or [type(error).__name__]
            raise KernelDied(f"{out}: the notebook's process did not start ({told[-1]}); see its lines above") from None


def require(*packages: str) -> None:
    """Raise ``InputError`` with the command that installs the first of ``packages`` that is not here."""
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"{missing[0]} is not installed in {sys.prefix}", remedy=f"{sys.executable} -m pip install {' '.join(missing)}"
        )


@contextmanager
def own_kernel() -> Iterator[None]:
    """Let the kernel ``python3`` be this very Python, which finds this package, whatever Jupyter has under that name.

    A kernel that another environment left under the name would run the notebook with that environment's packages.
    """
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    about = {"argv": command, "display_name": "Python 3", "language": "python"}
    with (
        tempfile.TemporaryDirectory() as folder,
        changed_environment(PYTHONPATH=joined(str(PACKAGE.parent), "PYTHONPATH"), JUPYTER_PATH=joined(folder, "JUPYTER_PATH")),
    ):
        place = Path(folder) / "kernels" / KERNEL
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(json.dumps(about), encoding="utf-8")
        yield


def joined(first: str, variable: str) -> str:
    """``first`` before what the environment's ``variable`` holds."""
    return os.pathsep.join(filter(None, (first, os.environ.get(variable))))


@contextmanager
def changed_environment(**variables: str) -> Iterator[None]:
    """The environment with ``variables`` set, and as it was afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
