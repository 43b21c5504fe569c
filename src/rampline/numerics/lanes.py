"""Numbers that lie side by side in memory, taken together by one vector instruction.

The compiler does not find this by itself: it takes one number after the other.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

FOUR: Final = 4
"""Lanes of a vector of double precision that every machine of the last decade has."""


def _typed(
    _context: Any, sums: Any, first: Any, part: Any, terms: Any
) -> tuple[Any, Callable[..., Any]]:
    return types.void(sums, first, part, terms), _add_terms


def _add_terms(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Write the instructions."""
    array, first, part, terms = values
    number = ir.DoubleType()
    vector, index = ir.VectorType(number, FOUR), ir.IntType(32)
    unknown = ir.Constant(vector, ir.Undefined)
    term, parts = unknown, unknown
    for lane in range(FOUR):
        value = builder.extract_value(terms, lane)
        term = builder.insert_element(term, value, index(lane))
        parts = builder.insert_element(parts, part, index(lane))
    is_linear = ir.Constant(ir.VectorType(ir.IntType(1), FOUR), [1, 1, 0, 0])
    one = ir.Constant(vector, [1.0] * FOUR)
    factor = builder.fmul(parts, builder.select(is_linear, one, parts))
    data = context.make_array(signature.args[0])(context, builder, array).data
    place = builder.gep(data, [first])
    _raise(builder, builder.bitcast(place, vector.as_pointer()), factor, term)
    last = builder.gep(place, [index(FOUR)])
    _raise(builder, last, builder.fmul(part, part), builder.extract_value(terms, FOUR))
    return context.get_dummy_value()


def _raise(builder: Any, place: Any, factor: Any, term: Any) -> None:
    """Add a product to what lies at a place."""
    before = builder.load(place)
    before.align = 8
    product = builder.fmul(factor, term, flags=["contract"])
    after = builder.fadd(before, product, flags=["contract"])
    builder.store(after, place).align = 8


add_terms: Callable[..., None] = intrinsic(_typed)
"""Add two terms times ``part`` and three times its square to five neighbouring sums.

In a kernel only: ``add_terms(sums, first, part, terms)`` with sums (n,) float64, the index of
the first of the five, uintp and not checked, a float, and a tuple of five floats.
"""


def _patch_typed(
    _context: Any, plane: Any, first: Any, width: Any, down: Any, along: Any
) -> tuple[Any, Callable[..., Any]]:
    return types.float64(plane, first, width, down, along), _weigh_patch


def _weigh_patch(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Write the instructions."""
    array, place, width, down, along = values
    index = ir.IntType(32)
    vector = ir.VectorType(ir.DoubleType(), FOUR)
    stored = ir.VectorType(ir.FloatType(), FOUR).as_pointer()
    data = context.make_array(signature.args[0])(context, builder, array).data
    total = ir.Constant(vector, [0.0] * FOUR)
    for row in range(FOUR):
        line = builder.load(builder.bitcast(builder.gep(data, [place]), stored))
        line.align = 4
        weight = ir.Constant(vector, ir.Undefined)
        for lane in range(FOUR):
            value = builder.extract_value(down, row)
            weight = builder.insert_element(weight, value, index(lane))
        product = builder.fmul(builder.fpext(line, vector), weight, flags=["contract"])
        total = builder.fadd(total, product, flags=["contract"])
        place = builder.add(place, width)
    parts = [
        builder.fmul(
            builder.extract_element(total, index(lane)),
            builder.extract_value(along, lane),
        )
        for lane in range(FOUR)
    ]
    return builder.fadd(builder.fadd(*parts[:2]), builder.fadd(*parts[2:]))


weigh_patch: Callable[..., float] = intrinsic(_patch_typed)
"""Sum four by four neighbouring pixels with a weight for each row and one for each column.

In a kernel only: ``weigh_patch(plane, first, width, down, along)`` with plane (rows, width)
float32, the index of the first pixel in the flat plane, uintp and not checked, width uintp, and
two tuples of four floats, the weights of the rows and of the columns.
"""
