"""Xvfb and small X clients: what they ask for is printed by the client itself (xdpyinfo's extensions)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import run, serving


def main(folder: Path) -> None:
    number = next(free for free in range(90, 200) if not Path(f"/tmp/.X{free}-lock").exists())
    display = f":{number}"
    os.environ["DISPLAY"] = display
    server = ["Xvfb", display, "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]
    with serving(server, folder / "log", lambda: "root" in run("xwininfo", "-root", may_fail=True)):
        print(run("xdpyinfo"))
        run("xwininfo", "-root", "-tree")
        run("xlsfonts")
        run("xwininfo", "-id", "0x999", may_fail=True)


main(Path(sys.argv[1]))
