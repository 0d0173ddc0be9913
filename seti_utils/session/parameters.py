"""The parameters of a notebook: what it takes, and whether what is given fits."""

import ast
import json
import math
from pathlib import Path

from seti_utils.errors import InputError, did_you_mean
from seti_utils.wording import quantity


def read_parameters(notebook: str | Path) -> dict[str, object]:
    """Name and default of every parameter: the literal assignments of the one cell tagged ``parameters``.

    Raises ``InputError`` for a notebook without such a cell, or with a default that is not a plain literal.
    """
    path = Path(notebook)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError as missing:
        raise InputError("no such notebook", where=path, remedy="run from the repository's root") from missing
    except (ValueError, KeyError, TypeError) as broken:
        raise InputError("not a notebook", where=path, remedy="write it again from its .py source with jupytext") from broken
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise InputError(
            f"{quantity(len(tagged), 'cell is', 'cells are')} tagged parameters", where=path, remedy="tag exactly one"
        )
    defaults: dict[str, object] = {}
    try:
        for statement in ast.parse("".join(tagged[0]["source"])).body:
            name, value = assigned(statement)
            defaults[name] = ast.literal_eval(value)
    except (SyntaxError, ValueError, TypeError) as broken:
        raise InputError("a parameter is not a plain literal", where=path, remedy="one `name = literal` per line") from broken
    return defaults


def assigned(statement: ast.stmt) -> tuple[str, ast.expr]:
    """Name and value of ``name = value`` or ``name: kind = value``. Raises ``ValueError`` for another statement."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        raise ValueError("not an assignment to one name")
    if not isinstance(target, ast.Name):
        raise ValueError("not an assignment to a name")
    return target.id, value


def check_parameters(notebook: str | Path, given: dict[str, object]) -> dict[str, object]:
    """``given`` if every name is known and every value has its default's type; raises ``InputError`` otherwise.

    An int is taken for a float. Papermill itself only logs an unknown name and ignores the value's type.
    """
    defaults = read_parameters(notebook)
    for name, value in given.items():
        if name not in defaults:
            remedy = did_you_mean(name, defaults, f"it takes {', '.join(defaults)}")
            raise InputError(f"unknown parameter {name!r}", where=notebook, remedy=remedy)
        wanted = type(defaults[name])
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(
                f"parameter {name} is {value!r}", where=notebook, remedy="give a finite number: no notebook can hold it"
            )
        if type(value) is not wanted and not (wanted is float and type(value) is int) and defaults[name] is not None:
            raise InputError(
                f"parameter {name} is {value!r}",
                where=notebook,
                remedy=f"give a {wanted.__name__}, like its default {defaults[name]!r}",
            )
    return dict(given)


def parse_parameters(notebook: str | Path, pairs: list[str]) -> dict[str, object]:
    """``["folds=0,1", "rows=4"]`` as values of the types of the notebook's defaults. Raises ``InputError``."""
    defaults, values = read_parameters(notebook), {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is not a parameter", remedy="write name=value")
        values[name.strip()] = text
        if (name := name.strip()) in defaults and not isinstance(defaults[name], str):
            try:
                values[name] = ast.literal_eval(text.strip())
            except (ValueError, SyntaxError):
                values[name] = text
    return check_parameters(notebook, values)
