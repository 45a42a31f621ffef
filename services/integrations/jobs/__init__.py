"""Work that the worker does when it is woken."""
