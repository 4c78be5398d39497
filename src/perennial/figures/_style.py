"""One look for all figures: fonts, colours, bands, legends. Colours are safe for the colour-blind.

The ink and paper colours are fixed words that the report replaces by its own, light or dark.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from perennial.figures._read import Metric
from perennial.lazy import colors, lines, patches
from perennial.lazy import figure as figures
from perennial.lazy import seaborn as sns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

INK, FAINT, GRID, PAPER = "#2b2f38", "#6b7080", "#e3e5ea", "#ffffff"
# Okabe and Ito's colours, darkened or lightened to be seen on white and on near-black alike.
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = (
    "#0f7bc0", "#de8a00", "#0a9b73", "#c8699c", "#3fa9dd", "#d3571a", "#b3a100",
)  # fmt: skip
GREY = "#858a96"
PURPLE, BROWN, OLIVE = "#7d5fc4", "#96643c", "#6f8f2f"
CYCLE = (BLUE, ORANGE, GREEN, PINK, RED, SKY, YELLOW)
SPARE = (PURPLE, BROWN, OLIVE)  #: for further methods, in this order after yellow
METHOD_COLOURS = {
    "backprop": BLUE, "l2": PINK, "shrink_and_perturb": ORANGE, "adam": RED, "cbp": GREEN, "fresh": SKY,
    "dropout": PURPLE, "online_normalisation": BROWN, "linear": GREY,
}  # fmt: skip
METHOD_NAMES = {
    "backprop": "Backprop", "l2": "L2", "shrink_and_perturb": "Shrink and perturb", "adam": "Adam",
    "dropout": "Dropout", "online_normalisation": "Online normalisation",
    "adam_l2": "Adam with L2", "cbp": "Continual backprop", "fresh": "Fresh network per task",
    "linear": "Linear",
}  # fmt: skip
ACTIVATION_NAMES = {
    "tanh": "tanh", "sigmoid": "Sigmoid", "elu": "ELU",
    "relu": "ReLU", "leaky_relu": "Leaky ReLU", "swish": "Swish",
}  # fmt: skip
LINE = 1.9


def parameters() -> dict:
    """Matplotlib settings of every figure."""
    base = {**sns.plotting_context("notebook"), **sns.axes_style("ticks")}
    small = dict.fromkeys(["xtick.labelsize", "ytick.labelsize", "legend.fontsize"], 10.5)
    inked = ["text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor"]
    ink = dict.fromkeys(inked, INK)
    return base | small | ink | {
        "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same letters on every machine
        "font.size": 11, "axes.labelsize": 11, "axes.titlesize": 12.5, "axes.titleweight": "bold",
        "axes.titlelocation": "left", "axes.edgecolor": FAINT, "axes.linewidth": 0.9, "grid.color": GRID,
        "axes.grid": True, "axes.axisbelow": True, "figure.facecolor": PAPER, "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER, "legend.frameon": False, "lines.solid_capstyle": "round",
        "xtick.major.size": 4, "ytick.major.size": 4, "svg.fonttype": "path",
    }  # fmt: skip


def panels(
    rows: int, columns: int, width: float = 11.5, height: float = 3.6, **share
) -> tuple[Figure, np.ndarray]:
    """A figure of `rows` x `columns` axes, free of pyplot's global state."""
    figure = figures.Figure(figsize=(width, height * rows + 0.9), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, wspace=0.03, hspace=0.05)
    axes = figure.subplots(rows, columns, squeeze=False, **share)
    for axis in axes.flat:
        sns.despine(ax=axis)
    return figure, axes


def curve(
    axis: Axes, metric: Metric, colour: str, scale: float = 1.0, band: tuple | None = None, **line
) -> None:
    """Mean over seeds as a line, its 95 % interval (or another band) around it; x divided by `scale`."""
    x = metric.x / scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seaborn's pandas chatter is not ours to answer
        sns.lineplot(x=x, y=metric.mean, ax=axis, color=colour, errorbar=None, legend=False,
                     estimator=None, **{"linewidth": LINE, **line})  # fmt: skip
    low, high = metric.band if band is None else band
    axis.fill_between(x, low, high, color=colour, alpha=0.22, linewidth=0)
    axis.set(xlabel="", ylabel="")


def beyond(axis: Axes, metric: Metric, colour: str, top: float, scale: float = 1.0) -> bool:
    """Where our mean leaves the axis or is no number, say so with filled triangles at the edge."""
    gone = ~(metric.mean <= top)
    if gone.any():
        x = metric.x[gone] / scale
        axis.plot(x, np.full(len(x), top), "^", color=colour, markersize=5, clip_on=False, zorder=6)
    return bool(gone.any())


def note(axis: Axes, text: str) -> None:
    """A quiet remark inside the axes."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=FAINT, fontsize=10.5)


def darker(colour: str, by: float = 0.35) -> str:
    """The same hue, darker: what is published, beside ours."""
    return colors.to_hex([part * (1 - by) for part in colors.to_rgb(colour)])


def paler(colour: str, by: float = 0.55) -> str:
    """The same hue, paler: what `darker` becomes on dark paper."""
    return colors.to_hex([part + (1 - part) * by for part in colors.to_rgb(colour)])


def swatch(colour: str, label: str, **line) -> Line2D:
    """A legend entry: a line."""
    return lines.Line2D([], [], color=colour, label=label, **{"linewidth": LINE, **line})


def band_swatch(label: str) -> Patch:
    """A legend entry: a band."""
    return patches.Patch(facecolor=GREY, alpha=0.35, linewidth=0, label=label)


def legend(figure: Figure, looks: Mapping[str, tuple[str, str]], columns: int) -> None:
    """A line for each look (name -> (colour, label)) below all panels, in so many columns at most."""
    handles = [swatch(colour, label) for colour, label in looks.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, max(1, len(handles))))


def heading(figure: Figure, text: str) -> None:
    """A quiet line above all panels: what is shown, of how many seeds."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, color=FAINT)


def seeds_text(counts: set[int]) -> str:
    """`30 seeds`, or `12 to 30 seeds` where variants differ."""
    if not counts:
        return "no runs yet"
    low, high = min(counts), max(counts)
    return f"{low} seed{'s' * (low != 1)}" if low == high else f"{low} to {high} seeds"


def method_name(variant: str, algorithm: str) -> str:
    """What to call a variant: the method's name, or the variant's own where it is somebody's new method."""
    name = METHOD_NAMES.get(variant) or METHOD_NAMES.get(algorithm) or variant.replace("_", " ")
    return name[:1].upper() + name[1:]


def method_colour(variant: str, algorithm: str, taken: set[str]) -> str:
    """The fixed colour of a known method, otherwise the first that is free."""
    fixed = METHOD_COLOURS.get(variant) or METHOD_COLOURS.get(algorithm)
    if fixed and fixed not in taken:
        return fixed
    reserved = set(METHOD_COLOURS.values())  # left for the methods they belong to, as long as others are free
    order = sorted((*CYCLE, *SPARE), key=lambda colour: colour in reserved)
    return next((colour for colour in order if colour not in taken), INK)


def total_error(metric: Metric) -> float:
    """Mean over seeds and stream: the paper's criterion. A diverged run counts as infinite."""
    mean = float(metric.values.mean())
    return mean if np.isfinite(mean) else float("inf")


def least(metrics: list[Metric]) -> Metric | None:
    """The setting with the least total error, or None where there is none."""
    return min(metrics, key=total_error, default=None)
