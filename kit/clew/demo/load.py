"""The customers: a fixed number of requests in a fixed order, from a few threads, and a count of what came back."""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
from collections import Counter

# weight, path with {n} for a random number of 1..2000, seconds that the customer waits
MIX = [
    (30, "/products?page={n}", 5.0),
    (30, "/product?id={n}", 5.0),
    (12, "/order?id={n}", 5.0),
    (8, "/search?q=c0ffee", 5.0),
    (6, "/cart?id={n}", 5.0),
    (5, "/logo.svg", 5.0),
    (3, "/product?id=99{n}", 5.0),  # 404 from the application
    (2, "/favicon.ico", 5.0),  # 404 from the front end
    (2, "/discount", 5.0),  # 500: its SQL statement fails
    (1, "/report", 5.0),  # slow
    (1, "/report", 0.1),  # slow, and the customer does not wait
]


def customer(port: int, paths: list[tuple[str, float]], seen: Counter[str], rush: threading.Event, early: bool) -> None:
    """Send the requests of one customer over one connection, opened again where it broke; count the outcomes.

    Who is early begins at once, and after a third of the requests lets the others in: the rush of the day.
    """
    if not early:
        rush.wait()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number, (path, patience) in enumerate(paths):
        if 3 * number >= len(paths):
            rush.set()
        connection.timeout = patience
        if connection.sock:
            connection.sock.settimeout(patience)
        try:
            connection.request("POST" if path.startswith("/order") else "GET", path)
            reply = connection.getresponse()
            reply.read()
            seen[str(reply.status)] += 1
        except TimeoutError:
            seen["gave up"] += 1
            connection.close()
        except (OSError, http.client.HTTPException):
            seen["broken connection"] += 1
            connection.close()
    rush.set()
    connection.close()


def requests(number: int, seed: int = 7) -> list[tuple[str, float]]:
    """The same `number` requests for the same seed: path, and seconds to wait for it."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    chosen = dice.choices(MIX, weights=[weight for weight, _, _ in MIX], k=number)
    return [(path.format(n=dice.randint(1, 2000)), patience) for _, path, patience in chosen]


def main() -> None:
    """Print a JSON object outcome -> requests. argv: port, requests, customers."""
    port, number, customers = (int(argument) for argument in sys.argv[1:4])
    paths = requests(number)
    seen = [Counter[str]() for _ in range(customers)]
    rush = threading.Event()
    threads = [
        threading.Thread(target=customer, args=(port, paths[i::customers], seen[i], rush, 2 * i < customers))
        for i in range(customers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(dict(sorted(sum(seen, Counter[str]()).items()))))


if __name__ == "__main__":
    main()
