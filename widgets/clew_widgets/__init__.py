"""What people see of a clew case in a notebook, and the report.

For tests of a page: each view is an element with ``data-clew`` (lens, counts, activity, latency, errors),
``data-total`` (the calls it shows) and ``data-drawn`` (how often it was drawn); table rows have ``data-field`` and
``data-key``, cells ``data-column`` and ``data-value``; chips ``data-field`` and ``data-value`` (JSON); figures of the
lens bar ``data-name`` and ``data-total``; buttons ``data-action`` (undo, redo, reset, copy), ``data-choice``
(by=process, measure=bytes, ...) and ``data-sort``. Views of stacks are named flame, sandwich, diff, flame_chart; their
tabs have ``data-tab``. A flame graph says ``data-boxes`` (how many are drawn), ``data-zoom`` (the frame zoomed to) and
``data-matched`` (what the search matches, in the unit of the weights). Views of requests are named requests,
request_latency, single_requests, request, path, shapes, shape_diff, services, request_time, links. A timeline says
``data-bars`` and ``data-arrows`` (how many are drawn) and ``data-zoom`` (from and to, in ns since the request began;
empty: all); a card of a shape has ``data-shape`` (its number) and ``data-requests``; buttons to other views have
``data-action`` (lead-stacks, ...).
"""

from __future__ import annotations

from clew_widgets.explorer import Explorer
from clew_widgets.views.recipe import RecipeView

__all__ = ["Explorer", "RecipeView"]
