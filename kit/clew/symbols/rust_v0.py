"""Names that rustc mangles by its v0 scheme (Rust RFC 2603), as paths with generic arguments, without hashes."""

from __future__ import annotations

import re

LONGEST = 1 << 14  # characters of a name for people
_DEEPEST = 200
_NAME = re.compile(r"_?_R([A-Z][A-Za-z0-9_]*)(?:\..*)?")
_BASIC = {
    "a": "i8",
    "b": "bool",
    "c": "char",
    "d": "f64",
    "e": "str",
    "f": "f32",
    "h": "u8",
    "i": "isize",
    "j": "usize",
    "l": "i32",
    "m": "u32",
    "n": "i128",
    "o": "u128",
    "p": "_",
    "s": "i16",
    "t": "u16",
    "u": "()",
    "v": "...",
    "x": "i64",
    "y": "u64",
    "z": "!",
}
_SPECIAL = {"C": "closure", "S": "shim"}
_SIGNED, _UNSIGNED = "aslxni", "htmyoj"


def v0(name: bytes) -> str | None:
    """The path that a v0 name stands for; None if it is none, or too long or deep to print."""
    try:
        found = _NAME.fullmatch(name.decode("ascii"))
        if found is None:
            return None
        reader = _Reader(found[1])
        reader.path(in_value=True)
        if reader.at < len(reader.text):  # the crate that asked for this copy of a generic function
            reader.silent += 1
            reader.path(in_value=False)
        return "".join(reader.out) if reader.at == len(reader.text) else None
    except (ValueError, IndexError, RecursionError):
        return None


