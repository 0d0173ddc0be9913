"""Overlap search: every pair of the sky's truth with its exact shift, nothing else, and equal to comparing everything."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.__main__ import main
from seti_utils.data.cadence import FREQ, SHAPE, SIX
from seti_utils.data.competition import read_competition
from seti_utils.data.reading import renormalise_panels
from seti_utils.data.store import pack
from seti_utils.errors import InputError
from seti_utils.overlap import search as overlap
from seti_utils.overlap.check import common
from seti_utils.overlap.folder import finished_search, groups_of, read_groups, read_pairs
from seti_utils.overlap.keys import KEY_PANELS, NO_KEY, column_keys
from seti_utils.overlap.match import LEAST, match_keys, match_products
from seti_utils.overlap.search import group_rows, search
from seti_utils.sky import make_sky


class Memory:
    """A source of cadences in memory."""

    def __init__(self, x_BPTF, panels=SIX):
        self.x, self.ids, self.panels = x_BPTF.half(), np.arange(len(x_BPTF)).astype(str).astype(object), panels

    def __len__(self):
        return len(self.x)

    def read_into(self, rows, out):
        out.copy_(self.x[list(rows)])

    def will_need(self, rows):
        pass


def windows(offsets, wide=768, seed=0, shape=lambda sky: sky):
    """Windows at ``offsets`` of one band of noise, each normalised by itself as the competition's files are."""
    sky = shape(torch.randn(6, 273, wide, generator=torch.Generator().manual_seed(seed)))
    x = torch.stack([sky[..., offset : offset + FREQ] for offset in offsets])
    scale = torch.rand(len(x), 6, 1, 1, generator=torch.Generator().manual_seed(seed)) + 0.5
    x = x * scale + 3
    renormalise_panels(x)
    return x.half()


def find_pairs(source, *, least=LEAST, exact=False):
    """The search of a source in memory, without its folder: by keys, or by comparing all columns."""
    keyed = Memory(source.x[:, KEY_PANELS], KEY_PANELS)
    found = match_products(keyed, least=least) if exact else match_keys([column_keys(keyed.x).numpy()], least=least)
    return overlap.compare_pairs(source, found)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("sky") / "sky", train=50, test=30, seed=3, workers=1)


@pytest.fixture(scope="module")
def found(sky, tmp_path_factory):
    return search(read_competition(sky), tmp_path_factory.mktemp("found") / "overlap", quiet=True)


def true_pairs(sky, least=32):
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str})
    both = truth[["id", "band", "offset"]].merge(truth[["id", "band", "offset"]], on="band", suffixes=("_a", "_b"))
    both = both[both["id_a"] != both["id_b"]].assign(shift=both["offset_b"] - both["offset_a"])
    both = both[FREQ - both["shift"].abs() >= least]
    return set(zip(both["id_a"], both["id_b"], both["shift"]))


def test_every_true_pair_with_its_exact_shift_and_no_other(sky, found):
    pairs = read_pairs(found)
    said = set(zip(pairs["a"], pairs["b"], pairs["shift"])) | set(zip(pairs["b"], pairs["a"], -pairs["shift"]))
    assert said == true_pairs(sky) and len(pairs) > 50
    assert (pairs["columns"] == FREQ - pairs["shift"].abs()).all() and (pairs["similarity"] > 0.999).all()
    assert pairs["panels"].between(4, 6).all() and (pairs["which"].str.len() == pairs["panels"]).all()


def test_groups_are_the_bands(sky, found):
    groups = read_groups(found)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id").loc[groups["id"]].reset_index()
    assert (groups["split"].to_numpy() == truth["split"].to_numpy()).all()
    crowded = truth.groupby("band")["offset"].transform(lambda offset: (offset % FREQ > 0).any())
    for _, members in groups.groupby(truth["band"].where(crowded, truth["id"]).to_numpy()):
        assert members["group"].nunique() == 1
    assert groups["group"].max() + 1 == truth.loc[crowded, "band"].nunique() + (~crowded).sum()
    assert (groups_of(found, groups["id"][::-1]) == groups["group"][::-1]).all()
    with pytest.raises(InputError, match="1 of 2 cadences is not in it: nobody"):
        groups_of(found, [groups["id"][0], "nobody"])
    about = json.loads((found / "overlap.json").read_text(encoding="utf-8"))
    assert about["counts"]["pairs"] == len(read_pairs(found)) and about["counts"]["largest_group"] > 3


