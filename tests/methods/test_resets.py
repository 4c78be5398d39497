"""Methods that draw weights or units afresh: self-normalised resets, continuous partial resets, single weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from contracts.tiny import CASES
from methods.steps import hyper, steps

from perennial import streams
from perennial.learning.algorithms import snr
from perennial.streams import Address

RATE = 0.05
SEED = 4  # of the first run


def kill(unit: int):
    """Make one unit of the first layer silent for good, and its neighbours loud."""

    def change(state) -> None:
        state["weights"]["bias_0"][:, :] = 5.0
        state["weights"]["weight_0"][:, :, unit] = 0
        state["weights"]["bias_0"][:, unit] = -5.0

    return change


def fresh_row(layer: int, unit: int, inputs: int, step: int, bound: float) -> np.ndarray:
    """A unit's fresh incoming weights, from the streams' own definition."""
    u = streams.uniforms(Address(streams.REPLACEMENT, SEED, 0, step, layer + 256 * (unit + 1)), inputs)
    return (u.astype(float) * 2 - 1) * bound


# ---- self-normalised resets


def test_a_dead_unit_starts_afresh_when_its_silence_reaches_the_threshold():
    own, reset_at = hyper("snr", step_size=1e-9, first_threshold=7, every=0), []
    bound = CASES["compiled"].networks().matrices[0].bound
    for step in steps(own, 20, "compiled", kill(2)):
        weights, before = step.after["weights"], step.before["weights"]
        if (
            np.abs(weights["weight_0"][:, 2] - before["weight_0"][:, 2]).max() > 1e-6
        ):  # no gradient step is so long
            reset_at.append(step.number)
            expected = fresh_row(0, 2, 20, step.number, bound)
            np.testing.assert_allclose(weights["weight_0"][:, 2], expected, rtol=1e-14)
            assert weights["bias_0"][2] == 0 and (weights["weight_1"][2] == 0).all()
        else:
            np.testing.assert_allclose(weights["weight_0"], before["weight_0"], atol=1e-6)
    assert reset_at[0] == 6  # the seventh silent example


def test_what_a_reset_weight_was_is_forgotten_by_adam():
    own = hyper("snr", step_size=1e-9, first_threshold=3, every=0, optimiser="adam")
    last = [step.after for step in steps(own, 3, "compiled", kill(2))][-1]
    for kind in ("first_moment", "second_moment", "age"):
        memory = last["optimiser"][kind]
        assert (memory["weight_0"][:, 2] == 0).all() and (memory["weight_1"][2] == 0).all()
        assert (memory["weight_0"][:, 1] != 0).any()


def silences(lengths: list[int]) -> tuple[dict, torch.Tensor]:
    """One unit's counts after silences of those lengths."""
    edges = snr._edges("cpu")
    counts = torch.zeros(1, 1, snr.BINS, dtype=torch.int64)
    for length in lengths:
        counts[0, 0, int((edges < length).sum())] += 1
    return {"counts": counts, "threshold": torch.tensor([[500]])}, edges


def test_a_threshold_is_the_quantile_of_the_unit_s_own_silences():
    """To the width of a bin, a fifth; the floor and the cap hold."""
    settings = snr.Settings(rejection=0.1, first_threshold=20_000, least_threshold=1)
    for lengths in ([*range(1, 101)], [5] * 9 + [300], [1] * 99 + [40]):
        own, _ = silences(lengths)
        snr._estimate(settings, own, torch.tensor([True]))
        exact = sorted(lengths)[math.ceil(0.9 * len(lengths)) - 1]
        assert exact <= own["threshold"].item() <= math.ceil(1.2 * exact) + 1
        assert (own["counts"] == 0).all()
    own, _ = silences([3] * 10)
    snr._estimate(settings.model_copy(update={"least_threshold": 100}), own, torch.tensor([True]))
    assert own["threshold"].item() == 100


def test_a_threshold_beyond_what_was_seen_doubles_up_to_the_first_one():
    settings = snr.Settings(rejection=0.1, first_threshold=1500, least_threshold=1)
    own, _ = silences([500] * 10)
    snr._estimate(settings, own, torch.tensor([True]))
    assert own["threshold"].item() == 1000
    own["counts"][0, 0, snr._bin(torch.tensor(1000))] = 10
    snr._estimate(settings, own, torch.tensor([True]))
    assert own["threshold"].item() == 1500


def test_a_threshold_stays_where_nothing_was_heard_or_it_is_not_time():
    settings = snr.Settings(rejection=0.1)
    own, _ = silences([])
    snr._estimate(settings, own, torch.tensor([True]))
    assert own["threshold"].item() == 500
    own, _ = silences([5] * 10)
    snr._estimate(settings, own, torch.tensor([False]))
    assert own["threshold"].item() == 500 and own["counts"].sum() == 10


