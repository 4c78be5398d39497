"""Online permuted digits: accuracy, dead units, weights and rank over 1,000 tasks, for every variant.

Ours, not published: a laptop stand-in for online permuted MNIST (Nature Fig. 1 and Extended Data Fig. 4).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _methods, _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
TITLE = "Online permuted digits"
CAPTION = (
    "Ours, a laptop stand-in for online permuted MNIST; no published curve exists. Each task is a new "
    "permutation of the pixels of 1,797 real digits, seen once, one at a time. Online accuracy is the "
    "share predicted right before the update. Dead units and effective rank are measured before each task "
    "(rank: every tenth) and averaged over the hidden layers. Means over 10 tasks. Lines: mean over "
    "seeds. Bands: 95 % interval."
)
BIN = 10  #: tasks per point; a single task is noisy
PANELS = (
    ("online_accuracy", "Online accuracy", "correct"),
    ("dead_units", "Dead units", "of the hidden units"),
    ("weight_magnitude", "Weight magnitude", "mean |weight|"),
    ("effective_rank", "Effective rank", "of the layer's width"),
)


def needs(study) -> list[tuple[str, str]]:
    """Every active variant of the experiment, a user's own among them."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Four panels, one line per variant."""
    figure, axes = _style.panels(2, 2, height=3.3, sharex=True)
    paths = {variant: path for (_, variant), path in metrics.items()}
    looks = _methods.own_looks(paths)
    for axis, (name, title, label) in zip(axes.flat, PANELS, strict=True):
        for variant, (colour, _) in looks.items():
            _style.curve(axis, _shown(paths[variant], name), colour, zorder=3 if variant == "cbp" else 2)
        axis.set_title(title)
        axis.set_ylabel(label)
        if name != "weight_magnitude":
            _overlay.percent(axis)
        if name in ("dead_units", "weight_magnitude"):
            axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("task")
    _style.legend(figure, looks, columns=5)
    counts = {_read.read(path, "online_accuracy").seeds for path in metrics.values()}
    _style.heading(figure, f"Ours, a laptop stand-in for online permuted MNIST: {_style.seeds_text(counts)}")
    return figure


def _shown(path: Path, name: str) -> _read.Metric:
    """The metric as its panel shows it: values [seed, task]."""
    metric = _read.read(path, name).over_layers()
    if name != "effective_rank":
        return metric.binned(BIN)
    # Dimensions -> percent of the width, so that networks compare.
    hidden = metric.settings["network"]["hidden"]
    return replace(metric, values=metric.values * 100 * len(hidden) / sum(hidden))
