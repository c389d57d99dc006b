"""relay_bench.py - the relay under load, beside Postfix on the same machine in the same run

Use:      relay_bench.py PROGRAMS [DIRECTORY...]     relay_load and relay_sink are in PROGRAMS; the
          queues go below each DIRECTORY in turn. `make bench-relay` gives both.
Job:      rounds in turn: 2 KiB mails of 1, 10 and 50 clients that keep their connections, one alert
          at a time, memory under 50 clients; one sink with STARTTLS and AUTH PLAIN for both.
          One table; what misses its goal is marked.
Not here: the servers' settings (relay_servers.py). Status 1 only when a mail was lost, doubled or
          changed: a benchmark is no test..
"""
import base64
import json
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), ".."),
                os.path.join(os.path.dirname(__file__), "..", "..", "tools")]
from lib import certs  # noqa: E402
from relay_servers import PASSWORD, USER, Pinpost, Postfix  # noqa: E402

ROUNDS = int(os.environ.get("PP_ROUNDS") or 3)
CLIENTS = (1, 10, 50)
MAILS = {"pinpost": {1: 2000, 10: 8000, 50: 12000}, "Postfix": {1: 150, 10: 1000, 50: 2000}}
ALERTS, PAUSE_MS = 50, 60
ARRIVE_S = 60
# Beside Postfix: times its rate at 50 clients; parts of its CPU and latency. Bytes of PSS.
GOAL_RATE, GOAL_CPU, GOAL_LATENCY, GOAL_PSS = 8, 15, 5, 4 << 20


