"""Run a notebook with parameters.

Runs notebooks/NAME.ipynb, or a path, with papermill. A parameter that the notebook does not have, or of another type, is
refused before anything runs.
"""

import argparse
from pathlib import Path

EXAMPLES = (
    "seti notebook look out/look.ipynb -p data=DATA -p rows=1",
    "seti notebook train out/train.ipynb -p experiment=sky_demo -p folds=0 -p data=DATA -p out=out",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", help="look, train, infer, search, eda_domain_shift, or a path")
    parser.add_argument("out", type=Path, help="the executed notebook to write")
    parser.add_argument(
        "-p", action="append", default=[], metavar="NAME=VALUE", dest="parameters", help="a parameter (may be given again)"
    )


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.notebooks.execute import run_notebook

    run_notebook(args.notebook, args.out, args.parameters)
    print(f"executed notebook: {args.out}")
