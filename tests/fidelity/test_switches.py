"""Every fidelity switch worked by hand: each test fails if its switch is ignored. Here those of the algorithms;
those of problems and procedures in test_stream_switches.py.

The switches of the problems themselves (which bits flip, which pixels move) have their hand-worked cases in
tests/unit/test_problems.py; here it is what the training does with them.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from fidelity import support
from fidelity.support import REGRESSION

from perennial import procedures, registry, settings, streams
from perennial.learning import engines, views
from perennial.learning.algorithms import Clock, adam, cbp, shrink_and_perturb
from perennial.learning.networks.mlp import Network
from perennial.learning.networks.mlp import Settings as Shape
from perennial.problems import Task
from perennial.streams import Address

ENGINES = ("fused", "stacked", "graphed")
SHIPPED = {
    "problems": ("slowly_changing_regression", "permuted_digits", "permuted_mnist", "continual_imagenet"),
    "networks": ("mlp", "convnet"),
    "algorithms": tuple(support.SHIPPED),
    "procedures": ("task_stream", "task_epochs"),
}
# Where each switch is worked by hand: the functions of this file, or of another one, whose name begins like this.
WORKED = {
    "slowly_changing_regression.flip": "test_stream_switches.test_flip",
    "slowly_changing_regression.target_threshold": "test_stream_switches.test_target_threshold",
    "permuted_digits.permutation": "test_stream_switches.test_permutation",
    "permuted_digits.order": "test_stream_switches.test_order",
    "permuted_mnist.permutation": "test_stream_switches.test_permutation",
    "permuted_mnist.order": "test_stream_switches.test_order",
    "permuted_mnist.sampling": "test_stream_switches.test_sampling",
    "continual_imagenet.sequence": "test_continual_imagenet.test_sequence",
    "continual_imagenet.centring": "test_continual_imagenet.test_centring",
    "shrink_and_perturb.noise": "test_noise",
    "cbp.maturity_threshold": "test_maturity",
    "cbp.utility": "test_utility",
    "cbp.count": "test_count",
    "cbp.fraction": "test_fraction",
    "cbp.bias_transfer": "test_bias_transfer",
    "cbp.adam_bias_correction": "test_adam_bias_correction",
    "online_normalisation.affine": "test_online_normalisation.test_affine",
    "online_normalisation.guard": "test_online_normalisation.test_guard",
    "online_normalisation.initialisation": "test_online_normalisation.test_initialisation",
    "online_normalisation.probe": "test_online_normalisation.test_probe",
    "cbp.renewed_velocity": "test_passes.test_renewed_velocity",
    "cbp.renewed_weights": "test_cbp_switches.test_renewed_weights",
    "cbp.renewed_moments": "test_cbp_switches.test_renewed_moments",
    "cbp.utility_average": "test_cbp_switches.test_utility_average",
    "task_stream.reset": "test_stream_switches.test_reset",
    "task_epochs.reset": "test_passes.test_reset",
    "task_epochs.head_velocity": "test_passes.test_head_velocity",
}


def test_every_switch_is_worked_by_hand():
    declared = {
        f"{name}.{switch.key}"
        for kind, names in SHIPPED.items()
        for name in names
        for switch in settings.switches(registry.module(kind, name).Settings, name)
    }
    assert declared == WORKED.keys()
    for test in WORKED.values():
        file, _, begin = test.rpartition(".")
        functions = vars(import_module(f"fidelity.{file}")) if file else globals()
        assert any(name.startswith(begin) for name in functions), test


# ---- shrink and perturb


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("noise", ["gaussian", "sum4"])
def test_noise_of_one_step(noise, engine):
    """With no step and no decay to speak of, a step adds noise_std times the stream's numbers, in one long draw."""
    given = {**support.hyper("shrink_and_perturb"), "step_size": 1e-12, "weight_decay": 0, "noise_std": 0.5}
    runs = support.stream(
        support.variant(REGRESSION, {**given, "noise": noise}, flip_every=1, length=1), [6], engine
    )
    before = runs.learner.state()["weights"]
    support.learn(runs, 0)
    after = runs.learner.state()["weights"]
    draw = {"gaussian": streams.normals, "sum4": streams.sum4}[noise](Address(streams.NOISE, 6), 111)
    parts = np.split(0.5 * draw.astype(np.float64), [100, 105, 110])  # weight_0, bias_0, weight_1, bias_1
    for name, part in zip(runs.network.names, parts, strict=True):
        moved = after[name][0] - before[name][0]
        np.testing.assert_allclose(moved, part.reshape(moved.shape), atol=1e-10)


