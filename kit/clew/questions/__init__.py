"""Questions about a case: each a function ``(case, lens, ...) -> Answer``, one file, SQL inside."""

from clew.questions.activity import activity
from clew.questions.allocations import allocations
from clew.questions.annotate import annotate
from clew.questions.answer import Answer
from clew.questions.attribution import attribution
from clew.questions.call_graph import call_graph
from clew.questions.counts import counts
from clew.questions.coverage import coverage, losses
from clew.questions.errors import errors
from clew.questions.figures import figure, figures
from clew.questions.flame import flame
from clew.questions.flame_chart import flame_chart
from clew.questions.flame_diff import flame_diff
from clew.questions.functions import functions
from clew.questions.functions_diff import functions_diff
from clew.questions.given_up import given_up
from clew.questions.heatmap import heatmap
from clew.questions.in_the_way import in_the_way
from clew.questions.latency import latency
from clew.questions.leaks import leaks
from clew.questions.live import live
from clew.questions.lock_waits import lock_waits
from clew.questions.maps import histogram, map_values, maps, printed
from clew.questions.outside import outside
from clew.questions.pools import pools
from clew.questions.request_events import request_events
from clew.questions.request_tree import request_tree
from clew.questions.requests import request_latency, request_programs, requests, requests_by
from clew.questions.samples import sample_events, samples_by
from clew.questions.services import services
from clew.questions.shape_diff import shape_diff, slow_vs_usual
from clew.questions.shapes import shapes
from clew.questions.top import top
from clew.questions.unresolved import linked_by, unresolved
from clew.questions.wakeups import wakeups

__all__ = [
    "Answer",
    "activity",
    "allocations",
    "annotate",
    "attribution",
    "call_graph",
    "counts",
    "coverage",
    "errors",
    "figure",
    "figures",
    "flame",
    "flame_chart",
    "flame_diff",
    "functions",
    "functions_diff",
    "given_up",
    "heatmap",
    "histogram",
    "in_the_way",
    "latency",
    "leaks",
    "linked_by",
    "live",
    "lock_waits",
    "losses",
    "map_values",
    "maps",
    "outside",
    "pools",
    "printed",
    "request_events",
    "request_latency",
    "request_programs",
    "request_tree",
    "requests",
    "requests_by",
    "sample_events",
    "samples_by",
    "services",
    "shape_diff",
    "shapes",
    "slow_vs_usual",
    "top",
    "unresolved",
    "wakeups",
]
