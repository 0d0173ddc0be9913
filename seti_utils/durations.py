"""Durations as a person writes them."""

import re

from seti_utils.errors import InputError


def parse_duration(text: str | float) -> float:
    """Seconds of ``"11h30m"``, ``"45m"``, ``"1.5h"``, ``"1h5m10s"``; a number is seconds already.

    A text without a unit is refused with ``InputError``: whoever writes 11 rarely means seconds.
    """
    if isinstance(text, (int, float)):
        return float(text)
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip().lower())
    if found and any(found.groups()):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return 3600 * hours + 60 * minutes + seconds
    if re.fullmatch(number, text.strip()):
        raise InputError(f"{text!r} has no unit", remedy=f"write {text}h, {text}m or {text}s")
    raise InputError(f"cannot read {text!r} as a duration", remedy="write it as 11h30m, 45m or 90s")


def spelled(seconds: float) -> str:
    """Seconds as ``11h30m``, the form that ``parse_duration`` reads."""
    minutes, rest = divmod(round(seconds), 60)
    parts = zip((minutes // 60, minutes % 60, rest), "hms", strict=True)
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"
