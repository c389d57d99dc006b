"""The power goes on a real kernel: what was acknowledged was synced before, and is there after.

A killed process proves little: what it wrote lives on in the page cache. So the store is looked at
as the disk has it: from a trace of system calls with all data, image by image, with every write
that was not synced lost, torn or out of order; and on a loop device whose backing file is copied
at the cut. The seed is printed; PP_SEED=seed replays it.
"""
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import trace
from lib.case import Case
from lib.disks import Disks
from lib.relay import SLOW
from lib.submit import Submission
from smarthost import DELAY, GO

TIME_LIMIT_S = 300
SENDERS, MESSAGES = 4, 80
TRACED_CUTS = 150 // SLOW
LOOP_CUTS = 20 // SLOW
DROPPED = frozenset(range(MESSAGES, MESSAGES + 6))      # wait in the drop directory
MAILED = frozenset(range(MESSAGES + 6, MESSAGES + 12))  # come from the sendmail command
STORE_BYTES = 1024 * 1024  # small, so that blocks are cleaned and used again


def marker(index):
    return f"marker {index:06d} ".encode()


def text_of(index):
    """60 bytes to 10 KiB, told by the index; no two lines of all are the same."""
    count = 1 + index * index * 37 % 160
    return b"".join(marker(index) + b"line %04d " % n + b"." * 34 + b"\r\n" for n in range(count))


def pieces(text, image):
    """In how many pieces the whole text lies in an image; None when some of it is not there."""
    count = 0
    while text:
        least, most = 0, len(text)
        while least < most:  # the longest beginning that is there
            middle = (least + most + 1) // 2
            least, most = (middle, most) if text[:middle] in image else (least, middle - 1)
        if least == 0:
            return None
        text, count = text[least:], count + 1
    return count


class Load:
    """Senders at work until stopped; what was acknowledged, by index, with the queue id."""

    def __init__(self, relay, until=MESSAGES, first=0):
        self.relay, self.until = relay, until
        self.lock, self.next, self.acknowledged = threading.Lock(), first, {}
        self.ended = False
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next - 1

    def work(self):
        try:
            with Submission(self.relay.socket) as client:
                while not self.ended and (index := self.take()) < self.until:
                    reply = client.alert(text_of(index), f"alert {index}")
                    if reply.startswith("250"):
                        self.acknowledged[index] = reply.split()[-1]
        except OSError:
            pass  # the daemon was killed

    def stop(self):
        self.ended = True
        self.wait()

    def wait(self):
        for thread in self.threads:
            thread.join(60)


