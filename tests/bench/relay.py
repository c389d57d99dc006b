#!/usr/bin/env python3
"""relay.py BUILD DIRECTORY - pinpost and a tuned Postfix as relays, on the same machine in one run

Job:      2 KiB mails from 1, 10 and 50 clients to one sink over STARTTLS with a login, both with a
          durable queue in DIRECTORY's file system; rounds of both in turn. A table: accepted and
          relayed a second, CPU of the relay's processes a thousand mails, memory (PSS, most seen),
          and the latency of single ones from their first byte to their end at the sink.
Not here: the clients (relay_load.c), the sink (relay_sink.c). Fails only when a mail was lost.
"""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.postfix import Postfix, run

ROUNDS = 3
CLIENTS = {1: 1000, 10: 4000, 50: 6000}
SINGLES, PAUSE_MS = 50, 40
USER, PASSWORD = "bench", "secret"
TICK = os.sysconf("SC_CLK_TCK")

MAIN_CF = """
relayhost = [127.0.0.1]:{sink}
default_transport = smtp
relay_transport = smtp
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_tls_security_level = none
smtpd_sasl_auth_enable = no
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ [127.0.0.1]:{sink}={user}:{password} }}
smtp_sasl_security_options =
smtp_sasl_tls_security_options =
smtp_tls_security_level = encrypt
smtp_tls_connection_reuse = yes
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = [127.0.0.1]:{sink}
smtp_destination_concurrency_limit = 50
smtp_initial_destination_concurrency = 20
initial_destination_concurrency = 20
default_destination_concurrency_limit = 50
default_process_limit = 100
qmgr_message_active_limit = 40000
in_flow_delay = 0
smtpd_peername_lookup = no
minimal_backoff_time = 5s
"""
MASTER_CF = "tlsproxy unix - - n - 0 tlsproxy\n"


def processes(root):
    """The process and all below it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    found = {root}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(root):
    """Of those that live, and of their children that were waited for."""
    ticks = 0
    for pid in processes(root):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
        except OSError:
            pass
    return ticks / TICK


def pss_kib(root):
    total = 0
    for pid in processes(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"(?m)^Pss:\s+(\d+)", file.read())[1])
        except OSError:
            pass
    return total


class Memory:
    """The most that was seen while it was open."""

    def __init__(self, root):
        self.root, self.most, self.over = root, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.3):
            self.most = max(self.most, pss_kib(self.root))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, pss_kib(self.root))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Sink:
    def __init__(self, build, place):
        self.certificate = certs.maker.self_signed("sink.example.test")
        self.report = os.path.join(place, "report")
        self.port, self.build = free_port(), build

    def start(self):
        self.process = subprocess.Popen(
            [f"{self.build}/bench/relay_sink", str(self.port), self.certificate.path,
             self.certificate.key, self.report], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        """{number: nanoseconds}, duplicates."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        with open(self.report, encoding="ascii") as file:
            lines = file.read().split("\n")
        ends = {}
        for line in lines[:-2]:
            number, nanoseconds = line.split()
            ends.setdefault(int(number), int(nanoseconds))
        return ends, int(lines[-2].split()[3])


class Pinpost:
    name = "pinpost"

    def __init__(self, build, place, sink):
        self.port = free_port()
        self.place = os.path.join(place, "pinpost")
        os.makedirs(self.place)
        conf = os.path.join(self.place, "conf")
        with open(conf, "w", encoding="ascii") as file:
            os.chmod(conf, 0o600)
            file.write(f"""[identity]
hostname = relay.example.test
[smarthost]
host = 127.0.0.1
port = {sink.port}
policy = fingerprint
pin = {sink.certificate.pin}
user = {USER}
password = {PASSWORD}
[queue]
path = {self.place}/store
size = 256M
[delivery]
connections = 4
messages = 0
[daemon]
directory = {self.place}/run
drop_directory = {self.place}/drop
[listener lan]
address = 127.0.0.1
port = {self.port}
tls = none
networks = 127.0.0.0/8
[server]
connections_a_client = 0
[log]
target = syslog
""")
        self.process = subprocess.Popen([f"{build}/pinpost", "-c", conf, "run"])
        self.pid = self.process.pid

    def end(self):
        self.process.terminate()
        self.process.wait(30)


class TunedPostfix(Postfix):
    name = "Postfix"

    def __init__(self, place, sink):
        self.target = sink.port
        super().__init__(certs.maker.self_signed(), USER, PASSWORD)

    def configure(self):
        super().configure()
        for name, text in (("main.cf", MAIN_CF.format(sink=self.target, user=USER, password=PASSWORD)),
                           ("master.cf", MASTER_CF)):
            with open(self.path("etc/" + name), "a", encoding="utf-8") as file:
                file.write(text)

    @property
    def pid(self):
        with open(self.path("queue/pid/master.pid"), encoding="ascii") as file:
            return int(file.read())


