"""The random streams: known answers, three forms equal bit for bit, and numbers that look as they should."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numba import jit, njit
from scipy import stats

from perennial import streams
from perennial.learning.algorithms import Clock
from perennial.learning.engines import draws
from perennial.streams import Address, compiled, tensors

FORMS = ("words", "uniforms", "normals", "sum4")
SEEDS = (0, 1, 29, 2**31, 2**32 - 1)
PURPOSES = (streams.SEQUENCE, streams.ORDER, streams.INIT, streams.NOISE, streams.REPLACEMENT)
PLACES = ((0, 0, 0), (7, 0, 0), (0, 123_456, 0), (0, 0, 9), (299, 9_999, 255 + 256 * 100), (2**32 - 1,) * 3)


@pytest.fixture
def in_numpy(monkeypatch):
    """Hides the compiled form, so that `perennial.streams` computes its words itself."""
    monkeypatch.setattr(streams, "sys", SimpleNamespace(modules={}))


def places():
    return [Address(purpose, seed, *at) for purpose in PURPOSES for seed in SEEDS for at in PLACES]


# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, answer.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def read_hex(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN, ids=["zeros", "ones", "pi"])
def test_philox_known_answers(counter, key, answer):
    c, k, expected = read_hex(counter), read_hex(key), read_hex(answer)
    found = streams.philox(np.array([c], np.uint64), (k[0], k[1]))[0]
    assert found.tolist() == expected
    element, layer, step, task = c
    assert [int(w) for w in compiled.block(*k, task, step, layer, element)] == expected


@pytest.mark.parametrize(("counter", "key", "answer"), [KNOWN[0], KNOWN[2]], ids=["zeros", "pi"])
def test_key_and_counter_come_from_the_place(counter, key, answer, in_numpy):
    """Key = (purpose, seed), counter = (element, layer, step, task): block 0 has element 0."""
    c, k = read_hex(counter), read_hex(key)
    place = Address(purpose=k[0], seed=k[1], task=c[3], step=c[2], layer=c[1])
    blocks = streams.words(place, 64).reshape(4, 16).T  # [block, word]
    expected = streams.philox(np.array([[0, *c[1:]]], np.uint64), (k[0], k[1]))[0]
    assert blocks[0].tolist() == expected.tolist()


def compiled_form(form: str, place: Address, count: int) -> np.ndarray:
    padded = -(-count // (2 * streams.GROUP)) * 2 * streams.GROUP
    out = np.empty(padded, np.uint32 if form == "words" else np.float32)
    getattr(compiled if form in ("words", "uniforms") else draws, f"fill_{form}")(out, *place)
    return out[:count]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_compiled_form_is_the_definition_bit_for_bit(form, in_numpy):
    for place in places():
        assert same_bits(compiled_form(form, place, 200), getattr(streams, form)(place, 200)), place


def test_words_of_the_definition_do_not_depend_on_what_is_loaded(monkeypatch):
    place = Address(streams.NOISE, 5, 3, 2, 1)
    with_compiled = streams.words(place, 1000)
    monkeypatch.setattr(streams, "sys", SimpleNamespace(modules={}))
    assert same_bits(with_compiled, streams.words(place, 1000))


@pytest.mark.parametrize("form", FORMS[1:])
def test_tensor_form_is_the_definition_bit_for_bit(form, in_numpy):
    for purpose in PURPOSES:
        for task, step, layer in PLACES:
            stack = getattr(tensors, form)(purpose, Clock(list(SEEDS), task, step), layer, 200).numpy()
            for row, seed in zip(stack, SEEDS, strict=True):
                expected = getattr(streams, form)(Address(purpose, seed, task, step, layer), 200)
                assert same_bits(np.ascontiguousarray(row), expected), (purpose, seed, task, step, layer)


def compile_anew(function):
    """The same function with the same options, not compiled yet: the first caller's options would be inherited."""
    return jit(**function.targetoptions)(function.py_func)


