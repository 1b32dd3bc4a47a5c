"""Samples taken by the block are those that are taken one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from clew.export.collapse_perf import Collapse, Options
from clew.ingest.profiles._text import paragraphs
from clew.ingest.profiles.perf_script import _Script
from clew.native.text import ABSENT, LEAVE, NONE, SKIP, UNKNOWN, Meanings, Text

COMMS = ["swapper", "java", "my app", "a", "#x", " lead", "x:y 1.5", "b 12 3.000000: z", "é"]
EVENTS = ["cycles", "cpu-clock:ppp", "sched:sched_switch", "page-faults"]
SYMBOLS = ["main+0x1f", "f(int, char)+0x2", "[unknown]", "La/B::m", "a->b", "(bad)", "go.(*T).m+0x1", "a;b"]
MODULES = ["/usr/bin/x", "[kernel.kallsyms]", "[unknown]", "inlined", "/tmp/perf-12.map", "/a (deleted)"]


def _head(chance: random.Random) -> str:
    time, pid = chance.randrange(10**9), chance.randrange(1, 9)
    who = chance.choice([f"{pid:5d}", f"{pid}/{pid + 1} [001]"])
    when = chance.choice([*[f"{time / 1000:.6f}:"] * 8, f"{time / 1000:.9f}:", f"{time / 1000:.3f}:", ""])
    period = chance.choice(["", "1 ", "250000 ", "0 ", "99999999999999999 ", f"{time} "])
    after = chance.choice(["", "", " ", " prev=1"])
    return f"{chance.choice(COMMS)} {who} {when} {period}{chance.choice(EVENTS)}:{after}"


def _line(chance: random.Random) -> str:
    odd = chance.choice(["garbage", "\t", _head(chance)])
    address = chance.choice([0x401000, 0xFFFFFFFF81000000]) + chance.randrange(9)
    frame = f"\t{address:16x} {chance.choice(SYMBOLS)} ({chance.choice(MODULES)})"
    return frame if chance.random() < 0.97 else odd


def _text(seed: int) -> bytes:
    chance = random.Random(seed)
    samples = (
        "\n".join([_head(chance), *(_line(chance) for _ in range(chance.randrange(6)))])
        for _ in range(chance.randrange(1, 80))
    )
    return "".join(sample + chance.choice(["\n\n"] * 9 + ["\n", "\n\n\n"]) for sample in samples).encode()


def _tables(script: _Script) -> list[Any]:
    profile = script.profile()
    frames, stacks = profile.frames.to_pylist(), profile.stacks.to_pylist()

    def chain(row: int | None) -> list[Any]:
        return [] if row is None else [*chain(stacks[row]["parent"]), frames[stacks[row]["frame"]]]

    samples = [{**row, "stack": chain(row["stack"])} for row in profile.samples.to_pylist()]
    return [samples, profile.threads.to_pylist(), profile.events, profile.lost, profile.notes]


@pytest.mark.parametrize("seed", range(60))
def test_a_block_is_its_paragraphs(seed: int) -> None:
    text, whole, parts = _text(seed), _Script(), _Script()
    whole.block(text, ended=True)
    for one in paragraphs(text, ended=True):
        parts.paragraph(one, ended=True)
    assert len(whole.time) == len(parts.time)
    if whole.time:
        assert _tables(whole) == _tables(parts)


@pytest.mark.parametrize("options", [Options(), Options(compatible=True), Options(tid=True, event_filter="cycles")])
def test_a_block_is_folded_as_its_paragraphs(options: Options) -> None:
    folded = 0
    for seed in range(60):
        said: list[list[Any]] = [[], []]
        whole, parts = (Collapse(options, found.append) for found in said)
        text = _text(seed)
        whole.block(text)
        for one in paragraphs(text, ended=True):
            parts.paragraph(one, ended=True)
        for each in (whole, parts):
            each.keep()
        lines = list(whole.folded())
        folded += len(lines)
        assert lines == list(parts.folded())
        assert said[0] == said[1]
        assert (whole.strange, whole.kept) == (parts.strange, parts.kept)
    assert folded > 100


def test_rows_lines_and_halves_have_numbers() -> None:
    text = Text(4)
    rows = text.read(
        b"\n\na 1 2.000003: 7 e: \nX\nY\n\nnothing\n\n\nb 1 2.5: e:\n\na 1 10000000000.000000: e:\n"
    ).copy()
    assert rows["time_ns"].tolist()[0] == 2_000_003_000
    assert rows["period"].tolist() == [7, -1, -1, -1]
    assert rows["lines"].tolist() == [2, 0, 0, 0]
    assert rows["after"].tolist() == [1, *[ABSENT] * 3]
    assert (list(text.lines(0)), list(text.halves(0))) == ([b"X", b"Y"], [b"a 1 ", b"e: "])
    rows = text.read(b"c 1 2.000003: f: \nY\nX\n\nd 1 2.000003: g:\nX")
    assert rows["before"].tolist() == [2, ABSENT], "no more halves than asked for"
    meanings = Meanings({b"X": SKIP, b"Y": 5}.__getitem__)
    text.stacks(rows["after"] != ABSENT, meanings.extend(text.lines(0)))
    assert rows["stack"].tolist() == [0, UNKNOWN]
    parent, frame = text.tree()
    assert (parent.tolist(), frame.tolist()) == ([-1], [5])
    assert text.folded(rows["stack"][:1], [b"", b"", b"", b"", b"", b"five"]) == [b"five"]
    assert text.folded(rows["stack"][:1] * 0 + NONE, [b""]) == [b""]
    rows = text.read(b"c 1 2.000003: f: \nY\n")
    text.stacks(rows["lines"] > 0, Meanings(lambda _: LEAVE).extend(text.lines(0)))
    assert rows["stack"].tolist() == [UNKNOWN]
