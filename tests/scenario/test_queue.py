"""The queue in an operator's hands: list, show, flush, hold, release, remove; expiry; status."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.relay import PROGRAM, SLOW


class Queue(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost(start=False)
        self.runner = self.relay(self.host)

    def queue_command(self, *arguments, status=0):
        done = self.runner.run("queue", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout.decode()

    def row(self, ident):
        return {r["id"]: r for r in self.runner.queue()}.get(ident)

    def test_empty(self):
        self.assertIn("queue is empty", self.queue_command())
        self.assertIn("queue is empty", self.queue_command("list"))
        self.assertEqual(self.runner.queue(), [])

    def test_list(self):
        ident = self.queue_alert(self.runner, "-s", "Disk", "-S", "critical", "a@x.example",
                                 "b@x.example")
        self.runner.wait("path_failed")
        text = self.queue_command("list")
        for word in (ident, "relay@example.test", "a@x.example", "waiting", "1 message"):
            self.assertIn(word, text)
        row = self.row(ident)
        self.assertEqual(row["state"], "waiting")
        self.assertEqual(row["from"], "relay@example.test")
        self.assertEqual(row["recipients"], 2)
        self.assertEqual(row["subject"], "Disk")
        self.assertGreater(row["size"], 0)

    def test_content_does_not_drive_a_terminal(self):
        """Neither the old control bytes nor those that UTF-8 writes in two."""
        ident = self.queue_alert(self.runner, given="\u00e4\x1b[31m\u009b31m\u009d0;x\u009c\u00e9\n")
        ours, theirs = os.openpty()
        with open(ours, "rb", buffering=0) as screen:
            subprocess.run([PROGRAM, "-c", self.runner.path("pinpost.conf"), "queue", "show", ident],
                           stdout=theirs, timeout=20 * SLOW, check=True)
            shown = screen.read(65536)
            os.close(theirs)
        self.assertIn("\u00e4?[31m??31m??0;x??\u00e9".encode(), shown)

    def test_list_of_many(self):
        idents = [self.queue_alert(self.runner, "-s", f"number {i}") for i in range(60)]
        self.assertEqual(sorted(r["id"] for r in self.runner.queue()), sorted(idents))
        self.assertIn("60 messages", self.queue_command())

    def test_show(self):
        ident = self.queue_alert(self.runner, "-s", "Füße \t\x1b[31mred", "-S", "warning",
                                 "a@x.example", given="the text\nof it\n")
        text = self.queue_command("show", ident).replace("\r", "")
        for word in (ident, "relay@example.test", "a@x.example", "warning", "the text\nof it",
                     f"uid={os.getuid()}"):
            self.assertIn(word, text)
        self.assertNotIn("\x1b", text.split("\n\n")[0])
        for line in self.queue_command("show", ident, "--json").splitlines():
            json.loads(line)

    def test_show_a_large_message(self):
        text = "".join(f"line {i}\n" for i in range(50000))
        ident = self.queue_alert(self.runner, given=text)
        self.assertIn(text, self.queue_command("show", ident).replace("\r", ""))

    def test_ids(self):
        ident = self.queue_alert(self.runner)
        self.queue_command("show", ident.lower())
        self.queue_command("show", ident.lstrip("0"))
        self.queue_command("show", "FFFFFFFF", status=66)
        self.queue_command("hold", "FFFFFFFF", status=66)
        for wrong in ("xyz", "123456789", "", "-1", ident + "\n", "1;2"):
            self.queue_command("show", wrong, status=64)
        self.queue_command("hold", status=64)
        self.queue_command("explode", status=64)

    def test_flush(self):
        self.runner.conf["queue"].update(retry_first="1h", retry_longest="1h")
        self.runner.restart()
        self.queue_alert(self.runner)
        self.runner.wait("path_failed")
        self.host.start()
        self.assertFalse(self.host.wait(1, 0.5))
        self.queue_command("flush")
        self.arrives(self.host)
        self.runner.wait_empty()

    def test_flush_one(self):
        self.runner.conf["queue"].update(retry_first="1h", retry_longest="1h")
        self.runner.restart()
        ident = self.queue_alert(self.runner)
        self.runner.wait("path_failed")
        self.host.start()
        self.queue_command("flush", ident)
        self.arrives(self.host)
        self.queue_command("flush", "FFFFFFFF", status=66)

    def test_hold_and_release(self):
        ident = self.queue_alert(self.runner, "-s", "held")
        self.queue_command("hold", ident)
        self.assertEqual(self.row(ident)["state"], "held")
        self.queue_alert(self.runner, "-s", "free")
        self.host.start()
        self.queue_command("flush")
        self.assertEqual(self.arrives(self.host).header("Subject"), "free")
        self.queue_command("flush")
        self.runner.restart()
        self.assertFalse(self.host.wait(2, 1))
        self.assertEqual(self.row(ident)["state"], "held")
        self.queue_command("release", ident)
        self.assertEqual(self.arrives(self.host, 2).header("Subject"), "held")
        self.runner.wait_empty()

    def test_hold_and_release_all(self):
        for _ in range(5):
            self.queue_alert(self.runner)
        self.queue_command("hold", "all")
        self.assertEqual({r["state"] for r in self.runner.queue()}, {"held"})
        self.host.start()
        self.assertFalse(self.host.wait(1, 1))
        self.queue_command("release", "all")
        self.arrives(self.host, 5)

    def test_remove(self):
        idents = [self.queue_alert(self.runner, "-s", f"n{i}") for i in range(3)]
        self.queue_command("remove", idents[0], idents[1])
        self.assertEqual([r["id"] for r in self.runner.queue()], [idents[2]])
        self.runner.kill()
        self.runner.start()
        self.assertEqual([r["id"] for r in self.runner.queue()], [idents[2]])
        self.host.start()
        self.assertEqual(self.arrives(self.host).header("Subject"), "n2")
        self.runner.wait_empty()
        self.assertEqual(len(self.host.mails), 1)

    def test_remove_all(self):
        for _ in range(5):
            self.queue_alert(self.runner)
        self.queue_command("remove", "all")
        self.assertEqual(self.runner.queue(), [])

    def test_ids_are_never_used_twice(self):
        seen = set()
        for _ in range(4):
            seen.add(self.queue_alert(self.runner))
            self.queue_command("remove", "all")
            self.runner.kill()
            self.runner.start()
        self.assertEqual(len(seen), 4)

    def test_survives_restarts_with_its_state(self):
        first = self.queue_alert(self.runner, "-s", "first", "one@x.example")
        held = self.queue_alert(self.runner, "-s", "held")
        self.queue_command("hold", held)
        for _ in range(3):
            self.runner.restart()
        self.assertEqual((self.row(first)["state"], self.row(held)["state"]), ("waiting", "held"))
        self.host.start()
        mail = self.arrives(self.host)
        self.assertEqual((mail.header("Subject"), mail.recipients), ("first", ["one@x.example"]))

    def test_expiry(self):
        self.runner.conf["queue"]["expire"] = "3s"
        self.runner.restart()
        ident = self.queue_alert(self.runner, "-s", "late", "a@x.example", "b@x.example")
        self.runner.wait("expired", seconds=12)
        self.assertEqual(self.row(ident)["state"], "failed")
        self.host.start()
        self.assertFalse(self.host.wait(1, 1))
        self.assertIn("expired", self.queue_command("show", ident))
        self.assertIn("FAILED", self.queue_command())
        self.queue_command("release", ident)
        self.assertEqual(len(self.arrives(self.host).recipients), 2)
        self.runner.wait_empty()

    def test_what_expired_and_was_released_has_its_whole_time_again(self):
        self.runner.conf["queue"]["expire"] = "3s"
        self.runner.restart()
        ident = self.queue_alert(self.runner, "-s", "late")
        self.runner.wait("expired", seconds=12)
        self.queue_command("release", ident)
        time.sleep(1.5)  # several looks for expired mail, the smarthost still down
        self.assertEqual(self.row(ident)["state"], "waiting")
        self.host.start()
        self.arrives(self.host)

    def test_the_daemon_is_down(self):
        self.runner.stop()
        done = self.runner.run("queue")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertEqual(self.runner.run("status").returncode, 69)

    def test_configuration_of_now_counts(self):
        """Queued mail follows today's configuration, not that of its acceptance."""
        self.queue_alert(self.runner)
        self.runner.wait("path_failed")
        other = self.smarthost()
        self.runner.conf["smarthost"].update(port=other.port, pin=[other.certificate.key_pin])
        self.runner.conf["identity"]["from_name"] = "New name"
        self.runner.write()
        self.runner.hup()
        self.queue_command("flush")
        self.assertIn("New name", self.arrives(other).header("From"))


class Status(Case):
    def test_up_and_down(self):
        host = self.smarthost()
        relay = self.relay(host)
        done = relay.run("status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty()
        facts = relay.status()
        self.assertTrue(facts["route_up"])
        self.assertEqual((facts["messages"], facts["accepted_messages"],
                          facts["delivered_recipients"]), (0, 1, 1))
        host.stop()
        self.until(lambda: host.sessions == set(), "closed sessions")
        time.sleep(0.1)
        self.queue_alert(relay)
        relay.wait("path_failed")
        done = relay.run("status")
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"mail.example.test", done.stdout)
        facts = relay.status()
        self.assertFalse(facts["route_up"])
        self.assertTrue(facts["last_error"])

    def test_failed_mail_is_loud(self):
        host = self.smarthost(script={"RCPT": "550 5.1.1 nobody"})
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("failed")
        done = relay.run("status")
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"FAILED", done.stdout)


if __name__ == "__main__":
    unittest.main()