fill_normals_anew, fill_sum4_anew = compile_anew(draws.fill_normals), compile_anew(draws.fill_sum4)


@njit(fastmath=True, error_model="numpy")
def fast_caller(words, uniforms, normals, sums, purpose, seed, task, step, layer):
    """As an algorithm's loop might: fast mathematics here must not reach into the streams."""
    fill_normals_anew(normals, purpose, seed, task, step, layer)
    fill_sum4_anew(sums, purpose, seed, task, step, layer)
    for k in range(16):
        words[k] = compiled.block(purpose, seed, task, step, layer, k)[0]
        uniforms[k] = compiled.uniform(words[k])


def test_a_fast_math_caller_gets_the_same_bits(in_numpy):
    place, count = Address(streams.NOISE, 3, 1, 4, 2), 64 * 512
    words, uniforms = np.empty(16, np.uint32), np.empty(16, np.float32)
    normals, sums = np.empty(count, np.float32), np.empty(count, np.float32)
    fast_caller(words, uniforms, normals, sums, *place)
    assert same_bits(words, streams.words(place, 16)) and same_bits(uniforms, streams.uniforms(place, 16))
    assert same_bits(normals, streams.normals(place, count)) and same_bits(sums, streams.sum4(place, count))


@pytest.mark.parametrize("form", FORMS)
def test_a_shorter_draw_is_the_beginning_of_a_longer_one(form):
    place = Address(streams.INIT, 12, 3, 4, 1)
    longest = getattr(streams, form)(place, 1000)
    for count in (0, 1, 15, 16, 63, 64, 65, 127, 999):
        assert same_bits(getattr(streams, form)(place, count), longest[:count])
    for count in (1, 64, 65):
        if form != "words":
            draw = getattr(tensors, form)(place.purpose, Clock([12], 3, 4), 1, count)[0].numpy()
            assert same_bits(draw.copy(), longest[:count])


def test_every_coordinate_of_a_place_matters():
    base = Address(streams.NOISE, 1, 2, 3, 5)
    others = [base._replace(**{field: getattr(base, field) + 1}) for field in Address._fields]
    swapped = [base._replace(task=3, step=2), base._replace(step=5, layer=3), Address(1, 4, 2, 3, 5)]
    draws = [streams.words(place, 64) for place in (base, *others, *swapped)]
    for k, a in enumerate(draws):
        for b in draws[k + 1 :]:
            assert (a == b).sum() <= 2  # chance meetings have probability 64 / 2^32


def test_words_do_not_repeat_within_a_place():
    words = streams.words(Address(streams.ORDER, 0), 4096)
    assert len(np.unique(words)) >= 4095


def test_purposes_are_never_renumbered():
    """They are part of every result."""
    names = ["SEQUENCE", "ORDER", "INIT", "NOISE", "REPLACEMENT", "DROPOUT", "AUGMENTATION"]
    assert [getattr(streams, name) for name in names] == [1, 2, 3, 4, 5, 6, 7]


N = 200_000


def test_uniforms_are_uniform():
    u = streams.uniforms(Address(streams.INIT, 1), N)
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    assert np.array_equal(u * 2.0**24, np.floor(u * 2.0**24))  # multiples of 2^-24
    assert stats.kstest(u, "uniform").pvalue > 0.01


def test_normals_are_normal():
    n = streams.normals(Address(streams.NOISE, 1), N).astype(np.float64)
    assert stats.kstest(n, "norm").pvalue > 0.01
    assert abs(n.mean()) < 4 / N**0.5 and abs(n.std() - 1) < 4 / (2 * N) ** 0.5
    assert abs(stats.skew(n)) < 4 * (6 / N) ** 0.5 and abs(stats.kurtosis(n)) < 4 * (24 / N) ** 0.5
    assert 4 < np.abs(n).max() < 5.78
    pairs = n.reshape(-1, 2, 16)  # the two numbers of one pair of words
    assert abs(np.corrcoef(pairs[:, 0].ravel(), pairs[:, 1].ravel())[0, 1]) < 4 / (N / 2) ** 0.5


