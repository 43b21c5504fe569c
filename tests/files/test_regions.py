import numpy as np

from rampline.files.regions import Region, write_regions


def test_corners_are_counted_from_one_as_ds9_does(tmp_path):
    path = tmp_path / "it.reg"
    square = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 5.5)])
    write_regions(path, [Region(square, "a {wisp}")])
    lines = path.read_text().splitlines()
    assert lines[2] == "image"
    assert lines[3] == "polygon(1.0,1.0,11.0,1.0,11.0,6.5) # text={a (wisp)}"
