"""The store: full is 75 and loses nothing; of a damaged image what can be read is kept."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.relay import SLOW, queued_id
from lib.submit import Submission


class Full(Case):
    def fill(self, relay, *arguments, given):
        """Ids until one is refused; that one's result."""
        idents = []
        for _ in range(3000):
            done = relay.send(*arguments, given=given)
            if done.returncode != 0:
                return idents, done
            idents.append(queued_id(done))
        self.fail("it is never full")

    def test_full_is_75_and_nothing_is_dropped(self):
        host = self.smarthost(start=False)
        relay = self.relay(host, start=False)
        relay.conf["queue"].update(size="1M", retry_first="1h", retry_longest="1h")
        relay.start()
        idents, done = self.fill(relay, given="x" * 60 + "\n" + ("z" * 60 + "\n") * 300)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertGreater(len(idents), 15)
        self.assertEqual([n for n in os.listdir(relay.path("drop")) if n.startswith("new-")], [])
        done = relay.sendmail("a@x.example", given="Subject: x\n\n" + "y\n" * 9000)
        self.assertEqual(done.returncode, 75)
        self.assertEqual([r["id"] for r in relay.queue()], idents)
        relay.kill()
        relay.start()
        self.assertEqual([r["id"] for r in relay.queue()], idents)
        host.start()
        relay.run("queue", "flush")
        self.arrives(host, len(idents), 30)
        relay.wait_empty()
        self.assertEqual(len(host.mails), len(idents))
        self.queue_alert(relay)

    def test_a_part_is_kept_for_the_critical(self):
        relay = self.relay(self.smarthost(start=False), start=False)
        relay.conf["queue"].update(size="2M", reserve="25%", retry_first="1h", retry_longest="1h")
        relay.start()
        text = ("z" * 60 + "\n") * 300
        idents, _ = self.fill(relay, given=text)
        done = relay.send("-S", "critical", "-s", "fire", given=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(relay.queue()), len(idents) + 1)

    def test_many_laps(self):
        """Ten times the store's size goes through it."""
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["queue"]["size"] = "512K"
        relay.start()
        relay.run("queue", "hold", "all")
        sent = 0
        with Submission(relay.socket) as one:
            while sent < 250:
                reply = one.send(b"Subject: lap\r\n\r\n" + b"x" * 70 + b"\r\n"
                                 + (b"y" * 70 + b"\r\n") * 270, ["a@x.example"])
                if reply.startswith("250"):
                    sent += 1
                else:
                    self.assertTrue(reply.startswith("452"), reply)
                    host.wait(sent, 2)
        self.arrives(host, 250, 30)
        relay.wait_empty()
        self.assertEqual(len({m.header("Message-ID") for m in host.mails}), 250)

    def test_an_old_message_survives_many_laps(self):
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["queue"]["size"] = "512K"
        relay.start()
        host.stop()
        ident = self.queue_alert(relay, "-s", "the old one", given="old\n" * 1000)
        self.assertEqual(relay.run("queue", "hold", ident).returncode, 0)
        host.start()
        relay.run("queue", "flush")
        for index in range(120):
            self.until(lambda: relay.send(given=("x" * 70 + "\n") * 200).returncode == 0, "room")
            if index % 40 == 39:
                host.wait(index + 1, 20)
                relay.kill()
                relay.start()
        relay.run("queue", "release", ident)
        self.until(lambda: any(m.header("Subject") == "the old one" for m in host.mails), "it")
        relay.wait_empty()

    def test_the_size_of_a_store_that_exists_stays(self):
        relay = self.relay(self.smarthost(start=False), start=False)
        relay.conf["queue"]["size"] = "1M"
        relay.start()
        ident = self.queue_alert(relay)
        relay.stop()
        before = os.path.getsize(relay.path("queue"))
        relay.conf["queue"]["size"] = "4M"
        relay.start()
        self.assertEqual(os.path.getsize(relay.path("queue")), before)
        self.assertEqual([r["id"] for r in relay.queue()], [ident])


class Damage(Case):
    def filled(self, count=20):
        self.host = self.smarthost(start=False)
        relay = self.relay(self.host, start=False)
        relay.conf["queue"].update(size="1M", retry_first="1h", retry_longest="1h")
        relay.start()
        idents = [self.queue_alert(relay, "-s", f"number {i}", given=f"text {i}\n" * 50)
                  for i in range(count)]
        relay.kill()
        with open(relay.path("queue"), "rb") as file:
            self.image = bytearray(file.read())
        return relay, idents

    def put(self, relay):
        with open(relay.path("queue"), "wb") as file:
            file.write(self.image)

    def test_a_damaged_byte_costs_one_message_at_most(self):
        relay, idents = self.filled()
        source = random.Random(7)
        whole = bytes(self.image)
        used = max(i for i, b in enumerate(whole[:200000]) if b not in (0, 255))
        for _ in range(12):
            self.image = bytearray(whole)
            self.image[source.randrange(100, used)] ^= 1 << source.randrange(8)
            self.put(relay)
            relay.start()
            kept = [r["id"] for r in relay.queue()]
            self.assertGreaterEqual(len(kept), len(idents) - 2)
            self.assertLessEqual(set(kept), set(idents))
            relay.kill()

    def test_what_can_be_read_is_delivered_and_the_rest_reported(self):
        relay, idents = self.filled()
        where = self.image.index(b"text 7\n".replace(b"\n", b""))
        self.image[where:where + 4] = b"ruin"
        self.put(relay)
        relay.start()
        self.host.start()
        relay.run("queue", "flush")
        self.arrives(self.host, len(idents) - 1, 15)
        self.until(lambda: len(relay.queue()) <= 1, "an almost empty queue")
        subjects = {m.header("Subject") for m in self.host.mails}
        self.assertEqual(subjects, {f"number {i}" for i in range(20)} - {"number 7"})
        self.assertTrue(relay.find("failed", reply="damaged") or relay.find("damaged"), relay.log())

    def test_rubbish_all_over_starts_or_refuses_with_words(self):
        relay, _ = self.filled(3)
        source = random.Random(8)
        for _ in range(6):
            damaged = bytearray(self.image)
            for _ in range(400):
                at = source.randrange(len(damaged) - 64)
                damaged[at:at + 16] = source.randbytes(16)
            with open(relay.path("queue"), "wb") as file:
                file.write(damaged)
            relay.start()
            self.queue_alert(relay, "-s", "new")
            relay.run("queue")
            relay.stop()

    def test_a_foreign_file_is_left_untouched(self):
        relay = self.relay(self.smarthost(start=False), start=False)
        precious = b"a database of somebody else\n" * 40000
        with open(relay.path("queue"), "wb") as file:
            file.write(precious)
        relay.start(wait=False)
        self.assertNotEqual(relay.process.wait(10 * SLOW), 0)
        with open(relay.path("queue"), "rb") as file:
            self.assertEqual(file.read(), precious)

    def test_an_empty_file(self):
        relay = self.relay(self.smarthost(), start=False)
        with open(relay.path("queue"), "wb"):
            pass
        relay.start(wait=False)
        self.until(lambda: relay.find("ready") or relay.process.poll() is not None,
                   "a decision")

    def test_a_link_in_place_of_the_store(self):
        relay = self.relay(self.smarthost(), start=False)
        os.symlink(relay.path("elsewhere"), relay.path("queue"))
        relay.start(wait=False)
        self.assertNotEqual(relay.process.wait(10 * SLOW), 0)
        self.assertFalse(os.path.exists(relay.path("elsewhere")))


if __name__ == "__main__":
    unittest.main()
