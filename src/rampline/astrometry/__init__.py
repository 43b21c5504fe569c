"""Where a pixel looks: WCS, distortion, source positions, alignment."""
