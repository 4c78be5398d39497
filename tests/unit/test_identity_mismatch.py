"""What a file says it is decides, not where it lies: runs, metrics and sequences of another kind are refused."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from block_files import SETTINGS, write_block
from faults.block import SEEDS, Block
from fidelity.support import DIGITS, REGRESSION, REPOSITORY

from perennial import cli
from perennial.analyses import summary
from perennial.files import identity, store
from perennial.jobs import sequences

RUN = {
    "kind": "run",
    "experiment": "slowly_changing_regression",
    "variant": "tanh_0.01",
    "seeds": [0, 1, 2],
    "settings": json.dumps({"algorithm": {"name": "adam", "step_size": 0.003}, "length": 3}),
    "code": "abc",
}
MINE = {"kind": "run", "experiment": "slowly_changing_regression", "variant": "tanh_0.01"}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, None),
        ({"seeds": range(3), "code": "abc"}, None),
        ({"settings": {"algorithm": {"step_size": 0.003, "name": "adam"}, "length": 3}}, None),
        ({"kind": "metrics"}, "is of kind run, wanted metrics"),
        ({"variant": "relu_0.01"}, "is a run of slowly_changing_regression/tanh_0.01, wanted relu_0.01"),
        (
            {"experiment": "permuted_digits"},
            "is a run of slowly_changing_regression/tanh_0.01, wanted permuted_digits/tanh_0.01",
        ),
        ({"seeds": [0, 1]}, "holds seeds 0 to 2, wanted 0, 1"),
        ({"seeds": [3, 4, 5, 7]}, "holds seeds 0 to 2, wanted 3, 4, 5, 7"),
        (
            {"settings": {"algorithm": {"name": "adam", "step_size": 0.01}, "length": 3}},
            "was trained with other settings (algorithm.step_size: 0.003 there, 0.01 wanted)",
        ),
        (
            {
                "settings": {
                    "algorithm": {"name": "adam", "step_size": 0.003},
                    "length": 3,
                    "precision": "float32",
                }
            },
            "was trained with other settings (precision: nothing there, float32 wanted)",
        ),
        ({"code": "def"}, "was trained by other code"),
    ],
)
def test_the_reason_in_words(wanted, words):
    assert identity.mismatch(RUN, **(MINE | wanted)) == words


def test_attributes_of_a_file_are_read_as_they_are(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(RUN)
        assert identity.mismatch(file.attrs, **MINE, seeds=[2, 1, 0], code="abc") is None
        assert "holds metrics" not in identity.mismatch(file.attrs, "run", "e", "v")


def test_names_that_a_file_does_not_say_are_not_compared_but_settings_and_code_are():
    older = {"kind": "run", "seeds": [0]}
    assert identity.mismatch(older, **MINE) is None
    assert "length: nothing there, 3 wanted" in identity.mismatch(older, "run", settings={"length": 3})
    assert identity.mismatch(older, "run", code="abc") == "was trained by other code"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    block = Block(tmp_path_factory.mktemp("trained"), DIGITS, length=2)
    block.train(checkpoints=None, experiment="permuted_digits", variant="cbp")
    return block


def test_a_run_file_says_what_it_is(trained):
    with store.open_checked(trained.output) as file:
        about = {"experiment": "permuted_digits", "variant": "cbp", "seeds": SEEDS, "code": "abc"}
        assert identity.mismatch(file.attrs, "run", **about, settings=trained.settings) is None
        assert (file.attrs["experiment"], file.attrs["variant"]) == ("permuted_digits", "cbp")


def test_metrics_are_not_made_of_another_variant_s_runs(trained, tmp_path):
    path = tmp_path / "runs/permuted_digits/relu/seeds_0-2.h5"
    path.parent.mkdir(parents=True)
    shutil.copy(trained.output, path)
    with pytest.raises(summary.SummaryError) as caught:
        summary.summarise([path], SEEDS, SEEDS, tmp_path / "m.h5", "permuted_digits", "relu")
    assert str(caught.value) == f"{path}: is a run of permuted_digits/cbp, wanted relu"
    assert not (tmp_path / "m.h5").exists()
    summary.summarise([path], SEEDS, SEEDS, tmp_path / "m.h5", "permuted_digits", "cbp")


def test_metrics_are_not_made_of_metrics(tmp_path):
    metrics = {"accuracy": ({"task": [1]}, {0: np.array([1.0])})}
    run = write_block(tmp_path / "seeds_0-0.h5", [0], metrics)
    summary.summarise([run], [0], [0], tmp_path / "m.h5", "e", "v")
    with pytest.raises(summary.SummaryError, match=r"m\.h5: is of kind metrics, wanted run"):
        summary.summarise([tmp_path / "m.h5"], [0], [0], tmp_path / "n.h5", "e", "v")
    with store.open_checked(tmp_path / "m.h5") as file:
        wanted = {"seeds": [0], "settings": SETTINGS}
        assert identity.mismatch(file.attrs, "metrics", "e", "v", **wanted) is None
        assert identity.mismatch(file.attrs, "metrics", "e", "w") == "holds metrics of e/v, wanted w"


@pytest.mark.parametrize(
    "change",
    [{"length": 3}, {"problem": {"name": DIGITS, "probe_examples": 11}}],
    ids=["another length", "another problem"],
)
def test_runs_are_not_trained_on_the_sequences_of_another_problem(tmp_path, change):
    block = Block(tmp_path, DIGITS, length=2)
    other = block.settings | change
    sequences.make_block(other, SEEDS, block.sequences)
    key = "length: 3 there, 2" if "length" in change else "problem.probe_examples: 11 there, 10"
    with pytest.raises(store.BadFile) as caught:
        block.train(checkpoints=None)
    assert str(caught.value) == f"{block.sequences}: was made with other settings ({key} wanted)"
    assert not block.output.exists()
    with store.open_checked(block.sequences) as file:
        assert list(file.attrs["seeds"]) == SEEDS


def test_a_single_run_says_what_it_is(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "config.yaml", "config.yaml")
    if (REPOSITORY / "studies").is_dir():
        shutil.copytree(REPOSITORY / "studies", "studies")
    assert cli.main(["run", REGRESSION, "relu_0.01", "--seed", "4", "--length", "1"]) == 0
    with store.open_checked(capsys.readouterr().out.splitlines()[-1]) as file:
        assert identity.mismatch(file.attrs, "run", REGRESSION, "relu_0.01", seeds=[4]) is None
        assert file.attrs["variant"] == "relu_0.01"
