"""What a report leaves out so that it can be handed on: secrets, user names, addresses outside private networks.

Payload bytes never enter a report. Of everything else that was captured, these are masked unless redaction is off:

- values after names like password, token, secret, key, cookie, authorization (``--password=X``, ``TOKEN=X``, ``-pX``);
- user and password in URLs; bearer tokens; keys of well-known shape; hexadecimal or base64 runs that look like keys;
- user names in paths of home directories, e-mail addresses;
- IP addresses outside private and loopback networks: each becomes ``address-1``, ``address-2``, ..., the same
  everywhere in one report, so that who talked to whom can still be read.

Names of programs, hosts and files, other arguments, private addresses and ports stay: without them there is no report.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

import pyarrow as pa

from clew.questions.answer import Answer

MASK = "•••"
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private)[-_]?key|credentials?|auth(?:orization)?|cookie|"
    r"session[-_]?id"
)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'&,;]+)"""
_RULES = tuple(
    (re.compile(pattern), kept)
    for pattern, kept in (
        (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}", rf"\1 {MASK}"),
        (rf"(?i)([\w-]*(?:{_NAMES})[\w-]*\s*[=:]\s*){_VALUE}", rf"\1{MASK}"),
        (rf"(?i)((?:^|\s)--?[\w-]*(?:{_NAMES})[\w-]*\s+)(?!-){_VALUE}", rf"\1{MASK}"),
        (r"((?:^|\s)-p)(?!\d+\b)(?=\S*\d|\S{8})\S+", rf"\1{MASK}"),
        (r"(://)[^/\s@]+@", rf"\1{MASK}@"),
        (r"\b(?:AKIA[0-9A-Z]{16}|gh[a-z]_\w{20,}|xox[a-z]-[\w-]{10,}|sk-[\w-]{16,}|eyJ[\w-]{8,}\.[\w.-]+)", MASK),
        (r"\b(?:[A-Fa-f0-9]{32,}|[A-Za-z0-9+_-]{40,}={0,2})(?![\w./])", MASK),
        (r"(/(?:home|Users)/)[^/\s:'\"]+", rf"\1{MASK}"),
        (r"[\w.+-]+@(?!GLIBC|CXXABI|[A-Z_]+_\d)[\w-]+(?:\.[\w-]+)+", MASK),
    )
)
_IDENTIFIER = re.compile(r"([A-Za-z_]\w*_\w*)")
_FRAMES = ("name", "function", "caller", "callee")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w])"
)

_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/32", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::/128", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


class Redactor:
    """Masks text; off, it leaves everything as it was captured. One Redactor a report: it numbers the addresses."""

    def __init__(self, on: bool = True) -> None:
        self.on = on
        self._addresses: dict[str, str] = {}

    def text(self, text: str) -> str:
        """``text`` without what the module's rules mask."""
        if not self.on:
            return text
        for pattern, kept in _RULES:
            text = pattern.sub(kept, text)
        return _ADDRESS.sub(lambda found: self._address(found.group()), text)

    def answer(self, answer: Answer) -> Answer:
        """``answer`` with every text in its table, its SQL and its note masked."""
        table = answer.table
        for index, field in enumerate(table.schema):
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                coded = table.column(index).combine_chunks().dictionary_encode()
                masked = pa.array([self.text(value) for value in coded.dictionary.to_pylist()], pa.string())
                table = table.set_column(index, field.name, masked.take(coded.indices))
        note = None if answer.note is None else self.text(answer.note)
        return replace(answer, table=table, sql=self.text(answer.sql), note=note)

    def frames(self, answer: Answer) -> Answer:
        """answer(), where columns name functions: their long names look like keys and are none."""
        columns: pa.Table = answer.table
        for index, field in enumerate(columns.schema):
            if pa.types.is_dictionary(field.type):
                columns = columns.set_column(index, field.name, columns.column(index).cast(pa.string()))
        masked = self.answer(replace(answer, table=columns))
        table = masked.table
        for index, name in enumerate(columns.column_names):
            if name in _FRAMES:
                coded = columns[name].combine_chunks().dictionary_encode()
                kept = pa.array([self.frame(text) for text in coded.dictionary.to_pylist()], pa.string())
                table = table.set_column(index, name, kept.take(coded.indices))
        return replace(masked, table=table)

    def frame(self, text: str) -> str:
        """The name of a function without what the module's rules mask."""
        if len(text) < 32 or re.search(r"[=/@]", text):
            return self.text(text)
        parts = _IDENTIFIER.split(text)
        return "".join(part if index % 2 else self.text(part) for index, part in enumerate(parts))

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if any(address in network for network in _INSIDE):
            return text
        return self._addresses.setdefault(str(address), f"address-{len(self._addresses) + 1}")
