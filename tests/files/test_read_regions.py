import numpy as np
import pytest

from rampline.errors import InputError
from rampline.exposure.drawn import DrawnRegion
from rampline.files.read_regions import read_regions
from rampline.files.regions import Region, write_regions

DS9_SAVED = """\
# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1 font="helvetica 10 normal roman" include=1
fk5
circle(110.5,-73.45,2.5") # text={ghost #1}
-ellipse(7:22:00.0,-73:27:00,0.5',3",30) # color=red
# text(110.5,-73.4) text={a marker}
image;box(101,51,20,10,45)
polygon(1,1,11,1,11,6) # include=0
"""


def _written(tmp_path, text):
    path = tmp_path / "some.reg"
    path.write_text(text)
    return path


def test_what_ds9_saves_is_read_in_house_units(tmp_path):
    circle, ellipse, box, polygon = read_regions(_written(tmp_path, DS9_SAVED))
    assert circle == DrawnRegion(
        "circle", True, ((110.5, -73.45),), (2.5,), label="ghost #1"
    )
    assert ellipse.is_forbidden
    assert np.allclose(ellipse.places, [(110.5, -73.45)])
    assert ellipse.sizes == (30.0, 3.0)
    assert ellipse.angle_deg == 30.0
    assert box == DrawnRegion("box", False, ((100.0, 50.0),), (20.0, 10.0), 45.0)
    assert polygon.is_forbidden
    assert polygon.places == ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0))


def test_words_may_stand_between_blanks_instead_of_brackets(tmp_path):
    (region,) = read_regions(_written(tmp_path, "image\ncircle 11 21 3\n"))
    assert region.places == ((10.0, 20.0),)
    assert region.sizes == (3.0,)


def test_hours_and_degrees_may_be_spelt_out(tmp_path):
    text = "icrs;circle(7h22m00s,-73d27m00s,0.001)"
    (region,) = read_regions(_written(tmp_path, text))
    assert np.allclose(region.places, [(110.5, -73.45)])
    assert region.sizes == pytest.approx((3.6,))


def test_what_predict_writes_is_read_back(tmp_path):
    corners = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 5.5)])
    write_regions(tmp_path / "it.reg", [Region(corners, "wisp")])
    (region,) = read_regions(tmp_path / "it.reg")
    assert np.allclose(region.places, corners)
    assert region.label == "wisp"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("circle(1,2,3)", "line 1: a region before its coordinate system"),
        ("galactic\ncircle(1,2,3)", "line 1: 'galactic' is no region"),
        ("image\nannulus(1,2,3,4)", "line 2: 'annulus' is neither circle"),
        ("image\ncircle(1,2)", "line 2: 2 numbers make no circle"),
        ("image\npolygon(1,2,3,4,5)", "line 2: 5 numbers make no polygon"),
        ("image\ncircle(1,2,nan)", "line 2: 'nan' is no number"),
        ('image\ncircle(1,2,3")', "line 2: '3\"' is no number"),
        ("image\ncircle(1,2,0)", "line 2: '0' is no size"),
        ("fk5\ncircle(1,92,3)", "line 2: a declination beyond a pole"),
        ("fk5\ncircle(1:2,92,3)", "line 2: '1:2' is no number"),
        ("fk5\ncircle(1,9,)", "line 2: '' is no number"),
        ("fk5\ncircle(", r"line 2: 'circle\(' is no region"),
    ],
)
def test_what_cannot_be_understood_is_one_line_with_its_place(tmp_path, text, what):
    with pytest.raises(InputError, match=what) as caught:
        read_regions(_written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_or_not_there_is_one_line(tmp_path):
    path = tmp_path / "some.reg"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not text"):
        read_regions(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_regions(tmp_path / "absent.reg")
