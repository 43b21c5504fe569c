"""Light that does not come from where it lands: expected, found, subtracted or masked."""
