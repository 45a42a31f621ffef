"""The embedded stack: the same processes as in production, on one machine, from a Python installation alone."""
