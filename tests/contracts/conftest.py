"""A user's algorithm, in a folder of its own, for all tests of this folder."""

from __future__ import annotations

import pytest
from contracts.outside import only_folder

MINE = '''"""Descent by the mean gradient so far, squashed. It puts new tensors into the state."""

from pydantic import Field

from perennial.lazy import torch
from perennial.settings import Settings as Base


class Settings(Base):
    """Hyper-parameters."""

    step_size: float = Field(0.01, gt=0, description="step size")


def init(settings, networks, weights):
    """The sum of all gradients, and how many there were."""
    one = next(iter(weights.values()))
    sums = {name: torch.zeros_like(w) for name, w in weights.items()}
    return {"optimiser": {"sum": sums}, "algorithm": {"steps": one.new_zeros(len(one))}}


def update(settings, networks, state, gradients, features, clock, rate):
    """w <- w - step_size tanh(sum of g / steps)."""
    steps = state["algorithm"]["steps"] = state["algorithm"]["steps"] + 1
    for name, g in gradients.items():
        total = state["optimiser"]["sum"][name] = state["optimiser"]["sum"][name] + g
        mean = total / steps.view(-1, *[1] * (g.dim() - 1))
        state["weights"][name] = state["weights"][name] - settings.step_size * rate * torch.tanh(mean)
'''


@pytest.fixture(scope="session")
def folder_of_mine(tmp_path_factory):
    """Where the file lies."""
    folder = tmp_path_factory.mktemp("algorithms")
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def mine(folder_of_mine, monkeypatch):
    """The algorithm `mine` is there."""
    with only_folder(folder_of_mine, monkeypatch):
        yield
