"""Calls to siblings."""
