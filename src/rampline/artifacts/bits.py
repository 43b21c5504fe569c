"""The bits of an ``ARTIFACT`` plane: what affects a pixel, and how it was treated.

JWST's DQ has no free bits, so artifacts have a separate 16-bit plane. Masked pixels are
also DO_NOT_USE in DQ; corrected ones are OTHER_BAD_PIXEL, which mosaics keep.
"""

from typing import Final

WISP_CORRECTED: Final = 1 << 0
WISP_MASKED: Final = 1 << 1
CLAW_CORRECTED: Final = 1 << 2
CLAW_MASKED: Final = 1 << 3
DRAGONS_BREATH_1: Final = 1 << 4
DRAGONS_BREATH_2: Final = 1 << 5
GINKGO_LEAF: Final = 1 << 6
TADPOLE: Final = 1 << 7
SHELL: Final = 1 << 8
SNOWBALL: Final = 1 << 9
PERSISTENCE: Final = 1 << 10
STRIPE_CORRECTED: Final = 1 << 11
SPIKE: Final = 1 << 12
MIRROR_IMAGE: Final = 1 << 13
RIPPLE: Final = 1 << 14
USER: Final = 1 << 15

MEANING: Final = {
    WISP_CORRECTED: "wisp, subtracted",
    WISP_MASKED: "wisp, masked",
    CLAW_CORRECTED: "claw, subtracted",
    CLAW_MASKED: "claw, masked",
    DRAGONS_BREATH_1: "dragon's breath, type I",
    DRAGONS_BREATH_2: "dragon's breath, type II",
    GINKGO_LEAF: "ginkgo leaf",
    TADPOLE: "tadpole of a grism exposure",
    SHELL: "shell of a grism exposure",
    SNOWBALL: "halo of a large cosmic ray",
    PERSISTENCE: "afterglow of an earlier exposure",
    STRIPE_CORRECTED: "angled stripe, subtracted",
    SPIKE: "spike or halo of a bright star",
    MIRROR_IMAGE: "image of the primary mirror",
    RIPPLE: "ripple of a short in the micro-shutters of a parallel exposure",
    USER: "region given by the user",
}
"""The meaning of each bit."""
