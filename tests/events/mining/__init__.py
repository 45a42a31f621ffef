"""Tests of pattern mining; nothing needs to run."""
