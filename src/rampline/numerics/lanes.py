"""Sums that lie side by side in memory, raised together by one vector instruction.

The compiler does not find this by itself: it takes the five sums one after the other.
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