class Power(Disks, Case):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("PP_SEED") or random.randrange(1 << 32))
        print(f"PP_SEED={seed} replays this", flush=True)
        self.source = random.Random(seed)

    def slow_dot(self, stage, session):
        """Deliveries take a while, so that some are always waiting."""
        return [DELAY(self.source.random() * 0.03), GO] if stage == "DOT" else None

    def arrived(self, host):
        """Index -> how often it arrived; each arrival must be whole."""
        found = collections.Counter()
        for mail in host.mails:
            index = int(mail.header("Subject").removeprefix("alert "))
            body = mail.data.split(b"\r\n\r\n", 1)[1]
            self.assertEqual(body.rstrip(b"\r\n"), text_of(index).rstrip(b"\r\n"),
                             f"alert {index} is not whole")
            found[index] += 1
        return found

    # ---- a trace of system calls ----

    def traced(self, host):
        """A life of a daemon under load and strace: the daemon, its events, the store before, and
        the queue id of each message by its index."""
        relay = self.relay(host, start=False)
        relay.conf["queue"].update(size=STORE_BYTES, retry_first="100ms", retry_longest="200ms")
        relay.start()
        relay.stop()
        for index in DROPPED:
            done = relay.send("-s", f"alert {index}", given=text_of(index))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.dropped = {name: self.index_in(relay.path(f"drop/{name}"))
                        for name in os.listdir(relay.path("drop"))}
        with open(relay.path("queue"), "rb") as file:
            before = file.read()
        relay.under = trace.COMMAND + ["-o", relay.path("trace")]
        relay.start()
        load = Load(relay)
        for index in MAILED:
            done = relay.sendmail("-f", f"alert-{index}@example.test", "to@example.test",
                                  given=f"Subject: alert {index}\n\n".encode() + text_of(index))
            self.assertEqual(done.returncode, 0, done.stderr)
        load.wait()
        relay.wait("durable", count=MESSAGES + len(DROPPED | MAILED), seconds=30)
        relay.stop()
        self.until(lambda: trace.is_finished(relay.path("trace")), "the end of the trace")
        events = trace.parse(relay.path("trace"), relay.path("queue"))
        self.assertEqual(len(load.acknowledged), MESSAGES)
        return events, before, self.names(events, load.acknowledged)

    @staticmethod
    def index_in(path):
        with open(path, "rb") as file:
            return int(file.read().split(b"marker ")[1].split()[0])

    def acknowledgements(self, events, names):
        """Index of each message -> number of the event that told its sender: the reply that also
        lets the sendmail command end with 0, the removal of the dropped file."""
        found = {}
        for number, event in enumerate(events):
            if event.kind == "unlink" and event.where in self.dropped:
                found[self.dropped[event.where]] = number
            elif event.kind == "say" and b"250 " in event.data and b" queued as " in event.data:
                index = names[event.data.split(b" queued as ")[1].split()[0].decode()]
                self.assertNotIn(index, found)
                found[index] = number
        self.assertEqual(found.keys(), set(range(MESSAGES)) | DROPPED | MAILED)
        return found

    def test_written_then_synced_then_acknowledged(self):
        """When a sender is told, every byte of its message was written and then synced."""
        host = self.smarthost(script=self.slow_dot)
        events, before, names = self.traced(host)
        told = self.acknowledgements(events, names)
        disk = trace.Disk(events, before)
        for index, number in sorted(told.items(), key=lambda item: item[1]):
            disk.image(number, 0)
            text = text_of(index)
            count = pieces(text, bytes(disk.durable))
            self.assertIsNotNone(count, f"alert {index}: told before it was synced")
            # Other messages have parts of each line too, none has a whole one.
            self.assertLessEqual(count, 1 + len(text) // 300, f"alert {index}: not synced")
        syncs = sum(e.kind == "sync" for e in events)
        programmed = sum(len(e.data) for e in events if e.kind == "program")
        mail = sum(len(text_of(i)) for i in told)
        print(f"{len(told)} acknowledged, {syncs} syncs, {programmed} bytes programmed for {mail} "
              f"bytes of mail, taken in and delivered", flush=True)

    @staticmethod
    def log_lines(event, name):
        return [line for line in event.data.split(b"\n") if f" event={name} ".encode() in line] \
            if event.kind == "say" else []

    def names(self, events, acknowledged):
        """Queue id -> index; those from the drop directory are told apart by their size."""
        found = {name: index for index, name in acknowledged.items()}
        by_size = {len(text_of(index)): index for index in DROPPED}
        self.assertEqual(len(by_size), len(DROPPED))
        for event in events:
            for line in self.log_lines(event, "accepted"):
                pairs = dict(p.split("=", 1) for p in line.decode().split() if "=" in p)
                if pairs["from"].startswith("alert-"):
                    found[pairs["id"]] = int(pairs["from"][6:].split("@")[0])
                elif pairs["id"] not in found:
                    found[pairs["id"]] = by_size[int(pairs["size"])]
        return found

    def delivered(self, events, names):
        """Messages whose delivery was logged, and those of them for which a sync came after it:
        the first need not be sent again, the second must not be."""
        logged, recorded = set(), set()
        for event in events:
            logged |= {names[line.split(b" id=")[1].split()[0].decode()]
                       for line in self.log_lines(event, "delivered")}
            if event.kind == "sync":
                recorded = set(logged)
        return logged, recorded

    def test_the_disk_of_every_instant(self):
        host = self.smarthost(script=self.slow_dot)
        events, before, names = self.traced(host)
        told = self.acknowledgements(events, names)
        first = next(i for i, e in enumerate(events) if e.kind == "program")
        disk = trace.Disk(events, before)
        unsynced = []
        for place in sorted(self.source.sample(range(first, len(events)), TRACED_CUTS)):
            image = disk.image(place, self.source.random())
            unsynced.append(len(disk.waiting))
            arrived = self.delivered_from(f"cut{place}", image, before).keys()
            logged, recorded = self.delivered(events[:place], names)
            missing = {i for i in told if told[i] < place} - arrived - logged
            self.assertEqual(missing, set(), f"cut at event {place}: acknowledged and lost")
            self.assertEqual(recorded & arrived, set(),
                             f"cut at event {place}: delivered, recorded and sent again")
        print(f"{len(unsynced)} cuts among {len(events)} events, up to {max(unsynced)} operations "
              f"not synced", flush=True)
        self.assertGreater(max(unsynced), 3)

    def delivered_from(self, name, image, before):
        """A daemon on that disk delivers what is there."""
        self.assertEqual(len(image), len(before))
        host = self.smarthost()
        relay = self.relay(host, start=False, name=name)
        relay.conf["queue"].update(size=STORE_BYTES, retry_first="100ms", retry_longest="200ms")
        with open(relay.path("queue"), "wb") as file:
            file.write(image)
        os.chmod(relay.path("queue"), 0o600)
        relay.start()
        relay.wait_empty(30)
        self.assertEqual(relay.find("damaged"), [])
        relay.stop()
        host.stop()
        return self.arrived(host)

    # ---- a block device ----

    def life_on_loop(self, relay, backing, cut):
        """A life under load on that backing file, ended by a power cut: what was acknowledged, and
        the backing file as it was then. Stopped first: a copy takes its time."""
        device = self.loop(backing)
        relay.conf["queue"]["path"] = device
        relay.start()
        load = Load(relay, until=(cut + 1) * 1000, first=cut * 1000)
        time.sleep(0.1 + self.source.random() * 0.3 * SLOW)
        relay.process.send_signal(signal.SIGSTOP)
        acknowledged = set(load.acknowledged)
        kept = f"{backing}-{cut}"
        shutil.copyfile(backing, kept)
        relay.kill()
        load.stop()
        self.unloop(device)
        return acknowledged, kept

    def blank_backing(self):
        backing = os.path.join(self.place, f"backing{len(os.listdir(self.place))}")
        with open(backing, "wb") as file:
            file.truncate(STORE_BYTES)
        return backing

    def test_a_block_device_that_keeps_what_was_flushed(self):
        host = self.smarthost(script=self.slow_dot)
        relay = self.relay(host, start=False)
        relay.conf["queue"].update(size=STORE_BYTES, retry_first="100ms", retry_longest="200ms")
        acknowledged, backing = set(), self.blank_backing()
        for cut in range(LOOP_CUTS):
            told, backing = self.life_on_loop(relay, backing, cut)
            acknowledged |= told
        relay.conf["queue"]["path"] = self.loop(backing)
        relay.start()
        relay.wait_empty(60)
        arrived = self.arrived(host)
        print(f"{LOOP_CUTS} cuts, {len(acknowledged)} acknowledged, {sum(arrived.values())} "
              f"deliveries of {len(arrived)}", flush=True)
        self.assertEqual(acknowledged - arrived.keys(), set(), "acknowledged and lost")
        self.assertEqual(relay.find("damaged"), [])
        self.assertGreater(len(acknowledged), LOOP_CUTS)

    def test_the_block_device_would_show_a_lie(self):
        """The same with an fdatasync() that does nothing: this machine's loop devices tell."""
        library = os.path.join(self.place, "nosync.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], check=True,
                       input=b"int fdatasync(int fd) { (void)fd; return 0; }\n")
        relay = self.relay(self.smarthost(start=False), start=False)
        relay.conf["queue"]["size"] = STORE_BYTES
        relay.under = ["env", f"LD_PRELOAD={library}"]
        told, backing = self.life_on_loop(relay, self.blank_backing(), 0)
        with open(backing, "rb") as file:
            image = file.read()
        lost = [index for index in told if marker(index) not in image]
        print(f"{len(told)} acknowledged, {len(lost)} of them lost", flush=True)
        self.assertGreater(len(lost), 0)


if __name__ == "__main__":
    unittest.main()
