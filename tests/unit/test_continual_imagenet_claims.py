"""Claims of Continual ImageNet against the published curves, flat noise, and runs that are not there."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic_imagenet as made
import the_studies
from synthetic_imagenet import CBP, EPOCHS, FIRST, IMAGENET, L2, NOISY

from perennial.claims import data, judging
from perennial.claims.verdict import CONTRADICTED, INCONCLUSIVE, NOT_RUN, REPRODUCED

IDS = [f"I{i}" for i in range(1, 17)]


def verdicts(results, experiment=IMAGENET):
    found = judging.verdicts(the_studies.claims(experiment), results)
    return {claim["id"]: claim for claim in found["claims"]}


def words(found):
    return {name: claim["verdict"] for name, claim in found.items()}


def test_without_runs_every_claim_is_not_run():
    assert words(verdicts({})) == dict.fromkeys(IDS, NOT_RUN)
    assert words(verdicts({}, FIRST)) == {"IF1": NOT_RUN}


def test_the_published_curves_reproduce_the_published_claims():
    found = verdicts(made.results())
    assert words(found) == dict.fromkeys(IDS, REPRODUCED)
    assert all(claim["parts_judged"] == claim["parts_total"] for claim in found.values())


def test_published_numbers_come_from_the_panel_that_shows_the_tasks():
    found = verdicts({})
    assert found["I1"]["parts"][0]["published"] == "89.42"  # the left panel: task by task
    assert [part["published"] for part in found["I4"]["parts"]] == ["-3.15", "73.95"]  # the right one: bins
    assert found["I10"]["parts"][0]["published"] == "5.96"  # Fig. 1c


LEVELS = [(80.0, set()), (89.0, {"I1"})]


@pytest.mark.parametrize(("level", "at_level"), LEVELS)
def test_flat_noise_reproduces_no_rise_no_fall_and_no_order(level, at_level):
    """Tasks that scatter like real ones (about 6 points), with nothing behind them."""
    shape = {variant: np.full(len(curve), level) for variant, curve in made.curves().items()}
    for draw in range(3):
        rng = np.random.default_rng(draw)
        waits = {CBP: rng.integers(1, 251, (30, 100)), "fresh": rng.integers(1, 251, (30, 50))}
        found = words(verdicts(made.results(30, 6.0, shape, waits, draw)))
        reproduced = {name for name, verdict in found.items() if verdict == REPRODUCED}
        assert reproduced <= {"I14", *at_level}  # where nothing differs, two methods cannot be told apart


def shifted(start, by, stop=None):
    """Move a stretch of a curve; tasks counted from 1, both ends included."""

    def change(y):
        y = y.copy()
        y[start - 1 : stop] += by
        return y

    return change


BROKEN = [  # variant, what is changed, the claim that it breaks
    ("backprop_0.01", shifted(1, -6, 1), "I1"),
    ("backprop_0.001", lambda y: np.where(np.arange(2000) < 5, 88.4, y), "I2"),
    ("backprop_0.001", shifted(3, -8, 10), "I3"),
    ("backprop_0.01", shifted(1951, 5), "I4"),
    ("backprop_1e-4", shifted(1951, 3), "I5"),
    ("backprop_1e-4", lambda y: np.maximum(y, 80.24), "I6"),
    ("backprop_0.01", shifted(1801, 4, 1900), "I7"),
    ("backprop_0.1", lambda y: np.full_like(y, 75.0), "I8"),
    ("linear", lambda y: y + np.linspace(-1, 1, 2000), "I9"),
    (NOISY, lambda y: np.minimum(y, 87.0), "I10"),
    (CBP, shifted(4501, -1), "I11"),
    ("fresh", lambda y: y + 3, "I12"),
    (L2, shifted(1, -1, 250), "I13"),
    (NOISY, lambda y: y + 0.6, "I14"),
    ("backprop_0.003", lambda y: y + 5, "I16"),
]


@pytest.mark.parametrize(("variant", "change", "claim"), BROKEN, ids=[row[2] for row in BROKEN])
def test_each_claim_can_be_contradicted(variant, change, claim):
    given = made.curves()
    given[variant] = change(given[variant])
    found = verdicts(made.results(given=given))[claim]
    assert found["verdict"] == CONTRADICTED
    assert variant in found["parts"][found["binding"]]["variants"]


@pytest.mark.parametrize(("mine", "verdict"), [(10.0, REPRODUCED), (24.0, REPRODUCED), (30.0, CONTRADICTED)])
def test_how_much_faster_than_a_fresh_network(mine, verdict):
    waits = made.epochs()
    waits[CBP] = np.full(100, mine)
    found = verdicts(made.results(waits=waits))["I15"]
    assert found["verdict"] == verdict and found["estimate"] == pytest.approx(mine / 125)
    assert [row["estimate"] for row in found["observations"]] == pytest.approx([mine, 125, mine])
    assert [row["published"] for row in found["observations"]] == ["10", "125", ""]


def learning(best_at: int, low=60.0, high=90.0, epochs=250):
    """A task's accuracy: a straight rise until an epoch, then level."""
    return np.interp(np.arange(1, epochs + 1), [1, best_at], [low, high])


