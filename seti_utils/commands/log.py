"""List the experiments, or show the lineage of one.

Without a name: every experiment, one change per line. With a name: its ancestors, the change at each step, and the recipe
that results.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_fields

EXAMPLES = ("seti log", "seti log exp0022", "seti log --markdown EXPERIMENTS.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", help="whose lineage to print")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write EXPERIMENTS.md to FILE instead")
    parser.add_argument("--measured", type=Path, metavar="CSV", help="with --markdown: what benchmarks/replicate_log.py wrote")
    add_fields(parser, "overrides")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import replacing
    from seti_utils.log.book import experiments_markdown, lineage_text, log_table, read_measured
    from seti_utils.log.overrides import parse_overrides
    from seti_utils.log.pages import LOG

    if args.markdown:
        measured, budget = read_measured(args.measured) if args.measured else (None, "")
        text = experiments_markdown(LOG, measured, budget)
        with replacing(args.markdown) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"wrote {args.markdown}")
    elif args.experiment:
        print(lineage_text(LOG, args.experiment, parse_overrides(args.set)))
    else:
        print(log_table(LOG))
