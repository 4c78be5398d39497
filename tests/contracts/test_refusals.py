"""A fast path trains what it knows as the definition does, and refuses the rest with a reason.

Values are those of the settings' own types, and one that nobody knows: nothing has to be added here for a new one.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
from contracts import tiny
from contracts.tiny import CASES, SEEDS

from perennial import registry
from perennial.config import entries
from perennial.learning import engines, losses
from perennial.learning.engines import fast_path
from perennial.learning.losses import NETWORK, LossSpec

FOLDERS = {folder: engine for engine, folders in engines.FOLDERS.items() for folder in folders}
#: folder -> the case that it is tried on
OF_FOLDER = {
    "lanes": "compiled",
    "fused": "compiled",
    "graphed": "online",
    "pooled": "convolutions",
    "dense": "residual layers",
    "graphed.batches": "convolutions",
}
#: a case of its own, which not every algorithm can learn
RESIDUAL = {"residual layers": tiny.Case({NETWORK: {"name": "residual_mlp", "hidden": [5, 5]}}, batch=4)}
TRIED = {**CASES, **RESIDUAL}
FILES = [
    (folder, name) for folder in FOLDERS for name in registry.names("algorithms") if fast_path(folder, name)
]
ACTIVATIONS = engines.choices(registry.module("networks", "mlp").Settings)["activation"]


def need(folder: str, algorithm: dict[str, Any], **changes: Any) -> Any:
    return TRIED[OF_FOLDER[folder]].need(algorithm, **changes)


def refused(engine: str, asked: Any, words: str) -> None:
    """`fits` and `choose` say so, in one line; left to itself the choice is another one."""
    reason = engines.fits(engine, asked)
    assert reason is not None and words in reason and "\n" not in reason, reason
    with pytest.raises(engines.Unsupported) as caught:
        engines.choose(asked, engine)
    assert reason in str(caught.value)
    with pytest.raises(engines.Unsupported):
        engines.learner(engine, asked, None, SEEDS)


def test_every_fast_path_has_a_case():
    """A folder added to `engines.FOLDERS` is to be tried here."""
    assert FOLDERS.keys() == OF_FOLDER.keys() and len(FILES) > 15


def test_every_engine_can_be_asked_for():
    assert set(get_args(entries.Engine)) == {"auto", *engines.NAMES}


# ---- what is not known


def widened(kind: type, key: str) -> type:
    """Settings with one more value of a choice, as somebody would add it to the definition."""
    values = (*engines.choices(kind)[key], "novel")
    field = kind.model_fields[key]
    return type(
        "Settings", (kind,), {"__annotations__": {key: Literal[values]}, key: field, "__module__": __name__}
    )


@pytest.mark.parametrize(
    ("folder", "name", "key"),
    [
        (folder, name, key)
        for folder, name in FILES
        for key in engines.choices(registry.module("algorithms", name).Settings)
    ],
)
def test_an_unknown_value_of_an_algorithm_s_choice(folder, name, key, monkeypatch):
    module = registry.module("algorithms", name)
    assert engines.fits(FOLDERS[folder], need(folder, tiny.hyper(name))) is None
    monkeypatch.setattr(module, "Settings", widened(module.Settings, key))
    refused(FOLDERS[folder], need(folder, {**tiny.hyper(name), key: "novel"}), f"{key} 'novel'")


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_a_choice_that_a_file_has_never_heard_of(folder, name, monkeypatch):
    """A new switch of an algorithm, or of a network, whatever its value."""
    module = registry.module("algorithms", name)
    added = {"__annotations__": {"fashion": Literal["old", "new"]}, "fashion": "old", "__module__": __name__}
    monkeypatch.setattr(module, "Settings", type("Settings", (module.Settings,), added))
    refused(FOLDERS[folder], need(folder, tiny.hyper(name)), "fashion 'old' (it knows: none)")


@pytest.mark.parametrize("folder", ["lanes", "fused", "graphed", "pooled", "dense"])
def test_a_choice_of_a_network_that_a_folder_has_never_heard_of(folder, monkeypatch):
    """`graphed/batches` calls the network's own forward pass: whatever that does is right."""
    asked = need(folder, tiny.hyper("backprop"))
    module = registry.module("networks", asked.networks[NETWORK]["name"])
    added = {"__annotations__": {"gates": Literal["none", "some"]}, "gates": "none", "__module__": __name__}
    monkeypatch.setattr(module, "Settings", type("Settings", (module.Settings,), added))
    refused(FOLDERS[folder], asked, "gates 'none' (it knows: none)")


def changed(asked: Any) -> dict[str, Any]:
    """Words of the reason -> a need that nobody's fast path serves."""
    own = dict(asked.networks[NETWORK])
    return {
        "network 'novel'": replace(asked, networks={NETWORK: {**own, "name": "novel"}}),
        "loss 'novel'": replace(asked, loss=LossSpec("novel")),
        "settings of a loss (smoothing)": replace(asked, loss=LossSpec(asked.loss.name, {"smoothing": 0.1})),
        "a single network": replace(asked, networks={"policy": own, "value": own}),
        "a constant rate": replace(asked, schedule=True),
        "whole tasks": replace(asked, tasks=False),
        "single network at": replace(asked, shared=True),
    }


