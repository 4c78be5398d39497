"""What recording a step needs, shown without a GPU: nothing is asked of the host, and nothing is baked in.

A step is taken on PyTorch's tensors without data, on which a read by the host is an error. Then it is traced: a list of
operations on its arguments, which is played at another step, task and rate, on other numbers. It must do there what the
step itself does, to the last bit: whatever Python saw of the clock or the rate would show.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contracts import tiny
from contracts.outside import only_folder
from contracts.tiny import CASES, Case
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map

from perennial import registry
from perennial.learning import tree
from perennial.learning.engines.stacked import take_step
from perennial.learning.losses import LossSpec
from perennial.streams.clock import Clock

FULLY_CONNECTED_ONLY = ("online_normalisation",)


class Steps:
    """A learner's step as a function of tensors alone."""

    def __init__(self, case: Case, algorithm: dict[str, Any]) -> None:
        self.case, self.networks = case, case.networks()
        self.module = registry.module("algorithms", algorithm["name"])
        self.hyper = registry.parse("algorithms", algorithm)
        begun = case.learner(algorithm).state()
        self.begun = tree.each(torch.tensor, {"buffers": {}, "problem": {}, **begun})

    def arguments(self, task: int, step: int, rate: float) -> tuple[Any, ...]:
        """A state of its own, a batch, the clock's fields and the rate."""
        batch = {name: torch.tensor(array) for name, array in self.case.batch_of(tiny.SEEDS, step).items()}
        batch["inputs"] = batch["inputs"].to(torch.float64)
        counts = torch.tensor(tiny.SEEDS), torch.tensor([task]), torch.tensor([step])
        return tree.each(torch.clone, self.begun), batch, *counts, torch.tensor(rate, dtype=torch.float64)

    def take(self, state: Any, batch: Any, seeds: Any, task: Any, step: Any, rate: Any) -> Any:
        """One step: the performance, and the state after it."""
        loss, clock = LossSpec(self.case.loss), Clock(seeds, task, step)
        performance = take_step(self.module, self.hyper, self.networks, state, loss, batch, clock, rate)
        return performance, state

    def advance(self, steps: int) -> None:
        """Move the state on, so that units are old enough to be renewed."""
        for step in range(steps):
            _, self.begun = self.take(*self.arguments(0, step, 1.0))


def check(case: Case, algorithm: dict[str, Any]) -> None:
    """Take the first step without data; trace it; play it elsewhere."""
    steps = Steps(case, algorithm)
    first = steps.arguments(0, 0, 1.0)
    with FakeTensorMode() as mode:
        steps.take(*tree_map(mode.from_tensor, first))

    def take(state: Any, batch: Any, seeds: Any, task: Any, step: Any, rate: Any) -> Any:
        return steps.take(state, batch, seeds, task, step, rate)  # the tracer takes functions only

    traced = make_fx(take, tracing_mode="fake")(*first)
    steps.advance(8)
    for place in ((3, 8, 0.5), (0, 9, 1.0)):
        played, taken = traced(*steps.arguments(*place)), steps.take(*steps.arguments(*place))
        for (path, one), (_, other) in zip(_named(played), _named(taken), strict=True):
            assert one.dtype == other.dtype and torch.equal(one, other), (place, path)
    begun, ended = dict(tree.leaves(steps.begun)), dict(tree.leaves(taken[1]))
    assert any(not torch.equal(begun[path], ended[path]) for path in begun if path.startswith("/weights"))


def _named(found: Any) -> list[tuple[str, Any]]:
    performance, state = found
    return [("performance", performance), *tree.leaves(state)]


@pytest.mark.parametrize(
    "algorithm",
    [one for name in registry.names("algorithms") for one in tiny.variations(name)],
    ids=tiny.label,
)
def test_every_setting_online(algorithm):
    check(CASES["online"], algorithm)


@pytest.mark.parametrize("case", [name for name in CASES if name != "online"])
@pytest.mark.parametrize("algorithm", registry.names("algorithms"))
def test_every_kind_of_learner(algorithm, case):
    if algorithm in FULLY_CONNECTED_ONLY and case in ("convolutions", "residual"):
        pytest.skip("takes no convolutions, see test_combinations.py")
    check(CASES[case], tiny.hyper(algorithm))


def test_a_renewal_happens_while_it_is_played():
    """Or the test above would show nothing of renewals."""
    steps = Steps(CASES["online"], tiny.hyper("cbp"))
    steps.advance(8)
    _, state = steps.take(*steps.arguments(0, 8, 1.0))
    assert any((own["age"] == 0).any() for own in state["algorithm"].values())


READS = {
    "a number is read": "    if float(state['weights']['bias_0'].sum()) > 1e9:\n        return\n",
    "a branch on data": "    if (state['weights']['bias_0'] > 1e9).any():\n        return\n",
    "as many results as data say": "    state['weights']['bias_0'].nonzero()\n",
    "a branch on the clock of the host": "    if clock.step % 2:\n        return\n",
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_waits_for_the_host_is_noticed(read, tmp_path, monkeypatch):
    """A user's algorithm that does so is no algorithm for a GPU; the check above says so."""
    text = (
        "from perennial.learning.algorithms import backprop\n"
        "from perennial.learning.algorithms.backprop import Settings, init\n\n\n"
        "def update(settings, networks, state, gradients, features, clock, rate):\n"
        f"{read}    backprop.update(settings, networks, state, gradients, features, clock, rate)\n"
    )
    (tmp_path / "waits.py").write_text(text, encoding="utf-8")
    with (
        only_folder(tmp_path, monkeypatch),
        pytest.raises(Exception, match=r"data-dependent|local_scalar_dense|nonzero"),
    ):
        check(CASES["online"], {"name": "waits", "step_size": 0.01})
