"""Starting units afresh: what every method shares that renews units (continual backpropagation, ReDo, ...).

Shapes are fixed, so that a step does the same work whatever happens. A method that renews a few units of each layer has
slots for them, [r, k]: it names k different units and says which of them are due. What is not due is written back as it
was. A method with a threshold has one slot for every unit.
"""

from __future__ import annotations

import math
from typing import Any

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _periods
from perennial.streams import tensors

UNIT_STRIDE = 256  # a unit's own numbers in the replacement stream: layer + UNIT_STRIDE (unit + 1)


def slots(rate: float, units: int) -> int:
    """The most units of a layer that a step can renew at a replacement rate; a saved-up fraction may add one."""
    return min(math.ceil(rate * units) + 1, units) if rate > 0 else 0


def number_due(rate: float, mature: Any, saved: Any, coin: Any | None, *, of_width: bool) -> Any:
    """How many units of a layer each run renews now: [r] int64, never more than are mature.

    Args:
        rate: replacement rate, a share of the mature units, or of the layer's width if there are any (`of_width`).
        mature: [r, h] bool.
        saved: fractions of a unit saved up [r] float64, changed in place; not used with a coin.
        coin: uniforms [r]: a fraction of a unit is renewed with that probability. None: it is saved up.
    """
    eligible = mature.sum(1)
    base = (eligible > 0) * mature.shape[1] if of_width else eligible
    due = rate * base.to(torch.float64)  # [r]
    if coin is not None:
        number = torch.where(due < 1, (coin.to(torch.float64) < due).to(torch.float64), due.floor())
    else:
        saved += due
        number = saved.floor()
        saved -= number
    return torch.minimum(number.to(torch.int64), eligible)


def least(score: Any, mature: Any, count: int) -> Any:
    """The `count` mature units of lowest score, of equal ones the first: [r, k] int64. Young units come last."""
    return torch.where(mature, score, torch.inf).argsort(dim=1, stable=True)[:, :count]


def fresh_weights(layers: list[Any], weights: State, units: list[Any], clock: Clock) -> list[Any]:
    """Fresh incoming weights for the units [r, k] of each layer, as the layer's first ones: [r, k, i, ...] each.

    A unit's numbers depend on its place in the network and the clock alone; one draw serves all layers.
    """
    shapes = [layer.units(weights).incoming.shape[2:] for layer in layers]
    places = [layer.address + UNIT_STRIDE * (chosen + 1) for layer, chosen in zip(layers, units, strict=True)]
    longest = max(shape.numel() for shape in shapes)
    at = streams.REPLACEMENT, clock, torch.cat(places, dim=1), longest
    draws = {
        "uniform": lambda: tensors.uniforms_at(*at) * 2 - 1,
        "normal": lambda: tensors.normals_at(*at) / 3**0.5,
    }
    kinds = [layer.distribution for layer in layers]
    drawn = {kind: draws[kind]() for kind in set(kinds)}  # [r, all k, longest], of the bound 1
    found, sizes = [], [chosen.shape[1] for chosen in units]
    parts = {kind: u.split(sizes, dim=1) for kind, u in drawn.items()}
    for k, (layer, shape) in enumerate(zip(layers, shapes, strict=True)):
        sample = parts[kinds[k]][k][:, :, : shape.numel()].unflatten(
            2, shape
        )  # [r, k, i ...] -> [r, k, i, ...]
        found.append(sample.to(layer.units(weights).incoming.dtype) * layer.bound)
    return found


def all_units(layer: Any, weights: State) -> Any:
    """A slot for every unit of a layer: [r, h] int64."""
    runs, units = layer.units(weights).incoming.shape[:2]
    return torch.arange(units, device=layer.units(weights).incoming.device).expand(runs, units)


def restart(layers: list[Any], state: State, due: list[Any], clock: Clock, memories: tuple[str, ...]) -> None:
    """Start every unit afresh that is due.

    Args:
        due: of each layer [r, h] bool.
        memories: see `renew`.
    """
    if not layers or all(_periods.nothing(of_layer) for of_layer in due):
        return
    chosen = [all_units(layer, state["weights"]) for layer in layers]
    fresh = fresh_weights(layers, state["weights"], chosen, clock)
    for layer, *of_layer in zip(layers, chosen, due, fresh, strict=True):
        renew(layer, state, *of_layer, memories, ())


def renew(
    layer: Any,
    state: State,
    chosen: Any,
    due: Any,
    fresh: Any,
    memories: tuple[str, ...],
    own: tuple[str, ...],
) -> None:
    """Start the units of a layer afresh that are due: new incoming and zero outgoing weights, nothing remembered.

    Args:
        layer: a `perennial.learning.views.HiddenLayer`.
        state: of the learner, changed in place.
        chosen, due: units [r, k], all different in a run, and which of them are due.
        fresh: their incoming weights [r, k, i, ...].
        memories: branches of the optimiser that forget what is the unit's.
        own: arrays [r, h] of the layer's branch of the algorithm that become zero.
    """
    units = layer.units({**state["weights"], **state.get("buffers", {})})
    write(units.incoming, chosen, due, fresh)
    for array in units.outgoing:
        write(array, chosen, due)
    for array, value in (*units.affine, *units.statistics):
        write(array, chosen, due, torch.full_like(chosen, value, dtype=array.dtype))
    for name in own:
        write(state["algorithm"][layer.key][name], chosen, due)
    for memory in memories:
        remembered = layer.units(state["optimiser"][memory])
        for array in (remembered.incoming, *remembered.outgoing, *(array for array, _ in remembered.affine)):
            write(array, chosen, due)


def write(array: Any, chosen: Any, due: Any, new: Any = None) -> None:
    """Put `new` [r, k, ...], or zeros, into an array [r, h, ...] at those chosen units [r, k] that are due."""
    runs = torch.arange(len(array), device=array.device).unsqueeze(1)  # [r, 1]
    old = array[runs, chosen]  # [r, k, ...]
    mask = due.view(*due.shape, *[1] * (old.dim() - 2))
    array[runs, chosen] = old.masked_fill(mask, 0) if new is None else torch.where(mask, new, old)


def transfer_bias(layer: Any, weights: State, mean: Any, chosen: Any, due: Any) -> None:
    """Move the mean activations [r, h] of the units that are due into the biases of the next layers.

    Without padding a convolution's sum has all weights of its kernel, so that the move is exact there too.
    """
    units = layer.units(weights)
    runs = torch.arange(len(mean), device=mean.device).unsqueeze(1)
    for outgoing, bias in zip(units.outgoing, units.next_biases, strict=True):
        rows = outgoing[runs, chosen].transpose(2, 3).flatten(3).sum(3)  # [r, k, p, o, ...] -> [r, k, o]
        moved = (mean.gather(1, chosen).unsqueeze(2) * rows).masked_fill(~due.unsqueeze(2), 0)
        bias.add_(moved.sum(1))
