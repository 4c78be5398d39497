"""Eight numbers as one value in compiled code, and the few operations on it that a formula needs.

No compiler is needed on the user's machine: the operations are written in LLVM's intermediate language, which numba
compiles. A vector of eight float32 fills one register of x86-64-v3, one of eight float64 two. Arithmetic and
comparisons are written with Python's operators; a plain number beside a vector stands for itself in all lanes.

Bits are the same on every machine. Nothing is reordered, and a product and a sum are rounded once, by `fma`, only
where a formula says so. Where code may treat one number or eight, as in `elementary.py`, the functions below take both.
To that end loops are compiled without fast mathematics, and **sums over units have one order** in every loop: eight
partial sums, the j-th over the units j, j + 8, j + 16, ... in that order, each from 0, which `total` then adds up as
((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)). A bias is added to the finished sum. So a loop whose lanes are units
and a loop whose lanes are runs get the same bits. Only where whole rows are added to many sums at once, in the forward
pass of `fused` and in `pooled`, they are added to the bias in the order of the rows (`sums.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 8
HALVES = ([0, 1, 2, 3], [4, 5, 6, 7])  # lanes that `total` adds first


class Vector(types.Type):
    """The type of eight numbers of one type, as numba sees it."""

    def __init__(self, of: Any) -> None:
        self.of = of
        super().__init__(name=f"{of}x{LANES}")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.of).get_value_type(), LANES))


def of(kind: Any) -> Any:
    """The type of one number of a vector, or of a plain number."""
    return kind.of if isinstance(kind, Vector) else kind


def common(*kinds: Any) -> Any:
    """To what operands are brought: to the first vector's type, or else to the first one's."""
    return next((kind for kind in kinds if isinstance(kind, Vector)), kinds[0])


def like(kind: Any, element: Any) -> Any:
    """The type of as many numbers of another type."""
    return Vector(element) if isinstance(kind, Vector) else element


def constant(context: Any, kind: Any, number: float) -> Any:
    """A constant of a type, in all lanes of a vector."""
    kind_of_value = context.get_value_type(kind)
    return ir.Constant(kind_of_value, [number] * LANES if isinstance(kind, Vector) else number)


def function(result: Callable, emit: Callable) -> Callable:
    """A compiled function of two or more arguments that are brought to a common type.

    Args:
        result: common type -> type of the result.
        emit: (context, builder, common type, values) -> value.
    """

    def typed(*kinds: Any) -> Any:
        kind = common(*kinds)

        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            brought = [
                context.cast(builder, value, own, kind) for value, own in zip(values, kinds, strict=True)
            ]
            return emit(context, builder, kind, brought)

        return signature(result(kind), *kinds), generate

    return typed


@lower_cast(types.Number, Vector)
@lower_cast(types.Boolean, Vector)
def _splat(context: Any, builder: Any, own: Any, kind: Vector, value: Any) -> Any:
    vector, index = context.get_value_type(kind), ir.IntType(32)
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, context.cast(builder, value, own, kind.of), index(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))


def _register(sign: Any, result: Callable, emit: Callable) -> None:
    """An operator of two vectors, or of a vector and a number."""

    @infer_global(sign)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and any(isinstance(kind, Vector) for kind in args):
                kind = common(*args)
                return signature(result(kind), kind, kind)
            return None

    @lower_builtin(sign, Vector, Vector)
    def _lower(context: Any, builder: Any, own: Any, values: Any) -> Any:
        return emit(builder, own.args[0].of, *values)


@infer_global(operator.neg)
class _Negation(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if isinstance(args[0], Vector) else None


@lower_builtin(operator.neg, Vector)
def _negate(context: Any, builder: Any, own: Any, values: Any) -> Any:
    return builder.fneg(values[0])


def _arithmetic(floats: str, integers: str) -> Callable:
    def emit(builder: Any, element: Any, a: Any, b: Any) -> Any:
        return getattr(builder, floats if isinstance(element, types.Float) else integers)(a, b)

    return emit


def _comparison(sign: str) -> Callable:
    def emit(builder: Any, element: Any, a: Any, b: Any) -> Any:
        if isinstance(element, types.Float):
            return builder.fcmp_ordered(sign, a, b)
        return (builder.icmp_signed if element.signed else builder.icmp_unsigned)(sign, a, b)

    return emit


def _same(kind: Any) -> Any:
    return kind


def _truth(kind: Any) -> Any:
    return like(kind, types.boolean)


for _name, _floats, _integers in (
    ("add", "fadd", "add"), ("sub", "fsub", "sub"), ("mul", "fmul", "mul"), ("truediv", "fdiv", "sdiv"),
    ("and_", "", "and_"), ("or_", "", "or_"), ("xor", "", "xor"), ("lshift", "", "shl"), ("rshift", "", "lshr"),
):  # fmt: skip
    _register(getattr(operator, _name), _same, _arithmetic(_floats, _integers))
for _name, _sign in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "==")):
    _register(getattr(operator, _name), _truth, _comparison(_sign))


@intrinsic
def number(typing, x, value):
    """A number in the type of x, in all lanes if x is a vector."""
    return function(_same, lambda context, builder, kind, values: values[1])(x, value)


def call(builder: Any, name: str, *values: Any) -> Any:
    """An operation of LLVM that is exact, or rounded once as IEEE 754 demands, on values of one type."""
    data = values[0].type
    element = {"float": "f32", "double": "f64"}[str(getattr(data, "element", data))]
    lanes = f"v{LANES}" if isinstance(data, ir.VectorType) else ""
    kind = ir.FunctionType(data, [data] * len(values))
    return builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{lanes}{element}"), values
    )


def operation(name: str) -> Callable:
    """Such an operation on arguments of a compiled function, for `function`."""
    return lambda context, builder, kind, values: call(builder, name, *values)


@intrinsic
def fma(typing, a, b, c):
    """a b + c, rounded once."""
    return function(_same, operation("fma"))(a, b, c)


@intrinsic
def square_root(typing, x):
    """The square root."""
    return function(_same, operation("sqrt"))(x)


@intrinsic
def absolute(typing, x):
    """The magnitude."""
    return function(_same, operation("fabs"))(x)


@intrinsic
def where(typing, truth, a, b):
    """a where it is true, else b; lane by lane where they are vectors."""
    kind = common(a, b)

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        chosen = [
            context.cast(builder, value, had, kind) for value, had in zip(values[1:], (a, b), strict=True)
        ]
        return builder.select(values[0], *chosen)

    return signature(kind, truth, a, b), generate


@intrinsic
def any_lane(typing, truth):
    """Whether it is true in some lane."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        word = ir.IntType(LANES)
        return builder.icmp_unsigned("!=", builder.bitcast(values[0], word), word(0))

    return signature(types.boolean, truth), generate


