"""Lottery tickets on MNIST-1D: test loss and test accuracy by the share of parameters that was dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "lottery_tickets")
TITLE = "MNIST-1D: lottery tickets"
CAPTION = (
    "Test loss and test accuracy at the end of each round by the share of parameters dropped, smallest first or "
    "by chance. Lines: ours, mean over seeds; bands: 95 % interval; thin: 100 rounds as published, where run; "
    "dots: published, the mean of two trials in 2024 (filled) and in 2020 (open); dashed: the dense network."
)
LOOKS = {"magnitude": (_style.GREEN, "smallest dropped"), "random": (_style.ORANGE, "dropped by chance")}
PANELS = (("test_loss", "Test loss"), ("test_accuracy", "Test accuracy"))


def needs(study) -> list[tuple[str, str]]:
    """Every active search."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Panels a and b."""
    figure, axes = _style.panels(1, 2, height=4.2)
    paths = {variant: path for (_, variant), path in metrics.items()}
    for axis, (name, title) in zip(axes[0], PANELS, strict=True):
        for variant, path in paths.items():
            thin = {"linewidth": 0.8} if variant.endswith("_100") else {}
            _style.curve(axis, _read.read(path, name), LOOKS[variant.removesuffix("_100")][0], **thin)
        if "magnitude" in paths:
            dense = _read.read(paths["magnitude"], name).mean[0]
            axis.axhline(dense, color=_style.INK, linewidth=0.9, linestyle="--")
        axis.set(title=title, xlabel="percent dropped")
    axes[0, 0].set_yscale("log")
    for variant, (colour, _) in LOOKS.items():
        for series, face in ((variant, _style.darker(colour)), (f"{variant}_2020", _style.PAPER)):
            line = CURVES.curve("lottery_tickets", series)
            axes[0, 1].plot(line.x, line.mean, "o", color=_style.darker(colour), markerfacecolor=face,
                            markersize=4.5, zorder=6)  # fmt: skip
    _overlay.percent(axes[0, 1])
    handles = [*(_style.swatch(*look) for look in LOOKS.values()), *_overlay.kinds()[1:]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    counts = {_read.read(path, "test_accuracy").seeds for path in paths.values()}
    _style.heading(figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, two trials.")
    return figure