def test_equal_to_comparing_all_columns_with_all(sky, found, tmp_path):
    small = make_sky(tmp_path / "small", train=12, test=8, seed=4, workers=1)
    fast = search(read_competition(small), tmp_path / "fast", quiet=True)
    exact = search(read_competition(small), tmp_path / "exact", exact=True, quiet=True)
    assert (fast / "pairs.csv").read_bytes() == (exact / "pairs.csv").read_bytes() and len(read_pairs(exact)) > 5


def test_a_killed_search_resumes_and_ends_the_same(sky, found, tmp_path, monkeypatch):
    competition, out = read_competition(sky), tmp_path / "overlap"
    pack(competition, tmp_path / "store", "train", quiet=True)
    pack(competition, tmp_path / "store", "test", quiet=True)
    monkeypatch.setattr(overlap, "FILES_A_PART", 32)
    monkeypatch.setattr(overlap, "PAIRS_A_PART", 32)
    real, left = {"_keys": overlap._keys, "compare_pairs": overlap.compare_pairs}, {"_keys": 2, "compare_pairs": 1}
    calls = []

    def dying(name):
        def step(*arguments, **named):
            if len([call for call in calls if call == name]) == left[name]:
                raise KeyboardInterrupt
            calls.append(name)
            return real[name](*arguments, **named)

        return step

    for name in real:
        monkeypatch.setattr(overlap, name, dying(name))
    for name in ("_keys", "compare_pairs"):
        with pytest.raises(KeyboardInterrupt):
            search(competition, out, packed=tmp_path / "store", quiet=True)
        assert not (out / "overlap.json").exists() and not (out / "pairs.csv").exists()
        left[name] = 99
    search(competition, out, packed=tmp_path / "store", quiet=True)
    assert calls.count("_keys") == 3 and calls.count("compare_pairs") == -(-len(read_pairs(found)) // 32)
    assert (out / "pairs.csv").read_bytes() == (found / "pairs.csv").read_bytes()
    assert (out / "groups.csv").read_bytes() == (found / "groups.csv").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["groups.csv", "overlap.json", "pairs.csv"]
    search(competition, out, quiet=True)
    assert calls.count("_keys") == 3, "a finished search was repeated"


@pytest.mark.parametrize("shift", [0, 1, -1, 100, -187, 224, -224])
def test_any_shift_down_to_the_least_overlap(shift):
    pairs = find_pairs(Memory(windows([232, 232 + shift])))
    assert pairs[["a", "b", "shift", "columns"]].to_numpy().tolist() == [[0, 1, shift, FREQ - abs(shift)]]


def test_fewer_common_columns_are_not_a_pair():
    assert not len(find_pairs(Memory(windows([0, 225]))))
    assert len(find_pairs(Memory(windows([0, 225])), least=31)) == 1
    assert not len(find_pairs(Memory(torch.cat([windows([0]), windows([100], seed=1)]))))


def test_bursts_and_ripples_do_not_make_different_sky_alike():
    def busy(sky):
        rows = torch.arange(273)[None, :, None]
        wave = torch.cos(torch.arange(768) / 5)
        return sky + 20 * ((rows % 40) < 3) + 8 * (rows > 130) * wave

    apart = torch.cat([windows([0], seed=1, shape=busy), windows([0], seed=2, shape=busy)])
    plain = (apart.float() - apart.float().mean(2, keepdim=True)).flatten(2)
    plain = torch.nn.functional.normalize(plain.view(2, 6, 273, FREQ), dim=2)
    assert (plain[0] * plain[1]).sum(1).median() > 0.9, "the plain cosine takes them for the same sky"
    assert not len(find_pairs(Memory(apart))) and not len(find_pairs(Memory(apart), exact=True))
    assert find_pairs(Memory(windows([0, 60], shape=busy)))["shift"].tolist() == [60]


def test_needles_and_dead_panels_do_not_hide_a_pair():
    x = windows([0, 90]).float()
    x[1, 0::2, :, 10:200:9] += 30 * torch.rand(3, 273, 22, generator=torch.Generator().manual_seed(0))
    x[0, 3] = 0
    x[1, 1, :, 77] = 2.0
    (row,) = find_pairs(Memory(x)).itertuples()
    assert (row.shift, row.which) == (90, "01245")
    assert not len(find_pairs(Memory(torch.zeros(3, *SHAPE)))), "panels of zeros are not sky"


def test_constant_columns_have_no_key_and_scale_does_not_matter():
    x = windows([0])[:, 1::2].float()
    x[0, 0, :, 50] = 1.0
    x[0, 1] = 7.0
    keys = column_keys(x)
    assert keys.dtype == torch.int32 and (keys[..., [0, -1]] == NO_KEY).all() and (keys[0, 1] == NO_KEY).all()
    assert (keys[0, 2, 1:-1] != NO_KEY).all()
    other = column_keys(5 * x - 2)
    assert (other == keys).float().mean() > 0.99


def test_votes_count_pairs_of_equal_keys():
    keys = np.zeros((3, 1, FREQ), np.int32)
    keys[0, 0, 50:54], keys[2, 0, 40:44] = (5, 6, 7, 8), (5, 6, 7, 8)
    keys[1, 0, 90:92] = (5, 6)
    assert match_keys([keys[:1], keys[1:]]).to_numpy().tolist() == [[0, 2, 10, 4]]
    assert match_keys([keys], votes=2).to_numpy().tolist() == [[0, 1, -40, 2], [0, 2, 10, 4], [1, 2, 50, 2]]


def test_rows_joined_through_others_share_a_group():
    assert group_rows(pd.DataFrame({"a": [1, 4], "b": [4, 3]}), 6).tolist() == [0, 1, 2, 1, 1, 3]


def test_common_channels_are_the_same_sky():
    band = np.arange(600)
    for a, b in ((0, 100), (100, 0), (30, 30)):
        here, there = common(b - a)
        assert (band[a : a + FREQ][here] == band[b : b + FREQ][there]).all()


def test_real_backgrounds(real_folder):
    """A second window on each real cadence: its last 126 channels, and beyond them another cadence mirrored."""
    x = torch.stack([torch.from_numpy(np.load(path)) for path in sorted(real_folder.glob("t*/*/*.npy"))]).float()
    moved = torch.cat([x[..., 130:], x.roll(1, 0).flip(3)[..., :130]], 3)
    renormalise_panels(moved)
    pairs = find_pairs(Memory(torch.cat([x, moved])))
    assert set(zip(pairs["a"], pairs["b"], pairs["shift"])) == {(row, row + 5, 130) for row in range(5)}
    assert (pairs["similarity"] > 0.999).all()
    assert not len(find_pairs(Memory(x)))


def test_command_line(sky, found, tmp_path, capsys):
    assert main(["overlap", "search", str(sky), str(found), "--device", "cpu"]) == 0
    assert "pairs; " in capsys.readouterr().out
    for words, message in (
        ([str(sky), str(found), "--least", "40"], "another overlap search: least=32 \\(asked: 40\\)"),
        ([str(sky), str(sky)], "does not contain an overlap search"),
        ([str(sky), str(tmp_path / "new"), "--least", "3"], "give 8 to 256"),
    ):
        assert main(["overlap", "search", *words, "--device", "cpu"]) == 2
        assert pd.Series([capsys.readouterr().err]).str.contains(message).all()
    with pytest.raises(InputError, match="overlap search DATA"):
        read_pairs(tmp_path)
    (found / "pairs.csv").write_text("a,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="missing or was changed"):
        read_pairs(found)


def test_a_search_of_other_arrays_under_the_same_ids_is_refused(sky, found, tmp_path, capsys):
    """Arrays that were rewritten after a search, as another receiver's would be: nothing of it holds any more."""
    twin = shutil.copytree(sky, tmp_path / "twin")
    path = read_competition(twin).test["path"][0]
    np.save(path, np.load(path)[::-1])
    assert main(["overlap", "search", str(twin), str(found), "--device", "cpu"]) == 2
    assert "holds an overlap search made from other data: content train " in capsys.readouterr().err
    finished_search(found, read_competition(sky))
    with pytest.raises(InputError, match=f"its test cadences have content .* overlap search {twin} OTHER"):
        finished_search(found, read_competition(twin))
