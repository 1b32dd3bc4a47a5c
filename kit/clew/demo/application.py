"""The second tier: the shop's application server, threads that talk HTTP to the front and SQL to PostgreSQL."""

from __future__ import annotations

import json
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from clew.demo.serving import Handler, Server

Reply = tuple[int, object]
Parameters = dict[str, list[str]]

CONNECTIONS = 4  # to PostgreSQL, shared by all threads: under load they wait for one another here
RECOMMENDATIONS = ("127.0.0.1", 9)  # a service that is down, as one of them always is


class Shop:
    """The pages, each a function of (database connection, query parameters) -> (HTTP status, what to say)."""

    def __init__(self, dsn: str) -> None:
        self.pool: queue.Queue[psycopg.Connection[Any]] = queue.Queue()
        for _ in range(CONNECTIONS):
            self.pool.put(psycopg.connect(dsn, autocommit=True, prepare_threshold=None))
        self.pages: dict[str, Callable[[psycopg.Connection[Any], Parameters], Reply]] = {
            "/products": self.products,
            "/product": self.product,
            "/cart": self.cart,
            "/order": self.order,
            "/search": self.search,
            "/report": self.report,
            "/discount": self.discount,
        }

    def answer(self, path: str, parameters: Parameters) -> Reply:
        """Run the page of `path` on a connection of the pool; a failing statement is a 500, not the end."""
        page = self.pages.get(path)
        if page is None:
            return 404, "no such page"
        connection = self.pool.get()
        try:
            return page(connection, parameters)
        except psycopg.Error as error:
            return 500, f"{type(error).__name__}: {error.diag.message_primary}"
        finally:
            self.pool.put(connection)

    def products(self, database: psycopg.Connection[Any], parameters: Parameters) -> Reply:
        """A page of twenty products: one statement."""
        page = int(parameters.get("page", ["0"])[0])
        rows = database.execute("SELECT id, name, price_cents FROM product ORDER BY id LIMIT 20 OFFSET %s", [page * 20])
        return 200, rows.fetchall()

    def product(self, database: psycopg.Connection[Any], parameters: Parameters) -> Reply:
        """One product, with what others bought, if the service that knows answers (it does not)."""
        row = database.execute("SELECT * FROM product WHERE id = %s", [int(parameters["id"][0])]).fetchone()
        if row is None:
            return 404, "no such product"
        try:
            with socket.socket() as service:
                service.connect(RECOMMENDATIONS)
        except OSError as error:
            return 200, [row, f"no recommendations: {error.strerror}"]
        return 200, [row]

    def cart(self, database: psycopg.Connection[Any], parameters: Parameters) -> Reply:
        """Thirty products, one statement for each: the mistake known as N + 1."""
        first = int(parameters["id"][0])
        total = 0
        for number in range(first, first + 30):
            row = database.execute("SELECT price_cents FROM product WHERE id = %s", [number]).fetchone()
            total += row[0] if row else 0
        return 200, {"total_cents": total}

    def order(self, database: psycopg.Connection[Any], parameters: Parameters) -> Reply:
        """Buy one: a transaction, so the database waits for its disk before it answers."""
        number = int(parameters["id"][0])
        with database.transaction():
            database.execute("UPDATE product SET stock = stock - 1 WHERE id = %s", [number])
            database.execute("INSERT INTO purchase (product_id) VALUES (%s)", [number])
        return 201, "bought"

    def search(self, database: psycopg.Connection[Any], parameters: Parameters) -> Reply:
        """Reviews that contain a word, by reading them all."""
        pattern = f"%{parameters['q'][0]}%"
        rows = database.execute("SELECT product_id, stars FROM review WHERE words LIKE %s LIMIT 50", [pattern])
        return 200, rows.fetchall()

    def report(self, database: psycopg.Connection[Any], _parameters: Parameters) -> Reply:
        """The slow one: what the manager looks at, during opening hours."""
        rows = database.execute(
            "SELECT stars, count(*), avg(length(words)), (SELECT 1 FROM pg_sleep(0.3))"
            " FROM review GROUP BY stars ORDER BY stars"
        )
        return 200, [[str(value) for value in row] for row in rows]

    def discount(self, database: psycopg.Connection[Any], _parameters: Parameters) -> Reply:
        """Fails always: the column was renamed and this page was forgotten."""
        return 200, database.execute("SELECT discount_percent FROM product").fetchall()


class Page(Handler):
    """One connection from the front end, one thread."""

    shop: Shop

    def answer(self) -> tuple[int, bytes, bool]:
        """JSON. The search sends its header early, to look fast: its body then waits for the front end's late ACK."""
        address = urlsplit(self.path)
        status, said = self.shop.answer(address.path, parse_qs(address.query))
        return status, json.dumps(said).encode(), address.path == "/search"


def main() -> None:
    """Serve on a free port of 127.0.0.1, print it, end on SIGTERM. argv: dsn."""
    Page.shop = Shop(sys.argv[1])
    server = Server(("127.0.0.1", 0), Page)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
