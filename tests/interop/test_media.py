"""The store's media on a real kernel: block devices, a full disk, a disk that fails.

Block devices are loop devices; failures are put into system calls by strace.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import trace
from lib.case import Case
from lib.disks import Disks
from lib.relay import SLOW
from lib.submit import Submission

TIME_LIMIT_S = 120
STORE_BYTES = 1024 * 1024
EX_CANTCREAT = 73


class Media(Disks, Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost(start=False)  # nothing is delivered before a test wants it
        self.store = self.relay(self.host, start=False)
        self.store.conf["queue"].update(size=STORE_BYTES, retry_first="100ms",
                                        retry_longest="200ms")

    def device(self, sector=512, more=0):
        """The store is a blank block device now; the file behind it."""
        backing = os.path.join(self.place, "backing")
        with open(backing, "wb") as file:
            file.truncate(STORE_BYTES + more)
        self.store.conf["queue"]["path"] = self.loop(backing, sector)
        return backing

    def under(self, *inject):
        self.store.under = [*trace.COMMAND, "-o", self.store.path("trace"), *inject]

    def events(self):
        """What was asked of the kernel in the life that just ended."""
        path = self.store.path("trace")
        self.until(lambda: trace.is_finished(path), "the end of the trace")
        return trace.parse(path, self.store.conf["queue"]["path"])

    def send(self, count, size=2000, first=0):
        """The replies to so many alerts, one after another."""
        with Submission(self.store.socket) as client:
            return [client.alert(b"x" * size + b"\r\n", f"alert {i}")
                    for i in range(first, first + count)]

    def delivered(self):
        """Subjects, once all that waits has been delivered."""
        self.host.start()
        self.store.wait_empty(30)
        return sorted(mail.header("Subject") for mail in self.host.mails)

    # ---- block devices ----

    def lives_in_whole_sectors(self, sector):
        for reply in self.send(30, 9000):
            self.assertEqual(reply[:3], "250", reply)
        self.assertEqual(len(self.delivered()), 30)
        for reply in self.send(90, 9000):
            self.assertEqual(reply[:3], "250", reply)
        self.store.wait_empty(30)
        self.store.stop()
        events = [e for e in self.events() if e.kind in ("program", "erase")]
        self.assertGreater(sum(len(e.data) for e in events if e.kind == "program"), STORE_BYTES)
        for event in events:
            self.assertEqual((event.at % sector, len(event.data) % sector), (0, 0))
            self.assertLessEqual(event.at + len(event.data), STORE_BYTES)
        self.assertEqual(self.store.find("damaged"), [])
        return events

    def test_sectors_of_512_bytes(self):
        """Behind the last whole block are 3072 bytes that are not used."""
        self.device(512, more=3072)
        self.under()
        self.store.start()
        kinds = {e.kind for e in self.lives_in_whole_sectors(512)}
        self.assertEqual(kinds, {"program", "erase"})

    def test_sectors_of_4096_bytes_and_no_erase(self):
        """A device, or a kernel, that cannot make zeros by itself gets them written."""
        self.device(4096)
        self.under("-e", "inject=fallocate:error=EOPNOTSUPP")
        self.store.start()
        events = self.lives_in_whole_sectors(4096)
        self.assertTrue(any(e.data == bytes(4096) for e in events))
        self.assertEqual({e.kind for e in events}, {"program"})

    def test_what_is_read_at_the_start_is_what_the_disk_has(self):
        """After a sync that failed the kernel has pages that never reached the disk and takes them
        for clean. Here the disk goes back to what it was, under such pages."""
        backing = self.device()
        self.store.start()
        self.send(1)
        self.store.stop()
        with open(backing, "rb") as file:
            old = file.read()
        # As long as a device is open its pages are kept.
        with open(self.store.conf["queue"]["path"], "rb") as device:
            self.store.start()
            self.send(3, first=1)
            self.store.stop()
            device.read()
            with open(backing, "r+b") as file:
                file.write(old)
                os.fsync(file.fileno())
            device.seek(0)
            self.assertNotEqual(device.read(), old, "the pages were not kept")
            self.store.start()
            self.assertEqual(self.delivered(), ["alert 0"])

    # ---- failures ----

    def test_a_failed_sync_ends_the_intake(self):
        """Only one fdatasync() fails; those after it would not. None is asked for any more."""
        self.store.start()
        self.store.stop()
        self.under("-e", "inject=fdatasync:error=EIO:when=9")
        self.store.start()
        replies = [reply[:1] for reply in self.send(12)]  # the start itself takes a few syncs
        good = replies.index("4")
        self.assertGreater(good, 0)
        self.assertEqual(replies, ["2"] * good + ["4"] * (12 - good))
        self.assertEqual(len(self.store.find("store_failed")), 1)
        self.store.stop()
        syncs = [e for e in self.events() if e.kind == "sync"]
        self.assertEqual(len(syncs), 8)
        self.store.under = []
        self.store.start()
        self.assertEqual(self.send(1, first=12)[0][:3], "250")
        there = self.delivered()
        self.assertLessEqual({f"alert {i}" for i in range(good)} | {"alert 12"}, set(there))
        self.assertEqual(len(there), len(set(there)))

    def test_a_failed_write_costs_a_block(self):
        """Single writes fail: the store goes on in another block."""
        self.store.start()
        self.store.stop()
        self.under("-e", "inject=pwrite64:error=EIO:when=4..60+14")
        self.store.start()
        replies = [reply[:3] for reply in self.send(20)]
        self.assertEqual(set(replies), {"250"})
        self.store.stop()
        self.assertEqual(self.store.find("store_failed"), [])
        self.store.under = []
        self.store.start()
        self.assertEqual(len(self.delivered()), 20)

    def cannot_start(self, words):
        self.store.start(wait=False)
        self.assertEqual(self.store.process.wait(10 * SLOW), EX_CANTCREAT)
        self.until(lambda: self.store.find("(end of log)"), "the end of the log")
        self.assertIn(words, self.store.log())

    def test_a_full_file_system(self):
        place = self.small_file_system(STORE_BYTES // 2)
        self.store.conf["queue"]["path"] = os.path.join(place, "store")
        self.cannot_start("No space left on device")
        self.assertEqual(os.listdir(place), [])
        self.store.conf["queue"]["size"] = STORE_BYTES // 4
        self.store.start()
        with open(os.path.join(place, "filler"), "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        # What the store needs it has had from the start.
        self.host.start()
        for first in range(0, 60, 10):
            self.assertEqual({r[:3] for r in self.send(10, 9000, first)}, {"250"})
            self.store.wait_empty(30)
        self.assertEqual(len(self.host.mails), 60)

    def test_a_read_only_file_system(self):
        place = self.small_file_system(2 * STORE_BYTES)
        self.run_as_root("mount", "-o", "remount,ro", place)
        self.store.conf["queue"]["path"] = os.path.join(place, "store")
        self.cannot_start("Read-only file system")


if __name__ == "__main__":
    unittest.main()
