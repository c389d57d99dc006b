"""unbound.py - zones signed by a test, and an unbound on loopback that validates them

Job:      write a zone, sign it with ldns-signzone, spoil what a test wants spoilt; run unbound in
          the foreground with the zones' keys as trust anchors, ask it, end it by its process id.
Not here: a server that lies by itself (dns_server.py), tests.

Debian's packages unbound and ldnsutils are used as they are: nothing outside the test's directory
is read or written, nothing beyond loopback is asked, no root is needed. unbound serves the zones to
itself (auth-zone, for-upstream), so one process is the name server and the validating resolver.
"""
import os
import signal
import socket
import struct
import subprocess
import time

from .dns_server import TYPES, encode_name, read_question

UNBOUND, SIGN, KEYGEN = "/usr/sbin/unbound", "/usr/bin/ldns-signzone", "/usr/bin/ldns-keygen"
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3

SERVER = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{place}"
  pidfile: ""
  use-syslog: no
  logfile: "{place}/unbound.log"
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  do-ip6: no
  local-zone: "test." nodefault
  qname-minimisation: no
  val-log-level: 2
  val-bogus-ttl: 0
  cache-max-negative-ttl: 0
  cache-max-ttl: {longest}
  infra-host-ttl: 1
  minimal-responses: no
remote-control:
  control-enable: no
"""
ZONE = """\
auth-zone:
  name: "{name}"
  zonefile: "{file}"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
"""
ELSEWHERE = """\
stub-zone:
  name: "{name}"
  stub-addr: 127.0.0.1@{port}
"""


def tool(*words, place):
    for _ in range(3):  # a key whose number is taken is refused now and then
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=60,
                              check=False)
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(f"{' '.join(words)}: {done.stderr}")


class Zone:
    """Lines of a zone file below its origin; `signed` with a key of its own."""

    def __init__(self, name, *lines, signed=True, nsec3=False, expired=False, anchor=True):
        self.name, self.lines, self.signed = name.strip("."), list(lines), signed
        self.nsec3, self.expired, self.anchor = nsec3, expired, anchor
        self.key = None
        self.anchored_key = None
        self.spoilt = []   # (name, type): signatures that are made wrong
        self.dropped = []  # (name, type): records that are left out after signing
        self.elsewhere = None  # a port of 127.0.0.1 to ask in place of the file

    def full(self, name):
        name = name.strip(".")
        return self.name if name in ("@", "") else f"{name}.{self.name}"

    def spoil(self, name, kind):
        """Signatures over that name's records of that type do not verify."""
        self.spoilt.append((self.full(name), kind))

    def drop(self, name, kind):
        """As somebody on the way would: the records are gone, the rest stays as signed."""
        self.dropped.append((self.full(name), kind))

    def new_key(self, place):
        made = tool(KEYGEN, "-a", "ECDSAP256SHA256", "-k", self.name, place=place).strip()
        self.key = made
        if self.anchored_key is None:
            with open(os.path.join(place, made + ".key"), encoding="ascii") as file:
                self.anchored_key = file.read().split(";")[0].strip()

    def write(self, place):
        """The path of its file, signed."""
        plain = os.path.join(place, self.name + ".zone")
        with open(plain, "w", encoding="ascii") as file:
            file.write(f"$ORIGIN {self.name}.\n$TTL 1\n"
                       f"@ IN SOA ns root {int(time.time())} 3600 600 86400 1\n"
                       "@ IN NS ns\nns IN A 127.0.0.1\n" + "\n".join(self.lines) + "\n")
        if not self.signed:
            return plain
        if self.key is None:
            self.new_key(place)
        when = ["-i", "20200101", "-e", "20200201"] if self.expired else []
        tool(SIGN, *when, *(["-n", "-s", "abcd"] if self.nsec3 else []), "-f", plain + ".signed",
             plain, self.key, place=place)
        with open(plain + ".signed", encoding="ascii") as file:
            rows = [line for line in file.read().splitlines() if line.strip()]
        with open(plain + ".signed", "w", encoding="ascii") as file:
            file.write("\n".join(row for row in map(self.changed, rows) if row) + "\n")
        return plain + ".signed"

    def changed(self, row):
        """A line of the signed zone as it is served, or None."""
        words = row.split()
        owner, kind = words[0].strip("."), words[3]
        if (owner, kind) in self.dropped or \
                (kind == "RRSIG" and (owner, words[4]) in self.dropped):
            return None
        if kind == "RRSIG" and (owner, words[4]) in self.spoilt:
            text = words[-1]
            return " ".join(words[:-1]) + " " + ("A" if text[0] != "A" else "B") + text[1:]
        return row


def free_port():
    """Free for datagrams and for TCP."""
    with socket.socket() as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(one.getsockname())
        return one.getsockname()[1]


class Unbound:
    """Started by start(), ended by stop()."""

    def __init__(self, place, *zones, longest_s=1):
        for program in (UNBOUND, SIGN, KEYGEN):
            if not os.access(program, os.X_OK):
                raise AssertionError(f"{program} is missing: apt-get install unbound ldnsutils")
        self.place, self.zones, self.longest_s = place, list(zones), longest_s
        self.process = None
        self.port = free_port()

    def write(self):
        text = SERVER.format(port=self.port, place=self.place, longest=self.longest_s)
        anchors = ""
        for zone in self.zones:
            if zone.elsewhere is not None:
                text += ELSEWHERE.format(name=zone.name, port=zone.elsewhere)
            else:
                text += ZONE.format(name=zone.name, file=zone.write(self.place))
            if zone.signed and zone.key is None:
                zone.new_key(self.place)
            if zone.signed and zone.anchor:
                anchors += f'server:\n  trust-anchor: "{zone.anchored_key}"\n'
        with open(os.path.join(self.place, "unbound.conf"), "w", encoding="ascii") as file:
            file.write(text + anchors)

    def start(self):
        os.makedirs(self.place, exist_ok=True)
        self.write()
        self.process = subprocess.Popen(
            [UNBOUND, "-d", "-c", os.path.join(self.place, "unbound.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.await_answer()
        return self

    def await_answer(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                self.ask("here.localhost", "A", seconds=0.2)
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"unbound does not answer:\n{self.log()}")

    def reload(self):
        """Zones as they are now; nothing remembered."""
        self.write()
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        self.await_answer()

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process = None

    def log(self):
        try:
            with open(os.path.join(self.place, "unbound.log"), encoding="utf-8") as file:
                return file.read()[-3000:]
        except FileNotFoundError:
            return "(no log)"

    def ask(self, name, kind, seconds=5):
        """(code, is it authentic, records in the answer)"""
        query = struct.pack("!HHHHHH", 4711, 0x0120, 1, 0, 0, 0) + encode_name(name) + \
            struct.pack("!HH", TYPES[kind], 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(seconds)
            one.connect(("127.0.0.1", self.port))
            one.send(query)
            answer = one.recv(4096)
        if read_question(answer)[:2] != read_question(query)[:2]:
            raise AssertionError(f"not an answer: {answer!r}")
        flags, _, count = struct.unpack("!HHH", answer[2:8])
        return flags & 15, bool(flags & 0x20), count
