"""Which exposures, in which order, on which machine: plan, journal, engines, resume."""
