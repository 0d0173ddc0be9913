"""The synthetic sky: the competition's exact format, the truth beside it, and physics that follow the truth."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.data.cadence import FILE_BYTES, PANELS, SHAPE
from seti_utils.errors import InputError
from seti_utils.sky import make_sky
from seti_utils.sky.chunk import write_array
from seti_utils.sky.needles import FAMILIES
from seti_utils.sky.plan import plan_rows
from seti_utils.sky.ranges import BRIGHT_SNR, KINDS, SHIFTED_FAMILIES, SHIFTED_SNR, SNR, TRAIN_FAMILIES

TEXT = dict.fromkeys(("id", "family", "panels", "terrestrial", "terrestrial_family", "terrestrial_panels"), str)


def read_truth(folder):
    return pd.read_csv(folder / "truth.csv", dtype=TEXT).fillna(dict.fromkeys(TEXT, ""))


def load(folder, split, row_id):
    return np.load(folder / split / row_id[0] / f"{row_id}.npy")


def sky_bytes(folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("sky") / "s", train=80, test=40, seed=5, workers=1)


def test_exact_format(sky):
    labels = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})
    sample = pd.read_csv(sky / "sample_submission.csv", dtype={"id": str})
    hidden = pd.read_csv(sky / "test_labels.csv", dtype={"id": str})
    assert list(labels.columns) == list(sample.columns) == list(hidden.columns) == ["id", "target"]
    assert (len(labels), len(sample)) == (80, 40)
    for table in (labels, sample, hidden):
        assert table["id"].is_monotonic_increasing and table["id"].is_unique
        assert table["id"].str.fullmatch("[0-9a-f]{15}").all()
    assert list(sample["id"]) == list(hidden["id"]) and (sample["target"] == 0).all()
    assert set(labels["target"]) == {0, 1}
    for split, table in (("train", labels), ("test", sample)):
        assert {p.stem for p in (sky / split).glob("*/*.npy")} == set(table["id"])
        assert len(list((sky / split).iterdir())) == 16
        for row_id in table["id"][:12]:
            x = load(sky, split, row_id)
            assert x.dtype == np.float16 and x.shape == SHAPE and np.isfinite(x).all()
            path = sky / split / row_id[0] / f"{row_id}.npy"
            assert path.stat().st_size == FILE_BYTES
            panels = x.astype(np.float64).reshape(PANELS, -1)
            np.testing.assert_allclose(panels.mean(1), 0, atol=2e-3)
            np.testing.assert_allclose(panels.std(1), 1, atol=2e-3)
    assert not list(sky.glob(".*")) and not (sky / "sky.unfinished.json").exists()


def test_file_equals_np_save(tmp_path):
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float16)
    np.save(tmp_path / "theirs.npy", x)
    write_array(tmp_path / "ours.npy", x)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_same_seed_same_bytes_whatever_the_workers(sky, tmp_path):
    arguments = {"train": 80, "test": 40, "seed": 5}
    four = make_sky(tmp_path / "four", **arguments, workers=4)
    assert sky_bytes(four) == sky_bytes(sky)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        again = make_sky(tmp_path / "again", **arguments, workers=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert sky_bytes(again) == sky_bytes(sky)
    other = make_sky(tmp_path / "other", train=80, test=40, seed=6, workers=1)
    assert set(sky_bytes(other)) != set(sky_bytes(sky))


def test_reused_resumed_or_refused(sky, tmp_path, monkeypatch):
    stamp = (sky / "sky.json").stat().st_mtime_ns
    assert make_sky(sky, train=80, test=40, seed=5) == sky
    assert (sky / "sky.json").stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match=r"another synthetic sky: seed=5 \(asked: 6\)"):
        make_sky(sky, train=80, test=40, seed=6)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "sky.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="does not describe a synthetic sky"):
        make_sky(tmp_path / "odd", train=8, test=4)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train_labels.csv").write_text("id,target\n", encoding="utf-8")
    with pytest.raises(InputError, match="does not contain a synthetic sky"):
        make_sky(tmp_path / "data", train=8, test=4)

    from seti_utils.sky import folder

    real, done = folder.write_chunk, []

    def dies(task):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(task.number)
        return real(task)

    monkeypatch.setattr(folder, "write_chunk", dies)
    with pytest.raises(KeyboardInterrupt):
        make_sky(tmp_path / "cut", train=80, test=40, seed=5, workers=1)
    assert not (tmp_path / "cut" / "sky.json").exists() and not (tmp_path / "cut" / "train_labels.csv").exists()
    with pytest.raises(InputError, match="another, unfinished synthetic sky"):
        make_sky(tmp_path / "cut", train=81, test=40, seed=5)
    monkeypatch.setattr(folder, "write_chunk", lambda task: done.append(task.number) or real(task))
    make_sky(tmp_path / "cut", train=80, test=40, seed=5, workers=1)
    assert len(done) == len(set(done)), "a finished chunk was drawn twice"
    assert sky_bytes(tmp_path / "cut") == sky_bytes(sky)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0}, "at least one train"),
        ({"overlap": 1.5}, "overlap 1.5"),
        ({"era": "new"}, "current, old"),
        ({"train": 12}, "disk has 0.1 GB left"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, wrong, message):
    monkeypatch.setattr("seti_utils.sky.folder.shutil.disk_usage", lambda _: SimpleNamespace(free=10**8 + 10**7))
    with pytest.raises(InputError, match=message):
        make_sky(tmp_path / "s", **{"train": 8, "test": 4} | wrong)
    assert not (tmp_path / "s").exists()


def test_truth_has_one_row_per_cadence_and_needles_where_it_says(sky):
    truth = read_truth(sky)
    labels = pd.concat([pd.read_csv(sky / f"{split}_labels.csv", dtype={"id": str}) for split in ("train", "test")])
    merged = truth.merge(labels, on="id", validate="one_to_one", suffixes=("", "_label"))
    assert len(merged) == 120 and (merged["target"] == merged["target_label"]).all()
    positive = truth[truth["target"] == 1]
    assert (positive["family"] != "").all() and (positive["snr"] > 0).all() and (positive["rows"] > 0).all()
    assert all(panels and set(panels.split()) <= set("024") for panels in positive["panels"])
    negative = truth[truth["target"] == 0]
    assert (negative["family"] == "").all() and negative["snr"].isna().all() and (negative["panels"] == "").all()
    terrestrial = negative[negative["terrestrial"] != ""]
    assert len(terrestrial) > 5
    assert all(set(panels.split()) & set("135") for panels in terrestrial["terrestrial_panels"])
    assert set(truth["kind"]) <= set(KINDS) and set(truth["family"]) - {""} <= set(FAMILIES)
    manifest = json.loads((sky / "sky.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["seed"] == 5 and manifest["positives"]["train"] == 8
    assert re.match(r"\d+\.\d+", manifest["versions"]["torch"])


def test_share_of_positives_and_shift():
    on = plan_rows(600, 400, seed=1, shift=True, overlap=0.5)
    off = plan_rows(600, 400, seed=1, shift=False, overlap=0.5)
    share = {name: plan.groupby("split")["target"].mean() for name, plan in (("on", on), ("off", off))}
    assert share["on"]["train"] == 0.10 and share["on"]["test"] == 0.25
    assert share["off"]["train"] == share["off"]["test"] == 0.10
    assert (on["split"] == "train").sum() == 600 and on["id"].is_unique
    blobs = [KINDS.index("blobs"), KINDS.index("fringe")]

    def common(plan):
        return plan["kind"].isin(blobs).groupby(plan["split"]).mean()

    big = plan_rows(20000, 10000, seed=2, shift=True, overlap=0.5)
    assert common(big)["test"] - common(big)["train"] > 0.05
    alike = plan_rows(20000, 10000, seed=2, shift=False, overlap=0.5)
    assert abs(common(alike)["test"] - common(alike)["train"]) < 0.05
    assert "sine" in SHIFTED_FAMILIES and "sine" not in TRAIN_FAMILIES


def test_sines_and_fainter_needles_only_in_the_shifted_test(sky, tmp_path):
    truth = read_truth(sky)
    both = truth[["split", "family", "terrestrial_family"]]
    train, test = (both[both["split"] == split].drop(columns="split") for split in ("train", "test"))
    assert not (train == "sine").any().any() and (test == "sine").any().any()
    still = read_truth(make_sky(tmp_path / "still", train=40, test=60, seed=5, shift=False))
    assert not (still[["family", "terrestrial_family"]] == "sine").any().any()
    within = {"train": SNR, "test": SHIFTED_SNR}
    for split, rows in truth.groupby("split"):
        snr = rows[["snr", "terrestrial_snr"]].stack().dropna()
        low, high = within[split]
        assert snr.between(low, BRIGHT_SNR).all() and 0 < (snr > high).mean() < 0.3, "a few are brighter"
    faint = truth.loc[truth["split"] == "test", ["snr", "terrestrial_snr"]].stack().dropna()
    assert faint.median() < still["terrestrial_snr"].median() and (faint < SNR[0]).any()
    assert still.groupby("split")["target"].sum().to_dict() == {"train": 4, "test": 6}


@pytest.mark.parametrize("option", [{"overlap": 0.9}, {"receiver": True}, {"shift": False}, {"era": "old"}, {"train": 41}])
def test_skies_of_other_options_share_no_id(option, tmp_path, monkeypatch):
    """Ids are what stores, searches and scores are matched by, so one id must not stand for two arrays."""
    planned = []
    monkeypatch.setattr("seti_utils.sky.folder.run_tasks", lambda tasks, workers: planned.append(tasks) or iter(()))
    for number, choice in enumerate(({}, option)):
        with pytest.raises(RuntimeError, match="0 of"):  # nothing is drawn: ids are decided before any pixel
            make_sky(tmp_path / str(number), **({"train": 40, "test": 20, "seed": 5} | choice))
    first, second = ({name for task in tasks for name in task.rows["id"]} for tasks in planned)
    assert len(first) == 60 and not first & second
