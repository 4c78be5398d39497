"""Model benchmark of MNIST-1D: accuracy by step of the models that are trained by default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay

from . import _models

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "benchmark_test_accuracy")
TITLE = "MNIST-1D: model benchmark"
CAPTION = (
    "Accuracy on MNIST-1D over 6,001 updates of Adam on mini-batches of 100, of logistic regression (410 parameters), "
    "a residual fully connected network (15,210) and a convolutional network (5,210). Lines: mean over seeds; bands: "
    "95 % interval; dots: the published test accuracy at step 6000; dotted: a person."
)


def needs(study) -> list[tuple[str, str]]:
    """Every active model."""
    return _overlay.active(study, EXPERIMENT, _models.LOOKS)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Test and training accuracy."""
    return _models.draw(metrics, CURVES.series("benchmark_test_accuracy"))
