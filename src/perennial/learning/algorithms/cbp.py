"""Continual backpropagation (CBP): backpropagation that renews its least useful, mature units all the time.

After each gradient step every hidden unit's utility is updated. A small share of the mature units, those of
lowest utility, start afresh: new incoming weights, zero outgoing weights. (Nature 2024, Methods, eq. 1; the
two-part utility of arXiv 2306.13812, eqs. 4-8, made the published curves of the regression, MNIST and ImageNet.)

A unit is what the network says it is: one of a fully connected layer, or a channel of a convolution, which is at
many places of the image and whose means are taken over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _moments, _renewal, backprop
from perennial.settings import switch
from perennial.streams import tensors


class Settings(_moments.Settings):
    """Hyper-parameters of continual backpropagation."""

    replacement_rate: float = Field(ge=0, le=1, description="share of mature units replaced per step (rho)")
    maturity_threshold: int = switch(
        100,
        "a unit may be replaced once it is older than this many steps (m)",
        paper="100",
        code="100 for MNIST; the regression's configuration sets 100 under a key that is not read: 10 is used",
        ge=0,
    )
    utility_decay: float = Field(0.99, ge=0, lt=1, description="decay of the running averages (eta)")
    utility: Literal[
        "contribution",
        "zero_contribution",
        "adaptable_contribution",
        "adaptation",
        "weight",
        "feature_by_input",
        "random",
    ] = switch(
        "adaptable_contribution",
        "instantaneous utility of a unit",
        paper="contribution (Nature eq. 1); the preprint has adaptable_contribution",
        code="adaptable_contribution for ImageNet, MNIST and the regression",
    )
    utility_average: Literal["corrected", "uncorrected", "running_sum"] = switch(
        "corrected",
        "average of the utility over time: corrected for its start at zero or not; or the sum of all activities so "
        "far, also those before a renewal, times the weights as they are now",
        paper="uncorrected (Nature eq. 1); the preprint corrects it",
        code="corrected; running_sum in the residual network of CIFAR-100, by a slip",
    )
    count: Literal["eligible", "layer_width"] = switch(
        "eligible",
        "what the replacement rate is a share of",
        paper="mature units",
        code="mature units in fully connected networks, the layer's width in convolutional ones",
    )
    fraction: Literal["accumulate", "bernoulli"] = switch(
        "accumulate",
        "what becomes of a fraction of a unit: saved up, or replaced with that probability",
        paper="accumulate",
        code="accumulate for MNIST, bernoulli for the regression",
    )
    bias_transfer: Literal["off", "on"] = switch(
        "off",
        "move the mean activation of a replaced unit into the biases of the next layer",
        paper="not mentioned; the preprint says it is done",
        code="meant, but the mean is set to zero before it is used: off",
    )
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="the gradient step before the replacement")
    momentum: float = Field(0, ge=0, lt=1, description="share of the last change that is made again (mu)")
    renewed_velocity: Literal["kept", "zero"] = switch(
        "kept",
        "the velocities of a replaced unit's weights (momentum only)",
        paper="not mentioned",
        code="kept: for about ten steps they push the new weights as they did the old ones",
    )
    renewed_moments: Literal["zero", "kept"] = switch(
        "zero",
        "Adam's moments and ages of a replaced unit's weights (optimiser: adam only)",
        paper="zero (the preprint)",
        code="zero",
    )
    renewed_weights: Literal["layer", "xavier", "lecun", "default"] = switch(
        "layer",
        "new incoming weights: as the layer's first ones; or uniform within g sqrt(6 / (fan_in + fan_out)), "
        "sqrt(3 / fan_in) or 1 / sqrt(fan_in), g the gain of the layer's first ones",
        paper="the layer's initial distribution",
        code="the same for all figures; the others are options. For leaky ReLU it takes the gain for a slope of 0",
    )
    adam_bias_correction: Literal["standard", "gnt_bug"] = switch(
        "standard",
        "bias correction of Adam with a step count for each weight (optimiser: adam only)",
        paper="standard",
        code="an in-place call acts on a temporary: step_size (1 - beta_2^t) m / (sqrt(v) + epsilon)",
    )

    _momentum = model_validator(mode="after")(backprop.no_momentum_on_adam)


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Per hidden layer: utility, mean activation and age [r, h], and the fraction saved up [r]."""
    state: State = {"optimiser": backprop.velocity(settings, weights), "algorithm": {}}
    if settings.optimiser == "adam":
        state["optimiser"] = {
            kind: {name: torch.zeros_like(w) for name, w in weights.items()}
            for kind in ("first_moment", "second_moment", "age")
        }
    for layer in networks.hidden:
        incoming = layer.units(weights).incoming  # [r, h, i, ...]
        runs_units, device = incoming.shape[:2], incoming.device
        state["algorithm"][layer.key] = {
            "utility": incoming.new_zeros(runs_units),
            "mean_feature": incoming.new_zeros(runs_units),
            "age": torch.zeros(runs_units, dtype=torch.int64, device=device),
            "saved": torch.zeros(runs_units[0], dtype=torch.float64, device=device),
        }
    return state


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """One gradient step; then every unit is tested, and the least useful start afresh."""
    descend(settings, state, gradients, rate)
    replace(settings, networks, state, features, clock)


