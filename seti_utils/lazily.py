"""Names of a package that are imported when they are first used, so that who asks for one does not wait for the others."""

import importlib
import sys
from collections.abc import Callable, Mapping


def on_first_use(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """``__getattr__`` of a package: imports a name from its place, ``module:name`` below the package, and leaves it there."""

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = places[name].partition(":")
        value = getattr(importlib.import_module(f"{package}.{module}"), attribute)
        setattr(sys.modules[package], name, value)
        return value

    return find