@pytest.mark.parametrize("words", changed(CASES["online"].need({"name": "backprop"})))
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_unknown_kind_of_course(folder, words):
    asked = need(folder, tiny.hyper("backprop"))
    if words == "network 'novel'":  # of several folders of an engine that for the batch answers
        assert "network 'novel'" in str(engines.fits(FOLDERS[folder], changed(asked)[words]))
    refused(FOLDERS[folder], changed(asked)[words], words)


@pytest.mark.parametrize("folder", ["lanes", "fused", "graphed"])
def test_what_is_for_one_example_a_step_and_one_pass(folder):
    asked = need(folder, tiny.hyper("backprop"))
    refused("fused", replace(asked, batch=4), "one example a step (batch: 4)")
    refused(FOLDERS[folder], replace(asked, passes=True), "one pass")
    novel = {NETWORK: {**asked.networks[NETWORK], "activation": "sine"}}
    refused(FOLDERS[folder], replace(asked, networks=novel), "activation 'sine'")


def test_a_user_s_algorithm_has_no_fast_path(folder_of_mine):
    """Also one that is called like a file of the engines that is no algorithm's."""
    for engine in ("lanes", "fused", "pooled", "dense", "graphed"):
        folder = engines.FOLDERS[engine][0]
        refused(engine, need(folder, {"name": "mine"}), "algorithm 'mine' has no file")
    assert fast_path("fused", "layout") is None and fast_path("graphed", "step") is None


def test_planning_imports_neither_torch_nor_numba():
    program = (
        "import sys\n"
        "from perennial.learning import engines\n"
        "from perennial.learning.learner import Need\n"
        "from perennial.learning.losses import LossSpec\n"
        "for batch in (1, 4):\n"
        "    for name in ('mlp', 'convnet'):\n"
        "        settings = {'name': 'cbp', 'step_size': 0.1, 'replacement_rate': 0.1}\n"
        "        need = Need({'net': {'name': name, 'hidden': [4]}}, settings, LossSpec('cross_entropy'), batch)\n"
        "        assert engines.modules(need)\n"
        "print(sorted({'torch', 'numba'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ---- what is known


def agree(folder: str, algorithm: dict[str, Any], case: str | None = None, steps: int = 20) -> None:
    """Twenty steps under the fast path and under the definition end alike."""
    of = TRIED[case or OF_FOLDER[folder]]
    states = []
    for engine in (FOLDERS[folder], "stacked"):
        learner = of.learner(algorithm, engine)
        shown = learner.train([of.task(seed, steps=steps) for seed in SEEDS], 0)
        assert shown.shape == (len(SEEDS), steps) and np.isfinite(shown).all()
        states.append((learner.state(), shown))
    tiny.close(states[0][0], states[1][0])
    np.testing.assert_allclose(states[0][1], states[1][1], atol=1e-10)


def known(folder: str, name: str) -> list[dict[str, Any]]:
    """Variations of an algorithm's settings that the folder's file serves."""
    return [
        algorithm
        for algorithm in tiny.variations(name)
        if engines.fits(FOLDERS[folder], need(folder, algorithm)) is None
    ]


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_every_value_that_a_file_knows_is_trained_as_the_definition_does(folder, name):
    """Each value of `KNOWS` is one of the definition's, and occurs among the settings that are trained."""
    knows, served = getattr(fast_path(folder, name), "KNOWS", {}), known(folder, name)
    possible = engines.choices(registry.module("algorithms", name).Settings)
    for key, values in knows.items():
        assert set(values) <= set(possible[key])
        assert set(values) == {registry.parse("algorithms", one).model_dump()[key] for one in served}, key
    for algorithm in served:
        agree(folder, algorithm)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "folder", ["graphed", "graphed.batches", pytest.param("fused", marks=pytest.mark.slow)]
)
def test_every_activation(folder, activation):
    """`fused` compiles a loop for each, so its own tests have them (test_engines.py) and these are slow."""
    networks = {NETWORK: {**tiny.MLP, "activation": activation}}
    of = tiny.Case(networks, batch=4 if folder == "graphed.batches" else 1)
    states = []
    for engine in (FOLDERS[folder], "stacked"):
        learner = of.learner(tiny.hyper("cbp"), engine)
        learner.train([of.task(seed) for seed in SEEDS], 0)
        states.append(learner.state())
    tiny.close(*states)


@pytest.mark.parametrize("case", ["online", "regression"])
@pytest.mark.parametrize("folder", ["graphed", pytest.param("fused", marks=pytest.mark.slow)])
def test_both_losses_of_the_closed_forms(folder, case):
    agree(folder, tiny.hyper("cbp"), case)


@losses.register
def margins(forward: losses.Forward, batch: Any, settings: Any) -> tuple[Any, Any]:
    """A loss of this file: the mean square of (output - label)."""
    error = ((forward(NETWORK, batch["inputs"]) - batch["targets"].unsqueeze(2)) ** 2).mean((1, 2))
    return error, error


def test_any_loss_of_one_network_in_mini_batches():
    """Also one that is registered elsewhere; the closed forms refuse it."""
    of = tiny.Case({NETWORK: tiny.CONVNET}, "margins", batch=4)
    states = []
    for engine in ("graphed", "stacked"):
        learner = of.learner(tiny.hyper("cbp"), engine)
        learner.train([of.task(seed) for seed in SEEDS], 0)
        states.append(learner.state())
    tiny.close(*states)
    refused("pooled", of.need(tiny.hyper("cbp")), "loss 'margins' (it knows: cross_entropy)")
    refused("fused", tiny.Case({NETWORK: tiny.MLP}, "margins").need(tiny.hyper("cbp")), "loss 'margins'")
