"""Raw exposures of a known sky, their reference files, and the truth beside them."""
