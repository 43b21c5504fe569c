"""Scattered light of every kind, alone and together, against what is asked of it.

    python benchmarks/artifacts.py [table] [templates] [programme] [claws] [--points 4]
                                   [--seeds 1 2] [--detectors NRCB4 NRCB1 ...]
                                   [--each 6 3]
                                   [--cases none all ...] [--pictures DIR]

Full-frame slope images of dithers are drawn (`benchmarks/drawn_visit.py`) and go through
1/f correction, templates and the second round as in the path.

table      no scattered light, each kind alone, and all together: what is left of the light,
           smoothed over 5 pixels, where it is, over what there was and over its peak; the
           share of light beside the detector that is masked; the area changed or masked for
           nothing; noise of the sky over that without artifacts; change of the flux of
           sources; CPU seconds of an exposure: in the first round for 1/f and for the first look
           at scattered light, then for templates and for the second round
           --pictures: first round, second round and truth of the first exposure with all
templates  the truth is a positive mix of two supplied templates, other in each exposure
programme  wisps of B4 made of 18 and of 9 exposures over 3 pointings in other fields (--each
           of a pointing), sources masked by long-wavelength mosaics and by those of the own
           filter
claws      of B1, four dithers, masked by long-wavelength mosaics and by those of the own filter
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.drawn_visit import KINDS, Visit  # noqa: E402
from rampline.detector.flicker_noise import (  # noqa: E402
    FlickerNoiseParams,
    remove_flicker_noise,
)
from rampline.flags import DO_NOT_USE  # noqa: E402
from rampline.pipeline.draft_mosaic import (  # noqa: E402
    mask_mosaic,
    mask_mosaic_cores,
)
from rampline.pipeline.expect_artifacts import expect_artifacts  # noqa: E402
from rampline.pipeline.scattered_light import LOOKED_FOR, Knowledge  # noqa: E402
from rampline.pipeline.second_round import (  # noqa: E402
    FieldKnowledge,
    SecondRound,
    clean_exposure,
    know_alone,
)
from rampline.pipeline.stray_template import (  # noqa: E402
    supplied_template,
    visit_template,
    wisps_alone,
)

STRAY, BESIDE = ("WISPS", "CLAWS", "STRIPES"), ("BREATH1", "BREATH2", "GINKGO")
FAINT, DARK = 0.1, 0.01
"""Shares of the peak from which light counts, and below which there is none."""
KIND_OF = {
    "NRCB4": ("wisps", "claws", "stripes"),
    "NRCB1": ("claws", "breath_2", "stripes"),
    "NRCA3": ("wisps", "claws", "breath_1", "stripes"),
    "NRCBLONG": ("breath_1", "stripes"),
    "NRCALONG": ("breath_1", "ginkgo", "stripes"),
}
FLICKER, PARAMS = FlickerNoiseParams(), SecondRound()


def first_round(visit, drawn):
    """Return the exposures of the first round, and CPU seconds of 1/f and of the first look."""
    images, seconds = [], np.zeros(2)
    for d in drawn:
        flags = visit.image(d, d.slope, d.slope).planes.flags
        started = time.process_time()
        args = d.slope, flags, visit.noise.readout, FLICKER, visit.flat
        found = remove_flicker_noise(*args)
        seconds[0] += time.process_time() - started
        image = visit.image(d, found.slope, found.stripes)
        started = time.process_time()
        expected = expect_artifacts(image.header, visit.stars, PARAMS.expect)
        if any(e.kind in LOOKED_FOR for e in expected):
            known = know_alone(image, visit.planes, expected)
            image = clean_exposure(image, known, FLICKER, PARAMS).image
        seconds[1] += time.process_time() - started
        images.append(image)
    return images, seconds


def second_round(visit, drawn, images, masks, wisps=None):
    """Return the exposures as the second round leaves them, and its CPU seconds."""
    scenes = visit.scenes(drawn, images, masks)
    started = time.process_time()
    views = []
    for image, (mask, _) in zip(images, masks, strict=True):
        expected = expect_artifacts(image.header, visit.stars, PARAMS.expect)
        views.append(Knowledge(is_source=mask, planes=visit.planes, expected=expected))
    template = None
    if images[0].header.channel == "SHORT":
        pairs = zip(images, views, strict=True)
        template = visit_template(pairs, PARAMS, wisps)
    built = time.process_time()
    cleaned = []
    for image, alone, scene in zip(images, views, scenes, strict=True):
        known = FieldKnowledge(
            is_source=alone.is_source,
            planes=visit.planes,
            expected=alone.expected,
            scene=scene,
            template=template,
        )
        cleaned.append(clean_exposure(image, known, FLICKER, PARAMS))
    return cleaned, (built - started, time.process_time() - built)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else np.nan


class Score:
    """One exposure after the second round against its truth, MJy/sr."""

    def __init__(self, visit, drawn, first, clean):
        scale = visit.mjy_sr_per_dn_s
        image, empty = clean.image, np.zeros_like(drawn.slope)
        self.removed = image.extras.get("STRAY", empty) / visit.flat * scale
        self.artifact = image.extras.get("ARTIFACT", np.zeros(empty.shape, np.uint16))
        self.masked = (image.planes.flags & DO_NOT_USE != 0) & (self.artifact != 0)
        self.names = tuple(drawn.stray)
        stray = {name: plane * scale for name, plane in drawn.stray.items()}
        self.light = sum((stray[n] for n in STRAY if n in stray), empty)
        self.beside = sum((stray[n] for n in BESIDE if n in stray), empty)
        self.place = {n: p > FAINT * p.max() for n, p in stray.items() if p.any()}
        self.stray = stray
        self.sources = drawn.sources * scale
        slope = image.planes.slope / visit.flat * scale - self.removed
        self.noise = slope - self.sources
        self.sigma = visit.sigma * scale
        self.first = first.planes.slope / visit.flat * scale
        self.second = np.where(self.masked, np.nan, slope)

    def left(self, name):
        """Return rms of the light in the place of one kind before and after, smoothed."""
        left = self.light - self.removed
        left = left - np.median(left[4:-4:4, 4:-4:4])
        place = self.place[name] & ~self.masked
        light = self.light - np.median(self.light[4:-4:4, 4:-4:4])
        return [rms(ndimage.uniform_filter(p, 5)[place]) for p in (light, left)]

    def masked_share(self, name):
        """Return mean of the light beside the detector where it is, and its masked share."""
        light = self.stray[name]
        lost = float(light[self.masked].sum() / light.sum())
        return float(light[self.place[name]].mean()), lost

    def for_nothing(self):
        """Return the shares of the area changed, and masked, where nothing was.

        Changed is what loses more than a tenth of a pixel's noise.
        """
        reached = np.abs(self.light) > DARK * max(self.light.max(), 1e-9)
        changed = (np.abs(self.removed) > 0.1 * self.sigma) & ~reached
        near = self.beside > DARK * max(self.beside.max(), 1e-9)
        return float(changed.mean()), float((self.masked & ~near & ~reached).mean())

    def draw(self, path):
        """Draw the exposure after the first round, after the second, and what was to go."""
        panels = []
        for plane in (self.first, self.second, self.light + self.beside):
            inner = plane[4:-4, 4:-4].reshape(510, 4, 510, 4)
            mean = inner.mean(axis=(1, 3))
            level = np.nanmedian(mean)
            shade = np.clip((mean - level + 0.01) / 0.05, 0.0, 1.0)
            shade = np.nan_to_num(shade, nan=0.0)
            panels.append((255 * shade[::-1]).astype(np.uint8))
            panels.append(np.full((510, 8), 128, np.uint8))
        Image.fromarray(np.hstack(panels[:-1])).quantize(64).save(path, optimize=True)

    def flux_change(self):
        """Return the median change of the flux of bright sources, share of it."""
        bright = self.sources > 3 * self.sigma
        labels, n = ndimage.label(bright & ~self.masked)
        number = np.arange(1, n + 1)
        flux = ndimage.sum_labels(self.sources, labels, number)
        lost = ndimage.sum_labels(self.light - self.removed, labels, number)
        level = np.median((self.light - self.removed)[4:-4:4, 4:-4:4])
        lost = lost - level * np.bincount(labels.ravel(), minlength=n + 1)[1:]
        return float(np.median(np.abs(lost / flux)))

    def sky_noise(self):
        """Return the noise of 17-pixel boxes of sky, MJy/sr."""
        n = (2048 - 8) // 17
        inner, shape = slice(4, 4 + 17 * n), (n, 17, n, 17)
        mean = self.noise[inner, inner].reshape(shape).mean((1, 3))
        hidden = self.masked | (self.sources > 0.1 * self.sigma)
        free = ~hidden[inner, inner].reshape(shape).any((1, 3))
        return float(mean[free].std()), free


def report_table(options):
    """Print one line for each kind in each case."""
    print("detector case       kind      before     left, MJy/sr")
    for seed in options.seeds:
        print(f"seed {seed}")
        for detector in options.detectors:
            visit = Visit(detector, options.points, seed)
            kinds = KIND_OF[detector]
            cases = {"none": (), **{kind: (kind,) for kind in kinds}, "all": KINDS}
            quiet = None
            for title, case in cases.items():
                if title not in (*(options.cases or cases), "none"):
                    continue
                scores, seconds = run_case(visit, case)
                if title == "all" and options.pictures:
                    scores[0].draw(options.pictures / f"cleaned_{detector.lower()}.png")
                quiet = report_case(f"{detector:<9}{title:<11}", scores, quiet, seconds)


def run_case(visit, kinds):
    return reduce_drawn(visit, visit.expose(kinds))


def reduce_drawn(visit, drawn, wisps=None):
    images, first = first_round(visit, drawn)
    masks = visit.long_masks(drawn)
    cleaned, seconds = second_round(visit, drawn, images, masks, wisps)
    seconds = np.divide([*first, *seconds], len(drawn))
    three = zip(drawn, images, cleaned, strict=True)
    return [Score(visit, *each) for each in three], seconds


def report_case(title, scores, quiet, seconds):
    noise = np.array([score.sky_noise()[0] for score in scores])
    quiet = noise if quiet is None else quiet
    nothing = 100 * np.mean([score.for_nothing() for score in scores], axis=0)
    print(
        f"{title} {'':<8} for nothing: {nothing[0]:.3f} % subtracted, "
        f"{nothing[1]:.3f} % masked; sky noise {np.mean(noise / quiet):.3f} "
        f"(worst {np.max(noise / quiet):.3f}); flux of sources "
        f"{100 * np.mean([s.flux_change() for s in scores]):.2f} %; "
        f"CPU {' + '.join(f'{s:.2f}' for s in seconds)} s"
    )
    for name in dict.fromkeys(name for score in scores for name in score.place):
        if name in STRAY:
            rows = np.array([s.left(name) for s in scores if name in s.place])
            share = 100 * rows[:, 1] / rows[:, 0]
            peaks = [s.stray[name].max() for s in scores if name in s.place]
            words = (
                f"{rows[:, 0].mean():9.5f} {rows[:, 1].mean():9.5f} "
                f"{share.mean():6.1f} % (worst {share.max():.1f}), "
                f"{100 * (rows[:, 1] / peaks).mean():.1f} % of the peak"
            )
        else:
            rows = np.array([s.masked_share(name) for s in scores if name in s.place])
            words = f"{rows[:, 0].mean():9.5f} masked {100 * rows[:, 1].mean():6.1f} %"
        print(f"{title} {name:<9}{words}", flush=True)
    return quiet


def report_templates(options):
    """Print what is left of wisps that are a mix of two supplied templates."""
    print("supplied templates: rms of the wisp before and after, MJy/sr")
    for seed in options.seeds:
        visit = Visit("NRCB4", options.points, seed)
        drawn = visit.expose(("wisps",))
        two = np.stack([d.stray["WISPS"] for d in drawn[:2]])
        draw = np.random.default_rng([seed, 9])
        for d in drawn:
            mix = draw.uniform(0.2, 0.8, 2).astype(np.float32)
            light = np.tensordot(mix, two, 1)
            d.slope += (light - d.stray["WISPS"]) * visit.flat
            d.stray["WISPS"] = light
        scores, seconds = reduce_drawn(visit, drawn, supplied_template(two))
        report_case(f"NRCB4    seed {seed:<6}", scores, None, seconds)


def own_masks(visit, drawn, images):
    """Return what mosaics of the own filter say of each exposure: cores, all light."""
    slopes = [image.planes.slope / visit.flat for image in images]
    sky = visit.stack(drawn, [slope - np.median(slope) for slope in slopes])
    masks = mask_mosaic_cores(sky), mask_mosaic(sky)
    return [[visit.cut(mask, d.dither) for mask in masks] for d in drawn]


def masked_by(kind, visit, drawn, images):
    if kind == "LW mask":
        return visit.long_masks(drawn)
    return own_masks(visit, drawn, images)


def report_programme(options):
    """Print what is left of wisps that several visits made together."""
    for seed in options.seeds:
        for each in options.each:
            visits = [Visit("NRCB4", each, seed, f"00{n}") for n in (1, 2, 3)]
            drawn = [visit.expose(("wisps",)) for visit in visits]
            images = [first_round(*pair)[0] for pair in zip(visits, drawn, strict=True)]
            for kind in ("LW mask", "own mask"):
                three = zip(visits, drawn, images, strict=True)
                masks = [masked_by(kind, *one) for one in three]
                pairs = [
                    (image, Knowledge(is_source=m, planes=v.planes))
                    for v, some, known in zip(visits, images, masks, strict=True)
                    for image, (m, _) in zip(some, known, strict=True)
                ]
                made = visit_template(pairs, PARAMS)
                title = f"NRCB4    seed {seed}, {3 * each:2d} in 3 visits, {kind}"
                score_with(title, visits[0], drawn[0], images[0], masks[0], made)


def score_with(title, visit, drawn, images, masks, made):
    wisps = None if made is None else wisps_alone(made)
    cleaned, seconds = second_round(visit, drawn, images, masks, wisps)
    three = zip(drawn, images, cleaned, strict=True)
    scores = [Score(visit, *each) for each in three]
    report_case(title, scores, None, seconds / np.array(len(drawn)))


def report_claws(options):
    """Print what is left of claws by what tells sources from them."""
    for seed in options.seeds:
        visit = Visit("NRCB1", options.points, seed)
        drawn = visit.expose(("claws",))
        images, _ = first_round(visit, drawn)
        for kind in ("LW mask", "own mask"):
            masks = masked_by(kind, visit, drawn, images)
            title = f"NRCB1    seed {seed}, {options.points} dithers, {kind}"
            score_with(title, visit, drawn, images, masks, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["table"])
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--each", type=int, nargs="+", default=[6, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--detectors", nargs="+", default=list(KIND_OF))
    parser.add_argument("--cases", nargs="+", help="of the table; else all")
    parser.add_argument("--pictures", type=Path, help="folder that gets them")
    options = parser.parse_args()
    for part in options.parts:
        REPORTS[part](options)


REPORTS = {
    "table": report_table,
    "templates": report_templates,
    "programme": report_programme,
    "claws": report_claws,
}


if __name__ == "__main__":
    main()
