"""Fig. 1b: backprop on Continual ImageNet at three step sizes, over the first ten tasks and over 2,000."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

from . import _continual_imagenet as imagenet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "fig_1b", "fig_1b_first")
TITLE = "Fig. 1b: loss of plasticity on Continual ImageNet"
CAPTION = (
    "Backpropagation with momentum at three step sizes, and a linear map of the pixels. Left: the first ten tasks, one "
    "by one. Right: 2,000 tasks in bins of 50. Each task tells two classes of ImageNet apart; the last layer starts "
    "afresh with each. " + imagenet.CAPTION
)
FIRST = 10  #: tasks of the left panel


def needs(study) -> list[tuple[str, str]]:
    """The active ones of the four curves; the first tasks alone where a scale has an experiment for them."""
    return [
        pair
        for experiment in (imagenet.EXPERIMENT, imagenet.FIRST_TASKS)
        for pair in _overlay.active(study, experiment, imagenet.STEPS)
    ]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Two panels side by side, as printed; each always has its published curves."""
    whole = {v: path for (experiment, v), path in metrics.items() if experiment == imagenet.EXPERIMENT}
    alone = {v: path for (experiment, v), path in metrics.items() if experiment == imagenet.FIRST_TASKS}
    colours = {variant: colour for variant, (colour, _) in imagenet.STEPS.items()}
    first = {variant: _first(path) for variant, path in (alone | whole).items()}
    bins = {variant: imagenet.bins(path) for variant, path in whole.items()}
    figure, (axes,) = _style.panels(1, 2, width=12.5, height=4.4)
    for axis, ours, name in zip(axes, (first, bins), ("fig_1b_first", "fig_1b"), strict=True):
        looks = {v: colour for v, colour in colours.items() if v in ours or v in CURVES.names(name)}
        _overlay.panel(axis, looks, ours, CURVES.series(name), error=True)
        axis.set_xlabel("task")
        _overlay.percent(axis)
    axes[0].set(title=f"First {FIRST} tasks", ylabel="test accuracy", xticks=range(1, FIRST + 1))
    axes[1].set_title(f"Bins of {imagenet.BIN} tasks")
    if set(alone) - set(whole):
        axes[0].set_title(_data(next(iter(first.values()))), loc="right", color=_style.FAINT, fontsize=9,
                          fontweight="normal")  # fmt: skip
    handles = [_style.swatch(colour, label) for colour, label in imagenet.STEPS.values()]
    figure.legend(handles=[*handles, *_overlay.kinds(error=True)], loc="outside lower center", ncols=4)
    _overlay.heading(figure, {metric.seeds for metric in first.values()})
    return figure


def _first(path: Path) -> _read.Metric:
    """Test accuracy of the first tasks [seed, task]."""
    metric = _read.read(path, imagenet.METRIC)
    return replace(metric, values=metric.values[:, :FIRST], coordinates={"task": metric.x[:FIRST]})


def _data(metric: _read.Metric) -> str:
    """Of which images ours are, where the published 1,000 classes of 700 are not there."""
    problem = metric.settings["problem"]
    return "ours: {classes:,} classes of {train_per_class} + {test_per_class} images".format(**problem)
