"""Which files are NIRCam imaging exposures.

Everything else is refused in one line that names the tool to use.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import ForeignError, InputError

_IMAGING: Final = (
    "NRC_IMAGE",
    "NRC_TSIMAGE",
    "NRC_CORON",
    "NRC_WFSS",
    "NRC_TACQ",
    "NRC_TACONFIRM",
    "NRC_FOCUS",
)
"""Exposure types that are read; `program` knows how far each is taken."""

_JWST: Final = "use jwst"
_SPECTRA: Final = {
    "NRC_GRISM": "use jwst (calwebb_spec2)",
    "NRC_TSGRISM": "use jwst (calwebb_tso3) or Eureka!",
}
_CALIBRATION: Final = ("NRC_DARK", "NRC_FLAT", "NRC_LED", "NRC_WFSC")
_GUIDE_STAR: Final = (
    "FGS_ACQ1",
    "FGS_ACQ2",
    "FGS_FINEGUIDE",
    "FGS_ID-IMAGE",
    "FGS_ID-STACK",
    "FGS_TRACK",
)
_SPECTRAL_SUFFIXES: Final = ("s2d", "s3d", "x1d", "x1dints", "c1d")
_SPECTRAL_MODELS: Final = ("Slit", "Spec", "IFU")


def refuse_foreign(path: str, cards: Mapping[str, Any], suffix: str) -> None:
    """Refuse what is not a NIRCam imaging exposure.

    Parameters
    ----------
    path : str
    cards : mapping
        The primary header.
    suffix : str
        Product suffix of the file's name.

    Raises
    ------
    ForeignError
        Another telescope or instrument, a guide-star file, a spectral product, a
        calibration exposure.
    InputError
        No instrument, or an unknown exposure type.
    """
    telescope, instrument = cards.get("TELESCOP"), cards.get("INSTRUME")
    if telescope != "JWST":
        what = f"no JWST file (TELESCOP is {telescope!r})"
        raise ForeignError(path, what, "leave it out with --exclude")
    if cards.get("EXP_TYPE") in _GUIDE_STAR:
        what = f"a guide-star file of {instrument} ({cards['EXP_TYPE']})"
        raise ForeignError(path, what, "use jwst (calwebb_guider)")
    if instrument != "NIRCAM":
        if instrument is None:
            what = "INSTRUME is missing from the primary header"
            raise InputError(path, what, _JWST)
        raise ForeignError(path, f"data of {instrument}, not NIRCAM", _JWST)
    _refuse_spectra(path, str(cards.get("DATAMODL", "")), suffix)
    _refuse_exposure_type(path, cards)


def refuse_mosaic(path: str, cards: Mapping[str, Any]) -> None:
    """Refuse a mosaic where an exposure is wanted.

    Raises
    ------
    InputError
    """
    if "NDRIZ" in cards or cards.get("DATAMODL") == "SegmentationMapModel":
        raise InputError(
            path, "a mosaic, not an exposure", "give the _cal or _rate files"
        )


def _refuse_spectra(path: str, model: str, suffix: str) -> None:
    """Refuse products that hold spectra."""
    if suffix in _SPECTRAL_SUFFIXES or any(word in model for word in _SPECTRAL_MODELS):
        what = f"a spectral product ({suffix or model})"
        raise ForeignError(path, what, "open it with Specviz (jdaviz)")


def _refuse_exposure_type(path: str, cards: Mapping[str, Any]) -> None:
    """Refuse exposure types that are neither imaging nor of use to it."""
    kind = cards.get("EXP_TYPE")
    if kind in _IMAGING or kind is None:
        return
    if kind in _SPECTRA:
        raise ForeignError(path, f"a spectroscopic exposure ({kind})", _SPECTRA[kind])
    if kind in _CALIBRATION:
        what = f"a calibration exposure ({kind}), not the sky"
        raise ForeignError(path, what, _JWST)
    what = f"EXP_TYPE is {kind!r}, which no NIRCam image has"
    raise InputError(path, what, "leave it out with --exclude")
