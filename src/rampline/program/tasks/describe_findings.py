"""What was expected and found in one exposure, as lines of its artifact list."""

from ...pipeline.second_round import CleanExposure
from .artifact_list import Artifact, known_number


def steps_taken(found: CleanExposure) -> dict[str, bool]:
    """Return which steps of the second round were done in an exposure."""
    return {
        "stray_light": found.stray is not None,
        "angled_stripes": found.angled is not None,
        "confirm": bool(found.expected),
    }


def describe_findings(found: CleanExposure) -> list[Artifact]:
    """Return what was expected and found in an exposure, and what was done about it."""
    rows: list[Artifact] = []
    if found.stray is not None:
        fit = found.stray
        rows.append(
            {
                "kind": "stray_light",
                "found": fit.is_sure,
                "action": "subtracted" if fit.is_sure else "none",
                "strength": known_number(fit.measured),
                "strength_err": known_number(fit.strength_err),
                "further": [known_number(value) for value in fit.further],
                "unit": "template",
            }
        )
    if found.angled is not None:
        angles = list(found.angled.angles_deg)
        rows.append(
            {
                "kind": "stripes",
                "found": bool(angles),
                "action": "subtracted" if angles else "none",
                "angles_deg": angles,
            }
        )
    for item, there in found.expected:
        rows.append(
            {
                "kind": item.kind,
                "cause": item.cause,
                "predicted": known_number(item.strength),
                "predicted_unit": item.unit,
                "found": there.is_there,
                "action": "masked" if there.mask.any() else "none",
                "strength": known_number(there.excess),
                "strength_err": known_number(there.excess_err),
                "unit": "DN/s",
                "pixels": int(there.mask.sum()),
            }
        )
    return rows
