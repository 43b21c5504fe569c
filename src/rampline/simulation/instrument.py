"""The numbers of NIRCam: detectors, filters, read-out timing.

Flight gains, ground-test dark current, inter-pixel capacitance and bias levels as
collected from public notebooks (cnaw/guitarra, JarronL/pynrc); read noise and reset
scatter from in-flight darks (snowblind's calibration); flux conversions of context
jwst_1293 (grizli's table); sky levels of the JWST backgrounds model at the low-zodi
position. They make simulated exposures realistic; no reduction takes a value from here.
"""

from dataclasses import dataclass
from typing import Final

from ..errors import ParameterError

CLOCK_S: Final = 1.0e-5
"""Time of one pixel of one output, s."""
ROW_OVERHEAD: Final = 12
"""Clocks between two rows."""
PIXEL_CM: Final = 18.0e-4
N_FULL: Final = 2048
"""Rows and columns of a detector."""
REF_BORDER: Final = 4
"""Width of the frame of reference pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One H2RG detector.

    Attributes
    ----------
    name, module, channel : str
        ``NRCB1``, ``B``, ``SHORT`` or ``LONG``.
    siaf : str
        Name of the detector in aperture names, ``NRCB1`` or ``NRCB5``.
    sca : int
        Number of the sensor-chip assembly.
    gain : float, e-/DN
    read_noise_dn : float, DN
        Of a single read.
    reset_noise_dn : float, DN
        Scatter of the reset level from one reset to the next (kTC).
    bias_dn, bias_scatter_dn : float, DN
    dark_e_s, dark_scatter_e_s : float, e-/s
    full_well_e : float, e-
    ipc_side, ipc_corner, ppc : float
        Fractions that go to a side, to a corner neighbour, and to the pixel read next.
    fast_axis : int
        Direction of the read along columns of the first output: 1 or -1.
    slow_axis : int
        Direction of the rows: 2 or -2.
    """

    name: str
    module: str
    channel: str
    siaf: str
    sca: int
    gain: float
    read_noise_dn: float
    reset_noise_dn: float
    bias_dn: float
    bias_scatter_dn: float
    dark_e_s: float
    dark_scatter_e_s: float
    full_well_e: float
    ipc_side: float
    ipc_corner: float
    ppc: float
    fast_axis: int
    slow_axis: int

    @property
    def number(self) -> int:
        """Return the detector's number in the seeds of random streams."""
        return self.sca

    @property
    def nominal_scale_arcsec(self) -> float:
        """Return the pixel scale for which PSFs are made, arcsec."""
        short = 0.0308 if self.module == "B" else 0.0312
        return short if self.channel == "SHORT" else 0.0630


_COLUMNS: Final = """
name   sca gain  read reset bias  scat dark  dsig  side  corner ppc
NRCA1  481 2.13  5.19 16.83 5900  20  .001  .002  .488  .027   .065
NRCA2  482 2.17  5.70 15.82 5400  20  .003  .005  .516  .031   .069
NRCA3  483 2.25  4.55 14.97 6400  30  .003  .003  .568  .033   .023
NRCA4  484 2.08  4.99 16.08 6150  11  .003  .002  .557  .039   .069
NRCALONG 485 1.88 4.78 17.64 11650 50 .033  .006  .597  .039   .123
NRCB1  486 2.00  5.62 20.80 7300  20  .002  .002  .511  .028   .033
NRCB2  487 2.24  5.04 16.36 7500  20  .001  .002  .464  .025   .063
NRCB3  488 2.09  5.60 17.15 6700  20  .001  .003  .542  .033   .034
NRCB4  489 2.18  4.86 17.42 7500  20  .001  .004  .570  .032   .078
NRCBLONG 490 1.90 4.90 17.80 11500 20 .040  .004  .554  .037   .140
"""
_LEFTWARD: Final = frozenset({"NRCA1", "NRCA3", "NRCALONG", "NRCB2", "NRCB4"})


def _detector(line: str) -> Detector:
    name, sca, *words = line.split()
    gain, read, reset, bias, scatter, dark, dark_scatter, *coupling = map(float, words)
    is_long = name.endswith("LONG")
    leftward = name in _LEFTWARD
    return Detector(
        name=name,
        module=name[3],
        channel="LONG" if is_long else "SHORT",
        siaf=f"NRC{name[3]}5" if is_long else name,
        sca=int(sca),
        gain=gain,
        read_noise_dn=read,
        reset_noise_dn=reset,
        bias_dn=bias,
        bias_scatter_dn=scatter,
        dark_e_s=dark,
        dark_scatter_e_s=dark_scatter,
        full_well_e=83.0e3 if is_long else 105.0e3,
        ipc_side=coupling[0] / 100.0,
        ipc_corner=coupling[1] / 100.0,
        ppc=coupling[2] / 100.0,
        fast_axis=-1 if leftward else 1,
        slow_axis=2 if leftward else -2,
    )


