"""One module a connector; each offers `CONNECTOR` and is found by looking into this package."""
