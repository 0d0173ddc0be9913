"""A session's output as one tar: packed, mounted and fetched without loss, and never trusted."""

import io
import json
import tarfile

import pytest

from seti_utils.errors import InputError
from seti_utils.kaggle.fetch import verified
from seti_utils.log.pages import LOG
from seti_utils.run.identity import Run
from seti_utils.run.notebooks.session import session
from seti_utils.session import bundle, mounts
from seti_utils.session.errors import HostileName, Unverified
from seti_utils.session.runfile import read_run, verify_run, write_run

FILES = {
    "exp0001/fold0_seed1/best.pt": b"weights",
    "exp0001/fold0_seed1/oof.csv": b"id,score\na,0.5\n",
    "submission.csv": b"id,target\n",
}


@pytest.fixture
def output(tmp_path):
    """What a session keeps: a tar, the submission, run.json and the site's own notebook."""
    out = tmp_path / "working"
    for name, body in FILES.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(body)
    (out / "__notebook__.ipynb").write_text("{}", encoding="utf-8")
    write_run(out, stage="train", experiment="exp0001", fingerprint="f", folds=[0], seeds=[1], bundle=True)
    return out


def test_there_may_be_nothing_to_pack(tmp_path):
    (tmp_path / "submission.csv").write_text("id,target\n", encoding="utf-8")
    assert bundle.pack(tmp_path, ["submission.csv"]) is None and [path.name for path in tmp_path.iterdir()] == ["submission.csv"]


def test_a_session_keeps_few_files(output):
    assert sorted(path.name for path in output.iterdir()) == ["__notebook__.ipynb", "output.tar", "run.json", "submission.csv"]
    assert list(read_run(output)["files"]) == sorted(FILES)


def test_the_tar_is_the_same_wherever_it_is_written(output, tmp_path):
    with tarfile.open(output / "output.tar") as tar:
        assert [(member.uid, member.mtime, member.uname) for member in tar] == [(0, 0, "")] * 2


def test_what_is_fetched_is_what_was_written(output):
    assert verified(output)["files"].keys() == FILES.keys()
    assert {name: (output / name).read_bytes() for name in FILES} == FILES and not (output / "output.tar").exists()
    assert verify_run(output)["bundle"]


def test_only_batch_sessions_pack(tmp_path, monkeypatch):
    said = {"stage": "train", "experiment": "e", "fingerprint": "f", "folds": [0], "seeds": [1]}
    for kind, packed in (("Interactive", False), ("Batch", True)):
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", kind)
        (tmp_path / "a.txt").write_text("a", encoding="utf-8")
        write_run(tmp_path, **said)
        assert (tmp_path / "output.tar").exists() is packed is not (tmp_path / "a.txt").exists()


def test_a_second_card_does_not_list_the_first_tar(output):
    (output / "late.txt").write_text("x", encoding="utf-8")
    write_run(output, stage="train", experiment="exp0001", fingerprint="f", folds=[0], seeds=[1], bundle=False)
    assert list(read_run(output)["files"]) == ["late.txt", "submission.csv"] and not (output / "output.tar").exists()


def test_a_full_disk_leaves_the_files_as_they_are(tmp_path, monkeypatch, capsys):
    def full(*_words, **_more):
        raise OSError(28, "No space left on device")

    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    monkeypatch.setattr(bundle.tarfile, "open", full)
    write_run(tmp_path, stage="train", experiment="e", fingerprint="f", folds=[0], seeds=[1], bundle=True)
    assert verify_run(tmp_path)["bundle"] is None and "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["notebooks/me/seti-train", "seti-train"])
@pytest.mark.parametrize("form", ["tar", "unpacked beside", "unpacked below"])
def test_the_next_session_finds_the_files(output, tmp_path, monkeypatch, place, form):
    """In both mount layouts, and whether or not the site unpacks archives."""
    root = tmp_path / "input"
    (root / place).parent.mkdir(parents=True)
    output.rename(root / place)
    monkeypatch.setenv("SETI_INPUT", str(root))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    if form != "tar":
        with tarfile.open(root / place / "output.tar") as tar:
            tar.extractall(root / place / ("output" if form.endswith("below") else ""), filter="data")
        (root / place / "output.tar").unlink()
    (found,) = mounts.find_runs()
    assert (found / "exp0001/fold0_seed1/best.pt").read_bytes() == b"weights"
    assert found.is_relative_to(tmp_path / "scratch") is (form == "tar")
    assert mounts.find_runs() == [found], "a second look unpacks nothing"


