"""Where the toolkit keeps its files that are not code: notebooks, plans, the kernels' metadata."""

import site
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SHARED = Path("share") / "seti-utils"


def find_root(*names: str, here: bool = False) -> Path | None:
    """The folder that holds every one of ``names``: the current one (with ``here``), the package's checkout, or the place
    where pip puts the shared data of a package; None where it is none of them.
    """
    places = [PACKAGE.parent, Path(sysconfig.get_path("data")) / SHARED, Path(site.getuserbase()) / SHARED]
    places = [Path.cwd(), *places] if here else places
    return next((place for place in places if all((place / name).exists() for name in names)), None)