DETECTORS: Final = {
    detector.name: detector
    for detector in map(_detector, _COLUMNS.strip().splitlines()[1:])
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passband:
    """A filter, alone or with a pupil-wheel filter.

    Attributes
    ----------
    filter, pupil : str
        Header values: ``F444W`` and ``CLEAR``, or ``F444W`` and ``F405N``.
    pivot_um, width_um : float, um
    sky_mjy_sr : float, MJy/sr
    ab_minus_vega : float, mag
    """

    filter: str
    pupil: str
    pivot_um: float
    width_um: float
    sky_mjy_sr: float
    ab_minus_vega: float

    @property
    def name(self) -> str:
        """Return the element that sets the band: ``F444W`` or ``F405N``."""
        return self.filter if self.pupil == "CLEAR" else self.pupil

    @property
    def channel(self) -> str:
        """Return the channel that holds the filter, ``SHORT`` or ``LONG``."""
        return "SHORT" if self.pivot_um < 2.4 else "LONG"


_BANDS: Final = """
F070W  CLEAR  0.704 0.128 .238 0.25   4.4    4.494  4.365  3.997  4.608 4.555 4.573 3.92
F090W  CLEAR  0.901 0.194 .253 0.50   3.179  3.405  3.132  3.008  3.637 3.534 3.501 3.138
F115W  CLEAR  1.154 0.225 .247 0.76   3.106  3.19   3.113  2.846  3.36  3.194 3.239 2.769
F140M  CLEAR  1.404 0.142 .219 1.10   5.254  5.439  5.215  4.8    5.51  5.272 5.355 4.611
F150W  CLEAR  1.501 0.318 .212 1.24   2.333  2.412  2.296  2.137  2.447 2.338 2.37  2.056
F150W2 CLEAR  1.671 1.227 .200 1.40   0.647  0.677  0.63   0.582  0.677 0.638 0.666 0.585
F150W2 F162M  1.626 0.168 .201 1.37   4.847  5.061  4.688  4.439  5.099 4.837 4.925 4.295
F150W2 F164N  1.644 0.020 .200 1.39   48.25  51.08  46.37  44.53  51.35 47.63 49.46 42.42
F182M  CLEAR  1.845 0.238 .181 1.59   3.623  3.847  3.517  3.381  3.82  3.675 3.664 3.309
F187N  CLEAR  1.874 0.024 .180 1.63   43.13  45.9   41.5   40.0   45.45 43.66 43.97 39.78
F200W  CLEAR  1.990 0.461 .172 1.68806 1.964 2.1    1.896  1.829  2.056 1.969 1.958 1.797
F210M  CLEAR  2.093 0.205 .165 1.79   4.585  4.919  4.405  4.302  4.822 4.599 4.583 4.221
F250M  CLEAR  2.503 0.181 .144 2.12   1.775  1.688
F277W  CLEAR  2.786 0.672 .126 2.31   0.491  0.42
F300M  CLEAR  2.996 0.318 .109 2.47   1.065  0.963
F322W2 CLEAR  3.247 1.339 .108 2.55   0.21   0.202
F335M  CLEAR  3.365 0.347 .105 2.68   0.977  0.848
F356W  CLEAR  3.563 0.787 .116 2.78   0.421  0.379
F360M  CLEAR  3.621 0.372 .118 2.83   0.953  0.877
F410M  CLEAR  4.092 0.436 .166 3.09   0.902  0.867
F430M  CLEAR  4.280 0.228 .199 3.18   1.908  1.705
F444W  CLEAR  4.421 1.024 .255 3.23691 0.402 0.371
F444W  F405N  4.055 0.046 .163 3.07   11.53  9.712
F444W  F466N  4.654 0.054 .318 3.33   12.43  12.47
F444W  F470N  4.707 0.051 .340 3.35   14.08  13.73
F460M  CLEAR  4.624 0.228 .306 3.32   2.274  2.103
F480M  CLEAR  4.834 0.303 .396 3.40   2.023  1.456
"""
_SHORT: Final = ("A1", "A2", "A3", "A4", "B1", "B2", "B3", "B4")
_LONG: Final = ("ALONG", "BLONG")


def _bands() -> tuple[
    dict[tuple[str, str], Passband], dict[tuple[str, str, str], float]
]:
    bands: dict[tuple[str, str], Passband] = {}
    conversions: dict[tuple[str, str, str], float] = {}
    for line in _BANDS.strip().splitlines():
        name, pupil, *words = line.split()
        pivot, width, sky, vega, *factors = map(float, words)
        bands[name, pupil] = Passband(
            filter=name,
            pupil=pupil,
            pivot_um=pivot,
            width_um=width,
            sky_mjy_sr=sky,
            ab_minus_vega=vega,
        )
        names = _SHORT if len(factors) == len(_SHORT) else _LONG
        for detector, factor in zip(names, factors, strict=True):
            conversions[f"NRC{detector}", name, pupil] = factor
    return bands, conversions


PASSBANDS, FLUX_CONVERSION = _bands()
"""Bands by (filter, pupil); (MJy/sr)/(DN/s) by (detector, filter, pupil)."""


def passband(name: str) -> Passband:
    """Return the band of a filter name such as ``F200W`` or ``F405N``."""
    for band in PASSBANDS.values():
        if band.name == name:
            return band
    known = ", ".join(sorted(band.name for band in PASSBANDS.values()))
    raise ParameterError(f"filter {name!r} is not simulated; known: {known}")


def frame_time_s(n_rows: int, n_cols: int, n_outputs: int) -> float:
    """Return the time of one read, s.

    One output reads a subarray with two extra rows of overhead; the four outputs of a
    full frame need one extra row and one clock. Gives 10.73677 s for the full frame,
    4.18584 s for SUB640 and 1.06904 s for SUB320, as the instrument does.
    """
    per_row = n_cols // n_outputs + ROW_OVERHEAD
    if n_outputs == 1:
        return round(per_row * (n_rows + 2) * CLOCK_S, 8)
    return round((per_row * (n_rows + 1) + 1) * CLOCK_S, 8)
