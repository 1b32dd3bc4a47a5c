"""nginx -> a FastCGI program in C, or php-fpm -> PostgreSQL: a process for each request at a time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.stand import HERE, Server, System, free_port

PARAMS = (
    "fastcgi_param QUERY_STRING $query_string; fastcgi_param PATH_INFO $uri; fastcgi_param REQUEST_METHOD GET;"
    " fastcgi_param REQUEST_URI $request_uri;"
)
FPM = """
[global]
daemonize = no
error_log = {folder}/fpm.log
[www]
listen = 127.0.0.1:{port}
listen.backlog = 511
pm = static
pm.max_children = 4
env[PAGES_DATABASE] = "tcp://127.0.0.1:{database}"
"""


class NginxFastcgi(System):
    """The C program: four processes that keep their connection to the database, one unix socket to nginx."""

    name = "nginx, FastCGI in C, PostgreSQL"
    kinds = ("one", "two", "some", "many")
    bar = 100.0
    reached = (99.0, 0.0)

    def prepare(self, folder: Path) -> None:
        """PostgreSQL's data and the program."""
        servers.make_postgres(folder)
        libpq = subprocess.run(["pg_config", "--includedir"], check=True, capture_output=True, text=True).stdout.strip()
        servers.compiled(folder, "pages.c", "pages", "-DFASTCGI", f"-I{libpq}", "-lfcgi", "-lpq")

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:  # noqa: ARG002
        """Database, FastCGI processes, front."""
        database = servers.postgres(folder)
        path = folder / "pages.sock"
        path.unlink(missing_ok=True)
        conninfo = f"host=127.0.0.1 port={database.port} user=web dbname=postgres sslmode=disable gssencmode=disable"
        pages = Server("pages", [folder / "pages", conninfo, path, "4"], socket=path, as_root=False)
        return [database, pages, servers.nginx(folder, f"fastcgi_pass unix:{path}; {PARAMS}", tls=tls)]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/pages.c has it."""
        return {"fastcgi": 1, "postgres": {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]}


class NginxPhp(NginxFastcgi):
    """php-fpm: four workers that connect to the database for each request; nginx keeps its connections to them."""

    name = "nginx, php-fpm, PostgreSQL"

    def prepare(self, folder: Path) -> None:
        """PostgreSQL's data."""
        servers.make_postgres(folder)

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:  # noqa: ARG002
        """Database, php-fpm, front."""
        database, port = servers.postgres(folder), free_port()
        (folder / "fpm.conf").write_text(FPM.format(folder=folder, port=port, database=database.port))
        program = max(Path("/usr/sbin").glob("php-fpm*"))
        fpm = Server("php-fpm", [program, "-y", folder / "fpm.conf", "-n"], port, as_root=False)
        script = f"fastcgi_param SCRIPT_FILENAME {HERE}/programs/pages.php;"
        upstream = f"upstream php {{ server 127.0.0.1:{port}; keepalive 1; }}"
        location = f"fastcgi_pass php; fastcgi_keep_conn on; {PARAMS} {script}"
        return [database, fpm, servers.nginx(folder, location, tls=tls, upstream=upstream)]


SYSTEMS = [NginxFastcgi(), NginxPhp()]
