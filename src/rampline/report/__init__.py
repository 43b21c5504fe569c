"""Pictures and pages about a reduction."""
