"""Pretrained weights: loading them offline into any network, refusing the wrong ones, finding the file."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from seti_utils.errors import InputError
from seti_utils.nets import weights
from seti_utils.nets.backbones import timm_name, weight_names
from seti_utils.nets.models import build_model
from seti_utils.nets.panel_encoder import PanelEncoder
from seti_utils.nets.pooling import GeM
from seti_utils.nets.weights import find_weights

NET = "test_resnet"  # one of timm's own tiny nets: 0.5 million weights


def image(channels, size=64):
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=[".safetensors", ".pth"])
def saved(request, tmp_path_factory):
    """A 3-channel, 1000-class net of timm's as a file, and what is in it."""
    path = tmp_path_factory.mktemp("weights") / f"{NET}{request.param}"
    torch.manual_seed(7)
    state = timm.create_model(NET, num_classes=1000, in_chans=3).state_dict()
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        from safetensors.torch import save_file

        save_file(state, path)
    return path, state


def stem(channels, state):
    """timm's rule, written out: one channel is the sum over RGB, more are RGB repeated and scaled."""
    rgb = state["conv1.0.weight"] if "conv1.0.weight" in state else state["conv1.weight"]
    if channels == 1:
        return rgb.sum(1, keepdim=True)
    return rgb.repeat(1, 2, 1, 1)[:, :channels] * (3 / channels)


@pytest.mark.parametrize("channels", range(1, 7))
def test_pretrained_weights_load_offline_into_any_number_of_channels(saved, channels):
    path, state = saved
    model = build_model(NET, channels, pretrained_file=path)
    own = model.body.state_dict()
    first = model.body.pretrained_cfg["first_conv"] + ".weight"
    torch.testing.assert_close(own[first], stem(channels, state))
    others = set(own) - {first}
    assert all(torch.equal(own[name], state[name]) for name in others)
    with torch.no_grad():
        assert model.eval()(image(channels)).shape == (2,)


def test_the_weights_are_not_kept_twice(saved):
    model = build_model(NET, 1, pretrained_file=saved[0])
    assert "state_dict" not in model.body.pretrained_cfg and "state_dict" not in model.body.default_cfg


