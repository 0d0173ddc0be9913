"""Nothing depends on a locale: text files and pipes say their encoding, and every command speaks where only ASCII can be shown."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import ALL

from seti_utils.run.launch import follow

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("seti_utils", "tests", "benchmarks", "notebooks", "plans") for path in (ROOT / folder).rglob("*.py")
)
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
"""The environment of a machine that can show ASCII only, and of a person who insists on it."""


def calls_without_encoding(path: Path) -> list[str]:
    """Calls of a file that read, write or pipe text in whatever encoding the machine prefers."""
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)[:80]}"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and guesses_encoding(call)
    ]


def guesses_encoding(call: ast.Call) -> bool:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    if "encoding" in given:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) < (2 if name == "write_text" else 1)
    if name in ("run", "Popen", "check_output"):
        return "text" in given or "universal_newlines" in given
    return name == "open" and opens_text(call, given.get("mode"))


def opens_text(call: ast.Call, mode: ast.expr | None) -> bool:
    """Whether this is the built-in ``open``, or a path's, in text mode; other things that open are told by what they are
    given."""
    place = 1 if isinstance(call.func, ast.Name) else 0
    mode = call.args[place] if mode is None and len(call.args) > place else mode
    if mode is None:
        return True
    said = [part.value for part in ast.walk(mode) if isinstance(part, ast.Constant)]
    return any(re.fullmatch("[rwaxt+]+", part) for part in said if isinstance(part, str))


@pytest.mark.parametrize(
    ("code", "guesses"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text)", True),
        ("open(path)", True),
        ("open(path, 'a' if on else 'w')", True),
        ("open(path, 'r+b' if on else 'wb')", False),
        ("path.open('rb')", False),
        ("path.open(encoding='utf-8')", False),
        ("path.open()", True),
        ("os.open(path, flags)", False),
        ("competition.open('train', panels)", False),
        ("path.open('w')", True),
        ("competition.open('train', 'on')", False),
        ("competition.open(split)", False),
        ("subprocess.run(words, text=True)", True),
        ("subprocess.run(words)", False),
    ],
)
def test_what_guesses_an_encoding_is_told(code, guesses):
    assert guesses_encoding(ast.parse(code, mode="eval").body) is guesses


def test_text_files_and_pipes_say_their_encoding():
    assert not [call for path in FILES for call in calls_without_encoding(path)]


PROGRAM = """
import sys
from seti_utils.__main__ import main

assert main(["log"]) == 0
for name in sys.argv[1:]:
    try:
        main([*name.split(), "--help"])
    except SystemExit as shown:
        assert shown.code == 0
print("a line with a \\u03c3")
"""


def test_every_command_shows_its_help_where_only_ascii_can_be_shown():
    words = [sys.executable, "-c", PROGRAM, *ALL]
    shown = subprocess.run(words, cwd=ROOT, env=os.environ | ASCII, capture_output=True, encoding="utf-8")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.isascii() and shown.stdout.count("usage:") == len(ALL) and "a line with a \\u03c3\n" in shown.stdout


@pytest.mark.parametrize("written", [b"\xcf\x83 = 1", b"caf\xe9"], ids=["UTF-8", "Latin-1"])
def test_lines_of_a_process_are_read_whatever_their_bytes(written):
    said = []
    words = [sys.executable, "-c", f"import sys; sys.stdout.buffer.write({written!r} + b'\\nthe end\\n')"]
    follow({"a": (words, {})}, said.append)
    assert said == [f"[a] {written.decode('utf-8', errors='replace')}", "[a] the end"]
