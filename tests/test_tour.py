"""The tour, the contributors' page and the citation say what is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import write_competition

import seti_utils

ROOT = Path(__file__).parent.parent
TOUR = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STOPS = re.findall(r"^### \d\. \[(seti_utils/[\w/]+\.py)\].*?\n(.*?)(?=^##)", TOUR, re.DOTALL | re.MULTILINE)
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "seti_utils").rglob("*.py"))


def test_the_tour_is_eight_files_that_can_be_read_in_an_hour():
    lines = [len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name, _ in STOPS]
    assert len(STOPS) == 8 and len({name for name, _ in STOPS}) == 8
    said = int(re.search(r"About ([\d,]+) lines", TOUR)[1].replace(",", ""))
    assert abs(sum(lines) - said) <= 150, f"{sum(lines)} lines: {dict(zip((name for name, _ in STOPS), lines, strict=True))}"


@pytest.mark.parametrize(("name", "words"), STOPS, ids=[name for name, _ in STOPS])
def test_every_name_of_a_stop_stands_in_its_file(name, words):
    source = (ROOT / name).read_text(encoding="utf-8")
    for code in re.findall(r"`([A-Za-z_]\w+)`", words):
        assert re.search(rf"\b{code}\b", source), f"{name} has no {code}"


def test_the_walk_from_file_to_logit_runs_as_it_stands(tmp_path):
    write_competition(tmp_path / "out/sky")
    (walk,) = re.findall(r"```python\n(.*?)```", TOUR, re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", walk]
    said = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    shapes = [tuple(map(int, numbers.split(", "))) for numbers in re.findall(r"torch\.Size\(\[(.*?)\]\)", said)]
    assert shapes == [(1, 6, 273, 256), (1, 6, 256, 39)] and re.search(r"^tensor\(\[-?\d", said, re.MULTILINE)


@pytest.mark.parametrize("page", ["docs/tour.md", "CONTRIBUTING.md", "README.md"])
def test_links_between_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text):
        place = (ROOT / page).parent / target if target else ROOT / page
        assert place.exists(), f"{page}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, f"{page}: #{anchor}"


def test_what_a_contributor_is_told_to_touch_is_there():
    for place in re.findall(r"`((?:seti_utils|tests)/[\w/.]*)`", CONTRIBUTING):
        assert (ROOT / place).exists(), place
    for name in re.findall(r"`([A-Z]\w+)`", CONTRIBUTING):
        assert re.search(rf"\b{name}\b", SOURCES), name
    assert len(CONTRIBUTING.splitlines()) <= 60, "one page"


def test_the_citation_names_this_version():
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert about["version"] == seti_utils.__version__ and about["license"] == "MIT" and about["cff-version"] == "1.2.0"
