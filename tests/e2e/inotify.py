# SPDX-License-Identifier: Apache-2.0
"""inotify, as monitors use it: watches, and the events until a marker."""
import collections
import os
import select
import struct
import time

from shell import FACTOR
from uvr import libc

ACCESS, MODIFY, ATTRIB, CLOSE_WRITE = 1, 2, 4, 8
CLOSE_NOWRITE, OPEN, MOVED_TO, CREATE, DELETE = 0x10, 0x20, 0x80, 0x100, 0x200
DELETE_SELF, OVERFLOW, IGNORED = 0x400, 0x4000, 0x8000
CHANGES = MODIFY | CLOSE_WRITE | CREATE | DELETE | MOVED_TO | ATTRIB

Event = collections.namedtuple("Event", "path mask")


class Watcher:
    def __init__(self):
        self.fd = libc.inotify_init1(0x80000)
        assert self.fd >= 0
        self.paths = {}
        self.unseen = []        # read, but after what was waited for

    def add(self, path, mask=CHANGES):
        wd = libc.inotify_add_watch(self.fd, os.fsencode(path), mask)
        assert wd >= 0, path
        self.paths[wd] = str(path)
        return self

    def read(self, seconds=10):
        """What comes next; [] when nothing does."""
        events, self.unseen = self.unseen, []
        if events:
            return events
        if not select.select([self.fd], [], [], seconds)[0]:
            return []
        data = os.read(self.fd, 1 << 16)
        while data:
            wd, mask, _, size = struct.unpack_from("iIII", data)
            name = data[16:16 + size].rstrip(b"\0").decode()
            path = self.paths.get(wd, "?")
            events.append(Event(f"{path}/{name}" if name else path, mask))
            data = data[16 + size:]
        return events

    def until(self, path, mask, seconds=10):
        """All events up to and with the first such one."""
        seen, end = [], time.monotonic() + seconds * FACTOR
        while time.monotonic() < end:
            events = self.read(0.1)
            while events:
                event = events.pop(0)
                seen.append(event)
                if event.path == str(path) and event.mask & mask:
                    self.unseen = events
                    return seen
        raise AssertionError(f"no event {mask:#x} at {path}, only {seen}")

    def close(self):
        os.close(self.fd)


def kinds(events, path):
    """All that happened at one path, together."""
    mask = 0
    for event in events:
        if event.path == str(path):
            mask |= event.mask
    return mask
