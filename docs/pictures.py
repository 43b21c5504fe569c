"""Draw what the simulator simulates: one exposure per component, raw and truth.

    python docs/pictures.py [NAME ...]

Writes ``docs/pictures/<name>.png``. Left is what comes down from the telescope, mostly
the last group minus the first; right is the truth: a plane that the simulator knows, or,
where it has none, the same exposure with the component minus the one without it, which
is exact because all other components draw the same random numbers.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import panels
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parent / "pictures"
PANEL_PX = 400
MARGIN_PX = 10
LEVELS = 56
"""Grey levels of a panel: noise does not compress, so not more than one sees."""
INK, PAPER, FAINT = "#f2efe9", "#15171c", "#9a9da6"
COLD = ("#08090c", "#1f2430", "#4a5263", "#8b93a3", "#cdd1d8", "#ffffff")
SIGNED = ("#7fd4ff", "#2f6fae", "#16263f", "#08090c", "#4a1d12", "#c25a25", "#ffd08a")
WARM = ("#08090c", "#2b1140", "#82206c", "#d8495b", "#fa9f52", "#fcf6c8")


PICTURES: Final[
    dict[str, tuple[str, Callable[[], tuple[panels.Panel, panels.Panel]]]]
] = {
    "sources": (
        "Stars, galaxies and a cluster, through the whole chain",
        panels.sources,
    ),
    "cosmic_rays": ("Cosmic rays of one group", panels.cosmic_rays),
    "snowballs": ("The largest snowball among some", panels.snowballs),
    "persistence": (
        "The exposure after one of bright stars: they glow where they were",
        panels.persistence,
    ),
    "bad_pixels": (
        "Hot, warm, dead, weak and open pixels under an even sky",
        panels.bad_pixels,
    ),
    "coupling": (
        "A hot pixel: what it gives to its neighbours and to the pixel read next",
        panels.coupling,
    ),
    "flicker": ("1/f noise of the four outputs", panels.flicker),
    "odd_even": ("Offsets of odd and even columns", panels.odd_even),
    "telegraph": ("Random telegraph noise", panels.telegraph),
    "reset": (
        "The level of a first group: bias, and the noise of the reset",
        panels.reset,
    ),
    "dark": ("Dark current with the glow at the edges, long wavelengths", panels.dark),
    "flat": ("The response to an even, bright sky", panels.flat),
    "saturation": (
        "A bright star: full wells stop to gather charge",
        panels.saturation,
    ),
    "brighter_fatter": (
        "Brighter and fatter: full pixels shrink",
        panels.brighter_fatter,
    ),
    "wisps": ("Wisps on B4", panels.wisps),
    "claws": ("Claws on B1", panels.claws),
    "breath_1": ("Dragon's breath of type I on B5", panels.breath_1),
    "breath_2": ("Dragon's breath of type II on B1", panels.breath_2),
    "ginkgo": ("The ginkgo leaf on A5", panels.ginkgo),
    "stripes": ("Angled stripes on A5", panels.stripes),
    "tadpoles": ("Tadpoles on B5 with GRISMC", panels.tadpoles),
    "shells": ("Shells on B5 with GRISMC", panels.shells),
    "spectra": ("Dispersed spectra with GRISMR", panels.spectra),
}
"""Title and maker of each picture."""


def _ramp_of_colours(names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return ``LEVELS`` colours between some."""
    stops = np.array([[int(n[i : i + 2], 16) for i in (1, 3, 5)] for n in names], float)
    place = np.linspace(0, len(names) - 1, LEVELS)
    channels = [np.interp(place, range(len(names)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def _render(panel: panels.Panel, colours: tuple[str, ...]) -> Image.Image:
    """Return a panel as a picture, the first row below."""
    share = np.clip((panel.image - panel.low) / (panel.high - panel.low), 0.0, 1.0)
    if panel.bend:
        share = np.arcsinh(share / panel.bend) / np.arcsinh(1.0 / panel.bend)
    level = np.minimum(share * LEVELS, LEVELS - 1).astype(np.uint8)
    picture = Image.fromarray(_ramp_of_colours(colours)[level[::-1]])
    enlarged = panel.image.shape[0] < PANEL_PX
    how = Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX
    return picture.resize((PANEL_PX, PANEL_PX), how)


def write_picture(name: str) -> Path:
    """Simulate and draw one picture.

    Parameters
    ----------
    name : str
        A key of `PICTURES`.

    Returns
    -------
    Path
    """
    title, make = PICTURES[name]
    top, below = 34, 30
    size = 2 * PANEL_PX + 3 * MARGIN_PX, top + PANEL_PX + below
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, 9), title, INK, ImageFont.load_default(16))
    for k, (panel, own) in enumerate(zip(make(), (COLD, WARM), strict=True)):
        colours = SIGNED if k and panel.low == -panel.high else own
        left = MARGIN_PX + k * (PANEL_PX + MARGIN_PX)
        sheet.paste(_render(panel, colours), (left, top))
        words = f"{('raw', 'truth')[k]}: {panel.label}"
        scale = f"{panel.low:.4g} to {panel.high:.4g}"
        small = ImageFont.load_default(12)
        place = top + PANEL_PX + 8
        draw.text((left, place), words, INK, small)
        width = draw.textlength(scale, small)
        draw.text((left + PANEL_PX - width, place), scale, FAINT, small)
    path = FOLDER / f"{name}.png"
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def main() -> None:
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names or list(PICTURES)
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        path = write_picture(name)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} kB\n")


if __name__ == "__main__":
    main()
