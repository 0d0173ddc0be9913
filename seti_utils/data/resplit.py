"""The labelled cadences split anew: a competition folder made of links, and its answers apart.

MLE-bench grades this competition on a re-split of its 60,000 labelled files, 54,000 to 6,000; whoever has the data can make the
same one. Nothing is copied, and nothing is written beside the data, which may be read-only.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.claims import Claim
from seti_utils.data.competition import read_competition
from seti_utils.data.tables import read_targets
from seti_utils.errors import InputError
from seti_utils.files import write_table
from seti_utils.progress import progress
from seti_utils.wording import quantity

CLAIM = Claim("re-split", "split.json", "split.unfinished.json")
PUBLIC, ANSWERS = "public", "private/test.csv"
OLD_FOLDER = "old_leaky_data"
LINKS: dict[str, Callable[[str, Path], None]] = {"symbolic": os.symlink, "hard": os.link}
MLE_BENCH = "mle-bench"


@dataclass(frozen=True)
class Published:
    """A re-split that others use: its rule, and the MD5 of what it must come to.

    ``labelled`` is that of the ids of the labelled rows it is made from, sorted, one per line: by it the competition's own
    data are known. The others are those of its tables.
    """

    test_size: float
    seed: int
    labelled: str
    tables: dict[str, str]


PUBLISHED = {
    MLE_BENCH: Published(
        0.1,
        0,
        "bf9efd94f0feee4efc3742c0f0e8f096",
        {
            f"{PUBLIC}/train_labels.csv": "c2dc9aa0bb1a60ba40215f979d81df6c",
            f"{PUBLIC}/sample_submission.csv": "6bec1773dc78bbe72a70a539e86a8bac",
            ANSWERS: "bde6668df6af0c858a8eea028a140bfb",
        },
    )
}
"""Read in mle-bench at commit 783b15a. Not stratified; the competition's own test is not used, so nothing is shifted."""


@dataclass(frozen=True)
class Resplit:
    """What was made: the competition folder, the answers, how many ``rows`` either split has of how many ``drawn``, and whether
    the tables are the ``published`` ones (None: the data are others, so there is nothing to compare with)."""

    public: Path
    answers: Path
    rows: dict[str, int]
    drawn: dict[str, int]
    published: bool | None


def resplit(
    root: str | Path,
    out: str | Path,
    *,
    like: str | None = None,
    test_size: float = 0.1,
    seed: int = 0,
    links: str = "symbolic",
    incomplete: bool = False,
    quiet: bool = False,
) -> Resplit:
    """Split the labelled training cadences of the competition folder ``root`` anew, into the folder ``out``.

    ``out/public`` is a competition folder: ``train_labels.csv`` and ``sample_submission.csv`` (0.5 everywhere) in the split's
    shuffled order, ``train/`` and ``test/`` of links, and ``old_leaky_data`` where ``root`` has it. ``out/private/test.csv``
    has the answers. Rows are drawn by scikit-learn's ``train_test_split(table, test_size=, random_state=seed)``; ``like`` one of
    ``PUBLISHED`` sets both, and on the competition's own data the tables' MD5 must be the published ones. ``links``:
    ``symbolic``, or ``hard`` on one file system. With ``incomplete`` the split is drawn from all rows of the table and then
    left with those whose files are there; otherwise missing files are refused.

    The same call resumes where a killed one was. Raises ``InputError`` for bad arguments, other tables than the published
    ones, a link that the system refuses, and as ``read_competition`` does.
    """
    if like is not None:
        test_size, seed = PUBLISHED[like].test_size, PUBLISHED[like].seed
    if not 0 < test_size < 1:
        raise InputError(f"a test of {test_size}", where="test_size", remedy="give a share between 0 and 1, for example 0.1")
    root, out = Path(root), Path(out)
    competition = read_competition(root, incomplete=incomplete)
    table = read_targets(root / "train_labels.csv")
    tables = drawn(table, test_size, seed)
    published = same_as_published(like, table, tables, root)
    paths = competition.train.set_index("id")["path"]
    there = {name: rows[rows["id"].isin(paths.index)] for name, rows in tables.items()}
    for split, rows in zip(("train", "test"), there.values(), strict=False):
        if not len(rows):
            raise InputError(f"no cadence is left for {split}", where=root, remedy="give more data, or another --test-size")
    ids = hashlib.sha256("\n".join(paths.index).encode()).hexdigest()[:16]
    wanted = {"data": str(root.resolve()), "test_size": test_size, "seed": seed, "links": links, "rows": len(paths), "ids": ids}
    with CLAIM.taken(out, wanted) as free:
        if free:
            for split, name in (("train", "train_labels.csv"), ("test", "sample_submission.csv")):
                link_files(paths[there[f"{PUBLIC}/{name}"]["id"]], out / PUBLIC / split, links, quiet)
            link_old(root, out / PUBLIC, links, quiet)
            for name, rows in there.items():
                write_table(out / name, rows)
            CLAIM.finish(out, {"parameters": wanted, "like": like})
    return Resplit(out / PUBLIC, out / ANSWERS, counted(there), counted(tables), published)


