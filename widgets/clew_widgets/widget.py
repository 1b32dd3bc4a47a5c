"""The widget under every view: a small model whose page fetches the drawing code from the kernel, and a static twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Dict, Unicode

from clew_widgets import assets


class Widget(anywidget.AnyWidget):
    """What the page shows is ``spec`` (plain JSON); what it does arrives at ``handle``."""

    _esm = Path(__file__).parent / "loader.js"

    part = Unicode().tag(sync=True)
    versions = Dict().tag(sync=True)
    spec = Dict().tag(sync=True)
    static = Unicode().tag(sync=True)
    busy = Bool(False).tag(sync=True)

    def __init__(self, part: str) -> None:
        super().__init__(part=part, versions=assets.versions())
        self.on_msg(self._receive)

    def handle(self, message: dict[str, Any]) -> None:
        """What the user did, as the page tells it; unknown messages are ignored, as pages may be older than kernels."""

    def finding(self) -> str:
        """What the widget shows, in one line."""
        return ""

    def _receive(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "part":
            name = message.get("name")
            if name in self.versions:
                self.send({"type": "part", "name": name}, buffers=[assets.part(name)])
        else:
            self.handle(message)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle or ({}, {})
        return {**data, "text/plain": self.finding(), "text/html": self.static}, metadata
