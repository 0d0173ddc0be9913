"""What a message or a page tells a person to type exists: commands, steps, options, knobs, make targets, files."""

import ast
import re
from pathlib import Path

import pytest
from test_commands import parsers

from seti_utils.log.config import Config
from seti_utils.log.pages import LOG

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "seti_utils").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.py")])
HISTORY = {"CHANGELOG.md"}
"""Pages that tell of what no longer is."""

COMMANDS = {" ".join(name): parser for name, parser in parsers()}
OPTIONS = {name: {word for action in parser._actions for word in action.option_strings} for name, parser in COMMANDS.items()}
EVERY_OPTION = set().union(*OPTIONS.values())
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
OTHERS_OPTIONS = {"--nproc-per-node", "--nnodes", "--standalone", "--upgrade"}
"""Of torchrun and pip."""
BENCHMARKS = {
    f"benchmarks/{path.name}": set(re.findall(r'"(--[a-z][\w-]+)"', text))
    | ({f"--{name}" for name in re.findall(r'[("](\w+)[)"=]', text)} if 'f"--{name}"' in text else set())
    for path in (ROOT / "benchmarks").glob("*.py")
    for text in [path.read_text(encoding="utf-8")]
}
FIRST = "|".join(sorted({name.split()[0] for name in COMMANDS if name}))
CALLED = re.compile(rf"(?:python -m seti_utils (?=[a-z])|(?<![\w./-])seti (?={FIRST}))[^`\n;#]+")
OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z0-9-]+(?![\w-]*:)")
FILE = re.compile(
    r"(?<![\w/.-])(?:docs|benchmarks|plans|notebooks|seti_utils|tests)/[a-z_/.-]*\w\.(?:md|py|ipynb|yaml|csv|json|png)\b"
)


def texts_of(path):
    """Every text in a source: constants, and f-strings with … where a value stands; a page's own text."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py" or path.parent.name == "notebooks":
        return [content]
    inside, found = set(), []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if isinstance(part, ast.Constant)}
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
    return found + [
        node.value
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    ]


def command_in(words):
    """The longest command that ``words`` begin with, or None where the first word is a blank to be filled in."""
    if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
        return None
    name = words[0]
    return f"{name} {words[1]}" if len(words) > 1 and f"{name} {words[1]}" in COMMANDS else name


def faults(text):
    """What ``text`` tells to type that does not exist."""
    for called in CALLED.findall(text):
        called = re.split(r", (?:then|or|and)\b| or (?=\w+ )|\)|: ", called)[0]
        name = command_in([word.strip(".,:'\"") for word in re.sub(r"^(python -m seti_utils|seti)\s+", "", called).split()])
        if name is not None and name not in COMMANDS:
            yield f"no command {name!r}: {called}"
        elif name is not None and (unknown := set(OPTION.findall(called)) - OPTIONS[name]):
            yield f"{name} has no {', '.join(sorted(unknown))}: {called}"
    for script, said in re.findall(r"(benchmarks/\w+\.py)([^`\n]*)", text):
        if unknown := set(OPTION.findall(said)) - BENCHMARKS.get(script, set()) - EVERY_OPTION:
            yield f"{script} has no {', '.join(sorted(unknown))}"
    for option in set(OPTION.findall(text)) - EVERY_OPTION - OTHERS_OPTIONS - set().union(*BENCHMARKS.values()):
        yield f"no command has {option}"
    for knob in re.findall(r"--set ['\"]?(\w+)(?:\.\w+)?=", text):
        if knob not in Config.__dataclass_fields__ and knob != "knob":
            yield f"no knob {knob}"
    for target in re.findall(r"[`\n]make ([a-z][\w-]*)", text):
        if target not in TARGETS:
            yield f"no target {target!r} in the Makefile"
    for file in FILE.findall(text):
        if not (ROOT / file).exists():
            yield f"no file {file}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_message_names_exists(path):
    assert [fault for text in texts_of(path) for fault in faults(text)] == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.name not in HISTORY], ids=lambda path: path.name)
def test_what_a_page_names_exists(path):
    assert [fault for text in texts_of(path) for fault in faults(text)] == []


def test_experiments_that_are_named_exist():
    known = {*LOG.experiments, *LOG.blends, *LOG.aliases}
    for path in [*SOURCES, *PAGES]:
        for text in texts_of(path):
            for name in re.findall(
                r"(?:train|predict|chain|log|summary|anomaly|--experiment|EXP=|experiment=)[ ]?((?:exp|idea_)\w+)", text
            ):
                assert name in known or name in ("experiment", "experiments"), f"{path.name}: {name}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("train it: python -m seti_utils trian exp0001", "no command 'trian'"),
        ("set a smaller --hours", "no command has --hours"),
        ("python -m seti_utils pack DATA STORE --panels on --folds 0", "pack has no --folds"),
        ("seti overlap serch DATA", None),
        ("--set epoch=2", "no knob epoch"),
        ("run `make experimnts`", "no target 'experimnts'"),
        ("see docs/overlaps.md", "no file docs/overlaps.md"),
        ("python -m seti_utils train … --folds 1; --set lr=0.1", None),
        ("torchrun --nproc-per-node 2 -m seti_utils train exp0001", None),
    ],
)
def test_the_reader_of_messages_sees_what_is_wrong(text, fault):
    found = list(faults(text))
    assert not found if fault is None else any(fault in one for one in found), found