@pytest.mark.parametrize("stride", [1, (1, 2)])
def test_a_new_stem_stride_keeps_the_pretrained_stem(saved, stride):
    path, state = saved
    usual = build_model(NET, 2, pretrained_file=path)
    finer = build_model(NET, 2, pretrained_file=path, stem_stride=stride)
    first = finer.body.pretrained_cfg["first_conv"]
    torch.testing.assert_close(finer.body.get_submodule(first).weight, stem(2, state))
    with torch.no_grad():
        coarse, fine = (model.eval().body.get_submodule(first)(image(2, size=64)) for model in (usual, finer))
    freq, time = (1, 1) if stride == 1 else stride
    assert fine.shape[2:] == (coarse.shape[2] * 2 // freq, coarse.shape[3] * 2 // time)
    torch.testing.assert_close(fine[:, :, :: 2 // freq, :: 2 // time], coarse)


def test_a_panel_encoder_and_a_learned_pool_load_pretrained_bodies(saved):
    path, state = saved
    model = build_model(NET, 6, pretrained_file=path, panels=PanelEncoder, pool=GeM())
    torch.testing.assert_close(model.body.get_submodule(model.body.pretrained_cfg["first_conv"]).weight, stem(1, state))


def test_weights_of_another_network_are_refused(saved, tmp_path):
    with pytest.raises(InputError, match="another network|do not fit"):
        build_model("test_efficientnet", 1, pretrained_file=saved[0])
    # timm loads by name and is silent about names it does not find.
    renamed = {f"encoder.{name.replace('conv', 'kernel')}": value + 1.0 for name, value in saved[1].items()}
    torch.save(renamed, tmp_path / "renamed.pth")
    with pytest.raises(InputError, match=r"renamed.pth.*another network \(all names in it begin with encoder\.\)"):
        build_model(NET, 3, pretrained_file=tmp_path / "renamed.pth")


@pytest.mark.parametrize("prefix", ["model.", "backbone.", "model.model.", "module.net."])
@pytest.mark.parametrize("suffix", [".ckpt", ".pth.tar"])
def test_wrappers_put_before_all_names_are_left_out(saved, tmp_path, prefix, suffix):
    """What Lightning, fastai and everybody's own training loop save."""
    wrapped = {f"{prefix}{name}": value for name, value in saved[1].items()} | {"criterion.weight": torch.ones(2)}
    path = tmp_path / f"{NET}{suffix}"
    torch.save({"state_dict": wrapped, "epoch": 3}, path)
    assert find_weights(tmp_path, NET) == path
    own = build_model(NET, 3, pretrained_file=path).body.state_dict()
    assert all(torch.equal(value, saved[1][name]) for name, value in own.items())


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_a_stem_of_the_layouts_own_channels_is_kept(saved, tmp_path, channels):
    """Weights that somebody trained on six channels already."""
    first = next(name for name in saved[1] if name.endswith("conv1.weight") or name.endswith("0.weight"))
    stem_there = torch.randn(saved[1][first].shape[0], channels, *saved[1][first].shape[2:])
    torch.save({**saved[1], first: stem_there}, tmp_path / "own.pth")
    own = build_model(NET, channels, pretrained_file=tmp_path / "own.pth").body
    torch.testing.assert_close(own.state_dict()[first], stem_there)
    if channels == 1:
        spread = build_model(NET, 3, pretrained_file=tmp_path / "own.pth").body.state_dict()[first]
        torch.testing.assert_close(spread, stem_there.repeat(1, 3, 1, 1) / 3)
        return
    with pytest.raises(InputError, match=f"begins with {channels} channels, and the layout shows 3; take a layout of {channels}"):
        build_model(NET, 3, pretrained_file=tmp_path / "own.pth")


def test_objects_and_values_that_are_not_finite_are_refused_with_a_remedy(saved, tmp_path):
    torch.save({"model": saved[1], "preds": np.zeros(3)}, tmp_path / "preds.pth")
    with pytest.raises(InputError, match="objects besides tensors.*save the state dict alone"):
        build_model(NET, 3, pretrained_file=tmp_path / "preds.pth")
    name = next(iter(saved[1]))
    torch.save({**saved[1], name: saved[1][name] * float("nan")}, tmp_path / "nan.pth")
    with pytest.raises(InputError, match=f"1 of {len(saved[1])} tensors holds NaN or infinity, for example {name}"):
        build_model(NET, 3, pretrained_file=tmp_path / "nan.pth")


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path("hostile-was-here"),))


def test_a_hostile_or_broken_weights_file_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Hostile()}, "hostile.pth")
    Path("cut.pth").write_bytes(Path("hostile.pth").read_bytes()[:60])
    Path("cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    torch.save({"epoch": 3}, "numbers.pth")
    for name in ("hostile.pth", "cut.pth", "cut.safetensors", "numbers.pth", "missing.pth"):
        with pytest.raises(InputError, match=name):
            build_model(NET, 1, pretrained_file=name)
    assert not Path("hostile-was-here").exists()


def test_pretrained_without_file_or_hub_fails_at_once_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(weights, "cached_weights", lambda name: None)
    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    with pytest.raises(InputError, match=r"tf_efficientnet_b4_ns.*put tf_efficientnet_b4\.ns_jft_in1k\.safetensors"):
        build_model("tf_efficientnet_b4_ns", 1, pretrained=True)


def test_pretrained_takes_the_cached_file_without_asking_the_hub(saved, monkeypatch):
    def never():
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(weights, "cached_weights", lambda name: saved[0])
    monkeypatch.setattr(weights, "hub_answers", never)
    model = build_model(NET, 3, pretrained=True)
    assert torch.equal(model.body.state_dict()["bn1.weight"], saved[1]["bn1.weight"])


def test_a_network_without_published_weights_says_so_and_names_a_kin():
    with pytest.raises(InputError, match="nobody published.*legacy_seresnet18"):
        build_model("seresnet18", 1, pretrained=True)


def test_offline_is_known_without_a_request(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights.urllib.request, "urlopen", lambda *a, **k: pytest.fail("a request was made"))
    assert weights.hub_answers() is False


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, True), (None, False)], ids=["page", "error", "nobody"])
def test_the_hub_answers_where_anything_does(monkeypatch, status, answers):
    """A page that is not there is an answer too; a closed port is none, and known at once."""
    from huggingface_hub import constants

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.server_address[1]}")
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        if status is None:
            hub.server_close()
        else:
            threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        assert weights.hub_answers(30) is answers
        if status:
            hub.shutdown()


