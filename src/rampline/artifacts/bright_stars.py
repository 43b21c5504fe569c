"""The brightest stars of the sky at 2 micrometres, for use without a network connection.

Light from stars ten degrees away can reach the detectors; this small built-in table
covers the worst cases. Positions (J2000) and K magnitudes are 2MASS measurements. The
magnitudes are uncertain by 0.2 to 0.3, because these stars saturate in 2MASS, and half
of the stars vary by as much as 1.
"""

from typing import Final

import numpy as np

from .stars import StarTable

LIMIT_K: Final = -0.9
"""The table contains the stars brighter than this, K in the Vega system."""
J_MINUS_K, H_MINUS_K = 1.15, 0.25
"""Colours of red giants, which nearly all of them are; the table has only K."""


def brightest_stars() -> StarTable:
    """Return the stars of the table."""
    name, ra, dec, k = zip(*_TABLE, strict=True)
    k_mag = np.array(k)
    return StarTable(
        name=name,
        ra_deg=np.array(ra),
        dec_deg=np.array(dec),
        j_mag=k_mag + J_MINUS_K,
        h_mag=k_mag + H_MINUS_K,
        k_mag=k_mag,
    )


_TABLE: Final = (
    ("Betelgeuse", 88.793, 7.407, -4.38),
    ("R Dor", 69.189, -62.077, -4.23),
    ("Antares", 247.352, -26.432, -4.1),
    ("Rasalgethi", 258.662, 14.39, -3.51),
    ("beta Gru", 340.667, -46.885, -3.32),
    ("Gacrux", 187.791, -57.113, -3.26),
    ("W Hya", 207.258, -28.368, -3.21),
    ("Aldebaran", 68.98, 16.509, -3.04),
    ("Arcturus", 213.915, 19.182, -2.91),
    ("R Hya", 202.428, -23.281, -2.66),
    ("Scheat", 345.944, 28.083, -2.38),
    ("pi1 Gru", 335.685, -45.948, -2.35),
    ("L2 Pup", 108.385, -44.64, -2.31),
    ("R Leo", 146.89, 11.429, -2.29),
    ("Mira", 34.837, -2.978, -2.21),
    ("g Her", 247.16, 41.882, -2.13),
    ("theta Aps", 211.333, -76.797, -2.1),
    ("alpha Cen", 219.9, -60.835, -2.01),
    ("SW Vir", 198.518, -2.807, -2.0),
    ("RX Boo", 216.048, 25.704, -1.93),
    ("rho Per", 46.294, 38.84, -1.9),
    ("RS Cnc", 137.662, 30.963, -1.87),
    ("mu Gem", 95.74, 22.514, -1.86),
    ("Mirach", 17.433, 35.621, -1.85),
    ("R Lyr", 283.834, 43.946, -1.84),
    ("T Cep", 317.383, 68.491, -1.82),
    ("Menkar", 45.57, 4.09, -1.82),
    ("2 Cen", 207.361, -34.451, -1.79),
    ("epsilon Car", 125.628, -59.509, -1.78),
    ("Capella", 79.172, 45.998, -1.74),
    ("eta Gem", 93.719, 22.507, -1.72),
    ("lambda Vel", 136.999, -43.433, -1.71),
    ("EP Aqr", 326.633, -2.213, -1.71),
    ("chi Cyg", 297.641, 32.914, -1.7),
    ("T Mic", 306.98, -28.261, -1.65),
    ("eta Sgr", 274.407, -36.762, -1.63),
    ("mu Cep", 325.877, 58.78, -1.62),
    ("S Pav", 298.808, -59.196, -1.62),
    ("R Aqr", 355.956, -15.285, -1.6),
    ("NU Pav", 300.436, -59.376, -1.53),
    ("V1943 Sgr", 301.73, -27.225, -1.52),
    ("R Car", 143.061, -62.789, -1.51),
    ("eps Mus", 184.393, -67.961, -1.5),
    ("W Cyg", 324.01, 45.375, -1.41),
    ("R Cas", 359.604, 51.389, -1.4),
    ("RX Lep", 77.845, -11.849, -1.4),
    ("R Crt", 165.141, -18.325, -1.4),
    ("sigma Lib", 226.018, -25.282, -1.4),
    ("Sirius", 101.287, -16.716, -1.39),
    ("X Her", 240.663, 47.24, -1.32),
    ("Canopus", 95.988, -52.696, -1.3),
    ("Kochab", 222.676, 74.156, -1.29),
    ("delta2 Lyr", 283.626, 36.899, -1.25),
    ("eps Oct", 335.007, -80.44, -1.2),
    ("delta Vir", 193.901, 3.397, -1.19),
    ("alpha TrA", 252.166, -69.028, -1.18),
    ("delta Oph", 243.586, -3.694, -1.17),
    ("Eltanin", 269.152, 51.489, -1.16),
    ("X Pav", 302.941, -59.937, -1.14),
    ("Alphard", 141.897, -8.659, -1.13),
    ("Cen", 177.163, -35.987, -1.12),
    ("tau4 Eri", 49.879, -21.758, -1.12),
    ("RT Vir", 195.658, 5.186, -1.06),
    ("tau4 Ser", 234.117, 15.101, -1.05),
    ("gamma Hyi", 56.809, -74.239, -1.02),
    ("mu UMa", 155.582, 41.499, -1.01),
    ("EU Del", 309.478, 18.269, -1.01),
    ("pi Pup", 109.286, -37.098, -0.99),
    ("And", 29.685, 45.435, -0.98),
    ("UMi", 224.396, 65.933, -0.96),
    ("gamma Eri", 59.507, -13.509, -0.95),
    ("BO Mus", 188.727, -67.757, -0.95),
    ("Pollux", 116.329, 28.026, -0.94),
    ("IK Tau", 58.37, 11.406, -0.94),
    ("delta2 Gru", 337.439, -43.749, -0.91),
    ("CE Tau", 83.053, 18.594, -0.91),
)
"""Name or constellation, right ascension and declination in degrees, K."""
