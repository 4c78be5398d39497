"""Small run files in the real format, with invented numbers: for tests of the stages that read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perennial.files import series, store
from perennial.procedures import Series

SETTINGS = {"algorithm": {"name": "backprop", "step_size": 0.01}, "network": {"hidden": [5]}, "length": 3}


def write_block(
    path: Path,
    seeds: Sequence[int],
    metrics: Mapping[str, tuple[Mapping[str, Sequence[float]], Mapping[int, np.ndarray]]],
    settings: Mapping = SETTINGS,
    measured: Sequence[Series] = (),
    **attributes: object,
) -> Path:
    """A run file.

    Args:
        metrics: name -> (coordinates by axis, array by seed).
        measured: further measures, as a course leaves them.
        attributes: of the file, in place of invented ones.
    """

    def fill(file) -> None:
        root = {
            "kind": "run",
            "settings": json.dumps(settings),
            "seeds": np.array(seeds),
            "engine": "fused",
            "device": "cpu",
            "versions": json.dumps({"numpy": "2.0"}),
            "code": "abc",
            "git": "def",
            "wall_seconds": 2.0,
            "cpu_seconds": 1.5,
            "peak_memory_bytes": 100,
            "run_steps": 10,
        }
        for key, value in (root | attributes).items():
            file.attrs[key] = value
        for name, (coordinates, values) in metrics.items():
            for axis, points in coordinates.items():
                file[f"coordinates/{name}/{axis}"] = np.asarray(points)
            for seed in seeds:
                if seed in values:
                    data = file.create_dataset(f"seed_{seed:04d}/{name}", data=values[seed])
                    data.attrs["axes"] = json.dumps(list(coordinates))
                    data.attrs["units"] = "units of " + name
                    data.attrs["description"] = "invented"
                    data.attrs["source"] = "nowhere"
        for one in measured:
            series.write(file, one, list(seeds))

    store.write(path, fill)
    return path
