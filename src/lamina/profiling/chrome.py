"""A profile as a file of the Trace Event Format, which Perfetto and Chrome show."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from lamina.files import replace_file
from lamina.profiling.recorder import Event, Recorder


def write(found: Recorder, start: int, path: str | Path) -> None:
    """Write the events of a recorder, in microseconds from ``start``."""
    replace_file("chrome_trace", path, json.dumps(trace(found, start), indent=None).encode())


def trace(found: Recorder, start: int) -> dict[str, Any]:
    """Return what the file holds.

    Notes
    -----
    The form is described by Google's "Trace Event Format": metadata events (``M``) name process and thread, complete
    events (``X``) have a beginning and a duration. Events of one thread lie inside one another by their times.
    """
    place = {"pid": os.getpid(), "tid": threading.get_native_id()}
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", **place, "args": {"name": "lamina"}},
        {"name": "thread_name", "ph": "M", **place, "args": {"name": threading.current_thread().name}},
    ]
    # Those around others first, as viewers want them where times are equal.
    ordered = sorted(found.events, key=lambda each: (each.start, -each.end))
    events += [{**_event(each, start), **place} for each in ordered]
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"events left out": found.dropped}}


def _event(event: Event, start: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    layer = event.place.label
    if event.name is not None and layer:
        arguments["layer"] = layer
    if event.shapes:
        *operands, result = [str(list(each)) for each in event.shapes]
        arguments["shapes"] = f"{', '.join(operands)} -> {result}"
    if event.bytes is not None:
        arguments["bytes"] = event.bytes
    if event.flops is not None:
        arguments["flops"] = event.flops
    return {
        "name": layer if event.name is None else event.name,
        "cat": event.category,
        "ph": "X",
        "ts": (event.start - start) / 1000,
        "dur": (event.end - event.start) / 1000,
        "args": arguments,
    }
