"""Options of an address that is sent to, which `clew record` and `clew send` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.collect.send import Target


def add_target(group: argparse._ArgumentGroup, *, required: bool) -> None:
    """--to, --token-file, --tls-ca and --wait."""
    group.add_argument("--to", metavar="HOST:PORT", required=required, help="a `clew collect` that gathers")
    group.add_argument("--token-file", metavar="FILE", help="holds the secret that the collector asks for")
    group.add_argument("--tls-ca", metavar="FILE", help="PEM: talk TLS, with a certificate that this one vouches for")
    group.add_argument(
        "--wait",
        default="20s",
        metavar="TIME",
        help="when all is recorded, give up if nothing was taken for so long (default: 20s)",
    )


def target_of(args: argparse.Namespace) -> Target:
    """What the options name; raises ClewError."""
    from clew.collect.protocol import parse_address, read_file, read_token
    from clew.collect.send import Target

    host, port = parse_address(args.to)
    return Target(host, port, read_token(args.token_file), read_file(args.tls_ca, "--tls-ca") if args.tls_ca else None)


def words_of(args: argparse.Namespace) -> list[str]:
    """The same options as words of a command line; the secret itself is none of them."""
    named = (("--token-file", args.token_file), ("--tls-ca", args.tls_ca))
    return [word for name, value in named if value for word in (name, value)]
