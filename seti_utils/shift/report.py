"""A report in one HTML file: sentences, tables and pictures, nothing that has to be fetched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from seti_utils.pictures.pages import escaped, figure_html, write_page
from seti_utils.pictures.style import png_bytes

STYLE = """
:root { color-scheme: light; --ink: #22282e; --soft: #5f7385; --line: #dfe4e8; --paper: #fff; --tint: #f4f6f8;
  --mark: #009e73; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--tint); }
main { max-width: 1060px; margin: 0 auto; padding: 40px 28px 64px; background: var(--paper); min-height: 100vh; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 21px; margin: 48px 0 8px; padding-top: 18px;
  border-top: 1px solid var(--line); }
p { margin: 8px 0; max-width: 78ch; } p.verdict { font-weight: 600; }
  .about { color: var(--soft); font-size: 14px; max-width: none; }
.verdicts { margin: 26px 0 8px; padding: 6px 22px 10px; background: var(--tint); border-left: 4px solid var(--mark);
  border-radius: 0 8px 8px 0; }
.verdicts h2 { border: 0; margin: 10px 0 0; padding: 0; font-size: 17px; } .verdicts li { margin: 7px 0; }
  .verdicts ul { padding-left: 20px; margin: 6px 0; }
nav { font-size: 14px; margin: 18px 0; } nav a { color: #0072b2; margin-right: 16px; text-decoration: none;
  white-space: nowrap; }
figure { margin: 18px 0 26px; } figure img { max-width: 100%; height: auto; display: block; }
  figcaption { color: var(--soft); font-size: 14px; margin-top: 6px; max-width: 88ch; }
.scroll { overflow-x: auto; margin: 14px 0 24px; } table { border-collapse: collapse; font-size: 14px;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
  th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom: 1.5px solid var(--soft); } th.words, td.words { text-align: left; }
footer { margin-top: 56px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } main { padding: 0; } figure, table { break-inside: avoid; } }
"""

HEADS = {"median_train": "median train", "median_test": "median test", "behind_low": "behind, low", "behind_high": "behind, high"}
"""Column names that read better otherwise; a model's name is its name."""


@dataclass
class Section:
    """A part of a report: ``verdict`` (one sentence, or none), what else to say, titled tables, titled pictures."""

    title: str
    verdict: str = ""
    sentences: list[str] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    pictures: list[tuple[str, Figure]] = field(default_factory=list)


def write_report(path: str | Path, title: str, about: str, sections: Sequence[Section], foot: str) -> Path:
    """Write the report as one HTML file, atomically: verdicts first, then the sections. Returns the path."""
    anchors = [f"part{number}" for number in range(1, len(sections) + 1)]
    verdicts = "".join(f"<li>{escaped(one.verdict)}</li>" for one in sections if one.verdict)
    links = "".join(f'<a href="#{anchor}">{escaped(one.title)}</a>' for anchor, one in zip(anchors, sections, strict=True))
    body = [
        f'<h1>{escaped(title)}</h1><p class="about">{escaped(about)}</p>',
        f'<div class="verdicts"><h2>In short</h2><ul>{verdicts}</ul></div><nav>{links}</nav>',
        *(section_html(anchor, one) for anchor, one in zip(anchors, sections, strict=True)),
        f"<footer>{escaped(foot)}</footer>",
    ]
    write_page(path, title, STYLE, body)
    return Path(path)


def section_html(anchor: str, section: Section) -> str:
    """One section as HTML."""
    parts = [f'<section id="{anchor}"><h2>{escaped(section.title)}</h2>']
    parts += [f'<p class="verdict">{escaped(section.verdict)}</p>'] if section.verdict else []
    parts += [f"<p>{escaped(sentence)}</p>" for sentence in section.sentences]
    parts += [table_html(caption, table) for caption, table in section.tables]
    parts += [figure_html(png_bytes(figure), caption, figure.get_figwidth()) for caption, figure in section.pictures]
    return "\n".join([*parts, "</section>"])


def table_html(caption: str, table: pd.DataFrame) -> str:
    """A table as HTML: numbers to the right, words to the left, floats in four digits."""
    words = {name: not pd.api.types.is_numeric_dtype(table[name]) or table[name].dtype == bool for name in table}
    kind = {name: ' class="words"' if words[name] else "" for name in table}
    head = "".join(f"<th{kind[name]}>{escaped(HEADS.get(str(name), str(name)))}</th>" for name in table)
    rows = [
        "".join(f"<td{kind[name]}>{escaped(shown(value))}</td>" for name, value in row.items())
        for row in table.to_dict("records")
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    inside = f"<caption>{escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table>{inside}</table></div>'


def shown(value: object) -> str:
    """A cell's content as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
