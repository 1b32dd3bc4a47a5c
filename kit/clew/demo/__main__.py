"""Runs the shop: database, application, front end, customers; ends them all. See `python -m clew.demo --help`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from clew.demo import database, front
from clew.errors import ClewError


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for(port: int, who: subprocess.Popen[bytes], name: str, seconds: float = 30) -> None:
    """Return when 127.0.0.1:`port` accepts; ClewError if `who` ends first or `seconds` pass."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and who.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise ClewError(f"{name} did not start; python -m clew.demo --folder DIR keeps its log in DIR")


def python_program(folder: Path, name: str, module: str) -> list[str]:
    """Command that runs `module` in a process called `name`: the kernel names a script's process after the script."""
    script = folder / name
    script.write_text(f"#!{sys.executable}\nfrom {module} import main\n\nmain()\n")
    script.chmod(0o700)
    return [str(script)] if " " not in sys.executable and len(sys.executable) < 200 else [sys.executable, str(script)]


@contextlib.contextmanager
def running(folder: Path, with_nginx: bool) -> Iterator[int]:
    """The three tiers while the block runs; gives the port of the front end."""
    with contextlib.ExitStack() as tiers:
        sql = free_port()
        postgres = database.start(folder, sql)
        tiers.callback(database.stop, postgres)
        wait_for(sql, postgres, "PostgreSQL")

        dsn = f"host=127.0.0.1 port={sql} user=shop dbname=postgres sslmode=disable gssencmode=disable"
        application = subprocess.Popen(
            [*python_program(folder, "shop", "clew.demo.application"), dsn], stdout=subprocess.PIPE
        )
        tiers.callback(end, application, signal.SIGTERM)
        assert application.stdout is not None
        said = application.stdout.readline()
        if not said:
            raise ClewError("the application did not start")

        port = free_port()
        program = front.nginx() if with_nginx else None
        if program:
            server = front.start_nginx(program, folder, port, int(said))
        else:
            command = python_program(folder, "python-front", "clew.demo.front")
            server = subprocess.Popen([*command, str(port), said.decode().strip()])
        tiers.callback(end, server, signal.SIGQUIT if program else signal.SIGTERM)
        wait_for(port, server, "the front end")
        yield port


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask a server to end and wait until it has."""
    if process.poll() is None:
        process.send_signal(how)
    process.wait(timeout=30)


def main() -> int:
    """Run the demo. Exit code 0 if every customer was served, whatever the answers; 2 if it could not be set up."""
    parser = argparse.ArgumentParser(prog="python -m clew.demo", description=__doc__)
    parser.add_argument("--requests", type=int, default=1500, help="requests in all (default %(default)s)")
    parser.add_argument("--customers", type=int, default=6, help="threads that send them (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="keep data and logs there; the default is a temporary folder")
    parser.add_argument(
        "--prepare", action="store_true", help="only make the database in --folder, to record without it"
    )
    parser.add_argument("--python-front", action="store_true", help="a Python front end even where nginx is installed")
    options = parser.parse_args()
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clew-demo-")))
        try:
            if not (folder / "data").exists():
                folder.mkdir(parents=True, exist_ok=True)
                database.prepare(folder)
            if options.prepare:
                return 0
            with running(folder, not options.python_front) as port:
                command = python_program(folder, "customers", "clew.demo.load")
                return subprocess.call([*command, str(port), str(options.requests), str(options.customers)])
        except ClewError as error:
            print(f"clew.demo: {error}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
