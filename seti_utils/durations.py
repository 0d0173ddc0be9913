"""Durations as a person writes them."""

import re

from seti_utils.errors import InputError


def parse_duration(text: str | float) -> float:
    """Seconds of ``"11h30m"``, ``"45m"``, ``"90s"``, ``"1h5m10s"`` or a plain number of seconds."""
    if isinstance(text, (int, float)) or re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower())
    if not found or not any(found.groups()):
        raise InputError(f"{text!r} is not a duration", remedy="write it as 11h30m, 45m or 90s")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def spelled(seconds: float) -> str:
    """Seconds as ``11h30m``, the form that ``parse_duration`` reads."""
    minutes, rest = divmod(round(seconds), 60)
    parts = zip((minutes // 60, minutes % 60, rest), "hms", strict=True)
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"
