import numpy as np

from rampline.exposure.timing import Readout
from rampline.simulation.pedestal import Pedestal, PedestalParams
from rampline.simulation.streams import stream


def _readout(n_outputs=4, n_groups=20):
    return Readout(
        pattern="RAPID", n_ints=1, n_groups=n_groups, n_frames=1, n_dropped=0,
        frame_s=10.73677, group_s=10.73677, subarray="FULL", row_start=0, col_start=0,
        n_rows=2048, n_cols=2048, fast_axis=1, slow_axis=-2, n_outputs=n_outputs,
    )  # fmt: skip


def _levels(n, n_groups=20):
    """(n, reads, outputs) levels of so many integrations."""
    readout = _readout(n_groups=n_groups)
    made = []
    for k in range(n):
        pedestal = Pedestal(readout, PedestalParams(), stream(7, "pedestal", k))
        made.append(
            [pedestal.mean_of_reads(read, 1)[::512] for read in range(n_groups)]
        )
    return np.array(made)


def test_a_level_is_that_of_all_columns_of_an_output():
    frame = Pedestal(_readout(), PedestalParams(), stream(1, "pedestal")).mean_of_reads(
        0, 1
    )
    outputs = frame.reshape(4, 512)
    assert frame.shape == (2048,)
    assert (outputs == outputs[:, :1]).all()
    assert len(set(outputs[:, 0])) == 4


def test_levels_scatter_between_integrations_together_and_by_output():
    first = _levels(600)[:, 0]
    common = first.mean(axis=1)
    own = (first - common[:, None]).std(ddof=0) * np.sqrt(4 / 3)
    assert np.isclose(own, 2.0, rtol=0.06)
    assert np.isclose(common.std(), np.hypot(10.0, 2.0 / 2), rtol=0.09)


def test_outputs_wander_from_read_to_read_each_for_itself():
    steps = np.diff(_levels(200), axis=1)
    assert np.isclose(steps.std(), 0.05, rtol=0.03)
    together = np.corrcoef(steps.reshape(-1, 4).T)[np.triu_indices(4, 1)]
    assert np.abs(together).max() < 0.08


def test_the_mean_of_reads_is_the_mean_of_their_levels():
    pedestal = Pedestal(_readout(), PedestalParams(), stream(2, "pedestal"))
    one_by_one = np.mean([pedestal.mean_of_reads(k, 1) for k in range(3, 8)], axis=0)
    assert np.allclose(pedestal.mean_of_reads(3, 5), one_by_one, atol=1e-5)
