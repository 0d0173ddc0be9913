"""Where :mod:`replicate_log` disagrees with the author: one sentence on why it may."""

REMARKS: dict[str, str] = {}