def descend(settings: Settings, state: State, gradients: Any, rate: Any) -> None:
    """Gradient descent with decay, or Adam with an age for each weight: a renewed weight is corrected for its own."""
    optimiser = state["optimiser"]
    for name, g in gradients.items():
        w = state["weights"][name]
        if settings.optimiser == "sgd":
            backprop.descend(settings, state, name, g + settings.weight_decay * w, rate)
            continue
        m, v, age = (optimiser[kind][name] for kind in ("first_moment", "second_moment", "age"))
        age.add_(1)
        _moments.step(settings, m, v, w, g, age, rate, damped=settings.adam_bias_correction == "gnt_bug")


def replace(settings: Settings, networks: Any, state: State, features: Any, clock: Clock) -> None:
    """Test every unit and renew the least useful, after the gradient step. The choice is made in all layers before
    any unit is renewed, so that utilities are those of the trained network."""
    layers = [layer for layer in networks.hidden if layer.key in features]
    for layer in layers:
        _measure(settings, layer, state, features[layer.key])
    if settings.replacement_rate == 0 or not layers:
        return
    chosen, due = zip(*(_choose(settings, layer, state, clock) for layer in layers), strict=True)
    fresh = _renewal.fresh_weights(layers, state["weights"], list(chosen), clock)
    if settings.renewed_weights != "layer":
        fresh = [
            new * (_bound(settings, layer, state["weights"]) / layer.bound)
            for layer, new in zip(layers, fresh, strict=True)
        ]
    for layer, *of_layer in zip(layers, chosen, due, fresh, strict=True):
        renew(settings, layer, state, *of_layer)


def _bound(settings: Settings, layer: Any, weights: State) -> float:
    """Of a layer's renewed weights, where they are not drawn like its first ones."""
    units = layer.units(weights)
    fan_in = units.incoming[0, 0].numel()
    fan_out = sum(array[0, 0].numel() for array in units.outgoing)
    gain = layer.bound / (3 / fan_in) ** 0.5
    bounds = {
        "xavier": gain * (6 / (fan_in + fan_out)) ** 0.5,
        "lecun": (3 / fan_in) ** 0.5,
        "default": fan_in**-0.5,
    }
    return bounds[settings.renewed_weights]


def _measure(settings: Settings, layer: Any, state: State, features: Any) -> None:
    """Ages, mean activations and utilities of one layer after the step, from its activations [r, b, h p]."""
    h, eta = layer.by_unit(features), settings.utility_decay  # [r, b, h, p]
    own, units = state["algorithm"][layer.key], layer.units(state["weights"])
    own["age"] += 1
    own["mean_feature"].mul_(eta).add_(h.mean((1, 3)), alpha=1 - eta)
    if settings.utility_average == "running_sum":
        own["utility"].add_(activity_of_units(settings.utility, h, _mean(settings, own)), alpha=1 - eta)
    else:
        y = instantaneous_utility(settings.utility, units, h, _mean(settings, own))
        own["utility"].mul_(eta).add_(y, alpha=1 - eta)


def _mean(settings: Settings, own: State) -> Any:
    """The running mean activations [r, h], corrected for their start at zero."""
    return own["mean_feature"] / _correction(settings, own)


def _correction(settings: Settings, own: State) -> Any:
    return _moments.bias_correction(settings.utility_decay, own["age"].to(own["utility"].dtype))  # [r, h]


class Factors(NamedTuple):
    """What a utility is made of: y = activity · outgoing / incoming, without the factors that it leaves out."""

    activity: Literal["size", "deviation", "none"]  #: mean |h|, or |h - its running mean|
    outgoing: bool  #: mean |w| of what the next layer gives the unit
    incoming: bool  #: mean |w| of what the unit receives


#: Every form of the utility, here and in compiled code, reads this table.
FACTORS = {
    "contribution": Factors("size", True, False),  # Nature eq. 1
    "zero_contribution": Factors("deviation", True, False),  # arXiv eqs. 4-5
    "adaptable_contribution": Factors("deviation", True, True),  # arXiv eqs. 6-8
    "adaptation": Factors("none", False, True),
    "weight": Factors("none", True, False),
    "feature_by_input": Factors("deviation", False, True),
    "random": Factors("none", True, False),  # kept, but the choice is by lot
}


