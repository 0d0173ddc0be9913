"""``notebook``: run one of the thin notebooks with papermill, its parameters checked first."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "notebook",
        help="run a notebook with parameters",
        description="Run notebooks/NAME.ipynb (or a path) with papermill. A parameter that the notebook does not have, or of "
        "another type, is refused before anything runs.",
        epilog="example: python -m seti_utils notebook look out/look.ipynb -p data=DATA -p rows=4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebook", help="look, train, infer, eda_domain_shift, or a path")
    parser.add_argument("out", type=Path, help="the executed notebook to write")
    parser.add_argument(
        "-p", action="append", default=[], metavar="NAME=VALUE", dest="parameters", help="a parameter (may be given again)"
    )
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.notebooks.execute import run_notebook

    run_notebook(args.notebook, args.out, args.parameters)
    print(f"executed notebook: {args.out}")
