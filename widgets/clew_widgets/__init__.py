"""What people see of a clew case in a notebook, and the report.

For tests of a page: each view is an element with ``data-clew`` (lens, counts, activity, latency, errors),
``data-total`` (the calls it shows) and ``data-drawn`` (how often it was drawn); table rows have ``data-field`` and
``data-key``, cells ``data-column`` and ``data-value``; chips ``data-field`` and ``data-value`` (JSON); figures of the
lens bar ``data-name`` and ``data-total``; buttons ``data-action`` (undo, redo, reset, copy), ``data-choice``
(by=process, measure=bytes, ...) and ``data-sort``.
"""

from __future__ import annotations

from clew_widgets.explorer import Explorer
from clew_widgets.views.recipe import RecipeView

__all__ = ["Explorer", "RecipeView"]
