"""A smarthost that wears out connections: none is kept for ever, none is opened for nothing."""
import base64
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import PASSWORD, USER, Case
from lib.submit import Submission
from lib.together import together
from smarthost import CLOSE, DELAY, EACH

HEAD = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: ready\r\n"


class Connections(Case):
    def slow(self, host, first="300ms", longest="1s", **delivery):
        """A relay with its own times, not yet started."""
        relay = self.relay(host, start=False)
        relay.conf["queue"].update(retry_first=first, retry_longest=longest, size="64M")
        relay.conf["delivery"].update(delivery)
        return relay

    def hand_in(self, relay, count):
        with Submission(relay.socket) as one:
            for n in range(count):
                one.send(HEAD + b"\r\n%d\r\n" % n, ["b@example.test"])

    def test_a_refusal_from_a_server_that_reads_no_more(self):
        """What it left in our buffers must not hold the connection, and with it the message."""
        host = self.smarthost(script={"BODY": EACH([DELAY(2), b"451 4.3.0 no\r\n", DELAY(30), CLOSE])})
        relay = self.slow(host, connections=1).start()
        self.queue_alert(relay, given=(b"y" * 70 + b"\n") * 200000)
        relay.wait("deferred")
        self.arrives(host, seconds=15)

    def test_421_to_every_message_is_no_storm_of_logins(self):
        host = self.smarthost(script={"MAIL": "421 4.7.0 too many messages"})
        relay = self.slow(host, "2s", "4s").start()
        self.hand_in(relay, 40)
        relay.wait("deferred", 3)
        time.sleep(1)
        self.assertLess(host.connections, 8)
        host.script = None
        self.arrives(host, 40, 20)

    def test_one_due_message_opens_one_connection(self):
        host = self.smarthost(script={"RCPT": EACH(CLOSE)})
        relay = self.slow(host, connections=4).start()
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty()
        self.assertEqual(host.connections, 2)

    def test_a_retry_does_not_wait_for_the_idle_connection_to_end(self):
        host = self.smarthost(script={"RCPT": EACH("450 4.2.1 busy")})
        relay = self.slow(host, connections=1, idle="60s").start()
        self.queue_alert(relay)
        self.arrives(host, seconds=5)
        self.assertEqual(host.connections, 1)

    def test_a_server_that_ends_an_idle_connection_is_no_failure(self):
        host = self.smarthost(script={"DOT": EACH(
            [b"250 2.0.0 ok\r\n", DELAY(0.2), b"421 4.4.2 idle\r\n", CLOSE])})
        relay = self.slow(host, idle="60s").start()
        self.queue_alert(relay)
        relay.wait("closed_by_server", reason="idle")
        self.assertEqual(relay.find("path_failed"), [])
        self.queue_alert(relay)
        relay.wait("delivered", 2)


class Reread(Case):
    def test_a_pin_that_was_taken_back_ends_the_connection_that_it_opened(self):
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["delivery"]["idle"] = "60s"
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        right = relay.conf["smarthost"]["pin"]
        relay.conf["smarthost"]["pin"] = [certs.maker.self_signed(tag="other").pin]
        relay.write()
        relay.hup()
        relay.wait("config_reread")
        self.queue_alert(relay)
        relay.wait("tls_failed")
        self.assertEqual(len(host.mails), 1)
        relay.conf["smarthost"]["pin"] = right
        relay.write()
        relay.hup()
        self.arrives(host, 2)


class Secrets(Case):
    def test_a_server_that_repeats_the_login_does_not_get_it_into_the_log(self):
        def script(stage, session):
            return b"535 5.7.8 not known: " + session.line + b"\r\n" if stage == "AUTH" else None
        host = self.smarthost(script=script, mechanisms=("PLAIN",))
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("login_failed", reason="535 5.7.8")
        answer = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        self.assertNotIn(answer[:16], relay.log())
        host.script = None
        self.arrives(host)


class Processor(Case):
    def busy_ms(self, relay, seconds=1.0):
        def used():
            with open(f"/proc/{relay.process.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")
        before = used()
        time.sleep(seconds)
        return used() - before

    def test_waiting_costs_nothing(self):
        rows = [{"GREETING": DELAY(3)}, {"HANDSHAKE": DELAY(3)}, {"DATA": DELAY(3)},
                {"BODY": DELAY(3)}, {"MAIL": [b"25", DELAY(3)]}, {"BODY": [b"45", DELAY(3)]}]
        def row(index, script):
            host = self.smarthost(script=script)
            relay = self.relay(host, name=f"relay{index}", start=False)
            relay.conf["delivery"]["connections"] = 4
            relay.conf["queue"]["size"] = "16M"
            relay.start()
            for _ in range(2):
                self.queue_alert(relay, given=(b"y" * 70 + b"\n") * 20000)
            time.sleep(1)
            self.assertLess(self.busy_ms(relay), 200)
        together(self, [(r,) for r in rows], row)


if __name__ == "__main__":
    unittest.main()
