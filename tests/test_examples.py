"""What README and the help texts tell to type, typed: in order, in one folder, at smoke size.

Placeholders are folders of that name (``DATA``, ``WEIGHTS``, ``OVERLAP`` …). What makes a line small is in ``small``; everything
else is as it stands. Lines of README that are not run here are read in ``test_readme``.
"""

import ast
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from telescope_files import noise, write_cadence, write_fil
from test_commands import ALL, lines_of
from test_readme import IN_README, blocks

from seti_utils.__main__ import main
from seti_utils.commands.parsing import make_parser
from seti_utils.sky import make_sky

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
TINY = ("backbone=test_efficientnet", "epochs=1", "resize.freq=32", "resize.time=32", "batch=4", "precision=None")
OVERRIDDEN = ("train", "predict", "summary", "chain", "anomaly", "publish")


COMMANDS = [line for line in IN_README if line.startswith("seti ") and " kaggle " not in line]
EXAMPLES = [
    line.replace("python -m seti_utils", "seti")
    for name, parser in ALL.items()
    if not name.startswith("kaggle")
    for line in lines_of(parser)
    if "torchrun" not in line and " kaggle " not in line.partition("#")[0]
]
FIRST = ("sky", "log", "pack", "overlap search", "overlap clean", "train", "predict")
"""Commands that others build on; the README's own order is right as it is."""
PLACE = {name: number for number, name in enumerate(FIRST)}
EXAMPLES.sort(key=lambda line: min((PLACE[name] for name in FIRST if line.startswith(f"seti {name}")), default=len(FIRST)))
LINES = list(dict.fromkeys([*COMMANDS, *EXAMPLES]))


def small(words):
    """The same command for a few cadences and a tiny network."""
    command = words[0]
    if command == "sky":
        return [*words, "--train", "80", "--test", "16", "--workers", "1"]
    if command in OVERRIDDEN or (command == "shift" and "--experiment" in words):
        words = [*words, *(word for pair in TINY for word in ("--set", pair))]
    if command == "shift":
        return [*words, "--rows", "40", "--no-net", "--workers", "1"]
    if command == "chain":
        return ["0" if word == "all" else word for word in words]
    if command == "play":  # tests/test_play.py plays it
        return [*words, "--dry-run"]
    if "--with" in words:
        return [{"DATA": "ERAS", "OVERLAP": "ERAS_OVERLAP"}.get(word, word) for word in words]
    if command in ("search", "sensitivity"):
        some = ["--pictures", "1"] if command == "search" else ["--needles", "1"]
        return [*words, *some, "--processes", "1"]
    if command == "notebook" and words[1] == "search":
        return [*words, "-p", "pictures=1"]
    if command == "notebook" and words[1] in ("train", "infer"):
        return [*words, "-p", f"overrides={' '.join(TINY)}"]
    if command == "notebook":
        rows = "rows=1" if words[1] == "look" else "rows=40"
        return [rows if word.startswith("rows=") else word for word in words]
    if command == "anomaly":  # eight negatives to a fold
        return [*words, "--neighbours", "3"]
    if command == "blend" and "--oof" in words:
        return [*words, "--draws", "3"]
    return words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A person's folder: pretrained weights, the competition's data, which are the sky that the first line makes, and a
    telescope's cadence."""
    place, before = tmp_path_factory.mktemp("typed"), Path.cwd()
    os.chdir(place)
    Path("WEIGHTS").mkdir()
    torch.manual_seed(0)
    torch.save(timm.create_model("test_efficientnet").state_dict(), "WEIGHTS/test_efficientnet.pth")
    Path("DATA").symlink_to("out/sky")
    Path("plans").symlink_to(ROOT / "plans")
    make_sky("ERAS", train=12, test=4, old=8, workers=1)
    panels = [noise(64, 1024, number) for number in range(6)]
    for file, name in zip(
        write_cadence(Path("CADENCE"), panels, tsamp=293.13 / 64), ("A1", "B", "A2", "C", "A3", "D"), strict=True
    ):
        Path(f"{name}.h5").symlink_to(file)
    Path("cadences.txt").write_text(" ".join(f"{name}.h5" for name in ("A1", "B", "A2", "C", "A3", "D")), encoding="utf-8")
    write_fil(Path("one.fil"), panels[0], tsamp=293.13 / 64)
    yield place
    os.chdir(before)


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs_as_it_stands(line, folder, capsys):
    words = shlex.split(line)[1:]
    if words[0] in ("blend", "shift") and Path("runs/exp0023/oof.csv").exists():
        for name in "abc":
            shutil.copy("runs/exp0023/test.csv", f"{name}.csv")
            shutil.copy("runs/exp0023/test.csv", f"{name}_test.csv")
            shutil.copy("runs/exp0023/oof.csv", f"{name}_oof.csv")
    if words[0] in ("score", "search") and Path("DATA/train").exists() and not Path("folder").exists():
        some = sorted(Path("DATA/train").rglob("*.npy"))
        Path("folder").mkdir()
        shutil.copy(some[0], "cadence.npy")
        shutil.copy(some[1], "folder")
    if "--answers" in words:  # what the words before would have made, with both classes in it
        Path("RESPLIT/private").mkdir(parents=True, exist_ok=True)
        Path("RESPLIT/private/test.csv").write_text("id,target\na,1\nb,0\nc,0\n", encoding="utf-8")
        shutil.copy("RESPLIT/private/test.csv", words[1])
    if "--dask" in words:  # needs a cluster; tests/test_telescope_cluster.py starts one
        assert callable(make_parser(words).parse_args(words).handle)
        return
    if "--launch" in words:  # its folder holds what another line trained from other weights
        shutil.rmtree(f"runs/{words[1]}", ignore_errors=True)
    assert main(small(words)) == 0, capsys.readouterr()


