"""The config: merge and grids, canonical settings, and one clear line for each mistake."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import the_studies

from perennial import cli, config
from perennial.config import ConfigError, entries, variants
from perennial.learning import engines

ROOT = Path(__file__).parents[2]
CONFIG = the_studies.in_one_file()
REGRESSION, DIGITS = "slowly_changing_regression", "permuted_digits"
OWN = f"experiments/{DIGITS}"
LAPTOP = f"{OWN}/scales/laptop"
CBP = f"{OWN}/variants/cbp/algorithm"
ONE = {"seeds": 1, "length": 1}
DELETE = object()


def edited(*changes):
    """A copy of the study's config with `(dotted key, value)` changes; the value DELETE removes a key."""
    copied = copy.deepcopy(CONFIG)
    for key, value in changes:
        *parents, last = key.split("/")
        entry = copied
        for parent in parents:
            entry = entry[parent]
        if value is DELETE:
            del entry[last]
        else:
            entry[last] = value
    return copied


def mistakes(*changes):
    with pytest.raises(ConfigError) as caught:
        config.load(edited(*changes))
    return str(caught.value).splitlines()


# The study itself


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_the_study_is_good_at_every_scale(scale):
    study = config.load(CONFIG, scale=scale)
    assert study.folder == Path("results") / scale
    assert all(study.variants(name) and study.all_seeds(name) for name in study.experiments())


def test_smoke_is_small_and_laptop_is_the_published_figure():
    smoke = config.load(CONFIG, scale="smoke")
    assert sum(len(smoke.variants(name)) for name in smoke.experiments()) <= 10
    laptop = config.load(CONFIG, scale="laptop")
    activations = ("tanh", "sigmoid", "elu", "relu", "leaky_relu", "swish")
    curves = {f"{name}_{step}" for name in activations for step in ("0.01", "0.003", "0.001")}
    methods = {
        f"{name}_{method}"
        for name in ("relu", "tanh")
        for method in ("l2_0.001", "shrink_and_perturb_0.001", "adam_0.01", "cbp_1e-4")
    }
    assert curves | methods | {"linear_0.003"} <= set(laptop.variants(REGRESSION))
    assert laptop.seeds(REGRESSION, "linear_0.003") == laptop.seeds(REGRESSION, "elu_0.001")
    assert (
        len(laptop.seeds(REGRESSION, "linear_0.003")) >= 300
        and len(laptop.seeds(REGRESSION, "relu_cbp_1e-4")) >= 30
    )
    assert laptop.settings(REGRESSION, "relu_0.01")["length"] * 10_000 == 3_000_000


def test_the_schema_is_current():
    """Compared for the modules it names, so that adding a method asks for no other edit."""
    known = json.loads((cli.SCHEMAS / entries.EXPERIMENT_SCHEMA).read_text())["$defs"]
    names = {kind: known[kind]["anyOf"][0]["enum"] for kind in known if kind != "experiment"}
    for file, text in cli.schema_texts(names).items():
        assert (cli.SCHEMAS / file).read_text() == text, "run `perennial schema`"


def test_engines_are_those_there_are():
    assert get_args(entries.Engine) == ("auto", *engines.NAMES)
    assert get_args(entries.Device) == ("auto", *engines.DEVICES)


