"""Writes small reference files in CRDS' formats."""

import asdf
import numpy as np
from astropy.io import fits
from astropy.modeling import models
from astropy.table import Table

from rampline.exposure.planes import UsedFile
from rampline.reference.checksum import verified_sha1
from rampline.reference.selection import ReferenceFiles

SIZE = 2048


def write_pixels(path, kind, planes, dq_def=None, **cards):
    """A file of planes: extension name to array; uint32 for flags."""
    primary = fits.PrimaryHDU()
    primary.header["REFTYPE"] = kind.upper()
    primary.header["INSTRUME"] = "NIRCAM"
    primary.header["DETECTOR"] = "NRCB1"
    primary.header["USEAFTER"] = "2022-01-01T00:00:00"
    for keyword, value in cards.items():
        if value is None:
            primary.header.pop(keyword, None)
        else:
            primary.header[keyword] = value
    hdus = fits.HDUList([primary])
    for name, plane in planes.items():
        hdus.append(fits.ImageHDU(plane, name=name))
    if dq_def is not None:
        hdus.append(dq_def_table(dq_def))
    path.parent.mkdir(parents=True, exist_ok=True)
    hdus.writeto(path, overwrite=True)
    return path


def dq_def_table(names):
    """DQ_DEF from a mapping of the file's own bit number to a name."""
    table = np.array(
        [(bit, 1 << bit, name, name) for bit, name in names.items()],
        [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "U40"), ("DESCRIPTION", "U80")],
    )
    return fits.BinTableHDU(table, name="DQ_DEF")


def write_table(path, kind, name, rows, more=(), **cards):
    """A file of tables: ``more`` are further (extension name, rows)."""
    primary = fits.PrimaryHDU()
    primary.header["REFTYPE"] = kind.upper()
    primary.header["INSTRUME"] = "NIRCAM"
    primary.header["USEAFTER"] = "2022-01-01T00:00:00"
    for keyword, value in cards.items():
        primary.header[keyword] = value
    tables = [
        fits.BinTableHDU(Table(rows=content), name=extension)
        for extension, content in ((name, rows), *more)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, *tables]).writeto(path, overwrite=True)
    return path


def write_asdf(path, kind, content, **instrument):
    meta = {
        "reftype": kind,
        "useafter": "2022-01-01T00:00:00",
        "instrument": {"name": "NIRCAM"} | instrument,
        "exposure": {"type": "NRC_IMAGE"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    asdf.AsdfFile({"meta": meta} | content).write_to(path)
    return path


def write_distortion(path, **instrument):
    model = models.Shift(10.0) & models.Shift(20.0)
    return write_asdf(path, "distortion", {"model": model}, **instrument)


def write_filter_offset(path, rows, **instrument):
    return write_asdf(path, "filteroffset", {"filters": rows}, **instrument)


def write_vega(path, rows):
    return write_asdf(path, "abvegaoffset", {"abvega_offset": Table(rows=rows)})


def files_of(**paths):
    """ReferenceFiles of hand-picked paths."""
    used = tuple(
        UsedFile(kind, path.name, verified_sha1(path)) for kind, path in paths.items()
    )
    return ReferenceFiles(paths=paths, used=used)


def write_ramp_set(folder, rng, shape=(6, 8), **cards):
    """A whole set of what calibrates a ramp, for the window at the detector's corner."""
    window = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": shape[1], "SUBSIZE2": shape[0]}
    cards = window | {"SUBARRAY": "SUB8"} | cards

    def plane(low, high):
        return rng.uniform(low, high, shape).astype(np.float32)

    def flagged():
        return rng.integers(0, 2, shape, dtype=np.uint32)

    coefficients = np.zeros((3, *shape), np.float32)
    coefficients[1] = 1.0
    coefficients[2] = plane(0.0, 1e-6)
    dark = rng.normal(0.0, 1.0, (40, *shape)).astype(np.float32)
    contents = {
        "mask": {"DQ": flagged()},
        "saturation": {"SCI": plane(5e4, 6e4), "DQ": flagged()},
        "superbias": {"SCI": plane(1e4, 2e4), "DQ": flagged()},
        "linearity": {"COEFFS": coefficients, "DQ": flagged()},
        "dark": {"SCI": dark, "DQ": flagged()},
        "gain": {"SCI": plane(1.9, 2.1)},
        "readnoise": {"SCI": plane(10.0, 12.0)},
        "ipc": {"SCI": plane(0.0, 1.0)[:3, :3]},
    }
    return {
        kind: write_pixels(folder / f"jwst_{kind}.fits", kind, planes, **cards)
        for kind, planes in contents.items()
    }
