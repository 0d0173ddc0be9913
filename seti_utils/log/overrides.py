"""Knobs as they are typed: ``--set knob=value``."""

import ast

from seti_utils.errors import InputError
from seti_utils.log.registry import edit


def parse_overrides(pairs: list[str]) -> dict[str, object]:
    """``["epochs=2", "resize.freq=128", "mixup=None"]`` as overrides of knobs.

    A dotted name edits one field of a feature that is on. Raises ``InputError`` without an equals sign.
    """
    overrides: dict[str, object] = {}
    edits: dict[str, dict[str, object]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is no override", remedy="write knob=value, for example epochs=2")
        knob, _, inside = name.strip().partition(".")
        if inside:
            edits.setdefault(knob, {})[inside] = literal(text)
        else:
            overrides[knob] = literal(text)
    return overrides | {knob: edit(**changes) for knob, changes in edits.items()}


def literal(text: str) -> object:
    """A Python literal where ``text`` is one, otherwise the text itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()
