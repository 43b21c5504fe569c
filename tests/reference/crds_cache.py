"""Builds a miniature CRDS cache: mappings with true checksums, references, config."""

import hashlib

from crds.client import proxy

INSTRUMENT = "META.INSTRUMENT."
DETECTOR = (INSTRUMENT + "DETECTOR",)
OPTICS = (*DETECTOR, INSTRUMENT + "FILTER", INSTRUMENT + "PUPIL")
DATE = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
BY_READOUT = (*DETECTOR, "META.EXPOSURE.READPATT", "META.SUBARRAY.NAME")

RULES = {
    "gain": (DETECTOR, {("NRCB1",): {"2020-01-01": "old", "2022-05-01": "new"}}),
    "flat": (
        OPTICS,
        {
            ("NRCB1", "F200W", "CLEAR"): {"2020-01-01": "f200w"},
            ("NRCB1", "F150W|F150W2", "F162M|CLEAR"): {"2020-01-01": "f150w"},
        },
    ),
    "superbias": (
        BY_READOUT,
        {
            ("NRCB1", "ANY", "SUB8"): {"2020-01-01": "sub8"},
            ("NRCB1", "ANY", "FULL"): {"2020-01-01": "full"},
        },
    ),
    "area": (OPTICS, {("NRCB1", "N/A", "N/A"): {"2020-01-01": "N/A"}}),
}


def reference_name(kind, word):
    return f"jwst_nircam_{kind}_{word}.fits"


def build_cache(root, *, layout="flat", without=(), recorded=None):
    """Write the cache.

    ``without`` are references that were never fetched, ``recorded`` maps file names to
    the sha1 that the server told of them.
    """
    mappings = root / "mappings" / "jwst"
    references = root / "references" / "jwst"
    config = root / "config" / "jwst"
    if layout == "instrument":
        references = references / "nircam"
    for folder in (mappings, references, config):
        folder.mkdir(parents=True)
    rmaps = {}
    for kind, (keys, rules) in RULES.items():
        rmaps[kind] = f"jwst_nircam_{kind}_0001.rmap"
        _write_rmap(mappings / rmaps[kind], kind, keys, rules)
        for files in rules.values():
            for word in set(files.values()) - {"N/A", *without}:
                path = references / reference_name(kind, word)
                path.write_bytes(f"{kind} {word}".encode())
    imap = "jwst_nircam_0001.imap"
    _write_mapping(
        mappings / imap,
        {"mapping": "INSTRUMENT", "instrument": "NIRCAM", "parkey": ("REFTYPE",)},
        _dict_text(rmaps),
    )
    pmap = {"mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)}
    _write_mapping(mappings / "jwst_0001.pmap", pmap, _dict_text({"nircam": imap}))
    server = {
        "observatory": "jwst",
        "operational_context": "jwst_0001.pmap",
        "latest_context": "jwst_0001.pmap",
        "bad_files_set": [],
        "bad_files_list": [],
        "force_remote_mode": False,
        "last_synced": "2022-12-01 00:00:00",
    }
    if recorded is not None:
        told = {name: {"size": "1", "sha1sum": sha1} for name, sha1 in recorded.items()}
        server["download_metadata"] = proxy.crds_encode(told)
    (config / "server_config").write_text(repr(server))
    (config / "ref_cache_subdir_mode").write_text(layout)
    return root


def _write_rmap(path, kind, keys, rules):
    header = {
        "mapping": "REFERENCE",
        "instrument": "NIRCAM",
        "filekind": kind.upper(),
        "classes": ("Match", "UseAfter"),
        "parkey": (keys, DATE),
        "reffile_format": "IMAGE",
    }
    lines = ["Match({"]
    for key, files in rules.items():
        lines.append(f"    {key!r} : UseAfter({{")
        for date, word in files.items():
            name = "N/A" if word == "N/A" else reference_name(kind, word)
            lines.append(f"        '{date} 00:00:00' : {name!r},")
        lines.append("    }),")
    _write_mapping(path, header, "\n".join([*lines, "})"]))


def _dict_text(names):
    return (
        "{"
        + "".join(f"\n    {key!r} : {name!r}," for key, name in names.items())
        + "\n}"
    )


def _write_mapping(path, header, selector):
    """Write a mapping; its checksum is that of all lines but the checksum's own."""
    common = {"observatory": "JWST", "derived_from": "made up", "name": path.name}
    items = sorted({**common, **header, "sha1sum": "?"}.items())
    lines = [f"    {key!r} : {value!r},\n" for key, value in items]
    text = f"header = {{\n{''.join(lines)}}}\n\nselector = {selector}\n"
    counted = "".join(
        line for line in text.splitlines(keepends=True) if "sha1sum" not in line
    )
    digest = hashlib.sha1(counted.encode()).hexdigest()  # noqa: S324
    path.write_text(text.replace("'?'", f"'{digest}'"))
