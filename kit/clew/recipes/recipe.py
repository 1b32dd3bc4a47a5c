"""A recipe: a bpftrace script whose first comment says what it answers and which parameters it has.

The comment is one block at the head of the file, a line for each thing said::

    /*
     * title: System calls of each process
     * answers: Which process makes how many system calls?
     * param every: time = 10s; how often the counts are printed
     * fills: map_value @calls: keys pid, comm; count of calls
     * sample @stacks: event={{call}} kind=syscall unit=calls op={{call}}
     */

``{{every}}`` in the script stands for the value of the parameter. Values never enter the text as they come: each type
(see ``TYPES``) takes what it can write as a literal of bpftrace's language, and refuses the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from clew.errors import ClewError
from clew.recipes.values import TYPES

_HEAD = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)
_PARAM = re.compile(r"param (\w+): (\w+)(?: = ([^;]*))?; (.+)")
_SAMPLE = re.compile(r"sample (@\w*): (.+)")
_HOLE = re.compile(r"\{\{(\w+)\}\}")
_SAYS = ("event", "kind", "unit", "op")
_LABELS = ("title", "answers")


class Param(NamedTuple):
    """One parameter. ``default`` is text as a user would write it; None: it must be given."""

    name: str
    type: str
    default: str | None
    help: str


class Bound(NamedTuple):
    """A recipe with its values in place: what bpftrace runs, and what its stacks are samples of."""

    name: str
    text: str
    values: dict[str, str]
    samples: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Recipe:
    """One recipe. ``text`` is the whole file; everything else is read from its first comment."""

    name: str
    text: str
    title: str = ""
    answers: str = ""
    fills: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    samples: Mapping[str, str] = field(default_factory=dict)

    def edit(self, text: str) -> Recipe:
        """This recipe with another text; raises ClewError where that is no recipe."""
        return parse(self.name, text)

    def defaults(self) -> dict[str, str]:
        """The values of parameters that need not be given."""
        return {param.name: param.default for param in self.params if param.default is not None}

    def bind(self, values: Mapping[str, Any] | None = None, *, pid: int | None = None) -> Bound:
        """The script with ``values`` by name in place of its parameters, defaults for those not named.

        ``pid`` is the process that is recorded, for a parameter of type pid that was not given. Raises ClewError for
        a parameter that is not there, one that is missing, or a value that its type does not take.
        """
        given = {name: str(value) for name, value in (values or {}).items()}
        for name in given:
            if name not in [param.name for param in self.params]:
                there = ", ".join(param.name for param in self.params) or "none"
                raise ClewError(f"recipe {self.name} has no parameter {name!r:.40}; it has {there}")
        chosen, literals = dict[str, str](), dict[str, str]()
        for param in self.params:
            automatic = str(pid) if pid is not None and param.type == "pid" else None
            value = given.get(param.name, automatic if automatic is not None else param.default)
            if value is None:
                raise ClewError(f"recipe {self.name}: say --set {param.name}=VALUE ({param.help})")
            chosen[param.name] = value
            literals[param.name] = _literal(self.name, param, value)
        plain = {name: text.strip('"') for name, text in literals.items()}
        samples = {name: _samples_of(self.name, _fill(text, plain)) for name, text in self.samples.items()}
        return Bound(self.name, _fill(self.text, literals), chosen, samples)


def parse(name: str, text: str) -> Recipe:
    """The recipe that ``text`` is; a text without such a comment is a script without parameters.

    Raises ClewError where the comment, a parameter or a place for one is wrong.
    """
    recipe, head = Recipe(name, text, title=name), _HEAD.match(text)
    said: dict[str, str] = {}
    fills, params, samples = list[str](), list[Param](), dict[str, str]()
    for line in head[1].splitlines() if head and re.search(r"^[ *]*title: ", head[1], re.MULTILINE) else ():
        words = line.strip().lstrip("*").strip()
        label, _, rest = words.partition(": ")
        if found := _PARAM.fullmatch(words):
            params.append(_checked(name, Param(found[1], found[2], _strip(found[3]), found[4])))
        elif found := _SAMPLE.fullmatch(words):
            samples[found[1]] = found[2]
        elif label in _LABELS:
            said[label] = rest
        elif label == "fills":
            fills.append(rest)
        elif words:
            raise ClewError(f"recipe {name}: cannot read {words!r:.80} in its first comment")
    names = [param.name for param in params]
    for hole in _HOLE.findall(text):
        if hole not in names:
            raise ClewError(f"recipe {name}: {{{{{hole}}}}} is no parameter of it")
    if len(set(names)) < len(names):
        raise ClewError(f"recipe {name}: a parameter is there twice")
    return replace(recipe, **said, fills=tuple(fills), params=tuple(params), samples=samples)


def _strip(text: str | None) -> str | None:
    return None if text is None else text.strip()


def _checked(recipe: str, param: Param) -> Param:
    if param.type not in TYPES:
        raise ClewError(
            f"recipe {recipe}: parameter {param.name} has no type {param.type}; there is {', '.join(TYPES)}"
        )
    if param.default is not None:
        _literal(recipe, param, param.default)
    return param


def _literal(recipe: str, param: Param, value: str) -> str:
    written = TYPES[param.type](value)
    if written is None:
        raise ClewError(f"recipe {recipe}: {param.name} takes {TYPES[param.type].__doc__}, not {value!r:.60}")
    return written


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda found: values[found[1]], text)


def _samples_of(recipe: str, text: str) -> dict[str, str]:
    """``event=close kind=syscall`` as a dict."""
    pairs = dict(word.partition("=")[::2] for word in text.split())
    if wrong := [name for name in pairs if name not in _SAYS]:
        raise ClewError(f"recipe {recipe}: a sample has {', '.join(_SAYS)}, not {wrong[0]!r:.40}")
    return pairs


def parse_values(texts: Iterable[str]) -> dict[str, str]:
    """``["every=5s", "pid=17"]`` as a dict; raises ClewError for one without ``=``."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ClewError(f"--set {text:.40}: write NAME=VALUE")
        values[name.strip()] = value
    return values
