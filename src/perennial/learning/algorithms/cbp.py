"""Continual backpropagation (CBP): backpropagation that renews its least useful, mature units all the time.

After each gradient step every hidden unit's utility is updated. A small share of the mature units, those of
lowest utility, start afresh: new incoming weights, zero outgoing weights. (Nature 2024, Methods, eq. 1; the
two-part utility of arXiv 2306.13812, eqs. 4-8, made the published curves of the regression, MNIST and ImageNet.)

A unit is what the network says it is: one of a fully connected layer, or a channel of a convolution, which is at
many places of the image and whose means are taken over all of them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _moments, backprop
from perennial.settings import switch
from perennial.streams import tensors

UNIT_STRIDE = 256  # a unit's own place in the replacement stream: layer + UNIT_STRIDE (unit + 1)


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
    adam_bias_correction: Literal["standard", "gnt_bug"] = switch(
        "standard",
        "bias correction of Adam with a step count for each weight (optimiser: adam only)",
        paper="standard",
        code="an in-place call acts on a temporary: step_size (1 - beta_2^t) m / (sqrt(v) + epsilon)",
    )

    _momentum = model_validator(mode="after")(backprop.no_momentum_on_adam)


def init(settings: Settings, network: Any, weights: dict[str, Any]) -> State:
    """Per hidden layer: utility, mean activation and age [r, h], and the fraction saved up [r]."""
    state: State = {"optimiser": backprop.velocity(settings, weights), "algorithm": {}}
    if settings.optimiser == "adam":
        state["optimiser"] = {
            kind: {name: torch.zeros_like(w) for name, w in weights.items()}
            for kind in ("first_moment", "second_moment", "age")
        }
    for layer in range(network.layers - 1):
        like = weights[f"bias_{layer}"]  # [r, h]
        state["algorithm"][f"hidden_{layer}"] = {
            "utility": torch.zeros_like(like),
            "mean_feature": torch.zeros_like(like),
            "age": torch.zeros(like.shape, dtype=torch.int64),
            "saved": torch.zeros(like.shape[0], dtype=torch.float64),
        }
    return state


def update(
    settings: Settings, network: Any, state: State, gradients: Any, features: Any, clock: Clock
) -> None:
    """One gradient step, then test every unit and renew the least useful. The choice is made in all layers
    before any unit is renewed, so that utilities are those of the trained network."""
    _gradient_step(settings, state, gradients)
    chosen = [_test(settings, network, state, layer, h, clock) for layer, h in enumerate(features)]
    for layer, units in enumerate(chosen):
        for run, unit in units:
            _renew(settings, network, state, layer, run, unit, clock)


def _gradient_step(settings: Settings, state: State, gradients: Any) -> None:
    for name, w in state["weights"].items():
        g = gradients[name] + settings.weight_decay * w
        if settings.optimiser == "adam":
            _adam_step(settings, state["optimiser"], name, w, g)
        else:
            backprop.descend(settings, state["optimiser"], name, w, g)


def _adam_step(settings: Settings, optimiser: State, name: str, w: Any, g: Any) -> None:
    """Adam with an age for each weight, so that a renewed weight is corrected for its own age."""
    m, v, t = (optimiser[kind][name] for kind in ("first_moment", "second_moment", "age"))
    t.add_(1)
    correct_1, correct_2 = (_moments.bias_correction(beta, t) for beta in (settings.beta_1, settings.beta_2))
    m.mul_(settings.beta_1).add_(g, alpha=1 - settings.beta_1)
    v.mul_(settings.beta_2).addcmul_(g, g, value=1 - settings.beta_2)
    if settings.adam_bias_correction == "gnt_bug":
        w.sub_(settings.step_size * correct_2 * m / (v.sqrt() + settings.epsilon))
        return
    w.sub_(settings.step_size / correct_1 * m / (v.sqrt() / correct_2.sqrt() + settings.epsilon))


def _test(
    settings: Settings, network: Any, state: State, layer: int, features: Any, clock: Clock
) -> list[tuple[int, int]]:
    """Update utilities and ages of one layer; the (run, unit) pairs to renew, least useful first.

    Args:
        features: activations [r, b, h p] of the forward pass just done.
    """
    h = network.by_unit(layer, features)  # [r, b, h, p]
    units, eta = state["algorithm"][f"hidden_{layer}"], settings.utility_decay
    units["age"] += 1
    correction = _moments.bias_correction(eta, units["age"].to(h.dtype))  # [r, h]
    units["mean_feature"].mul_(eta).add_(h.mean((1, 3)), alpha=1 - eta)
    # [r, h, p, o, ...] -> [r, h, p], and [r, h, i, ...] -> [r, h]
    outgoing = network.outgoing(state["weights"], layer).abs().flatten(3).mean(3)
    incoming = network.incoming(state["weights"], layer).abs().flatten(2).mean(2)
    mean = units["mean_feature"] / correction
    y = _instantaneous_utility(settings.utility, outgoing, incoming, h, mean)
    units["utility"].mul_(eta).add_(y, alpha=1 - eta)
    mature = units["age"] > settings.maturity_threshold
    number = _number_to_replace(settings, units, mature, layer, clock)  # [r]
    score = units["utility"] / correction
    if settings.utility == "random":
        score = tensors.uniforms(streams.REPLACEMENT, clock, layer, h.shape[2] + 1)[
            :, 1:
        ]  # number 0 is the coin
    rank = torch.where(mature, score, torch.inf).argsort(dim=1, stable=True)
    return [(r, int(rank[r, k])) for r in range(len(number)) for k in range(int(number[r]))]


def _instantaneous_utility(kind: str, outgoing: Any, incoming: Any, h: Any, mean: Any) -> Any:
    """y [r, h] of every unit. Means instead of the papers' sums: the ranking in a layer is the same.

    Args:
        outgoing: mean magnitude of the outgoing weights [r, h, p]; p = 1 where they are those of all places.
        incoming: mean magnitude of the incoming weights [r, h].
        h: activations [r, b, h, p].
        mean: running mean activation [r, h].
    """
    if kind == "adaptation":
        return 1 / incoming
    if kind in ("weight", "random"):
        return outgoing.mean(2)
    if kind == "contribution":
        return (outgoing * h.abs().mean(1)).mean(2)  # Nature eq. 1
    deviation = (h - mean[:, None, :, None]).abs().mean(1)  # [r, b, h, p] -> [r, h, p]
    if kind == "zero_contribution":
        return (outgoing * deviation).mean(2)  # arXiv eqs. 4-5
    if kind == "adaptable_contribution":
        return (outgoing * deviation).mean(2) / incoming  # arXiv eqs. 6-8
    return deviation.mean(2) / incoming


def _number_to_replace(settings: Settings, units: State, mature: Any, layer: int, clock: Clock) -> Any:
    """How many units of this layer each run renews now: [r] int64, never more than are mature."""
    eligible = mature.sum(1)
    base = eligible if settings.count == "eligible" else (eligible > 0) * mature.shape[1]
    due = settings.replacement_rate * base.to(torch.float64)  # [r]
    if settings.fraction == "bernoulli":
        u = tensors.uniforms(streams.REPLACEMENT, clock, layer, 1)[:, 0].to(torch.float64)
        number = torch.where(due < 1, (u < due).to(torch.float64), due.floor())
    else:
        units["saved"] += due
        number = units["saved"].floor()
        units["saved"] -= number
    return torch.minimum(number.to(torch.int64), eligible)


def _renew(
    settings: Settings, network: Any, state: State, layer: int, run: int, unit: int, clock: Clock
) -> None:
    """Start one unit afresh: fresh incoming weights, zero bias and outgoing weights, nothing remembered."""
    weights, units = state["weights"], state["algorithm"][f"hidden_{layer}"]
    into, out = network.incoming(weights, layer), network.outgoing(weights, layer)  # views
    if settings.bias_transfer == "on":
        correction = 1 - settings.utility_decay ** int(units["age"][run, unit])
        mean = units["mean_feature"][run, unit] / correction
        # [p, o, ...] -> [o]; without padding a convolution's sum has all weights of its kernel
        weights[f"bias_{layer + 1}"][run] += mean * out[run, unit].transpose(0, 1).flatten(1).sum(1)
    one = Clock([clock.seeds[run]], clock.task, clock.step)
    place, shape = layer + UNIT_STRIDE * (unit + 1), into.shape[2:]
    u = tensors.uniforms(streams.REPLACEMENT, one, place, shape.numel())[0].view(shape)
    into[run, unit] = (u.to(into.dtype) * 2 - 1) * network.bounds[layer]
    weights[f"bias_{layer}"][run, unit] = 0
    out[run, unit] = 0
    for values in (units["utility"], units["mean_feature"], units["age"]):
        values[run, unit] = 0
    for kind, memory in state["optimiser"].items():
        if kind != "velocity" or settings.renewed_velocity == "zero":
            network.incoming(memory, layer)[run, unit] = 0
            memory[f"bias_{layer}"][run, unit] = 0
            network.outgoing(memory, layer)[run, unit] = 0
