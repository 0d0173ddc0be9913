"""Folds and seeds as a person writes them."""

import re

from seti_utils.errors import InputError


def parse_folds(text: str, folds: int) -> list[int]:
    """``"all"`` or ``"0,2"`` as fold numbers below ``folds``. Raises ``InputError``."""
    if text.strip() == "all":
        return list(range(folds))
    chosen = numbers(text, "folds")
    if wrong := [fold for fold in chosen if not 0 <= fold < folds]:
        raise InputError(f"there is no fold {wrong[0]}", remedy=f"this experiment has folds 0 to {folds - 1}")
    return chosen


def parse_seeds(text: str) -> list[int]:
    """``"2021 5656"`` as numbers. Raises ``InputError``."""
    return numbers(text, "seeds")


def numbers(text: str, what: str) -> list[int]:
    """Whole numbers between commas or spaces, each once."""
    try:
        found = [int(part) for part in re.split(r"[,\s]+", text.strip())]
    except ValueError:
        raise InputError(f"{what}={text!r} is not a list of whole numbers", remedy='write for example "0" or "0,1"') from None
    return list(dict.fromkeys(found))
