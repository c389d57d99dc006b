"""lint_text.py - rules that are read from the text of the sources

Job:      who may include whom, where #if may stand, how long functions and files may be.
Not here: symbols of the objects (lint_objects.py), clang-tidy and the rest (lint.py).

Each rule takes the root of a tree and yields findings: (rule, path, line, message).
"""
import os
import re

# A room may include itself, config/profile.h and what stands here. Rooms below never call up.
ROOMS = {
    "pinpost.h": {"port.h", "intake", "delivery", "queue", "config", "base"},
    "relay": {"pinpost.h", "port.h", "intake", "delivery", "queue", "wire", "store", "message",
              "config", "base"},
    "intake": {"port.h", "queue", "wire", "message", "config", "base"},
    "delivery": {"port.h", "queue", "wire", "message", "config", "base"},
    "queue": {"store", "config", "base"},
    "message": {"config", "base"},
    "wire": {"port.h", "store", "config", "base"},
    "store": {"port.h", "base"},
    "config": {"base"},
    "base": set(),
    "port": {"port.h", "pinpost.h", "message", "config", "base"},
    "look": {"port.h", "pinpost.h", "port", "queue", "store", "config", "base"},
    "boards": {"port.h", "pinpost.h", "port"},
    "port.h": set(),
    "options": {"base", "wire"},
}

# Headers of others: which files may see them, by themselves or through a header of ours.
STRANGERS = [
    (r"(mbedtls|psa)/", r"src/wire/tls[a-z_]*\.[ch]|src/wire/pin\.c|src/base/crypto\.c"),
    (r"(lwip|netif)/", r"port/lwip/.*|boards/.*"),
    (r"uthash\.h", r"src/base/table\.[ch]"),
    (r"(ini|jsmn)\.h", r"port/posix/.*"),
]

# What portable C11 without an OS has; time.h for struct tm, which mbedTLS wants filled in.
PORTABLE = {"assert.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
            "string.h"}
PORTABLE_BUT = {"time.h": r"src/wire/tls[a-z_]*\.c"}

CONDITIONALS = r"config/.*|port/.*|boards/.*|src/wire/tls\.c"
FUNCTION_LINES = 70
FILE_LINES = 500

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def sources(root, folders=("src", "port", "boards", "config")):
    """Paths of our C files below root, relative to it, sorted."""
    found = []
    for folder in folders:
        for place, _, names in os.walk(os.path.join(root, folder)):
            found += [os.path.relpath(os.path.join(place, n), root)
                      for n in names if n.endswith((".c", ".h"))]
    return sorted(found)


def lines_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read().split("\n")


def includes(root, path):
    """(line, name) of each include."""
    for number, line in enumerate(lines_of(root, path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[2]


def room_of(path):
    parts = path.split("/")
    if path in ("src/pinpost.h", "port/port.h"):
        return parts[1]
    # `pinpost store` looks into an image, behind the public API and without a relay.
    if re.match(r"port/posix/(cmd_)?store", path):
        return "look"
    if parts[0] == "src":
        stem = re.match(r"[a-z]+", parts[1])[0]
        return parts[1] if len(parts) > 2 else stem
    return "options" if parts[0] == "config" else parts[0]


def resolve(root, path, name):
    """The file of ours that `name` means inside `path`, or None."""
    for folder in (os.path.dirname(path), "src", "port", "config"):
        candidate = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_rooms(root):
    for path in sources(root):
        room = room_of(path)
        for number, name in includes(root, path):
            target = resolve(root, path, name)
            if target is None:
                continue
            other = room_of(target)
            if other == room or target.startswith("config/profile"):
                continue
            if room not in ROOMS:
                yield "rooms", path, number, f"{room} is no room of the design"
            elif other not in ROOMS[room]:
                yield "rooms", path, number, f"{room} may not include {name} ({other})"


def check_strangers(root):
    """Visibility of other people's headers, through our headers too."""
    paths = sources(root)
    direct = {p: list(includes(root, p)) for p in paths}

    def seen(path, visited):
        if path in visited:
            return
        visited.add(path)
        for number, name in direct.get(path, ()):
            target = resolve(root, path, name)
            if target:
                yield from ((number, inner) for _, inner in seen(target, visited))
            else:
                yield number, name

    for path in paths:
        for number, name in seen(path, set()):
            for pattern, allowed in STRANGERS:
                if re.match(pattern, name) and not re.fullmatch(allowed, path):
                    yield "strangers", path, number, f"{name} may be seen by {allowed} only"


def check_portable(root):
    for path in sources(root, ("src",)) + [p for p in ("port/port.h",) if
                                           os.path.isfile(os.path.join(root, p))]:
        for number, name in includes(root, path):
            stranger = any(re.match(pattern, name) for pattern, _ in STRANGERS)
            if stranger or name in PORTABLE or resolve(root, path, name):
                continue
            if not re.fullmatch(PORTABLE_BUT.get(name, "-"), path):
                yield "portable", path, number, f"{name}: no header of ours or of every machine's"


def check_conditionals(root):
    """#if stands in config/, port/, boards/ and wire/tls.c; elsewhere only header guards."""
    for path in sources(root):
        if re.fullmatch(CONDITIONALS, path):
            continue
        lines = lines_of(root, path)
        for number, line in enumerate(lines, 1):
            if not re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else)\b", line):
                continue
            guard = re.match(r"#ifndef (PP_[A-Z0-9_]+_H)$", line)
            if guard and path.endswith(".h") and lines[number] == f"#define {guard[1]}":
                continue
            yield "conditionals", path, number, "#if belongs in config/, port/, boards/ or wire/tls.c"


def check_lengths(root):
    """Functions are read from clang-format's layout: they open and close in column 0."""
    for path in sources(root):
        start = None
        lines = lines_of(root, path)
        if len(lines) - 1 > FILE_LINES:
            yield "lengths", path, FILE_LINES, f"{len(lines) - 1} lines; {FILE_LINES} at the most"
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start + 1 > FUNCTION_LINES:
                    yield ("lengths", path, start, f"a function of {number - start + 1} lines; "
                                                   f"{FUNCTION_LINES} at the most")
                start = None


def check_heads(root):
    """Each file of ours opens with a comment that names it and says its job."""
    for path in sources(root, ("src", "port", "boards")):
        opening = "\n".join(lines_of(root, path)[:3])
        if not re.match(r"/\*\n? ?\*? ?%s - \S" % re.escape(os.path.basename(path)), opening):
            yield "heads", path, 1, f"opens with: /* {os.path.basename(path)} - what it is for"


RULES = {
    "rooms": check_rooms,
    "strangers": check_strangers,
    "portable": check_portable,
    "conditionals": check_conditionals,
    "lengths": check_lengths,
    "heads": check_heads,
}
