"""What the pages tell to type: every line and every command, option and file named in passing is one that there is.

``test_examples`` runs README's ``seti`` lines; those for Kaggle are played in ``test_kaggle_submit`` and ``benchmarks/kaggle_demo.py``.
"""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from test_commands import ALL

from seti_utils.commands.parsing import make_parser

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README = PAGES["README.md"]
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
OPTIONS = {option for parser in ALL.values() for action in parser._actions for option in action.option_strings}
OPTIONS |= set(re.findall(r"--[a-z][a-z-]*", SCRIPTS))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def blocks(language, page=README):
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def typed(text):
    """The lines of a block without their remarks."""
    return [line for line in (re.split(r"\s+#|^#", line)[0].strip() for line in text.splitlines()) if line]


def in_passing(page):
    """What stands between backticks in a page's prose."""
    return [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))]


IN_README = [line for block in blocks("bash") for line in typed(block)]


def is_a_command(words):
    """Whether the words after ``seti`` are a command with the options that it has; placeholders are arguments like others."""
    words = words[: words.index(">")] if ">" in words else words
    return callable(make_parser(words).parse_args(words).handle)


def made(words):
    """The lines that ``make`` would run."""
    bare = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}  # of a `make -s test`
    plan = subprocess.run(["make", "-n", *words], cwd=ROOT, env=bare, capture_output=True, text=True, encoding="utf-8")
    assert plan.returncode == 0 and plan.stdout.strip(), (words, plan.stderr)
    return plan.stdout.splitlines()


@pytest.mark.parametrize("line", dict.fromkeys(IN_README))
def test_every_line_of_the_readme_can_be_typed(line):
    words = shlex.split(line)
    if words[0] == "seti":
        assert is_a_command(words[1:])
    elif words[0] == "make":
        first, *more = (shlex.split(call) for call in line.split("&&"))
        assert all(call[0] == "make" or call == ["source", ".venv/bin/activate"] for call in more)
        for call in (first, *(call for call in more if call[0] == "make")):
            for run in made(call[1:]):
                _, ours, rest = run.partition(" -m seti_utils ")
                assert not ours or is_a_command(shlex.split(rest))
                assert all((ROOT / script).is_file() for script in re.findall(r"benchmarks/\w+\.py", run))
    else:
        assert words[:2] == ["pip", "install"], f"nobody runs this line: {line}"
        extras = re.findall(r"\[(\w+)\]", words[2])
        assert words[2].partition("[")[0] == "." and set(extras) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_in_passing_is_there(name):
    lines = [line for block in blocks("bash", PAGES[name]) for line in typed(block)]
    for text in (*in_passing(PAGES[name]), *lines):
        text = text.replace("python -m seti_utils", "seti")
        words = text.split()
        if text.startswith("seti ") and len(words) > 2 and not any(word.isupper() and len(word) == 1 for word in words):
            assert words[1:3] == ["kaggle", "STEP"] or is_a_command(shlex.split(text)[1:]), text
        elif text.startswith("make ") and " && " not in text:
            made(shlex.split(text)[1:])
        elif re.match(r"--[a-z]", text):
            assert words[0].partition("=")[0] in OPTIONS, text
        elif re.fullmatch(r"(?:seti_utils|tests|benchmarks|docs|plans|notebooks)/[\w./-]+\.\w+", text):
            assert (ROOT / text).exists(), text


def test_the_first_tables_figures_are_those_of_the_ladder():
    """README's table and docs/ladder.md tell of one run."""
    table = README[README.index("| `make run`") : README.index("## The log is code")]
    rows = [line.split("|") for line in table.splitlines() if re.match(r"\| .*\d\.\d", line)]
    shown = PAGES["ladder.md"].partition("## What `make run` shows")[2].replace("*", "")
    assert len(rows) == 6 and all(row[3].replace("*", "").strip() in shown for row in rows)
