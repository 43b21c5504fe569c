"""From pixels to the sky and back, in the simulator.

Pixels go through the polynomial of the detector's full-frame aperture to the ideal
frame, by a plane rotation to (V2, V3), are scaled about the aperture's reference point
for velocity aberration, and are carried to the sky by the rotation that turns the
tangent frame at the reference point (V2, V3 directions) into the one on the sky (east,
north, turned by the roll). No formula is shared with the reduction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from ..exposure.header import Pointing
from ..units import ARCSEC_PER_RAD
from .siaf import Aperture, aperture

Array = NDArray[np.float64]
_ITERATIONS = 8
_FOUND_ARCSEC = 0.1
"""Largest residual of an inverted position; beyond it there is no such pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attitude:
    """How the telescope is turned.

    Attributes
    ----------
    matrix : (3, 3) float64
        Takes unit vectors of the telescope's frame (V1, V2, V3) to ICRS.
    """

    matrix: Array


def _tangent_frame(longitude: float, latitude: float) -> Array:
    """Return outward, eastward and northward unit vectors as columns (radians in)."""
    cos_lon, sin_lon = np.cos(longitude), np.sin(longitude)
    cos_lat, sin_lat = np.cos(latitude), np.sin(latitude)
    outward = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    east = [-sin_lon, cos_lon, 0.0]
    north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]
    return np.array([outward, east, north]).T


def attitude_from(
    v2_v3_arcsec: tuple[float, float], ra_dec_deg: tuple[float, float], roll_deg: float
) -> Attitude:
    """Return the attitude that puts a point of the focal plane at a place of the sky.

    Parameters
    ----------
    v2_v3_arcsec : (float, float), arcsec
    ra_dec_deg : (float, float), deg
    roll_deg : float, deg
        Position angle of V3 at that point, north over east.
    """
    focal = _tangent_frame(*_radians(*v2_v3_arcsec))
    sky = _tangent_frame(*np.radians(ra_dec_deg))
    cos_roll, sin_roll = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    turned = sky.copy()
    turned[:, 1] = cos_roll * sky[:, 1] - sin_roll * sky[:, 2]
    turned[:, 2] = cos_roll * sky[:, 2] + sin_roll * sky[:, 1]
    return Attitude(matrix=turned @ focal.T)


