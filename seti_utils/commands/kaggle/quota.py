"""Print the accelerator hours that are left this week."""

import argparse

EXAMPLES = ("seti kaggle quota",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.quota import quota

    found = quota()
    for entry in found.values():
        print(f"{entry.resource}: {entry.remaining:.1f} of {entry.total:.1f} h left, renewed {entry.refresh[:10] or '?'}")
    if not found:
        print("the site does not tell the quota")
