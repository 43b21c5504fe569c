import numpy as np
import pytest

from rampline.simulation.geometry import focal_to_sky
from rampline.simulation.grism import (
    disperse,
    line_spread,
    trace,
    transmission,
)
from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.optics import PointSpread
from rampline.simulation.painting import Palette, paint
from tests.simulation.scattered.views import ATTITUDE, sources, view


def spread():
    """A round PSF three pixels wide, four samples per pixel."""
    offset = (np.arange(241) - 120) / 4.0
    radius2 = offset[:, None] ** 2 + offset[None, :] ** 2
    values = np.exp(-0.5 * radius2 / 1.3**2) / (2 * np.pi * 1.3**2)
    return PointSpread(values=values.astype(np.float32), oversample=4, cutoff=0.8)


def _palette(detector, rows, cols, rates, colours):
    seen = view(detector, "F356W")
    v2, v3 = seen.camera.pixel_to_focal(np.array(rows, float), np.array(cols, float))
    stars = sources(v2, v3, np.full(len(rates), 20.0), colour=1.0)
    stars.colour[:] = colours
    assert focal_to_sky(ATTITUDE, v2, v3)[0] == pytest.approx(stars.ra_deg)
    return Palette(
        camera=seen.camera,
        spread=spread(),
        sources=stars,
        position=np.stack([rows, cols], axis=-1).astype(float),
        rate=np.array(rates, float),
        pictures=(),
        dn_s_per_jy=1.0,
        faintest=1e-6,
    )


def _spectrum(module, grism, band, row=1000.0, col=1000.0, colour=0.0):
    detector = DETECTORS[f"NRC{module}LONG"]
    image = np.zeros((2048, 2048))
    palette = _palette(detector.name, [row], [col], [1000.0], [colour])
    disperse(image, palette, (detector, passband(band), grism))
    return image


@pytest.mark.parametrize(
    ("module", "grism", "axis", "slope", "offset"),
    [
        ("A", "GRISMR", 1, 1021.1, 18.9),
        ("B", "GRISMR", 1, -1018.8, 16.0),
        ("A", "GRISMC", 0, 1022.0, -30.2),
        ("B", "GRISMC", 0, 1018.5, 23.6),
    ],
)
def test_spectra_lie_where_the_trace_says(module, grism, axis, slope, offset):
    image = _spectrum(module, grism, "F410M")
    along, across = image.sum(axis=1 - axis), image.sum(axis=axis)
    assert np.average(np.arange(2048), weights=across) == pytest.approx(1000, abs=0.05)
    lit = np.flatnonzero(along > 0.5 * np.median(along[along > 0.1 * along.max()]))
    band = passband("F410M")
    ends = [
        1000 + slope * (edge - 3.95) + offset
        for edge in (
            band.pivot_um - band.width_um / 2,
            band.pivot_um + band.width_um / 2,
        )
    ]
    assert lit.min() == pytest.approx(min(ends), abs=4)
    assert lit.max() == pytest.approx(max(ends), abs=4)


@pytest.mark.parametrize("grism", ["GRISMR", "GRISMC"])
def test_light_of_the_first_order_is_the_transmitted_share(grism):
    image = _spectrum("A", grism, "F410M")
    detector, band = DETECTORS["NRCALONG"], passband("F410M")
    assert image.sum() == pytest.approx(1000 * transmission(detector, band), rel=2e-3)


def test_module_b_passes_a_quarter_less():
    band = passband("F356W")
    of_a, of_b = (
        transmission(DETECTORS[name], band) for name in ("NRCALONG", "NRCBLONG")
    )
    assert of_b == pytest.approx(0.75 * of_a)


def test_only_some_filters_show_a_second_order():
    detector = DETECTORS["NRCALONG"]
    path = trace(detector, "GRISMR")
    first, light = line_spread(path, detector, passband("F322W2"), 0.0)
    shift = first + np.arange(light.size)
    # In the second order 2.6 um lie where 5.2 um would in the first.
    second = light[shift > path.shift_px(np.array(5.1))]
    assert second.sum() == pytest.approx(0.05 * light.sum() / 1.05, rel=0.02)
    first, light = line_spread(path, detector, passband("F444W"), 0.0)
    shift = first + np.arange(light.size)
    assert light[shift > path.shift_px(np.array(5.1))].sum() < 1e-6


def test_red_spectra_are_brighter_at_long_wavelengths():
    blue = _spectrum("A", "GRISMR", "F444W", col=900.0, colour=-2.0).sum(axis=0)
    red = _spectrum("A", "GRISMR", "F444W", col=900.0, colour=3.0).sum(axis=0)
    place = np.arange(2048)
    assert np.average(place, weights=red) > np.average(place, weights=blue) + 100


@pytest.mark.parametrize("colour", [-1.2, 1.7])
def test_spectra_between_the_three_laws_are_interpolated_well(colour):
    """A quadratic in the index against the power law itself."""
    detector, band = DETECTORS["NRCALONG"], passband("F444W")
    path = trace(detector, "GRISMR")
    got = _spectrum("A", "GRISMR", "F444W", colour=colour).sum(axis=0)
    first, light = line_spread(path, detector, band, colour)
    sharp = np.zeros((2048, 2048))
    paint(sharp[None], _palette("NRCALONG", [1000.0], [1000.0], [1000.0], [colour]))
    line = np.zeros(2048 + light.size)
    exact = np.convolve(sharp.sum(axis=0), light)
    line[max(first, 0) : max(first, 0) + exact.size - max(-first, 0)] = exact[
        max(-first, 0) :
    ]
    assert got == pytest.approx(line[:2048], abs=0.02 * got.max())


def test_sources_beyond_the_edge_send_their_spectra_in():
    image = _spectrum("B", "GRISMC", "F322W2", row=2048 + 600.0)
    assert image.sum() > 100
    assert image[:500].sum() < image[1500:].sum() + image[500:1500].sum()