def test_normals_have_the_stated_largest_magnitude(in_numpy, monkeypatch):
    """The smallest radius word gives 5.77, and no word gives infinity or nan."""
    for radius in (0, 1, 2**31, 2**32 - 1):
        for angle in (0, 1, 2**30 - 1, 2**30, 3 * 2**30 - 1, 2**32 - 1):
            group = np.zeros((1, 4, 16), np.uint32)
            group[:, 0::2], group[:, 1::2] = radius, angle
            monkeypatch.setattr(streams, "_groups", lambda place, groups, group=group: group)
            n = streams.normals(Address(1, 1), 64)
            u = ((radius >> 9) + 0.5) * 2.0**-23
            within = ((((angle << 2) & 0xFFFFFFFF) >> 9) + 0.5) * 2.0**-23 - 0.5  # of its quadrant
            turn = ((angle >> 30) + within) * np.pi / 2
            length = np.sqrt(-2 * np.log(u))
            pair = length * np.cos(turn), length * np.sin(turn)
            assert np.isfinite(n).all() and np.abs(n).max() < 5.78
            np.testing.assert_allclose((n[0], n[16]), pair, atol=2e-6)


def test_sum4_has_the_moments_it_claims():
    s = streams.sum4(Address(streams.NOISE, 1), N).astype(np.float64)
    assert abs(s.mean()) < 4 / N**0.5 and abs(s.std() - 1) < 4 / (2 * N) ** 0.5
    assert abs(stats.skew(s)) < 4 * (6 / N) ** 0.5 and abs(stats.kurtosis(s, fisher=False) - 2.7) < 0.03
    assert len(np.unique(s)) <= 61 and np.abs(s).max() <= 3.26
    halves = s[: N // 128 * 128].reshape(-1, 2, 64)  # the two sums of one word
    assert abs(np.corrcoef(halves[:, 0].ravel(), halves[:, 1].ravel())[0, 1]) < 4 / (N / 2) ** 0.5


def test_sum4_adds_the_four_digits_of_half_a_word():
    place = Address(streams.NOISE, 1)
    words = [f"{word:08x}" for word in streams.words(place, 64)]
    digits = [[int(c, 16) for c in half] for half in [w[4:] for w in words] + [w[:4] for w in words]]
    expected = (np.sum(digits, axis=1) - 30) / np.sqrt(4 * (16**2 - 1) / 12)
    np.testing.assert_allclose(streams.sum4(place, 128), expected, rtol=1e-6, atol=1e-7)


def test_permutations_are_uniform_permutations():
    drawn = np.array(
        [streams.permutation(Address(streams.SEQUENCE, 4, task=task), 5) for task in range(6000)]
    )
    assert (np.sort(drawn, axis=1) == np.arange(5)).all()
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 120 and stats.chisquare(counts).pvalue > 0.01


def test_noise_for_cuts_one_long_draw_in_the_order_of_the_names():
    import torch

    shapes = {"bias_0": (2, 3), "weight_0": (2, 4, 3)}
    weights = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    clock, names = Clock([8, 9], 1, 2), ["weight_0", "bias_0"]
    for kind, form in (("gaussian", streams.normals), ("sum4", streams.sum4)):
        noise = tensors.noise_for(weights, names, kind, streams.NOISE, clock)
        for r, seed in enumerate(clock.seeds):
            draw = form(Address(streams.NOISE, seed, 1, 2, 0), 15).astype(np.float64)
            assert np.array_equal(noise["weight_0"][r].numpy(), draw[:12].reshape(4, 3))
            assert np.array_equal(noise["bias_0"][r].numpy(), draw[12:])
