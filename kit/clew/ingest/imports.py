"""Brings recorded files into a case: copied into its raw folder, then ingested like what was recorded there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clew.capture.meta import META, Meta, captures
from clew.capture.place import make_place, make_private
from clew.errors import ClewError
from clew.ingest import tables
from clew.ingest.profiles import hand_over, reader_of
from clew.ingest.run import update
from clew.ingest.sniff import Format, is_segment, sniff
from clew.store import DATABASE, FileStore


def import_files(case: Path, sources: Sequence[Path], *, infer_parents: bool = False) -> int:
    """Import every one of ``sources`` into ``case`` (made if it does not exist); returns the number of new events.

    Segment files that are named one by one become one capture. ``infer_parents``: of spans, whatever parents they tell
    of their own (see causal/imported.py). Raises ClewError, with nothing changed, if one of them
    is nothing that clew reads.
    """
    kinds = [sniff(source) for source in sources]
    adders: list[Callable[[Path], None]] = []
    for source, kind in zip(sources, kinds, strict=True):
        if kind is Format.TABLES:
            adders += [_tables_adder(source, number) for number in tables.captures_in(source)]
        elif kind is Format.PROFILE:
            adders.append(_profile_adder(source, infer_parents))
        elif kind is not Format.SEGMENT:
            folders = captures(source) if kind is Format.CASE else [source]
            adders += [_capture_adder(folder) for folder in folders]
    if loose := [source for source, kind in zip(sources, kinds, strict=True) if kind is Format.SEGMENT]:
        adders.append(lambda folder: _copy_segments(loose, folder))
    if not adders:
        raise ClewError("nothing to import: the case holds no capture")
    for add in adders:
        place = make_place(case)
        try:
            add(place.directory)
        except (ClewError, OSError) as error:
            place.remove()
            if isinstance(error, ClewError):
                raise
            raise ClewError(f"cannot import: {error}", exit_code=1) from None
    return update(FileStore.at(case / DATABASE), case.resolve())


def _tables_adder(source: Path, number: int) -> Callable[[Path], None]:
    return lambda folder: tables.split(source, number, folder)


def _capture_adder(source: Path) -> Callable[[Path], None]:
    if tables.is_tables(source):
        return _tables_adder(source, int(source.name))
    return lambda folder: _copy_segments(sorted(file for file in source.iterdir() if is_segment(file)), folder)


def _profile_adder(source: Path, infer_parents: bool) -> Callable[[Path], None]:
    """Reads ``source`` before it is copied: what is broken or empty is said at once, and nothing is made of it."""

    def add(folder: Path) -> None:
        reader = reader_of(source)
        if reader is None:
            raise ClewError(f"{source} has changed while it was read")
        profile = reader.read(source)
        if infer_parents and "imported_span" not in profile.tables:
            raise ClewError(f"{source} holds no spans whose parents could be inferred")
        copy = folder / source.name.lstrip(".")
        if source.is_dir():
            shutil.copytree(source, copy, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, copy)
        make_private(copy)
        now = time.monotonic_ns()
        options = {"format": reader.FORMAT} | ({"infer_parents": True} if infer_parents else {})
        Meta("profile", [], "unknown", "imported", now, "", options, now).write(folder)
        hand_over(copy, profile)

    return add


def _copy_segments(segments: Sequence[Path], folder: Path) -> None:
    """Copy ``segments`` in their order, and what their own meta.json says of them if there is one."""
    for number, segment in enumerate(segments, 1):
        copy = folder / f"seg-{number:06d}.clew"
        shutil.copyfile(segment, copy)
        make_private(copy)
    beside = segments[0].parent
    known = (beside / META).is_file()
    meta = Meta.read(beside) if known else Meta("import", [], "unknown", "unknown", 0, "")
    meta.arena = meta.recorder_pid = None
    meta.ended_ns = meta.ended_ns or time.monotonic_ns()
    meta.write(folder)
