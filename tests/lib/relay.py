"""relay.py - a pinpost daemon in a directory of its own, and its commands

Job:      write pinpost.conf from dictionaries, start and end the program by its process id, read
          its log, run its commands. PINPOST names the program, build/pinpost otherwise.
Not here: what a test wants of it (case.py).
"""
import json
import os
import re
import signal
import subprocess
import threading
import time

from . import ROOT

PROGRAM = os.path.abspath(os.environ.get("PINPOST") or os.path.join(ROOT, "build", "pinpost"))
SLOW = 3 if "asan" in PROGRAM else 1  # sanitizers take their time


class Event(dict):
    """One line of the log: its pairs, and the line itself."""

    line = ""

    @property
    def name(self):
        return self.get("event", "")


def parse_event(line):
    event = Event()
    event.line = line
    for key, quoted, plain in re.findall(r'([a-z][a-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line):
        event.setdefault(key, quoted or plain)
    return event


class Relay:
    """One daemon. Change `conf` before start(), or write() it again and hup()."""

    def __init__(self, directory, port=None, pins=(), **smarthost):
        self.directory = directory
        self.process = None
        self.under = []  # a command that runs the daemon as its child's place: strace -D
        self.events = []
        self.arrived = threading.Condition()
        os.makedirs(directory, exist_ok=True)
        self.hosts("127.0.0.1 mail.example.test smarthost.example localhost")
        self.write_file("resolv.conf", "nameserver 127.0.0.1:1\n")
        self.conf = {
            "identity": {"hostname": "relay.example.test", "domain": "example.test",
                         "from": "relay@example.test", "to": "admin@example.test"},
            "smarthost": {"host": "mail.example.test", "port": port, "tls": None, "policy": None,
                          "pin": list(pins), "user": None, "password": None, **smarthost},
            "tls": {},
            "queue": {"path": self.path("queue"), "size": "8M", "message_limit": None,
                      "retry_first": "300ms", "retry_longest": "1s"},
            "delivery": {},
            "timeouts": {},
            "log": {"level": "debug"},
            "daemon": {"directory": self.path("run"), "drop_directory": self.path("drop"),
                       "resolv_conf": self.path("resolv.conf"), "hosts_file": self.path("hosts")},
        }

    # ---- files ----

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_file(self, name, text, mode=0o644):
        """Written aside and renamed: a daemon never reads half a file."""
        path = self.path(name)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".tmp", mode)
        os.rename(path + ".tmp", path)
        return path

    def hosts(self, *lines):
        self.write_file("hosts", "\n".join(lines) + "\n")

    def text(self):
        lines = []
        for section, keys in self.conf.items():
            lines.append(f"[{section}]")
            for key, value in keys.items():
                for one in value if isinstance(value, list) else [value]:
                    if one is not None:
                        lines.append(f"{key} = {one}")
        return "\n".join(lines) + "\n"

    def write(self, text=None):
        return self.write_file("pinpost.conf", self.text() if text is None else text, 0o600)

    @property
    def socket(self):
        return self.path("run/submit.sock")

    # ---- life ----

    def start(self, wait=True):
        self.write()
        with self.arrived:
            self.events = []
        self.process = subprocess.Popen([*self.under, PROGRAM, "-c",
                                         self.path("pinpost.conf"), "run"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        threading.Thread(target=self._read, args=(self.process.stderr, self.events),
                         daemon=True).start()
        if wait:
            self.wait("ready")
        return self

    def _read(self, stream, events):
        """`events` is that of one life: what a killed daemon still had in the pipe is its own."""
        with stream, open(self.path("log"), "ab") as log:
            for line in stream:
                log.write(line)
                log.flush()
                with self.arrived:
                    events.append(parse_event(line.decode("utf-8", "replace").rstrip()))
                    self.arrived.notify_all()
        with self.arrived:
            events.append(Event(event="(end of log)"))
            self.arrived.notify_all()

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """As a power cut to the process."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds=20):
        """SIGTERM; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.terminate()
        return self.process.wait(seconds)

    def end(self):
        """For clean-up: gone afterwards whatever it takes."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()

    def restart(self):
        self.stop()
        return self.start()

    # ---- log ----

    def mark(self):
        """A place in the log, to wait for what comes after it."""
        with self.arrived:
            return len(self.events)

    def find(self, name, /, since=0, **pairs):
        """Events so far with that name, each pair's value being contained in theirs."""
        with self.arrived:
            return [e for e in self.events[since:] if e.name == name and
                    all(str(v) in e.get(k, "") for k, v in pairs.items())]

    def wait(self, name, /, count=1, seconds=10, since=0, **pairs):
        """The `count`th such event; fails with the log when it does not come in time."""
        seconds *= SLOW
        end = time.monotonic() + seconds
        with self.arrived:
            while True:
                found = self.find(name, since, **pairs)
                if len(found) >= count:
                    return found[count - 1]
                ended = self.events and self.events[-1].name == "(end of log)"
                left = end - time.monotonic()
                if left <= 0 or ended:
                    raise AssertionError(f"no event={name} {pairs or ''} (number {count}) "
                                         f"{'before the end' if ended else f'in {seconds} s'}:\n"
                                         + self.log())
                self.arrived.wait(left)

    def log(self):
        with self.arrived:
            return "\n".join(e.line for e in self.events[-60:])

    # ---- commands ----

    def run(self, *arguments, given=b"", seconds=30, name=None, **more):
        """A command of the program with this relay's configuration; never raises for its status."""
        if not os.path.exists(self.path("pinpost.conf")):
            self.write()
        program = PROGRAM if name is None else os.path.join(self.directory, name)
        if name is not None and not os.path.islink(program):
            os.symlink(PROGRAM, program)
        option = "-C" if name == "sendmail" else "-c"
        given = given.encode() if isinstance(given, str) else given
        # sendmail takes -C anywhere, pinpost takes -c before the command
        return subprocess.run([program, option, self.path("pinpost.conf"), *arguments],
                              input=given, capture_output=True, timeout=seconds * SLOW,
                              check=False, **more)

    def send(self, *arguments, given="something happened\n", **more):
        return self.run("send", *arguments, given=given, **more)

    def sendmail(self, *arguments, given, **more):
        return self.run(*arguments, given=given, name="sendmail", **more)

    def queue(self):
        """`queue list --json`, one dictionary a message."""
        done = self.run("queue", "list", "--json")
        if done.returncode != 0:
            raise AssertionError(f"queue list: {done.returncode} {done.stderr.decode()}")
        return parse_list(done.stdout.decode())

    def status(self):
        done = self.run("status", "--json")
        if done.returncode != 0:
            raise AssertionError(f"status: {done.returncode} {done.stderr.decode()}")
        return json.loads(done.stdout)

    def wait_empty(self, seconds=15):
        end = time.monotonic() + seconds * SLOW
        while (rows := self.queue()):
            if time.monotonic() > end:
                raise AssertionError(f"still in the queue: {rows}\n{self.log()}")
            time.sleep(0.05)


def parse_list(text):
    """An object a line; the last one says that it was all."""
    rows = [json.loads(line) for line in text.splitlines()]
    if not rows or not rows[-1].get("ok"):
        raise AssertionError(f"queue list --json ends without ok: {text[-300:]!r}")
    return rows[:-1]


def queued_id(done):
    """The id that `send` printed."""
    found = re.search(rb"queued as ([0-9A-F]{8})", done.stdout)
    if done.returncode != 0 or not found:
        raise AssertionError(f"not queued: {done.returncode} {done.stdout!r} {done.stderr!r}")
    return found[1].decode()
