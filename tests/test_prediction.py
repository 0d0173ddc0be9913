"""Prediction: order, last batch, views of the image, no randomness, refusals."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.learn.predicting import predict, predict_together
from seti_utils.stats.logistic import sigmoid


class Asymmetric(nn.Module):
    """A logit that knows which end of which axis is which, with dropout and batch statistics to catch train mode."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 10, generator=torch.Generator().manual_seed(1)))
        self.norm, self.dropout = nn.BatchNorm1d(1), nn.Dropout(0.5)

    def forward(self, image):
        logit = (image[:, 0] * self.weight).sum((1, 2))
        return self.dropout(self.norm(logit[:, None]))[:, 0]


def image_of(x, panels=(0, 1)):
    return x.float().flatten(1, 2).transpose(1, 2)[:, None, :8, :10]


def batches_of(x, order, size):
    parts = np.split(order, range(size, len(order), size))
    return [SimpleNamespace(x=x[rows], rows=torch.tensor(rows), panels=(0, 1)) for rows in parts]


@pytest.fixture
def x():
    return torch.randn(7, 2, 6, 9, generator=torch.Generator().manual_seed(0)).half()


def test_rows_keep_their_order_and_the_last_batch_is_kept(x):
    order = np.array([6, 1, 5, 0, 2, 4, 3])
    model = Asymmetric()
    logits, rows = predict(model, batches_of(x, order, 3), image_of, tta=("identity",))
    assert rows.dtype == np.int64 and rows.tolist() == order.tolist()
    assert logits.dtype == np.float64
    alone = [predict(model, batches_of(x, order[[k]], 1), image_of, tta=("identity",))[0][0] for k in range(7)]
    np.testing.assert_allclose(logits, alone, rtol=1e-5)


def test_two_calls_are_equal_bit_for_bit_and_leave_the_model_as_it_was(x):
    model = Asymmetric().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = predict(model, batches_of(x, np.arange(7), 4), image_of)[0]
    torch.rand(3)  # a draw from the global generator in between must not matter
    second = predict(model, batches_of(x, np.arange(7), 4), image_of)[0]
    assert first.tobytes() == second.tobytes()
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_several_networks_in_one_pass_give_each_ones_own_logits_bit_for_bit(x):
    models = [Asymmetric().train(mode) for mode in (False, True, True)]
    for number, model in enumerate(models):
        model.weight.data *= number + 1
    rendered = []
    logits, rows = predict_together(
        models, batches_of(x, np.arange(7), 3), lambda given, panels: rendered.append(1) or image_of(given)
    )
    assert rows.tolist() == list(range(7)) and logits.shape == (3, 7) and len(rendered) == 3
    for model, logit in zip(models, logits):
        assert logit.tobytes() == predict(model, batches_of(x, np.arange(7), 3), image_of)[0].tobytes()
    assert [model.training for model in models] == [False, True, True]


def test_views_reverse_the_named_axes_of_the_image(x):
    model = Asymmetric().eval()
    image = image_of(x).double().numpy()[:, 0]
    weight = model.weight.detach().double().numpy() / np.sqrt(1 + model.norm.eps)
    views = {"identity": image, "freq": image[:, ::-1], "time": image[..., ::-1], "both": image[:, ::-1, ::-1]}
    expected = {name: (view * weight).sum((1, 2)) for name, view in views.items()}
    for name, logit in expected.items():
        found = predict(model, batches_of(x, np.arange(7), 4), image_of, tta=(name,))[0]
        np.testing.assert_allclose(found, logit, atol=1e-5)
    mean = predict(model, batches_of(x, np.arange(7), 4), image_of, tta=tuple(views))[0]
    np.testing.assert_allclose(mean, np.mean(list(expected.values()), 0), atol=1e-5)


def test_render_is_called_once_per_batch(x):
    calls = []
    predict(
        Asymmetric(),
        batches_of(x, np.arange(7), 3),
        lambda x, panels: calls.append(len(x)) or image_of(x),
        tta=("identity", "freq", "time", "both"),
    )
    assert calls == [3, 3, 1]


def test_a_reused_buffer_does_not_change_earlier_rows(x):
    buffer, rows = x[:2].clone(), torch.zeros(2, dtype=torch.int64)

    def reusing():
        for start in (0, 2, 4):
            buffer.copy_(x[start : start + 2])
            rows.copy_(torch.tensor([start, start + 1]))
            yield SimpleNamespace(x=buffer, rows=rows, panels=(0, 1))

    logits, found = predict(Asymmetric(), reusing(), image_of)
    assert found.tolist() == list(range(6))
    np.testing.assert_array_equal(logits, predict(Asymmetric(), batches_of(x, np.arange(6), 2), image_of)[0])


def test_a_logit_that_is_not_finite_names_its_row(x):
    x[4, 0, 2, 3] = float("nan")
    with pytest.raises(InputError, match="row 4") as error:
        predict(Asymmetric(), batches_of(x, np.array([6, 5, 4, 3]), 3), image_of)
    assert error.value.row == 4 and "nan" in error.value.problem


def test_wrong_outputs_and_unknown_views_are_refused(x):
    with pytest.raises(InputError, match=r"\(7, 1\) for 7 rows"):
        predict(lambda_model(lambda image: image.sum((2, 3))), batches_of(x, np.arange(7), 7), image_of)
    with pytest.raises(InputError, match="sideways"):
        predict(Asymmetric(), [], image_of, tta=("sideways",))
    with pytest.raises(InputError, match="'freq'"):
        predict(Asymmetric(), [], image_of, tta="freq")


def lambda_model(function):
    model = nn.Module()
    model.forward = function
    return model


def test_bf16_runs_and_is_close(x, cpu_with_bf16):
    model = nn.Sequential(nn.Flatten(), nn.Linear(80, 1), nn.Flatten(0))
    exact = predict(model, batches_of(x, np.arange(7), 4), image_of)[0]
    rounded = predict(model, batches_of(x, np.arange(7), 4), image_of, autocast="bf16")[0]
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(exact, rounded, atol=0.05)


def test_no_batches_give_no_rows():
    logits, rows = predict(Asymmetric(), [], image_of)
    assert logits.shape == rows.shape == (0,)


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        score = sigmoid(np.array([-1e4, -3.0, 0.0, 3.0, 1e4]))
    np.testing.assert_allclose(score, [0, 1 / (1 + np.e**3), 0.5, 1 / (1 + np.e**-3), 1], rtol=1e-15)
