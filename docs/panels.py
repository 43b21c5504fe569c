"""What each picture shows: a raw and a true image for every component."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from shots import NO_DRIFT, NO_EVENTS, Array, Shot, binned, cut, scattered, take


class Panel(NamedTuple):
    """One image, what is written under it, and the values of black and white."""

    image: Array
    label: str
    low: float
    high: float
    bend: float = 0.0
    """Above zero the scale is an asinh that is linear up to this share of the range."""


def limits(image: Array, low: float = 1.0, high: float = 99.5) -> tuple[float, float]:
    """Return two percentiles as values of black and white."""
    found = np.percentile(image, (low, high))
    return float(found[0]), float(found[1])


def sources() -> tuple[Panel, Panel]:
    """Show stars, galaxies and a cluster, through the whole chain."""
    field = {
        "half_width_arcsec": 12.0,
        "stars": {"number": 40, "brightest": 18.5, "faintest": 27.0},
        "galaxies": {"number": 60, "brightest": 21.0, "faintest": 26.5},
        "cluster": {
            "members": 14, "brightest": 18.5, "half_light_arcsec": 1.2,
            "offset_arcsec": [1.5, -1.0], "core_arcsec": 4.0,
        },
    }  # fmt: skip
    (shot,) = take(short="F200W", groups=9, field=field, events={})
    raw, truth = shot.slope(), shot.made.light.sources + shot.made.light.sky
    raw, truth = cut(raw, 320, 320, 400), cut(truth, 320, 320, 400)
    return (
        Panel(raw, "last group minus first", 0.0, 6.0, 0.04),
        Panel(truth, "true rate of sources and sky", 0.0, 6.0, 0.04),
    )


def cosmic_rays() -> tuple[Panel, Panel]:
    """Show cosmic rays of one group."""
    (shot,) = take(groups=3, events={"snowballs": {"enabled": False}}, seed=5)
    raw, truth = shot.step(1, 2), shot.events("cosmic_rays", 1, 2)
    gain = shot.exposure.detector.gain
    crops = [cut(image, 320, 320, 160) for image in (raw, truth / gain)]
    return (
        Panel(crops[0], "group 3 minus group 2", -20.0, 2000.0, 0.01),
        Panel(crops[1], "true charge between them", -20.0, 2000.0, 0.01),
    )


def snowballs() -> tuple[Panel, Panel]:
    """Show the largest snowball among some."""
    balls = {"cosmic_rays": {"enabled": False}, "snowballs": {"rate_s": 12.0}}
    (shot,) = take(groups=3, events=balls)
    truth = shot.events("snowballs", 0, 1) / shot.exposure.detector.gain
    inside = np.pad(np.ones((480, 480)), 80)
    row, col = np.unravel_index(np.argmax(inside * _box_sums(truth)), truth.shape)
    crops = [cut(image, int(row), int(col), 160) for image in (shot.step(0, 1), truth)]
    return (
        Panel(crops[0], "group 2 minus group 1", -20.0, 3.0e4, 0.0005),
        Panel(crops[1], "true charge between them", -20.0, 3.0e4, 0.0005),
    )


def _box_sums(image: Array) -> Array:
    """Return sums over 31 pixels squared of an image, each value stopped at 1e4."""
    total = np.minimum(image, 1e4)
    for axis in (0, 1):
        sums = np.cumsum(
            np.pad(total, [(16, 15) if a == axis else (0, 0) for a in (0, 1)]), axis
        )
        total = np.take(sums, range(31, sums.shape[axis]), axis) - np.take(
            sums, range(sums.shape[axis] - 31), axis
        )
    return np.asarray(total)


def persistence() -> tuple[Panel, Panel]:
    """Show the exposure after one of bright stars: they glow where they were."""
    field = {
        "half_width_arcsec": 6.0,
        "stars": {"number": 14, "brightest": 14.0, "faintest": 17.0},
    }
    events = NO_EVENTS | {"persistence": {"enabled": True, "share": 0.01}}
    visit = {"points": 3, "dither": "9-POINT"}
    shot = take(field=field, events=events, visit=visit, groups=9)[1]
    span = shot.exposure.readout.group_s * 8 * shot.exposure.detector.gain
    truth = shot.events("persistence", 0, 8) / span
    crops = [cut(image, 320, 320, 400) for image in (shot.slope(), truth)]
    return (
        Panel(crops[0], "last group minus first, second dither", 0.0, 2.0, 0.1),
        Panel(crops[1], "true afterglow", 0.0, 2.0, 0.1),
    )


def bad_pixels() -> tuple[Panel, Panel]:
    """Show hot, warm, dead, weak and open pixels under an even sky."""
    (shot,) = take(light={"sky": 8.0}, groups=9, short="F200W")
    light = shot.made.light
    truth = light.sky + light.dark + light.warm
    crops = [cut(image, 300, 300, 100) for image in (shot.slope(), truth)]
    return (
        Panel(crops[0], "last group minus first", 0.0, 2.2),
        Panel(crops[1], "true sky, dark current and response", 0.0, 2.2),
    )


def coupling() -> tuple[Panel, Panel]:
    """Show a hot pixel: what it gives to its neighbours and to the pixel read next."""
    calm = NO_DRIFT | {"read_noise": False, "reset_noise": False}
    light = {"sky": 0.0}
    groups: dict[str, Any] = {"long": "F405N", "groups": 9, "detector": "NRCBLONG"}
    (raw,) = take(light=light, electronics=calm, **groups)
    (truth,) = take(light=light, electronics=calm | {"coupling": False}, **groups)
    charge = truth.slope()
    alone = _count(charge > 5.0)
    spots = np.argwhere((charge > 10.0) & (charge < 30.0) & (alone == 1))
    row, col = spots[np.abs(spots - 320).max(axis=1).argmin()]
    crops = [cut(shot.slope(), row, col, 11) for shot in (raw, truth)]
    return (
        Panel(crops[0], "with coupling, no noise", 0.0, 1.0, 0.02),
        Panel(crops[1], "without", 0.0, 1.0, 0.02),
    )


def _count(spots: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the spots within five pixels."""
    wide = np.pad(spots, 5).astype(int)
    n_rows, n_cols = spots.shape
    near = [wide[i : i + n_rows, j : j + n_cols] for i in range(11) for j in range(11)]
    return np.asarray(np.sum(near, axis=0))


