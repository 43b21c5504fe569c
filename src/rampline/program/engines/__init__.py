"""Where tasks run, how many at once, and what is shown meanwhile."""
