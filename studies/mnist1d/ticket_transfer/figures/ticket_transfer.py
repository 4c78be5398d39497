"""What lottery tickets learn on a second data set, under four conditions, and how often they keep neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "ticket_transfer_*")
TITLE = "MNIST-1D: transfer of lottery tickets"
CAPTION = (
    "Test accuracy by step on a second data set of the dense network, of the ticket with 92 percent dropped, and of a "
    "random ticket as sparse. Lines: ours, mean over seeds; bands: 95 % interval; dots: published at step 6000, of "
    "two trials, filled: 2020, rewound; open: 2024, on unrelated weights. Last panel: runs of kept neighbouring inputs."
)
LOOKS = {
    "dense": (_style.INK, "dense"),
    "lottery": (_style.GREEN, "lottery ticket"),
    "random": (_style.ORANGE, "random ticket"),
}
PANELS = {
    "new": "c  New data",
    "flipped": "d  Reversed",
    "permuted": "e  Permuted",
    "reinitialised": "f  Other weights",
}
SHOWN = ("rewound", "rewound_100", "unrelated")  #: of several variants the first is shown


def needs(study) -> list[tuple[str, str]]:
    """The first active variant."""
    return _overlay.active(study, EXPERIMENT, SHOWN)[:1]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Panels c to g."""
    figure, axes = _style.panels(2, 3, width=13, height=3.4)
    path = next(iter(metrics.values()), None)  # None: published curves alone
    for axis, (condition, title) in zip(axes.flat, PANELS.items(), strict=False):
        for ticket, (colour, _) in LOOKS.items():
            if path:
                _style.curve(axis, _read.read(path, f"transfer_accuracy_{condition}_{ticket}"), colour)
            for year, face in (("2020", _style.darker(colour)), ("2024", _style.PAPER)):
                line = CURVES.curve(f"ticket_transfer_{year}", f"{condition}_{ticket}")
                axis.plot(line.x, line.mean, "o", color=_style.darker(colour), markerfacecolor=face,
                          markersize=5, clip_on=False, zorder=6)  # fmt: skip
        axis.set(title=title, xlabel="step", ylim=(50, 76))
        _overlay.percent(axis)
    kinds = ("random", "lottery") if path else ()
    _adjacency(axes.flat[4], {name: _read.read(path, f"adjacency_{name}") for name in kinds})
    axes.flat[5].set_axis_off()
    handles = [*(_style.swatch(*look) for look in LOOKS.values()), *_overlay.kinds()[1:]]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    counts = {_read.read(path, "adjacency_lottery").seeds} if path else set()
    _style.heading(figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, two trials.")
    return figure


def _adjacency(axis: Axes, found: dict[str, _read.Metric]) -> None:
    for place, (name, metric) in enumerate(found.items()):
        reach = np.nan_to_num((metric.band[1] - metric.band[0]) / 2)
        axis.bar(metric.x + 0.4 * place - 0.2, metric.mean, 0.38, yerr=reach, color=LOOKS[name][0])
    axis.set(title="g  Kept neighbours", xlabel="inputs in a row", xticks=[2, 3, 4], ylabel="runs an input")
