"""The folder of a run: what lies where, what was done, how far it is."""
