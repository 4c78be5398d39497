"""Exponential, logarithm and hyperbolic tangent whose bits are the same on every machine.

A mathematics library's own functions differ in the last bit from one library to the next, and from one kind of CPU to
the next. These are series (Taylor's; the odd one of the logarithm) on a reduced argument, in operations that IEEE 754
fixes: sums, products, quotients, and products with a sum that are rounded once. They take float32 and float64, one
number or a vector of eight, and give the same bits either way. Errors are below 2 units in the last place (3 for tanh).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.core.typing.templates import signature
from numba.extending import intrinsic, overload

from perennial.learning.engines import vectors
from perennial.learning.engines.vectors import absolute, fma, number, where

EXACT = {"fastmath": False, "nogil": True, "error_model": "numpy", "forceinline": True}
LOG_2_E, LN_2 = 1 / math.log(2), math.log(2)
LN_2_REST = 2.3190468138462996e-17  # of ln 2 beyond double precision


def _mantissa(kind: Any) -> int:
    """Bits of the mantissa that are stored."""
    return {types.float32: 23, types.float64: 52}[vectors.of(kind)]


def _bias(kind: Any) -> int:
    """What is added to the exponent of 2 before it is stored."""
    return {types.float32: 127, types.float64: 1023}[vectors.of(kind)]


def _of_bits(emit: Callable) -> Callable:
    """A compiled function of x's bits; emit(builder, bits, constant, mantissa, bias, data type) -> value."""

    @intrinsic
    def made(typing, x):
        kind = vectors.like(x, {types.float32: types.int32, types.float64: types.int64}[vectors.of(x)])

        def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
            def whole(n: int) -> Any:
                return vectors.constant(context, kind, n)

            bits = builder.bitcast(values[0], context.get_value_type(kind))
            return emit(builder, bits, whole, _mantissa(x), _bias(x), context.get_value_type(x))

        return signature(x, x), generate

    return made


def _power(builder: Any, bits: Any, whole: Callable, mantissa: int, bias: int, data: Any) -> Any:
    shifted = builder.shl(bits, whole(mantissa))
    return builder.bitcast(builder.add(shifted, whole(bias << mantissa)), data)


def _exponent(builder: Any, bits: Any, whole: Callable, mantissa: int, bias: int, data: Any) -> Any:
    return builder.sitofp(builder.sub(builder.ashr(bits, whole(mantissa)), whole(bias)), data)


def _fraction(builder: Any, bits: Any, whole: Callable, mantissa: int, bias: int, data: Any) -> Any:
    own = builder.and_(bits, whole((1 << mantissa) - 1))
    return builder.bitcast(builder.or_(own, whole(bias << mantissa)), data)


power_of_two = _of_bits(_power)  #: 2^n for a number whose last bits are n
exponent = _of_bits(_exponent)  #: e as a number, for x = m 2^e
fraction = _of_bits(_fraction)  #: m in [1, 2)


def polynomial(coefficients: list[float]) -> Callable:
    """A compiled c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule."""
    first, *others = coefficients
    if not others:
        return njit(**EXACT)(lambda x: number(x, first))
    rest = polynomial(others)
    return njit(**EXACT)(lambda x: fma(x, rest(x), first))


@functools.cache
def _parts(kind: Any) -> tuple[Callable, float, float]:
    """Of numbers of a type: x -> (e^r - 1, 2^n) for x = n ln 2 + r; and the bounds of x, least and largest."""
    mantissa, bias = _mantissa(kind), _bias(kind)
    degree = {types.float32: 7, types.float64: 13}[kind]
    high = float(np.dtype(str(kind)).type(LN_2))
    low, shift = LN_2 - high + LN_2_REST, 1.5 * 2.0**mantissa  # adding the latter rounds to a whole number
    series = polynomial([1 / math.factorial(k) for k in range(2, degree + 1)])

    @njit(**EXACT)
    def parts(x):
        shifted = fma(x, LOG_2_E, shift)
        n = shifted - number(x, shift)
        r = fma(n, -low, fma(n, -high, x))
        return fma(r * r, series(r), r), power_of_two(shifted)

    return parts, (1 - bias) * LN_2, (bias + 0.5) * LN_2


def exp(x: Any) -> Any:
    """e^x; 0 below the smallest normal number, infinite from 2^127.5 or 2^1023.5 on. In compiled code only."""
    raise NotImplementedError


@overload(exp, jit_options=EXACT)
def _exp(x):
    parts, least, largest = _parts(vectors.of(x))

    def of_numbers(x):
        grown, power = parts(x)
        inside = fma(power, grown, power)
        return where(
            x < number(x, least), number(x, 0), where(x > number(x, largest), number(x, np.inf), inside)
        )

    return of_numbers


def expm1(x: Any) -> Any:
    """e^x - 1, to full precision near 0. In compiled code only."""
    raise NotImplementedError


@overload(expm1, jit_options=EXACT)
def _expm1(x):
    parts, least, largest = _parts(vectors.of(x))

    def of_numbers(x):
        grown, power = parts(x)
        inside = fma(power, grown, power - number(x, 1))
        return where(
            x < number(x, least), number(x, -1), where(x > number(x, largest), number(x, np.inf), inside)
        )

    return of_numbers


def tanh(x: Any) -> Any:
    """Hyperbolic tangent. In compiled code only."""
    raise NotImplementedError


@overload(tanh, jit_options=EXACT)
def _tanh(x):
    def of_numbers(x):
        e = expm1(number(x, -2) * absolute(x))
        size = e / (number(x, -2) - e)
        return where(x < number(x, 0), number(x, 0) - size, size)

    return of_numbers


def log(x: Any) -> Any:
    """Natural logarithm of a normal positive number. In compiled code only."""
    raise NotImplementedError


@overload(log, jit_options=EXACT)
def _log(x):
    kind = vectors.of(x)
    terms = {types.float32: 5, types.float64: 11}[kind]
    series = polynomial([2 / (2 * k + 1) for k in range(1, terms + 1)])
    high = float(np.dtype(str(kind)).type(LN_2))
    low, root = LN_2 - high + LN_2_REST, math.sqrt(2)

    def of_numbers(x):
        one, m, e = number(x, 1), fraction(x), exponent(x)
        large = m > number(x, root)
        m, e = where(large, m * number(x, 0.5), m), where(large, e + one, e)
        f = m - one
        s = f / (m + one)  # log m = 2 artanh s = 2 s + s^3 (2/3 + 2/5 s^2 + ...)
        z = s * s
        # 2 s = f - s f, where f is exact
        small = fma(e, low, s * (z * series(z) - f))
        return fma(e, high, f + small)

    return of_numbers
