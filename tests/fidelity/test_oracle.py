"""The definition of continual backpropagation against a slow oracle: unit by unit, replacement by replacement.

A test of a test: copies of the definition with one mistake each must disagree with the oracle.
"""

from __future__ import annotations

import inspect
import itertools
import types

import numpy as np
import pytest
from fidelity import support
from fidelity.oracle import Oracle

from perennial.learning.algorithms import _renewal, cbp
from perennial.learning.engines.stacked import StackedLearner

SEEDS, STEPS = [0, 3], 50
UTILITIES = (
    "contribution", "zero_contribution", "adaptable_contribution", "adaptation", "weight", "feature_by_input",
    "random",
)  # fmt: skip


def options(**changes) -> dict:
    """CBP that renews about one unit in three steps."""
    base = {"name": "cbp", "step_size": 0.05, "replacement_rate": 0.06, "maturity_threshold": 4}
    return {**base, "utility_decay": 0.8, **changes}


def small(algorithm: dict, activation: str = "tanh") -> dict:
    """A network 6-4-3-1 on a small regression."""
    problem = {"inputs": 6, "slow_bits": 3, "target_units": 9, "flip_every": STEPS}
    return support.variant(
        support.REGRESSION, algorithm, hidden=[4, 3], activation=activation, length=1, **problem
    )


def watched(settings: dict, module: types.ModuleType, monkeypatch) -> tuple[list, list]:
    """Train a stack; the state after each step, and the units renewed in it as (run, layer, unit)."""
    states, renewed = [], []
    update, renew = module.update, module.renew

    def watch_update(settings, networks, state, *others):
        renewed.append([])
        update(settings, networks, state, *others)
        states.append({path: array.numpy().copy() for path, array in support.leaves(state)})

    def watch_renew(settings, layer, state, chosen, due, fresh):
        for run, slot in due.nonzero().tolist():
            renewed[-1].append((run, layer.index, int(chosen[run, slot])))
        renew(settings, layer, state, chosen, due, fresh)

    monkeypatch.setattr(module, "renew", watch_renew)
    runs = support.stream(settings, SEEDS, "stacked")
    assert isinstance(runs.learner, StackedLearner)
    monkeypatch.setattr(runs.learner, "algorithm", types.SimpleNamespace(update=watch_update))
    support.learn(runs, 0)
    return states, renewed


def oracles(settings: dict) -> list[Oracle]:
    """One oracle for each seed, with the run's initial weights."""
    net = support.stream(settings, [0], "stacked").network
    given = cbp.Settings(**{k: v for k, v in settings["algorithm"].items() if k != "name"}).model_dump()
    found = []
    for seed in SEEDS:
        start = net.init(seed, dtype="float64")
        weights = [start[f"weight_{layer}"].T.tolist() for layer in range(net.layers)]
        biases = [start[f"bias_{layer}"].tolist() for layer in range(net.layers)]
        found.append(Oracle(given, net.activation, weights, biases, net.bounds, seed))
    return found


def expected(oracle: Oracle) -> dict[str, np.ndarray]:
    """The oracle's state under the names of the definition's."""
    found = {}
    for layer, (rows, biases) in enumerate(zip(oracle.weights, oracle.biases, strict=True)):
        found[f"weights/weight_{layer}"], found[f"weights/bias_{layer}"] = np.array(rows).T, np.array(biases)
        if oracle.options["optimiser"] == "adam":
            for kind, name in (("first", "first_moment"), ("second", "second_moment"), ("age", "age")):
                memory = [[getattr(w, kind) for w in row] for row in oracle.adam[layer]]
                found[f"optimiser/{name}/weight_{layer}"] = np.array(memory).T
                memory = [getattr(w, kind) for w in oracle.adam_biases[layer]]
                found[f"optimiser/{name}/bias_{layer}"] = np.array(memory)
    for layer, units in enumerate(oracle.units):
        place = f"algorithm/hidden_{layer}"
        found[f"{place}/utility"] = np.array([unit.utility for unit in units])
        found[f"{place}/mean_feature"] = np.array([unit.mean for unit in units])
        found[f"{place}/age"] = np.array([unit.age for unit in units])
        found[f"{place}/saved"] = np.array(oracle.saved[layer])
    return found


