"""How much afterglow the ledger of traps leaves, against simulated traps of several laws.

    python benchmarks/persistence.py [FIELD ...] [--seeds 1 2] [--side 800]

Visits of saturated stars are drawn read by read and go through the ledger and the path to
slopes as raw exposures do: four dithers, three hours later four more elsewhere. Each line is
for pixels that were last full so long before the exposure: the median of what is left of
(slope - truth) over the slope's error, with its own error; without the ledger, as the
rules of `jwst` have it; and with it. The last line is the worst of all. Fields:

sparse    about a hundred saturated stars, traps as the ledger has them
few       a dozen stars
crowded   a tenth of the pixels has a history
filters   every exposure in another filter: no two show the same sky
times     traps a third slower, their charges different by a third from kind to kind
capture   traps are filled ten times faster than they empty
absent    the first exposure of each visit is not there
target    the first is a target acquisition: a subarray, a few seconds of a very bright star
heldout   NRCBLONG, five times the sky, another readout, stars with other wings; twelve release
          times and a power law, 30 % scatter from pixel to pixel, more charge the longer a
          pixel was full
none      no persistence: nothing must be taken off
taken     a dozen stars, and an earlier run that found all traps to hold half as much again
gone      the same earlier run, but no persistence
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rampline.detector.trap_amplitudes import (  # noqa: E402
    TrapAmplitudeParams,
    fit_amplitudes,
)
from rampline.detector.trapped_charge import (  # noqa: E402
    HALF_WELL,
    TIMES_S,
    TrapAmplitudes,
    no_traps,
)
from rampline.exposure.planes import RampPlanes  # noqa: E402
from rampline.exposure.records import Ramp  # noqa: E402
from rampline.flags import BAD_FOR_SLOPE  # noqa: E402
from rampline.pipeline.persistence_ledger import fill_ledger, follow_exposures  # noqa: E402
from rampline.pipeline.ramp_to_slope import RampToSlope, ramp_to_slope  # noqa: E402
from rampline.pipeline.runner import Bench, Runner  # noqa: E402
from rampline.simulation.headers import exposure_header  # noqa: E402
from rampline.simulation.pointing import plan_exposures  # noqa: E402
from rampline.simulation.scene import (  # noqa: E402
    ActivityParams,
    FieldParams,
    SceneParams,
    VisitParams,
)

GAIN, READ_NOISE_DN, BIAS_DN, WELL_DN, ABOVE_WELL_DN = 2.0, 5.5, 9000.0, 51000.0, 2000.0
BORDER = 420
LAGS_S = (0.0, 150.0, 300.0, 600.0, 1500.0, 1e5)
OFF = {"enabled": False}
PATH = RampToSlope.model_validate(
    {"reference_pixels": OFF, "row_drift": OFF, "flicker_noise": OFF, "dark": OFF}
)
FILTERS = ("F200W", "F150W", "F115W", "F090W")


@dataclass(frozen=True)
class Law:
    """Traps: how fast they are filled and emptied, and what they hold, e-."""

    release_s: tuple = (1.0, 10.0, 100.0, 1000.0, 10000.0)
    capture: float = 1.0
    """Time of filling over that of release."""
    charge_e: tuple = (210.0,) * 5
    scatter: float = 0.0
    deeper: float = 0.0
    """How much more is held for each factor of e that the light exceeds the well by."""


@dataclass(frozen=True)
class Field:
    """What is observed, and how."""

    stars: int = 100
    detector: str = "NRCB1"
    sky_dn_s: float = 0.12
    readout: tuple = ("MEDIUM8", 5)
    law: Law | None = Law()
    one_filter: bool = True
    first_is_absent: bool = False
    acquisition: bool = False
    wings: float = 1.5
    past: TrapAmplitudes | None = None


_SLOWER = Law(
    release_s=(1.3, 13.0, 130.0, 1300.0, 13000.0),
    charge_e=(140.0, 280.0, 140.0, 280.0, 140.0),
)
_PAST = TrapAmplitudes(
    charge_dn=np.full(len(TIMES_S), 85.0),
    covariance=np.eye(len(TIMES_S)) * 20.0**2,
    curve=np.array(HALF_WELL),
    scatter=0.1,
)
_POWER_S = tuple(np.geomspace(0.5, 30000.0, 12))
_POWER = Law(
    release_s=_POWER_S,
    capture=0.3,
    charge_e=tuple(110.0 * np.array(_POWER_S) ** -0.1),
    scatter=0.3,
    deeper=0.15,
)
FIELDS = {
    "sparse": Field(),
    "few": Field(stars=12),
    "crowded": Field(stars=1500),
    "filters": Field(one_filter=False),
    "times": Field(law=_SLOWER),
    "capture": Field(law=Law(capture=0.1)),
    "absent": Field(first_is_absent=True),
    "target": Field(acquisition=True),
    "heldout": Field(
        detector="NRCBLONG",
        sky_dn_s=0.6,
        readout=("SHALLOW4", 7),
        law=_POWER,
        wings=1.25,
    ),
    "none": Field(law=None),
    "taken": Field(stars=12, past=_PAST),
    "gone": Field(stars=12, law=None, past=_PAST),
}


class Detector:
    """A detector whose traps remember."""

    def __init__(self, law, side, rng):
        self.law, self.side, self.rng = law, side, rng
        shape = (len(law.release_s), side, side) if law else (0, side, side)
        self.held_e, self.mjd = np.zeros(shape, np.float32), 0.0
        spread = law.scatter if law else 0.0
        self.own = np.exp(spread * rng.standard_normal((side, side))).astype(np.float32)

    def empty_until(self, mjd):
        """Let traps empty in the dark."""
        seconds, self.mjd = max(0.0, (mjd - self.mjd) * 86400.0), mjd
        if self.law:
            left = np.exp(-seconds / np.array(self.law.release_s))
            self.held_e *= left[:, None, None].astype(np.float32)

    def released_e(self, seconds):
        """Return what each read of an exposure that begins now has been given, e-."""
        if not self.law:
            return np.zeros((len(seconds), self.side, self.side), np.float32)
        times = np.array(self.law.release_s)
        shares = -np.expm1(-np.array(seconds)[:, None] / times)
        return np.tensordot(shares.astype(np.float32), self.held_e, 1)

    def expose(self, rate_dn_s, seconds):
        """Fill traps of the wells that light fills; they empty meanwhile."""
        self.empty_until(self.mjd + seconds / 86400.0)
        if not self.law:
            return
        times = np.array(self.law.release_s)[:, None, None]
        fluence = rate_dn_s * seconds / WELL_DN
        share = np.minimum(fluence, 1.0)
        reached = 1.0 / (1.0 + np.exp(-(share - 0.5) / 0.05)) * (share > 0.3)
        reached *= 1.0 + self.law.deeper * np.log(np.maximum(fluence, 1.0))
        caught = reached * -np.expm1(-seconds / (times * self.law.capture))
        most = np.array(self.law.charge_e)[:, None, None] * self.own
        self.held_e += (
            ((most * reached - self.held_e) * caught / np.maximum(reached, 1e-9))
            .clip(min=0)
            .astype(np.float32)
        )


def make_sky(field, side, rng):
    """Return the light of the sky, DN/s: stars of which most fill their wells."""
    whole = side + 2 * BORDER
    sky = np.full((whole, whole), field.sky_dn_s, np.float32)
    number = rng.poisson(field.stars * (whole / side) ** 2)
    for _ in range(number):
        add_star(
            sky, rng.uniform(0, whole, 2), 10 ** rng.uniform(1.9, 3.9), field.wings
        )
    for _ in range(3 * int((whole / 100) ** 2)):
        add_star(sky, rng.uniform(0, whole, 2), 10 ** rng.uniform(-1.5, 1.0), 1.5)
    return sky


def add_star(sky, place, peak, wings):
    """Add a core of two pixels with wings of a power law."""
    reach = int(np.clip(2 * (peak / 3e-4) ** (0.5 / wings), 6, 150))
    low = [max(int(p) - reach, 0) for p in place]
    part = sky[low[0] : int(place[0]) + reach, low[1] : int(place[1]) + reach]
    y, x = np.indices(part.shape, np.float32)
    square = (y - place[0] + low[0]) ** 2 + (x - place[1] + low[1]) ** 2
    part += (peak * (1 + square / 1.2**2) ** -wings).astype(np.float32)


def plan(field, seed, side):
    """Return headers of all exposures with the dither in pixels of each."""
    made = []
    middle_sky, dec = None, FieldParams().dec
    for number, start in (("001", 59737.4), ("002", 59737.4 + 0.16)):
        visit = VisitParams(observation=number, start_mjd=start, points=4)
        pattern, groups = field.readout
        scene = SceneParams(
            seed=seed,
            field=FieldParams(dec=dec),
            visit=visit,
            activities=(
                ActivityParams(
                    pattern=pattern, groups=groups, detectors=(field.detector,)
                ),
            ),
        )
        exposures = plan_exposures(scene)
        if middle_sky is None:
            middle_sky = exposures[0].true.pixel_to_sky(side / 2, side / 2)
        for k, exposure in enumerate(exposures):
            row, col = exposure.true.sky_to_pixel(*middle_sky)
            row, col = side / 2 - float(row), side / 2 - float(col)
            header = exposure_header(scene, exposure)
            size = {"n_rows": side, "n_cols": side}
            header = replace(header, readout=replace(header.readout, **size))
            if not field.one_filter:
                header = replace(header, filter=FILTERS[k])
            made.append((header, (round(row), round(col))))
        dec += 5.0 / 3600.0
    return made


def draw_exposure(header, rate_dn_s, detector):
    """Return raw counts of an exposure; the detector's traps go with it.

    Of each group the mean of its reads and the charge at its end are drawn together, as
    Gaussian numbers with the covariance of Poisson's.
    """
    rng, readout = detector.rng, header.readout
    n, period = readout.n_frames, readout.n_frames + readout.n_dropped
    detector.empty_until(header.start_mjd)
    rate_e = GAIN * rate_dn_s * readout.frame_s
    weight = np.arange(n, 0, -1) / n
    level = np.zeros(rate_e.shape, np.float32)
    samples = np.empty((1, readout.n_groups, *rate_e.shape), np.uint16)
    given, last = np.zeros_like(level), np.zeros_like(level)
    for k in range(readout.n_groups):
        reads = readout.frame_s * (k * period + 1.0 + np.arange(n))
        glow = detector.released_e(reads)
        # charge of the group before it ends, then of all until the next begins
        mean, spread = rate_e * weight.sum(), rate_e * (weight**2).sum()
        whole = rate_e * n
        part = mean + np.sqrt(spread) * rng.standard_normal(level.shape, np.float32)
        shared = mean / np.maximum(spread, 1e-9)
        rest = np.sqrt(np.maximum(whole - mean**2 / np.maximum(spread, 1e-9), 0.0))
        total = whole + shared * (part - mean)
        total += rest * rng.standard_normal(level.shape, np.float32)
        fresh = glow.mean(axis=0) - last
        last = last + fresh
        noisy = rng.poisson(np.maximum(fresh, 0.0)).astype(np.float32)
        given += noisy
        counts = np.minimum((level + part + given) / GAIN, WELL_DN + ABOVE_WELL_DN)
        noise = (
            READ_NOISE_DN / np.sqrt(n) * rng.standard_normal(level.shape, np.float32)
        )
        samples[0, k] = np.clip(np.rint(BIAS_DN + counts + noise), 0, 65535)
        gap = rate_e * readout.n_dropped
        level += total
        level += gap + np.sqrt(gap) * rng.standard_normal(level.shape, np.float32)
    detector.expose(rate_dn_s, readout.integration_s() + readout.frame_s)
    return Ramp(header=header, samples=samples)


def make_planes(header):
    """Return the planes of a detector that is even and linear."""
    readout = header.readout
    plane = np.ones((readout.n_rows, readout.n_cols), np.float32)
    zero = 0.0 * plane
    return RampPlanes(
        full_well_dn=np.float32(BIAS_DN + WELL_DN) * plane,
        superbias_dn=np.float32(BIAS_DN) * plane,
        linearity=np.stack([zero, plane]),
        dark_dn=np.zeros((readout.n_groups, *plane.shape), np.float32),
        gain=np.float32(GAIN) * plane,
        read_noise_dn=np.float32(READ_NOISE_DN) * plane,
    )


def acquire(exposures, detector, sky, rng):
    """Return a target acquisition on the brightest star before the first exposure."""
    header = exposures[0][0]
    side = detector.side
    light = sky[BORDER : BORDER + side, BORDER : BORDER + side]
    row, col = (
        int(np.clip(p - 32, 0, side - 64))
        for p in np.unravel_index(np.argmax(light), light.shape)
    )
    readout = replace(
        header.readout,
        pattern="RAPID", n_groups=3, n_frames=1, n_dropped=0, frame_s=2.0, group_s=2.0,
        subarray="SUB64P", n_rows=64, n_cols=64, row_start=row, col_start=col,
    )  # fmt: skip
    header = replace(
        header,
        root=header.root[:-1] + "t",
        exp_type="NRC_TACQ",
        start_mjd=header.start_mjd - 60.0 / 86400.0,
        readout=readout,
    )
    rate = np.zeros((side, side), np.float32)
    window = slice(row, row + 64), slice(col, col + 64)
    # the guide star is centred in it; here a disc of pixels is simply full
    y, x = np.indices((64, 64)) - 32
    rate[window] = 2.0 * WELL_DN / 8.0 * (np.hypot(y, x) < 9.0)
    part = Detector(None, 64, rng)
    raw = draw_exposure(header, rate[window], part)
    detector.empty_until(header.start_mjd)
    detector.expose(rate, 8.0)
    return raw


def observe(field, seed, side):
    """Return the raw exposures of a run and the true light of each."""
    rng = np.random.default_rng([seed, len(field.readout[0]), field.stars])
    detector, sky = Detector(field.law, side, rng), make_sky(field, side, rng)
    exposures, raws, truths = plan(field, seed, side), [], []
    if field.acquisition:
        raws.append(acquire(exposures, detector, sky, rng))
        truths.append(None)
    other = {
        name: sky * f for name, f in zip(FILTERS, (1.0, 0.6, 1.4, 0.8), strict=True)
    }
    for number, (header, (row, col)) in enumerate(exposures):
        light = sky if field.one_filter else other[header.filter]
        here = light[BORDER + row :, BORDER + col :][:side, :side]
        raw = draw_exposure(header, here, detector)
        if not (field.first_is_absent and number % 4 == 0):
            raws.append(raw)
            truths.append(here)
    return raws, truths


def reduce_exposure(raw, planes, held, bench):
    """Return slope, its error, and which slopes are of use."""
    run = Runner(replace(planes, held=held), bench)
    image = ramp_to_slope(raw, run, PATH)
    known = np.isfinite(image.planes.slope) & (image.planes.flags & BAD_FOR_SLOPE == 0)
    return image.planes.slope.copy(), image.planes.err.copy(), known


def last_full(pages, header):
    """Return how long before an exposure each pixel was last above half its well, s."""
    readout = header.readout
    since = np.full((readout.n_rows, readout.n_cols), np.inf)
    for page in pages:
        lit = page.lit
        end = lit.start_mjd + lit.seconds / 86400.0
        full = lit.share > 0.5
        since[lit.row[full], lit.col[full]] = (header.start_mjd - end) * 86400.0
    return since


def measure(field, seed, side, bench):
    """Return rows of (lag class, pulls before, pulls after, lost) and the amplitudes."""
    raws, truths = observe(field, seed, side)
    planes = [make_planes(raw.header) for raw in raws]
    pages, seen = follow_exposures(zip(raws, planes, strict=True), no_traps())
    amplitudes = fit_amplitudes(seen, TrapAmplitudeParams(), field.past)
    charges, _ = fill_ledger(pages, no_traps(), amplitudes)
    found = {k: ([], [], []) for k in range(len(LAGS_S) - 1)}
    for number, (raw, truth) in enumerate(zip(raws, truths, strict=True)):
        if truth is None:
            continue
        since = last_full(pages[:number], raw.header)
        if not np.isfinite(since).any():
            continue
        before, its_err, known = reduce_exposure(raw, planes[number], None, bench)
        after, err, still = reduce_exposure(raw, planes[number], charges[number], bench)
        for k, (without, with_ledger, lost) in found.items():
            own = (since >= LAGS_S[k]) & (since < LAGS_S[k + 1]) & known
            without.append(((before - truth) / its_err)[own])
            with_ledger.append(((after - truth) / err)[own & still])
            lost.append(own & ~still)
    return found, amplitudes


def middle(pulls):
    """Return the median and its error."""
    if pulls.size < 30:
        return np.nan, np.nan
    return np.median(pulls), 1.25 * np.std(pulls) / np.sqrt(pulls.size)


def print_field(name, seed, side, bench):
    start = time.process_time()
    found, amplitudes = measure(FIELDS[name], seed, side, bench)
    spent = time.process_time() - start
    said = "nothing taken off"
    if amplitudes is not None:
        said = "held, DN: " + " ".join(f"{a:.0f}" for a in amplitudes.charge_dn)
        said += f"; scatter {amplitudes.scatter:.2f}"
    print(f"{name}, seed {seed}: {said} ({spent:.0f} s CPU)")
    worst = 0.0
    for k, (without, with_ledger, of_them) in found.items():
        before, after = np.concatenate(without), np.concatenate(with_ledger)
        lost = np.sum(of_them)
        if before.size < 100:
            continue
        (a, its), (b, error) = middle(before), middle(after)
        worst = max(worst, abs(b))
        print(
            f"  {LAGS_S[k]:6.0f} to {LAGS_S[k + 1]:6.0f} s  {before.size:7d}"
            f"   {a:+.3f} +- {its:.3f}   {b:+.3f} +- {error:.3f}"
            f"   {100 * lost / before.size:5.2f}",
            flush=True,
        )
    return worst


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fields", nargs="*", metavar="FIELD", help=", ".join(FIELDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--side", type=int, default=800, help="of the detector, pixels")
    options = parser.parse_args()
    print("  since it was full   pixels   without, sigma     with, sigma     lost, %")
    worst = 0.0
    with Bench(1) as bench:
        for name in options.fields or FIELDS:
            for seed in options.seeds:
                left = print_field(name, seed, options.side, bench)
                worst = max(worst, left)
    print(f"at most {worst:.2f} sigma is left (0.3 asked)")


if __name__ == "__main__":
    main()
