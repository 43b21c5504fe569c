import numpy as np
import pytest

from rampline.background import dedicated
from rampline.background.dedicated import (
    DedicatedBackgroundParams,
    average_backgrounds,
    subtract_background,
)
from rampline.exposure.records import SlopePlanes
from rampline.flags import DO_NOT_USE, JUMP

from ..twins import background as twins

SHAPE = (12, 9)


def exposure(slope, err=0.1):
    slope = np.array(slope, np.float32)
    variance = np.full(slope.shape, err**2 / 2, np.float32)
    return SlopePlanes(
        slope=slope,
        err=np.full(slope.shape, err, np.float32),
        var_poisson=variance,
        var_read=variance.copy(),
        flags=np.where(np.isnan(slope), np.uint32(DO_NOT_USE | JUMP), np.uint32(0)),
    )


def random_exposures(rng, n, shape=SHAPE):
    return [exposure(rng.normal(0.2, 0.1, shape)) for _ in range(n)]


def test_a_source_in_one_of_three_backgrounds_is_left_out():
    stack = [exposure([[0.2]]), exposure([[0.3]]), exposure([[9.0]])]
    mean = average_backgrounds(stack, DedicatedBackgroundParams())
    np.testing.assert_allclose(mean.slope, 0.25, rtol=1e-6)
    np.testing.assert_allclose(mean.err, 0.1 / 2**0.5, rtol=1e-6)


def test_the_scatter_of_three_hides_the_source_as_in_jwst():
    stack = [exposure([[0.2]]), exposure([[0.3]]), exposure([[9.0]])]
    mean = average_backgrounds(stack, DedicatedBackgroundParams(scatter="sample"))
    np.testing.assert_allclose(mean.slope, 9.5 / 3, rtol=1e-6)


def test_two_that_disagree_are_both_kept():
    stack = [exposure([[0.2]]), exposure([[9.0]])]
    mean = average_backgrounds(stack, DedicatedBackgroundParams())
    np.testing.assert_allclose(mean.slope, 4.6, rtol=1e-6)


def test_only_what_no_background_knows_becomes_unusable():
    stack = [exposure([[np.nan, np.nan]]), exposure([[0.3, np.nan]])]
    mean = average_backgrounds(stack, DedicatedBackgroundParams())
    assert mean.flags.tolist() == [[0, DO_NOT_USE]]
    assert np.isnan(mean.slope).tolist() == [[False, True]]


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        average_backgrounds(
            [exposure([[1.0]]), exposure([[1.0, 2.0]])], DedicatedBackgroundParams()
        )


def test_the_background_adds_its_own_noise(rng):
    n, shape = 4, (200, 200)
    mean = average_backgrounds(
        random_exposures(rng, n, shape), DedicatedBackgroundParams()
    )
    target = exposure(rng.normal(0.2, 0.1, shape))
    variances = (target.var_poisson, target.var_read)
    subtract_background(target.slope, variances, target.flags, mean)
    pull = target.slope / np.sqrt(target.var_poisson + target.var_read)
    assert abs(pull.mean()) < 5 / 200
    assert abs(pull.std() - 1.0) < 0.02


@pytest.mark.parametrize("by_errors", [True, False])
@pytest.mark.parametrize("clip", [1.0, 3.0])
def test_twin_average(rng, by_errors, clip):
    slope = rng.normal(0.2, 0.1, (7, *SHAPE)).astype(np.float32)
    slope[rng.random(slope.shape) < 0.2] = np.nan
    slope[rng.random(slope.shape) < 0.1] += 3
    slope[:, 0, 0] = np.nan
    slope[1:, 0, 1] = np.nan
    stack = (slope, *(rng.uniform(0.05, 0.2, (3, *slope.shape)).astype(np.float32)))
    found, wanted = np.empty((2, 3, *SHAPE), np.float32)
    dedicated._average_clipped(stack, clip, by_errors, found)
    twins.average_clipped(stack, clip, by_errors, wanted)
    np.testing.assert_allclose(found, wanted, rtol=2e-6)


def test_twin_sort_and_clip(rng):
    column = rng.normal(0, 1, 9).astype(np.float32)
    column[[2, 5]] = np.nan
    errors = np.full(9, 0.3, np.float32)
    both = []
    for module in (dedicated, twins):
        prefix = "_" if module is dedicated else ""
        values, order = np.zeros(9), np.zeros(9, np.int64)
        count = getattr(module, f"{prefix}sort_finite")(column, values, order)
        kept = getattr(module, f"{prefix}clip_once")(
            values, order, count, errors, (2.0, True)
        )
        both.append((count, kept, values[:kept].tolist(), order[:kept].tolist()))
    assert both[0] == both[1]
    assert both[0][1] < both[0][0] == 7


@pytest.mark.parity
def test_the_clipped_mean_is_that_of_jwst(rng):
    from jwst.background.background_sub import average_background
    from stdatamodels.jwst.datamodels import ImageModel

    stack = random_exposures(rng, 12)
    stack[3].slope[4, 4] = 50.0
    models = []
    for one in (*stack, stack[0]):
        model = ImageModel(data=one.slope, err=one.err, dq=one.flags)
        model.meta.subarray.instance.update(xstart=1, ystart=1, xsize=9, ysize=12)
        models.append(model)
    theirs = average_background(models[-1], models[:-1], 3.0, None)
    ours = average_backgrounds(stack, DedicatedBackgroundParams(scatter="sample"))
    np.testing.assert_allclose(ours.slope, theirs.data, rtol=1e-6)
    np.testing.assert_allclose(ours.err, theirs.err, rtol=1e-6)
    assert ours.slope[4, 4] < 1.0