class _Reader:
    """Reads ``text`` from ``at`` on and writes to ``out``; anything that is not of the grammar is a ValueError."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.silent, self.depth = text, 0, 0, 0
        self.out: list[str] = []
        self.length, self.bound = 0, 0

    def write(self, text: str) -> None:
        if not self.silent:
            self.out.append(text)
            self.length += len(text)
            if self.length > LONGEST:
                raise ValueError("too long")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def eat(self, char: str) -> bool:
        found = self.peek() == char
        self.at += found
        return found

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("too deep")

    def number62(self) -> int:
        """``_`` is 0, digits and ``_`` one more than they say."""
        if self.eat("_"):
            return 0
        value = 0
        while (char := self.take()) != "_":
            digit = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".index(char)
            value = value * 62 + digit
            if value > 2**64:
                raise ValueError("too large")
        return value + 1

    def tagged(self, tag: str) -> int:
        return self.number62() + 1 if self.eat(tag) else 0

    def identifier(self) -> str:
        """Without its disambiguator."""
        is_unicode = self.eat("u")
        digits = self.take()
        if not digits.isdigit():
            raise ValueError("no length")
        while digits != "0" and self.peek().isdigit():
            digits += self.take()
        self.eat("_")
        end = self.at + int(digits)
        name = self.text[self.at : end]
        if len(name) != int(digits):
            raise ValueError("cut")
        self.at = end
        if not is_unicode:
            return name
        basic, mark, rest = name.rpartition("_")
        return f"{basic}{'-' if mark else ''}{rest}".encode().decode("punycode")

    def back(self) -> int | None:
        """Where a back reference leads; None where nothing is to be printed, since what is there was read before."""
        here = self.at - 1
        target = self.number62()
        if target >= here:
            raise ValueError("forward")
        return None if self.silent else target

    def path(self, in_value: bool) -> None:
        self.deeper()
        tag = self.take()
        if tag == "C":
            self.tagged("s")
            self.write(self.identifier())
        elif tag == "N":
            self._nested(in_value)
        elif tag in "MXY":
            if tag != "Y":  # where the implementation stands does not matter
                self.tagged("s")
                self.silent += 1
                self.path(in_value)
                self.silent -= 1
            self.write("<")
            self.type()
            if tag != "M":
                self.write(" as ")
                self.path(in_value=False)
            self.write(">")
        elif tag == "I":
            self.path(in_value)
            self.write("::<" if in_value else "<")
            self._list(self.argument)
            self.write(">")
        elif tag == "B":
            self._again(lambda: self.path(in_value))
        else:
            raise ValueError("no path")
        self.depth -= 1

    def _nested(self, in_value: bool) -> None:
        space = self.take()
        if not space.isalpha():
            raise ValueError("no namespace")
        self.path(in_value)
        number = self.tagged("s")
        name = self.identifier()
        if space.isupper():
            self.write("::{" + _SPECIAL.get(space, space) + (":" + name if name else "") + f"#{number}" + "}")
        elif name:
            self.write("::" + name)

    def _again(self, read: object) -> None:
        target = self.back()
        if target is not None:
            after, self.at = self.at, target
            read()  # type: ignore[operator]
            self.at = after

    def _list(self, read: object, between: str = ", ") -> int:
        """What stands until E; returns how many there were."""
        count = 0
        while not self.eat("E"):
            if count:
                self.write(between)
            read()  # type: ignore[operator]
            count += 1
        return count

    def argument(self) -> None:
        if self.eat("L"):
            self.lifetime(self.number62())
        elif self.eat("K"):
            self.constant()
        else:
            self.type()

    def lifetime(self, number: int) -> None:
        if number == 0:
            self.write("'_")
            return
        depth = self.bound - number
        if depth < 0:
            raise ValueError("not bound")
        self.write("'" + chr(ord("a") + depth) if depth < 26 else f"'_{depth}")

    def binder(self) -> int:
        """Lifetimes that are bound here; the caller gives their number back."""
        count = self.tagged("G")
        if count > 1000:
            raise ValueError("too many")
        if count:
            self.write("for<")
            for number in range(count):
                self.bound += 1
                self.write(", " if number else "")
                self.lifetime(1)
            self.write("> ")
        return count

    def type(self) -> None:
        self.deeper()
        tag = self.take()
        if tag in _BASIC:
            self.write(_BASIC[tag])
        elif tag in "RQ":
            self.write("&")
            if self.eat("L") and (number := self.number62()):
                self.lifetime(number)
                self.write(" ")
            self.write("mut " if tag == "Q" else "")
            self.type()
        elif tag in "PO":
            self.write("*const " if tag == "P" else "*mut ")
            self.type()
        elif tag in "AS":
            self.write("[")
            self.type()
            if tag == "A":
                self.write("; ")
                self.constant()
            self.write("]")
        elif tag == "T":
            self.write("(")
            self.write(",)" if self._list(self.type) == 1 else ")")
        elif tag == "F":
            self._function()
        elif tag == "D":
            self._dynamic()
        elif tag == "B":
            self._again(self.type)
        else:
            self.at -= 1
            self.path(in_value=False)
        self.depth -= 1

    def _function(self) -> None:
        bound = self.binder()
        self.write("unsafe " if self.eat("U") else "")
        if self.eat("K"):
            abi = "C" if self.eat("C") else self.identifier().replace("_", "-")
            self.write(f'extern "{abi}" ')
        self.write("fn(")
        self._list(self.type)
        self.write(")")
        if not self.eat("u"):
            self.write(" -> ")
            self.type()
        self.bound -= bound

    def _dynamic(self) -> None:
        self.write("dyn ")
        bound = self.binder()
        self._list(self._trait, " + ")
        self.bound -= bound
        if not self.eat("L"):
            raise ValueError("no lifetime")
        if number := self.number62():
            self.write(" + ")
            self.lifetime(number)

    def _trait(self) -> None:
        is_open = self._open_path()
        while self.eat("p"):
            self.write(", " if is_open else "<")
            is_open = True
            self.write(self.identifier() + " = ")
            self.type()
        self.write(">" if is_open else "")

    def _open_path(self) -> bool:
        """A path whose generic arguments, where it has some, go on: whether they do."""
        found = False
        if self.eat("B"):
            target = self.back()
            if target is not None:
                after, self.at = self.at, target
                found = self._open_path()
                self.at = after
        elif self.eat("I"):
            self.path(in_value=False)
            self.write("<")
            self._list(self.argument)
            found = True
        else:
            self.path(in_value=False)
        return found

    def constant(self) -> None:
        self.deeper()
        tag = self.take()
        if tag == "B":
            self._again(self.constant)
        elif tag == "p":
            self.write("_")
        elif tag in _SIGNED or tag in _UNSIGNED or tag in "bc":
            sign = "-" if tag in _SIGNED and self.eat("n") else ""
            end = self.text.index("_", self.at)
            digits = self.text[self.at : end]
            self.at = end + 1
            if not re.fullmatch(r"[0-9a-f]*", digits):
                raise ValueError("no number")
            value = int(digits or "0", 16)
            if tag == "b":
                self.write(("false", "true")[value])
            elif tag == "c":
                self.write(repr(chr(value)))
            else:
                self.write(sign + (str(value) if value < 2**64 else f"0x{digits}"))
        else:
            raise ValueError("no constant")
        self.depth -= 1
