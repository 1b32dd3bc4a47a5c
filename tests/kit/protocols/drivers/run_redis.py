"""Redis and its clients: redis-benchmark, redis-cli, redis-py with transactions, scripts and a subscriber."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import redis
from common import free_port, listens, run, serving


def use_library(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol) as link:
        for number in range(20):
            link.set(f"user:{number}", "x" * (number * 100))
            assert link.get(f"user:{number}") is not None
        assert link.get("nobody") is None
        with link.pipeline(transaction=True) as pipe:
            pipe.watch("user:1")
            pipe.multi()
            pipe.incr(f"visits{protocol}").expire("user:2", 100)
            pipe.execute()
        try:
            link.lpush("user:1", "x")
        except redis.ResponseError:
            pass
        else:
            raise SystemExit("no error")
        link.eval("return redis.call('GET', KEYS[1])", 1, "user:3")
        link.rpush("list", *range(2000))
        assert len(link.lrange("list", 0, -1)) >= 2000
        with link.pubsub() as listener:
            listener.subscribe("news", "more")
            for _ in range(2):
                listener.get_message(timeout=5)
            for number in range(5):
                link.publish("news", f"item {number}")
            said = [listener.get_message(timeout=5) for _ in range(5)]
            assert all(one and one["type"] == "message" for one in said)


def main(folder: Path) -> None:
    port = free_port()
    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with serving(server, folder / "log", lambda: listens(port)):
        run("redis-benchmark", "-p", str(port), "-n", "500", "-c", "5", "-t", "set,get,incr,lpush", "-q")
        run("redis-benchmark", "-p", str(port), "-n", "320", "-c", "2", "-P", "16", "-t", "get,ping", "-q")
        run("redis-cli", "-p", str(port), said="MULTI\nINCR a\nEXEC\nDISCARD\nSET a b\n")
        for protocol in (2, 3):
            use_library(port, protocol)
        with redis.Redis(port=port) as link:
            stats = link.info("commandstats")
        print(json.dumps({name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()}))


main(Path(sys.argv[1]))
