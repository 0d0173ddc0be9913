"""Networks: names, channels, and the one interface they all share."""

import copy
from functools import partial

import pytest
import timm
import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.nets import backbones
from seti_utils.nets.attention import TripletAttention
from seti_utils.nets.backbones import LOG_NAMES, timm_name
from seti_utils.nets.heads import ArcHead, L2Head, OneLogit, TwoClass
from seti_utils.nets.models import build_model
from seti_utils.nets.panel_encoder import PanelEncoder
from seti_utils.nets.pooling import GeM, PanelPool

NET = "test_resnet"  # timm's own tiny nets: 0.3 to 0.5 million weights
VARIANTS = {
    "plain": {},
    "gem": {"pool": GeM},
    "six places": {"pool": PanelPool},
    "triplet": {"attention": partial(TripletAttention, kernel=13), "pool": GeM},
    "l2": {"head": L2Head},
    "arc": {"head": ArcHead},
    "two classes": {"head": TwoClass},
    "panels": {"panels": PanelEncoder},
    "panels by attention": {"panels": partial(PanelEncoder, join="attention"), "head": TwoClass, "pool": GeM},
    "everything": {
        "panels": partial(PanelEncoder, join="attention"),
        "head": ArcHead,
        "pool": GeM,
        "attention": TripletAttention,
    },
}


def build(variant, backbone=NET, **more):
    """The variant's model; a new pooling and a new attention each time."""
    parts = {part: make() if part in ("pool", "attention") else make for part, make in VARIANTS[variant].items()}
    torch.manual_seed(0)
    return build_model(backbone, 6 if "panels" in parts else 2, **parts, **more)


def image(model_or_channels, rows=2, size=64):
    channels = model_or_channels if isinstance(model_or_channels, int) else 6 if model_or_channels.panels else 2
    return torch.randn(rows, channels, size, size, generator=torch.Generator().manual_seed(1))


# --- names -----------------------------------------------------------------------------------------------------


def test_every_name_of_the_log_is_a_network_with_weights_today():
    for old, new in LOG_NAMES.items():
        assert timm.is_model(new), old
        assert new in timm.list_pretrained(), old
        assert timm_name(old) == new and timm_name(new) == new


def test_the_wide_resnext_is_not_timms_silent_stand_in():
    assert timm_name("ig_resnext101_32x32d").startswith("resnext101_32x32d.")
    with pytest.raises(InputError, match="ig_resnext101_32x48d.*no network"):
        timm_name("ig_resnext101_32x48d")


