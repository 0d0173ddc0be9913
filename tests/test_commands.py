"""The command line as a whole: one file per command, every option explained, every example valid, and mistakes named."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from seti_utils import commands
from seti_utils.__main__ import main
from seti_utils.commands.parsing import as_called, make_parser

ROOT = Path(__file__).parent.parent


def parsers(parser=None, name=()):
    """Every command and step as (words, its parser)."""
    parser = parser or make_parser()
    yield name, parser
    for action in parser._actions:
        if hasattr(action, "choices") and isinstance(action.choices, dict):
            for step, inner in action.choices.items():
                yield from parsers(inner, (*name, step))


ALL = {" ".join(name): parser for name, parser in parsers() if name}


def lines_of(parser):
    """The examples in a help text, without their remarks."""
    shown = (parser.epilog or "").splitlines()[1:]
    return [re.split(r"\s+#", line)[0].strip() for line in shown]


def test_the_commands_are_the_files_of_their_folder():
    files = {path.stem for path in Path(commands.__file__).parent.iterdir() if not path.name.startswith("_")}
    assert {name.split()[0] for name in ALL} == files - {"options", "parsing"}
    assert {"overlap search", "overlap clean", "kaggle submit", "kaggle chain"} <= set(ALL)


def test_a_new_command_is_one_new_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "greet.py").write_text(
        '"""Greet somebody.\n\nPolitely.\n"""\n\nEXAMPLES = ("seti greet world",)\n\n'
        'def add_arguments(parser):\n    parser.add_argument("whom", help="who is greeted")\n\n'
        'def handle(args):\n    print(f"hello {args.whom}")\n    return 7\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert main(["greet", "world"]) == 7 and capsys.readouterr().out == "hello world\n"
    assert "greet somebody" in make_parser().format_help()
    shown = make_parser(["greet"])._subparsers._group_actions[0].choices["greet"].format_help()
    assert "Greet somebody.\n\nPolitely.\n" in shown and "example:\n  " in shown and "greet world" in shown


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_step_explains_itself_and_every_option(name):
    parser = ALL[name]
    assert parser.description and parser.format_help()
    unexplained = [action.dest for action in parser._actions if not action.help and not isinstance(action.choices, dict)]
    assert not unexplained, f"{name}: no help for {unexplained}"


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("kaggle ")])
def test_every_command_has_examples_and_they_parse(name):
    lines = lines_of(ALL[name])
    assert lines, f"{name}: no example"
    for line in lines:
        words = shlex.split(line)
        start = words.index("seti_utils") + 1
        assert words[start - 2 : start] == ["-m", "seti_utils"], line
        args = make_parser(words[start:]).parse_args(words[start:])
        assert callable(args.handle), line


def test_the_first_steps_parse():
    for line in lines_of(make_parser()):
        words = shlex.split(line)[3:]
        make_parser(words).parse_args(words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "'trian' is not one of .*; did you mean train?"),
        (["overlap", "clea"], "'clea' is not one of clean, search; did you mean clean?"),
        (["train", "exp0001", "--sede", "3"], "--sede is not expected here; did you mean --seeds?"),
        (["blend", "a", "--how", "mean", "--out", "b"], "--how: 'mean' is not one of plain, rank, logit, power"),
        (["train", "exp0001", "--workers", "0"], "--workers: 0 is not a whole number from 1 up"),
        (["train", "exp0001", "--device", "gpu"], "--device: 'gpu' is not a device; write auto, cpu, cuda or cuda:1"),
        (
            ["train", "exp0001", "--device", "cuda:99"],
            "--device: cuda:99: this machine has .*GPU.*; write auto, which takes what is there, or cpu",
        ),
        (["train", "exp0001", "--seeds", "a"], "'a' is not a list of whole numbers"),
        (["train"], "required: experiment"),
        ([], "required: COMMAND"),
    ],
)
def test_a_mistyped_command_line_is_one_line_with_the_nearest_spelling(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    shown = capsys.readouterr().err
    assert ended.value.code == 2 and re.search(said, shown) and shown.count("\n") == 1 and "--help)" in shown


def test_seeds_are_listed_with_spaces_or_commas():
    for words in (["1", "2"], ["1,2"], ["1,", "2"]):
        assert make_parser(["train"]).parse_args(["train", "exp0001", "--seeds", *words]).seeds == [1, 2]
    assert make_parser(["train"]).parse_args(["train", "exp0001"]).seeds == [2021]


def test_messages_name_the_toolkit_as_it_was_called(monkeypatch):
    said = "train it: python -m seti_utils train exp0001"
    assert as_called(said) == said
    monkeypatch.setattr(sys, "argv", ["/home/me/.local/bin/seti", "predict"])
    assert as_called(said) == "train it: seti train exp0001" and make_parser().prog == "seti"
    assert "seti sky out/sky" in make_parser().format_help()


def test_python_dash_m_works_and_teaches():
    shown = subprocess.run(
        [sys.executable, "-m", "seti_utils", "--help"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    for name in ("sky", "log", "train", "predict", "blend", "first steps"):
        assert name in shown.stdout


def test_help_needs_no_torch():
    """Whoever mistypes an option is not made to wait for a framework."""
    code = "import sys; from seti_utils.commands.parsing import make_parser; make_parser(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