def first_disagreement(settings: dict, module: types.ModuleType, monkeypatch) -> str | None:
    """Where the definition leaves the oracle's way, if it does; also checks that enough happened to tell."""
    states, renewed = watched(settings, module, monkeypatch)
    task = support.stream(settings, SEEDS, "stacked")
    total = 0
    for r, oracle in enumerate(oracles(settings)):
        shown = task.problems[r].task(0)
        for step, example in enumerate(shown.order):
            oracle.step(shown.inputs[example].tolist(), float(shown.targets[example]), step)
            own = [(layer, unit) for run, layer, unit in renewed[step] if run == r]
            if own != oracle.renewed:
                return f"run {r}, step {step}: renewed {own}, should be {oracle.renewed}"
            total += len(own)
            wanted = expected(oracle)
            found = {path: array[r] for path, array in states[step].items()}
            if found.keys() != wanted.keys():
                return f"the state has {sorted(found)}, should have {sorted(wanted)}"
            for path, value in wanted.items():
                if not np.allclose(found[path], value, rtol=1e-9, atol=1e-12):
                    return f"run {r}, step {step}: {path}"
    assert len(states) == STEPS and total >= 10, total
    return None


def switch_cases() -> list[tuple[str, str, str, str]]:
    """All combinations for one utility, two for each of the others."""
    every = list(itertools.product(["accumulate", "bernoulli"], ["eligible", "layer_width"], ["off", "on"]))
    cases = [("adaptable_contribution", *case) for case in every]
    return cases + [(utility, *case) for utility in UTILITIES for case in (every[0], every[-1])]


@pytest.mark.parametrize(("utility", "fraction", "count", "bias_transfer"), dict.fromkeys(switch_cases()))
def test_definition_is_the_oracle(utility, fraction, count, bias_transfer, monkeypatch):
    given = options(utility=utility, fraction=fraction, count=count, bias_transfer=bias_transfer)
    assert first_disagreement(small(given), cbp, monkeypatch) is None


