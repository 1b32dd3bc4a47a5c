"""node's http server -> MariaDB, by mysql2 and its pool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.stand import HERE, Server, System, free_port

CLIENT = "mysql2@3.15.3"


class NodeMariadb(System):
    """As many connections to the database as there are statements at a time."""

    name = "node, MariaDB"
    kinds = ("one", "two", "some", "many")
    bar = 100.0
    reached = (98.0, 0.3)
    https = False

    def prepare(self, folder: Path) -> None:
        """MariaDB's data, the application and its client of the database."""
        servers.make_mariadb(folder)
        shutil.copyfile(HERE / "programs" / "shop.js", folder / "shop.js")
        (folder / "package.json").write_text("{}")
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), CLIENT]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    def pool(self, concurrency: int) -> int:
        """Connections to the database: a page asks thrice at a time at most."""
        return min(3 * concurrency, 390)

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:  # noqa: ARG002
        """Database, application."""
        database, port = servers.mariadb(folder), free_port()
        argv = ["node", folder / "shop.js", *map(str, (port, database.port, self.pool(concurrency)))]
        return [database, Server("node", argv, port)]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/shop.js has it."""
        return {"mysql": {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]}


class NodeMariadbQueued(NodeMariadb):
    """A pool of four, whatever the load."""

    name = "the same, a pool of 4 connections"
    bar = 99.0
    reached = (97.0, 0.3)

    def pool(self, concurrency: int) -> int:  # noqa: ARG002
        """Four."""
        return 4


SYSTEMS = [NodeMariadb(), NodeMariadbQueued()]