def focal_to_sky(attitude: Attitude, v2: Array, v3: Array) -> tuple[Array, Array]:
    """Return RA and Dec, deg, of points (V2, V3) in arcsec."""
    lon, lat = np.asarray(v2) / ARCSEC_PER_RAD, np.asarray(v3) / ARCSEC_PER_RAD
    vector = np.array(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
    x, y, z = np.tensordot(attitude.matrix, vector, axes=1)
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return ra, np.degrees(np.arctan2(z, np.hypot(x, y)))


def sky_to_focal(attitude: Attitude, ra: Array, dec: Array) -> tuple[Array, Array]:
    """Return (V2, V3), arcsec, of RA and Dec in deg."""
    lon, lat = np.radians(ra), np.radians(dec)
    vector = np.array(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
    x, y, z = np.tensordot(attitude.matrix.T, vector, axes=1)
    return (
        np.arctan2(y, x) * ARCSEC_PER_RAD,
        np.arctan2(z, np.hypot(x, y)) * ARCSEC_PER_RAD,
    )


def roll_at(attitude: Attitude, v2: float, v3: float) -> float:
    """Return the position angle of V3 at a point of the focal plane, deg."""
    outward, _, up = (attitude.matrix @ _tangent_frame(*_radians(v2, v3))).T
    longitude = np.arctan2(outward[1], outward[0])
    latitude = np.arctan2(outward[2], np.hypot(outward[0], outward[1]))
    _, east, north = _tangent_frame(longitude, latitude).T
    return float(np.degrees(np.arctan2(up @ east, up @ north)) % 360.0)


def _radians(v2: float, v3: float) -> tuple[float, float]:
    return v2 / ARCSEC_PER_RAD, v3 / ARCSEC_PER_RAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One detector's pixels on the sky, for one exposure.

    Attributes
    ----------
    full, used : Aperture
        The full-frame aperture, whose polynomial holds everywhere on the detector, and
        the one read out, whose reference point the header names.
    attitude : Attitude
    va_scale : float
        Velocity-aberration scale factor.
    filter_offset_px : (float, float)
        Column and row offset of the filter: added to the pixel before the distortion.
    """

    full: Aperture
    used: Aperture
    attitude: Attitude
    va_scale: float = 1.0
    filter_offset_px: tuple[float, float] = (0.0, 0.0)

    def pixel_to_focal(self, row: Array, col: Array) -> tuple[Array, Array]:
        """Return (V2, V3), arcsec, of 0-based pixels of the aperture read out."""
        dx = np.asarray(col) + self.filter_offset_px[0] + self.used.col_start
        dy = np.asarray(row) + self.filter_offset_px[1] + self.used.row_start
        return detector_to_focal(self.full, dx + 1.0, dy + 1.0)

    def pixel_to_sky(self, row: Array, col: Array) -> tuple[Array, Array]:
        """Return RA and Dec, deg, of 0-based pixels (rows, columns)."""
        v2, v3 = self.pixel_to_focal(row, col)
        v2_ref, v3_ref = self.used.v2_ref_arcsec, self.used.v3_ref_arcsec
        scaled_v2 = v2_ref + self.va_scale * (v2 - v2_ref)
        scaled_v3 = v3_ref + self.va_scale * (v3 - v3_ref)
        return focal_to_sky(self.attitude, scaled_v2, scaled_v3)

    def sky_to_pixel(self, ra: Array, dec: Array) -> tuple[Array, Array]:
        """Return 0-based row and column of sky positions in deg, by Newton's method.

        Positions far outside the detector, where the polynomial folds back, give NaN.
        """
        v2_ref, v3_ref = self.used.v2_ref_arcsec, self.used.v3_ref_arcsec
        v2, v3 = sky_to_focal(self.attitude, np.asarray(ra), np.asarray(dec))
        v2 = v2_ref + (v2 - v2_ref) / self.va_scale
        v3 = v3_ref + (v3 - v3_ref) / self.va_scale
        x, y = focal_to_detector(self.full, v2, v3)
        row = y - 1.0 - self.filter_offset_px[1] - self.used.row_start
        col = x - 1.0 - self.filter_offset_px[0] - self.used.col_start
        return row, col

    def jacobian_arcsec(self, row: Array, col: Array) -> Array:
        """Return d(east, north)/d(col, row), arcsec per pixel, shape (..., 2, 2)."""
        step = 0.5
        cos_dec = np.cos(np.radians(self.pixel_to_sky(row, col)[1]))
        columns = []
        for d_row, d_col in ((0.0, step), (step, 0.0)):
            ra_high, dec_high = self.pixel_to_sky(row + d_row, col + d_col)
            ra_low, dec_low = self.pixel_to_sky(row - d_row, col - d_col)
            east = (ra_high - ra_low + 180.0) % 360.0 - 180.0
            columns.append(np.stack([east * cos_dec, dec_high - dec_low], axis=-1))
        return np.stack(columns, axis=-1) * (3600.0 / (2.0 * step))

    def pixel_area_sr(self, row: Array, col: Array) -> Array:
        """Return the solid angle of pixels, sr."""
        area = np.abs(np.linalg.det(self.jacobian_arcsec(row, col)))
        return np.asarray(area / ARCSEC_PER_RAD**2)

    def pointing(self) -> Pointing:
        """Return what a header says about this camera."""
        used = self.used
        v2, v3 = used.v2_ref_arcsec, used.v3_ref_arcsec
        ra, dec = focal_to_sky(self.attitude, np.array(v2), np.array(v3))
        return Pointing(
            ra_ref_deg=float(ra),
            dec_ref_deg=float(dec),
            roll_ref_deg=roll_at(self.attitude, v2, v3),
            v2_ref_arcsec=v2,
            v3_ref_arcsec=v3,
            v3i_yang_deg=used.v3i_yang_deg,
            vparity=used.vparity,
            va_scale=self.va_scale,
        )


def camera(aperture_name: str, attitude: Attitude, va_scale: float = 1.0) -> Camera:
    """Return the camera of an aperture such as ``NRCB1_SUB640``, without filter offset."""
    used = aperture(aperture_name)
    full = aperture(f"{aperture_name.partition('_')[0]}_FULL")
    return Camera(full=full, used=used, attitude=attitude, va_scale=va_scale)


def detector_to_focal(full: Aperture, x: Array, y: Array) -> tuple[Array, Array]:
    """Return (V2, V3), arcsec, of 1-based science pixels of the full detector."""
    dx, dy = x - full.x_ref, y - full.y_ref
    x_ideal = polyval2d(dx, dy, full.x_ideal)
    y_ideal = polyval2d(dx, dy, full.y_ideal)
    angle = np.radians(full.v3i_yang_deg)
    x_ideal = full.vparity * x_ideal
    return (
        full.v2_ref_arcsec + x_ideal * np.cos(angle) + y_ideal * np.sin(angle),
        full.v3_ref_arcsec - x_ideal * np.sin(angle) + y_ideal * np.cos(angle),
    )


def focal_to_detector(full: Aperture, v2: Array, v3: Array) -> tuple[Array, Array]:
    """Invert `detector_to_focal` by Newton steps with a fixed, central derivative.

    Where they lead nowhere, far outside the detector, the pixel is NaN.
    """
    centre = full.x_ref, full.y_ref
    v2_centre, v3_centre = detector_to_focal(full, *map(np.asarray, centre))
    v2_right, v3_right = detector_to_focal(
        full, np.array(centre[0] + 1.0), np.array(centre[1])
    )
    v2_up, v3_up = detector_to_focal(
        full, np.array(centre[0]), np.array(centre[1] + 1.0)
    )
    slope = np.array(
        [
            [v2_right - v2_centre, v2_up - v2_centre],
            [v3_right - v3_centre, v3_up - v3_centre],
        ]
    )
    inverse = np.linalg.inv(slope)
    x = np.full(np.shape(v2), centre[0])
    y = np.full(np.shape(v2), centre[1])
    for _ in range(_ITERATIONS):
        v2_now, v3_now = detector_to_focal(full, x, y)
        x = x + inverse[0, 0] * (v2 - v2_now) + inverse[0, 1] * (v3 - v3_now)
        y = y + inverse[1, 0] * (v2 - v2_now) + inverse[1, 1] * (v3 - v3_now)
        # Beyond a few detectors the polynomial means nothing; keep it from overflowing.
        x, y = np.clip(x, -8192.0, 10240.0), np.clip(y, -8192.0, 10240.0)
    v2_now, v3_now = detector_to_focal(full, x, y)
    is_found = np.hypot(v2_now - v2, v3_now - v3) < _FOUND_ARCSEC
    return np.where(is_found, x, np.nan), np.where(is_found, y, np.nan)
