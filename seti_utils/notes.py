"""What a person should know and need not act on: one line on standard error, said once."""

import sys

SAID: set[str] = set()


def note(text: str) -> None:
    """Say ``text`` on standard error, the first time only: a table may be read forty times in one command."""
    if text not in SAID:
        SAID.add(text)
        print(f"note: {text}", file=sys.stderr, flush=True)