@intrinsic
def total(typing, sums):
    """The sum over the lanes, halves first: ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        (value,) = values
        low, high = HALVES
        while low:
            parts = [builder.shuffle_vector(value, value, _places(half)) for half in (low, high)]
            value = builder.fadd(*parts)
            half = len(low) // 2
            low, high = low[:half], low[half:]
        return builder.extract_element(value, ir.IntType(32)(0))

    return signature(sums.of, sums), generate


def _places(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)


def place(context: Any, builder: Any, kind: Any, array: Any, at: Any, vector: Any) -> Any:
    """A pointer to the eight numbers of an array from place `at` on."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())


@intrinsic
def load(typing, array, at):
    """Eight numbers of a contiguous array, from place `at` of its memory on, counted in numbers; nothing checks it."""
    vector = Vector(array.dtype)

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        data = context.get_value_type(vector)
        there = place(context, builder, array, *values, data)
        return builder.load(there, align=array.dtype.bitwidth // 8)

    return signature(vector, array, types.intp), generate


@intrinsic
def store(typing, array, at, value):
    """Put eight numbers into a contiguous array, as `load` takes them; a plain number is put into all lanes."""
    vector = Vector(array.dtype)

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        data = context.get_value_type(vector)
        there = place(context, builder, array, *values[:2], data)
        builder.store(
            context.cast(builder, values[2], own.args[2], vector), there, align=array.dtype.bitwidth // 8
        )
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, value), generate


@intrinsic
def item(typing, values, at):
    """One of a tuple of vectors. Unlike numba's own it may stand in a loop without leaving registers."""

    def generate(context: Any, builder: Any, own: Any, given: Any) -> Any:
        held = cgutils.alloca_once_value(builder, given[0])
        return builder.load(builder.gep(held, [ir.IntType(32)(0), given[1]]))

    return signature(values.dtype, values, types.intp), generate


@intrinsic
def with_item(typing, values, at, value):
    """A tuple of vectors with another one at a place."""

    def generate(context: Any, builder: Any, own: Any, given: Any) -> Any:
        held = cgutils.alloca_once_value(builder, given[0])
        builder.store(given[2], builder.gep(held, [ir.IntType(32)(0), given[1]]))
        return builder.load(held)

    return signature(values, values, types.intp, value), generate


@intrinsic
def look_up(typing, table, at):
    """The entries of an array at eight places; nothing checks them."""
    vector = Vector(table.dtype)

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        data, places = context.make_array(table)(context, builder, values[0]).data, values[1]
        found, index = ir.Constant(context.get_value_type(vector), ir.Undefined), ir.IntType(32)
        for lane in range(LANES):
            place = builder.extract_element(places, index(lane))
            found = builder.insert_element(found, builder.load(builder.gep(data, [place])), index(lane))
        return found

    return signature(vector, table, at), generate


@lower_cast(Vector, Vector)
def _convert(context: Any, builder: Any, own: Vector, kind: Vector, value: Any) -> Any:
    """Lane by lane, rounded as usual; whole numbers from floating ones towards 0."""
    if own == kind:
        return value
    data, was, now = context.get_value_type(kind), own.of, kind.of
    if isinstance(was, types.Float) and isinstance(now, types.Float):
        return (builder.fpext if now.bitwidth > was.bitwidth else builder.fptrunc)(value, data)
    if isinstance(was, types.Float):
        return (builder.fptosi if now.signed else builder.fptoui)(value, data)
    signed = isinstance(was, types.Integer) and was.signed
    if isinstance(now, types.Float):
        return (builder.sitofp if signed else builder.uitofp)(value, data)
    bits = 1 if isinstance(was, types.Boolean) else was.bitwidth
    if now.bitwidth == bits:
        return value
    widen = builder.sext if signed else builder.zext
    return (widen if now.bitwidth > bits else builder.trunc)(value, data)


def converter(element: Any) -> Callable:
    """A compiled function: a vector of any type, or a number, as one of numbers of type `element`."""

    @intrinsic
    def converted(typing, x):
        kind = like(x, element)

        def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
            return context.cast(builder, values[0], x, kind)

        return signature(kind, x), generate

    return converted
