"""Continual backpropagation in a residual network against a slow oracle: unit by unit, renewal by renewal.

Through a block and its skip, through the pooled last layer, with velocities and running statistics.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from contracts.tiny import CASES
from methods.steps import steps

from perennial import streams
from perennial.streams import Address

RATE, SHARE, MATURITY, DECAY, SEED = 0.05, 0.15, 3, 0.9, 4
CBP = {
    "name": "cbp", "step_size": RATE, "momentum": 0.9, "weight_decay": 0.001, "replacement_rate": SHARE,
    "maturity_threshold": MATURITY, "utility_decay": DECAY, "utility": "contribution", "count": "layer_width",
    "fraction": "accumulate",
}  # fmt: skip
LAYERS = 5  # hidden: the stem and two blocks, see `contracts.tiny.RESNET`


def outgoing(weights: dict, layer: int, unit: int) -> np.ndarray:
    """All weights with which the next layer reads a unit."""
    following = weights[f"weight_{layer + 1}"]
    return following[unit] if layer == LAYERS - 1 else following[:, unit]


@pytest.mark.parametrize("average", ["corrected", "uncorrected", "running_sum"])
@pytest.mark.parametrize("velocity", ["kept", "zero"])
def test_every_renewal_is_the_oracle_s(velocity, average):
    own = {**CBP, "renewed_velocity": velocity, "utility_average": average}
    utility, age, saved, renewed = {}, {}, {}, []
    for step in steps(own, 20, "residual"):
        weights, moved = {}, {}
        for name, w in step.before["weights"].items():  # the gradient step
            g = step.gradients[name] + 0.001 * w
            moved[name] = 0.9 * step.before["optimiser"]["velocity"][name] + g
            weights[name] = w - RATE * moved[name]
        chosen = []
        for layer in range(LAYERS):
            h = step.features[f"hidden_{layer}"]  # [b, h, y, x], of the last layer [b, h]
            for unit in range(h.shape[1]):
                key = layer, unit
                age[key] = age.get(key, 0) + 1
                now = np.abs(h[:, unit]).mean()
                if average == "running_sum":
                    utility[key] = utility.get(key, 0.0) + (1 - DECAY) * now
                else:
                    now *= np.abs(outgoing(weights, layer, unit)).mean()
                    utility[key] = DECAY * utility.get(key, 0.0) + (1 - DECAY) * now
            mature = [unit for unit in range(h.shape[1]) if age[layer, unit] > MATURITY]
            saved[layer] = saved.get(layer, 0.0) + (SHARE * h.shape[1] if mature else 0.0)
            due = min(int(saved[layer]), len(mature))
            saved[layer] -= int(saved[layer])
            score = {
                "corrected": lambda unit, k=layer: utility[k, unit] / (1 - DECAY ** age[k, unit]),
                "uncorrected": lambda unit, k=layer: utility[k, unit],
                "running_sum": lambda unit, k=layer, w=weights: (
                    utility[k, unit] * np.abs(outgoing(w, k, unit)).mean()
                ),
            }[average]
            chosen += [(layer, unit) for unit in sorted(mature, key=score)[:due]]
        for layer, unit in chosen:
            filters = weights[f"weight_{layer}"]
            fan_in = filters[unit].size
            n = streams.normals(
                Address(streams.REPLACEMENT, SEED, 0, step.number, layer + 256 * (unit + 1)), fan_in
            )
            filters[unit] = (n.astype(float) * (2 / fan_in) ** 0.5).reshape(filters[unit].shape)
            outgoing(weights, layer, unit)[...] = 0
            for kind, fresh in (("bias", 0), ("gamma", 1), ("beta", 0)):
                weights[f"{kind}_{layer}"][unit] = fresh
            if velocity == "zero":
                moved[f"weight_{layer}"][unit] = 0
                outgoing(moved, layer, unit)[...] = 0
                for kind in ("bias", "gamma", "beta"):
                    moved[f"{kind}_{layer}"][unit] = 0
            assert step.after["buffers"][f"mean_{layer}"][unit] == 0
            assert step.after["buffers"][f"variance_{layer}"][unit] == 1
            age[layer, unit] = 0
            utility[layer, unit] = utility[layer, unit] if average == "running_sum" else 0.0
            renewed.append((layer, unit))
        for name, w in weights.items():
            # fresh normals are divided by the root of 3 in single precision and multiplied by the bound
            np.testing.assert_allclose(step.after["weights"][name], w, rtol=3e-7, atol=1e-9, err_msg=name)
            found = step.after["optimiser"]["velocity"][name]
            np.testing.assert_allclose(found, moved[name], rtol=1e-9, atol=1e-12, err_msg=name)
        for (layer, unit), value in age.items():
            assert step.after["algorithm"][f"hidden_{layer}"]["age"][unit] == value
    assert {layer for layer, _ in renewed} == set(range(LAYERS)) and len(renewed) > 25
    assert any(one[0] == two[0] + 1 for two, one in itertools.pairwise(renewed))


def test_a_skip_s_convolution_belongs_to_no_unit():
    """Renewing a channel leaves the 1x1 convolution of the skip as it is, on either side."""
    still = {**CBP, "step_size": 1e-12, "weight_decay": 0.0, "momentum": 0.0}
    for step in steps(still, 12, "residual"):
        for name in ("skip_weight_1", "skip_bias_1", "skip_gamma_1"):
            np.testing.assert_allclose(step.after["weights"][name], step.before["weights"][name], atol=1e-9)
    assert CASES["residual"].networks().views["net"].network.skips == [1]
