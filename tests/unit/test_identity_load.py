"""`perennial.load` never gives runs as one variant that were trained differently, or are another variant's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from block_files import SETTINGS, write_block

from perennial import load
from perennial.analyses import summary
from perennial.errors import UserError
from perennial.files import loading

FINAL = json.loads(json.dumps(SETTINGS))
FINAL["algorithm"]["step_size"] = 0.3


def write(results, seeds, settings=SETTINGS, folder="b", **attributes):
    metrics = {
        "squared_error": ({"example": [0, 10]}, {seed: np.array([seed, seed + 0.5]) for seed in seeds})
    }
    path = results / f"runs/e/{folder}/seeds_{seeds[0]}-{seeds[-1]}.h5"
    return write_block(path, seeds, metrics, settings, **attributes)


def summarise(results, paths, seeds):
    """What the study says is current."""
    summary.summarise(paths, seeds, seeds, results / "metrics/e/b.h5", "e", "b")


@pytest.fixture
def mixed(tmp_path):
    """Seeds 0 and 1 from a trial, then other seeds with another step size: the study knows only these."""
    write(tmp_path, [0, 1])
    summarise(tmp_path, [write(tmp_path, [2, 3], FINAL)], [2, 3])
    return tmp_path


def refusal(results, **arguments):
    with pytest.raises(loading.MixedRuns) as caught:
        load(results, "e", "b", **arguments)
    assert isinstance(caught.value, UserError) and "\n" not in str(caught.value)
    return str(caught.value)


def test_seeds_of_other_settings_are_refused_with_the_difference(mixed):
    line = refusal(mixed)
    assert line.startswith(
        f"{mixed}/runs/e/b/seeds_2-3.h5: was trained with other settings than {mixed}/runs/e/b/"
    )
    assert (
        "(algorithm.step_size: 0.3, not 0.01)" in line and 'stale="drop"' in line and 'stale="keep"' in line
    )


def test_the_current_ones_are_those_of_the_metrics_file(mixed):
    table = load(mixed, stale="drop")
    assert sorted(set(table.seed)) == [2, 3] and "settings" not in table.columns
    more = write(mixed, [4], FINAL)  # not yet summarised
    assert more.exists() and sorted(set(load(mixed, stale="drop").seed)) == [2, 3, 4]


def test_kept_ones_can_be_told_apart(mixed):
    table = load(mixed, stale="keep")
    assert list(table.columns[:7]) == ["experiment", "variant", "seed", "metric", "settings", "code", "data"]
    made = table.groupby("settings").seed.unique().map(sorted).tolist()
    assert sorted(made) == [[0, 1], [2, 3]] and set(table.code) == {"abc"}


def test_a_seed_that_was_trained_twice_is_kept_twice(mixed):
    write(mixed, [1], FINAL)
    assert len(load(mixed, stale="keep").query("seed == 1").settings.unique()) == 2


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"code": "def"}, "was trained by other code than"),
        ({"data_sha256": "1f"}, "was trained on other data than"),
    ],
)
def test_other_code_and_other_data_too(tmp_path, attributes, words):
    write(tmp_path, [0])
    path = write(tmp_path, [1], **attributes)
    assert f"{path}: {words} {tmp_path}/runs/e/b/seeds_0-0.h5" in refusal(tmp_path)
    columns = load(tmp_path, stale="keep").groupby("seed")[["code", "data"]].first()
    assert columns.loc[1].tolist() == [
        "def" if "code" in attributes else "abc",
        attributes.get("data_sha256", ""),
    ]


def test_what_is_current_is_not_guessed(tmp_path):
    paths = [write(tmp_path, [0]), write(tmp_path, [1], code="def")]
    assert "metrics/e/b.h5 is not there" in refusal(tmp_path, stale="drop")
    summarise(tmp_path, paths, [0, 1])
    assert "was made of runs of different code or data" in refusal(tmp_path, stale="drop")


def test_variants_may_differ(tmp_path):
    """This held before."""
    write(tmp_path, [0])
    write(tmp_path, [0], FINAL, folder="c")
    assert sorted(set(load(tmp_path).variant)) == ["b", "c"]


@pytest.mark.parametrize("stale", ["error", "drop", "keep"])
def test_runs_of_another_variant_are_refused(mixed, stale):
    path = write(mixed, [5], experiment="e", variant="b")
    other = mixed / "runs/e/c/seeds_5-5.h5"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    with pytest.raises(loading.MixedRuns, match=r"runs/e/c/seeds_5-5\.h5: is a run of e/b, wanted c"):
        load(mixed, "e", "c", stale=stale)


def test_a_word_that_means_nothing(mixed):
    with pytest.raises(ValueError, match=r"stale: 'yes' \(allowed: error, drop, keep\)"):
        load(mixed, stale="yes")
