"""What has no names, so that several files of one recording can say it once."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = 3


@dataclass(frozen=True)
class Missing:
    """``files``: programs and libraries without symbols; ``makers``: pids that ran code of their own making."""

    files: frozenset[str] = frozenset()
    makers: frozenset[int] = frozenset()

    def __or__(self, other: Missing) -> Missing:
        return Missing(self.files | other.files, self.makers | other.makers)

    def notes(self) -> list[str]:
        """For people; none where nothing is missing."""
        found = []
        if self.files:
            more = f" and {len(self.files) - _SHOWN} more" if len(self.files) > _SHOWN else ""
            names = ", ".join(sorted(self.files)[:_SHOWN])
            found.append(f"no symbols: the files of {names}{more} are gone, or others by now")
        if self.makers:
            count = len(self.makers)
            who = "1 process ran code that it made itself" if count == 1 else f"{count} processes ran code of their own"
            hint = "node --perf-basic-prof, python -X perf, a Java agent"
            found.append(f"{who} and left no perf-PID.map or jit-PID.dump ({hint})")
        return found