def test_epochs_to_best_are_found_and_a_lucky_epoch_is_not():
    epochs = np.arange(1, 251)
    curve = learning(41)  # 0.75 points an epoch
    found = data.epochs_to_best(np.stack([learning(11), curve])[None], epochs)
    assert found.shape == (1, 2) and abs(found[0] - [11, 41]).max() <= 2
    lucky = curve.copy()
    lucky[200] += 4  # 0.8 in a mean of five
    assert abs(data.epochs_to_best(lucky[None, None], epochs) - 41).item() <= 2
    assert data.epochs_to_best(np.full((1, 1, 250), 90.0), epochs) == 3  # the middle of the first five
    assert np.isnan(data.epochs_to_best(np.where(epochs == 7, np.nan, curve)[None, None], epochs)).all()
    assert data.epochs_to_best(np.array([[[50.0, 80.0]]]), np.array([1, 2])) == 2  # fewer epochs than five


def test_epochs_to_best_come_from_a_metrics_file(tmp_path):
    values = np.stack([learning(11), learning(41)])[None].repeat(3, axis=0)  # [seed, task, epoch]
    axes = {"task": np.array([1, 51]), "epoch": np.arange(1, 251)}
    path = tmp_path / "v.h5"
    made.made.write_metrics(
        path, IMAGENET, "v", made.settings(CBP), 3, {"test_accuracy_by_epoch": (values, axes, "percent")}
    )
    found = data.read({"v": path})["v"].metrics
    assert (
        set(found) == {"test_accuracy_by_epoch", EPOCHS} and found[EPOCHS].units == "epochs"
    )  # not each epoch
    assert found[EPOCHS].x.tolist() == [1, 51] and found[EPOCHS].axis == "task"
    np.testing.assert_array_equal(
        found[EPOCHS].values, np.tile(data.epochs_to_best(values[:1], axes["epoch"]), (3, 1))
    )


def test_short_runs_are_not_judged():
    given = {variant: curve[:400] for variant, curve in made.curves().items()}
    found = words(verdicts(made.results(given=given)))
    judged = {name for name, verdict in found.items() if verdict != NOT_RUN}
    assert judged == {"I1", "I2", "I3", "I6", "I8", "I13", "I15"}
    assert found["I1"] == found["I2"] == found["I3"] == REPRODUCED and found["I13"] == INCONCLUSIVE


def test_the_first_tasks_at_the_laptop_show_a_level_and_how_many_seeds_would_settle_it():
    """Five seeds that scatter as the published thirty do."""
    rng = np.random.default_rng(1)
    curve = made.curves()["backprop_0.01"][:10]
    values = curve + 0.5 * rng.normal(size=(5, 1)) + 6.4 * rng.normal(size=(5, 10))
    given = {"test_accuracy": data.Curves(np.arange(5), np.arange(1.0, 11), values, "percent", "task")}
    found = verdicts({"backprop_0.01": data.Variant(given, made.settings("backprop_0.01"))}, FIRST)["IF1"]
    assert found["verdict"] == INCONCLUSIVE and found["needed_n"] > 5 and found["published"] == "85.69"
    assert [row["published"] for row in found["observations"]] == ["89.42", "-5.166", "125"]
    many = {
        "test_accuracy": data.Curves(
            np.arange(9), np.arange(1.0, 11), np.tile(curve, (9, 1)), "percent", "task"
        )
    }
    for off, verdict in ((0, REPRODUCED), (-4, CONTRADICTED)):
        moved = data.Curves(
            np.arange(9), np.arange(1.0, 11), many["test_accuracy"].values + off, "percent", "task"
        )
        exact = {"backprop_0.01": data.Variant({"test_accuracy": moved}, {})}
        assert verdicts(exact, FIRST)["IF1"]["verdict"] == verdict
