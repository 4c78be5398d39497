"""Figures: what all of them share. Each is a file in the folder of an experiment, `figures/{name}.py`.

A figure module exports `TITLE`, `CAPTION`, `needs(study)`, `draw(metrics)` and, where it shows published curves,
`CURVES`. It reads metrics files only; neither torch nor numba. `render` draws one and writes both pictures. Equal input
gives equal bytes, so a rerun leaves no difference behind.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

from perennial.files import provenance, store

Pair = tuple[str, str]  #: (experiment, variant)
PIXELS_PER_INCH = 160


def render(
    name: str, module: ModuleType, metrics: dict[Pair, Path], svg: Path, png: Path, code: str = ""
) -> None:
    """Draw one figure and write it as SVG and PNG, each whole or not at all.

    Args:
        name: what it is called in its study.
        module: from `Study.figure`.
        metrics: (experiment, variant) -> metrics file, for all or some of the figure's `needs`.
        code: hash of the code that draws it; both pictures carry it, with the checksums of the metrics files.

    Raises:
        FigureError: a file is bad or lacks what the figure shows (one line, naming file and metric).
    """
    from perennial.figures import _read, _style
    from perennial.lazy import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # nothing of a matplotlibrc of the user's
        mpl.rcParams.update(_style.parameters())
        mpl.rcParams["svg.hashsalt"] = name  # ids inside the SVG: the same in every run, distinct per figure
        figure = module.draw({pair: Path(path) for pair, path in metrics.items()})
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once; both pictures share it
        made = provenance.text(_read.record(name, metrics, Path(svg), code))
        about = {"Title": module.TITLE, "Description": made}
        for path, kind, metadata in ((svg, "svg", about | {"Date": None}), (png, "png", about)):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=PIXELS_PER_INCH, metadata=metadata)
            store.write_bytes(Path(path), buffer.getvalue())
