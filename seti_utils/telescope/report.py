"""``events.html``: the stages of a search, the band, a table that sorts itself and the best events' pictures, in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seti_utils.pictures.pages import escaped, figure_html, write_page

Picture = tuple[bytes, float]
"""A PNG and its width in inches."""

STYLE = """
:root { color-scheme: light; --ink: #22282e; --soft: #5f7385; --line: #dfe4e8; --tint: #f4f6f8; --on: #c44e00; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--tint); }
main { max-width: 1240px; margin: 0 auto; padding: 36px 28px 64px; background: #fff; min-height: 100vh; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 6px; } h2 { font-size: 19px; margin: 40px 0 10px; padding-top: 16px;
  border-top: 1px solid var(--line); }
p, li { max-width: 96ch; } .soft { color: var(--soft); font-size: 14px; } ul { padding-left: 20px; margin: 8px 0; }
.funnel { border-collapse: collapse; } .funnel td { padding: 3px 10px 3px 0; font-variant-numeric: tabular-nums; }
.funnel td:first-child { text-align: right; font-weight: 600; white-space: nowrap; } .funnel .what { color: var(--soft); }
.scroll { overflow-x: auto; } table.events { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
.events th, .events td { padding: 5px 9px 5px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
.events th { color: var(--soft); white-space: normal; vertical-align: bottom; border-bottom: 1.5px solid var(--soft);
  cursor: pointer; user-select: none; position: sticky; top: 0; background: #fff; }
.events th:hover { color: var(--ink); } .events th[aria-sort=ascending]::after { content: " ↑"; }
.events th[aria-sort=descending]::after { content: " ↓"; } .events th:focus-visible { outline: 2px solid var(--on); }
.events .words { text-align: left; } .events a { color: #0072b2; text-decoration: none; }
figure { margin: 18px 0 30px; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 4px; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } main { padding: 0; } figure { break-inside: avoid; } }
"""

SORT = """
for (const table of document.querySelectorAll("table.events")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
  const sort = (i) => {
    const up = heads[i].getAttribute("aria-sort") !== "ascending";
    heads.forEach((h, j) => j === i ? h.setAttribute("aria-sort", up ? "ascending" : "descending") :
    h.removeAttribute("aria-sort"));
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a, i), y = value(b, i), n = Number(x) - Number(y);
      if (x === "" || y === "") return (x === "") - (y === "");
      return (Number.isNaN(n) ? x.localeCompare(y) : n) * (up ? 1 : -1);
    });
    body.append(...rows);
  };
  heads.forEach((h, i) => {
    h.tabIndex = 0;
    h.onclick = () => sort(i);
    h.onkeydown = (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); sort(i); } };
  });
}
"""

HEADS = {
    "f_start": "start, MHz", "f_mid": "middle, MHz", "f_end": "end, MHz", "drift": "drift, Hz/s", "drift_error": "±",
    "snr": "SNR", "n_on": "ON", "n_off": "OFF", "log_odds": "log odds", "score_classical": "classical",
    "score_network": "network", "false_alarms": "false alarms /MHz/h", **{f"snr_{number}": str(number) for number in range(1, 7)},
}  # fmt: skip
"""Heads of columns where the column's name is not what a person would say."""

FORMATS = {
    "f_start": ".6f",
    "f_mid": ".6f",
    "f_end": ".6f",
    "drift": ".3f",
    "drift_error": ".3f",
    "snr": ".1f",
    "false_alarms": ".2g",
}


def write_report(
    path: Path,
    title: str,
    about: Sequence[str],
    stages: Sequence[tuple[str, int, str]],
    events: pd.DataFrame,
    band: Picture | None,
    pictures: Mapping[int, bytes],
    foot: str,
) -> None:
    """Write the page, atomically. ``pictures``: PNG by rank of the event. The same arguments give the same bytes."""
    funnel = "".join(
        f'<tr><td>{count:,}</td><td class="what">{escaped(what)}</td><td>{escaped(name)}</td></tr>'
        for name, count, what in stages
    )
    parts = [
        f"<h1>{escaped(title)}</h1><ul class='soft'>{''.join(f'<li>{escaped(line)}</li>' for line in about)}</ul>",
        f"<h2>What was left after every stage</h2><table class='funnel'>{funnel}</table>",
    ]
    if band is not None:
        parts.append(f"<h2>The band</h2>{figure_html(band[0], 'The events along the band', band[1])}")
    parts.append(f"<h2>Events</h2>{table_html(events, pictures)}")
    if pictures:
        parts.append("<h2>The best of them</h2>")
    for row in events.to_dict("records"):
        if row["rank"] in pictures:
            parts.append(f"<div id='event{row['rank']}'>{figure_html(pictures[row['rank']], caption_of(row), 8.6)}</div>")
    parts.append(f"<footer>{escaped(foot)}</footer><script>{SORT}</script>")
    write_page(path, title, STYLE, parts)


def table_html(events: pd.DataFrame, pictures: Mapping[int, bytes]) -> str:
    """The events as a table; a click on a head sorts by it, a rank leads to its picture."""
    if not len(events):
        return "<p>No event is left. The stages above say where the last ones went.</p>"
    names = [str(name) for name in events if not (events[name].isna().all() or (events[name].astype(str) == "").all())]
    if "cadence" in names and events["cadence"].nunique() == 1:
        names.remove("cadence")
    texts = {name for name in names if events[name].dtype == object or pd.api.types.is_string_dtype(events[name])}
    kind = {name: ' class="words"' if name in texts else "" for name in names}
    head = "".join(f"<th{kind[name]} scope='col'>{escaped(HEADS.get(name, name))}</th>" for name in names)
    rows = []
    for row in events.to_dict("records"):
        cells = []
        for name in names:
            shown = cell(name, row[name])
            if name == "rank" and row["rank"] in pictures:
                shown = f"<a href='#event{row['rank']}'>{shown}</a>"
            value = "" if shown in ("", "–") else row[name]
            cells.append(f'<td{kind[name]} data-v="{escaped(value)}">{shown}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table class="events"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def cell(name: str, value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return "–" if value != value else format(value, FORMATS.get(name, ".1f"))
    return escaped(value)


def caption_of(row: Mapping[Any, Any]) -> str:
    """What a picture shows, in one line."""
    said = (
        f"{row['rank']}: {row['f_start']:.6f} MHz, drift {row['drift']:+.3f} ± {row['drift_error']:.3f} Hz/s, "
        f"SNR {row['snr']:.1f}, in {row['n_on']} ON and {row['n_off']} OFF panels, "
        f"{row['false_alarms']:.2g} false alarms per MHz and hour"
    )
    return said + (f"; {row['interference']}" if row["interference"] else "")
