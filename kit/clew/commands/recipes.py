"""List bpftrace recipes, or show the text of one.

A recipe is a bpftrace script with parameters. `clew record --engine bpftrace --recipe NAME` runs it. What is shown with
--set (or has no parameter that must be given) runs under bpftrace as it stands; an edited copy runs with --script FILE.

examples:
  clew recipes
  clew recipes show call-histogram
  clew recipes show call-histogram --set call=close --set tid=4711 > mine.bt
  clew record --engine bpftrace --recipe calls-by-process -o case -- make
"""

from __future__ import annotations

import argparse

from clew.commands import _options
from clew.recipes import names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew recipes``."""
    parser.add_argument("action", nargs="?", choices=("list", "show"), default="list", help="list (default) or show")
    parser.add_argument("name", nargs="?", choices=_options.Offered(names()), metavar="NAME", help="the recipe to show")
    parser.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="show the script with this value in place of a parameter"
    )
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list, or one text."""
    import pyarrow as pa

    from clew import recipes
    from clew.commands._output import show
    from clew.errors import ClewError
    from clew.questions.answer import Answer

    if args.action == "show":
        if args.name is None:
            raise ClewError("which recipe? clew recipes show NAME")
        recipe = recipes.get(args.name)
        text = recipe.text if args.set is None else recipe.bind(recipes.parse_values(args.set)).text
        print(text, end="")
        return 0
    if args.name is not None or args.set:
        raise ClewError("`clew recipes show NAME` shows one recipe")
    rows = [
        {
            "name": recipe.name,
            "title": recipe.title,
            "parameters": ", ".join(f"{param.name}={param.default or ''}" for param in recipe.params),
        }
        for recipe in recipes.library().values()
    ]
    return show(Answer(pa.Table.from_pylist(rows), "", "recipes"), args)
