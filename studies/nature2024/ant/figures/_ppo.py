"""What the figures of reinforcement learning share: panels of the same variants, x in millions of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.figures import _methods, _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MILLION = 1e6
NAMES = {
    "std": "PPO",
    "ns": "PPO, tuned Adam",
    "l2": "PPO and L2",
    "cbp": "PPO and continual backpropagation",
    "redo": "PPO and ReDo",
    "cbpi": "the same, instantaneous utility",
}
COLOURS = {
    "std": "#c0392b", "ns": "#e08e0b", "cbp": "#2166ac", "l2": "#7b4ea3", "redo": "#3a8f5c", "cbpi": "#4a4a4a",
}  # fmt: skip
RETURN = ("episodic_return", "Return per episode")
INSIDE = (
    ("stable_rank_of_last", "Stable rank, percent"),
    ("seldom_active_units", "Dormant units, percent"),
    ("weight_magnitude_of_second", "Mean |weight|"),
)
PUBLISHED = {
    "episodic_return": "fig_4a_return",
    "stable_rank_of_last": "fig_4b_rank",
    "seldom_active_units": "fig_4c_dormant",
    "weight_magnitude_of_second": "fig_4d_weights",
}


def needs(study, experiment: str, variants: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """The active ones of an experiment's variants."""
    return _overlay.active(study, experiment, variants)


def published(curves: Any) -> dict[str, Any]:
    """The published curves of Fig. 4 by measure and variant."""
    return {measure: curves.series(figure) for measure, figure in PUBLISHED.items()}


def draw(
    metrics: Mapping[tuple[str, str], Path],
    shown: Sequence[tuple[str, str]],
    published: Mapping[str, Any] | None = None,
    until: float = np.inf,
) -> Figure:
    """One panel for each (measure, label).

    Args:
        metrics: (experiment, variant) -> metrics file, of one experiment.
        published: measure -> its published curves by variant.
        until: published points up to that step are shown.
    """
    columns = min(2, len(shown))
    figure, axes = _style.panels(-(-len(shown) // columns), columns, width=5.8 * columns)
    paths = {variant: path for (_, variant), path in metrics.items()}
    own = _methods.own_looks(paths)
    looks = {v: (COLOURS[v], NAMES[v]) if v in NAMES else own[v] for v in paths}
    counts = set()
    for axis, (name, label) in zip(axes.flat, shown, strict=False):
        for variant, (colour, _) in looks.items():
            metric = _read.read(paths[variant], name).over_layers()
            counts.add(metric.seeds)
            _style.curve(axis, metric, colour, scale=MILLION)
            line = (published or {}).get(name, {}).get(variant)
            if line is not None:
                near = line.x <= until
                axis.plot(
                    line.x[near] / MILLION, line.mean[near], "o", color=_style.darker(colour), markersize=4
                )
        axis.set(xlabel="million steps", ylabel=label)
    _style.legend(figure, looks, columns=2)
    _style.heading(
        figure,
        _overlay.SOURCES.format(seeds=_style.seeds_text(counts))
        if published
        else f"Ours, {_style.seeds_text(counts)}",
    )
    return figure
