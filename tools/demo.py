#!/usr/bin/env python3
"""demo.py PROGRAM - the main job before your eyes

Job:      in a directory that is gone afterwards, on loopback only: a stand-in smarthost with a
          fresh certificate, its pin learnt with `pinpost pin`, the relay started, an alert sent and
          followed through flash, TLS, pin and login to its delivery; then the promise that what was
          accepted survives SIGKILL while the smarthost is away.
Not here: proof (tests/). Exit status 1, and the step that failed, when anything is not as it
          should be. Bounded in time.
"""
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from smarthost import Options, Smarthost

USER, PASSWORD = "nas@example.org", "correct horse; battery staple"
LIMIT_S = 60
STEP_S = 15

CONFIG = """\
[identity]
hostname = nas.example.org
domain = example.org
from = nas@example.org
from_name = The NAS in the cellar
to = admin@example.org

[smarthost]
host = localhost
port = {port}
policy = fingerprint
{pin}
user = {user}
password = {password}

[queue]
path = {place}/queue
size = 4M
retry_first = 1s
retry_longest = 2s

[daemon]
directory = {place}/run
drop_directory = {place}/drop
"""


class Failed(Exception):
    """A step that did not do what it should; its words are for the reader."""


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n== {text}")


def show(command, place):
    words = [w if w.startswith("-") or w.isalnum() else f"'{w}'" if " " in w else w
             for w in command]
    say("$ pinpost " + " ".join(words[1:]).replace(place, "DIR"))


def indent(text):
    for line in text.rstrip().splitlines():
        say("    " + line.rstrip())


def stamp_s(line):
    """The time that a line of the log begins with, in seconds."""
    try:
        return datetime.datetime.fromisoformat(line.split(" ", 1)[0]).timestamp()
    except ValueError:
        return time.time()


