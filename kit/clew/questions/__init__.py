"""Questions about a case: each a function ``(case, lens, ...) -> Answer``, one file, SQL inside."""

from clew.questions.activity import activity
from clew.questions.allocations import allocations
from clew.questions.answer import Answer
from clew.questions.counts import counts
from clew.questions.coverage import coverage, losses
from clew.questions.errors import errors
from clew.questions.latency import latency
from clew.questions.top import top

__all__ = ["Answer", "activity", "allocations", "counts", "coverage", "errors", "latency", "losses", "top"]
