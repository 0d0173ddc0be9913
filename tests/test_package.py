"""The package's public face, and its command."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import seti_utils
from seti_utils import places

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)


def test_importing_the_package_imports_nothing_else():
    heavy = "{'torch', 'pandas', 'numpy', 'timm'}"
    code = f"import sys, seti_utils; print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy}))"
    assert run(code).stdout.strip() == "[]"


@pytest.mark.parametrize("name", seti_utils.__all__)
def test_every_public_name_is_there(name):
    value = getattr(seti_utils, name)
    assert value is getattr(seti_utils, name) and name in dir(seti_utils)
    if name in seti_utils.PLACES:
        module, _, attribute = seti_utils.PLACES[name].partition(":")
        assert value is getattr(sys.modules[f"seti_utils.{module}"], attribute)


def test_public_names_do_not_hide_a_room():
    """``seti_utils.session`` is a package: a public name of the same spelling would be one or the other by chance."""
    rooms = {path.name for path in (ROOT / "seti_utils").iterdir() if path.is_dir()}
    assert not rooms & set(seti_utils.__all__) and set(seti_utils.PLACES) <= set(seti_utils.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tran'"):
        seti_utils.tran  # noqa: B018


def test_the_command_seti_is_the_module_and_the_version_is_one():
    assert PROJECT["project"]["scripts"] == {"seti": "seti_utils.__main__:main"}
    assert PROJECT["project"]["version"] == seti_utils.__version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as pip and uv install it."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_the_command_and_what_it_needs_besides(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = (path for path in (ROOT / "seti_utils").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    missing = {path.relative_to(ROOT).as_posix() for path in inside} - set(names)
    assert not missing, "code, types and the weights of the detector that comes in the box"
    about = next(name for name in names if name.endswith("entry_points.txt"))
    assert "seti = seti_utils.__main__:main" in zipfile.ZipFile(wheel).read(about).decode()
    shipped = [name for name in names if f".data/data/{places.SHARED.as_posix()}/" in name]
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= {name.rpartition("/")[2] for name in shipped} and any("kernel-metadata.json" in name for name in shipped)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]


def test_an_installed_package_works_away_from_the_checkout(wheel, tmp_path, monkeypatch):
    """It finds its notebooks where pip puts shared data."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    data = next((tmp_path / "site").glob("*.data")) / "data"
    code = (
        "import sysconfig; own = sysconfig.get_path\n"
        f"sysconfig.get_path = lambda name, *rest: {str(data)!r} if name == 'data' else own(name, *rest)\n"
        "from seti_utils.run.notebooks.execute import find_notebook; from seti_utils.__main__ import main\n"
        "print(find_notebook('look')); raise SystemExit(main(['log', 'exp0003']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    words = [sys.executable, "-c", code]
    said = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    assert said.startswith(str(data / places.SHARED / "notebooks" / "look.ipynb")) and "mixup = Mixup" in said


def test_the_checkout_is_found_first():
    assert places.find_root("notebooks", "kernel-metadata.json") == ROOT and places.find_root("no such file") is None
