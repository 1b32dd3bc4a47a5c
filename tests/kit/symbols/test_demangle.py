"""Names for people, against c++filt (whose -p is how perf spells C++) for all of some large libraries."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path

import pyarrow
import pytest

from clew.symbols.demangle import LONGEST, demangle

TAGS = r"(?:[iu](?:8|16|32|64|128|size)|bool|char)"


def libraries() -> list[Path]:
    """C++ that is on every machine that runs these tests."""
    said = subprocess.run(["g++", "-print-file-name=libstdc++.so.6"], check=True, capture_output=True, text=True)
    return [Path(said.stdout.strip()), *Path(pyarrow.__file__).parent.glob("libarrow.so.*")]


def test_names_of_large_libraries_are_spelled_as_by_perf() -> None:
    names = set()
    for path in libraries():
        said = subprocess.run(["nm", "-D", path], check=True, capture_output=True, text=True).stdout
        names |= {line.split()[-1].partition("@")[0] for line in said.splitlines() if line.strip()}
    mangled = sorted(name for name in names if name.startswith("_Z"))[::5]
    assert len(mangled) > 3000
    shown = subprocess.run(["c++filt", "-p"], input="\n".join(mangled), check=True, capture_output=True, text=True)
    differ = [
        (name, found, wanted)
        for name, wanted in zip(mangled, shown.stdout.split("\n"), strict=False)
        # c++filt writes standard streams and strings out in full, perf does not
        if (found := demangle(name.encode())) != wanted and not re.search(r"S[iods]", name)
    ]
    differ = [row for row in differ if "basic_" not in row[2]]
    assert not differ


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZNSo3putEc", "std::ostream::put"),
        ("_ZZ3fooiENKUliE_clEi", "foo(int)::{lambda(int)#1}::operator()"),
        ("_ZL3foov.constprop.0", "foo"),
        ("_ZNK1A1fEv", "A::f"),
        ("_ZThn8_N1B1fEv", "non-virtual thunk to B::f()"),
        ("_ZN1AcvKiEv", "A::operator int const"),
        ("_Z3fooB5cxx11v", "foo[abi:cxx11]"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        ("_ZN4core3fmt9Formatter3pad17h0000000000000000E", "core::fmt::Formatter::pad::h0000000000000000"),
        ("_ZN30_$LT$$RF$T$u20$as$u20$a..B$GT$3fmt17h0123456789abcdefE.llvm.7", "<&T as a::B>::fmt"),
        ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
        ("_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_", "mycrate::main::{closure#0}"),
        ("_RINvCs1_7mycrate3fooTlhEKj5_E", "mycrate::foo::<(i32, u8), 5>"),
        ("_RNvMs_Cs1_1aINtB4_1SRShDG_INtB4_1FRL0_eEp1OmEL_E1f", "<a::S<&[u8], dyn for<'a> a::F<&'a str, O = u32>>>::f"),
        ("_RNvCs1_1au8gdel_5qa", "a::gödel"),
        ("main", "main"),
        ("f", "f"),  # a type for some demanglers
        ("_Z", "_Z"),
        ("_R", "_R"),
        ("_ZN", "_ZN"),
    ],
)  # fmt: skip
def test_names_one_by_one(mangled: str, name: str) -> None:
    assert demangle(mangled.encode()) == name


def doubling(levels: int) -> bytes:
    """A name of so many levels, each of which says the one before twice: 2 ** levels times as long for people."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    parts = []
    for level in range(levels):
        number = (digits[level // 36] if level > 35 else "") + digits[level % 36]
        parts.append(f"S_IS{number}_S{number}_E")
    return b"_Z1fISt4pairIiiE" + "".join(parts).encode() + b"Evv"


def test_names_that_are_hostile_stay_small_and_are_text() -> None:
    names = [
        *(b"_Z" + b"N" * n for n in (1, 100, LONGEST - 2, LONGEST, 10 * LONGEST)),
        *(b"_RINv" * n for n in (1, 100, 5000)),
        *(b"_RNvC1a" + b"B" * n + b"_" for n in (1, 50, 3000)),
        b"_RMC1a" + b"TB2_" * 200,
        *(b"_Z" + part * 800 for part in (b"Z1fvE", b"N1aI", b"LN", b"Ul", b"9", b"L_Z")),
        b"\xff\xfe\n;(name)",
        b"_Z\xff",
        *map(doubling, (11, 13, 40)),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in names:
        shown = demangle(name)
        assert len(shown) <= max(1 << 20, len(name) * 4)
        shown.encode()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    wanted = subprocess.run(["c++filt", "-p", doubling(3).decode()], check=True, capture_output=True, text=True).stdout
    assert demangle(doubling(3)) == wanted.strip() != doubling(3).decode()


def test_long_names_of_honest_programs_are_read_in_full() -> None:
    again = "".join("N1aE" if n == 0 else "S_" for n in range(40))
    mangled = f"_ZN1b1cIJ{again}EE1dEv"
    wanted = subprocess.run(["c++filt", "-p", mangled], check=True, capture_output=True, text=True).stdout.strip()
    assert demangle(mangled.encode()) == wanted != mangled