@pytest.mark.parametrize(
    ("wrong", "offered"),
    [
        ("tf_eficientnet_b4_ns", "tf_efficientnet_b4"),
        ("resnet_18", "resnet18"),
        ("tf_efficientnet_b4.ns_jft", "ns_jft_in1k"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(wrong, offered):
    with pytest.raises(InputError, match=f"^{wrong}.*no network.*{offered}"):
        build_model(wrong, 1)


def test_a_name_like_nothing_is_refused_too():
    with pytest.raises(InputError, match="list_models"):
        build_model("@@@@", 1)


@pytest.mark.parametrize(
    ("backbone", "millions"),
    [
        ("efficientnet_b0", 4.0),
        ("efficientnet_b3", 10.7),
        ("tf_efficientnet_b4_ns", 17.5),
        ("tf_efficientnet_b5_ns", 28.3),
        ("tf_efficientnet_b6_ns", 40.7),
        ("tf_efficientnetv2_s_in21ft1k", 20.2),
        ("tf_efficientnetv2_m_in21ft1k", 52.9),
        ("tf_efficientnetv2_l_in21ft1k", 117.2),
        ("ig_resnext101_32x32d", 466.5),
        ("seresnet18", 11.3),
    ],
)
def test_every_backbone_of_the_log_has_its_published_size_and_takes_drop_path(backbone, millions):
    with torch.device("meta"):  # no memory, no arithmetic
        model = build_model(backbone, 1, drop_path_rate=0.2)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


# --- the interface ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_float32_logit_per_row_and_raw_outputs_for_the_loss(variant):
    model = build(variant).eval()
    x = image(model, rows=3)
    with torch.no_grad():
        logit, raw, embedding = model(x), model.head(model._embedding(x)), model.features(x)
        margin = model(x, torch.tensor([0.0, 1.0, 0.5]))
    assert logit.shape == (3,) and logit.dtype == torch.float32
    assert raw.shape == margin.shape == ((3,) if isinstance(model.head, OneLogit) and raw.ndim == 1 else (3, 2))
    torch.testing.assert_close(logit, raw if raw.ndim == 1 else raw[:, 1] - raw[:, 0])
    assert embedding.ndim == 2 and len(embedding) == 3
    assert torch.equal(margin, raw) is (variant not in ("arc", "everything"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype == torch.float32


@pytest.mark.parametrize("variant", VARIANTS)
def test_head_and_body_share_out_all_parameters(variant):
    model = build(variant)
    head, body = list(model.head_parameters()), list(model.body_parameters())
    assert {id(p) for p in head}.isdisjoint(id(p) for p in body)
    assert len(head) + len(body) == len(list(model.parameters()))
    # What is left in the body is exactly what timm's net has without a classifier.
    bare = timm.create_model(NET, num_classes=0, in_chans=1 if model.panels else 2)
    assert [p.shape for p in body] == [p.shape for p in bare.parameters()]
    twin = copy.deepcopy(model)  # an averaged model is a copy
    assert len(list(twin.head_parameters())) == len(head)
    assert {id(p) for p in twin.parameters()}.isdisjoint(id(p) for p in model.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_channels_last_changes_nothing_but_rounding(variant):
    model = build(variant).eval()
    x = image(model)
    with torch.no_grad():
        plain = model(x)
        last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, last, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_graph_can_be_captured_whole():
    model = build("everything").eval()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(image(model)), model(image(model)))


@pytest.mark.parametrize(
    "backbone",
    ["test_efficientnet", "test_convnext", "test_nfnet", "test_byobnet", "mobilenetv3_small_050", "resnet10t"],
)
@pytest.mark.parametrize("variant", ["gem", "six places", "triplet"])
def test_families_with_and_without_layers_after_pooling(backbone, variant):
    model = build(variant, backbone).eval()
    with torch.no_grad():
        logit, other = model(image(model)), model(image(model).flip(0))
    torch.testing.assert_close(logit, other.flip(0), rtol=1e-3, atol=1e-4)
    assert logit[0] != logit[1]


def test_drop_rate_drops_in_training_only():
    model = build("plain", drop_rate=0.5)
    x = image(model)
    model.body.eval()
    first, second = model(x), model(x)
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model(x), model(x))


def test_drop_path_reaches_the_backbone():
    model = build("plain", backbone="test_efficientnet", drop_path_rate=0.3)
    rates = [module.drop_prob for module in model.modules() if type(module).__name__ == "DropPath"]
    assert rates and 0 < max(rates) <= 0.3


@pytest.mark.parametrize("backbone", ["ghostnet_050", "test_vit3"])
def test_a_backbone_that_cannot_says_which_knob(backbone):
    if backbone == "ghostnet_050":
        with pytest.raises(InputError, match="ghostnet_050.*drop_path_rate"):
            build_model(backbone, 1, drop_path_rate=0.2)
        return
    with pytest.raises(InputError, match=f"{backbone}.*pool=GeM"):
        build_model(backbone, 1, pool=GeM())
    with pytest.raises(InputError, match=f"{backbone}.*attention"):
        build_model(backbone, 1, attention=TripletAttention())
    with pytest.raises(InputError, match=f"{backbone}.*stem_stride"):
        build_model(backbone, 1, stem_stride=1)


def test_a_network_that_ignores_drop_path_or_takes_no_channels_is_refused(monkeypatch):
    """As one that somebody registered with timm may do."""
    monkeypatch.setattr(backbones, "timm_network", lambda name, drop_path_rate=0, **more: timm.create_model(name, **more))
    with pytest.raises(InputError, match=f"{NET}: drop_path_rate has no effect on this backbone.*set drop_path_rate to 0"):
        build_model(NET, 1, drop_path_rate=0.2)
    assert build_model(NET, 1)

    def without_channels(name, num_classes):
        pytest.fail("it was called")

    monkeypatch.setattr(backbones, "timm_network", without_channels)
    with pytest.raises(InputError, match=f"{NET}: timm cannot build it .*unexpected keyword argument 'in_chans'"):
        build_model(NET, 1)


@pytest.mark.parametrize(
    ("channels", "more", "problem"),
    [
        (0, {}, "0 channels"),
        (13, {}, "13 channels"),
        (3, {"panels": PanelEncoder}, "needs 6 channels"),
        (1, {"drop_rate": 1.0}, "drop_rate=1.0"),
        (1, {"drop_path_rate": -0.1}, "drop_path_rate=-0.1"),
        (1, {"stem_stride": (1, 0)}, "stem_stride"),
        (1, {"stem_stride": (1, 2, 2)}, "stem_stride"),
    ],
)
def test_settings_without_meaning_are_refused(channels, more, problem):
    with pytest.raises(InputError, match=problem):
        build_model(NET, channels, **more)


def test_a_panel_encoder_sees_every_panel_with_the_same_weights():
    model = build("panels").eval()
    one = image(6, rows=1)[:, :1].expand(1, 6, 64, 64)
    with torch.no_grad():
        embedding = model.features(one)
    assert torch.equal(embedding[:, : embedding.shape[1] // 6].repeat(1, 6), embedding)
    assert next(model.body.parameters()).shape[1] == 1


def test_a_logit_starts_near_zero_where_timms_own_classifier_starts_in_the_tens():
    torch.manual_seed(0)
    own, timms = OneLogit(1280), timm.create_model("tf_efficientnet_b0", num_classes=1).classifier
    features = torch.rand(64, 1280, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert own.logit(own(features)).abs().max() < 2.0
        assert timms(features).abs().max() > 5.0
    assert isinstance(timms, nn.Linear)


def test_backbones_are_made_without_a_warning_about_old_names(recwarn):
    assert timm_name("tf_efficientnet_b0_ap") == "tf_efficientnet_b0.ap_in1k"
    backbones.make_body("tf_efficientnet_b0_ap", 1)
    assert not [warning for warning in recwarn if "deprecated" in str(warning.message)]
