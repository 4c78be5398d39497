"""What the figures of Continual ImageNet share: variants and their looks, methods and grids, and bins."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from perennial.figures import _read, _style
from perennial.figures._methods import method

EXPERIMENT = Path(__file__).parents[1].name
FIRST_TASKS = f"{EXPERIMENT}_first_tasks"
METRIC = "test_accuracy"
BIN = 50  #: tasks per point, as published
STEPS = {
    "backprop_0.01": (_style.RED, "step 0.01"),
    "backprop_0.001": (_style.GREEN, "step 0.001"),
    "backprop_1e-4": (_style.BLUE, "step 0.0001"),
    "linear": (_style.INK, "linear"),
}  #: variant -> (colour, label)
CAPTION = (
    "Test accuracy on the 200 test images of a task, after its last epoch. Lines: ours, mean over seeds. Dots joined "
    "by a thin line: the published mean of 30 runs, from the figure of the preprint; gaps are points hidden there by "
    "another line. Bands and bars: one standard error either way, as the article has them. Triangles at an edge: the "
    "curve goes on beyond it."
)


def _settings(*lists: str) -> list[str]:
    """Every combination, in words: `0.03, 3e-6`."""
    return [", ".join(choice) for choice in product(*(values.split() for values in lists))]


#: The article chose by the highest mean accuracy over all 5,000 tasks. Source: preprint, appendix (Extended Data
#: Table 2).
METHODS = (
    method("l2", "step size, weight decay", "0.03, 3e-6", *_settings("0.1 0.03 0.01 0.003", "3e-5 1e-5 3e-6 1e-6")),
    method(
        "shrink_and_perturb", "step size, weight decay, noise", "0.01, 1e-5, 1e-5",
        *_settings("0.03 0.01", "3e-5 1e-5 3e-6 1e-6", "1e-4 1e-5 1e-6 1e-7"),
    ),
    method("cbp", "step size, replacement rate", "0.01, 3e-4", *_settings("0.03 0.01", "0.003 0.001 3e-4 1e-4 3e-5")),
)  # fmt: skip


def bins(path: Path) -> _read.Metric:
    """Test accuracy in bins of 50 tasks [seed, bin]; task by task where there are fewer."""
    return _read.read(path, METRIC).binned(BIN)
