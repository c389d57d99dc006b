"""trace.py - what a daemon asked of the kernel, and the disk that a power cut would leave

Job:      reads the output of strace with all data (see COMMAND): programs, erases and syncs of the
          store, what was said to whom; builds the image that is there after a cut at any place.
Not here: what has to be true of such an image (the tests).

A disk keeps what was synced. Of what was written since, any part may have arrived, in any order,
sector by sector: image() chooses by a seed.
"""
import os
import random
import re

# -D: the daemon is our child, strace its shadow. Nothing is cut short: -s is above any buffer. Who
# looks for leaks is a tracer too, and there can be one alone.
COMMAND = ["strace", "-D", "-q", "-y", "-xx", "-s", "300000", "-e", "signal=none",
           "-E", f"ASAN_OPTIONS={os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0", "-e",
           "trace=pwrite64,fallocate,fdatasync,fsync,write,writev,sendto,sendmsg,unlinkat"]
SECTOR = 512
CALL = re.compile(r"^(\w+)\((?:\d+|AT_FDCWD)(?:<([^>]*)>)?(.*)\) += (-?\d+)")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


class Event:
    """kind: program, erase, sync, say or unlink; where: the path of the file; at, data: what."""

    __slots__ = ("kind", "where", "at", "data")

    def __init__(self, kind, where, at=0, data=b""):
        self.kind, self.where, self.at, self.data = kind, where, at, data


def strings(text):
    found = STRING.findall(text)
    if any(cut for _, cut in found):
        raise AssertionError("strace cut a string short")
    return [bytes.fromhex(hexes.replace("\\x", "")) for hexes, _ in found]


def path_of(text):
    """strace -xx writes paths in hex too."""
    if text and "\\x" in text:
        return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "replace")
    return text or ""


def program_or_erase(name, where, rest, result):
    if name == "pwrite64":
        at = int(rest.rsplit(",", 1)[1])
        return Event("program", where, at, strings(rest)[0][:result])
    if "ZERO_RANGE" not in rest:
        return None
    at, length = (int(n) for n in rest.rsplit(",", 2)[1:])
    return Event("erase", where, at, bytes(length))


def parse_line(line, store):
    """An event, or None for what does not matter here."""
    match = CALL.match(line)
    if not match:
        raise AssertionError(f"not understood: {line[:200]}")
    name, where, rest, result = match.groups()
    where, result = path_of(where), int(result)
    if result < 0:
        return None
    if name in ("pwrite64", "fallocate"):
        return program_or_erase(name, where, rest, result) if where == store else None
    if name in ("fdatasync", "fsync"):
        return Event("sync", where) if where == store else None
    if name == "unlinkat":
        return Event("unlink", strings(rest)[0].decode())
    return Event("say", where, 0, b"".join(strings(rest))[:result])


def is_finished(path):
    """strace outlives what it traces by a moment."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 200))
        return b"+++ exited" in file.read()


def parse(path, store):
    """All events of a finished trace, in order. `store` is the path of the queue."""
    with open(path, encoding="ascii") as file:
        found = [parse_line(line, store) for line in file if not line.startswith("+++")]
    return [event for event in found if event is not None]


def put(image, event):
    image[event.at:event.at + len(event.data)] = event.data


def arrive(image, event, source):
    """Part of an event that was not synced: all, nothing, or some of its sectors."""
    fate = source.random()
    if fate < 0.3:
        return
    if fate < 0.6:
        put(image, event)
        return
    at, end = event.at, event.at + len(event.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        if source.random() < 0.5:
            image[at:until] = event.data[at - event.at:until - event.at]
        at = until


class Disk:
    """Images of a store after cuts, at places that only go forward."""

    def __init__(self, events, start):
        self.events = events
        self.durable = bytearray(start)
        self.place = 0   # all events before it were looked at
        self.waiting = []  # programs and erases that no sync has covered yet

    def image(self, place, seed):
        """The disk when the power goes right before event number `place`."""
        for event in self.events[self.place:place]:
            if event.kind in ("program", "erase"):
                self.waiting.append(event)
            elif event.kind == "sync":
                for waited in self.waiting:
                    put(self.durable, waited)
                self.waiting = []
        self.place = place
        left, source = bytearray(self.durable), random.Random(seed)
        for event in self.waiting:
            arrive(left, event, source)
        return bytes(left)