# ---- continual backpropagation

SHAPE = Network(Shape(hidden=[5]), 20, 1)


def learner(engine: str, given: dict):
    """A learner of one run of 20-5-1, seed 0, whose gradient steps are too small to matter."""
    algorithm = {"name": "cbp", "step_size": 1e-13, "replacement_rate": 0.2, "maturity_threshold": 0, **given}
    need = procedures.need(support.variant(REGRESSION, algorithm))
    return engines.learner(engine, need, views.single(SHAPE), [0])


def state(units: list[tuple], ages: list[int], decay: float = 0.5) -> dict:
    """A run whose unit has, at its next step under input (1, 0, 0, ...), what `units` says.

    Args:
        units: (mean outgoing weight, output, distance of the output from its corrected mean, mean incoming weight).
        ages: of the units before the step.
    """
    out, h, distance, incoming = (np.array(column, float) for column in zip(*units, strict=True))
    corrected = 1 - decay ** (np.array(ages) + 1)
    mean = (
        (h - distance) * corrected - (1 - decay) * h
    ) / decay  # so that the corrected mean is h - distance
    own = {"utility": np.zeros((1, 5)), "mean_feature": mean[None], "age": np.array([ages])}
    return {
        "weights": {
            "weight_0": np.tile(incoming, (20, 1))[None], "bias_0": (h - incoming)[None],
            "weight_1": out[None, :, None], "bias_1": np.zeros((1, 1)),
        },
        "buffers": {}, "problem": {}, "optimiser": {},
        "algorithm": {"hidden_0": {**own, "saved": np.zeros(1)}},
    }  # fmt: skip


def show(made, start: dict, steps: int = 1) -> dict:
    """Train on input (1, 0, 0, ...) with target 0; the state afterwards."""
    made.load(start)
    x = np.zeros((1, 20), np.float32)
    x[0, 0] = 1
    made.train([Task(x, np.zeros(1, np.float32), np.zeros(steps, np.int64))], 0)
    return made.state()


def renewed(made, start: dict) -> list[int]:
    """The units that a single step renews: those of age 0 afterwards."""
    return np.flatnonzero(show(made, start)["algorithm"]["hidden_0"]["age"][0] == 0).tolist()


# Six units, worked out so that each utility has another least useful one.
#      outgoing o, output h, distance d, incoming i     o h    o d    o d / i   1 / i   o    d / i
UNITS = {
    "contribution": (1.0, 0.1, 1.0, 1.0),  #            0.10*  1.00   1.00      1.00   1.0   1.00
    "zero_contribution": (0.5, 1.0, 0.5, 0.1),  #       0.50   0.25*  2.50      10.0   0.5   5.00
    "adaptable_contribution": (0.6, 1.0, 0.6, 2.0),  #  0.60   0.36   0.18*     0.50   0.6   0.30
    "adaptation": (2.0, 1.0, 2.0, 4.0),  #              2.00   4.00   1.00      0.25*  2.0   0.50
    "weight": (0.3, 1.0, 1.5, 1.0),  #                  0.30   0.45   0.45      1.00   0.3*  1.50
    "feature_by_input": (2.0, 1.0, 0.2, 1.0),  #        2.00   0.40   0.40      1.00   2.0   0.20*
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("utility", UNITS)
def test_utility_picks_its_own_unit(utility, engine):
    names = list(UNITS)
    names.remove("contribution" if utility == "feature_by_input" else "feature_by_input")
    start = state([UNITS[name] for name in names], [1] * 5)
    assert renewed(learner(engine, {"utility": utility, "utility_decay": 0.5}), start) == [
        names.index(utility)
    ]


def test_utility_may_be_a_lottery():
    start = state([UNITS["weight"]] * 5, [1] * 5)
    made = learner("stacked", {"utility": "random", "utility_decay": 0.5})
    lots = streams.uniforms(Address(streams.REPLACEMENT, 0), 6)[1:]  # number 0 is the coin of the fraction
    assert renewed(made, start) == [int(lots.argmin())]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("count", "by_hand"), [("eligible", [1]), ("layer_width", [1, 3])])
