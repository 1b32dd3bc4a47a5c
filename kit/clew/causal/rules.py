"""How a span's parent was found: every name that span.link_rule can have, and what it means."""

from __future__ import annotations

from typing import Final

RULES: Final[dict[str, str]] = {
    "match": "same connection and bytes at both ends",
    "datagram": "same question in one datagram at both ends, told apart by its id, name and time",
    "thread": "the thread that received the request, doing one thing at a time",
    "handoff": "the thread that answers the request, which another thread received",
    "loop": "an event loop: the only request that it can belong to",
    "task": "the task that made the call was started for that request, as the interpreter says",
    "held": "the connection was held by that request: an open transaction",
    "order": "an event loop: of the requests that it can belong to, the one that was ready first",
    "queue": "a worker thread: of the requests that wait for one, the one that waited longest",
    "fork": "a program that was started for the request",
    "process": "made by a program that was started for the request",
    "delays": "from the times alone: the likeliest of those that it can belong to",
    "told": "as the imported file says",
    "traceparent": "ids found in the bytes",
    "socket": "the same addresses and time as an imported span",
    "time": "the same process and time as an imported span",
    "root": "nothing recorded asked for it",
    "unresolved": "something asked for it, but it is not known what",
}
"""Rule: what it means, for people."""

BY_NUMBER: Final = ("root", "thread", "handoff", "loop", "held", "order", "queue", "unresolved", "unresolved", "task")
"""enum clew_rule by number (clew_causal.h); 7, an unlikely cause, is kept as a link."""

UNLIKELY: Final = 7
