"""Online normalisation (Chiley et al. 2019): each hidden unit's input is normalised by what it was before.

Batch normalisation for one example at a time: running averages stand for the statistics of a batch, and two control
variables in the backward pass stand for the terms that its gradient has because the statistics depend on the
weights. Written from the paper's formulas; signs and order agree with its authors' numpy code. The Nature study
normalises the input of the activation function, says its preprint, and published no code of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, backprop
from perennial.settings import Unfit, switch

CLAMP = 5.0  # Chiley et al.'s code


class Settings(backprop.Settings):
    """Hyper-parameters of online normalisation."""

    forward_decay: float = Field(
        0.999, ge=0, lt=1, description="decay of the running mean and variance (a_f)"
    )
    backward_decay: float = Field(0.99, ge=0, lt=1, description="decay of the two error controls (a_b)")
    epsilon: float = Field(1e-5, gt=0, description="added to the variance before its root is taken")
    affine: Literal["learned", "none"] = switch(
        "learned",
        "a gain (from 1) and a shift (from 0) of each unit after the normalisation, learnt like the weights",
        paper="not mentioned; Chiley et al. learn both",
        code="not published; Chiley et al.'s code learns both",
    )
    guard: Literal["none", "clamp", "layer_scaling"] = switch(
        "clamp",
        "against bad running statistics: clip what is normalised to +-5, or divide by the layer's root mean square",
        paper="not mentioned; Chiley et al. scale the layer. Not so here: the fresh 784-2000x3-10 has an "
        "effective rank of 53.6 % with it and of 50.7 % without, 50.5 % is published (ED Fig. 4a)",
        code="not published; Chiley et al.'s code clips by default",
    )
    initialisation: Literal["kaiming", "unit_gain"] = switch(
        "kaiming",
        "initial weights of the hidden layers: the network's own, or those divided by the gain of the activation",
        paper="not mentioned; the fresh 784-2000x3-10 has an effective rank of 50.7 % by kaiming and of 47.9 % by "
        "unit_gain, 50.5 % is published (ED Fig. 4a). The published mean |w| of the first task, 0.0257, fits neither: "
        "it starts at 0.0300 by kaiming, 0.0213 by unit_gain, 0.0283 by Xavier, 0.0123 by PyTorch's default",
        code="not published; Kaiming for all other methods",
    )
    probe: Literal["following", "stored"] = switch(
        "following",
        "statistics in probes: they follow the probe's examples as in training, or stay as they are stored; either "
        "way training goes on as if there had been no probe",
        paper="not mentioned; the fresh 784-2000x3-10 has an effective rank of 50.7 % if they follow and of 40.7 % if "
        "they stay, 50.5 % is published (ED Fig. 4a)",
        code="not published; networks are never put into evaluation mode in the code for the other methods",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Per hidden layer [r, h]: mean 0, variance 1, both error controls 0; gains 1 and shifts 0 join the weights."""
    weights, units = dict(weights), {}
    for layer in networks.hidden:
        incoming = layer.units(weights).incoming
        if incoming.dim() > 3:
            raise Unfit("online_normalisation: takes fully connected networks only (allowed: network: mlp)")
        like = incoming[:, :, 0]  # [r, h]
        units[layer.key] = {
            "mean": torch.zeros_like(like),
            "variance": torch.ones_like(like),
            "error_1": torch.zeros_like(like),
            "error_2": torch.zeros_like(like),
        }
        if settings.initialisation == "unit_gain":
            unit_bound = (3 / incoming.shape[2]) ** 0.5
            weights[layer.name("weight")] = weights[layer.name("weight")] * (unit_bound / layer.bound)
        if settings.affine == "learned":
            weights[layer.name("gain")] = torch.ones_like(like)
            weights[layer.name("shift")] = torch.zeros_like(like)
    return {"weights": weights, "optimiser": backprop.velocity(settings, weights), "algorithm": units}


update = backprop.update


def pre_activation(settings: Settings, state: State, layer: Any, z: Any, clock: Clock | None) -> Any:
    """The input of the activation function: z normalised, with gain and shift, guarded.

    Args:
        z: [r, b, h]. The examples of a batch count one after the other, as if each came alone.
        clock: None in a probe, which leaves the state as it is.
    """
    units, weights = state["algorithm"][layer.key], state["weights"]
    if clock is None and settings.probe == "stored":
        y = (z - units["mean"].unsqueeze(1)) / _root(units["variance"] + settings.epsilon).unsqueeze(1)
    else:
        if clock is None:
            units = {name: values.clone() for name, values in units.items()}
        y = _normalise(settings, units, z)
    if settings.affine == "learned":
        y = y * weights[layer.name("gain")].unsqueeze(1) + weights[layer.name("shift")].unsqueeze(1)
    if settings.guard == "layer_scaling":
        return y / _root((y * y).mean(2, keepdim=True) + settings.epsilon)
    return y.clamp(-CLAMP, CLAMP) if settings.guard == "clamp" else y


def _normalise(settings: Settings, units: State, z: Any) -> Any:
    """y = (z - mu) / sigma with mu and sigma of the examples before; then the statistics move on, in place.

    mu' = a_f mu + (1 - a_f) z,   sigma'^2 = a_f sigma^2 + a_f (1 - a_f) (z - mu)^2

    Args:
        units: mean, variance, error_1 and error_2 of the layer, [r, h].
        z: [r, b, h].
    """
    a, mean, variance = settings.forward_decay, units["mean"], units["variance"]
    means, roots = [], []
    for x in z.detach().unbind(1):  # [r, h], one example of each run
        means.append(mean.clone())
        roots.append(_root(variance + settings.epsilon))
        deviation = x - mean
        variance.mul_(a).add_(a * (1 - a) * (deviation * deviation))
        mean.add_((1 - a) * deviation)
    y = (z - torch.stack(means, 1)) / torch.stack(roots, 1)  # constants, as far as autograd knows
    if y.requires_grad:
        y.register_hook(_control(settings, units["error_1"], y.detach()))
        z.register_hook(_control(settings, units["error_2"], None))
    return y


def _control(settings: Settings, error: Any, y: Any) -> Callable[[Any], Any]:
    """What is done to a gradient [r, b, h] on its way back, example by example, in place on `error` [r, h]:

    g' = g - (1 - a_b) e_1 y,  e_1' = e_1 + g' y    of y: in the long run orthogonal to y
    g' = g - (1 - a_b) e_2,    e_2' = e_2 + g'      of z: in the long run with mean 0

    Between the two autograd divides by sigma.
    """

    def controlled(gradient: Any) -> Any:
        found = []
        for k, g in enumerate(gradient.unbind(1)):  # [r, h]
            direction = 1 if y is None else y[:, k]
            g = g - (1 - settings.backward_decay) * error * direction
            error.add_(g * direction)
            found.append(g)
        return torch.stack(found, 1)

    return controlled


def _root(x: Any) -> Any:
    """Square root by way of double precision: torch's single one rounds differently at different places of a
    tensor, so a run's last bits would depend on its place in the stack."""
    return x.to(torch.float64).sqrt().to(x.dtype)
