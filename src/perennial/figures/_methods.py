"""Methods with their published grids: how they look, and what the article's criterion chooses from our runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial.figures import _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Method:
    """One method with its published grid. `shown` is the setting that the article shows beside the others."""

    name: str
    shown: str
    grid: Mapping[str, str]  #: variant -> its setting in words
    parameter: str  #: what the grid is a grid of


def method(name: str, parameter: str, shown: str, *settings: str) -> Method:
    """A method by its settings in words: `0.999, 0.99` is the variant `{name}_0.999_0.99`."""
    (chosen,) = _grid(name, [shown])
    return Method(name, chosen, _grid(name, settings), parameter)


def _grid(name: str, settings: Iterable[str]) -> dict[str, str]:
    return {f"{name}_{setting.replace(', ', '_')}": setting for setting in settings}


def chosen(accuracies: Mapping[str, _read.Metric], method: Method) -> str | None:
    """The setting with the highest mean accuracy over all tasks and seeds; None unless the whole grid is there."""
    if not all(variant in accuracies for variant in method.grid):
        return None
    return max(method.grid, key=lambda variant: float(np.nan_to_num(accuracies[variant].values.mean())))


def choice(accuracies: Mapping[str, _read.Metric], methods: Iterable[Method]) -> str:
    """What the article's criterion chooses from our runs, for each grid that is there as a whole."""
    words = []
    for each in methods:
        best = chosen(accuracies, each)
        if best is not None:
            note = "as shown" if best == each.shown else f"shown is {each.grid[each.shown]}"
            words.append(f"{_style.METHOD_NAMES[each.name]} {each.grid[best]} ({note})")
    half = -(-len(words) // 2)
    lines = [", ".join(part) for part in (words[:half], words[half:]) if part]
    return "Highest mean accuracy over all tasks, our runs: " + ",\n".join(lines) if words else ""


def looks(shown: Mapping[str, str], grids: set[str], paths: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """variant -> (colour, label): what is shown of each method, and then what belongs to no grid.

    Args:
        shown: method -> its variant that the article shows.
        grids: variants that are drawn only where they are shown.
        paths: variant -> metrics file, of all that was run.
    """
    found = {
        variant: (_style.METHOD_COLOURS[name], _style.METHOD_NAMES[name]) for name, variant in shown.items()
    }
    return found | _further([v for v in paths if v not in grids and v not in found], paths, found)


def own_looks(paths: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """variant -> (colour, label) of all variants, in their order."""
    return _further(list(paths), paths, {})


def one_panel(metrics: Mapping[tuple[str, str], Path], name: str, **labels: str) -> Figure:
    """A figure of one metric, one line per variant of an experiment; `labels` are those of the axes."""
    figure, ((axis,),) = _style.panels(1, 1, width=6)
    paths = {variant: path for (_, variant), path in metrics.items()}
    shown = own_looks(paths)
    for variant, (colour, _) in shown.items():
        _style.curve(axis, _read.read(paths[variant], name).over_layers(), colour)
    axis.set(**labels)
    _style.legend(figure, shown, columns=1)
    return figure


def _further(
    variants: list[str], paths: Mapping[str, Path], taken: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Looks of these variants that differ from those taken. Two variants of one method have their own names."""
    found: dict[str, tuple[str, str]] = {}
    for variant in variants:
        algorithm = _read.settings(paths[variant])["algorithm"]["name"]
        colours, labels = zip(*(taken | found).values(), strict=True) if taken or found else ((), ())
        label = _style.method_name(variant, algorithm)
        found[variant] = (
            _style.method_colour(variant, algorithm, set(colours)),
            variant.replace("_", " ") if label in labels else label,
        )
    return found