def _with_and_without(
    electronics: tuple[dict[str, Any], dict[str, Any]], **changes: Any
) -> tuple[Array, Array]:
    """Return group 2 minus 1 with a component, median off, and what it alone adds."""
    calm = {"sky": 0.2, "dark": False, "warm_pixels": False}
    (on,) = take(electronics=electronics[0], light=calm, groups=2, **changes)
    (off,) = take(electronics=electronics[1], light=calm, groups=2, **changes)
    raw = on.step(0, 1)
    return raw - np.median(raw), raw - off.step(0, 1)


def flicker() -> tuple[Panel, Panel]:
    """Show 1/f noise of the four outputs."""
    quiet = {"enabled": False}
    on = {"telegraph": quiet, "flicker": {"odd_even_dn": 0.0}}
    raw, alone = _with_and_without(
        (on, {"telegraph": quiet, "flicker": quiet}), subarray="FULL"
    )
    return (
        Panel(binned(raw), "group 2 minus group 1", -3.0, 3.0),
        Panel(binned(alone), "1/f noise alone", -3.0, 3.0),
    )


def odd_even() -> tuple[Panel, Panel]:
    """Show offsets of odd and even columns."""
    flicker = {"knee_hz": 1e-3, "odd_even_dn": 8.0}
    off = flicker | {"odd_even_dn": 0.0}
    quiet = {"enabled": False}
    raw, alone = _with_and_without(
        (
            {"telegraph": quiet, "flicker": flicker},
            {"telegraph": quiet, "flicker": off},
        ),
        subarray="FULL",
    )
    crops = [cut(image, 1000, 1024, 64) for image in (raw, alone)]
    return (
        Panel(crops[0], "group 2 minus group 1, offsets of 8 DN", -9.0, 9.0),
        Panel(crops[1], "the offsets alone, at the border of two outputs", -9.0, 9.0),
    )


def telegraph() -> tuple[Panel, Panel]:
    """Show random telegraph noise."""
    quiet = {"enabled": False}
    on = {"flicker": quiet, "telegraph": {"amplitude_dn": 25.0}}
    raw, alone = _with_and_without(
        (on, {"flicker": quiet, "telegraph": quiet}), pattern="DEEP8"
    )
    row, col = np.unravel_index(np.argmax(_box_sums(np.abs(alone))), alone.shape)
    crops = [cut(image, int(row), int(col), 100) for image in (raw, alone)]
    return (
        Panel(crops[0], "group 2 minus group 1", -40.0, 40.0),
        Panel(crops[1], "telegraph noise alone", -40.0, 40.0),
    )


def reset() -> tuple[Panel, Panel]:
    """Show the level of a first group: bias, and the noise of the reset."""
    (on,) = take(groups=2, light={"sky": 0.2}, subarray="FULL")
    (off,) = take(
        groups=2,
        light={"sky": 0.2},
        subarray="FULL",
        electronics={"reset_noise": False},
    )
    first = on.made.ramp.samples[0, 0].astype(float)
    crops = [
        cut(image, 1400, 1024, 200)
        for image in (first, first - off.made.ramp.samples[0, 0].astype(float))
    ]
    return (
        Panel(crops[0], "first group, counts", *limits(crops[0])),
        Panel(crops[1], "reset noise alone", -60.0, 60.0),
    )


def dark() -> tuple[Panel, Panel]:
    """Show dark current with the glow at the edges, long wavelengths."""
    (shot,) = take(
        "NRCALONG", "FULL", long="F405N", groups=6, pattern="DEEP8", light={"sky": 0.0}
    )
    dark = shot.made.light.dark.astype(float)
    raw, truth = (binned(image, 256, median=True) for image in (shot.slope(), dark))
    return (
        Panel(raw, "last group minus first, medians of blocks", 0.008, 0.026),
        Panel(truth, "true dark current", 0.008, 0.026),
    )


