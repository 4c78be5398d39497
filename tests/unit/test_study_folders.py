"""Study folders: where they are looked for, what lies over what, and what may not stand twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import the_studies
import yaml

from perennial import cli, config, registry
from perennial.claims import curves
from perennial.config import ConfigError, folders, unchanged

TOYS = the_studies.ROOT / "tests" / "toys"
DIGITS = "permuted_digits"
COMMON = {"scale": "smoke", "results": "results"}


@pytest.fixture(autouse=True)
def _for_this_test(monkeypatch):
    """What a test adds to the folders that are searched is forgotten after it."""
    monkeypatch.setattr(registry, "_folders", {})
    monkeypatch.setattr(curves, "_studies", [])
    registry._files.cache_clear()
    yield
    registry._files.cache_clear()


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with a config, a study beside it and one further off."""
    shutil.copytree(the_studies.NATURE / DIGITS, tmp_path / "main" / "studies" / "first" / DIGITS)
    shutil.copytree(the_studies.NATURE / DIGITS, tmp_path / "far" / "second" / "other_digits")
    write(tmp_path / "main" / "config.yaml", {**COMMON, "studies": ["first"]})
    return tmp_path


def write(path: Path, content: dict) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def load(place: Path, *more: dict, at: str = "far") -> config.Study:
    """The config with further files over it, which lie in another folder."""
    files = [write(place / at / f"{n}.yaml", content) for n, content in enumerate(more)]
    return config.load([folders.layer(path) for path in (place / "main" / "config.yaml", *files)])


def test_a_name_lies_beside_the_config_and_a_path_where_it_is_named(place):
    study = load(place, {"studies": ["first", "./second"]})
    assert study.experiments() == [DIGITS, "other_digits"]
    assert study.experiment(DIGITS).home == place / "main" / "studies" / "first" / DIGITS
    assert study.experiment("other_digits").home == place / "far" / "second" / "other_digits"
    assert list(study.figures()) == [DIGITS, f"other_digits_{DIGITS}"]
    assert study.shown[f"other_digits_{DIGITS}"][0] == ("other_digits", "backprop")


def test_files_lie_over_folders_and_the_last_over_the_others(place):
    def much(**given):
        return {"experiments": {DIGITS: {"scales": {"smoke": given}}}}

    study = load(place, much(seeds=5, length=7), much(seeds=3))
    assert study.all_seeds(DIGITS) == [0, 1, 2] and study.length(DIGITS, "cbp") == 7
    assert study.variants(DIGITS) == ["backprop", "cbp", "fresh"]
    again = config.load(study.entry.model_dump(mode="json"))  # as the scripts of jobs read it
    assert again.settings_text(DIGITS, "cbp") == study.settings_text(DIGITS, "cbp")


def test_a_file_may_hold_a_whole_experiment(place):
    entry = yaml.safe_load((the_studies.NATURE / DIGITS / "experiment.yaml").read_text())
    study = load(place, {"experiments": {"mine": entry}})
    assert study.experiments() == [DIGITS, "mine"]
    assert study.claims("mine").claims == () and study.claims(DIGITS).claims


MISTAKES = [
    ({"experiments": {"permuted_digit": {"scales": {}}}}, "experiments.permuted_digit: 'permuted_digit' is not known"),
    ({"studies": ["frist"]}, "studies: '{}/main/studies/frist' is not there (must be a folder of experiments)"),
    ({"studies": ["./second/other_digits"]}, "studies: '{}/far/second/other_digits' is one experiment"),
    ({"networks": ["./no"]}, "networks: '{}/far/no' is not allowed (must be a folder)"),
    ({"scales": {"smoke": {}}}, "scales: moved: "),
]  # fmt: skip


@pytest.mark.parametrize(("content", "text"), MISTAKES)
def test_a_mistake_is_one_line(place, content, text):
    with pytest.raises(ConfigError) as caught:
        load(place, content)
    (line,) = str(caught.value).splitlines()
    assert text.format(place) in line and f"{place}/far/0.yaml: " in line


def test_an_experiment_named_twice_names_both_files(place):
    (place / "far" / "second" / "other_digits").rename(place / "far" / "second" / DIGITS)
    with pytest.raises(ConfigError) as caught:
        load(place, {"studies": ["first", "./second"]})
    first, second = (
        f"{place}/{where}/{DIGITS}/experiment.yaml" for where in ("main/studies/first", "far/second")
    )
    assert str(caught.value) == f"{second}: there is another experiment '{DIGITS}' ({first})"


def test_a_mistake_in_an_experiment_names_its_file(place):
    path = place / "far" / "second" / "other_digits" / "experiment.yaml"
    path.write_text(path.read_text().replace("weight_decay: 3.0e-4", "weight_decay: -1"))
    with pytest.raises(ConfigError) as caught:
        load(place, {"studies": ["./second"]})
    assert str(caught.value).startswith(f"{path}: variants.l2.algorithm.weight_decay: -1 is not allowed")


def test_a_module_that_cannot_be_imported_is_one_line(place):
    own = place / "far" / "second" / "networks"
    own.mkdir()
    (own / "broken_network.py").write_text("import nothing_of_that_name\n")
    load(place, {"studies": ["./second"]})
    with pytest.raises(
        registry.CannotImport, match=r"broken_network\.py: cannot be imported \(ModuleNotFoundError"
    ):
        registry.module("networks", "broken_network")
    with pytest.raises(registry.NameTaken, match="among the networks"):
        shutil.copy(the_studies.ROOT / "src/perennial/learning/networks/mlp.py", place / "far" / "mlp.py")
        load(place, {"networks": ["."]})


def test_environments_and_units_of_length(place, monkeypatch, capsys):
    monkeypatch.chdir(place / "main")
    over = write(place / "far" / "toys.yaml", {"studies": [str(TOYS)]})
    assert cli.main(["check", "--configfile", str(over)]) == 0
    line = capsys.readouterr().out
    assert "chain (2 variants, 3 seeds, 1000 environment steps)" in line and "6 rounds" in line
    study = config.load([folders.layer(path) for path in (Path("config.yaml"), over)])
    settings = study.settings("chain", "cbp")
    assert settings["environment"]["name"] == "five_states" and "problem" not in settings
    assert study.sequence("chain", "cbp").startswith("five_states-")
    length = {"experiments": {"chain": {"scales": {"smoke": {"length": {"backprop": 5}}}}}}
    with pytest.raises(ConfigError, match="must be one number of environment steps for each variant"):
        load(place, {"studies": [str(TOYS)], **length})


def test_a_job_compares_its_settings_with_those_that_were_planned(place, monkeypatch):
    monkeypatch.delenv(unchanged.VARIABLE, raising=False)
    study = load(place)
    unchanged.check(study, DIGITS)  # nothing was planned
    monkeypatch.setenv(unchanged.VARIABLE, "")
    unchanged.declare(study)
    more = load(place, {"experiments": {DIGITS: {"scales": {"smoke": {"seeds": 9}}}}, "engine": "stacked"})
    unchanged.check(more, DIGITS)  # no setting of a run
    other = load(place, {"experiments": {DIGITS: {"variants": {"cbp": {"algorithm": {"step_size": 0.5}}}}}})
    with pytest.raises(ConfigError, match=rf"the settings of {DIGITS} changed after this run was planned"):
        unchanged.check(other, DIGITS)
