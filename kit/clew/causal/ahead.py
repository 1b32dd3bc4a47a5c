"""Parts one after the other, on two processors: the next is read, and the one before kept, while one is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Read = TypeVar("Read")
Found = TypeVar("Found")


def one_ahead(parts: Iterable[Part], read: Callable[[Part], Read], find: Callable[[Read], Found]) -> Iterator[Found]:
    """``find(read(part))`` of each part, in order.

    ``read`` and whoever takes the results run in this thread, so that they may use one connection; ``find`` in another.
    Who lets go of a result before asking for the next has two parts in memory, and what is made of them.
    """
    begun: list[Future[Found]] = []
    with ThreadPoolExecutor(1) as finder:
        for part in parts:
            begun.append(finder.submit(find, read(part)))
            if len(begun) > 1:
                yield begun.pop(0).result()
        if begun:
            yield begun.pop().result()
