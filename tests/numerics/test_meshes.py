import numpy as np
import pytest

from rampline.numerics.meshes import _fill_mesh, blank_unusable, measure_mesh

from ..twins import numerics as twins


def test_each_cell_has_its_own_median():
    values = np.repeat(np.repeat([[1.0, 2.0], [3.0, 4.0]], 16, 0), 16, 1)
    mesh = measure_mesh(values.astype(np.float32), np.ones((32, 32), bool), 16)
    assert mesh.level.tolist() == [[1, 2], [3, 4]]
    assert (mesh.scatter == 0).all()
    assert (mesh.n_used == 256).all()


def test_an_empty_cell_has_no_level():
    usable = np.ones((32, 32), bool)
    usable[:16, :16] = False
    mesh = measure_mesh(np.ones((32, 32), np.float32), usable, 16)
    assert np.isnan(mesh.level[0, 0])
    assert np.isfinite(mesh.level).sum() == 3


def test_sources_widen_the_scatter_little(rng):
    values = rng.normal(size=(256, 256)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] += 100
    mesh = measure_mesh(values, np.ones(values.shape, bool), 64)
    assert mesh.scatter.mean() == pytest.approx(1.0, abs=0.1)
    assert abs(mesh.level.mean()) < 0.1


@pytest.mark.parametrize(("size", "stride"), [(16, 1), (16, 3), (20, 4), (40, 1)])
def test_twin_cells_equal_sorted_cells(rng, size, stride):
    values = rng.normal(size=(50, 70)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    usable = rng.random(values.shape) < 0.7
    usable[:20, :20] = False
    shape = tuple(-(-n // size) for n in values.shape)
    ours, theirs = (
        (
            np.full(shape, np.nan, np.float32),
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.int32),
        )
        for _ in range(2)
    )
    buffer = np.empty((3, size * size), np.float32)
    _fill_mesh(values, usable, (size, stride), buffer, ours)
    twins.fill_mesh(values, usable, (size, stride), buffer, theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_unusable_values_are_blanked_as_by_the_twin(rng):
    values, usable = rng.normal(size=40).astype(np.float32), rng.random(40) < 0.5
    for step in (1, 3):
        ours, theirs = np.zeros((2, len(values[::step])), np.float32)
        blank_unusable(values[::step], usable[::step], ours)
        twins.blank_unusable(values[::step], usable[::step], theirs)
        assert np.array_equal(ours, theirs, equal_nan=True)
