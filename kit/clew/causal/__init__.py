"""Whose work each call was: both ends of a connection matched, calls given to requests, trees made of them."""
