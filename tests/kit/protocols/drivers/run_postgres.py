"""PostgreSQL and its clients: pgbench in all modes, psql with COPY and errors, psycopg with pipelines, asyncpg."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import asyncpg
import psycopg
from common import free_port, run, serving, unprivileged

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
TRANSACTIONS = 20


def use_psycopg(port: int) -> None:
    with psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="bench", autocommit=True) as link:
        link.execute("CREATE TABLE thing (id int PRIMARY KEY, name text)")
        with link.pipeline():
            for number in range(30):
                link.execute("INSERT INTO thing VALUES (%s, %s)", (number, f"n{number}"))
        with link.cursor() as cursor:
            cursor.executemany("UPDATE thing SET name = %s WHERE id = %s", [(f"m{n}", n) for n in range(30)])
            for number in range(12):  # from the sixth on it is prepared
                cursor.execute("SELECT name FROM thing WHERE id = %s", (number,)).fetchone()
        with link.transaction():
            link.execute("SELECT 1")
            with link.transaction():
                link.execute("SELECT 2")
        with link.cursor().copy("COPY thing FROM STDIN") as copy:
            for number in range(1000, 1500):
                copy.write_row((number, "x" * 40))
        with link.transaction(), link.cursor("named") as cursor:
            assert len(cursor.execute("SELECT * FROM thing").fetchall()) == 530


async def use_asyncpg(port: int) -> None:
    link = await asyncpg.connect(host="127.0.0.1", port=port, user="bench", database="bench", ssl=False)
    for number in range(5):
        assert await link.fetchval("SELECT count(*) FROM thing WHERE id < $1", number) == number
    async with link.transaction():
        await link.executemany("INSERT INTO thing VALUES ($1, $2)", [(2000 + n, "y") for n in range(20)])
    await link.close()


def main(folder: Path) -> None:
    data, port, user = folder / "data", free_port(), unprivileged()
    options = ["-D", data, "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8", "--locale=C"]
    run(*user, BINARIES / "initdb", *options)
    (data / "postgresql.auto.conf").write_text("log_statement = all\nunix_socket_directories = ''\nfsync = off\n")
    link = ["-h", "127.0.0.1", "-p", str(port), "-U", "bench"]

    def ready() -> bool:
        return "accepting" in run(BINARIES / "pg_isready", *link, may_fail=True)

    server = [*user, BINARIES / "postgres", "-D", data, "-p", str(port)]
    with serving(server, folder / "log", ready, signal.SIGINT):
        run(BINARIES / "createdb", *link, "bench")
        run(BINARIES / "pgbench", *link, "-i", "-q", "bench")
        for mode in ("simple", "extended", "prepared"):
            run(BINARIES / "pgbench", *link, "-n", "-t", str(TRANSACTIONS), "-c", "2", "-M", mode, "bench")
        rows = run("psql", *link, "-At", "-c", "SELECT aid, filler FROM pgbench_accounts LIMIT 5000", "bench")
        assert len(rows.splitlines()) == 5000
        run("psql", *link, "-c", "BEGIN", "-c", "SELECT nope", "-c", "ROLLBACK", "bench", may_fail=True)
        run("psql", *link, "-c", "CREATE TABLE c (i int)", "-c", "COPY c FROM STDIN", "bench", said="1\n2\n" * 5000)
        run("psql", *link, "-c", "COPY c TO STDOUT", "bench")
        use_psycopg(port)
        asyncio.run(use_asyncpg(port))


main(Path(sys.argv[1]))
