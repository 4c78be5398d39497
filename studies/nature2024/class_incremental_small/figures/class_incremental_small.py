"""Class-incremental CIFAR-100 with a small network: accuracy, dormant units and rank, for every variant.

Ours, not published: a laptop stand-in for Nature Fig. 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _methods, _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
TITLE = "Class-incremental CIFAR-100, small"
CAPTION = (
    "Ours, a laptop stand-in for Fig. 2; no published curve exists. Five classes join with every increment. Test "
    "accuracy is the best of an increment's passes. Dormant units and the rank of the last layer are those of the "
    "network as it is before classes join, on images of these. Lines: mean over seeds. Bands: 95 % interval."
)
PANELS = (
    ("test_accuracy", "Test accuracy", "correct"),
    ("dormant_units", "Dormant units", "of all units"),
    ("stable_rank_of_last", "Stable rank", "of the units of the last layer"),
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
            _style.curve(axis, _read.read(paths[variant], name), colour, zorder=3 if variant == "cbp" else 2)
        axis.set(title=title, xlabel="classes", ylabel=label)
        _overlay.percent(axis)
    _style.legend(figure, looks, columns=6)
    counts = {_read.read(path, "test_accuracy").seeds for path in paths.values()}
    _style.heading(
        figure, f"Ours, a laptop stand-in for class-incremental CIFAR-100: {_style.seeds_text(counts)}"
    )
    return figure
