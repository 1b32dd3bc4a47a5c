"""The differential flame graph: what grew and what shrank between two Lenses, or two cases."""

from __future__ import annotations

import shlex
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.flame_diff import flame_diff
from clew_widgets.answers import Answers, bounds
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import amount, merged_note
from clew_widgets.drawing.flame import flame as draw_flame
from clew_widgets.lens_model import LensModel
from clew_widgets.views import command_line
from clew_widgets.views.base import Control
from clew_widgets.views.stack_state import StackState
from clew_widgets.views.stack_view import BY, samples_in
from clew_widgets.views.tree_view import TreeView

SHAPES = {"callees": ("down", "up"), "callers": ("up", "down")}
WIDTHS = Control("weight", "widths", "after", (("after", "after"), ("before", "before")), local=True)
COLORS = Control(
    "color", "colour", "change", (("change", "change"), ("kind", "kind"), ("module", "module")), local=True
)


class FlameDiff(TreeView):
    """What the Lens shows (after) beside a baseline (before): the whole case, a pinned Lens, or another case.

    ``baseline_case`` and ``baseline`` set the other side from code.
    """

    name = "diff"
    title = "Difference"
    hint = "What grew and what shrank against a baseline"
    shape = "callees"
    normalise = True

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        baseline_case: Case | None = None,
        baseline: Lens | None = None,
        answers: Answers | None = None,
        state: StackState | None = None,
    ) -> None:
        self.other = baseline_case
        self.pinned = baseline
        self.against = "pinned" if baseline is not None else "whole"
        super().__init__(case, model, answers=answers, state=state)

    def baseline(self) -> Lens:
        """The Lens of the other side."""
        return self.pinned if self.against == "pinned" and self.pinned is not None else Lens()

    def ask_within(self, within: tuple[str, ...]) -> Answer:
        """The stacks of both sides."""
        direction, _ = SHAPES[self.shape]
        return self.answers.ask(
            flame_diff,
            self.model.lens,
            baseline_case=self.other or self.case,
            baseline_lens=self.baseline(),
            event=self.event(),
            normalise=self.normalise,
            direction=direction,
            by=self.state.by,
            edits=self.state.questions,
            **self.seen(direction, within),
        )

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The tree of both, coloured by what changed."""
        figures = answer.summary
        direction, grows = SHAPES[self.shape]
        drawing = draw_flame(
            answer.table,
            unit=figures["unit"],
            event=figures["event"],
            grows=grows,
            inverted=direction == "up",
            at=self.at,
            label=f"Difference in {figures['event']}",
            actions=("stack", "focus", "hide", "merge", "recursion", "drop", "function", "open"),
            edits=[one.label for one in self.state.edits],
            undo=self.state.can_undo,
        )
        before, after = (amount(figures["unit"], figures[f"{side}_total"]) for side in ("before", "after"))
        same = self.other is None and self.baseline() == self.model.lens
        warning = "Both sides are the same. Narrow the lens, or pin it and look at something else." if same else ""
        note = "; ".join(filter(None, (f"before {before}, after {after}", merged_note(drawing, answer.table))))
        return drawing, {
            "note": note,
            "warning": warning,
            "controls": self.choices(figures["event"]),
            "total": samples_in(figures),
        }

    def choices(self, event: str) -> tuple[Control, ...]:
        """What can be compared, and how."""
        sides = [("whole", "the other case" if self.other else "the whole case")]
        if self.pinned is not None:
            told = ", ".join(chip.label for chip in self.pinned.chips(self.answers.bounds()[0])) or "everything"
            sides.append(("pinned", f"pinned: {told[:60]}"))
        sides.append(("pin", "pin what the lens shows now"))
        scale = "scaled" if self.normalise else "counted"
        return (
            *self.event_control(event),
            Control("against", "before is", self.against, tuple(sides), form="list"),
            Control("scale", "totals", scale, (("scaled", "scaled alike"), ("counted", "as counted"))),
            Control("shape", "show", self.shape, tuple((name, name) for name in SHAPES)),
            Control(BY.name, BY.label, self.state.by, BY.options, form=BY.form),
            WIDTHS,
            COLORS,
        )

    def words(self) -> tuple[list[str], Lens]:
        """What prints the functions that changed most."""
        other = self.other or self.case
        against = [] if self.other is None else [str(other.path)]
        against += command_line.options(self.baseline(), bounds(other)[0])
        scaled = [] if self.normalise else ["--as-counted"]
        # an empty other side is the whole case, which has to be said by its path
        side = shlex.join(against or [str(self.case.path)])
        return self.stack_words(f"--by={self.state.by}", f"--against={side}", *scaled), self.model.lens

    def when_failed(self) -> tuple[Control, ...]:
        """Another baseline can be chosen where one has no samples."""
        return self.choices(self.state.event or "")

    def choose(self, name: str, value: str) -> None:
        """Another baseline, another way to compare."""
        if name == "against" and value in ("whole", "pinned", "pin"):
            if value == "pin":
                self.pinned = self.model.lens
            self.against = "whole" if value == "whole" else "pinned"
        elif name == "scale" and value in ("scaled", "counted"):
            self.normalise = value == "scaled"
        elif name == "shape" and value in SHAPES:
            self.shape = value
        else:
            super().choose(name, value)
            return
        self.refresh()


STACKS = (40, FlameDiff)
