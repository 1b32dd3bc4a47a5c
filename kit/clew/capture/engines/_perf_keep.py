"""What must be kept at once when perf has ended: names of the kernel, and of code that was compiled as it ran."""

from __future__ import annotations

from pathlib import Path

from clew.capture.engines import Target

_MAPS = Path("/tmp")  # noqa: S108 -- where compilers write them: tools/perf/Documentation/jit-interface.txt of Linux


def keep(folder: Path, target: Target, began: float, *, kernel: bool) -> list[str]:
    """Copy /proc/kallsyms (if there is a sample in the ``kernel``) and perf-PID.map files into symbols/ of ``folder``.

    Maps of ``target``, of processes that live, and those written since ``began`` (s, wall clock). Returns what people
    should know.
    """
    from clew.symbols.keep import FOLDER, keep_kernel, keep_maps

    why = keep_kernel(folder / FOLDER) if kernel else None
    keep_maps(folder / FOLDER, {*target.pids, *_others(began)})
    return [f"functions of the kernel have no names: {why}"] if why else []


def _others(began: float) -> set[int]:
    found = set()
    for path in _MAPS.glob("perf-*.map"):
        number = path.stem.removeprefix("perf-")
        if number.isdecimal() and (Path(f"/proc/{number}").is_dir() or _written(path) >= began):
            found.add(int(number))
    return found


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
