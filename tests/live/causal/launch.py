"""The program that is recorded: starts what it is told on its input, one JSON object a line, and ends all in turn.

A line is {"name": ..., "argv": [...], "env": {...}, "cwd": ..., "stop": signal number}; {"wait": name} answers with
that program's exit code. At the end of input everything is told to stop, the last started first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main() -> int:
    """Serve the lines of standard input; 0 if every program ended when told to."""
    running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            said = running.pop(order["wait"])[0].wait()
        else:
            with open(os.path.join(order["cwd"], f"{order['name']}.out"), "ab") as output:  # noqa: PTH118, PTH123
                program = subprocess.Popen(
                    order["argv"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=order["cwd"],
                    process_group=0,  # Apache tells its whole group to end
                    env={**os.environ, **order["env"]},
                )
            running[order["name"]] = program, order["stop"]
            said = program.pid
        print(said, flush=True)
    stuck = 0
    for program, stop in reversed(running.values()):
        if program.poll() is None:
            program.send_signal(stop)
        try:
            program.wait(timeout=20)
        except subprocess.TimeoutExpired:
            program.kill()
            stuck = 1
    return stuck


if __name__ == "__main__":
    sys.exit(main())