def counted(tables: dict[str, pd.DataFrame]) -> dict[str, int]:
    """Rows of either split."""
    return {"train": len(tables[f"{PUBLIC}/train_labels.csv"]), "test": len(tables[ANSWERS])}


def drawn(table: pd.DataFrame, test_size: float, seed: int) -> dict[str, pd.DataFrame]:
    """The three tables of a re-split by the names of their files."""
    from sklearn.model_selection import train_test_split

    try:
        train, test = train_test_split(np.arange(len(table)), test_size=test_size, random_state=seed)
    except ValueError as error:
        problem = f"{quantity(len(table), 'row')} cannot be split ({error})"
        raise InputError(problem, where="test_size", remedy="give more rows, or another share") from error
    return {
        f"{PUBLIC}/train_labels.csv": table.iloc[train],
        f"{PUBLIC}/sample_submission.csv": table.iloc[test].assign(target=0.5),
        ANSWERS: table.iloc[test],
    }


def same_as_published(like: str | None, table: pd.DataFrame, tables: dict[str, pd.DataFrame], root: Path) -> bool | None:
    """Whether the tables are those that others use; None where the labelled rows are not the competition's.

    Raises ``InputError`` where they are, and come to other tables.
    """
    if like is None:
        return None
    known = PUBLISHED[like]
    if md5("\n".join(sorted(table["id"])) + "\n") != known.labelled:
        return None
    made = {name: md5(rows.to_csv(index=False, lineterminator="\n")) for name, rows in tables.items()}
    if wrong := [name for name in made if made[name] != known.tables[name]]:
        raise InputError(
            f"its rows are the competition's, but {wrong[0]} has MD5 {made[wrong[0]]}, published is {known.tables[wrong[0]]}",
            where=root / "train_labels.csv",
            remedy="restore the competition's own table: order and targets of its rows must be the original ones",
        )
    return True


def md5(text: str) -> str:
    """MD5 of UTF-8 text: what was published is compared by it, no secret depends on it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def link_files(paths: pd.Series, folder: Path, links: str, quiet: bool) -> None:
    """A link ``folder/{id[0]}/{name}`` to each of ``paths``; those that are there stay."""
    for letter in sorted({name[0] for name in paths.index}):
        (folder / letter).mkdir(parents=True, exist_ok=True)
    files = [(str(path), folder / str(name)[0] / os.path.basename(str(path))) for name, path in paths.items()]
    for path, place in files if quiet else progress(files, len(files), f"links in {folder}", "file"):
        link(os.path.abspath(path), place, links)


def link_old(root: Path, public: Path, links: str, quiet: bool) -> None:
    """The old era's data, where ``root`` has them: one link to their folder, or one per file where links are hard."""
    source = root / OLD_FOLDER
    if not source.is_dir():
        return
    if links == "symbolic":
        link(os.path.abspath(source), public / OLD_FOLDER, links)
        return
    old = read_competition(root, "old", incomplete=True)
    for split in ("train", "test"):
        link_files(old.split(split).set_index("id")["path"], public / OLD_FOLDER / f"{split}_old", links, quiet)
        if (table := source / f"{split}_labels_old.csv").exists():
            link(os.path.abspath(table), public / OLD_FOLDER / table.name, links)


def link(target: str, place: Path, links: str) -> None:
    """Make ``place`` a link to ``target``, unless it is there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with suppress(FileExistsError):
            LINKS[links](target, place)
    except OSError as error:
        other = next(name for name in LINKS if name != links)
        raise InputError(
            f"no {links} link to {target} can be made ({error.strerror})",
            where=place,
            remedy=f"give a folder on another disk, or --links {other}",
        ) from error