def test_weights_come_from_the_cache_or_the_hub_under_either_name(saved, tmp_path, monkeypatch):
    import huggingface_hub

    asked, there = [], {"pytorch_model.bin": str(saved[0])}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, file: there.get(file))
    assert weights.cached_weights(NET) == saved[0]
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, file: None)
    assert weights.cached_weights(NET) is None
    monkeypatch.setattr(weights, "hub_answers", lambda: True)

    def fetched(repository, file):
        asked.append(file)
        if file not in there:
            raise FileNotFoundError(f"404 for {file}")
        return there[file]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetched)
    model = build_model(NET, 3, pretrained=True)
    assert torch.equal(model.body.state_dict()["bn1.weight"], saved[1]["bn1.weight"])
    assert asked == ["model.safetensors", "pytorch_model.bin"]
    there.clear()
    with pytest.raises(InputError, match="the hub gave no weights .404 for pytorch_model.bin.; put .* into a folder"):
        build_model(NET, 3, pretrained=True)


# --- finding files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        "tf_efficientnet_b4.ns_jft_in1k.safetensors",
        "tf_efficientnet_b4_ns.pth",
        "some/folder/tf_efficientnet_b4.ns_jft_in1k.bin",
        "models/timm/tf-efficientnet/pytorch/tf-efficientnet-b4-ns/1/pytorch_model.bin",
        "models--timm--tf_efficientnet_b4.ns_jft_in1k/snapshots/0abc/model.safetensors",
    ],
)
def test_weights_are_found_by_every_name_and_place_they_have(tmp_path, file):
    kaggle = "models/timm/tf-efficientnet/pytorch/tf-efficientnet-b4/1/pytorch_model.bin"
    for other in (file, "tf_efficientnet_b5_ns.pth", kaggle):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).touch()
    assert find_weights(tmp_path, "tf_efficientnet_b4_ns", timm_name("tf_efficientnet_b4_ns")) == tmp_path / file


@pytest.mark.parametrize(
    ("backbone", "file"),
    [
        ("tf_efficientnet_b5_ns", "tf_efficientnet_b5_ns-6f26d0cf.pth"),
        ("efficientnet_b0", "efficientnet_b0_ra-3dd342df.pth"),
        ("tf_efficientnetv2_m_in21ft1k", "tf_efficientnetv2_m_21ft1k-bf41664a.pth"),
        ("ig_resnext101_32x8d", "ig_resnext101_32x8-c38310e5.pth"),
        ("nf_regnet_b1", "nf_regnet_b1_256_ra2-ad85cfef.pth"),
    ],
)
def test_files_of_timms_releases_of_2021_are_found(tmp_path, backbone, file):
    for name in (file, "efficientnet_b7-0c8a2b1d.pth", "tf_efficientnet_b5-b2c5f9a4.pth"):
        (tmp_path / name).touch()
    assert find_weights(tmp_path, *weight_names(backbone)) == tmp_path / file


def test_of_several_files_safetensors_comes_first_and_an_earlier_name_before_all(tmp_path):
    for file in ("net.pth", "net.bin", "deep/net.safetensors", "net.tag.pth"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert find_weights(tmp_path, "net") == tmp_path / "deep/net.safetensors"
    assert find_weights(tmp_path, "net.tag", "net") == tmp_path / "net.tag.pth"


def test_the_search_stays_out_of_competition_data_and_crowds(tmp_path):
    (tmp_path / "competitions/seti/net").mkdir(parents=True)
    (tmp_path / "competitions/seti/net/net.pth").touch()
    (tmp_path / "a/b/c/d/e/f/g").mkdir(parents=True)
    (tmp_path / "a/b/c/d/e/f/g/net.pth").touch()
    (tmp_path / "crowd").mkdir()
    for number in range(weights.CROWDED + 1):
        (tmp_path / f"crowd/{number}.npy").touch()
    (tmp_path / "crowd/net.pth").touch()
    with pytest.raises(InputError, match="no weights for net; weights there: none"):
        find_weights(tmp_path, "net")


def test_what_is_not_found_is_refused_with_what_is_there(tmp_path):
    (tmp_path / "resnet10t.pth").touch()
    with pytest.raises(InputError, match="resnet10t.pth.*put them there as regnetx_002.safetensors"):
        find_weights(tmp_path, "regnetx_002")
    with pytest.raises(InputError, match="does not exist"):
        find_weights(tmp_path / "nowhere", "regnetx_002")
