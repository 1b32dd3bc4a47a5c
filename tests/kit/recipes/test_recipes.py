"""Recipes: what their first comment may say, and that no value gets into a script as anything but a literal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import recipes
from clew.errors import ClewError
from clew.recipes import script
from clew.recipes.values import TYPES

HEAD = "/*\n * title: T\n * answers: What?\n * param p: {}; what it is\n * fills: map_value @: n\n */\n"


def test_every_recipe_says_what_it_is_and_uses_what_it_declares() -> None:
    assert len(recipes.names()) >= 20 and recipes.names() == sorted(recipes.names())
    for name, recipe in recipes.library().items():
        assert recipe.title != name and recipe.answers.endswith(("?", ")")) and recipe.fills, name
        for param in recipe.params:
            assert "{{" + param.name + "}}" in recipe.text and param.help, (name, param)
        assert not re.search(r"\{\{", recipe.bind({p.name: "1" for p in recipe.params if p.default is None}).text)


def test_values_defaults_and_the_process_that_is_recorded() -> None:
    recipe = recipes.get("calls-top")
    assert "interval:s:10" in recipe.bind().text and "print(@calls, 10)" in recipe.bind().text
    bound = recipe.bind({"every": "250ms", "top": 3}, pid=17)
    assert "interval:ms:250" in bound.text and "print(@calls, 3)" in bound.text and "pid == 17" in bound.text
    assert recipe.bind({"pid": 0}, pid=17).values["pid"] == "0"
    assert recipes.get("stacks-of-call").bind({"call": "openat"}).samples == {
        "@stacks": {"event": "openat", "kind": "syscall", "unit": "calls", "op": "openat"}
    }


def test_an_edited_recipe_is_one() -> None:
    recipe = recipes.get("calls-top")
    assert recipe.edit(recipe.text.replace("top: count = 10", "top: count = 3")).defaults()["top"] == "3"
    with pytest.raises(ClewError, match="is no parameter of it"):
        recipe.edit(recipe.text.replace("{{top}}", "{{most}}"))
    plain = recipes.parse("mine", 'BEGIN { printf("{{"); } // {{{')
    assert plain.params == () and plain.bind().text == plain.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD.format("nothing = 3"), "has no type nothing"),
        (HEAD.format("count = 0"), "takes a whole number from 1"),
        (HEAD.format("time = soon"), "takes a time"),
        (HEAD.format("count = 1") + "{{q}}", "{{q}} is no parameter"),
        ("/*\n * title: T\n * colour: red\n */", "cannot read 'colour: red'"),
        ("/*\n * title: T\n * param p: count = 1\n */", "cannot read"),
        ("/*\n * title: T\n * param p: count; a\n * param p: count; b\n */", "there twice"),
    ],
)
def test_a_wrong_comment_is_named(text: str, says: str) -> None:
    with pytest.raises(ClewError, match=re.escape(says)):
        recipes.parse("r", text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[("pid", text) for text in ("-1", "1 || 1", "1;", "\u0661", "99999999999", "", "0x10", "1\n")],
        *[("whole", text) for text in ("1e3", "+1", " 1", "1" * 30)],
        *[("time", text) for text in ("0s", "10", "1d", "-1s", "1s; exit()") if text != "10"],
        *[("name", text) for text in ("a*", "close {", "", "Close", "../x")],
        *[("names", text) for text in ("a b", "*,", "{}", "")],
        *[("comm", text) for text in ("sixteen letters.", "a\0b")],
        *[("text", text) for text in ("x" * 64, "\ud800")],
    ],
)
def test_a_value_of_another_kind_is_refused(kind: str, value: str) -> None:
    assert TYPES[kind](value) is None
    with pytest.raises(ClewError, match="takes"):
        recipes.parse("r", f"/*\n * title: T\n * param p: {kind}; x\n */ {{{{p}}}}").bind({"p": value})


@given(st.text(max_size=15))
def test_text_is_one_literal_whatever_it_holds(value: str) -> None:
    written = TYPES["text"](value)
    data = value.encode("utf-8")
    if 0 in data or len(data) > 63:
        assert written is None
        return
    assert written is not None and re.fullmatch(r'"(?:[ !#-\[\]-~]|\\[0-7]{3})*"', written) and "*/" not in written
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), written[1:-1].encode())
    assert plain == data


def test_maps_of_a_script() -> None:
    text = """
    // @not[a] = count();
    BEGIN { printf("@neither[%d] = sum(1)", 1); @ = 3; print(@calls, 3); }
    probe { @calls[pid, str(args->a[1], 2), comm] = count(); @h[tid] = hist(@begin[tid]); @x++; clear(@h);
            @stacks[@pid[$tid], $tid, @ustack[$tid], kstack(perf, 5)] = sum(1); @s = stats(3); zero(@calls); }"""
    maps = script.maps_of(text)
    assert set(maps) == {"@", "@calls", "@h", "@begin", "@x", "@stacks", "@pid", "@ustack", "@s"}
    assert maps["@calls"] == script.Map(("pid", "str(args->a[1], 2)", "comm"), "count", True)
    assert maps["@h"] == script.Map(("tid",), "hist", True)
    assert maps["@stacks"].keys == ("pid", "tid", "ustack", "kstack(perf, 5)")
    assert maps["@s"].kind == "stats" and maps["@x"] == script.Map() and maps["@"] == script.Map()
    assert script.maps_of("@a[b") == {"@a": script.Map()}


@given(st.text(alphabet='@ab[](){},"/*\\\n= count', max_size=60))
def test_any_text_has_maps_or_none(text: str) -> None:
    assert all(name.startswith("@") for name in script.maps_of(text))
