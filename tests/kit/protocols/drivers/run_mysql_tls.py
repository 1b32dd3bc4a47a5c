"""MariaDB and its client over TLS."""

from __future__ import annotations

import sys
from pathlib import Path

from common import certificate, free_port, run, serving


def main(folder: Path) -> None:
    data, port, socket = folder / "data", free_port(), folder / "s"
    data.mkdir()
    fixed = ["--no-defaults", f"--datadir={data}"]
    run("mariadb-install-db", *fixed, "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db")
    certificate(folder)
    server = ["mariadbd", *fixed, f"--socket={socket}", f"--port={port}", "--bind-address=127.0.0.1", "--user=root"]
    server += [f"--ssl-cert={folder / 'server.crt'}", f"--ssl-key={folder / 'server.key'}", "--innodb-fast-shutdown=2"]
    near = ["--no-defaults", "-u", "root", "-S", str(socket)]
    far = ["--no-defaults", "-u", "root", "-h", "127.0.0.1", "-P", str(port), "--ssl", "--ssl-verify-server-cert=0"]
    ready = [*server, f"--pid-file={folder / 'pid'}"]
    with serving(ready, folder / "log", lambda: "alive" in run("mariadb-admin", *near, "ping", may_fail=True)):
        for _ in range(3):
            run("mariadb", *far, "-e", "SHOW STATUS LIKE 'Ssl_cipher'; SELECT 17; SELECT nope", may_fail=True)
        run("mariadb-admin", *near, "shutdown")


main(Path(sys.argv[1]))
