"""Who caused which call, from nothing but when spans began and ended.

For spans of servers (requests that a process received) and clients (calls that it made) without ids or threads. What
cannot be is left out first: a call lies within its request, requests make the calls that their kind makes, in its
order. Between what remains delays decide: how long after the request, or after the reply to the call before, a call is
usually made, and how soon after the last reply the request is answered. Calls are assigned to requests so that all
delays together are as likely as can be (heaviest matchings, slot by slot and for runs of slots, until nothing changes),
delays are fitted to that assignment, and so on. How much less likely the nearest other assignments are says how sure a
link is; below a threshold there is none.
"""

from clew.causal.delays.infer import Inferred, Spans, infer

__all__ = ["Inferred", "Spans", "infer"]