def test_silences_are_counted_when_they_end():
    """A plain count beside it, unit by unit."""
    silent, counted = [[0] * 5, [0] * 4], [dict() for _ in range(2)]
    own = hyper("snr", every=0)
    for step in steps(own, 60, "mini-batches"):
        for layer in range(2):
            h = step.features[f"hidden_{layer}"]  # [b, h]
            for unit in range(h.shape[1]):
                if (h[:, unit] > 0).any():
                    if silent[layer][unit]:
                        counted[layer].setdefault(unit, []).append(silent[layer][unit])
                    silent[layer][unit] = 0
                else:
                    silent[layer][unit] += len(h)
    for layer in range(2):
        state = step.after["algorithm"][f"hidden_{layer}"]
        assert state["silence"].tolist() == silent[layer]
        for unit, lengths in counted[layer].items():
            expected, _ = silences(lengths)
            assert (state["counts"][unit] == expected["counts"][0, 0].numpy()).all()
    assert any(counted)


# ---- continuous partial resets


@pytest.mark.parametrize("share", ["double", "single"])
def test_units_are_partly_drawn_afresh_by_their_utility(share):
    own = hyper("cpr", strength=0.4, sharpness=3.0, threshold=0.9, every=4, utility_decay=0.7, share=share)
    networks, utility = CASES["online"].networks(), [np.ones(5), np.ones(4)]
    for step in steps(own, 9):
        expected = {name: w - RATE * step.gradients[name] for name, w in step.before["weights"].items()}
        for layer in range(2):
            size = np.abs(step.gradients[f"weight_{layer}"]).mean(0)  # [h]
            utility[layer] = 0.7 * utility[layer] + 0.3 * size / size.mean()
        if step.number % 4 == 3:
            for layer in range(2):
                s = 1 / (1 + np.exp(3.0 * (utility[layer] - 0.9)))
                q = 0.4 * (np.minimum(2 * s, 1) if share == "double" else s)
                w, bound = expected[f"weight_{layer}"], networks.matrices[layer].bound
                for unit in range(len(q)):
                    new = fresh_row(layer, unit, len(w), step.number, bound)
                    w[:, unit] = (1 - q[unit]) * w[:, unit] + q[unit] * new
                    expected[f"weight_{layer + 1}"][unit] *= 1 - q[unit]
                utility[layer] = np.ones_like(q)
        for name, w in expected.items():
            np.testing.assert_allclose(step.after["weights"][name], w, rtol=1e-11, atol=1e-14, err_msg=name)
        for layer in range(2):
            np.testing.assert_allclose(step.after["algorithm"][f"hidden_{layer}"]["utility"], utility[layer])


# ---- single weights


@pytest.mark.parametrize("decay", [0.0, 0.8])
@pytest.mark.parametrize("utility", ["gradient", "magnitude"])
@pytest.mark.parametrize("choice", ["proportion", "threshold"])
def test_the_least_useful_weights_are_drawn_afresh(choice, utility, decay):
    share = 0.15 if choice == "proportion" else 0.3
    own = hyper("swr", choice=choice, utility=utility, utility_decay=decay, share=share, every=3)
    matrices, kept, drawn = CASES["online"].networks().matrices, {}, 0
    for step in steps(own, 9):
        now = {}
        for name, w in step.before["weights"].items():
            now[name] = np.abs(w * step.gradients[name]) if utility == "gradient" else np.abs(w)
            kept[name] = decay * kept.get(name, 0) + (1 - decay) * now[name]
        for matrix in matrices:
            plain = {name: step.before["weights"][name] - RATE * step.gradients[name] for name in matrix[:2]}
            if step.number % 3 == 2:
                n = plain[matrix.weight].size
                u = streams.uniforms(
                    Address(streams.REPLACEMENT, SEED, 0, step.number, matrix.address), n + 2
                )
                for name, coin in ((matrix.weight, u[0]), (matrix.bias, u[1])):
                    flat, new = kept[name].ravel(), plain[name].ravel()
                    if choice == "threshold":
                        gone = [k for k in range(flat.size) if flat[k] <= share * flat.mean()]
                    else:
                        gone = np.argsort(flat, kind="stable")[: math.floor(share * flat.size + float(coin))]
                    for k in gone:
                        new[k] = (float(u[2 + k]) * 2 - 1) * matrix.bound if name == matrix.weight else 0
                    drawn += len(gone)
            for name in matrix[:2]:
                np.testing.assert_allclose(step.after["weights"][name], plain[name], rtol=1e-11, atol=1e-14)
        if step.number % 3 == 2:
            kept = {name: np.zeros_like(u) for name, u in kept.items()}
    assert drawn > 10