class Daemon:
    """The relay, and its log as it is written."""

    started = []  # processes, to end them whatever happens

    def __init__(self, program, place):
        self.lines, self.arrived, self.ended = [], threading.Condition(), False
        self.process = subprocess.Popen([program, "-c", f"{place}/pinpost.conf", "run"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        encoding="utf-8", errors="replace")
        self.started.append(self.process)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            pairs = re.findall(r'([a-z][a-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)
            event = dict(reversed([(k, a or b) for k, a, b in pairs]))
            with self.arrived:
                self.lines.append((stamp_s(line), line.rstrip(), event))
                self.arrived.notify_all()
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def mark(self):
        """A place in the log, to look at what comes after it."""
        with self.arrived:
            return len(self.lines)

    def find(self, name, mark):
        """(instant, pairs) of the first such event behind a mark, or None."""
        for at_s, _, event in self.lines[mark:]:
            if event.get("event") == name:
                return at_s, event
        return None

    def wait(self, name, mark=0):
        with self.arrived:
            self.arrived.wait_for(lambda: self.ended or self.find(name, mark), STEP_S)
            found = self.find(name, mark)
        if not found:
            raise Failed(f"the relay did not say event={name}; its log:\n"
                         + "\n".join(line for _, line, _ in self.lines[-15:]))
        return found

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def run(program, place, *arguments, given=None, shown=True):
    """One command of pinpost; what it printed."""
    command = [program, *arguments]
    if shown:
        show(command, place)
    if "pin" not in arguments:
        command[1:1] = ["-c", f"{place}/pinpost.conf"]
    done = subprocess.run(command, input=given, capture_output=True, encoding="utf-8",
                          errors="replace", timeout=STEP_S, check=False)
    if done.returncode != 0:
        raise Failed(f"`pinpost {' '.join(arguments)}` ended with status {done.returncode}: "
                     f"{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def make_certificate(place):
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", f"{place}/smarthost.key", "-out", f"{place}/smarthost.pem", "-days",
         "3", "-subj", "/CN=smarthost.example.org", "-addext",
         "subjectAltName=DNS:smarthost.example.org"], capture_output=True, text=True,
        timeout=STEP_S, check=False)
    if done.returncode != 0:
        raise Failed(f"openssl could not make a certificate: {done.stderr.strip()}")


def learn_pin(program, place, port):
    """The configuration's line for the key of the server at `port`."""
    text = run(program, place, "pin", f"localhost:{port}")
    indent(text)
    lines = [line.strip() for line in text.splitlines()
             if re.match(r"\s*pin\s*=\s*key:", line)]
    if not lines:
        raise Failed("`pinpost pin` printed no line `pin = key:...`")
    return lines[0]


# ---- what the log tells ----

STEPS = [
    ("accepted", "accepted", "from {from}"),
    ("durable", "durable in flash", "the sender hears `queued` now, not before"),
    ("connected", "connected", "{address}"),
    ("tls", "TLS", "{version}, {cipher}"),
    ("pin_matched", "pin matched", "{pin}"),
    ("authenticated", "authenticated", "{user}"),
    ("delivered", "delivered", "to {to}, the smarthost said {code}"),
]


def fill(pattern, event):
    return re.sub(r"\{(\w+)\}", lambda m: event.get(m[1], "?"), pattern)


def show_steps(relay, mark, steps=STEPS):
    """Each step with the milliseconds since the first line behind the mark."""
    first_s = None
    for name, words, pattern in steps:
        at_s, event = relay.wait(name, mark)
        first_s = at_s if first_s is None else first_s
        say(f"    {round(1000 * (at_s - first_s)):6} ms  {words:<17} {fill(pattern, event)}")


def show_delivered(host, count):
    if not host.wait(count, STEP_S):
        raise Failed(f"the smarthost has {len(host.mails)} of {count} messages")
    mail = host.mails[count - 1]
    say(f"  What the smarthost got, over {mail.tls}, logged in as {mail.user}:")
    indent(mail.data.decode("utf-8", "replace"))
    return mail


# ---- the two acts ----

def main_job(program, place, host):
    title("An alert goes into flash and out to the smarthost")
    relay = Daemon(program, place)
    relay.wait("ready")
    mark = relay.mark()
    text = "md0: 1 of 4 disks failed (sdc)\nSpare rebuild started.\n.\nGrüße vom NAS\n"
    indent(run(program, place, "send", "-s", "RAID degraded: Gehäuse 2", "-S", "critical",
               given=text))
    show_steps(relay, mark)
    mail = show_delivered(host, 1)
    if mail.user != USER or not mail.tls or mail.recipients != ["admin@example.org"]:
        raise Failed(f"delivered, but not as asked: {mail}")
    return relay


def promise(program, place, host, relay):
    title("The promise: accepted is accepted")
    host.stop()
    say("  The smarthost is down.")
    mark = relay.mark()
    indent(run(program, place, "send", "-s", "Door open", "-S", "warning",
               given="The cellar door is open.\n"))
    relay.wait("durable", mark)
    indent(run(program, place, "queue", "list"))
    relay.process.kill()
    relay.process.wait()
    say("  The relay was killed with SIGKILL.")
    relay = Daemon(program, place)
    _, event = relay.wait("mounted")
    say(f"  The relay runs again; messages in its flash: {event.get('messages', '?')}.")
    host.start()
    say("  The smarthost is up.")
    relay.wait("delivered")
    say("  Since the relay was started again:")
    show_steps(relay, 0, [("mounted", "queue mounted", "{messages} waiting"), *STEPS[2:]])
    mail = show_delivered(host, 2)
    if b"The cellar door is open." not in mail.data:
        raise Failed("the second message is not the one that was accepted")
    indent(run(program, place, "queue", "list"))
    if len(host.mails) != 2 or host.violations:
        raise Failed(f"{len(host.mails)} messages instead of 2; {host.violations}")
    relay.end()


def acts(program, place):
    title("A stand-in smarthost with a fresh certificate; learn its pin")
    make_certificate(place)
    host = Smarthost(Options(certificate=f"{place}/smarthost.pem", key=f"{place}/smarthost.key",
                             users={USER: PASSWORD}, name="smarthost.example.org"))
    host.start()
    try:
        pin = learn_pin(program, place, host.port)
        config = CONFIG.format(port=host.port, pin=pin, user=USER, password=PASSWORD, place=place)
        with open(f"{place}/pinpost.conf", "w", encoding="utf-8",
                  opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(config)
        indent(run(program, place, "check"))
        relay = main_job(program, place, host)
        promise(program, place, host, relay)
    finally:
        host.stop()


def end_all():
    for process in Daemon.started:
        if process.poll() is None:
            process.kill()


def out_of_time(place):
    end_all()
    shutil.rmtree(place, ignore_errors=True)
    say(f"\nFAILED: not done after {LIMIT_S} s")
    os._exit(1)


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        say("usage: demo.py PROGRAM   (build it with make)")
        return 64
    sys.stdout.reconfigure(encoding="utf-8")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pinpost-demo-") as place:
        limit = threading.Timer(LIMIT_S, out_of_time, [place])
        limit.daemon = True
        limit.start()
        try:
            acts(os.path.abspath(sys.argv[1]), place)
        except (Failed, subprocess.TimeoutExpired, OSError) as error:
            say(f"\nFAILED: {error}")
            return 1
        finally:
            limit.cancel()
            end_all()
    say(f"\nAll of it worked, in {time.monotonic() - began_s:.1f} s. "
        "`make test` proves it; README.md says what to do next.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
