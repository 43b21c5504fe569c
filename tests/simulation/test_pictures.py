"""The pictures of the docs: every one is there, shown, and of a component of its own."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pictures():
    sys.path.insert(0, str(DOCS))
    import pictures

    yield pictures
    sys.path.remove(str(DOCS))


def test_every_picture_is_drawn_and_shown(pictures):
    shown = _shown("simulation.md")
    assert sorted(shown) == sorted(pictures.PICTURES)
    files = {path.stem for path in (DOCS / "pictures").glob("*.png")}
    # others are drawn by benchmarks/artifacts.py and docs/landing.py
    assert files == {*shown, *_shown("artifacts.md"), *_shown("../README.md")}


def _shown(page):
    return re.findall(r"\((?:docs/)?pictures/(\w+)\.png\)", (DOCS / page).read_text())


def test_pictures_take_little_room():
    total = sum(path.stat().st_size for path in (DOCS / "pictures").iterdir())
    assert total < 4_000_000


def test_black_and_white_stand_for_the_limits(pictures):
    panel = pictures.panels.Panel(np.array([[0.0, 1.0], [-9.0, 9.0]]), "", 0.0, 1.0)
    drawn = np.asarray(pictures._render(panel, pictures.COLD))
    black, white = drawn.reshape(-1, 3).min(axis=0), drawn.reshape(-1, 3).max(axis=0)
    # the first row of the image lies below
    assert (drawn[-1, 0] == black).all()
    assert (drawn[-1, -1] == white).all()
    assert (drawn[0, 0] == black).all()
    assert (drawn[0, -1] == white).all()


def test_a_picture_has_raw_and_truth_side_by_side(pictures, tmp_path, monkeypatch):
    image = np.linspace(0.0, 1.0, 400).reshape(20, 20)
    one = pictures.panels.Panel(image, "a", 0.0, 1.0)
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    monkeypatch.setitem(pictures.PICTURES, "test", ("Title", lambda: (one, one)))
    path = pictures.write_picture("test")
    with pictures.Image.open(path) as sheet:
        assert sheet.size[0] > 2 * pictures.PANEL_PX
