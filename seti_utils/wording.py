"""Numbers and names in a sentence, as a person would say them."""

from collections.abc import Iterable
from itertools import islice

SINGULAR = {"are": "is", "were": "was", "have": "has"}


def quantity(number: int, one: str, many: str | None = None) -> str:
    """``1 row``, ``2 rows``, ``2,400 rows``: ``one`` of a thing, and ``many``, which is ``one`` with an s if nothing is said."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def some_of(few: int, whole: int, things: str, do: str) -> str:
    """``1 of 60 cadences is not there``, ``2 of 60 cadences are not there``: ``do`` begins with the verb of many."""
    verb, blank, rest = do.partition(" ")
    return f"{few:,} of {whole:,} {things} {SINGULAR.get(verb, verb + 's') if few == 1 else verb}{blank}{rest}"


def first_of(names: Iterable[object], most: int = 3) -> str:
    """``a, b, c, …``: the first of many names."""
    first = [str(name) for name in islice(names, most + 1)]
    return ", ".join(first[:most]) + (", …" if len(first) > most else "")
