"""What calibrates a ramp, from the reference files to house units.

Raw counts in DN; noise per single read (a READNOISE file holds that of a difference of
two reads); NaN where a value is unknown; flags in JWST's bits. All planes are cut to
the exposure's subarray. Each file is used as the step of `jwst` 3.0 named with it does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import flags
from ..errors import MissingReferenceError
from ..exposure.header import Header
from ..exposure.planes import RampPlanes
from ..exposure.records import Flags32, Plane
from ..files.source_code import source_hash
from ..units import CDS_TO_SINGLE_READ
from .cache import entry_name, recall
from .dark import average_dark, measure_dark_noise, measure_dark_rate
from .pixel_file import PixelFile, open_pixel_file
from .selection import RAMP_KINDS, ReferenceFiles

MODULE = "reference.ramp_planes"
"""Planes made by other code than this, and what it imports, are made again."""
DETECTOR_KINDS = tuple(kind for kind in RAMP_KINDS if kind != "dark")


def load_ramp_planes(
    files: ReferenceFiles, header: Header, *, want_ipc: bool = False
) -> RampPlanes:
    """Load what calibrates the ramp of an exposure.

    Parameters
    ----------
    files : ReferenceFiles
        With all of `RAMP_KINDS`, and ``ipc`` where wanted.
    header : Header
        Of the exposure: its subarray and readout pattern.
    want_ipc : bool
        Whether the IPC kernel is loaded.

    Returns
    -------
    RampPlanes
        Its arrays are shared by all exposures that need the same; not to be written.

    Raises
    ------
    MissingReferenceError
        One line with exposure, type and file: missing, damaged, or not fitting.
    """
    kinds = (*RAMP_KINDS, "ipc") if want_ipc else RAMP_KINDS
    used = files.require(header, kinds)
    sha1 = {file.kind: file.sha1 for file in used}
    readout = header.readout
    window = (readout.row_start, readout.col_start, readout.n_rows, readout.n_cols)
    reads = (readout.n_frames, readout.n_dropped, readout.n_groups, readout.frame_s)
    code = source_hash(MODULE)
    detector = recall(
        entry_name(code, window, [sha1[kind] for kind in DETECTOR_KINDS]),
        lambda: _detector_arrays(files, header),
    )
    dark = recall(
        entry_name(code, window, reads, sha1["dark"], sha1["readnoise"]),
        lambda: _dark_arrays(files, header, detector["read_noise_dn"]),
    )
    return RampPlanes(
        full_well_dn=detector["full_well_dn"],
        superbias_dn=detector["superbias_dn"],
        linearity=detector["linearity"],
        dark_dn=dark["dark_dn"],
        dark_noise=float(dark["dark_noise"][0]),
        dark_rate_dn_s=dark["dark_rate_dn_s"],
        gain=detector["gain"],
        read_noise_dn=detector["read_noise_dn"],
        gain_factor=float(detector["gain_factor"][0]),
        ipc_kernel=_ipc_kernel(files, header) if want_ipc else None,
        average_dark_e_s=_scalar_or_plane(dark["average_dark_e_s"]),
        flags=_named_flags(detector) | _named_flags(dark),
        files=used,
    )


def _detector_arrays(files: ReferenceFiles, header: Header) -> dict[str, NDArray[Any]]:
    """Read everything but the dark: it depends on the window alone."""
    arrays: dict[str, NDArray[Any]] = {}
    found: dict[str, Flags32] = {}

    def opened(kind: str) -> Any:
        return open_pixel_file(files.paths[kind], kind, header)

    with opened("mask") as file:
        found["mask"] = file.flags()
    with opened("saturation") as file:
        arrays["full_well_dn"], found["saturation"] = read_full_well(file)
    with opened("superbias") as file:
        arrays["superbias_dn"] = np.nan_to_num(file.plane(), copy=False, nan=0.0)
        found["superbias"] = file.flags()
    with opened("linearity") as file:
        arrays["linearity"], found["linearity"] = read_linearity(file)
    with opened("gain") as file:
        arrays["gain"] = read_positive(file)
        arrays["gain_factor"] = np.array([file.number("GAINFACT") or 1.0])
    with opened("readnoise") as file:
        arrays["read_noise_dn"] = read_positive(file) * np.float32(CDS_TO_SINGLE_READ)
    return arrays | _flags_to_keep(found)


def read_full_well(file: PixelFile) -> tuple[Plane, Flags32]:
    """Return the saturation limits and their flags.

    Step ``saturation``: no check, and so an unknown limit, where the file has NaN or
    says NO_SAT_CHECK.

    Returns
    -------
    full_well : (rows, cols) float32, DN
    flags : (rows, cols) uint32
    """
    limit, bits = file.plane(), file.flags()
    bits[np.isnan(limit)] |= flags.NO_SATURATION_CHECK
    limit[(bits & flags.NO_SATURATION_CHECK) != 0] = np.nan
    return limit, bits


def read_positive(file: PixelFile) -> Plane:
    """Return gains or read noises, NaN where they are not above 0.

    Such a pixel gets no slope and DO_NOT_USE.

    Returns
    -------
    (rows, cols) float32, e-/DN or DN

    Raises
    ------
    MissingReferenceError
        No value is above 0: ramps would be weighted by nothing.
    """
    plane = file.plane()
    is_known = plane > 0.0
    if not is_known.any():
        raise MissingReferenceError(
            f"{file.header.root}: {file.kind} reference file {file.path.name} is of no "
            "use: no value is above 0"
        )
    plane[~is_known] = np.nan
    return plane


def read_linearity(file: PixelFile) -> tuple[NDArray[np.float32], Flags32]:
    """Return the linearity polynomials and their flags.

    Step ``linearity``: the identity and NO_LIN_CORR where the file says so, where any
    coefficient is NaN, and where the linear one is 0.

    Returns
    -------
    coefficients : (coefficients, rows, cols) float32
    flags : (rows, cols) uint32
    """
    coefficients, bits = file.cube("COEFFS"), file.flags()
    if len(coefficients) < 2:
        raise ValueError("fewer than two coefficients")
    unknown = coefficients[1] == 0.0
    for plane in coefficients:
        unknown |= np.isnan(plane)
    bits[unknown] |= flags.NO_LINEARITY
    unknown = (bits & flags.NO_LINEARITY) != 0
    coefficients[:, unknown] = 0.0
    coefficients[1, unknown] = 1.0
    return coefficients, bits


def _dark_arrays(
    files: ReferenceFiles, header: Header, read_noise_dn: Plane
) -> dict[str, NDArray[Any]]:
    """Read the dark and average it to the exposure's pattern."""
    readout = header.readout
    path = files.paths["dark"]
    with open_pixel_file(path, "dark", header) as file:
        reads = (int(file.number("NFRAMES") or 1), int(file.number("GROUPGAP") or 0))
        stored = file.stored()
        try:
            dark = average_dark(stored, reads, readout)
        except ValueError as error:
            raise MissingReferenceError(
                f"{header.root}: dark reference file {path.name} is of no use: {error}"
            ) from error
        frame_s = file.number("TFRAME")
        if frame_s and stored.file_shape != (readout.n_rows, readout.n_cols):
            # the dark is of a larger subarray, whose frames take longer
            dark *= np.float32(readout.frame_s / frame_s)
        average = np.array([file.number("AVDRKCUR") or 0.0], np.float32)
        if file.has("AVDRKCUR"):
            average = file.plane("AVDRKCUR")
        noise = measure_dark_noise(dark, read_noise_dn, readout.n_frames)
        return {
            "dark_dn": dark,
            "dark_noise": np.array([noise]),
            "dark_rate_dn_s": measure_dark_rate(dark, noise, read_noise_dn, readout),
            "average_dark_e_s": average,
            **_flags_to_keep({"dark": file.flags()}),
        }


def _ipc_kernel(files: ReferenceFiles, header: Header) -> NDArray[np.float32]:
    """Read the IPC kernel; it has no window."""
    with open_pixel_file(files.paths["ipc"], "ipc", header) as file:
        kernel = file.hdus["SCI"].data
        if kernel.ndim != 2:
            raise ValueError("a kernel for each pixel is not supported")
        return np.ascontiguousarray(kernel, dtype=np.float32)


def _scalar_or_plane(average: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a single value as 0-d array, a plane as it is."""
    return average.reshape(()) if average.size == 1 else average


def _flags_to_keep(found: Mapping[str, Flags32]) -> dict[str, NDArray[Any]]:
    """Name the planes that have any bit set."""
    return {f"flags.{kind}": bits for kind, bits in found.items() if bits.any()}


def _named_flags(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Flags32]:
    """Return the flag planes by reference type."""
    prefix = "flags."
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
