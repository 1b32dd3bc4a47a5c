"""Apache (prefork) -> a CGI program in C -> PostgreSQL: the classic, a program started for each request."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.stand import Server, System, free_port

APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
LogLevel error
DefaultRuntimeDir {folder}
Mutex file:{folder}
Listen 127.0.0.1:{port}
ServerName 127.0.0.1
{modules}
{tls}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
StartServers {many}
MinSpareServers {many}
MaxSpareServers {more}
ServerLimit {more}
MaxRequestWorkers {more}
ListenBacklog 511
SetEnv PAGES_DATABASE "{conninfo}"
ScriptAlias / {folder}/pages.cgi/
<Directory {folder}>
    Require all granted
</Directory>
"""
MODULES = ("mpm_prefork", "authz_core", "cgi", "alias", "env")


class ApacheCgi(System):
    """A process of Apache for each connection, a program for each request, a connection to the database for each."""

    name = "Apache prefork, CGI, PostgreSQL"
    kinds = ("one", "two", "some", "many")
    bar = 100.0

    def prepare(self, folder: Path) -> None:
        """PostgreSQL's data and the program."""
        servers.make_postgres(folder)
        libpq = subprocess.run(["pg_config", "--includedir"], check=True, capture_output=True, text=True).stdout.strip()
        servers.compiled(folder, "pages.c", "pages.cgi", f"-I{libpq}", "-lpq")

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:
        """Database, Apache."""
        database, port = servers.postgres(folder), free_port()
        names = (*MODULES, "ssl", "socache_shmcb") if tls else MODULES
        paths = {name: Path(f"/usr/lib/apache2/modules/mod_{name}.so") for name in names}
        secure = "SSLEngine on\nSSLCertificateFile {}\nSSLCertificateKeyFile {}".format(*servers.certificate(folder))
        conninfo = f"host=127.0.0.1 port={database.port} user=web dbname=postgres sslmode=disable gssencmode=disable"
        configuration = APACHE.format(
            folder=folder,
            port=port,
            many=min(concurrency + 2, 64),
            more=concurrency + 8,
            modules="\n".join(f"LoadModule {name}_module {path}" for name, path in paths.items()),
            tls=secure if tls else "",
            conninfo=conninfo,
        )
        (folder / "apache.conf").write_text(configuration)
        argv = ["apache2", "-D", "FOREGROUND", "-f", folder / "apache.conf"]
        return [database, Server("apache2", argv, port, stop=signal.SIGTERM, as_root=False)]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/pages.c has it."""
        return {"postgres": {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]}


SYSTEMS = [ApacheCgi()]
