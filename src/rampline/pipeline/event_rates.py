"""Rates of the cosmic rays and snowballs that were found, for the header."""

from dataclasses import replace

from ..exposure.header import Card, Header, put_cards
from ..exposure.ramp_state import LinearRamp


def with_event_rates(ramp: LinearRamp) -> Header:
    """Return the header with the rates of hits and snowballs, as ``jwst`` gives them."""
    header, readout = ramp.header, ramp.header.readout
    seconds = readout.group_s * readout.n_ints * (readout.n_groups - 1)
    exposed = seconds * readout.n_rows * readout.n_cols
    if ramp.hits is None or exposed <= 0.0:
        return header
    n_jumps = sum(len(found.row) for found in ramp.hits.values())
    per_thousand = "Cosmic rays per thousand pixels and second"
    per_million = "Snowballs per million pixels and second"
    rates = (
        Card("PRIMECRS", 1.0e3 * n_jumps / exposed, per_thousand),
        Card("EXTNCRS", 1.0e6 * ramp.n_snowballs / exposed, per_million),
    )
    return replace(header, primary=put_cards(header.primary, rates))
