"""Networks as views into one tree of parameters: names, layers that two of them share, and where each begins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perennial.learning import tree
from perennial.learning.networks.mlp import Network, Settings
from perennial.learning.views import NETWORK_STRIDE, Networks, single

POLICY = Network(Settings(hidden=[3]), 4, 2)  # 4-3-2
VALUE = Network(Settings(hidden=[3, 5]), 4, 1)  # 4-3-5-1
FIRST = {("value", f"{kind}_0"): ("policy", f"{kind}_0") for kind in ("weight", "bias")}


@pytest.fixture
def both() -> Networks:
    """Policy and value that share their first layer."""
    return Networks({"policy": POLICY, "value": VALUE}, FIRST)


def test_a_single_network_keeps_its_own_names():
    networks = single(VALUE)
    weights = networks.init([7, 9], 2, "float64")
    assert list(weights) == VALUE.names and networks.views["net"].own(weights) == weights
    for r, seed in enumerate((7, 9)):
        fresh = VALUE.init(seed, 2, "float64")
        assert all(np.array_equal(weights[name][r], fresh[name]) for name in fresh)
    assert [layer.key for layer in networks.hidden] == ["hidden_0", "hidden_1"]
    assert [layer.address for layer in networks.hidden] == [0, 1]
    assert [layer.bound for layer in networks.hidden] == VALUE.bounds[:2]
    assert networks.hidden[1].name("gain") == "gain_1"


def test_of_several_networks_each_has_its_name_in_front():
    networks = Networks({"policy": POLICY, "value": VALUE})
    weights = networks.init([0], 0, "float32")
    assert list(weights) == [
        *(f"policy.{name}" for name in POLICY.names),
        *(f"value.{n}" for n in VALUE.names),
    ]
    assert [layer.key for layer in networks.hidden] == ["policy.hidden_0", "value.hidden_0", "value.hidden_1"]
    assert not np.array_equal(weights["policy.weight_0"], weights["value.weight_0"])  # numbers of their own


def test_a_shared_layer_is_there_once(both):
    weights = both.init([0, 1], 0, "float64")
    assert "value.weight_0" not in weights and "value.bias_0" not in weights
    assert both.views["value"].names["weight_0"] == "policy.weight_0"
    assert both.views["value"].own(weights)["weight_0"] is weights["policy.weight_0"]
    assert [layer.key for layer in both.hidden] == ["policy.hidden_0", "value.hidden_1"]
    assert both.layer("value", 0) is both.layer("policy", 0) is both.hidden[0]
    assert [(view.name, index) for view, index in both.hidden[0].readers] == [("policy", 0), ("value", 0)]


def test_addresses_in_the_random_streams_never_meet(both):
    assert [layer.address for layer in both.hidden] == [0, NETWORK_STRIDE + 1]
    other = Networks({"value": VALUE, "policy": POLICY})
    assert [layer.address for layer in other.hidden] == [0, 1, NETWORK_STRIDE]


@pytest.mark.parametrize("names", [("policy", "value"), ("value", "policy")])
def test_fresh_numbers_of_a_shared_layer_are_its_owner_s(names):
    """Whichever network comes first; each draws at its own place in the random streams."""
    of = {"policy": POLICY, "value": VALUE}
    networks = Networks({name: of[name] for name in names}, FIRST)
    weights = networks.init([5, 6], 3, "float64")
    for r, seed in enumerate((5, 6)):
        fresh = {
            name: of[name].init(seed, 3, "float64", NETWORK_STRIDE * place)
            for place, name in enumerate(names)
        }
        assert np.array_equal(weights["policy.weight_0"][r], fresh["policy"]["weight_0"])
        assert np.array_equal(weights["value.weight_1"][r], fresh["value"]["weight_1"])
        assert not np.array_equal(fresh["policy"]["weight_0"], fresh["value"]["weight_0"])


def test_a_unit_of_a_shared_layer_speaks_to_both_networks(both):
    weights = tree.each(torch.tensor, both.init([0, 1], 0, "float64"))
    units = both.hidden[0].units(weights)
    assert [tuple(array.shape) for array in (units.incoming, *units.outgoing)] == [
        (2, 3, 4), (2, 3, 1, 2), (2, 3, 1, 5),
    ]  # fmt: skip
    assert [bias is weights[f"{name}.bias_1"] for bias, name in zip(
        units.next_biases, ("policy", "value"), strict=True
    )] == [True, True]  # fmt: skip
    ((affine, value),) = units.affine
    assert affine is weights["policy.bias_0"] and value == 0
    for array in units.outgoing:
        array[1, 2] = 0
    assert not weights["policy.weight_1"][1, 2].any() and not weights["value.weight_1"][1, 2].any()
    assert weights["policy.weight_1"][1, 1].all() and weights["policy.weight_1"][0].all()


def test_the_networks_forward_passes_read_the_shared_layer(both):
    weights = tree.each(torch.tensor, both.init([0], 0, "float64"))
    x = torch.linspace(-1, 1, 8, dtype=torch.float64).view(1, 2, 4)
    (_, one), (_, other) = (
        both.views[name].network.forward(both.views[name].own(weights), x) for name in ("policy", "value")
    )
    assert torch.equal(one[0], other[0])
    weights["policy.weight_0"].zero_()
    _, other = VALUE.forward(both.views["value"].own(weights), x)
    assert not other[0].any()


def test_a_network_may_share_with_the_one_that_has_no_prefix():
    networks = Networks({"net": POLICY, "copy": POLICY}, {("copy", "weight_0"): ("net", "weight_0")})
    assert networks.views["copy"].names == {
        "weight_0": "weight_0", "bias_0": "copy.bias_0", "weight_1": "copy.weight_1", "bias_1": "copy.bias_1",
    }  # fmt: skip
    assert len(networks.hidden) == 1


def test_runs_may_lie_in_one_stack_where_every_network_can():
    assert single(POLICY).stackable and Networks({"policy": POLICY, "value": VALUE}).stackable

    class Other(Network):
        stackable = False

    assert not Networks({"policy": POLICY, "value": Other(Settings(hidden=[3]), 4, 1)}).stackable
