"""What comes over the network: star catalogues, asked for in one place, with a time-out."""
