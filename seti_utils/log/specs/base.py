"""What a feature is to the log: a frozen value that knows what does its work, and what kind of feature it is."""

import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, dataclass_transform

from seti_utils.log.values import check

SPECS: dict[str, type["Spec"]] = {}
"""Every feature that an experiment can switch on, by its name."""


@dataclass_transform(frozen_default=True)
class Spec:
    """A feature that is on. Its settings are the keyword arguments of what does its work.

    ``does`` names that as text, ``package.module:function``; it is looked up only where a config is taken apart
    (:mod:`seti_utils.run.compose`), so the log names it without importing it. ``caller`` names the settings that say when
    or where it is called, and are not passed on. A class without ``does`` is a kind of feature, not a feature, and says in
    ``words`` what it is. Raises ``InputError`` for a setting whose value its annotation does not allow.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    does: ClassVar[str | None] = None
    caller: ClassVar[tuple[str, ...]] = ()
    words: ClassVar[str]

    def __init_subclass__(cls, *, does: str | None = None, caller: tuple[str, ...] = (), words: str | None = None) -> None:
        if (does is None) == (words is None):
            raise TypeError(f"{cls.__name__}: a feature says does='package.module:function', a kind of features says words='…'")
        cls.does, cls.caller, cls.words = does, caller, words or cls.__name__
        if does is None:
            return
        dataclass(frozen=True)(cls)
        if cls.__name__ in SPECS:
            raise TypeError(f"there are two features called {cls.__name__}: fingerprints tell features by their names")
        if unknown := set(caller) - {field.name for field in fields(cls)}:
            raise TypeError(f"{cls.__name__}: caller names {sorted(unknown)}, which are not settings of it")
        SPECS[cls.__name__] = cls

    def __post_init__(self) -> None:
        check(type(self).__name__, ((name, getattr(self, name), hint) for name, hint in settings_of(type(self)).items()))

    @classmethod
    def said(cls) -> str:
        """Its name; of a kind, what it is and which features there are."""
        names = [spec.__name__ for spec in SPECS.values() if issubclass(spec, cls)]
        return cls.words if cls.does else f"{cls.words} ({', '.join(names)})"

    @classmethod
    def worker(cls) -> Callable[..., Any]:
        """The function or class that ``does`` names. Imports its module, so the log itself never calls this."""
        module, _, name = str(cls.does).partition(":")
        return getattr(import_module(module), name)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of what does the work."""
        return {name: getattr(self, name) for name in settings_of(type(self)) if name not in self.caller}


@cache
def settings_of(spec: type[Spec]) -> dict[str, Any]:
    """The annotations of a feature's settings, by name."""
    hints = typing.get_type_hints(spec, include_extras=True)
    return {field.name: hints[field.name] for field in fields(spec)}


def features_of(hint: object) -> list[type[Spec]]:
    """The features among what an annotation allows, those of a kind one by one."""
    options = typing.get_args(hint) or (hint,)
    kinds = tuple(option for option in options if isinstance(option, type) and issubclass(option, Spec))
    return [spec for spec in SPECS.values() if kinds and issubclass(spec, kinds)]


class CleanStep(Spec, words="a cleaning step"):
    """Panels (B, P, T, F) to panels, without randomness."""


class PanelAugmentation(Spec, words="an augmentation of panels"):
    """``(panels, labels)`` to the same, at random; a knob of ``Config`` says when it acts."""


class ImageAugmentation(Spec, words="an augmentation of the image"):
    """``(image, labels)`` to the same, at random; a knob of ``Config`` says when it acts."""


class Pool(Spec, words="a pooling"):
    """A feature map to features."""


class Head(Spec, words="a head"):
    """Features to logits."""


class Loss(Spec, words="a loss"):
    """(output, target) to a number to be minimised."""


class Schedule(Spec, words="a schedule"):
    """How far a stage has come to a factor of the learning rate."""


class Average(Spec, words="an average of the weights"):
    """A second set of weights that follows the trained ones."""


class Adaptation(Spec, words="an adaptation"):
    """What happens to a trained network on test cadences, whose labels nobody has."""
