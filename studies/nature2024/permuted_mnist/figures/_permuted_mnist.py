"""What the figures of online permuted MNIST share: methods and their grids, and how a metric is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from perennial.figures import _read, _style
from perennial.figures._methods import method

EXPERIMENT = Path(__file__).parents[1].name
STEPS = {
    "backprop_0.01": (_style.RED, "step 0.01"),
    "backprop_0.003": (_style.GREEN, "step 0.003"),
    "backprop_0.001": (_style.BLUE, "step 0.001"),
}  #: variant -> (colour, label)
CAPTION = (
    "Lines: ours, mean over seeds; bands: 95 % interval. Dots joined by a thin line: the published mean of 30 "
    "runs, from the vector figure of the preprint (tasks 1 to 20, then every tenth); gaps are points hidden "
    "there by another line. Triangles at an edge: the curve goes on beyond it."
)
#: The article chose by the highest percent correct, averaged over all 800 tasks (but for dropout, shown as
#: representative). Sources: preprint, appendix; Adam's shown step size is the one whose task 1 is
#: nearest to the curve (docs/first_tasks.md); its task 2 speaks for 1e-4.
METHODS = (
    method("backprop", "step size", "0.003", "0.01", "0.003", "0.001"),
    method("l2", "weight decay", "1e-4", "0.001", "1e-4", "1e-5"),
    method("shrink_and_perturb", "noise", "1e-5", "1e-4", "1e-5", "1e-6"),
    method("dropout", "probability", "0.1", "0.03", "0.1", "0.3"),
    method("online_normalisation", "decay rates", "0.999, 0.99", "0.9999, 0.999", "0.999, 0.99", "0.99, 0.9"),
    method("adam", "step size", "5e-5", "1e-4", "5e-5", "3e-5"),
    method("cbp", "replacement rate", "1e-6", "1e-4", "1e-5", "1e-6"),
)


def read(path: Path, name: str) -> _read.Metric:
    """A metric as its panel shows it: layers averaged, dimensions in percent of the width: values [seed, task]."""
    metric = _read.read(path, name)
    if name == "effective_rank":
        widths = np.array(metric.settings["network"]["hidden"], float)
        metric = replace(metric, values=100 * metric.values / widths)
    return metric.over_layers()
