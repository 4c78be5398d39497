"""Changes to a finished smoke study. Each function edits a copy and returns the arguments for Snakemake."""

from __future__ import annotations

import base64
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import yaml

ALL: dict[str, Callable[[Path], list[str] | None]] = {}
DRY = ["-n"]


def scenario(function: Callable[[Path], list[str] | None]) -> Callable[[Path], list[str] | None]:
    """Register a scenario under its function's name."""
    ALL[function.__name__] = function
    return function


def edit_config(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the config; all keys are written in reverse order, which must not matter."""
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(_reversed(config), sort_keys=False))


def _reversed(value):
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    return value


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text, f"{path}: no {old!r}"
    path.write_text(text.replace(old, new))


def digits(config: dict) -> dict:
    """The variants of the digits."""
    return config["experiments"]["permuted_digits"]["variants"]


def set_seeds(folder: Path, seeds: int) -> None:
    """Another number of seeds for both experiments."""

    def change(config: dict) -> None:
        for entry in config["scales"]["smoke"].values():
            entry["seeds"] = seeds

    edit_config(folder, change)


def _harmless(folder: Path) -> None:
    """All that must plan nothing: touched sources, comments, docstrings, key order, 100.0 for 100, another
    block size, engine and data folder, deleted sequences and data, settings of a variant that does not
    run, and code that only tells who made a file."""

    def change(config: dict) -> None:
        config |= {"block_size": 1, "engine": "stacked", "data": {"root": "/somewhere"}}
        digits(config)["cbp"]["algorithm"] |= {"maturity_threshold": 100.0, "replacement_rate": "1e-4"}
        digits(config)["l2"]["algorithm"]["weight_decay"] = 0.5  # not part of this scale

    edit_config(folder, change)
    for path in (folder / "src").rglob("*.py"):
        path.write_text("# a new comment\n" + path.read_text() + "\n# and one more\n")
    adam = folder / "src" / "perennial" / "learning" / "algorithms" / "adam.py"
    adam.write_text(adam.read_text().replace('"""', '"""Another docstring. ', 1))
    provenance = folder / "src" / "perennial" / "provenance.py"
    provenance.write_text(provenance.read_text() + "\nSTALE = 1\n")
    later = time.time() + 60
    for path in [folder / "Snakefile", *folder.glob("rules/*"), *(folder / "src").rglob("*.py")]:
        os.utime(path, (later, later))
    shutil.rmtree(folder / "results" / "smoke" / "sequences")
    shutil.rmtree(folder / "results" / "data")


@scenario
def nothing_changed(folder: Path) -> list[str]:
    return []  # not a dry run: it must have nothing to do


@scenario
def harmless(folder: Path) -> list[str]:
    _harmless(folder)
    return DRY


@scenario
def harmless_slurm(folder: Path) -> list[str]:
    _harmless(folder)
    return [*DRY, "--workflow-profile", "profiles/slurm"]


@scenario
def harmless_gpu(folder: Path) -> list[str]:
    _harmless(folder)
    return [*DRY, "--workflow-profile", "profiles/gpu"]


@scenario
def adam_code(folder: Path) -> list[str]:
    """A line of code in Adam's definition and in its fast paths."""
    for place in ("learning/algorithms", "learning/engines/fused", "learning/engines/graphed"):
        path = folder / "src" / "perennial" / place / "adam.py"
        path.write_text(path.read_text() + "\nSTALE = 1\n")
    return DRY


@scenario
def problem_code(folder: Path) -> list[str]:
    """A line of code in the digits' own file: their sequences get another name."""
    path = folder / "src" / "perennial" / "problems" / "permuted_digits.py"
    path.write_text(path.read_text() + "\nSTALE = 1\n")
    return DRY


@scenario
def figure_code(folder: Path) -> list[str]:
    edit(folder / "src/perennial/figures/ed_fig_2b.py", "TITLE = ", "STALE = 1\nTITLE = ")
    return DRY


@scenario
def replacement_rate(folder: Path) -> list[str]:
    edit_config(folder, lambda config: digits(config)["cbp"]["algorithm"].update(replacement_rate=2e-4))
    return DRY


@scenario
def more_seeds(folder: Path) -> list[str]:
    set_seeds(folder, 3)
    return DRY


@scenario
def more_seeds_without_sequences(folder: Path) -> list[str]:
    """Sequences that were deleted are no reason to train the old seeds again."""
    shutil.rmtree(folder / "results" / "smoke" / "sequences")
    set_seeds(folder, 3)
    return DRY


@scenario
def fewer_seeds(folder: Path) -> list[str]:
    set_seeds(folder, 1)
    return DRY


@scenario
def another_variant(folder: Path) -> list[str]:
    edit_config(folder, lambda c: c["scales"]["smoke"]["permuted_digits"]["variants"].append("l2"))
    return DRY


@scenario
def own_method(folder: Path) -> list[str]:
    """A user's own algorithm: a file, a config entry, its name in the scale."""
    algorithms = folder / "src" / "perennial" / "learning" / "algorithms"
    shutil.copy(algorithms / "backprop.py", algorithms / "my_method.py")

    def change(config: dict) -> None:
        digits(config)["mine"] = {"algorithm": {"name": "my_method", "step_size": 0.01}}
        config["scales"]["smoke"]["permuted_digits"]["variants"].append("mine")

    edit_config(folder, change)
    return DRY


@scenario
def experiment_target(folder: Path) -> list[str]:
    """Much is missing; the target of one experiment makes only its own part."""
    for stage in ("metrics", "figures", "claims"):
        shutil.rmtree(folder / "results" / "smoke" / stage)
    return [*DRY, "permuted_digits"]


@scenario
def figure_target(folder: Path) -> list[str]:
    shutil.rmtree(folder / "results" / "smoke" / "figures")
    return [*DRY, "ed_fig_2b"]


@scenario
def copied_results(folder: Path) -> list[str]:
    """Results without Snakemake's memory of them, and one setting that has changed since."""
    shutil.rmtree(folder / ".snakemake")
    edit_config(folder, lambda config: digits(config)["cbp"]["algorithm"].update(replacement_rate=2e-4))
    return DRY


TRUNCATED = "results/smoke/runs/slowly_changing_regression/linear_0.003/seeds_0-1.h5"


def _truncate(folder: Path) -> None:
    path = folder / TRUNCATED
    path.write_bytes(path.read_bytes()[:-100])


@scenario
def truncated_dry(folder: Path) -> list[str]:
    _truncate(folder)
    return DRY


@scenario
def truncated_run(folder: Path) -> list[str]:
    """A real run, as far as the metrics of that variant."""
    _truncate(folder)
    return ["results/smoke/metrics/slowly_changing_regression/linear_0.003.h5"]


@scenario
def paper(folder: Path) -> list[str]:
    return [*DRY, "--config", "scale=paper"]


@scenario
def laptop_mnist(folder: Path) -> list[str]:
    return [*DRY, "permuted_mnist_width", "--config", "scale=laptop"]


@scenario
def paper_rate(folder: Path) -> list[str]:
    return [*DRY, "permuted_mnist_rate", "--config", "scale=paper"]


@scenario
def paper_shared_figure(folder: Path) -> list[str]:
    return [*DRY, "ed_fig_3b", "--config", "scale=paper"]


@scenario
def killed_before_the_record(folder: Path) -> list[str]:
    """Two blocks and a data set are finished, but Snakemake takes them for begun. One block is no whole file."""
    begun = folder / ".snakemake" / "incomplete"
    names = [f"results/smoke/runs/permuted_digits/{variant}/seeds_0-1.h5" for variant in ("cbp", "backprop")]
    names.append("results/data/digits.h5")
    records = [path for path in (folder / ".snakemake" / "metadata").rglob("*") if path.is_file()]
    for name in names:
        key = base64.urlsafe_b64encode(name.encode()).decode()
        (record,) = (path for path in records if path.name == key)
        record.unlink()
        (begun / key).write_text('{"external_jobid": null}')
    with open(folder / names[1], "r+b") as file:
        file.truncate(600)
    return [
        "results/smoke/metrics/permuted_digits/cbp.h5",
        "results/smoke/metrics/permuted_digits/backprop.h5",
    ]


@scenario
def mistake_in_a_setting(folder: Path) -> list[str]:
    edit_config(folder, lambda config: digits(config)["cbp"]["algorithm"].update(replacement_rate=-1))
    return []


@scenario
def mistake_in_a_key(folder: Path) -> list[str]:
    edit_config(folder, lambda config: digits(config)["l2"]["algorithm"].update(step_sise=0.01))
    return []


@scenario
def mistake_on_the_command_line(folder: Path) -> list[str]:
    return ["--config", "scale=labtop"]


@scenario
def mistake_in_yaml(folder: Path) -> list[str]:
    edit(folder / "config.yaml", "\nscales:\n", "\nscales: [\n")
    return []


@scenario
def no_config(folder: Path) -> list[str]:
    (folder / "config.yaml").unlink()
    return []


@scenario
def lint(folder: Path) -> list[str]:
    return ["--lint"]