def test_reading_the_config_is_light():
    """Every start of Snakemake reads it: seconds of imports would be felt."""
    code = (
        "import sys; from perennial import config;"
        "config.load('config.yaml').settings_text('permuted_digits', 'cbp');"
        "print([m for m in ('torch', 'numba', 'matplotlib', 'pandas', 'h5py', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Meaning


def test_settings_are_complete_and_typed():
    settings = config.load(edited((f"{CBP}/step_size", "1e-2"))).settings(DIGITS, "cbp")
    assert settings["algorithm"]["step_size"] == 0.01  # YAML reads 1e-2 as text
    assert settings["algorithm"]["utility"] == "adaptable_contribution"  # a default
    assert settings["procedure"] == {"name": "task_stream", "reset": "none"}
    assert settings["precision"] == "float32" and settings["length"] == 1000
    assert set(settings) == {
        "procedure",
        "problem",
        "network",
        "algorithm",
        "measures",
        "length",
        "precision",
    }


def test_key_order_and_kinds_of_numbers_do_not_matter():
    text = config.load(CONFIG).settings_text(DIGITS, "cbp")
    algorithm = dict(reversed(CONFIG["experiments"][DIGITS]["variants"]["cbp"]["algorithm"].items()))
    algorithm |= {"maturity_threshold": 100.0, "weight_decay": 0, "replacement_rate": "1e-4"}
    assert config.load(edited((CBP, algorithm))).settings_text(DIGITS, "cbp") == text


def test_only_its_own_settings_change_a_variant():
    """What is outside a variant - seeds, block size, engine, folders, other variants - is not in its text."""
    text = config.load(CONFIG).settings_text(DIGITS, "cbp")
    other = edited(
        ("block_size", 1), ("engine", "stacked"), ("device", "cpu"), ("results", "elsewhere"),
        ("checkpoint_seconds", 5),
        ("data", {"root": "/data"}), (f"{LAPTOP}/seeds", 77), (f"{OWN}/variants/l2/algorithm/step_size", 0.5),
        (f"{OWN}/title", "another title"),
    )  # fmt: skip
    assert config.load(other).settings_text(DIGITS, "cbp") == text


def test_a_variant_lies_over_its_experiment():
    study = config.load(CONFIG)
    assert study.settings(REGRESSION, "linear_0.01")["network"]["hidden"] == []
    assert study.settings(REGRESSION, "tanh_0.01")["network"] == {
        "name": "mlp", "hidden": [5], "activation": "tanh"
    }  # fmt: skip
    assert study.settings(DIGITS, "fresh")["procedure"]["reset"] == "network"


def test_measures_are_laid_over_too():
    changed = edited((f"{OWN}/variants/cbp/measures", {"stable_rank": {"every": 50}}))
    measures = config.load(changed).settings(DIGITS, "cbp")["measures"]
    assert measures["stable_rank"] == {"every": 50} and measures["effective_rank"] == {"every": 10}


def test_precision_of_the_study_or_of_an_experiment():
    study = config.load(edited(("precision", "float64"), (f"{OWN}/precision", "float32")))
    assert study.settings(REGRESSION, "relu_0.01")["precision"] == "float64"
    assert study.settings(DIGITS, "cbp")["precision"] == "float32"


def test_other_products_on_a_gpu_make_other_runs():
    plain, other = (config.load(edited(("gpu_precision", given))) for given in ("fp32", "tf32"))
    settings = plain.settings(DIGITS, "cbp")
    assert "gpu_precision" not in settings
    assert other.settings(DIGITS, "cbp") == {**settings, "gpu_precision": "tf32"}


NAMES = {0.01: "0.01", 0.001: "0.001", 1e-4: "1e-4", 3e-4: "3e-4", 1.5e-5: "1.5e-5", 1.0: "1", 0: "0"}


@pytest.mark.parametrize(
    ("value", "name"), [*NAMES.items(), ("relu", "relu"), ([100, 10], "100x10"), (True, "true")]
)
def test_values_in_names(value, name):
    assert variants.value_name(value) == name


def test_a_grid_names_its_variants():
    relu, tanh = {"network.activation": ["relu"]}, {"network.activation": ["tanh"]}
    grids = {
        "plain": {"algorithm.step_size": ["1e-4", 0.5]},
        "two": {**relu, "algorithm.step_size": [1]},
        "{activation}-at-{step_size}": {**tanh, "algorithm.step_size": [1]},
    }
    given = {name: {"algorithm": "backprop", "grid": grid} for name, grid in grids.items()}
    study = config.load(edited((f"{OWN}/variants", given), (f"{OWN}/scales", {"laptop": ONE})))
    assert study.variants(DIGITS) == ["plain_1e-4", "plain_0.5", "two_relu_1", "tanh-at-1"]
    assert study.settings(DIGITS, "plain_1e-4")["algorithm"]["step_size"] == 1e-4


def test_seeds_as_a_number_or_a_list():
    assert config.load(edited((f"{LAPTOP}/seeds", 3))).all_seeds(DIGITS) == [0, 1, 2]
    assert config.load(edited((f"{LAPTOP}/seeds", [7, 3]))).all_seeds(DIGITS) == [3, 7]


def test_sequences_are_named_by_what_determines_them():
    study = config.load(CONFIG, scale="paper")
    relu = study.sequence(REGRESSION, "relu_0.01")
    assert relu == study.sequence(REGRESSION, "linear_0.01") and relu.startswith(f"{REGRESSION}-")
    assert relu == study.sequence(f"{REGRESSION}_ablation", "tanh_adam_0.01")
    assert relu != study.sequence(f"{REGRESSION}_redraw", "relu_0.01")


def test_a_variant_may_change_the_problems_settings_and_its_number_of_tasks():
    few = {"algorithm": {"name": "backprop", "step_size": 0.1}, "problem": {"probe_examples": 7}}
    grid = {
        "algorithm": {"name": "backprop", "step_size": 0.5},
        "grid": {"problem.order": ["fresh", "cyclic"]},
    }
    tasks = {"few": 5, "grid_*": 50}
    study = config.load(
        edited(
            (f"{OWN}/variants/few", few), (f"{OWN}/variants/grid", grid), (f"{LAPTOP}/length", tasks),
            (f"{LAPTOP}/variants", ["few", "grid_*"]),
        )
    )  # fmt: skip
    assert study.variants(DIGITS) == ["few", "grid_fresh", "grid_cyclic"]
    assert study.settings(DIGITS, "few")["problem"]["probe_examples"] == 7
    assert study.settings(DIGITS, "grid_cyclic")["problem"]["order"] == "cyclic"
    assert [study.settings(DIGITS, name)["length"] for name in study.variants(DIGITS)] == [5, 50, 50]
    assert len({study.sequence(DIGITS, name) for name in study.variants(DIGITS)}) == 3
    with pytest.raises(ConfigError, match="length: nothing fits the variant 'cbp'"):
        study.settings(DIGITS, "cbp")
    assert study.settings(DIGITS, "cbp", length=3)["length"] == 3


def test_a_figure_belongs_to_the_active_experiments_that_it_shows():
    width, paper = "permuted_mnist_width", config.load(ROOT / "config.yaml", scale="paper")
    assert paper.figures()["ed_fig_3b"] == ["permuted_mnist", width, "permuted_mnist_rate"]
    laptop = config.load(ROOT / "config.yaml", scale="laptop").figures()
    assert laptop["ed_fig_3b"] == [width] and laptop[DIGITS] == [DIGITS] and "ed_fig_3c" not in laptop


def test_data_root_from_the_config_or_the_environment(monkeypatch):
    monkeypatch.delenv("PERENNIAL_DATA", raising=False)
    assert config.load(CONFIG).data_root is None
    monkeypatch.setenv("PERENNIAL_DATA", "/some/where")
    assert config.load(CONFIG).data_root == Path("/some/where")
    assert config.load(edited(("data", {"root": "/here"}))).data_root == Path("/here")


# Mistakes: file, key, given value, allowed values, nearest spelling


ONE_MISTAKE = [  # what is changed; where the line says it is, if elsewhere; what the line says
    ([(f"{CBP}/replacement_rate", -1)], "", ["-1 is not allowed", "a number in [0, 1]"]),
    ([(f"{CBP}/replacement_rate", DELETE)], "", ["is missing", "a number in [0, 1]"]),
    (
        [(f"{CBP}/step_sise", 0.01), (f"{CBP}/step_size", DELETE)],
        "",
        ["unknown key", "allowed: step_size", "did you mean 'step_size'?"],
    ),
    ([(CBP, "cbpp")], "", ["'cbpp' is not known", "allowed: adam, backprop, cbp", "did you mean 'cbp'?"]),
    ([(f"{CBP}/name", "cpb")], CBP, ["'cpb' is not known"]),
    ([(f"{CBP}/utility", "contributions")], "", ["one of contribution,", "did you mean"]),
    ([(f"{CBP}/step_size", "fast")], "", ["'fast' is not allowed", "a number > 0"]),
    ([(f"{CBP}/step_size", float("nan"))], "", ["nan is not allowed"]),
    ([("scale", "labtop")], "", ["'labtop' is not known", "smoke, laptop, paper", "did you mean 'laptop'?"]),
    ([("blok_size", 3)], "", ["unknown key", "did you mean 'block_size'?"]),
    ([("block_size", 0)], "", ["0 is not allowed", "a whole number >= 1"]),
    ([("checkpoint_seconds", -1)], "", ["-1 is not allowed", "a number >= 0"]),
    (
        [("engine", "gpu")],
        "",
        ["'gpu' is not allowed", "one of auto, lanes, fused, pooled, dense, graphed, recorded, stacked"],
    ),
    ([("device", "gpu")], "", ["'gpu' is not allowed", "one of auto, cpu, cuda"]),
    ([("gpu_precision", "bf16")], "", ["'bf16' is not allowed", "one of fp32, tf32"]),
    ([("results", 5)], "", ["5 is not allowed", "text"]),
    ([(f"{LAPTOP}/seeds", 0)], "", ["0 is not allowed", "a whole number >= 1"]),
    ([(f"{LAPTOP}/seeds", [1, 1])], "", ["different seeds"]),
    ([(f"{LAPTOP}/length", -2)], "", ["-2 is not allowed", "a whole number >= 1"]),
    ([(f"{LAPTOP}/length", {"cbp": 0})], "", ["0 is not allowed", "a mapping of variants"]),
    (
        [(f"{LAPTOP}/length", {"cbp": 5}), (f"{LAPTOP}/variants", ["cbp", "l2"])],
        "",
        ["nothing fits the variant 'l2'", "one number of tasks for each variant"],
    ),
    (
        [(f"{LAPTOP}/length", {"cbp": 5, "c*": 6}), (f"{LAPTOP}/variants", ["cbp"])],
        "",
        ["all of cbp, c* fit the variant 'cbp'"],
    ),
    (
        [(f"{OWN}/variants/l2/problem", "slowly_changing_regression")],
        f"{OWN}/variants/l2/problem/name",
        ["another problem is another experiment"],
    ),
    (
        [(f"{OWN}/variants/l2/grid", {"problem.name": ["slowly_changing_regression"]})],
        f"{OWN}/variants/l2/grid/problem/name",
        ["another problem is another experiment"],
    ),
    ([(f"{LAPTOP}/variants", ["cbp", "l3"])], "", ["'l3' matches no variant", "did you mean 'l2'?"]),
    ([(f"{OWN}/figures", ["ed_fig_2b"])], "", ["unknown key", "allowed: title"]),
    ([(f"{OWN}/problem", "permuted_digit")], "", ["is not known", "permuted_digits"]),
    ([(f"{OWN}/environment", "chain")], "", ["is one too many (give one of problem, environment)"]),
    ([(f"{OWN}/problem", DELETE)], "", ["is missing (give one of problem, environment)"]),
    ([(f"{OWN}/network/hidden", [100, 0.5])], f"{OWN}/network/hidden[1]", ["0.5 is not allowed"]),
    ([(f"{OWN}/measures", {"effectve_rank": {}})], "", ["is not known", "did you mean 'effective_rank'?"]),
    ([(f"{OWN}/measures/effective_rank", 3)], "", ["3 is not allowed", "a mapping"]),
    (
        [(f"{OWN}/measures/effective_rank", {"every": 0})],
        f"{OWN}/measures/effective_rank/every",
        ["0 is not allowed"],
    ),
    (
        [(f"{OWN}/variants/twin", {"algorithm": {"step_size": 0.01, "name": "backprop"}})],
        "",
        ["same settings as 'backprop'"],
    ),
    (
        [(f"{OWN}/variants/l2/grid", {"algoritm.step_size": [1]})],
        f"{OWN}/variants/l2/grid/algoritm.step_size",
        ["unknown key", "algorithm.KEY"],
    ),
    (
        [(f"{OWN}/variants/l2/grid", {"algorithm.step_size": [1]})],
        f"{OWN}/variants/l2/grid/algorithm.step_size",
        ["is given twice"],
    ),
    ([("experiments/all", CONFIG["experiments"][DIGITS])], "", ["'all' is not allowed as a name"]),
    ([("experiments", {})], "studies", ["there is no experiment"]),
    ([("studies", ["natur2024"])], "studies", ["natur2024' is not there", "a folder of experiments"]),
    ([("algorithms", ["../mine"])], "", ["mine' is not allowed (must be a folder)"]),
    ([("experiments", None)], "", ["nothing is not allowed", "a mapping"]),
]


@pytest.mark.parametrize(("changes", "place", "parts"), ONE_MISTAKE)
def test_one_mistake_is_one_clear_line(changes, place, parts):
    lines = mistakes(*changes)
    assert len(lines) == 1, lines
    key = (place or changes[0][0]).replace("/", ".")
    assert lines[0].startswith(f"config.yaml: {key}: ")
    assert all(part in lines[0] for part in parts), lines[0]


def test_a_mistake_in_a_grid_value_names_the_grid():
    key = f"experiments/{REGRESSION}/variants/linear/grid"
    lines = mistakes((key, {"algorithm.step_size": [0.03, 0.01, 0.003, 0.001, 3.0e-4, -3]}))
    assert lines == [
        f"config.yaml: {key.replace('/', '.')}.algorithm.step_size: -3 is not allowed (must be a number > 0)"
    ]


def test_several_mistakes_are_reported_at_once():
    lines = mistakes((f"{CBP}/replacement_rate", 2), (f"{OWN}/variants/l2/algorithm/weight_decay", -1))
    assert len(lines) == 2


def test_a_shared_mistake_is_reported_once():
    assert len(mistakes((f"{OWN}/network/hidden", "wide"))) == 1


def test_asking_for_what_is_not_there():
    study = config.load(CONFIG)
    with pytest.raises(ConfigError, match=r"'cpb' is no variant of permuted_digits .*did you mean 'cbp'"):
        study.settings(DIGITS, "cpb")
    with pytest.raises(ConfigError, match="'permuted_digit' is no experiment"):
        study.experiment("permuted_digit")
    with pytest.raises(ConfigError, match="is no experiment of scale laptop"):
        study.all_seeds("slowly_changing_regression_redraw")
