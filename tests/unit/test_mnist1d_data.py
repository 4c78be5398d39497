"""MNIST-1D from our own generator: the published pins, the published package, arguments that cannot be."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest

import perennial
from perennial.datasets import _mnist1d
from perennial.errors import UserError

ROUNDED = {  # digits -> (x, x_test)
    6: (
        "a628c903554582c85cd522460f0ac9376d8f2c1daf90d5ea251968c8de2fc707",
        "40736dec6f794f2e52a879797628fb8f41ae44a628489bf5cd8d19ef39a28d42",
    ),
    8: (
        "11f25f3793fec3e0e20a7842ee4318a1b5e2f63dcd3150a74ba695b94fcb416c",
        "9621d4c52751f48db80f9a4ac90978ac66cc2a263ebac484919bf9b424474544",
    ),
}
EXACT = {
    "y": "d97dc7aecec8ad6b5d8f143ba3e9c4bd7e25c420d7dfc2eb990591cfc0ed3e15",
    "y_test": "8de99be3ff9dab15ae0dc072c3d6ced7cf6b33d365888ce4a386fc944489452c",
    "t": "84b830bf54825bb3e0bc2f4152a3ec900578a3494e3ff53f1b3c7adacb69620b",
    "templates": "9a9af77384d2dd8a49699d4b38acd88ca1ebe36d21c0544a046e236f7e5c6872",
}
#: arguments -> first 16 digits of the hashes of x and x_test, rounded to 6 digits
OTHERS = {
    (("seed", 43),): ("224e8c0b15392fe8", "c98d683ae33e2c14"),
    (("num_samples", 10000),): ("91ee6fbf8d8acc41", "f39e9af0392032b0"),
    (("num_samples", 16000), ("train_split", 0.25)): ("4f41fef493c68d5b", "ffa3c4a997f3c4a6"),
    (("shuffle_seq", True),): ("809498a1849e99b5", "d3bd19dbbb6cde55"),
    (("num_samples", 2000), ("train_split", 1 - 1000 / 2000)): ("51dd5741b429e070", "38a401e32f424169"),
    (("num_samples", 3000), ("train_split", 1 - 1000 / 3000)): ("b8e738cd8064d349", "6d26da08bec740b8"),
    (("num_samples", 6000), ("train_split", 1 - 1000 / 6000)): ("5f6024912ccbd338", "1d9777efe6db5a7c"),
    (("num_samples", 11000), ("train_split", 1 - 1000 / 11000)): ("61099e34d1d36429", "c90cc9ce9eb3bae4"),
    (("num_samples", 21000), ("train_split", 1 - 1000 / 21000)): ("741ecdb11ef2d1b0", "0b12d7d3a697481e"),
    (("num_samples", 51000), ("train_split", 1 - 1000 / 51000)): ("400e0eb206ea13da", "701dd89f5c606cb8"),
}


def rounded(array: np.ndarray, digits: int) -> str:
    return hashlib.sha256((np.round(array, digits) + 0.0).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def data():
    return perennial.load_mnist1d()


@pytest.mark.parametrize("digits", ROUNDED)
def test_the_published_examples(data, digits):
    assert (rounded(data["x"], digits), rounded(data["x_test"], digits)) == ROUNDED[digits]


@pytest.mark.parametrize("name", EXACT)
def test_labels_times_and_templates_to_the_last_bit(data, name):
    assert hashlib.sha256(np.ascontiguousarray(data[name]).tobytes()).hexdigest() == EXACT[name]


@pytest.mark.parametrize(
    "arguments", OTHERS, ids=lambda arguments: ", ".join(f"{k} {v:g}" for k, v in arguments)
)
def test_the_other_data_sets_of_the_studies(arguments):
    found = _mnist1d.made(_mnist1d.Arguments(**dict(arguments)))[0]
    assert tuple(rounded(found[name], 6)[:16] for name in ("x", "x_test")) == OTHERS[arguments]


def test_numbers_that_a_person_can_compare(data):
    assert data["x"][0, :5].round(8).tolist() == [
        -0.33200567,
        -0.47191037,
        -0.77869708,
        -1.00974083,
        -0.88235257,
    ]
    assert data["y"][:20].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1, 6, 9, 4, 3, 4, 5, 1, 9, 0, 3]
    assert np.bincount(data["y"]).tolist() == [398, 396, 411, 394, 394, 402, 401, 404, 402, 398]
    assert np.bincount(data["y_test"]).tolist() == [102, 104, 89, 106, 106, 98, 99, 96, 98, 102]
    assert data["t"][0] == -5.38753506670427 and data["x"].dtype == np.float64
    np.testing.assert_allclose(_mnist1d.templates()[7], -_mnist1d.templates()[1], atol=1e-15)


def test_the_global_generator_is_left_alone(data):
    np.random.seed(7)  # noqa: NPY002  what is tested is that nobody touches it
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    _mnist1d.made(_mnist1d.Arguments(num_samples=50))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_what_a_user_changes_is_his_own():
    perennial.load_mnist1d(num_samples=50)["x"][:] = 0
    assert perennial.load_mnist1d(num_samples=50)["x"].any()


@pytest.mark.parametrize(
    "changes",
    [
        {
            "seed": 1,
            "padding": [20, 31],
            "template_len": 8,
            "max_translation": 20,
        },  # an odd length: a normal is left over between draws
        {"scale_coeff": 1.5, "max_translation": 5, "shear_scale": 0.0, "final_seq_length": 61},
        {"corr_noise_scale": 0.0, "iid_noise_scale": 0.3, "train_split": 0.33, "shuffle_seq": True},
    ],
)
def test_any_arguments_give_what_the_published_package_gives(changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("mnist1d.data", reason="pip install mnist1d")
    arguments = package.get_dataset_args()
    for name, value in {**changes, "num_samples": 200}.items():
        setattr(arguments, name, value)
    state = np.random.get_state()  # noqa: NPY002
    theirs = package.make_dataset(arguments)
    np.random.set_state(state)  # noqa: NPY002
    ours = perennial.load_mnist1d(**changes, num_samples=200)
    for name in ("x", "x_test", "y", "y_test", "t"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"num_samples": -5}, "load_mnist1d: num_samples: -5 is not allowed (must be a whole number >= 10)"),
        ({"num_samples": 55}, "load_mnist1d: num_samples: 55 is no multiple of the 10 digits"),
        ({"train_split": 1.2}, "load_mnist1d: train_split: 1.2 is not allowed (must be a number in [0, 1])"),
        (
            {"iid_noise_scale": -0.1},
            "load_mnist1d: iid_noise_scale: -0.1 is not allowed (must be a number >= 0)",
        ),
        (
            {"template_len": 40},
            "load_mnist1d: template_len: 40 is longer than the padding (allowed: at most 36)",
        ),
        ({"padding": [60, 36]}, "load_mnist1d: padding: 60, 36 is not from few to many zeros"),
        ({"samples": 10}, "load_mnist1d: samples: unknown key (allowed: num_samples, "),
    ],
)
def test_an_argument_that_cannot_be_is_one_line(arguments, line):
    with pytest.raises(UserError) as caught:
        perennial.load_mnist1d(**arguments)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
