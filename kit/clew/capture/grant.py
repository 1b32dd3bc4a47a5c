"""Let another user's programs reach an arena: recording that goes on where a server drops root and execs."""

from __future__ import annotations

import os
import pwd
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from clew.errors import ClewError

_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_READ_WRITE, _SEARCH = 6, 1


def user_ids(names: Sequence[str]) -> list[int]:
    """The uids of users given by name or number; ClewError for one that is not there."""
    found = set()
    for name in names:
        try:
            found.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise ClewError(f"--user {name:.40}: there is no such user") from None
    return sorted(found)


def grant(arena: Path, library: Path, users: Sequence[int]) -> Path:
    """Give `users` (uids) the arena file, its directory and a copy of the library; returns the copy's path.

    By POSIX access control lists, so that nobody else gains anything: acl(5); the attribute's layout is that of
    linux/posix_acl_xattr.h. Raises ClewError where the file system has none or does not run programs.
    """
    directory = arena.parent
    if os.statvfs(directory).f_flag & os.ST_NOEXEC:
        raise ClewError(f"--user: {directory} is mounted noexec, the library cannot be put there", exit_code=1)
    copy = directory / "libclew.so"
    shutil.copyfile(library, copy)
    copy.chmod(0o444)
    _set_list(arena, 6, _READ_WRITE, users)
    _set_list(directory, 7, _SEARCH, users)
    return copy


def _set_list(path: Path, owner: int, others: int, users: Sequence[int]) -> None:
    entries = [(_USER_OBJ, owner, _NO_ID), *((_USER, others, uid) for uid in users)]
    entries += [(_GROUP_OBJ, 0, _NO_ID), (_MASK, others, _NO_ID), (_OTHER, 0, _NO_ID)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", packed)
    except OSError as error:
        raise ClewError(f"--user: {path} takes no access control list: {error.strerror}", exit_code=1) from None
