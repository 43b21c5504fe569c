import asdf
import numpy as np
import pytest
from astropy.modeling.models import AffineTransformation2D, Identity
from gwcs.coordinate_frames import Frame2D
from gwcs.wcs import WCS

from rampline.exposure.tagged import Tagged
from rampline.files import asdf_tree
from rampline.files.asdf_tree import align_bytes, wcs_bytes
from rampline.files.embedded import embedded_tree

from .making import make_wcs

SHIFT = Tagged(
    "tag:stsci.edu:asdf/transform/shift-1.2.0",
    {"offset": 2.5, "inputs": ["x"], "outputs": ["y"]},
)


def two_shifts(first, second):
    fields = {"forward": [first, second], "inputs": ["x0", "x1"], "outputs": ["a", "b"]}
    return Tagged("tag:stsci.edu:asdf/transform/concatenate-1.2.0", fields)


def with_frames(*names):
    """A WCS of identity steps between the frames named."""
    steps = [(Frame2D(name=name), Identity(2)) for name in names[:-1]]
    return WCS([*steps, (Frame2D(name=names[-1]), None)])


def read_wcs(tree, tmp_path):
    path = tmp_path / "tree.asdf"
    path.write_bytes(tree)
    with asdf.open(path, lazy_load=False, memmap=False) as file:
        return file["meta"]["wcs"]


def test_numbers_come_back_to_the_last_digit(tmp_path, rng):
    values = [1e-5, -1e300, 5e-324, 0.1, 1 / 3, 1e16, *rng.normal(size=50)]
    matrix = rng.normal(size=(2, 2)) * 1e-9
    wcs = Tagged(
        "tag:stsci.edu:asdf/transform/affine-1.3.0",
        {
            "matrix": matrix,
            "translation": np.array([1e-17, 2.0]),
            "inputs": ["x", "y"],
            "outputs": ["x", "y"],
        },
    )
    tree = wcs_bytes(wcs)
    back = read_wcs(tree, tmp_path)
    assert np.array_equal(back.matrix.value, matrix)
    assert np.array_equal(back.translation.value, [1e-17, 2.0])
    for value in values:
        one = Tagged(SHIFT.tag, {**SHIFT.fields, "offset": float(value)})
        assert read_wcs(wcs_bytes(one), tmp_path).offset.value == value


def test_a_node_that_stands_twice_is_written_once():
    tree = wcs_bytes(two_shifts(SHIFT, SHIFT))
    assert tree.count(b"shift-1.2.0") == 1


@pytest.mark.parametrize("before", ["v2v3vacorr", "v2v3"])
def test_the_new_frame_stands_between_the_alignment_and_the_sky(before, tmp_path):
    plain = with_frames("detector", "v2v3", "world")
    if before == "v2v3vacorr":
        plain = with_frames("detector", "v2v3", "v2v3vacorr", "world")
    tree = align_bytes(embedded_tree(plain), two_shifts(SHIFT, SHIFT))
    aligned = read_wcs(tree, tmp_path)
    assert aligned.available_frames[-3:] == [before, "v2v3corr", "world"]
    assert aligned.get_transform(before, "v2v3corr")(1.0, 2.0) == (3.5, 4.5)
    assert aligned(1.0, 2.0) == (3.5, 4.5)


def test_binary_blocks_go_along_without_the_index_of_their_places(tmp_path, rng):
    bend = AffineTransformation2D(rng.normal(size=(2, 2)), rng.normal(size=2))
    names = ("detector", "v2v3", "world")
    frames = [Frame2D(name=name) for name in names]
    tree = embedded_tree(WCS([*zip(frames, (bend, bend, None), strict=True)]))
    assert b"BLOCK INDEX" in tree
    aligned = align_bytes(tree, two_shifts(SHIFT, SHIFT))
    assert b"BLOCK INDEX" not in aligned
    expected = bend(*(place + 2.5 for place in bend(3.0, 4.0)))
    assert read_wcs(aligned, tmp_path)(3.0, 4.0) == expected


@pytest.mark.parametrize(
    "tree",
    [
        embedded_tree(),
        embedded_tree(make_wcs()),
        embedded_tree(with_frames("detector", "v2v3", "v2v3corr", "world")),
        b"#ASDF 1.0.0\n%YAML 1.1\n--- {[\n...\n",
        b"",
    ],
    ids=["no wcs", "unknown frames", "aligned", "no YAML", "nothing"],
)
def test_a_tree_that_is_not_understood_is_left_alone(tree):
    assert align_bytes(tree, SHIFT) is None


def test_without_the_parser_in_c_the_tree_says_the_same(monkeypatch, tmp_path):
    tree = embedded_tree(with_frames("detector", "v2v3", "world"))
    yaml = asdf_tree._yaml()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    monkeypatch.delattr(yaml, "CSafeDumper", raising=False)
    aligned = read_wcs(align_bytes(tree, two_shifts(SHIFT, SHIFT)), tmp_path)
    assert aligned(1.0, 2.0) == (3.5, 4.5)
