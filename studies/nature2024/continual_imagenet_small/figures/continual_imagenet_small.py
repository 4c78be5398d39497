"""Continual ImageNet with a small network: accuracy, dead units and weights, for every variant.

Ours, not published: a laptop stand-in for Continual ImageNet (Nature Fig. 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _methods, _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
TITLE = "Continual ImageNet, small"
CAPTION = (
    "Ours, a laptop stand-in for Continual ImageNet (Fig. 1); no published curve exists. Each task tells two classes "
    "of ImageNet apart at 32x32 pixels, with a smaller network, fewer classes and shorter training than the article's. "
    "Test accuracy is that after a task's last epoch. Dead units, silent on all training images of the coming task, "
    "and the mean absolute weight are measured before each task; of a convolution every place of a channel counts as "
    "a unit. Accuracy: means over 25 tasks. Lines: mean over seeds. Bands: 95 % interval."
)
BIN = 25  #: tasks per point; a single task is noisy
PANELS = (
    ("test_accuracy", "Test accuracy", "correct"),
    ("dead_units", "Dead units", "of the hidden units"),
    ("weight_magnitude", "Weight magnitude", "mean |weight|"),
)


def needs(study) -> list[tuple[str, str]]:
    """Every active variant of the experiment, a user's own among them."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three panels, one line per variant."""
    paths = {variant: path for (_, variant), path in metrics.items()}
    looks = _methods.own_looks(paths)
    figure, (axes,) = _style.panels(1, 3, width=13.5, height=4.1)
    for axis, (name, title, label) in zip(axes, PANELS, strict=True):
        for variant, (colour, _) in looks.items():
            if name == "test_accuracy" or _hidden(paths[variant]):
                metric = _read.read(paths[variant], name).over_layers()
                shown = metric.binned(BIN) if name == "test_accuracy" else metric
                _style.curve(axis, shown, colour, zorder=3 if variant == "cbp" else 2)
        axis.set(title=title, xlabel="task", ylabel=label)
        if name != "test_accuracy":
            axis.set_ylim(bottom=0)
        if name != "weight_magnitude":
            _overlay.percent(axis)
    _style.legend(figure, looks, columns=6)
    counts = {_read.read(path, "test_accuracy").seeds for path in paths.values()}
    _style.heading(figure, f"Ours, a laptop stand-in for Continual ImageNet: {_style.seeds_text(counts)}")
    return figure


def _hidden(path: Path) -> bool:
    """Whether the network has hidden layers, whose units may die: a linear map has none."""
    network = _read.settings(path)["network"]
    return bool(network.get("channels") or network["hidden"])
