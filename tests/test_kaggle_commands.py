"""The Kaggle steps as they are typed: what each prints, what it refuses before it asks the site, and what it leaves."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.kaggle import child, client
from seti_utils.kaggle.client import ask, client_python, user, whole
from seti_utils.kaggle.errors import NoClient, Unauthorized
from seti_utils.kaggle.plan import read_plan
from seti_utils.kaggle.weights import gather_weights
from seti_utils.nets import weights
from seti_utils.session.machines import MACHINES

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"


def typed(capsys, *words: object, code: int = 0):
    """What ``seti kaggle WORDS`` prints, after it has ended with ``code``."""
    ended = main(["kaggle", *map(str, words)])
    said = capsys.readouterr()
    assert ended == code, said.err
    assert code == 0 or said.err.splitlines()[-1].startswith("error: ")
    return said


@pytest.fixture
def here(repository, tmp_path, monkeypatch):
    """The tiny repository as the working folder."""
    monkeypatch.chdir(shutil.copytree(repository, tmp_path / "here"))
    return Path()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chain"], "no plan; give a file, or print one with --example second_place"),
        (["chain", "plans/none.yaml"], "plans/none.yaml: no such plan; print one with"),
        (["chain", "--example", "sky_stack"], "sky_stack: is a stack by coverage, which no kernel makes; train its members"),
        (["submit"], "no file to submit; name a submission.csv, or list what was sent with --list"),
        (["upload", "none", "--title", "my weights"], "none: no such folder; name the folder that is to be sent"),
        (["upload", "notebooks", "--title", "my weights", "--model", "my net"], "both --title and --model; give one"),
        (["download", "weights", "out"], "'weights' names neither a dataset nor a model; write owner/slug, or owner/model"),
        (["download", "me/net/pyTorch", "out"], "names neither a dataset nor a model"),
        (["download", "me/", "out"], "names neither a dataset nor a model"),
        (["status", "."], "its owner is the placeholder; build it with `python -m seti_utils kaggle build`"),
        (["build", "train", "sky_demo", "--owner", "your-username"], "the owner is still the placeholder; log in, or"),
    ],
)
def test_what_cannot_be_is_refused_before_the_site_is_asked(here, capsys, words, message):
    assert message in typed(capsys, *words, code=2).err
    assert not Path("out").exists() and not Path("build").exists()


def test_a_plan_that_is_printed_can_be_read(tmp_path, capsys):
    (tmp_path / "exp0019.yaml").write_text(typed(capsys, "chain", "--example", "exp0019").out, encoding="utf-8")
    plan = read_plan(tmp_path / "exp0019.yaml")
    assert plan.stages[-1].experiments == ["exp0019"] and plan.stages[-1].seeds == [2021]


def test_machines_are_listed_with_hours_of_runs_that_were_fetched(tmp_path, capsys):
    said = typed(capsys, "machines").out
    assert all(machine.name in said for machine in MACHINES) and "~" not in said
    run = {"kernel": "me/seti-train-exp0011-fold3-seed5", "extra": {"session_seconds": 18000, "machine": "NvidiaTeslaT4"}}
    for name, text in (("good", json.dumps(run)), ("list", "[]"), ("cut", '{"kernel"')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text, encoding="utf-8")
    said = typed(capsys, "machines", "exp0011", "--runs", tmp_path).out
    assert "5.0" in said and "~" in said, "cards that cannot be read are passed over"
    assert "5.0" not in typed(capsys, "machines", "exp0011", "--stage", "infer", "--runs", tmp_path).out


def test_a_check_lists_each_mistake_and_fails(kaggle, kernel, tmp_path, capsys):
    bad = shutil.copytree(kernel, tmp_path / "bad")
    about = json.loads((bad / "kernel-metadata.json").read_text(encoding="utf-8"))
    (bad / "kernel-metadata.json").write_text(json.dumps(about | {"code_file": 3}), encoding="utf-8")
    said = typed(capsys, "check", kernel, bad, code=5)
    assert f"{kernel}: good" in said.out and "code_file is 3; write text in quotes" in said.out
    assert "1 of 2 kernels must not be pushed" in said.err


def test_a_check_needs_no_login(kaggle_process, kernel, monkeypatch, capsys):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    said = typed(capsys, "check", kernel)
    assert said.out == f"{kernel}: good\n" and "the owner is not compared: nobody is logged in" in said.err


def test_a_package_beside_the_kernel_is_sent_first(kaggle, here, capsys):
    words = ["build", "train", "sky_demo", "--folds", "0", "--transport", "dataset"]
    said = typed(capsys, *words).out
    assert "upload its package first: python -m seti_utils kaggle upload build/" in said and not kaggle.datasets.known
    assert "version 1" in typed(capsys, *words, "--push").out
    sent = [method for method, _ in kaggle.calls if method in ("CreateDataset", "SaveKernel")]
    assert sent == ["CreateDataset", "SaveKernel"]


def test_output_of_a_kernel_that_is_named(kaggle, tmp_path, monkeypatch, capsys):
    """Two of them, by owner and slug: what failed has left no card, so nothing vouches for it."""
    monkeypatch.chdir(tmp_path)
    for name in (KERNEL, KERNEL.replace("fold0", "fold1")):
        kaggle.kernels.SaveKernel({"slug": name, "newTitle": name.split("/")[1].replace("-", " "), "text": "{}"})
        log = "[]" if name == KERNEL else ""
        kaggle.kernels.versions[name][-1].script = Script(("ERROR",), {"oof.csv": b"id,score\n"}, log=log, failure="broken")
    names = [KERNEL, KERNEL.replace("fold0", "fold1")]
    (Path("runs/kaggle") / KERNEL.split("/")[1]).mkdir(parents=True)
    said = typed(capsys, "fetch", *names, "--partial").out.splitlines()
    unsaid = "of a run that left no run.json, so nothing is verified"
    assert [line.split(": ")[1] for line in said] == [f"2 files {unsaid}", f"1 file {unsaid}"]
    assert [(Path("runs/kaggle") / name.split("/")[1] / "oof.csv").is_file() for name in names] == [True, True]


def test_lines_of_several_kernels_say_whose_they_are(kaggle_process, monkeypatch, capsys):
    monkeypatch.setattr(client, "lines_of", lambda request, *_rest: child.replies(request))
    for number, states in enumerate((("RUNNING", "COMPLETE"), ("RUNNING", "RUNNING", "COMPLETE"))):
        name = KERNEL.replace("fold0", f"fold{number}")
        kaggle_process.kernels.SaveKernel({"slug": name, "newTitle": name.split("/")[1].replace("-", " "), "text": "{}"})
        told = ({"stream_name": "stdout", "time": 1.0, "data": f"epoch {number}\n"},)
        kaggle_process.kernels.versions[name][-1].script = Script(states, live=told)
    said = typed(capsys, "wait", KERNEL, KERNEL.replace("fold0", "fold1"), "--follow", "--every", "0.05").out
    assert sorted(said.splitlines()) == [f"seti-train-sky-demo-fold{n}-seed2021 | epoch {n}" for n in (0, 1)]


def test_a_site_that_does_not_tell_the_quota(kaggle, kernel, capsys):
    silent = Fault("GetAcceleratorQuotaStatistics", body="answer", answer={"gpuQuota": None, "tpuQuota": None}, times=2)
    kaggle.faults.append(silent)
    assert typed(capsys, "quota").out == "the site does not tell the quota\n"
    said = typed(capsys, "push", kernel)
    assert "about 12.0 GPU hours needed" in said.err and "the site does not tell the quota" in said.err


def test_the_data_come_by_one_command(kaggle, shared_competition, tmp_path, monkeypatch, capsys):
    with zipfile.ZipFile(tmp_path / "served.zip", "w") as packed:
        for source in sorted(path for path in shared_competition.rglob("*") if path.is_file()):
            packed.write(source, source.relative_to(shared_competition).as_posix())
    kaggle.competitions.archive = tmp_path / "served.zip"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12))
    assert "12 train and 5 test cadences" in typed(capsys, "data", tmp_path / "data").err
    short = next((tmp_path / "data" / "test").rglob("*.npy"))
    assert not list((tmp_path / "data").glob("*.zip")) and short.stat().st_size > 800_000


# --- pretrained weights


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Folder of a machine that has the weights of exp0011's network in its cache, and no internet."""
    (tmp_path / "cached.bin").write_bytes(b"published")
    monkeypatch.setattr(weights, "cached_weights", lambda name: tmp_path / "cached.bin" if "efficientnet_b0" in name else None)
    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_weights_are_gathered_once_and_sent_as_a_dataset(kaggle, cached, capsys):
    assert typed(capsys, "weights", "exp0011", "exp0012", "--no-upload").out.count("\n") == 1, "one network, one file"
    (file,) = (cached / "weights").iterdir()
    assert file.read_bytes() == b"published" and not kaggle.datasets.known
    file.write_bytes(b"put here by hand")
    assert "dataset tester/seti-pretrained-weights is ready; build with --dataset" in typed(capsys, "weights", "exp0011").out
    assert kaggle.datasets.known["tester/seti-pretrained-weights"]["files"] == {file.name: b"put here by hand"}


