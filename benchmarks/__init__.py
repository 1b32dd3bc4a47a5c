"""Figures beside a peer's, taken in one run: `make bench` prints them, the README quotes them."""
