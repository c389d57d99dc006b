"""A real Postfix with Dovecot's SASL as smarthost: all arrives, byte for byte; nothing leaks."""
import email
import email.policy
import os
import random
import re
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import USER, Case
from lib.postfix import Postfix
from lib.relay import queued_id
from lib.submit import Submission

TIME_LIMIT_S = 600
PASSWORD = "pass; word = \"quoted\" ÄÖ"
MESSAGES, SMALLEST, LARGEST = 1000, 200, 1 << 20
CONNECTIONS_MOST = 30
SUBMITTERS = 4

postfix = None


def setUpModule():
    global postfix
    authority = certs.maker.authority()
    postfix = Postfix(authority.leaf("mail.example.test"), USER, PASSWORD)


def tearDownModule():
    if postfix is not None:
        postfix.end()


def size_of(random_source, index):
    """Mostly small, a few large; the limits themselves are among them."""
    if index < 2:
        return (SMALLEST, LARGEST)[index]
    low, high = random_source.choices([(200, 2000), (2000, 20000), (20000, 200000),
                                       (200000, LARGEST)], (70, 20, 9, 1))[0]
    return random_source.randint(low, high)


def content(random_source, size):
    """`size` bytes of lines with dots, blanks and letters beyond ASCII, CRLF at their ends."""
    lines, left = [], size
    pieces = ["lorem ipsum dolor sit amet ", "....", ".", "Füße ", "\t", "=20=3D", "-- ", "x" * 300,
              "From here ", "0123456789", "€"]
    while left > 900:
        line = "".join(random_source.choices(pieces, k=random_source.randint(0, 8))).encode()
        line = line[:700].decode("utf-8", "ignore").encode() + b"\r\n"
        lines.append(line)
        left -= len(line)
    lines.append(b"e" * (left - 2) + b"\r\n" if left >= 2 else b"")
    return b"".join(lines)


def without_trace(data):
    """Without Received fields on top."""
    while data.startswith(b"Received:"):
        data = re.sub(rb"\AReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", b"", data)
    return data


class WithPostfix(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.whole_again)
        self.seen = len(postfix.sink.mails)

    def whole_again(self):
        if postfix.tls_level != "may":
            postfix.tls_level = "may"
            postfix.reload()

    def relay_to(self, pins=(), start=True, **more):
        more.setdefault("policy", "fingerprint")
        more.setdefault("port", postfix.port)
        more.setdefault("password", PASSWORD)
        relay = self.relay(None, start=False, pin=list(pins), user=USER, **more)
        relay.conf["tls"]["ca_file"] = certs.maker.authority().root
        return relay.start() if start else relay

    @property
    def leaf(self):
        return certs.maker.authority().leaf("mail.example.test")

    def sink_gets(self, count=1, seconds=20):
        """The messages of this test, as they came out of Postfix."""
        if not postfix.sink.wait(self.seen + count, seconds):
            self.fail(f"{len(postfix.sink.mails) - self.seen} of {count} came out of Postfix\n"
                      + self.relays[-1].log() + postfix.log()[-3000:])
        return postfix.sink.mails[self.seen:]


