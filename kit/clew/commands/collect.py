"""Gather what other machines record into one case.

Each `clew record --to HOST:PORT` there becomes a capture here; the case can be looked at while it grows. Where others
than this machine can reach the address, a token is needed: a secret in a file, the same on both sides. With a
certificate all of it is encrypted. Ctrl-C ends it; senders keep what is not acknowledged, and go on when it is back.

examples:
  clew collect --listen 127.0.0.1:4747 -o CASE
  (umask 077; openssl rand -hex 32 > token)
  clew collect --listen 0.0.0.0:4747 -o CASE --token-file token --tls-cert cert.pem --tls-key key.pem
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from clew.errors import ClewError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew collect``."""
    parser.add_argument("--listen", metavar="HOST:PORT", required=True, help="where; port 0: any that is free")
    parser.add_argument("-o", "--output", metavar="CASE", required=True, help="folder of the case")
    parser.add_argument("--token-file", metavar="FILE", help="holds the secret that senders must know")
    parser.add_argument("--tls-cert", metavar="FILE", help="PEM: our certificate, and those that vouch for it")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM: its key")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")


def run(args: argparse.Namespace) -> int:
    """Gather until Ctrl-C or SIGTERM."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before imports start threads: none of them is to get one
    from clew.collect.protocol import is_loopback, parse_address, read_file, read_token
    from clew.collect.server import Collector
    from clew.commands._recording import warn

    host, port = parse_address(args.listen)
    if bool(args.tls_cert) != bool(args.tls_key):
        raise ClewError("--tls-cert and --tls-key: give both or none")
    tls = (read_file(args.tls_cert, "--tls-cert"), read_file(args.tls_key, "--tls-key")) if args.tls_cert else None
    collector = Collector(Path(args.output), host, port, read_token(args.token_file), tls, warn)
    if tls is None and not is_loopback(host):
        warn("without --tls-cert the token and what is recorded can be read on the way")
    print(f"collecting at {args.listen.rpartition(':')[0]}:{collector.outer_port} into {args.output}", flush=True)
    signal.sigwait(ends)
    collector.shutdown()
    refused = sum(collector.log.counts[kind] for kind in ("token", "garbage", "refused", "busy"))
    open_ones = collector.unfinished
    if open_ones:
        names = ", ".join(f"{each.meta.host} ({each.folder.name})" for each in open_ones[:8])
        warn(f"{len(open_ones)} captures are not complete, their machines go on when this is back: {names}")
    if not args.quiet or refused:
        warn(f"{refused} peers or calls were refused -> {args.output}")
    sys.stdout.flush()
    return 0
