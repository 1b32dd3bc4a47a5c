"""From the bytes of connections to messages: `extract` fills table message; one small module for each protocol.

Processors that must be fast are in C (native/protocols/); others are in Python, through the same interface (base).
"""

from clew.protocols.extract import extract

__all__ = ["extract"]