class Thousand(WithPostfix):
    """1,000 alerts and messages of 200 bytes to 1 MiB, as fast as they are taken."""

    def hand_in(self, relay, work, wrong):
        try:
            with Submission(relay.socket) as one:
                for index, data, is_alert in work:
                    if is_alert:
                        reply = one.alert(data, f"alert {index}", ["a@example.test"])
                    else:
                        head = ("From: n@example.test\r\nTo: a@example.test\r\n"
                                f"Subject: {index}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                                f"Message-ID: <{index}@raw.example.test>\r\nMIME-Version: 1.0\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Transfer-Encoding: 8bit\r\n\r\n").encode()
                        reply = one.send(head + data, ["a@example.test"], "n@example.test",
                                         " BODY=8BITMIME")
                        self.raw[index] = head + data
                    if not reply.startswith("250"):
                        wrong.append((index, reply))
        except (OSError, AssertionError) as error:
            wrong.append(error)

    def test_all_arrive_byte_for_byte_over_few_connections(self):
        seed = int(os.environ.get("PP_SEED") or random.randrange(1 << 32))
        print(f"PP_SEED={seed} replays this", flush=True)
        source = random.Random(seed)
        relay = self.relay_to([self.leaf.pin], start=False)
        relay.conf["queue"]["size"] = "128M"
        relay.conf["log"]["level"] = "info"
        relay.start()
        before = postfix.count(r"smtpd\[\d+\]: connect from")
        self.raw = {}
        work = [(i, content(source, size_of(source, i)), source.random() < 0.5)
                for i in range(MESSAGES)]
        texts = {index: data for index, data, is_alert in work if is_alert}
        wrong = []
        threads = [threading.Thread(target=self.hand_in, args=(relay, work[n::SUBMITTERS], wrong))
                   for n in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        self.assertEqual(wrong, [])
        mails = self.sink_gets(MESSAGES, 240)
        relay.wait_empty()
        self.compare(mails, texts)
        connections = postfix.count(r"smtpd\[\d+\]: connect from") - before
        print(f"{MESSAGES} messages over {connections} connections", flush=True)
        self.assertLessEqual(connections, CONNECTIONS_MOST)

    def compare(self, mails, texts):
        ids = set()
        for mail in mails:
            ids.add(mail.header("Message-ID"))
            subject = mail.header("Subject")
            if subject.startswith("alert "):
                message = email.message_from_bytes(mail.data, policy=email.policy.default)
                got = message.get_payload(decode=True).replace(b"\r\n", b"\n")
                want = texts.pop(int(subject[6:])).replace(b"\r\n", b"\n")
            else:
                got = without_trace(mail.data)
                want = self.raw.pop(int(subject))
            self.assertTrue(got == want, f"{subject} is not as it was handed in")
        self.assertEqual((texts, self.raw), ({}, {}))
        self.assertEqual(len(ids), MESSAGES)


class Trust(WithPostfix):
    def delivers(self, pins=(), **more):
        relay = self.relay_to(pins, **more)
        self.queue_alert(relay, "-s", "through Postfix")
        self.assertEqual(self.sink_gets()[-1].header("Subject"), "through Postfix")
        relay.wait_empty()
        return relay

    def test_pin_of_certificate(self):
        self.delivers([self.leaf.pin]).wait("pin_matched", pin=self.leaf.pin)

    def test_pin_of_key(self):
        self.delivers([self.leaf.key_pin]).wait("pin_matched", pin=self.leaf.key_pin)

    def test_second_of_several_pins(self):
        other = certs.maker.self_signed(tag="other")
        relay = self.delivers([other.pin, self.leaf.pin, other.key_pin])
        relay.wait("pin_matched", number=2)

    def test_fingerprint_as_postfix_prints_it(self):
        self.delivers([self.leaf.key_fingerprint()])

    def test_secure(self):
        self.delivers(policy="secure").wait("verified")

    def test_implicit_tls(self):
        self.delivers([self.leaf.pin], tls="implicit", port=postfix.implicit_port)

    def test_login_mechanism(self):
        self.delivers([self.leaf.pin], auth="login")

    def waits(self, relay, mend, event):
        """Nothing gets to Postfix's queue, nothing is bounced; once mended it arrives, once."""
        before = postfix.log()
        ident = queued_id(relay.send("-s", "kept back"))
        relay.wait(event, 2, 20)
        new = postfix.log()[len(before):]
        self.assertNotIn("cleanup[", new)
        self.assertNotRegex(new, r"mail=\d")
        self.assertEqual([(r["id"], r["state"]) for r in relay.queue()], [(ident, "waiting")])
        self.assertEqual(len(postfix.sink.mails), self.seen)
        mend()
        mails = self.sink_gets()
        relay.wait_empty()
        self.assertEqual([m.header("Subject") for m in mails], ["kept back"])
        self.assertNotIn("bounce[", postfix.log()[len(before):])
        return new

    def mend_by_hup(self, relay, **settings):
        def mend():
            relay.conf["smarthost"].update(settings)
            relay.write()
            relay.hup()
        return mend

    def test_wrong_pin(self):
        relay = self.relay_to([certs.maker.self_signed(tag="other").pin])
        new = self.waits(relay, self.mend_by_hup(relay, pin=[self.leaf.pin]), "tls_failed")
        self.assertNotIn("sasl", new)
        self.assertNotRegex(new, r"auth=\d")

    def test_name_that_does_not_match(self):
        relay = self.relay_to(start=False, policy="secure")
        relay.conf["smarthost"]["host"] = "smarthost.example"
        relay.start()
        new = self.waits(relay, self.mend_by_hup(relay, host="mail.example.test"), "tls_failed")
        self.assertNotRegex(new, r"auth=\d")

    def test_wrong_password(self):
        relay = self.relay_to([self.leaf.pin], password="wrong")
        new = self.waits(relay, self.mend_by_hup(relay, password=PASSWORD), "login_failed")
        self.assertIn("authentication failed", new)

    def test_missing_starttls(self):
        postfix.tls_level = "none"
        postfix.reload()
        relay = self.relay_to([self.leaf.pin])

        def mend():
            postfix.tls_level = "may"
            postfix.reload()
        new = self.waits(relay, mend, "tls_failed")
        self.assertNotRegex(new, r"auth=\d")

    def test_recipient_that_postfix_refuses(self):
        relay = self.relay_to([self.leaf.pin])
        queued_id(relay.send("good@example.test", "refused@example.test", "root"))
        self.assertEqual(self.sink_gets()[-1].recipients,
                         ["good@example.test", "root@example.test"])
        failed = relay.wait("failed")
        self.assertEqual((failed["to"], failed["code"]), ("refused@example.test", "554"))
        self.assertEqual([r["state"] for r in relay.queue()], ["failed"])

    def test_thousand_recipients(self):
        relay = self.relay_to([self.leaf.pin])
        names = [f"r{i}@example.test" for i in range(1000)]
        with Submission(relay.socket) as one:
            reply = one.send(b"Subject: many\r\n\r\nx\r\n", names)
        self.assertTrue(reply.startswith("250"), reply)
        relay.wait_empty(30)
        self.until(lambda: sorted(r for m in postfix.sink.mails[self.seen:] for r in m.recipients)
                   == sorted(names), "all recipients", 30)


class Tools(WithPostfix):
    def test_test_walks_to_the_sender(self):
        relay = self.relay_to([self.leaf.pin])
        done = relay.run("test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_test_says_what_is_wrong(self):
        relay = self.relay_to([self.leaf.pin], password="wrong")
        done = relay.run("test")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"535", done.stdout + done.stderr)
        self.assertNotIn(b"wrong\n", done.stdout + done.stderr)

    def test_pin_shows_what_openssl_shows(self):
        relay = self.relay_to([self.leaf.pin], start=False)
        done = relay.run("pin", f"localhost:{postfix.port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = done.stdout.decode()
        self.assertIn(self.leaf.pin, text)
        self.assertIn(self.leaf.key_pin, text)
        self.assertIn("mail.example.test", text)
        done = relay.run("pin", f"localhost:{postfix.implicit_port}", "--tls", "implicit")
        self.assertIn(self.leaf.pin, done.stdout.decode())


if __name__ == "__main__":
    unittest.main()
