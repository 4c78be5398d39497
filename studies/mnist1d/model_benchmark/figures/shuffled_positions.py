"""Spatial priors on MNIST-1D: the models of the benchmark, with positions as they are and shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay

from . import _models

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENTS = (Path(__file__).parents[1].name, "spatial_priors", "recurrent_benchmark")
CURVES = curves.beside(__file__, "benchmark_test_accuracy")
TITLE = "MNIST-1D: spatial priors"
CAPTION = (
    "Accuracy on MNIST-1D by step, solid, and with the 40 positions of all examples in one random order, dashed. "
    "Lines: mean over seeds; bands: 95 % interval; dots: the published test accuracy at step 6000, open ones for "
    "shuffled positions; dotted: a person."
)


def needs(study) -> list[tuple[str, str]]:
    """Every active model, once there are shuffled ones among them."""
    pairs = [pair for name in EXPERIMENTS for pair in _overlay.active(study, name)]
    return pairs if any(name.endswith(_models.SHUFFLED) for _, name in pairs) else []


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Test and training accuracy."""
    return _models.draw(metrics, CURVES.series("benchmark_test_accuracy"))