def test_weights_that_cannot_be_had_say_what_to_do(cached, monkeypatch, capsys):
    import huggingface_hub

    monkeypatch.setattr(weights, "cached_weights", lambda name: None)
    said = typed(capsys, "weights", "exp0011", "--no-upload", code=2).err
    assert "and the hub does not answer; run this where there is internet, or put the file there by hand" in said
    monkeypatch.setattr(weights, "hub_answers", lambda: True)
    with pytest.raises(InputError, match="seresnet18: nobody published weights of this network; take another backbone"):
        gather_weights(["seresnet18"], cached / "weights")
    fetched = []

    def gone(repository, file):
        fetched.append((repository, file))
        raise ConnectionResetError("the connection broke")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", gone)
    said = typed(capsys, "weights", "exp0011", "--no-upload", code=2).err
    assert "the hub gave no weights (ConnectionResetError); try again later, or put the file" in said
    assert len(fetched) == 1 and fetched[0][1] == "model.safetensors" and not list((cached / "weights").glob("*"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, file: str(cached / "cached.bin"))
    typed(capsys, "weights", "exp0011", "--no-upload")
    assert next((cached / "weights").iterdir()).read_bytes() == b"published"


# --- the client


def test_a_client_without_a_call_is_too_old(kaggle):
    for call, more, told in (("kernels_fly", {}, "it has no kernels_fly"), ("kernels_status", {"wings": 2}, "takes no wings")):
        with pytest.raises(NoClient, match=f"the kaggle client is too old: .*{told}; pip install --upgrade kaggle"):
            ask(call, **more)


def test_the_client_may_be_another_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_KAGGLE_CLIENT", str(tmp_path / "kaggle"))
    with pytest.raises(NoClient, match="there is no Python with the kaggle client; correct SETI_KAGGLE_CLIENT"):
        client_python()
    (tmp_path / "python").touch()
    assert client_python() == str(tmp_path / "python")


def test_half_a_line_is_left_out_and_a_name_that_is_not_known_is_a_missing_login(monkeypatch):
    assert list(whole(['{"event": 1}', '{"val'])) == [{"event": 1}]
    monkeypatch.setattr("seti_utils.kaggle.client.lines_of", lambda *_: iter([{"value": None}]))
    with pytest.raises(Unauthorized, match="nobody is logged in"):
        user()
