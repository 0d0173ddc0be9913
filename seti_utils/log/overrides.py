"""Knobs as they are typed: ``--set epochs=2``, ``--set resize.freq=128``, ``--set "mixup=Mixup(alpha=5)"``."""

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields

from seti_utils.errors import InputError
from seti_utils.log.registry import Edit, edit, nearest
from seti_utils.log.specs import SPECS

CALL = re.compile(r"[\w.]+\(.*\)?", re.DOTALL)
NO_WEIGHTS, RANDOM_START = "none", ("pretrained=False",)
"""What ``--weights none`` stands for."""

CLOSING = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}


def parse_overrides(pairs: Sequence[str]) -> dict[str, object]:
    """``["epochs=2", "resize.freq=128", "mixup=None"]`` as overrides of knobs.

    A value is a Python literal, a feature of the log with its settings (``Mixup(alpha=5)``), a tuple of these, or, failing
    that, the text itself. A dotted name changes one setting of a feature, and switches the feature on where it was off.
    Raises ``InputError`` for a pair without an equals sign, an unknown feature, and a setting that a feature does not have.
    """
    overrides: dict[str, object] = {}
    edits: dict[str, dict[str, object]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        knob, _, setting = name.strip().partition(".")
        if not equals or not knob:
            raise InputError(f"{pair!r} is not a valid override", remedy="write knob=value, for example epochs=2")
        if setting:
            edits.setdefault(knob, {})[setting] = value_of(text)
        else:
            overrides[knob] = value_of(text)
    if both := [knob for knob in edits if knob in overrides]:
        raise InputError(
            f"both {both[0]} and {both[0]}.{next(iter(edits[both[0]]))} were given",
            remedy="write the feature with all its settings",
        )
    return overrides | {knob: edit(**changes) for knob, changes in edits.items()}


def split_overrides(text: str) -> list[str]:
    """The pairs of a notebook's ``overrides``: spaces part them, but not inside brackets and quotes.

    ``"epochs=2 resize=Resize(64, 64)"`` is ``["epochs=2", "resize=Resize(64, 64)"]``. Raises ``InputError`` for a bracket or
    a quote that stays open.
    """
    pairs, open_ones = [""], []
    for letter in text:
        if open_ones and letter == open_ones[-1]:
            open_ones.pop()
        elif letter in CLOSING and not (open_ones and open_ones[-1] in "\"'"):
            open_ones.append(CLOSING[letter])
        if letter.isspace() and not open_ones:
            pairs.append("")
        else:
            pairs[-1] += letter
    if open_ones:
        raise InputError(
            f"{text!r}: {open_ones[-1]} is missing", where="overrides", remedy="write knob=value, spaces between pairs"
        )
    return [pair for pair in pairs if pair]


def value_of(text: str) -> object:
    """What ``text`` means: a literal, a feature, a tuple of these, or the text itself."""
    text = text.strip()
    try:
        return evaluated(ast.parse(text, mode="eval").body)
    except InputError:
        raise
    except (ValueError, SyntaxError):
        if CALL.fullmatch(text):
            raise InputError(f"cannot read {text!r}", remedy="write a feature as Mixup(alpha=5)") from None
        return text


def evaluated(tree: ast.expr) -> object:
    """The value of an expression made of literals and features; ``ValueError`` for any other."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and all(one.arg for one in tree.keywords):
        settings = {str(one.arg): evaluated(one.value) for one in tree.keywords}
        return feature(tree.func.id, [evaluated(one) for one in tree.args], settings)
    if isinstance(tree, ast.Tuple | ast.List):
        return tuple(evaluated(one) for one in tree.elts)
    return ast.literal_eval(tree)


def feature(name: str, values: Sequence[object], settings: dict[str, object]) -> object:
    """The feature ``name`` of the log with its settings."""
    if name not in SPECS:
        raise InputError(f"unknown feature {name!r}", remedy=nearest(name, tuple(SPECS)))
    known = tuple(field.name for field in fields(SPECS[name]))
    if unknown := [key for key in settings if key not in known]:
        raise InputError(f"{name} has no setting {unknown[0]!r}", remedy=nearest(unknown[0], known))
    try:
        return SPECS[name](*values, **settings)
    except TypeError as error:
        problem = str(error).removeprefix(f"{name}.__init__() ")
        raise InputError(f"{name}: {problem}", remedy=f"write it as {name}({', '.join(known)})") from None


def spelled_overrides(overrides: Mapping[str, object]) -> list[str]:
    """The pairs that :func:`parse_overrides` reads as ``overrides``."""
    pairs = []
    for knob, value in overrides.items():
        if isinstance(value, Edit):
            pairs += [f"{knob}.{setting}={spelled_value(one)}" for setting, one in value.fields]
        else:
            pairs.append(f"{knob}={spelled_value(value)}")
    return pairs


def spelled_value(value: object) -> str:
    """The text that :func:`value_of` reads as ``value``: a word without quotes, where it is read as itself."""
    with suppress(InputError):
        if isinstance(value, str) and value_of(value) == value:
            return value
    return repr(value)
