"""``log``: the table of experiments, the lineage of one, EXPERIMENTS.md."""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_overrides
from seti_utils.files import replacing
from seti_utils.log.book import experiments_markdown, lineage_text, log_table, read_measured
from seti_utils.log.overrides import parse_overrides
from seti_utils.log.pages import LOG


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "log",
        help="the experiments: a table, or the lineage of one",
        description="Without a name: every experiment, one change a line. With a name: its ancestors, the change at each "
        "step, and the resulting recipe.",
        epilog="example: python -m seti_utils log exp0022",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("experiment", nargs="?", help="whose lineage to print")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write EXPERIMENTS.md to FILE instead")
    parser.add_argument("--measured", type=Path, metavar="CSV", help="with --markdown: what benchmarks/replicate_log.py wrote")
    add_overrides(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    if args.markdown:
        with replacing(args.markdown) as temporary:
            temporary.write_text(
                experiments_markdown(LOG, *(read_measured(args.measured) if args.measured else ())), encoding="utf-8"
            )
        print(f"wrote {args.markdown}")
    elif args.experiment:
        print(lineage_text(LOG, args.experiment, parse_overrides(args.set)))
    else:
        print(log_table(LOG))