class Sink:
    def __init__(self, program):
        self.certificate = certs.maker.self_signed("sink.example.test", tag="bench")
        login = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        self.process = subprocess.Popen([program, self.certificate.path, self.certificate.key,
                                         login], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def say(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def result(self):
        """Waits until all mails of the run are there, or for the time that they are given."""
        timer = threading.Timer(ARRIVE_S, self.say, ["report"])
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


class Bench:
    def __init__(self, programs):
        self.load = os.path.join(programs, "relay_load")
        self.sink = Sink(os.path.join(programs, "relay_sink"))
        self.run = 0
        self.spoilt = []

    def once(self, server, clients, mails, pause_ms=None):
        """One run: what it took, a mail or in all."""
        self.run += 1
        self.sink.say(f"begin {self.run} {mails}")
        before = server.cpu_s()
        command = [self.load, f"127.0.0.1:{server.port}", str(clients), str(mails), str(self.run)]
        done = subprocess.run(command + ([str(pause_ms)] if pause_ms else []), timeout=300,
                              stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench-relay: the load ended with status {done.returncode}")
        load, sink = json.loads(done.stdout), self.sink.result()
        time.sleep(0.2)  # what is left to do, such as records of what was delivered
        lost = mails - sink["messages"]
        if lost or sink["duplicates"] or sink["wrong"]:
            self.spoilt.append(f"{server.name}, {clients} clients: {lost} lost, "
                               f"{sink['duplicates']} twice, {sink['wrong']} not as sent")
        return {
            "accepted": mails / ((load["last_ns"] - load["begin_ns"]) / 1e9),
            "relayed": sink["messages"] / max((sink["last_ns"] - load["begin_ns"]) / 1e9, 1e-9),
            "cpu": (server.cpu_s() - before) * 1000 / mails,
            "answer": load["p50_ns"] / 1e6,
            "p50": sink["p50_ns"] / 1e6, "p95": sink["p95_ns"] / 1e6,
            "others": (load["cpu_s"] + sink["cpu_s"]) * 1000 / mails,
            "deferred": load["deferred"], "connections": sink["connections"],
        }

    def memory(self, server, clients):
        """Peak of PSS while a load goes on; looking costs time, so nothing else is measured."""
        peak, over = 0, threading.Event()

        def look():
            nonlocal peak
            while not over.wait(0.1):
                peak = max(peak, server.pss_bytes())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            self.once(server, clients, MAILS[server.name][clients])
        finally:
            over.set()
            watcher.join()
        return peak

    def end(self):
        self.sink.end()


def file_system(place):
    return subprocess.run(["stat", "-f", "-c", "%T", place], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def measure(bench, servers):
    """{(what, server's name): runs}; servers take turns."""
    runs = {}
    for server in servers:  # processes started, connections known
        bench.once(server, 10, 200)
    for clients in CLIENTS:
        for _ in range(ROUNDS):
            for server in servers:
                mails = MAILS[server.name][clients]
                runs.setdefault((clients, server.name), []).append(
                    bench.once(server, clients, mails))
    for server in servers:
        bench.once(server, 1, 3, PAUSE_MS)
        runs["alert", server.name] = [bench.once(server, 1, ALERTS, PAUSE_MS)]
    for server in servers:
        runs["pss", server.name] = bench.memory(server, CLIENTS[-1])
    return runs


def verdict(value, goal):
    return "" if value >= goal else "MISSED"


def print_row(what, unit, values, form):
    ours, theirs, ratio, goal, word = values
    print(f"{what:<34} {unit:<9} {ours:>9{form}} {theirs:>9{form}} {ratio:>8} {goal:>9} {word}")


def print_load(runs, clients):
    ours, theirs = runs[clients, "pinpost"], runs[clients, "Postfix"]
    for key, what, unit, form in (("accepted", "accepted", "a second", ".0f"),
                                  ("relayed", "relayed", "a second", ".0f"),
                                  ("cpu", "CPU a 1,000 mails", "s", ".3f"),
                                  ("answer", "250 after, p50", "ms", ".2f"),
                                  ("p95", "at the sink after, p95", "ms", ".1f")):
        us, them = middle(ours, key), middle(theirs, key)
        more = key in ("accepted", "relayed")
        ratio = us / them if more else them / max(us, 1e-9)
        goal, word = "", ""
        if clients == CLIENTS[-1] and key in ("relayed", "cpu"):
            target = GOAL_RATE if more else GOAL_CPU
            goal, word = f">= {target}", verdict(ratio, target)
        print_row(f"{clients:>3} clients  {what}", unit, (us, them, f"{ratio:.1f}", goal, word), form)


def print_table(place, runs):
    print(f"\nQUEUE ON {file_system(place)} ({place}), medians of {ROUNDS} rounds\n")
    print(f"{'':<44} {'pinpost':>9} {'Postfix':>9} {'better':>8} {'goal':>9}")
    for clients in CLIENTS:
        print_load(runs, clients)
    for key in ("p50", "p95"):
        us, them = (runs["alert", name][0][key] for name in ("pinpost", "Postfix"))
        goal = f">= {GOAL_LATENCY}" if key == "p50" else ""
        word = verdict(them / us, GOAL_LATENCY) if goal else ""
        print_row(f"one alert  delivered after, {key}", "ms",
                  (us, them, f"{them / us:.1f}", goal, word), ".2f")
    us, them = runs["pss", "pinpost"], runs["pss", "Postfix"]
    print_row(f"memory at {CLIENTS[-1]} clients (PSS, peak)", "MiB",
              (us / 2**20, them / 2**20, f"{them / us:.1f}", "< 4 MiB",
               "" if us < GOAL_PSS else "MISSED"), ".2f")
    busiest = CLIENTS[-1], "pinpost"
    print(f"\nBeside it, load and sink take {middle(runs[busiest], 'others'):.3f} s of CPU a 1,000 "
          f"mails with pinpost, {middle(runs[CLIENTS[-1], 'Postfix'], 'others'):.3f} s with "
          f"Postfix,\non the same {os.cpu_count()} cores; connections to the sink: "
          f"{middle(runs[busiest], 'connections'):.0f} and "
          f"{middle(runs[CLIENTS[-1], 'Postfix'], 'connections'):.0f} a run; handed in again after "
          f"a 4yz: {middle(runs[busiest], 'deferred'):.0f} and "
          f"{middle(runs[CLIENTS[-1], 'Postfix'], 'deferred'):.0f}.", flush=True)


def main():
    programs, places = sys.argv[1], sys.argv[2:]
    bench = Bench(programs)
    print("RELAY: mails of 2 KiB from clients that keep their connections, into the queue, out to "
          "one sink\nover STARTTLS with AUTH PLAIN.")
    try:
        for place in places:
            os.makedirs(place, exist_ok=True)
            servers = []
            try:
                servers.append(Pinpost(place, bench.sink.port, bench.sink.certificate.pin))
                servers.append(Postfix(place, bench.sink.port,
                                       bench.sink.certificate.fingerprint()))
                print_table(place, measure(bench, servers))
            finally:
                for server in servers:
                    server.end()
    finally:
        bench.end()
    for line in bench.spoilt:
        print(f"LOST OR SPOILT: {line}")
    return 1 if bench.spoilt else 0


if __name__ == "__main__":
    sys.exit(main())