def flat() -> tuple[Panel, Panel]:
    """Show the response to an even, bright sky."""
    (shot,) = take("NRCB4", "FULL", short="F200W", groups=4, light={"sky": 60.0})
    raw = binned(shot.slope())
    flat = binned(shot.made.light.flat.astype(float))
    centre = float(np.median(raw))
    return (
        Panel(raw / centre, "last group minus first over its median", 0.95, 1.05),
        Panel(flat / float(np.median(flat)), "true response", 0.95, 1.05),
    )


def saturation() -> tuple[Panel, Panel]:
    """Show a bright star: full wells stop to gather charge."""
    source = {"ra": 110.83, "dec": -73.45, "magnitude": 13.5}
    (shot,) = take(short="F200W", groups=9, field={"sources": [source]})
    truth = shot.made.light.total_dn_s().astype(float)
    row, col = np.unravel_index(np.argmax(truth), truth.shape)
    crops = [cut(image, int(row), int(col), 160) for image in (shot.slope(), truth)]
    return (
        Panel(crops[0], "last group minus first: none where full", 0.0, 300.0, 0.005),
        Panel(crops[1], "true rate", 0.0, 300.0, 0.005),
    )


def brighter_fatter() -> tuple[Panel, Panel]:
    """Show how a star widens as its pixels fill and shrink."""
    source = {"ra": 110.83, "dec": -73.45, "magnitude": 20.0}
    star: dict[str, Any] = {
        "short": "F200W",
        "groups": 9,
        "field": {"sources": [source]},
    }
    shots = [
        take(electronics={"brighter_fatter": {"enabled": on}}, **star)[0]
        for on in (True, False)
    ]
    raw, without = (shot.slope() for shot in shots)
    true = shots[0].made.light.sources
    place = np.unravel_index(np.argmax(true), true.shape)
    row, col = int(place[0]), int(place[1])
    crops = [cut(image, row, col, 15) for image in (raw, raw - without)]
    high = float(np.percentile(np.abs(crops[1]), 98))
    return (
        Panel(crops[0], "last group minus first", 0.0, float(crops[0].max()), 0.02),
        Panel(crops[1], "what the effect alone adds", -high, high),
    )


def _scattered(shot: Shot, plane: str, high: float) -> tuple[Panel, Panel]:
    """Draw an exposure with scattered light, the sky taken from the raw image."""
    raw = binned(shot.slope())
    truth = binned(shot.made.light.scattered[plane].astype(float))
    level = float(np.median(raw))
    return (
        Panel(raw - level, "last group minus first, median off", -0.3 * high, high),
        Panel(truth, "true scattered light", 0.0, high),
    )


def wisps() -> tuple[Panel, Panel]:
    """Show wisps on B4."""
    return _scattered(scattered("NRCB4", "wisps", short="F200W"), "WISPS", 0.03)


def claws() -> tuple[Panel, Panel]:
    """Show claws on B1."""
    return _scattered(scattered("NRCB1", "claws", short="F200W"), "CLAWS", 0.03)


def breath_1() -> tuple[Panel, Panel]:
    """Show dragon's breath of type I on B5."""
    return _scattered(scattered("NRCBLONG", "breath_1", long="F356W"), "BREATH1", 0.3)


def breath_2() -> tuple[Panel, Panel]:
    """Show dragon's breath of type II on B1."""
    return _scattered(scattered("NRCB1", "breath_2", short="F200W"), "BREATH2", 0.3)


def ginkgo() -> tuple[Panel, Panel]:
    """Show the ginkgo leaf on A5."""
    return _scattered(scattered("NRCALONG", "ginkgo", long="F356W"), "GINKGO", 0.12)


def stripes() -> tuple[Panel, Panel]:
    """Show angled stripes on A5."""
    return _scattered(scattered("NRCALONG", "stripes", long="F356W"), "STRIPES", 0.03)


def tadpoles() -> tuple[Panel, Panel]:
    """Show tadpoles on B5 with GRISMC."""
    shot = scattered("NRCBLONG", "tadpoles", long="F322W2+GRISMC")
    return _scattered(shot, "TADPOLES", 0.3)


def shells() -> tuple[Panel, Panel]:
    """Show shells on B5 with GRISMC."""
    shot = scattered("NRCBLONG", "shells", long="F322W2+GRISMC")
    return _scattered(shot, "SHELLS", 0.3)


def spectra() -> tuple[Panel, Panel]:
    """Show dispersed spectra with GRISMR."""
    shot = scattered("NRCBLONG", "none", long="F322W2+GRISMR")
    raw, truth = binned(shot.slope()), binned(shot.made.light.sources.astype(float))
    level = float(np.median(raw))
    return (
        Panel(raw - level, "last group minus first, median off", -0.1, 1.0),
        Panel(truth, "true spectra", -0.1, 1.0),
    )
