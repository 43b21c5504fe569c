"""The things that flow: headers, ramps, slope and sky images, mosaics, catalogues, scenes.

All are frozen records whose shapes are checked once, when they are made. A frozen record
freezes the record, not its buffers: a step may write into an array it owns.
"""
