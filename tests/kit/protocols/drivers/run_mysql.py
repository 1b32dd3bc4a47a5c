"""MariaDB and its clients: the command-line programs over TCP and a unix socket, and its C library's statements."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from common import certificate, free_port, run, serving

_ANY, _TEXT, _UINT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong


def use_library(port: int) -> None:
    """Prepared statements (the binary protocol), with parameters and without, and prepared and executed in one go."""
    library = ctypes.CDLL("libmariadb.so.3")
    for name, result, arguments in (
        ("mysql_init", _ANY, [_ANY]),
        ("mysql_real_connect", _ANY, [_ANY, _TEXT, _TEXT, _TEXT, _TEXT, ctypes.c_uint, _TEXT, _UINT]),
        ("mysql_stmt_init", _ANY, [_ANY]),
        ("mysql_stmt_prepare", ctypes.c_int, [_ANY, _TEXT, _UINT]),
        ("mariadb_stmt_execute_direct", ctypes.c_int, [_ANY, _TEXT, ctypes.c_size_t]),
        ("mysql_stmt_execute", ctypes.c_int, [_ANY]),
        ("mysql_stmt_store_result", ctypes.c_int, [_ANY]),
        ("mysql_stmt_free_result", ctypes.c_byte, [_ANY]),
        ("mysql_stmt_close", ctypes.c_byte, [_ANY]),
        ("mysql_close", None, [_ANY]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    link = library.mysql_init(None)
    assert library.mysql_real_connect(link, b"127.0.0.1", b"root", b"", b"shop", port, None, 0)
    for sql in (
        b"SELECT i, s FROM t WHERE i < 700",
        b"UPDATE t SET s = 'z' WHERE i = 3",
        b"SELECT i FROM t WHERE i < 0",
    ):
        statement = library.mysql_stmt_init(link)
        assert library.mysql_stmt_prepare(statement, sql, len(sql)) == 0
        for _ in range(10):
            assert library.mysql_stmt_execute(statement) == 0
            library.mysql_stmt_store_result(statement)
            library.mysql_stmt_free_result(statement)
        library.mysql_stmt_close(statement)
    statement = library.mysql_stmt_init(link)
    direct = b"DELETE FROM t WHERE i = 600"
    assert library.mariadb_stmt_execute_direct(statement, direct, len(direct)) == 0
    library.mysql_stmt_close(statement)
    library.mysql_close(link)


def main(folder: Path) -> None:
    data, port, socket = folder / "data", free_port(), folder / "s"
    data.mkdir()
    fixed = ["--no-defaults", f"--datadir={data}"]
    run("mariadb-install-db", *fixed, "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db")
    log = f"--general-log-file={folder / 'general'}"
    server = ["mariadbd", *fixed, f"--socket={socket}", f"--port={port}", "--bind-address=127.0.0.1", "--user=root"]
    server += ["--general-log=1", log, "--local-infile=1", f"--pid-file={folder / 'pid'}", "--innodb-fast-shutdown=2"]
    certificate(folder)
    server += [f"--ssl-cert={folder / 'server.crt'}", f"--ssl-key={folder / 'server.key'}"]
    near = ["--no-defaults", "-u", "root", "-S", str(socket)]
    far = ["--no-defaults", "-u", "root", "-h", "127.0.0.1", "-P", str(port), "--skip-ssl"]
    with serving(server, folder / "log", lambda: "alive" in run("mariadb-admin", *near, "ping", may_fail=True)):
        run(
            *("mariadb", *far, "-e"),
            "CREATE DATABASE shop; USE shop; CREATE TABLE t (i int PRIMARY KEY, s varchar(200)) ENGINE=InnoDB;"
            "INSERT INTO t VALUES (1, 'a'), (2, 'b'); BEGIN; UPDATE t SET s = 'x' WHERE i = 1; ROLLBACK;"
            "SELECT * FROM t WHERE i IN (1, 2, 3)",
        )
        rows = folder / "rows"
        rows.write_text("".join(f"{number}\tsome text that is a bit longer\n" for number in range(10, 3000)))
        load = f"LOAD DATA LOCAL INFILE '{rows}' INTO TABLE t; SELECT * FROM t; SELECT nope FROM t"
        run("mariadb", *far, "--local-infile=1", "shop", "-e", load, may_fail=True)
        procedure = "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END//\n"
        said = f"DELIMITER //\n{procedure}DELIMITER ;\nCALL p();\nSELECT count(*) FROM t;\n"
        run("mariadb", *far, "shop", said=said)
        run("mariadb-dump", *near, "shop")
        use_library(port)
        print(run("mariadb", *near, "-N", "-e", "SHOW GLOBAL STATUS LIKE 'Com_stmt%'"))
        run("mariadb", *far, "--compress", "shop", "-e", "SELECT count(*) FROM t")
        tls = [*far[:-1], "--ssl", "--ssl-verify-server-cert=0"]
        for _ in range(3):
            run("mariadb", *tls, "-e", "SELECT 'over TLS' AS tls; SELECT nothing", may_fail=True)
        run("mariadb-admin", *near, "shutdown")


main(Path(sys.argv[1]))
