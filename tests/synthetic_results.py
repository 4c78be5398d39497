"""A small made-up study with result files in the real format: for tests of figures and of the report.

The numbers are invented (smooth curves plus seed noise). Nothing here is a result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import the_studies
from scipy import stats

from perennial.files import store

REGRESSION, DIGITS = "slowly_changing_regression", "permuted_digits"
STEPS = (0.01, 0.003, 0.001)
ACTIVATIONS = ("tanh", "sigmoid", "elu", "relu", "leaky_relu", "swish")
# first bin, last bin: close to the published curves, so that overlays can be judged by eye
ENDS = {
    "tanh": ((0.39, 0.88), (0.50, 0.89), (0.66, 0.82)),
    "sigmoid": ((0.58, 0.90), (0.75, 0.79), (0.93, 0.74)),
    "elu": ((0.55, 0.71), (0.63, 0.69), (0.75, 0.68)),
    "relu": ((0.61, 1.19), (0.62, 1.01), (0.69, 0.84)),
    "leaky_relu": ((0.61, 0.95), (0.60, 1.07), (0.71, 0.87)),
    "swish": ((0.55, 1.45), (0.62, 0.75), (0.74, 0.71)),
}
METHODS = {
    "l2_0.001": ("l2", {"weight_decay": 1e-3}, (0.62, 0.80)),
    "shrink_and_perturb_0.001": ("shrink_and_perturb", {"noise": 1e-3}, (0.62, 0.70)),
    "adam_0.01": ("adam", {}, (0.66, 1.30)),
    "cbp_1e-4": ("cbp", {"replacement_rate": 1e-4}, (0.60, 0.72)),
}
TRAINED = {
    "engine": ["fused"], "device": ["cpu"], "git": ["0123abc"], "code": ["beef"], "data_sha256": [],
    "versions": {"python": ["3.11.2"], "numpy": ["2.4.6"]},
}  # fmt: skip
DIGIT_ENDS = {"backprop": (80, 64), "l2": (81, 72), "shrink_and_perturb": (81, 78), "cbp": (81, 85)}


@dataclass
class Study:
    """Stands in for `perennial.config.Study`: the same names, without files or validation."""

    results: Path
    scale: str = "laptop"
    table: dict[str, dict[str, dict]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    figure_names: dict[str, list[str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.results / self.scale

    def experiments(self) -> list[str]:
        return list(self.table)

    def variants(self, experiment: str) -> list[str]:
        return list(self.table[experiment])

    def seeds(self, experiment: str, variant: str) -> list[int]:
        return list(range(self.counts[experiment]))

    def settings(self, experiment: str, variant: str) -> dict:
        return self.table[experiment][variant]

    def figures(self) -> dict[str, list[str]]:
        return self.figure_names

    def figure(self, name: str):
        return the_studies.figure(name)

    @property
    def all_experiments(self) -> dict:
        return the_studies.STUDY.all_experiments

    def claims(self, experiment: str):
        return the_studies.claims(experiment)

    def experiment(self, name: str):
        title = name.replace("_", " ").capitalize()
        text = f"An invented stand-in for {title.lower()}."
        return type("Experiment", (), {"title": title, "description": text})()


def settings(problem: str, hidden: list[int], activation: str, algorithm: str, tasks: int, **more) -> dict:
    """Settings of one variant, in the shape that `Study.settings` gives."""
    return {
        "procedure": {"name": "task_stream"},
        "problem": {"name": problem},
        "network": {"name": "mlp", "hidden": hidden, "activation": activation},
        "algorithm": {"name": algorithm, "step_size": 0.01, **more},
        "measures": {},
        "length": tasks,
        "precision": "float32",
    }


def regression_variants(full: bool = True) -> dict[str, dict]:
    """Variants of the regression study: all of the laptop scale, or four."""
    found = {"linear_0.003": settings(REGRESSION, [], "linear", "backprop", 300, step_size=0.003)}
    for activation in ACTIVATIONS if full else ("relu",):
        for step in STEPS if full else (0.01,):
            name = f"{activation}_{step:g}"
            found[name] = settings(REGRESSION, [5], activation, "backprop", 300, step_size=step)
    for activation in ("relu", "tanh") if full else ("relu",):
        for suffix, (algorithm, more, _) in METHODS.items():
            if full or algorithm in ("l2", "cbp"):
                found[f"{activation}_{suffix}"] = settings(
                    REGRESSION, [5], activation, algorithm, 300, **more
                )
    return found


def digit_variants(tasks: int) -> dict[str, dict]:
    """The five variants of permuted digits."""
    hidden = [100, 100, 100]
    found = {name: settings(DIGITS, hidden, "relu", name, tasks) for name in DIGIT_ENDS}
    fresh = settings(DIGITS, hidden, "relu", "backprop", tasks)
    fresh["procedure"]["reset"] = "network"
    return {**found, "fresh": fresh}


def write_metrics(path: Path, experiment: str, variant: str, given: dict, seeds: int, arrays: dict) -> None:
    """Write one metrics file as `perennial.analyses.summary` does.

    Args:
        arrays: metric -> (values [seed, *axes], {axis: coordinates}, units).
    """

    def fill(file) -> None:
        file.attrs.update(
            kind="metrics", experiment=experiment, variant=variant, settings=json.dumps(given),
            seeds=np.arange(seeds), planned_seeds=np.arange(seeds + 2), trained=json.dumps(TRAINED),
            inputs=json.dumps({f"../../runs/{experiment}/{variant}/seeds_0-{seeds - 1}.h5": "5eed" * 16}),
            versions=json.dumps({"python": "3.11.2", "scipy": "1.17.0"}), engine="numpy", device="cpu",
            git="0123abc", code="feed", wall_seconds=61.5, cpu_seconds=118.25, peak_memory_bytes=234_000_000,
            run_steps=3_000_000 * seeds,
        )  # fmt: skip
        for name, (values, axes, units) in arrays.items():
            _fill_metric(file.create_group(name), np.asarray(values, np.float32), axes, units)

    store.write(path, fill)


def _fill_metric(group, values: np.ndarray, axes: dict, units: str) -> None:
    n = len(values)
    mean = values.mean(0)
    with np.errstate(invalid="ignore"):
        error = values.std(0, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    reach = stats.t.ppf(0.975, n - 1) * error if n > 1 else error
    pieces = {"values": values, "mean": mean, "standard_error": error}
    pieces |= {"low": mean - reach, "high": mean + reach}
    for key, piece in {**pieces, **axes}.items():
        group.create_dataset(key, data=np.asarray(piece))
    group.attrs.update(axes=json.dumps(list(axes)), units=units, description="invented", source="made up")


def _curve(ends: tuple[float, float], points: int, seeds: int, noise: float, salt: int) -> np.ndarray:
    """[seed, points]: a rise or fall from the first to the last value, with noise shared along a seed."""
    random = np.random.default_rng(salt)
    shape = 1 - np.exp(-np.linspace(0, 3, points))
    base = ends[0] + (ends[1] - ends[0]) * shape / shape[-1]
    walk = random.normal(0, noise, (seeds, 1)) + random.normal(0, noise, (seeds, points))
    return base + walk * 0.7


def write_regression(study: Study, seeds: int, points: int = 75) -> None:
    """Metrics files of every active regression variant."""
    example = np.arange(points) * 40_000
    for salt, variant in enumerate(study.variants(REGRESSION)):
        ends, noise = (0.82, 0.825), 0.1
        for activation, steps in ENDS.items():
            for step, pair in zip(STEPS, steps, strict=True):
                ends = pair if variant == f"{activation}_{step:g}" else ends
        for suffix, (_, _, pair) in METHODS.items():
            ends = pair if variant.endswith(suffix) and not variant.startswith("linear") else ends
        axes = {"example": example}
        arrays = {
            "squared_error": (_curve(ends, points, seeds, noise, salt), axes, "squared error"),
            "weight_magnitude": (_curve((0.2, 0.6), points, seeds, 0.02, salt), axes, "weight"),
            "dead_units": (_curve((0, 30), points, seeds, 5, salt).clip(0), axes, "percent"),
        }
        path = study.folder / "metrics" / REGRESSION / f"{variant}.h5"
        write_metrics(path, REGRESSION, variant, study.settings(REGRESSION, variant), seeds, arrays)


def write_digits(study: Study, seeds: int, tasks: int) -> None:
    """Metrics files of every active digits variant."""
    every, tenth, layer = np.arange(1, tasks + 1), np.arange(10, tasks + 1, 10), np.arange(3)
    for salt, variant in enumerate(study.variants(DIGITS)):
        ends = DIGIT_ENDS.get(variant, (79.5, 79.5))
        fall = max(0.0, 80 - ends[1])

        def layered(pair, coordinates, noise, salt=salt):
            parts = [_curve(pair, len(coordinates), seeds, noise, 7 * salt + k).clip(0) for k in layer]
            return np.stack(parts, -1)

        weights = _curve((0.07, 0.08 + fall / 60), tasks, seeds, 0.004, salt)
        sparse = {"task": tenth, "layer": layer}
        arrays = {
            "online_accuracy": (_curve(ends, tasks, seeds, 1, salt), {"task": every}, "percent"),
            "dead_units": (layered((2, 3 * fall), every, 2), {"task": every, "layer": layer}, "percent"),
            "weight_magnitude": (weights, {"task": every}, "weight"),
            "effective_rank": (layered((60, 60 - fall), tenth, 2), sparse, "dimensions"),
            "stable_rank": (layered((9, 4), tenth, 1), sparse, "dimensions"),
        }
        path = study.folder / "metrics" / DIGITS / f"{variant}.h5"
        write_metrics(path, DIGITS, variant, study.settings(DIGITS, variant), seeds, arrays)


def make(results: Path, full: bool = False, seeds: int = 4, tasks: int = 40) -> Study:
    """A study with its metrics files under `results`; `full` has the size of the laptop scale."""
    table = {REGRESSION: regression_variants(full), DIGITS: digit_variants(tasks)}
    figures = {
        "ed_fig_2b": [REGRESSION],
        "slowly_changing_regression_methods": [REGRESSION],
        "permuted_digits": [DIGITS],
    }
    counts = {REGRESSION: seeds, DIGITS: min(seeds, 10)}
    study = Study(Path(results), table=table, counts=counts, figure_names=figures)
    write_regression(study, seeds)
    write_digits(study, min(seeds, 10), tasks)
    return study


def figure_metrics(study: Study, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Path]:
    """The metrics files of (experiment, variant) pairs, as the figure rule hands them over."""
    return {pair: study.folder / "metrics" / pair[0] / f"{pair[1]}.h5" for pair in pairs}
