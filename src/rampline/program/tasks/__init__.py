"""One file for each product: whether it is up to date, what it is made of, how."""
