"""The fully connected network: its initial weights, its two forward passes, and who shares its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perennial import streams
from perennial.learning.networks.mlp import GAINS, Network, Settings, activate, activate_array, bounds, linear

ACTIVATIONS = list(GAINS)
PUBLISHED_GAINS = {
    "tanh": 5 / 3, "sigmoid": 1, "relu": 2**0.5, "elu": 2**0.5, "swish": 2**0.5, "leaky_relu": 2**0.5,
}  # fmt: skip


def network(hidden: list[int], activation: str = "relu", inputs: int = 20, outputs: int = 1) -> Network:
    return Network(Settings(hidden=hidden, activation=activation), inputs, outputs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bounds_are_those_of_the_paper(activation):
    assert GAINS.keys() == PUBLISHED_GAINS.keys()
    gain = PUBLISHED_GAINS[activation]
    assert bounds(activation, (20, 5, 1)) == pytest.approx([gain * (3 / 20) ** 0.5, (3 / 5) ** 0.5])
    assert bounds(activation, (64, 100, 30, 10)) == pytest.approx(
        [gain * (3 / 64) ** 0.5, gain * (3 / 100) ** 0.5, (3 / 30) ** 0.5]
    )
    assert bounds(activation, (20, 1)) == pytest.approx([(3 / 20) ** 0.5])  # a linear map


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_weights_fill_their_bounds_evenly(dtype):
    net = network([100, 80], inputs=64, outputs=10)
    weights = net.init(3, dtype=dtype)
    assert list(weights) == net.names == ["weight_0", "bias_0", "weight_1", "bias_1", "weight_2", "bias_2"]
    shapes = [weights[name].shape for name in net.names]
    assert shapes == [(64, 100), (100,), (100, 80), (80,), (80, 10), (10,)]
    for layer, bound in enumerate(net.bounds):
        w = weights[f"weight_{layer}"]
        assert w.dtype == dtype and np.abs(w).max() <= bound * (1 + 1e-7) and np.abs(w).max() > 0.97 * bound
        assert abs(w.mean()) < 4 * bound / (3 * w.size) ** 0.5
        assert w.std() == pytest.approx(bound / 3**0.5, rel=0.06)
        assert (weights[f"bias_{layer}"] == 0).all()


def test_initial_weights_are_the_stream_s_numbers():
    net = network([5])
    u = streams.uniforms(streams.Address(streams.INIT, 9, task=4, layer=0), 100).astype(np.float64)
    expected = (2 * u - 1).reshape(20, 5) * net.bounds[0]
    np.testing.assert_allclose(net.init(9, task=4, dtype="float64")["weight_0"], expected, rtol=1e-15)


def test_same_seed_same_weights_and_another_seed_or_task_others():
    net = network([5])
    one, again = net.init(1), net.init(1)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    for other in (net.init(2), net.init(1, task=1)):
        assert not np.isin(other["weight_0"], one["weight_0"]).any()
        assert not np.isin(other["weight_1"], one["weight_1"]).any()
    double = net.init(1, dtype="float64")
    np.testing.assert_allclose(one["weight_0"], double["weight_0"], rtol=1e-6)


def test_layers_of_equal_shape_start_alike_whatever_the_rest_of_the_network():
    """So that variants are compared pair by pair; only the gain of the activation differs."""
    a, b = network([5], "relu").init(7, dtype="float64"), network([5, 4, 3], "elu").init(7, dtype="float64")
    np.testing.assert_array_equal(a["weight_0"], b["weight_0"])
    tanh = network([5], "tanh").init(7, dtype="float64")
    np.testing.assert_allclose(tanh["weight_0"], a["weight_0"] * (5 / 3) / 2**0.5, rtol=1e-12)
    np.testing.assert_array_equal(tanh["weight_1"], a["weight_1"])


PLAIN = {
    "relu": torch.nn.ReLU(), "leaky_relu": torch.nn.LeakyReLU(0.01), "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(), "elu": torch.nn.ELU(), "swish": torch.nn.SiLU(),
}  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_torch_s_own(activation):
    z = np.concatenate([np.linspace(-30, 30, 241), [-1e-300, 0.0, 1e-300, -700, 700]])
    plain = PLAIN[activation](torch.tensor(z)).numpy()
    np.testing.assert_allclose(activate(activation, torch.tensor(z)).numpy(), plain, rtol=1e-14)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(activate_array(activation, z), plain, rtol=1e-13, atol=1e-300)
        assert activate_array(activation, z.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-6)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_numpy_features_are_those_of_the_forward_pass(activation, dtype, tolerance):
    net = network([30, 17], activation, inputs=12, outputs=4)
    runs = [net.init(seed, dtype=dtype) for seed in (0, 1, 2)]
    for k, run in enumerate(runs):
        run["bias_0"] += 0.1 * (k + 1)
        run["bias_1"] -= 0.2
    stack = {name: torch.tensor(np.stack([run[name] for run in runs])) for name in net.names}
    x = streams.normals(streams.Address(streams.AUGMENTATION, 0), 50 * 12).reshape(50, 12).astype(dtype)
    outputs, features = net.forward(stack, torch.tensor(np.stack([x] * 3)))
    assert outputs.shape == (3, 50, 4) and [h.shape for h in features] == [(3, 50, 30), (3, 50, 17)]
    for k, run in enumerate(runs):
        own = net.features(run, x)
        assert [h.dtype for h in own] == [np.dtype(dtype)] * 2
        for ours, theirs in zip(own, features, strict=True):
            np.testing.assert_allclose(ours, theirs[k].numpy(), atol=tolerance, rtol=tolerance)


def test_the_forward_pass_is_a_plain_sequential_network():
    net = network([7, 6], "tanh", inputs=5, outputs=3)
    weights = net.init(1, dtype="float64")
    weights = {name: w + 0.01 for name, w in weights.items()}
    layers = [torch.nn.Linear(i, o, dtype=torch.float64) for i, o in ((5, 7), (7, 6), (6, 3))]
    for k, layer in enumerate(layers):
        layer.weight.data = torch.tensor(weights[f"weight_{k}"].T.copy())
        layer.bias.data = torch.tensor(weights[f"bias_{k}"])
    plain = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2])
    x = torch.tensor(
        streams.normals(streams.Address(streams.AUGMENTATION, 2), 20).reshape(4, 5).astype(np.float64)
    )
    stack = {name: torch.tensor(w)[None] for name, w in weights.items()}
    for batch in (x, x[:1]):
        found, _ = net.forward(stack, batch[None])
        torch.testing.assert_close(found[0], plain(batch), rtol=1e-13, atol=1e-13)


def test_one_example_is_computed_alike_in_every_stack():
    """To the last bit: a run's numbers must not depend on its place among others."""
    x = torch.tensor(streams.normals(streams.Address(1, 1), 30 * 64).reshape(30, 1, 64))
    w = torch.tensor(streams.normals(streams.Address(1, 2), 30 * 64 * 100).reshape(30, 64, 100))
    b = torch.zeros(30, 100)
    together = linear(x, w, b)
    for first, last in ((0, 1), (3, 4), (29, 30), (5, 13), (0, 17)):
        alone = linear(x[first:last].clone(), w[first:last].clone(), b[first:last].clone())
        assert torch.equal(alone, together[first:last])
