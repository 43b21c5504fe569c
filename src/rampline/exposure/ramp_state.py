"""What flows between the steps of the detector stage: samples becoming linear counts.

The contract of the detector's kernels. They take plain arrays, a band of rows of each:

* ``counts`` (ints, groups, rows, cols) float32, DN, and ``group_flags`` of the same shape,
  uint8, with JWST's bits DO_NOT_USE, SATURATED, JUMP, AD_FLOOR; rows are contiguous, a band
  is a view (its group and integration strides are those of the frame);
* ``pixel_flags`` (rows, cols) uint32;
* ``zero_frame`` (ints, rows, cols) float32, DN, linearised like the counts, NaN where it is
  saturated or at the A/D floor; None where the exposure has none.

Counts of groups with SATURATED or DO_NOT_USE are finite, but mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics.workspace import Workspace
from .header import Header
from .records import Flags8, Flags32, Plane, Ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRamp:
    """One exposure on its way from samples to slopes; its buffers are owned by the path.

    Attributes
    ----------
    header : Header
    raw : Ramp
        The exposure as it was read: never written into.
    counts : (ints, groups, rows, cols) float32, DN
        Bias-subtracted, linear counts without dark: what each step leaves of it.
    group_flags : (ints, groups, rows, cols) uint8
    pixel_flags : (rows, cols) uint32
    zero_frame : (ints, rows, cols) float32, DN, or None
        First read of each integration; NaN where saturated or at the A/D floor.
    workspace : Workspace
        Where steps take large arrays from.
    hits : mapping of int to object, or None
        What the jump search found, by first row of the band; complete, like the pixels, when
        the search has been through all bands. None before it, or without it.
    n_snowballs : int
    read_variance : float
        Variance of a read over that of the read-noise file: more where what was
        subtracted is noisy itself.
    dark_dn_s : (rows, cols) float32, DN/s, or None
        Dark current that was subtracted, and has left its photon noise.
    removed : mapping of str to array
        What steps took off the counts, by the name of the extension that keeps it.
    """

    header: Header
    raw: Ramp
    counts: NDArray[np.float32]
    group_flags: Flags8
    pixel_flags: Flags32
    zero_frame: Plane | None
    workspace: Workspace
    read_variance: float = 1.0
    dark_dn_s: Plane | None = None
    hits: Mapping[int, Any] | None = None
    n_snowballs: int = 0
    removed: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def without(self, name: str, removed: NDArray[np.float32]) -> "LinearRamp":
        """Return the record of a step that takes something off the counts."""
        return replace(self, removed={**self.removed, name: removed})

    def rows(self, rows: slice) -> "LinearRamp":
        """Return the band ``rows`` as views; ``raw`` stays whole."""
        zero = self.zero_frame
        return replace(
            self,
            counts=self.counts[:, :, rows],
            group_flags=self.group_flags[:, :, rows],
            pixel_flags=self.pixel_flags[rows],
            zero_frame=None if zero is None else zero[:, rows],
        )


def without_samples(ramp: LinearRamp) -> LinearRamp:
    """Return the record without the raw samples: all zero, of no memory."""
    samples = np.broadcast_to(np.uint16(0), ramp.raw.samples.shape)
    return replace(ramp, raw=replace(ramp.raw, samples=samples))


def open_ramp(raw: Ramp, workspace: Workspace) -> LinearRamp:
    """Return the working record of an exposure, its buffers not yet filled."""
    shape = raw.samples.shape
    zero = raw.zero_frame
    return LinearRamp(
        header=raw.header,
        raw=raw,
        counts=workspace.lend(shape, np.float32),
        group_flags=workspace.lend(shape, np.uint8),
        pixel_flags=workspace.lend(shape[2:], np.uint32),
        zero_frame=None if zero is None else workspace.lend(zero.shape, np.float32),
        workspace=workspace,
    )