def test_the_python_of_the_readme_runs(folder):
    (code,) = [block for block in blocks("python") if "import" in block]
    pairs = dict(backbone="test_efficientnet", epochs=1, batch=4, precision=None)
    code = code.replace('out="runs")', f'out="runs2", overrides={pairs!r})')
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert Path("runs2/submission.csv").exists()


def test_the_lines_of_the_log_in_the_readme_are_the_logs():
    (code,) = [block for block in blocks("python") if "exp(" in block]
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "seti_utils" / "log" / "pages").glob("*.py"))
    calls = [node for node in ast.walk(ast.parse(pages)) if isinstance(node, ast.Call)]
    lines = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "exp"]
    log = {call.args[0].value: call for call in lines if isinstance(call.args[0], ast.Constant)}
    for line in ast.parse(code).body:
        name = line.value.args[0].value
        assert [ast.dump(one) for one in line.value.args] == [ast.dump(one) for one in log[name].args], name
        assert {ast.dump(one) for one in line.value.keywords} <= {ast.dump(one) for one in log[name].keywords}, name


@pytest.mark.parametrize(
    ("job", "commands", "made"),
    [
        ("quick", "sky notebook notebook summary", {"submission.csv", "train.ipynb", "infer.ipynb", "pictures"}),
        (
            "run",
            "sky overlap overlap notebook notebook chain summary",
            {"submission.csv", "raw.ipynb", "cleaned.ipynb", "sky_stack", "detector_raw", "pictures"},
        ),
    ],
)
def test_a_main_job_is_commands_that_run(job, commands, made, folder, capsys):
    """``make run`` and ``make quick``, small: read from the Makefile, so that a test knows the lines that a person runs."""
    out = f"made_{job}"
    asked = ["make", "-n", job, f"OUT={out}", "TRAIN=80", "TEST=16"]
    plan = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    lines = [line.partition("-m seti_utils ")[2] for line in plan.splitlines() if "-m seti_utils " in line]
    assert [shlex.split(line)[0] for line in lines] == commands.split()
    for line in lines:
        words = shlex.split(line)
        assert main([*words, "--workers", "1"] if words[0] == "sky" else small(words)) == 0, capsys.readouterr()
    assert made <= {path.name for path in Path(out).iterdir()}
    assert "hidden test" in capsys.readouterr().out
