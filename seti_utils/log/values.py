"""What a knob or a setting may hold: a type and its range, written as its annotation, checked in one place, said in words."""

import math
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from seti_utils.errors import InputError

NoneType = type(None)
WORDS = {int: "a whole number", float: "a number", str: "a word", bool: "True or False", NoneType: "None"}


@dataclass(frozen=True)
class Range:
    """Numbers between two ends. ``low`` and ``high`` belong to it, ``above`` and ``below`` do not."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in it; NaN and infinity never do."""
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def said(self, words: str) -> str:
        """``words`` with the range: "a number from 0 to 1"."""
        if self.low is not None and self.high is not None:
            return f"{words} from {self.low:g} to {self.high:g}"
        ends = (
            (self.low, "of at least {:g}"),
            (self.above, "above {:g}"),
            (self.high, "of at most {:g}"),
            (self.below, "below {:g}"),
        )
        return f"{words} " + " and ".join(form.format(end) for end, form in ends if end is not None)


@dataclass(frozen=True)
class Odd:
    """Odd numbers from ``least`` on."""

    least: int = 1

    def holds(self, value: int) -> bool:
        """Whether ``value`` is odd and large enough."""
        return value >= self.least and value % 2 == 1

    def said(self, words: str) -> str:
        """The same in words."""
        return f"an odd number of at least {self.least}"


@dataclass(frozen=True)
class Rising:
    """Pairs (low, high) whose first number is not the larger one."""

    def holds(self, value: tuple[float, float]) -> bool:
        """Whether the pair rises, or stays."""
        return value[0] <= value[1]

    def said(self, words: str) -> str:
        """The same in words."""
        return f"{words}, the lower one first"


@dataclass(frozen=True)
class Filled:
    """Tuples and words that are not empty."""

    def holds(self, value: tuple | str) -> bool:
        """Whether there is anything in it."""
        return len(value) > 0

    def said(self, words: str) -> str:
        """The same in words."""
        return words.replace("a tuple, each", "a tuple of one or more, each")


Share = Annotated[float, Range(0, 1)]
Part = Annotated[float, Range(above=0, below=1)]
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(0)]
Count = Annotated[int, Range(1)]
Name = Annotated[str, Filled()]
Between = Annotated[tuple[Positive, Positive], Rising()]
"""The range that something above 0 is drawn from, (low, high)."""


def check(owner: str | None, named: Iterable[tuple[str, object, object]]) -> None:
    """Refuse, by name, the first value that its annotation does not allow: ``named`` gives (name, value, annotation)."""
    for name, value, hint in named:
        if not matches(value, hint):
            raise InputError(f"{name}={value!r}", where=owner, remedy=f"expected {spelled(hint)}")


def matches(value: object, hint: object) -> bool:
    """Whether ``value`` is what ``hint`` writes; an int passes for a float, a bool only for a bool."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return matches(value, inner[0]) and all(limit.holds(value) for limit in inner[1:])
    if origin in (typing.Union, types.UnionType):
        return any(matches(value, option) for option in inner)
    if origin is Literal:
        return any(type(value) is type(option) and value == option for option in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        wanted = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(wanted) == len(value) and all(map(matches, value, wanted))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float)) if hint is float else isinstance(hint, type) and isinstance(value, hint)


def spelled(hint: object) -> str:
    """An annotation as a person says it: ``a number from 0 to 1 or None``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        words = spelled(inner[0])
        for limit in inner[1:]:
            words = limit.said(words)
        return words
    if origin in (typing.Union, types.UnionType, Literal):
        options = [repr(one) if origin is Literal else spelled(one) for one in inner]
        return " or ".join(filter(None, (", ".join(options[:-1]), options[-1])))
    if origin is tuple:
        return f"a tuple, each {spelled(inner[0])}" if inner[-1] is Ellipsis else f"({', '.join(map(spelled, inner))})"
    said = getattr(hint, "said", None)
    return WORDS.get(hint) or (said() if said else getattr(hint, "__name__", str(hint)))
