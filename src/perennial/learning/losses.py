"""Losses by name, so that an engine can know one or refuse it.

A loss is a function (forward, batch, settings) -> (loss [r], performance [r]). `forward(network, inputs)` gives the
outputs [r, b, o] of a network by name; it may be called several times, for several networks. `batch` holds tensors with
leading axes r and b. The loss of a run is a mean over its batch; runs have nothing in common, so a learner
differentiates their sum. The performance is what is recorded before the update.

A procedure with a loss of its own registers it where it stands: `@losses.register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perennial.errors import UserError
from perennial.lazy import torch

NETWORK = "net"  #: what the only network of a learner is called

Forward = Callable[[str, Any], Any]
Loss = Callable[[Forward, Mapping[str, Any], Mapping[str, Any]], tuple[Any, Any]]


class UnknownLoss(UserError, LookupError):
    """No loss of that name; the message lists those there are."""


@dataclass(frozen=True)
class LossSpec:
    """A loss by name, with its settings; `network` among these names the network that it trains."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


_known: dict[str, Loss] = {}


def register(loss: Loss) -> Loss:
    """Make a loss known under its function's name. The same function may be registered again (a module loaded anew)."""
    name = loss.__name__
    before = _known.get(name)
    if before is not None and before.__module__ != loss.__module__:
        raise UnknownLoss(f"loss '{name}' of {loss.__module__} is already taken by {before.__module__}")
    _known[name] = loss
    return loss


def get(name: str) -> Loss:
    """The loss of that name.

    Raises:
        UnknownLoss: there is none.
    """
    if name not in _known:
        raise UnknownLoss(f"'{name}' is not one of the losses: {', '.join(sorted(_known))}")
    return _known[name]


def names() -> tuple[str, ...]:
    """All losses that are known by now."""
    return tuple(sorted(_known))


@register
def squared_error(forward: Forward, batch: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """(y - output)^2 of a network with one output. Batch: inputs [r, b, i], targets [r, b]."""
    outputs = forward(settings.get("network", NETWORK), batch["inputs"])
    error = ((outputs[:, :, 0] - batch["targets"].to(outputs.dtype)) ** 2).mean(1)  # [r, b] -> [r]
    return error, error


@register
def cross_entropy(forward: Forward, batch: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """-log softmax at the label; performance: the share classified right. Batch: inputs [r, b, i], targets [r, b].

    Settings: `classes`, the first so many outputs take part; None: all.
    """
    outputs, labels = forward(settings.get("network", NETWORK), batch["inputs"]), batch["targets"]
    outputs = outputs[:, :, : settings.get("classes")]
    each = torch.nn.functional.cross_entropy(
        outputs.flatten(0, 1), labels.flatten(), reduction="none"
    )  # [r b]
    right = (outputs.argmax(2) == labels).to(torch.float64)
    return each.view(labels.shape).mean(1), right.mean(1)
