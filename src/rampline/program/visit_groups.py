"""Which exposures share what stays on its place of the detector: a visit's, alike in optics."""

from ..exposure.header import Header
from ..files.names import optical_element


def visit_group(header: Header) -> tuple[str, ...]:
    """Return what exposures with the same stray light and the same sky share."""
    return (
        header.program,
        header.observation,
        header.visit,
        header.detector,
        header.filter,
        header.pupil,
        header.readout.subarray,
    )


def visit_group_name(header: Header) -> str:
    """Return the same as a part of file names."""
    visit = f"jw{header.program}{header.observation}{header.visit}"
    element = optical_element(header.filter, header.pupil)
    subarray = header.readout.subarray.lower()
    return f"{visit}_{header.detector.lower()}_{element}_{subarray}"
