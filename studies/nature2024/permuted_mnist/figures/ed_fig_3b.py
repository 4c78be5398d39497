"""Extended Data Fig. 3b: backprop on online permuted MNIST, by step size, width and rate of change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

from . import _permuted_mnist as mnist

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "ed_fig_3b_*")
TITLE = "Extended Data Fig. 3b: loss of plasticity on online permuted MNIST"
CAPTION = (
    "Online accuracy of backpropagation, predicted right before each update. Left: three step sizes, networks "
    "784-2000-2000-2000-10, per task of 60,000 examples. Centre: three widths of the hidden layers, step size "
    "0.003, 150 tasks. Right: a new permutation every 10 thousand, 100 thousand or 1 million examples, in bins "
    "of 1 million. "
    + mnist.CAPTION.replace("(tasks 1 to 20, then every tenth)", "(left: tasks 1 to 20, then every tenth)")
)
MILLION = 1e6


@dataclass(frozen=True)
class Panel:
    """One panel: the variants of an experiment over the series of a published figure."""

    title: str
    x_label: str
    experiment: str
    published: str
    looks: dict[str, tuple[str, str]]  #: variant -> (colour, label)


def _three(*named: tuple[str, str]) -> dict[str, tuple[str, str]]:
    colours = (_style.RED, _style.GREEN, _style.BLUE)
    return {variant: (colour, label) for colour, (variant, label) in zip(colours, named, strict=True)}


PANELS = (
    Panel("Step size", "task", mnist.EXPERIMENT, "ed_fig_3b_step_size", mnist.STEPS),
    Panel(
        "Width", "task", "permuted_mnist_width", "ed_fig_3b_width",
        _three(("width_100", "width 100"), ("width_1000", "width 1,000"), ("width_10000", "width 10,000")),
    ),
    Panel(
        "Rate of change", "examples (millions)", "permuted_mnist_rate", "ed_fig_3b_rate",
        _three(("every_10k", "every 10 thousand"), ("every_100k", "every 100 thousand"), ("every_1m", "every million")),
    ),
)  # fmt: skip


def needs(study) -> list[tuple[str, str]]:
    """The active ones of the nine curves."""
    return [pair for panel in PANELS for pair in _overlay.active(study, panel.experiment, panel.looks)]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three panels side by side, as printed; each always has its published curves."""
    figure, axes = _style.panels(1, 3, width=13.5, height=4.1)
    counts = set()
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        ours = {v: _ours(metrics[e, v]) for e, v in metrics if e == panel.experiment and v in panel.looks}
        counts |= {metric.seeds for metric in ours.values()}
        looks = {variant: colour for variant, (colour, _) in panel.looks.items()}
        _overlay.panel(axis, looks, ours, CURVES.series(panel.published))
        axis.set(title=panel.title, xlabel=panel.x_label)
        axis.legend(handles=[_style.swatch(colour, label) for colour, label in panel.looks.values()])
        _overlay.percent(axis)
    axes[0, 0].set_ylabel("online accuracy")
    figure.legend(handles=_overlay.kinds(), loc="outside lower center", ncols=3)
    _overlay.heading(figure, counts)
    return figure


def _ours(path: Path) -> _read.Metric:
    """Online accuracy; tasks of another length than 60,000 are counted in millions of examples, from 1."""
    metric = mnist.read(path, "online_accuracy")
    if "every_" not in metric.variant:
        return metric
    examples = metric.settings["problem"]["task_examples"]
    return replace(metric, coordinates={"bin": (metric.x - 1) * examples / MILLION + 1})