def wait_until(condition, words, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not in {seconds} s: {words}")
        time.sleep(0.05)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as one:
            return one.recv(3) == b"220"
    except OSError:
        return False


def measure(build, sink, relay, clients, messages, pause=None):
    sink.start()
    before, began = cpu_seconds(relay.pid), time.monotonic_ns()
    with Memory(relay.pid) as memory:
        command = [f"{build}/bench/relay_load", str(relay.port), str(clients), str(messages)]
        done = subprocess.run(command + ([str(pause)] if pause else []), capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{relay.name}: {done.stderr}")
        # Nobody asks the sink while it works: what is still under way shows in the relay's own
        # quiet, then in the report.
        last = cpu_seconds(relay.pid)
        quiet = 0
        while quiet < 4:
            time.sleep(0.25)
            now = cpu_seconds(relay.pid)
            quiet = quiet + 1 if now - last < 0.02 else 0
            last = now
    cpu = cpu_seconds(relay.pid) - before
    ends, duplicates = sink.stop()
    lines = done.stdout.split("\n")
    accepted = float(next(l for l in lines if l.startswith("seconds")).split()[1])
    starts = {int(a): int(b) for a, b in (l.split() for l in lines if l and l[0].isdigit())}
    latencies = sorted((ends[n] - t) / 1e6 for n, t in starts.items() if n in ends)
    return {"accepted": messages / accepted, "lost": messages - len(ends), "duplicates": duplicates,
            "relayed": messages / ((max(ends.values()) - began) / 1e9) if ends else 0,
            "cpu": cpu * 1000 / messages, "pss": memory.most, "latencies": latencies}


def table(results):
    print(f"{'clients':>8} {'relay':<8} {'accepted/s':>11} {'relayed/s':>10} {'CPU s/1000':>11} "
          f"{'PSS MiB':>8} {'lost':>5} {'twice':>6}")
    for (clients, name), rows in results.items():
        if clients == 0:
            continue
        print(f"{clients:>8} {name:<8} {statistics.median(r['accepted'] for r in rows):>11,.0f} "
              f"{statistics.median(r['relayed'] for r in rows):>10,.0f} "
              f"{statistics.median(r['cpu'] for r in rows):>11.3f} "
              f"{max(r['pss'] for r in rows) / 1024:>8.1f} {sum(r['lost'] for r in rows):>5} "
              f"{sum(r['duplicates'] for r in rows):>6}")


def goals(results):
    def of(clients, name, key, choose=statistics.median):
        return choose(r[key] for r in results[clients, name])

    def latency(name, part):
        values = sorted(v for r in results[0, name] for v in r["latencies"])
        return values[min(len(values) - 1, int(len(values) * part))]

    for name in ("pinpost", "Postfix"):
        print(f"latency of one mail, {name}: {latency(name, 0.5):.2f} ms p50, "
              f"{latency(name, 0.95):.2f} ms p95")
    rows = [("relayed a second at 50 clients, times Postfix's",
             of(50, "pinpost", "relayed") / of(50, "Postfix", "relayed"), 8, True),
            ("CPU a mail, part of Postfix's: 1 /",
             of(50, "Postfix", "cpu") / max(of(50, "pinpost", "cpu"), 1e-6), 15, True),
            ("latency p50, part of Postfix's: 1 /", latency("Postfix", 0.5) / latency("pinpost", 0.5),
             5, True),
            ("PSS at its peak, MiB", max(r["pss"] for k, v in results.items() if k[1] == "pinpost"
                                         for r in v) / 1024, 4, False)]
    for words, value, goal, more in rows:
        met = value >= goal if more else value <= goal
        print(f"{'met   ' if met else 'MISSED'}  {words} {value:.1f} (goal {'>=' if more else '<='} "
              f"{goal})")


def main():
    build, directory = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    os.makedirs(directory, exist_ok=True)
    place = tempfile.mkdtemp(prefix="relay-", dir=directory)
    tempfile.tempdir = place  # Postfix's queue lies on the same disk
    os.chmod(place, 0o755)
    sink = Sink(build, place)
    relays = []
    try:
        relays.append(Pinpost(build, place, sink))
        relays.append(TunedPostfix(place, sink))
        for relay in relays:
            wait_until(lambda r=relay: answers(r.port), relay.name)
        results = {}
        for index in range(ROUNDS):
            for clients, messages in CLIENTS.items():
                for relay in relays if index % 2 == 0 else relays[::-1]:
                    results.setdefault((clients, relay.name), []).append(
                        measure(build, sink, relay, clients, messages))
            for relay in relays:
                results.setdefault((0, relay.name), []).append(
                    measure(build, sink, relay, 1, SINGLES, PAUSE_MS))
        system = run("df", "--output=fstype", place).split()[-1]
        print(f"2 KiB mails, {ROUNDS} rounds in turn, medians; queues on {system}; "
              f"{os.cpu_count()} cores shared by clients, relay and sink")
        table(results)
        goals(results)
        lost = sum(r["lost"] for rows in results.values() for r in rows)
    finally:
        for relay in relays:
            relay.end()
        shutil.rmtree(place, ignore_errors=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
