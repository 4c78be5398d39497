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


STUDY = Path("studies", "nature2024")
DIGITS, REGRESSION = STUDY / "permuted_digits", STUDY / "slowly_changing_regression"


def edit_yaml(path: Path, change: Callable[[dict], None]) -> None:
    """Change a config or an experiment; all keys are written in reverse order, which must not matter."""
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


def edit_digits(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the experiment on digits."""
    edit_yaml(folder / DIGITS / "experiment.yaml", change)


def edit_algorithm(folder: Path, variant: str, **settings: object) -> None:
    """Change an algorithm's settings in one variant of the digits."""
    edit_digits(folder, lambda entry: entry["variants"][variant]["algorithm"].update(settings))


def set_seeds(folder: Path, seeds: int) -> None:
    """Another number of seeds for both experiments."""
    for experiment in (DIGITS, REGRESSION):
        path = folder / experiment / "experiment.yaml"
        edit_yaml(path, lambda entry: entry["scales"]["smoke"].update(seeds=seeds))


def _harmless(folder: Path) -> None:
    """All that must plan nothing: touched sources, comments, docstrings, key order, 100.0 for 100, another
    block size, engine and data folder, deleted sequences and data, settings of a variant that does not
    run, another order of the experiments, and code that only tells who made a file."""
    changed = {"block_size": 1, "engine": "stacked", "data": {"root": "/somewhere"}}
    edit_yaml(folder / "config.yaml", lambda config: config.update(changed))
    edit_algorithm(folder, "cbp", maturity_threshold=100.0, replacement_rate="1e-4")
    edit_algorithm(folder, "l2", weight_decay=0.5)  # not part of this scale
    edit_digits(folder, lambda entry: entry.update(order=0))
    for path in [*(folder / "src").rglob("*.py"), *(folder / "studies").rglob("*.py")]:
        path.write_text("# a new comment\n" + path.read_text() + "\n# and one more\n")
    adam = folder / "src" / "perennial" / "learning" / "algorithms" / "adam.py"
    adam.write_text(adam.read_text().replace('"""', '"""Another docstring. ', 1))
    provenance = folder / "src" / "perennial" / "files" / "provenance.py"
    provenance.write_text(provenance.read_text() + "\nSTALE = 1\n")
    later = time.time() + 60
    sources = [*folder.glob("rules/*"), *(folder / "src").rglob("*.py"), *(folder / "studies").rglob("*.*")]
    for path in [folder / "Snakefile", *sources]:
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
    edit(folder / REGRESSION / "figures/ed_fig_2b.py", "TITLE = ", "STALE = 1\nTITLE = ")
    return DRY


@scenario
def published_curve(folder: Path) -> list[str]:
    """A number of a published curve: its figure is drawn again, and the claims that name it are judged again."""
    edit(folder / REGRESSION / "curves/ed_fig_2b.json", '"read_off": 0.01', '"read_off": 0.02')
    return DRY


@scenario
def claims_file(folder: Path) -> list[str]:
    edit(folder / DIGITS / "claims.yaml", "windows:", "windows:\n  another: {last: 3, text: last 3}")
    return DRY


@scenario
def replacement_rate(folder: Path) -> list[str]:
    edit_algorithm(folder, "cbp", replacement_rate=2e-4)
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
    edit_digits(folder, lambda entry: entry["scales"]["smoke"]["variants"].append("l2"))
    return DRY


@scenario
def own_method(folder: Path) -> list[str]:
    """A user's own algorithm: a file in a folder of theirs, an entry, its name in the scale."""
    (folder / "my_methods").mkdir()
    backprop = folder / "src" / "perennial" / "learning" / "algorithms" / "backprop.py"
    shutil.copy(backprop, folder / "my_methods" / "my_method.py")
    edit_yaml(folder / "config.yaml", lambda config: config.update(algorithms=["my_methods"]))

    def change(entry: dict) -> None:
        entry["variants"]["mine"] = {"algorithm": {"name": "my_method", "step_size": 0.01}}
        entry["scales"]["smoke"]["variants"].append("mine")

    edit_digits(folder, change)
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
    edit_algorithm(folder, "cbp", replacement_rate=2e-4)
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
    edit_algorithm(folder, "cbp", replacement_rate=-1)
    return []


@scenario
def mistake_in_a_key(folder: Path) -> list[str]:
    edit_algorithm(folder, "l2", step_sise=0.01)
    return []


@scenario
def mistake_on_the_command_line(folder: Path) -> list[str]:
    return ["--config", "scale=labtop"]


@scenario
def mistake_in_yaml(folder: Path) -> list[str]:
    edit(folder / "config.yaml", "\nscale: smoke\n", "\nscale: [smoke\n")
    return []


@scenario
def mistake_in_an_experiments_yaml(folder: Path) -> list[str]:
    edit(folder / DIGITS / "experiment.yaml", "\nscales:\n", "\nscales: [\n")
    return []


@scenario
def mistake_in_claims(folder: Path) -> list[str]:
    edit(folder / DIGITS / "claims.yaml", "headline: {metric:", "headline: {metrik:")
    return []


@scenario
def mistake_in_a_figure(folder: Path) -> list[str]:
    edit(folder / DIGITS / "figures/permuted_digits.py", "import annotations", "import anotations")
    return []


@scenario
def config_of_an_older_version(folder: Path) -> list[str]:
    old = {"scales": {"smoke": {"permuted_digits": {"seeds": 1, "length": 1}}}}
    edit_yaml(folder / "config.yaml", lambda config: config.update(old))
    return []


@scenario
def no_config(folder: Path) -> list[str]:
    (folder / "config.yaml").unlink()
    return []


@scenario
def lint(folder: Path) -> list[str]:
    return ["--lint"]
