"""Write the pages that are read off from the code: parameters.md and flags.md.

python docs/generate.py
"""

from pathlib import Path

from rampline import flags
from rampline.artifacts import bits
from rampline.params import walk_params
from rampline.program.input.parameter_tree import Parameters

FOLDER = Path(__file__).resolve().parent


def parameters_page() -> str:
    """Return every parameter with unit, default and meaning, by step."""
    lines = [
        "# Parameters",
        "",
        "Written by `docs/generate.py`. Set one with `--set step.parameter=value`, or in a",
        "TOML file (`rampline parameters > my.toml`, then `--config my.toml`).",
    ]
    section = ""
    for row in walk_params(Parameters()):
        head, _, name = row.name.rpartition(".")
        if head != section:
            section = head
            lines += ["", f"## {head}", "", "| parameter | unit | default | meaning |"]
            lines += ["|---|---|---|---|"]
        meaning = " ".join(row.meaning.split())
        lines.append(f"| {name} | {row.unit} | `{row.default}` | {meaning} |")
    return "\n".join(lines) + "\n"


def flags_page() -> str:
    """Return every data-quality bit, and those of the ARTIFACT plane."""
    lines = [
        "# Flags",
        "",
        "Written by `docs/generate.py`. The bits of the DQ extension, JWST's own.",
        "",
        "| bit | value | name | meaning |",
        "|---|---|---|---|",
    ]
    for value, name in flags.NAME.items():
        bit = value.bit_length() - 1
        lines.append(f"| {bit} | {value} | {name} | {flags.MEANING[value]} |")
    lines += [
        "",
        "## ARTIFACT",
        "",
        "The bits of the extension ARTIFACT, in which the second round says what disturbs",
        "a pixel. Not all have a finder yet: see [Artifacts](artifacts.md).",
        "",
        "| value | meaning |",
        "|---|---|",
    ]
    lines += [f"| {value} | {meaning} |" for value, meaning in bits.MEANING.items()]
    return "\n".join(lines) + "\n"


PAGES = {"parameters.md": parameters_page, "flags.md": flags_page}

if __name__ == "__main__":
    for page, text in PAGES.items():
        (FOLDER / page).write_text(text(), encoding="utf-8")