def rewrite(output, **members: object) -> None:
    """Replace the tar by one with ``members`` (bytes, or a TarInfo), and let run.json vouch for it."""
    with tarfile.open(output / "output.tar", "w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    run = json.loads((output / "run.json").read_text(encoding="utf-8"))
    run["bundle"] = {"bytes": (output / "output.tar").stat().st_size, "sha256": bundle.sha256(output / "output.tar")}
    run["files"] |= {name: {"bytes": len(body), "sha256": "0" * 64} for name, body in members.items() if isinstance(body, bytes)}
    (output / "run.json").write_text(json.dumps(run), encoding="utf-8")


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "members",
    [
        {"../evil.txt": b"evil"},
        {"a/../../evil.txt": b"evil"},
        {"link": link("exp0001/fold0_seed1/best.pt", tarfile.SYMTYPE, "../../../evil.txt")},
        {"link": link("exp0001/fold0_seed1/best.pt", tarfile.LNKTYPE, "/etc/passwd")},
        {"device": link("exp0001/fold0_seed1/best.pt", tarfile.CHRTYPE, "")},
        {"folder": link("exp0001", tarfile.DIRTYPE, "")},
    ],
    ids=["up", "up from within", "symbolic link", "hard link", "device", "folder"],
)
def test_a_tar_that_would_write_elsewhere_is_refused(output, tmp_path, members):
    rewrite(output, **members)
    before = sorted(output.rglob("*"))
    with pytest.raises(HostileName):
        verified(output)
    assert not (tmp_path / "evil.txt").exists() and sorted(output.rglob("*")) == before


def test_an_absolute_name_stays_inside(output, tmp_path):
    rewrite(output, **{str(tmp_path / "evil.txt"): b"evil"})
    with pytest.raises((HostileName, Unverified)):
        verified(output)
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "output.tar is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:600]), "not the file that the run wrote"),
        (lambda path: path.write_text("<html>503</html>", encoding="utf-8"), "not the file that the run wrote"),
    ],
    ids=["missing", "cut", "an error page"],
)
def test_a_damaged_tar_is_refused(output, damage, message):
    damage(output / "output.tar")
    with pytest.raises(Unverified, match=message):
        verified(output)
    assert not (output / "exp0001").exists()


def test_what_is_not_a_tar_is_refused(output):
    (output / "output.tar").write_bytes(b"no tar at all" * 100)
    run = json.loads((output / "run.json").read_text(encoding="utf-8"))
    run["bundle"] = {"bytes": 1300, "sha256": bundle.sha256(output / "output.tar")}
    (output / "run.json").write_text(json.dumps(run), encoding="utf-8")
    with pytest.raises(Unverified, match="cannot be read"):
        verified(output)


@pytest.mark.parametrize("files", [{"a": 3}, {"a": {"bytes": 1}}, []])
def test_a_card_with_a_strange_list_is_refused(output, files):
    run = json.loads((output / "run.json").read_text(encoding="utf-8")) | {"files": files}
    (output / "run.json").write_text(json.dumps(run), encoding="utf-8")
    with pytest.raises(Unverified, match="no valid files"):
        read_run(output)


def test_a_student_finds_its_teacher_among_the_inputs(tmp_path, monkeypatch):
    """A stage of a chain that trains on what another stage trained: its weights and scores come in a mounted tar."""
    source = next(iter(LOG.config("pseudo_tune").sources().values()))
    monkeypatch.setenv("SETI_INPUT", str(tmp_path / "input"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    student = session("pseudo_tune", folds="0", seeds="2021", data="", out=str(tmp_path / "out"))
    with pytest.raises(InputError, match="no output of a train run"):
        student.find_sources()
    place = tmp_path / "input/notebooks/me/seti-train-teacher"
    (place / source / "fold0_seed2021").mkdir(parents=True)
    (place / source / "fold0_seed2021/best.pt").write_bytes(b"weights")
    write_run(place, stage="train", experiment=source, fingerprint="f", folds=[0], seeds=[2021], bundle=True)
    student.find_sources()
    assert [place for place in Run(source, 0, 2021, student.runtime).places() if (place / "best.pt").exists()]
    alone = session("exp0001", folds="0", seeds="2021", data="", out=str(tmp_path / "out"))
    alone.find_sources()
    assert alone.runtime.runs == ()


def test_a_session_resumes_from_its_own_earlier_output(tmp_path, monkeypatch, capsys):
    """The chain pushes a training whose time was up again, with its own output mounted: runs and the split are taken over."""
    monkeypatch.setenv("SETI_INPUT", str(tmp_path / "input"))
    monkeypatch.setenv("SETI_KERNEL", "me/seti-train-exp0001-fold0")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    again = session("exp0001", folds="0", seeds="2021", data="", out=str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    again.adopt_previous()
    assert not list((tmp_path / "out").iterdir())
    place = tmp_path / "input/notebooks/me/seti-train-exp0001-fold0"
    (place / "exp0001/fold0_seed2021").mkdir(parents=True)
    (place / "exp0001/fold0_seed2021/resume.pt").write_bytes(b"state")
    (place / "folds_5_2021.csv").write_text("id,fold\n", encoding="utf-8")
    (place / "pictures").mkdir()
    (place / "pictures/curves.png").write_bytes(b"old")
    how = {"stage": "train", "experiment": "exp0001", "folds": [0], "seeds": [2021], "finished": False, "bundle": True}
    write_run(place, **how, fingerprint=again.fingerprint)
    again.adopt_previous()
    assert (tmp_path / "out/exp0001/fold0_seed2021/resume.pt").read_bytes() == b"state"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["exp0001", "folds_5_2021.csv"]
    assert "resuming from this kernel's earlier output in" in capsys.readouterr().out
