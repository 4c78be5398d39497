"""Methods that should keep plasticity, on slowly-changing regression. Ours; the article has no such panel."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
TITLE = "Methods on slowly-changing regression"
CAPTION = (
    "Ours; the article shows only backpropagation here (Extended Data Fig. 2b). Squared error in bins of "
    "40,000 examples, for methods that should keep plasticity, on the same streams and from the same "
    "first weights. Where several settings of a method were run, the one with the least mean error over "
    "the whole stream is drawn. Lines: mean over seeds. Bands: 95 % interval. Dotted: the linear "
    "baseline."
)
MILLION = 1e6
BACKPROP_STEP = 0.01  #: the step size of all methods of the comparison (authors' sweeps)
NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Line:
    """One candidate curve: a variant with its squared error."""

    variant: str
    family: str  #: the method's name within the variant's; "" for plain backpropagation
    activation: str
    metric: _read.Metric
    note: str = ""


def needs(study) -> list[tuple[str, str]]:
    """The linear baselines, and all variants of the activations on which some other method was run."""
    settings = {v: study.settings(EXPERIMENT, v) for _, v in _overlay.active(study, EXPERIMENT)}
    deep = {v: s for v, s in settings.items() if s["network"]["hidden"]}
    shown = _activations([(s["network"]["activation"], family(v, s)) for v, s in deep.items()])
    return [(EXPERIMENT, v) for v, s in settings.items() if _wanted(v, s, shown)]


def family(variant: str, settings: dict) -> str:
    """The method in a variant's name: `relu_adam_l2_0.01` -> `adam_l2`, `relu_0.01` -> nothing."""
    parts = variant.removeprefix(settings["network"]["activation"]).split("_")
    return "_".join(part for part in parts if part and not NUMBER.fullmatch(part))


def _activations(variants: list[tuple[str, str]]) -> list[str]:
    """Activations with a panel: those with a method other than plain backpropagation, ReLU and tanh first."""
    found = {activation for activation, method in variants if method}
    return sorted(found or {"relu"}, key=lambda name: (name not in ("relu", "tanh"), name != "relu", name))


def _wanted(variant: str, settings: dict, shown: list[str]) -> bool:
    network, algorithm = settings["network"], settings["algorithm"]
    if not network["hidden"]:
        return algorithm["name"] == "backprop"
    other = bool(family(variant, settings))
    return network["activation"] in shown and (other or algorithm["step_size"] == BACKPROP_STEP)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel per activation, one line per method."""
    lines, linear = _lines(metrics)
    activations = _activations([(x.activation, x.family) for x in lines])
    columns = min(len(activations), 3)
    rows = -(-len(activations) // columns)
    width = {1: 7.5, 2: 11.5, 3: 13.5}[columns]
    figure, axes = _style.panels(rows, columns, width=width, height=4.0, sharey=True)
    chosen = {name: _choose([x for x in lines if x.activation == name]) for name in activations}
    looks = _looks([x for found in chosen.values() for x in found])
    top = _top([x.metric for x in lines])
    for axis in axes.flat[len(activations) :]:
        axis.set_visible(False)
    for axis, (name, found) in zip(axes.flat, chosen.items(), strict=False):
        _panel(axis, found, looks, linear, top)
        axis.set_title(_style.ACTIVATION_NAMES.get(name, name))
    for axis in axes[:, 0]:
        axis.set_ylabel("squared error")
    figure.legend(handles=_legend(looks, linear), loc="outside lower center", ncols=min(4, 1 + columns))
    counts = {x.metric.seeds for x in lines}
    _style.heading(figure, f"Ours: {_style.seeds_text(counts)}")
    return figure


def _lines(metrics: dict[tuple[str, str], Path]) -> tuple[list[Line], _read.Metric | None]:
    """Candidate curves, and the linear baseline with the least total error (the paper's criterion)."""
    lines, linears = [], []
    for (_, variant), path in metrics.items():
        metric = _read.read(path, "squared_error")
        network = metric.settings["network"]
        if network["hidden"]:
            lines.append(Line(variant, family(variant, metric.settings), network["activation"], metric))
        else:
            linears.append(metric)
    return lines, _style.least(linears)


def _choose(lines: list[Line]) -> list[Line]:
    """The best setting of each method, with a note where there were several."""
    methods: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        methods[line.family].append(line)
    best = [min(group, key=lambda x: _style.total_error(x.metric)) for group in methods.values()]
    notes = [f"best of {len(group)}" if len(group) > 1 else "" for group in methods.values()]
    return [replace(line, note=note) for line, note in zip(best, notes, strict=True)]


def _looks(lines: list[Line]) -> dict[str, tuple[str, str]]:
    """family -> (colour, name), the same in all panels."""
    looks: dict[str, tuple[str, str]] = {}
    for line in lines:
        if line.family not in looks:
            method = line.family or "backprop"
            colour = _style.method_colour(method, method, {look[0] for look in looks.values()})
            label = _style.method_name(method, method)
            looks[line.family] = (colour, f"{label} ({line.note})" if line.note else label)
    return looks


def _panel(axis: Axes, lines: list[Line], looks: dict, linear: _read.Metric | None, top: float) -> None:
    for line in lines:
        colour, _ = looks[line.family]
        _style.curve(axis, line.metric, colour, MILLION)
        _style.beyond(axis, line.metric, colour, top, MILLION)
    if linear is not None:
        _style.curve(axis, linear, _style.INK, MILLION, linestyle=":", linewidth=1.5)
    axis.set(ylim=(0.2, top), xlabel="examples (millions)")


def _legend(looks: dict[str, tuple[str, str]], linear: _read.Metric | None) -> list:
    handles = [_style.swatch(colour, label) for colour, label in looks.values()]
    if linear is not None:
        step = linear.settings["algorithm"]["step_size"]
        handles.append(_style.swatch(_style.INK, f"Linear, step {step:g}", linestyle=":", linewidth=1.5))
    return handles


def _top(metrics: list[_read.Metric]) -> float:
    """The axis ends above our highest mean, but a diverged run does not flatten all the others."""
    highest = [float(m.mean[m.mean < 2].max(initial=0)) for m in metrics]
    return max([1.2, *highest]) * 1.04
