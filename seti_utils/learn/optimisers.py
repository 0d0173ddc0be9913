"""Optimisers by name, with the parameters sorted into groups that deserve different treatment."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from timm.optim._param_groups import param_groups_layer_decay
from timm.optim.madgrad import MADGRAD
from torch import Tensor, nn

from seti_utils.errors import InputError


@runtime_checkable
class Headed(Protocol):
    """A network that knows its head from its backbone."""

    def head_parameters(self) -> Iterable[nn.Parameter]: ...


class PESG(torch.optim.SGD):
    """Plain gradient steps down, and up in the groups marked ``maximize``, whose values are kept at 0 or above.

    The core of Yuan's proximal epoch stochastic gradient (2021) for :class:`seti_utils.learn.auc_losses.AUCMargin`:
    primal descent, dual ascent, projection. His pull towards the previous epoch's mean weights is left out.
    """

    @torch.no_grad()
    def step(self, closure=None):
        result = super().step(closure)
        for group in self.param_groups:
            if group["maximize"]:
                for parameter in group["params"]:
                    parameter.clamp_(min=0.0)
        return result


OPTIMISERS = {
    "adam": (torch.optim.Adam, {}, 0.0),
    "radam": (torch.optim.RAdam, {}, 0.0),
    "adamw": (torch.optim.AdamW, {}, 0.01),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, 0.0),
    "madgrad": (MADGRAD, {}, 0.0),
    "pesg": (PESG, {}, 0.0),
}
"""Name -> class, its fixed settings, its weight decay unless told otherwise."""

FUSED = {"adam", "adamw", "sgd", "pesg"}
"""Those of which torch has a fused kernel, for CUDA and CPU."""


def make_optimiser(
    name: str,
    model: nn.Module | Iterable[Tensor] | Iterable[dict],
    lr: float,
    weight_decay: float | None = None,
    layer_decay: float | None = None,
    *,
    loss: nn.Module | None = None,
    fused: bool | None = None,
) -> torch.optim.Optimizer:
    """An optimiser over what in ``model`` wants a gradient: ``adam radam adamw sgd madgrad pesg``.

    ``model``: a module (not wrapped), or its parameters (``model.head_parameters()``), or ready parameter groups,
    which are taken as they are. ``weight_decay`` (``None``: 0.01 for adamw, else 0) spares norms, biases and other
    vectors; it is decoupled for adamw only. ``layer_decay`` makes the rate of every earlier layer of the
    backbone that much smaller (0.75: timm's layer-wise decay); head and new parts keep ``lr``. ``loss``: a loss with
    parameters of its own (AUCMargin): those it names in ``ascending()`` are maximised. ``fused`` ``None``: where
    torch has a kernel. Every group holds its full rate as ``initial_lr``: a schedule multiplies that.

    Make it after the model is on its device. Raises ``InputError`` for an unknown name, a rate that is not
    positive, nothing to train, or a combination that cannot work.
    """
    if name not in OPTIMISERS:
        raise InputError(f"unknown optimiser {name!r}", where="make_optimiser", remedy=f"one of {', '.join(OPTIMISERS)}")
    if not lr > 0:
        raise InputError(f"the learning rate {lr} is not positive", where=name, remedy="give a rate above 0")
    kind, settings, usual_decay = OPTIMISERS[name]
    weight_decay = usual_decay if weight_decay is None else weight_decay
    groups = _groups(model, lr, weight_decay, layer_decay)
    if loss is not None:
        groups += _loss_groups(loss, name)
    tensors = [parameter for group in groups for parameter in group["params"]]
    if not tensors:
        raise InputError("nothing to train: no parameter wants a gradient", where=name, remedy="unfreeze some")
    settings = dict(settings)
    if name in FUSED:
        can = all(tensor.is_floating_point() and tensor.device.type in ("cuda", "cpu") for tensor in tensors)
        settings["fused"] = can if fused is None else fused
    optimiser = kind(groups, lr=lr, weight_decay=weight_decay, **settings)
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    return optimiser


def _groups(model, lr: float, weight_decay: float, layer_decay: float | None) -> list[dict]:
    if not isinstance(model, nn.Module):
        given = list(model)
        if layer_decay is not None:
            problem = "layer_decay needs a model, not parameters"
            raise InputError(problem, where="make_optimiser", remedy="pass the model")
        if given and isinstance(given[0], dict):
            return [{**group, "params": list(group["params"])} for group in given]
        return _by_decay([(f"{number}", parameter) for number, parameter in enumerate(given)], weight_decay, ())
    body = getattr(model, "body", None)
    spared = tuple(getattr(body or model, "no_weight_decay", tuple)())
    if layer_decay is None:
        return _by_decay(model.named_parameters(), weight_decay, spared)
    if not 0.0 < layer_decay <= 1.0:
        raise InputError(
            f"layer_decay {layer_decay} is not above 0 and up to 1", where="make_optimiser", remedy="give 0 < layer_decay <= 1"
        )
    if not isinstance(body, nn.Module) or not isinstance(model, Headed):
        raise InputError("layer_decay needs a model made by build_model", where="make_optimiser", remedy="leave it None")
    scaled = param_groups_layer_decay(body, weight_decay=weight_decay, no_weight_decay_list=spared, layer_decay=layer_decay)
    # A learned pooling sits inside the body, yet is new: it goes with the head, at the full rate.
    new = {id(parameter) for parameter in model.head_parameters()}
    groups = [
        {
            "params": [parameter for parameter in group["params"] if id(parameter) not in new],
            "weight_decay": group["weight_decay"],
            "lr": lr * group["lr_scale"],
        }
        for group in scaled
    ]
    head = [(name, parameter) for name, parameter in model.named_parameters() if id(parameter) in new]
    return [group for group in groups if group["params"]] + _by_decay(head, weight_decay, spared)


def _by_decay(named: Iterable[tuple[str, Tensor]], weight_decay: float, spared: tuple[str, ...]) -> list[dict]:
    """Matrices and kernels decay; vectors (norms, biases, GeM's exponent) and what the network names do not."""
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if weight_decay == 0:
        return [{"params": [parameter for _, parameter in trained], "weight_decay": 0.0}] if trained else []
    free = {name for name, parameter in trained if parameter.ndim <= 1 or name.removeprefix("body.") in spared}
    groups = [
        {"params": [parameter for name, parameter in trained if name not in free], "weight_decay": weight_decay},
        {"params": [parameter for name, parameter in trained if name in free], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _loss_groups(loss: nn.Module, name: str) -> list[dict]:
    """The loss's own parameters, never decayed: those to descend in, and those to ascend in."""
    rising = list(getattr(loss, "ascending", list)())
    if rising and name != "pesg":
        raise InputError(
            f"optimiser {name!r} with {type(loss).__name__}: it has a parameter to maximise and to keep above 0",
            where="make_optimiser",
            remedy='use "pesg"',
        )
    falling = [parameter for parameter in loss.parameters() if not any(parameter is other for other in rising)]
    groups = [{"params": falling, "weight_decay": 0.0}, {"params": rising, "weight_decay": 0.0, "maximize": True}]
    return [group for group in groups if group["params"]]
