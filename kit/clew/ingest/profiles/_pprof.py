"""The messages of pprof's profile.proto, declared for the protobuf library; field numbers are the format."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_INT64, _UINT64, _BOOL, _MESSAGE, _STRING = 3, 4, 8, 11, 9
_MESSAGES: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    # name: (number, type or message, repeated)
    "ValueType": {"type": (1, _INT64, False), "unit": (2, _INT64, False)},
    "Label": {
        "key": (1, _INT64, False),
        "str": (2, _INT64, False),
        "num": (3, _INT64, False),
        "num_unit": (4, _INT64, False),
    },
    "Sample": {"location_id": (1, _UINT64, True), "value": (2, _INT64, True), "label": (3, "Label", True)},
    "Mapping": {
        "id": (1, _UINT64, False),
        "memory_start": (2, _UINT64, False),
        "memory_limit": (3, _UINT64, False),
        "file_offset": (4, _UINT64, False),
        "filename": (5, _INT64, False),
        "build_id": (6, _INT64, False),
        "has_functions": (7, _BOOL, False),
        "has_filenames": (8, _BOOL, False),
        "has_line_numbers": (9, _BOOL, False),
        "has_inline_frames": (10, _BOOL, False),
    },
    "Line": {"function_id": (1, _UINT64, False), "line": (2, _INT64, False)},
    "Location": {
        "id": (1, _UINT64, False),
        "mapping_id": (2, _UINT64, False),
        "address": (3, _UINT64, False),
        "line": (4, "Line", True),
    },
    "Function": {
        "id": (1, _UINT64, False),
        "name": (2, _INT64, False),
        "system_name": (3, _INT64, False),
        "filename": (4, _INT64, False),
        "start_line": (5, _INT64, False),
    },
    "Profile": {
        "sample_type": (1, "ValueType", True),
        "sample": (2, "Sample", True),
        "mapping": (3, "Mapping", True),
        "location": (4, "Location", True),
        "function": (5, "Function", True),
        "string_table": (6, _STRING, True),
        "drop_frames": (7, _INT64, False),
        "keep_frames": (8, _INT64, False),
        "time_nanos": (9, _INT64, False),
        "duration_nanos": (10, _INT64, False),
        "period_type": (11, "ValueType", False),
        "period": (12, _INT64, False),
        "comment": (13, _INT64, True),
        "default_sample_type": (14, _INT64, False),
        "doc_url": (15, _INT64, False),
    },
}


@cache
def profile_class() -> Any:
    """The class of the message Profile."""
    file = descriptor_pb2.FileDescriptorProto(name="clew/profile.proto", package="clew.pprof", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                added.type, added.type_name = _MESSAGE, f".clew.pprof.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("clew.pprof.Profile"))
