"""Captures of several machines in one case: what each recorded is sent to a collector by Arrow Flight."""
