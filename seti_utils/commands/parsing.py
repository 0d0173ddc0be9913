"""The parser of the whole command line, made of what stands in this folder.

A file here is a command and a folder a group of commands, named like the file or the folder. A command's file has a
docstring – its first line is its line in the list of commands, the rest its description –, ``EXAMPLES`` (what to type, each
one run by a test), ``add_arguments(parser)`` and ``handle(args)``, whose result is the exit code (None is 0). A group's
``__init__`` has docstring and ``EXAMPLES``. A file without ``handle`` is not a command. So a new command is one new file.
"""

import argparse
import importlib
import pkgutil
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from seti_utils.errors import did_you_mean

MODULE = "python -m seti_utils"
"""How the toolkit is called where its command ``seti`` is not installed; so it stands in messages."""


def program() -> str:
    """How the toolkit was called: ``seti``, or as a module."""
    return "seti" if Path(sys.argv[0]).stem == "seti" else MODULE


def as_called(text: str) -> str:
    """``text`` with the toolkit named as it was called."""
    return re.sub(r"python -m seti_utils\b", program(), text)


class Words(argparse.HelpFormatter):
    """Paragraphs are wrapped; lines that begin with a blank stay as they are."""

    def _fill_text(self, text: str, width: int, _indent: str) -> str:
        filled = []
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            kept = any(line.startswith(" ") for line in paragraph.splitlines())
            filled.append(paragraph if kept else textwrap.fill(" ".join(paragraph.split()), width))
        return "\n\n".join(filled)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, with the nearest spelling where there is one."""

    def parse_known_args(self, args=None, namespace=None):
        found, left = super().parse_known_args(args, namespace)
        if left:  # said here, where the command's own options are known
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def error(self, message: str) -> None:
        if wrong := re.search(r"(.*)invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", wrong[3])
            said = "" if "COMMAND" in wrong[1] or "STEP" in wrong[1] else wrong[1]
            message = f"{said}{wrong[2]!r} is not one of {', '.join(known)}{nearest(wrong[2], known)}"
        elif unknown := re.match(r"unrecognized arguments: (\S+)", message):
            known = [option for action in self._actions for option in action.option_strings]
            message = f"{unknown[1]} is not expected here{nearest(unknown[1].partition('=')[0], known)}"
        self.exit(2, f"error: {message} (see: {self.prog} --help)\n")


def nearest(word: str, known: Sequence[str]) -> str:
    """``; did you mean …?``, or nothing."""
    meant = did_you_mean(word, known)
    return f"; {meant}" if meant else ""


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser with every command; with the ``words`` that will be parsed, only with the command that they name."""
    import seti_utils
    from seti_utils import commands

    parser = Parser(
        prog=program(),
        description="Find technosignatures in radio-telescope cadences: an experiment log as code.",
        epilog=examples(FIRST_STEPS, "first steps"),
        formatter_class=Words,
    )
    parser.add_argument("--version", action="version", version=f"seti-utils {seti_utils.__version__}")
    add_commands(parser, commands, words[0] if words else None)
    return parser


FIRST_STEPS = (
    "seti sky out/sky                                  # a synthetic sky to try everything on",
    "seti log                                          # every experiment, one change per line",
    "seti train sky_demo --folds 0 --data out/sky      # train one",
    "seti predict sky_demo --folds 0 --data out/sky    # its submission.csv",
)


def find_commands(package: ModuleType) -> list[str]:
    """Names of the files and folders in a package of commands, those of no command among them."""
    return [found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_")]


def add_commands(parser: argparse.ArgumentParser, package: ModuleType, only: str | None = None) -> None:
    """Add the commands of ``package`` to ``parser``, or the one named ``only`` where there is one."""
    names = find_commands(package)
    group = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    for name in [only] if only in names else names:
        module = importlib.import_module(f"{package.__name__}.{name}")
        if hasattr(module, "handle") or hasattr(module, "__path__"):
            add_command(group, name, module)


def add_command(group: argparse._SubParsersAction, name: str, module: ModuleType) -> None:
    """Add one command, or a group of them."""
    title, _, rest = (module.__doc__ or "").strip().partition("\n")
    title = title.rstrip(".")
    parser = group.add_parser(
        name,
        help=f"{title[:1].lower()}{title[1:]}".replace("%", "%%"),
        description=as_called(f"{title}.\n{rest}"),
        epilog=examples(module.EXAMPLES),
        formatter_class=Words,
    )
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)
    if hasattr(module, "handle"):
        parser.set_defaults(handle=module.handle)
    elif not hasattr(module, "add_arguments"):
        add_commands(parser, module)


def examples(lines: Sequence[str], title: str = "") -> str:
    """What to type, as the end of a help text."""
    title = title or ("example" if len(lines) == 1 else "examples")
    return "\n".join([f"{title}:", *(re.sub(r"(^|\s)seti ", rf"\g<1>{program()} ", f"  {line}") for line in lines)])