def test_count_of_mature_units_or_of_all(count, by_hand, engine):
    """Two of five units are mature, the rate is one half: 1 of the 2, or 2.5 of the 5."""
    given = {"count": count, "replacement_rate": 0.5, "maturity_threshold": 10, "utility": "weight"}
    units = [(o, 1.0, 0.5, 1.0) for o in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert renewed(learner(engine, given), state(units, [1, 20, 1, 20, 1], 0.99)) == by_hand


def numbers_renewed(engine: str, given: dict, steps: int) -> list[int]:
    """How many units each of the first steps renews, all units being mature when young."""
    made = learner(engine, {"utility": "weight", **given})
    now = state([(o, 1.0, 0.5, 1.0) for o in (0.1, 0.2, 0.3, 0.4, 0.5)], [50] * 5, 0.99)
    x = np.zeros((1, 20), np.float32)
    found = []
    for step in range(steps):
        made.load(now)
        task = Task(x, np.zeros(1, np.float32), np.zeros(1, np.int64))
        made.train([task], step)  # a task of one step each, so that the coin is tossed for (task, step 0)
        now = made.state()
        found.append(int((now["algorithm"]["hidden_0"]["age"] == 0).sum()))
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_fraction_saved_up(engine):
    """0.25 of 5 = 1.25 units a step: 1, 1, 1 and then 2."""
    given = {"fraction": "accumulate", "replacement_rate": 0.25}
    assert numbers_renewed(engine, given, 8) == [1, 1, 1, 2, 1, 1, 1, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_fraction_above_one_is_cut_off_by_chance_s_rule(engine):
    """The authors' code tosses its coin only where less than one unit is due."""
    given = {"fraction": "bernoulli", "replacement_rate": 0.25}
    assert numbers_renewed(engine, given, 8) == [1] * 8


@pytest.mark.parametrize("engine", ENGINES)
def test_fraction_by_chance(engine):
    """0.1 of 5 = half a unit: a coin for each step; saved up, it would be every second step."""
    coins = [streams.uniforms(Address(streams.REPLACEMENT, 0, task=step), 1)[0] < 0.5 for step in range(12)]
    by_chance = numbers_renewed(engine, {"fraction": "bernoulli", "replacement_rate": 0.1}, 12)
    assert by_chance == [int(coin) for coin in coins] and by_chance != [0, 1] * 6
    assert numbers_renewed(engine, {"fraction": "accumulate", "replacement_rate": 0.1}, 12) == [0, 1] * 6


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("transfer", "by_hand"), [("off", 0.0), ("on", 0.25 * 0.7)])
def test_bias_transfer_moves_the_mean_output(transfer, by_hand, engine):
    """The unit speaks with weight 0.25, and its corrected mean output is 1 - 0.3."""
    units = [(0.25, 1.0, 0.3, 1.0)] + [(o, 1.0, 0.5, 1.0) for o in (1, 2, 3, 4)]
    given = {"bias_transfer": transfer, "utility": "weight", "utility_decay": 0.5}
    after = show(learner(engine, given), state(units, [1] * 5))
    assert after["algorithm"]["hidden_0"]["age"][0].tolist() == [0, 2, 2, 2, 2]
    assert after["weights"]["bias_1"][0, 0] == pytest.approx(by_hand, abs=1e-9)
    assert after["weights"]["weight_1"][0, :, 0] == pytest.approx([0, 1, 2, 3, 4], abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_renewed_unit_starts_afresh(engine):
    units = [(0.25, 1.0, 0.3, 1.0)] + [(o, 1.0, 0.5, 1.0) for o in (1, 2, 3, 4)]
    after = show(learner(engine, {"utility": "weight", "utility_decay": 0.5}), state(units, [1] * 5))
    u = streams.uniforms(Address(streams.REPLACEMENT, 0, layer=256), 20).astype(np.float64)
    fresh = (2 * u - 1) * (2 * 3 / 20) ** 0.5  # the gain of ReLU is the root of 2
    np.testing.assert_allclose(after["weights"]["weight_0"][0, :, 0], fresh, rtol=1e-12)
    assert after["weights"]["bias_0"][0, 0] == 0
    own = after["algorithm"]["hidden_0"]
    assert own["utility"][0, 0] == own["mean_feature"][0, 0] == 0 and (own["utility"][0, 1:] > 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threshold", [10, 100])
def test_maturity_is_an_age_above_the_threshold(threshold, engine):
    """A rate of 1 renews whatever is mature: nothing while the age is `threshold`, everything one step later."""
    given = {"maturity_threshold": threshold, "replacement_rate": 1.0}
    units = [(0.5, 1.0, 0.5, 1.0)] * 5
    made = learner(engine, given)
    assert renewed(made, state(units, [threshold - 1] * 5, 0.99)) == []
    assert renewed(made, state(units, [threshold] * 5, 0.99)) == [0, 1, 2, 3, 4]
    assert renewed(made, state(units, [threshold - 1, threshold] * 2 + [0], 0.99)) == [1, 3]


@pytest.mark.parametrize("correction", ["standard", "gnt_bug"])
def test_adam_bias_correction(correction):
    """Gradient 3 for one weight of age 1: moments 0.9 m + 0.3 and 0.999 v + 0.009, then the rule by hand."""
    m, v, age = 0.2, 0.5, 2
    first, second = 0.9 * m + 0.1 * 3, 0.999 * v + 0.001 * 9
    if correction == "standard":
        by_hand = 0.01 * (first / (1 - 0.9**age)) / ((second / (1 - 0.999**age)) ** 0.5 + 1e-8)
    else:
        by_hand = 0.01 * (1 - 0.999**age) * first / (second**0.5 + 1e-8)
    given = cbp.Settings(
        step_size=0.01, replacement_rate=0, optimiser="adam", adam_bias_correction=correction
    )
    net = Network(Shape(hidden=[]), 1, 1)
    networks = views.single(net)
    weights = {"weight_0": torch.ones(1, 1, 1, dtype=torch.float64), "bias_0": torch.zeros(1, 1).double()}
    now = {"weights": weights, **cbp.init(given, networks, weights)}
    for kind, value in (("first_moment", m), ("second_moment", v), ("age", age - 1)):
        now["optimiser"][kind]["weight_0"].fill_(value)
    gradients = {name: torch.full_like(w, 3.0) for name, w in weights.items()}
    cbp.update(given, networks, now, gradients, {}, Clock([0], 0, 0), 1)
    assert float(now["weights"]["weight_0"]) == pytest.approx(1 - by_hand, rel=1e-13)


# ---- settings that are no switch, but are easily ignored


def test_adam_s_weight_decay_is_coupled():
    given = adam.Settings(step_size=0.01, weight_decay=0.5)
    weights = {"w": torch.full((1, 1), 2.0, dtype=torch.float64)}
    now = {"weights": weights, **adam.init(given, None, weights)}
    adam.update(given, None, now, {"w": torch.full((1, 1), 3.0)}, {}, Clock([0], 0, 0), 1)
    assert float(now["optimiser"]["first_moment"]["w"]) == pytest.approx(0.1 * (3 + 0.5 * 2))


def test_shrink_and_perturb_shrinks_before_it_perturbs():
    given = shrink_and_perturb.Settings(step_size=0.1, weight_decay=0.5, noise_std=0.0)
    weights = {"weight_0": torch.full((1, 1, 1), 2.0).double(), "bias_0": torch.full((1, 1), 4.0).double()}
    now = {"weights": weights, "optimiser": {}, "algorithm": {}}
    gradients = {name: torch.ones_like(w) for name, w in weights.items()}
    networks = views.single(Network(Shape(hidden=[]), 1, 1))
    shrink_and_perturb.update(given, networks, now, gradients, {}, Clock([0], 0, 0), 1)
    assert float(weights["weight_0"]) == pytest.approx(2 - 0.1 * (1 + 0.5 * 2))
    assert float(weights["bias_0"]) == pytest.approx(4 - 0.1 * (1 + 0.5 * 4))


@pytest.mark.parametrize(
    ("algorithm", "changes", "words"),
    [("cbp", {"weight_decay": 0.1}, "weight decay"), ("dropout", {}, "no file in engines/fused")],
)
def test_engine_is_refused_in_one_line(algorithm, changes, words):
    made = support.variant(REGRESSION, {**support.hyper(algorithm), **changes})
    with pytest.raises(engines.Unsupported) as caught:
        engines.choose(procedures.need(made), "fused")
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert engines.choose(procedures.need(made), device="cpu") == "stacked"