def combined(
    kind: str, activity: Callable[[str], Any], outgoing: Callable[[], Any], incoming: Callable[[], Any]
) -> Any:
    """y [..., h] from its factors, tensors or arrays; only those that the utility has are asked for.

    Args:
        kind: one of the settings' utilities.
        activity: of a kind in `Factors`, [..., h, p].
        outgoing, incoming: [..., h, p] and [..., h].
    """
    factors = FACTORS[kind]
    y = activity(factors.activity)
    y = (y * outgoing() if factors.outgoing else y).mean(-1)  # [..., h, p] -> [..., h]
    return y / incoming() if factors.incoming else y


def instantaneous_utility(kind: str, units: Any, h: Any, mean: Any) -> Any:
    """y [r, h] of every unit. Means instead of the papers' sums: the ranking in a layer is the same.

    Args:
        kind: one of the settings' utilities.
        units: what each unit owns; several layers that read a unit count with their mean.
        h: activations [r, b, h, p].
        mean: running mean activation [r, h].
    """

    def activity(of: str) -> Any:
        if of == "none":
            return torch.ones_like(mean).unsqueeze(2)  # [r, h, 1]
        return (h if of == "size" else h - mean[:, None, :, None]).abs().mean(1)  # [r, b, h, p] -> [r, h, p]

    def outgoing() -> Any:
        sizes = [mean_size(array, 3) for array in units.outgoing]  # [r, h, p, o, ...] -> [r, h, p]
        return sizes[0] if len(sizes) == 1 else sum(sizes) / len(sizes)

    return combined(kind, activity, outgoing, lambda: mean_size(units.incoming, 2))


def activity_of_units(kind: str, h: Any, mean: Any) -> Any:
    """The factor of a utility that comes from activations alone, [r, h]: a mean over batch and places."""
    of = FACTORS[kind].activity
    if of == "none":
        return torch.ones_like(mean)
    return (h if of == "size" else h - mean[:, None, :, None]).abs().mean((1, 3))  # [r, b, h, p] -> [r, h]


def _score(settings: Settings, layer: Any, state: State) -> Any:
    """What units are ranked by, [r, h]: those of lowest score go."""
    utility = state["algorithm"][layer.key]["utility"]
    if settings.utility_average == "corrected":
        own = state["algorithm"][layer.key]
        return own["utility"] / _correction(settings, own)
    if settings.utility_average == "uncorrected":
        return utility
    factors, units = FACTORS[settings.utility], layer.units(state["weights"])
    if factors.outgoing:
        sizes = [mean_size(array, 2) for array in units.outgoing]  # [r, h, p, o, ...] -> [r, h]
        utility = utility * (sum(sizes) / len(sizes))
    return utility / mean_size(units.incoming, 2) if factors.incoming else utility


def mean_size(w: Any, axis: int) -> Any:
    """Mean |w| over an axis and all after it; on a GPU, where memory is the limit, without storing |w|."""
    if w.is_cuda:
        axes = tuple(range(axis, w.dim()))
        return torch.linalg.vector_norm(w, 1, dim=axes) / w.shape[axis:].numel()
    return w.abs().flatten(axis).mean(axis)


def _choose(settings: Settings, layer: Any, state: State, clock: Clock) -> tuple[Any, Any]:
    """The units of one layer that may be renewed, least useful first, and which of them are due: [r, k] each."""
    own = state["algorithm"][layer.key]
    mature = own["age"] > settings.maturity_threshold
    width, coin, score = mature.shape[1], None, _score(settings, layer, state)
    if settings.fraction == "bernoulli" or settings.utility == "random":
        lots = tensors.uniforms(streams.REPLACEMENT, clock, layer.address, width + 1, mature.device)
        coin = lots[:, 0] if settings.fraction == "bernoulli" else None  # number 0 is the coin
        score = lots[:, 1:] if settings.utility == "random" else score
    number = _renewal.number_due(
        settings.replacement_rate, mature, own["saved"], coin, of_width=settings.count == "layer_width"
    )
    slots = _renewal.slots(settings.replacement_rate, width)
    chosen = _renewal.least(score, mature, slots)
    return chosen, torch.arange(slots, device=mature.device) < number.unsqueeze(1)


def renew(settings: Settings, layer: Any, state: State, chosen: Any, due: Any, fresh: Any) -> None:
    """Start the units [r, k] of one layer afresh that are due; fresh: their incoming weights [r, k, i, ...]."""
    if settings.bias_transfer == "on":
        mean = _mean(settings, state["algorithm"][layer.key])
        _renewal.transfer_bias(layer, state["weights"], mean, chosen, due)
    kept = settings.renewed_velocity if settings.optimiser == "sgd" else settings.renewed_moments
    forgotten = () if kept == "kept" else tuple(state["optimiser"])
    own = ("utility", "mean_feature", "age")
    own = own[1:] if settings.utility_average == "running_sum" else own
    _renewal.renew(layer, state, chosen, due, fresh, forgotten, own)
