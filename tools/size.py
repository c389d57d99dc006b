#!/usr/bin/env python3
"""size.py BUILD - what the linked program costs: RAM by owner, code by room

Job:      reads the linker's map of BUILD/pinpost, which says what each object contributed after
          unused functions were dropped, and prints two tables.
Not here: stack (see -fstack-usage), heap (there is none of ours), shared libraries.
"""
import collections
import re
import sys

POOL_BYTES = 256  # smaller objects are summed up in one line a file

# ` .bss.name  0xADDRESS  0xSIZE  object`, where a long name stands on a line of its own.
CONTRIBUTION = re.compile(
    r"^ (\.?[A-Za-z_][\w.$-]*)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+\.[oa](?:\([^)]*\))?)$", re.M)
KINDS = [
    ("constants", r"\.rodata|\.data\.rel\.ro|\.eh_frame|\.gcc_except"),
    ("code", r"\.text|\.init|\.fini|\.plt"),
    ("data", r"\.data|\.tm_clone|\.init_array|\.fini_array"),
    ("bss", r"\.bss|COMMON"),
]


def contributions(path):
    """(kind, section, bytes, object) of all that was linked in."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read().split("Linker script and memory map", 1)[1]
    for match in CONTRIBUTION.finditer(text):
        for kind, pattern in KINDS:
            if re.match(pattern, match[1]):
                yield kind, match[1], int(match[2], 16), match[3]
                break


def owner(build, name):
    """(group, file) that an object belongs to; our groups are the rooms."""
    match = re.match(re.escape(build) + r"/obj/(.*)\.o$", name)
    if match:
        path = match[1] + ".c"
        parts = path.split("/")
        if parts[0] == "src":
            return (parts[1] if len(parts) > 2 else "relay, configuration"), path
        return "/".join(parts[:-1]), path
    for part, group in (("mbedtls", "mbedTLS"), ("inih", "inih")):
        if name.startswith(f"{build}/{part}/"):
            return group, ""
    return "C run-time", ""


def table(title, heads, rows):
    print(f"\n{title}")
    print("  " + "".join(f"{h:>12}" for h in heads))
    for name, numbers in rows:
        print(f"  {''.join(f'{n:>12,}' for n in numbers)}  {name}")


def print_ram(found):
    """Static memory: rooms, and in them each pool."""
    rooms, pools = collections.Counter(), collections.defaultdict(collections.Counter)
    for kind, section, size, group, path in found:
        if kind in ("data", "bss") and size:
            name = section.split(".", 2)[2] if section.count(".") >= 2 else ""
            rooms[group] += size
            label = re.sub(r"\.\d+$", "", name) if name and size >= POOL_BYTES else "(small objects)"
            pools[group][f"{path}: {label}" if path else label] += size
    rows = []
    for group, size in rooms.most_common():
        rows.append((group, (size,)))
        rows += [(f"    {name}", (bytes_,)) for name, bytes_ in pools[group].most_common()
                 if group not in ("C run-time",)]
    rows.append(("all", (sum(rooms.values()),)))
    table("RAM, static (bytes)", ("RAM",), rows)


def print_flash(found):
    """Code and constants: rooms, and in them each file."""
    rooms = collections.defaultdict(collections.Counter)
    files = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    for kind, _, size, group, path in found:
        if kind in ("code", "constants", "data"):
            rooms[group][kind] += size
            files[group][path][kind] += size
    kinds = ("code", "constants", "data")
    rows = []
    for group, sizes in sorted(rooms.items(), key=lambda r: -sum(r[1].values())):
        rows.append((group, [sizes[k] for k in kinds]))
        rows += [(f"    {path}", [s[k] for k in kinds])
                 for path, s in sorted(files[group].items()) if path]
    ours = [g for g in rooms if g not in ("mbedTLS", "inih", "C run-time")]
    rows.append(("ours", [sum(rooms[g][k] for g in ours) for k in kinds]))
    rows.append(("all", [sum(r[k] for r in rooms.values()) for k in kinds]))
    table("Flash: code, constants, initial values of data (bytes)", kinds, rows)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/host"
    found = [(kind, section, size, *owner(build, name))
             for kind, section, size, name in contributions(f"{build}/pinpost.map")]
    print_ram(found)
    print_flash(found)


if __name__ == "__main__":
    main()
