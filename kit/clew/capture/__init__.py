"""Capture engines: one engine, one file."""
