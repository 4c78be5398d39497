"""What the figures of the model benchmark share: colours, the person's line, test and training accuracy by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {
    "logistic": (_style.GREY, "Logistic regression"),
    "mlp": (_style.BLUE, "Fully connected"),
    "cnn": (_style.GREEN, "Convolutional"),
    "gru": (_style.ORANGE, "Recurrent (GRU)"),
}
HUMAN = 95.8  #: percent right, one person, 500 answers
SHUFFLED = "_shuffled"
PANELS = (("test_accuracy", "Test accuracy"), ("train_accuracy", "Training accuracy"))


def draw(metrics: Mapping[tuple[str, str], Path], published: Mapping) -> Figure:
    """Two panels; solid lines for normal positions, dashed ones for shuffled, dots for the published ends."""
    figure, axes = _style.panels(1, 2, height=4.2, sharex=True, sharey=True)
    paths = {variant: path for (_, variant), path in metrics.items()}
    for axis, (name, title) in zip(axes[0], PANELS, strict=True):
        for variant, path in paths.items():
            colour, dashed = LOOKS[variant.removesuffix(SHUFFLED)][0], variant.endswith(SHUFFLED)
            _style.curve(axis, _read.read(path, name), colour, linestyle="--" if dashed else "-")
            if name == "test_accuracy" and variant in published:
                end, face = published[variant], _style.PAPER if dashed else _style.darker(colour)
                axis.plot(end.x, end.mean, "o", color=_style.darker(colour), markerfacecolor=face,
                          markersize=6, clip_on=False, zorder=6)  # fmt: skip
        axis.set(title=title, xlabel="step", ylim=(0, 102))
        axis.axhline(HUMAN, color=_style.INK, linewidth=0.9, linestyle=":")
        axis.annotate("a person, 95.8", (0.02, HUMAN), xycoords=("axes fraction", "data"), va="bottom",
                      color=_style.FAINT, fontsize=9)  # fmt: skip
        _overlay.percent(axis)
    shown = {name.removesuffix(SHUFFLED) for name in paths}
    handles = [_style.swatch(*look) for name, look in LOOKS.items() if name in shown]
    if any(name.endswith(SHUFFLED) for name in paths):
        handles.append(_style.swatch(_style.INK, "positions shuffled", linestyle="--"))
    handles.append(_style.band_swatch("ours, 95 % interval"))
    handles.append(
        _style.swatch(_style.INK, "published, at step 6000", marker="o", linestyle="", markersize=5)
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    counts = {_read.read(path, "test_accuracy").seeds for path in paths.values()}
    _style.heading(
        figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, means of one to three runs."
    )
    return figure