OTHERS = {
    "relu": (options(), "relu"),
    "many at once": (options(replacement_rate=0.5), "tanh"),
    "many at once by chance": (options(replacement_rate=0.5, fraction="bernoulli"), "tanh"),
    "no maturity": (options(maturity_threshold=0), "tanh"),
    "no memory": (options(utility_decay=0.0, utility="contribution"), "tanh"),
    "weight decay": (options(weight_decay=0.1), "tanh"),
    "adam": (options(optimiser="adam"), "tanh"),
    "adam, as in the authors' code": (options(optimiser="adam", adam_bias_correction="gnt_bug"), "tanh"),
    "adam with weight decay": (options(optimiser="adam", weight_decay=0.1, bias_transfer="on"), "relu"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_the_oracle_s_too(name, monkeypatch):
    given, activation = OTHERS[name]
    assert first_disagreement(small(given, activation), cbp, monkeypatch) is None


# A copy of the definition, and of what it shares with other methods that renew units, with one mistake: what is written
# in either file, what is written instead, and settings that show it.
MISTAKES = {
    "utility without bias correction": (
        'own["utility"] / _correction(settings, own)', 'own["utility"]', {}
    ),
    "mean without bias correction": (
        'return own["mean_feature"] / _correction(settings, own)', 'return own["mean_feature"]', {}
    ),
    "mature one step too early": ('own["age"] > settings.maturity', 'own["age"] >= settings.maturity', {}),
    "outgoing weights are kept": (
        "    for array in units.outgoing:\n        write(array, chosen, due)\n", "", {}
    ),
    "bias is kept": ("in (*units.affine, *units.statistics):", "in units.statistics:", {}),
    "only ages are forgotten": ('("utility", "mean_feature", "age")\n', '("age",)\n', {}),
    "age is kept": ('"mean_feature", "age")\n', '"mean_feature")\n', {}),
    "most useful first": ("torch.where(mature, score, torch.inf)", "torch.where(mature, -score, torch.inf)", {}),
    "saved fraction is lost": ("saved += due\n", "saved.copy_(due)\n", {}),
    "fractions are rounded away": (
        "(coin.to(torch.float64) < due).to(torch.float64)", "due.floor()", {"fraction": "bernoulli"}
    ),
    "count is ignored": ('settings.count == "layer_width"', "False", {"count": "layer_width"}),
    "new weights are too large": ("* layer.bound", "* 2 * layer.bound", {}),
    "one unit's draw serves all": ("UNIT_STRIDE * (chosen + 1)", "UNIT_STRIDE * (0 * chosen + 1)", {}),
    "all slots are due": (
        "torch.arange(slots, device=mature.device) < number.unsqueeze(1)",
        "torch.arange(slots).expand(len(number), -1) >= 0",
        {},
    ),
    "renewed one layer after the other": (
        "        _measure(settings, layer, state, features[layer.key])\n"
        "    if settings.replacement_rate == 0 or not layers:\n"
        "        return\n"
        "    chosen, due = zip(*(_choose(settings, layer, state, clock) for layer in layers), strict=True)\n"
        '    fresh = _renewal.fresh_weights(layers, state["weights"], list(chosen), clock)\n'
        '    if settings.renewed_weights != "layer":\n'
        "        fresh = [\n"
        '            new * (_bound(settings, layer, state["weights"]) / layer.bound)\n'
        "            for layer, new in zip(layers, fresh, strict=True)\n"
        "        ]\n"
        "    for layer, *of_layer in zip(layers, chosen, due, fresh, strict=True):\n"
        "        renew(settings, layer, state, *of_layer)\n",
        "        _measure(settings, layer, state, features[layer.key])\n"
        "        chosen, due = _choose(settings, layer, state, clock)\n"
        '        (fresh,) = _renewal.fresh_weights([layer], state["weights"], [chosen], clock)\n'
        "        renew(settings, layer, state, chosen, due, fresh)\n",
        {"replacement_rate": 0.3},
    ),
    "mean is zeroed before it is used": (
        "mean.gather(1, chosen)", "0 * mean.gather(1, chosen)", {"bias_transfer": "on"}
    ),
    "adam's memory is kept": (
        "in (remembered.incoming, *remembered.outgoing,", "in (*remembered.outgoing,", {"optimiser": "adam"}
    ),
    "adam forgets but outgoing weights": (
        "in (remembered.incoming, *remembered.outgoing,", "in (remembered.incoming,", {"optimiser": "adam"}
    ),
    "adam forgets but biases": (
        "*(array for array, _ in remembered.affine)", "", {"optimiser": "adam"}
    ),
    "old weights judge": (
        "    descend(settings, state, gradients, rate)\n",
        "    global _measure\n"
        "    measure, _measure = _measure, lambda *arguments: None\n"
        "    for layer in networks.hidden:\n"
        "        measure(settings, layer, state, features[layer.key])\n"
        "    descend(settings, state, gradients, rate)\n"
        "    replace(settings, networks, state, features, clock)\n"
        "    _measure = measure\n"
        "    return\n",
        {},
    ),
}  # fmt: skip


def copied(right: str = "", wrong: str = "") -> types.ModuleType:
    """A copy of the definition; `right` reads `wrong` in the one place of either file where it stands."""
    sources = {module: inspect.getsource(module) for module in (_renewal, cbp)}
    places = sum(source.count(right) for source in sources.values()) if right else 1
    assert places == 1, f"the definition no longer reads {right!r} once: adapt this test"
    copies = []
    for module, source in sources.items():
        copy = types.ModuleType(f"copied_{module.__name__.rpartition('.')[2]}")
        changed = source.replace(right, wrong) if right else source
        exec(compile(changed, copy.__name__, "exec"), copy.__dict__)
        copies.append(copy)
    shared, definition = copies
    definition._renewal = shared
    return definition


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_copy_disagrees_with_the_oracle(name, monkeypatch):
    right, wrong, changes = MISTAKES[name]
    settings = small(options(**changes))
    assert first_disagreement(settings, copied(right, wrong), monkeypatch) is not None


def test_an_unchanged_copy_agrees(monkeypatch):
    assert first_disagreement(small(options()), copied(), monkeypatch) is None
