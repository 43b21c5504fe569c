"""Data-quality bits: the one table, with JWST's own values.

Plain integers on purpose: under NumPy 2 an ``IntFlag`` operand turns a ``uint8``
plane into ``int64``; a plain ``int`` keeps the plane's type and raises
``OverflowError`` where the bit does not fit. The first eight bits also serve the
group flags (uint8).
"""

from typing import Final

DO_NOT_USE: Final = 1 << 0
SATURATED: Final = 1 << 1
JUMP: Final = 1 << 2
DROPOUT: Final = 1 << 3
OUTLIER: Final = 1 << 4
PERSISTENCE: Final = 1 << 5
AD_FLOOR: Final = 1 << 6
CHARGELOSS: Final = 1 << 7
NON_SCIENCE: Final = 1 << 9
DEAD: Final = 1 << 10
HOT: Final = 1 << 11
WARM: Final = 1 << 12
LOW_QE: Final = 1 << 13
RC: Final = 1 << 14
TELEGRAPH: Final = 1 << 15
NONLINEAR: Final = 1 << 16
BAD_REF_PIXEL: Final = 1 << 17
NO_FLAT_FIELD: Final = 1 << 18
NO_GAIN_VALUE: Final = 1 << 19
NO_LINEARITY: Final = 1 << 20
NO_SATURATION_CHECK: Final = 1 << 21
UNRELIABLE_BIAS: Final = 1 << 22
UNRELIABLE_DARK: Final = 1 << 23
UNRELIABLE_SLOPE: Final = 1 << 24
UNRELIABLE_FLAT: Final = 1 << 25
OPEN: Final = 1 << 26
ADJ_OPEN: Final = 1 << 27
FLUX_ESTIMATED: Final = 1 << 28
MSA_FAILED_OPEN: Final = 1 << 29
OTHER_BAD_PIXEL: Final = 1 << 30
REFERENCE_PIXEL: Final = 1 << 31

BAD_FOR_SLOPE: Final = DO_NOT_USE | SATURATED
"""Group flags that keep a group out of the slope fit."""
BAD_FOR_MOSAIC: Final = DO_NOT_USE | NON_SCIENCE
"""Pixel flags that keep a pixel out of sky levels, outlier tests and mosaics."""

NAME: Final = {
    DO_NOT_USE: "DO_NOT_USE",
    SATURATED: "SATURATED",
    JUMP: "JUMP_DET",
    DROPOUT: "DROPOUT",
    OUTLIER: "OUTLIER",
    PERSISTENCE: "PERSISTENCE",
    AD_FLOOR: "AD_FLOOR",
    CHARGELOSS: "CHARGELOSS",
    NON_SCIENCE: "NON_SCIENCE",
    DEAD: "DEAD",
    HOT: "HOT",
    WARM: "WARM",
    LOW_QE: "LOW_QE",
    RC: "RC",
    TELEGRAPH: "TELEGRAPH",
    NONLINEAR: "NONLINEAR",
    BAD_REF_PIXEL: "BAD_REF_PIXEL",
    NO_FLAT_FIELD: "NO_FLAT_FIELD",
    NO_GAIN_VALUE: "NO_GAIN_VALUE",
    NO_LINEARITY: "NO_LIN_CORR",
    NO_SATURATION_CHECK: "NO_SAT_CHECK",
    UNRELIABLE_BIAS: "UNRELIABLE_BIAS",
    UNRELIABLE_DARK: "UNRELIABLE_DARK",
    UNRELIABLE_SLOPE: "UNRELIABLE_SLOPE",
    UNRELIABLE_FLAT: "UNRELIABLE_FLAT",
    OPEN: "OPEN",
    ADJ_OPEN: "ADJ_OPEN",
    FLUX_ESTIMATED: "FLUX_ESTIMATED",
    MSA_FAILED_OPEN: "MSA_FAILED_OPEN",
    OTHER_BAD_PIXEL: "OTHER_BAD_PIXEL",
    REFERENCE_PIXEL: "REFERENCE_PIXEL",
}
"""JWST's mnemonic of each bit, as DQ_DEF tables and other tools spell it."""

MEANING: Final = {
    DO_NOT_USE: "must not enter any measurement",
    SATURATED: "charge reached the full well",
    JUMP: "a cosmic ray hit between two groups",
    DROPOUT: "data lost in transmission",
    OUTLIER: "disagrees with the other dithers of the same sky",
    PERSISTENCE: "afterglow of an earlier exposure",
    AD_FLOOR: "at or below the floor of the A/D converter",
    CHARGELOSS: "charge migrated to the neighbours of a bright pixel",
    NON_SCIENCE: "outside the illuminated area",
    DEAD: "no response",
    HOT: "very high dark current",
    WARM: "high dark current",
    LOW_QE: "low quantum efficiency",
    RC: "resistance-capacitance pixel: slow response",
    TELEGRAPH: "random telegraph noise: jumps between levels",
    NONLINEAR: "strongly non-linear",
    BAD_REF_PIXEL: "reference pixel of no use",
    NO_FLAT_FIELD: "the flat field is unknown here",
    NO_GAIN_VALUE: "the gain is unknown here",
    NO_LINEARITY: "the non-linearity is unknown here",
    NO_SATURATION_CHECK: "no saturation limit is known",
    UNRELIABLE_BIAS: "uncertain bias",
    UNRELIABLE_DARK: "uncertain dark current",
    UNRELIABLE_SLOPE: "uncertain slope",
    UNRELIABLE_FLAT: "uncertain flat field",
    OPEN: "open pixel: its charge goes to the neighbours",
    ADJ_OPEN: "neighbour of an open pixel",
    FLUX_ESTIMATED: "the value is an estimate",
    MSA_FAILED_OPEN: "light of a failed-open shutter (other instruments)",
    OTHER_BAD_PIXEL: "bad for another reason",
    REFERENCE_PIXEL: "not sensitive to light",
}
"""What each bit says, in words."""
