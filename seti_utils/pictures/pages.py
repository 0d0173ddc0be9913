"""Pages in one HTML file, with their pictures inside: what the study's report and a search's have in common."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from seti_utils.files import replacing


def write_page(path: str | Path, title: str, style: str, body: Sequence[str]) -> None:
    """Write the page, atomically: ``body`` are parts of its main element; the same arguments give the same bytes."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escaped(title)}</title><style>{style}</style></head><body><main>",
        *body,
        "</main></body></html>",
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")


def figure_html(png: bytes, caption: str, inches: float) -> str:
    """A picture inside a page, ``inches`` wide, with its caption."""
    content, words = base64.b64encode(png).decode(), escaped(caption)
    return (
        f'<figure><img width="{int(inches * 100)}" alt="{words}" src="data:image/png;base64,{content}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def escaped(value: object) -> str:
    """Text as HTML shows it."""
    return html.escape(str(value), quote=True)
