"""Tables of the benchmarks in pages of docs/."""

from pathlib import Path

from seti_utils.files import replacing


def write_section(page: Path, name: str, text: str, title: str = "") -> None:
    """Put ``text`` between the marks of ``name`` in ``page``; at its end where there are none yet, below ``title`` in a new page."""
    begin, end = f"<!-- {name} begins -->", f"<!-- {name} ends -->"
    whole = page.read_text(encoding="utf-8") if page.exists() else f"# {title}\n"
    if begin not in whole:
        whole = f"{whole.rstrip()}\n\n## {name}\n\n{begin}\n{end}\n"
    before, rest = whole.split(begin)
    with replacing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
