#!/usr/bin/env python3
"""apt_sources.py SUITE [ETC [CODENAME]] - deb-src lines for another Debian release from this machine's mirror

Job:      reads /etc/apt (one-line .list and deb822 .sources), finds where Debian's main and
          security archives come from, with their Signed-By, and prints deb-src lines for SUITE.
Not here: fetching and checking signatures (apt does both; see setup.sh).
Follows:  sources.list(5)
"""
import glob
import os
import re
import sys

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def one_line_entries(text):
    """Yields (types, uris, suites, components, signed_by) of a .list file."""
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        match = re.match(r"(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$", line)
        if match:
            options = dict(o.split("=", 1) for o in (match[2] or "").split() if "=" in o)
            yield [match[1]], [match[3]], [match[4]], match[5].split(), options.get("signed-by", "")


def deb822_entries(text):
    """Yields the same of a .sources file: stanzas of `Field: value`."""
    text = "\n".join(l for l in text.splitlines() if not l.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        fields, name = {}, None
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        yield (fields.get("types", "").split(), fields.get("uris", "").split(),
               fields.get("suites", "").split(), fields.get("components", "").split(),
               fields.get("signed-by", ""))


def entries(etc):
    """Every entry of the machine, in apt's order."""
    for path in [f"{etc}/sources.list"] + sorted(glob.glob(f"{etc}/sources.list.d/*")):
        reader = deb822_entries if path.endswith(".sources") else one_line_entries
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield from reader(file.read())


def archives(etc, codename):
    """{"": (uri, key), "-updates": ..., "-security": ...}: the first http(s) entry of each."""
    found = {}
    for _, uris, suites, components, signed_by in entries(etc):
        web = [u for u in uris if u.startswith(("http://", "https://"))]
        for suite in suites if web and "main" in components else []:
            match = re.match(r"(%s|stable|oldstable)(-updates|-security|/updates)?$" % codename, suite)
            if match:
                found.setdefault(match[2] or "", (web[0], signed_by))
    return found


def key_option(signed_by):
    """Signed-By as an option: keyring files as they are, none as none (apt's trusted keys).

    A fingerprint or a key set inline speaks of this release's key; the next one's is in
    Debian's keyring.
    """
    names = [n for n in re.split(r"[\s,]+", signed_by) if n.startswith("/")]
    return "[signed-by=%s] " % (",".join(names) or KEYRING) if signed_by else ""


def machine_codename(path="/etc/os-release"):
    with open(path, encoding="utf-8") as file:
        match = re.search(r'^VERSION_CODENAME="?([a-z]+)', file.read(), re.M)
    return match[1] if match else "bookworm"


def main():
    suite = sys.argv[1]
    etc = sys.argv[2] if len(sys.argv) > 2 else "/etc/apt"
    found = archives(etc, sys.argv[3] if len(sys.argv) > 3 else machine_codename())
    if "" not in found:
        sys.exit(f"set-up: error: no http(s) mirror of Debian in {etc}/sources.list or {etc}/sources.list.d")
    for part in ("", "-updates", "-security"):
        if part in found:
            uri, signed_by = found[part]
            print(f"deb-src {key_option(signed_by)}{uri} {suite}{part} main")


if __name__ == "__main__":
    main()
