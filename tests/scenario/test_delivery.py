"""Delivery: what arrives is what was handed in, to whom it was meant, whatever the server can."""
import os
import random
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import email
import email.policy

from lib.case import USER, Case
from lib.submit import Submission
from smarthost import CLOSE, EACH

HEAD = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: ready\r\n"


def parsed(mail):
    return email.message_from_bytes(mail.data, policy=email.policy.default)


def text_of(mail):
    """The decoded text with LF as line end."""
    return parsed(mail).get_content().replace("\r\n", "\n")


class Alerts(Case):
    def test_header_and_text(self):
        host = self.smarthost()
        relay = self.relay(host)
        before = int(time.time())
        self.queue_alert(relay, "-s", "Disk 3 failed", "-S", "critical", "-n", "The NAS",
                         given="first line\nsecond line\n")
        mail = self.arrives(host)
        message = parsed(mail)
        self.assertEqual(message["Subject"], "Disk 3 failed")
        self.assertEqual(message["To"], "admin@example.test")
        self.assertEqual(message["From"].addresses[0].addr_spec, "relay@example.test")
        self.assertEqual(message["From"].addresses[0].display_name, "The NAS")
        self.assertRegex(mail.header("Message-ID"), r"^<\S+@\S+>$")
        self.assertEqual(message["MIME-Version"], "1.0")
        self.assertEqual(text_of(mail), "first line\nsecond line\n")
        self.assertLess(abs(message["Date"].datetime.timestamp() - before), 60)
        self.assertEqual(mail.sender, "relay@example.test")
        relay.wait("delivered")
        for event in ("accepted", "durable", "delivered"):
            self.assertEqual(len(relay.find(event)), 1, event)

    def test_utf8_subjects_come_back_whole(self):
        host = self.smarthost()
        relay = self.relay(host)
        subjects = ["Gehäuse überhitzt", "温度が高すぎます " * 12, "\N{FIRE}" * 60,
                    "plain and = signs ? and _", "x" * 300, "a" * 74 + "é" + "b" * 100,
                    " =?utf-8?q?not_encoded?= "]
        for index, subject in enumerate(subjects):
            self.queue_alert(relay, "-s", subject)
            mail = self.arrives(host, index + 1)
            self.assertTrue(mail.data.split(b"\r\n\r\n")[0].isascii())
            self.assertEqual(parsed(mail)["Subject"].split(), subject.split())
            for line in mail.data.split(b"\r\n\r\n")[0].split(b"\r\n"):
                self.assertLessEqual(len(line), 998)

    def test_texts_come_back_whole(self):
        texts = [".", "..\n.\n", "no line end", "tabs\tand  trailing blanks   \nmore \t\n",
                 "Grüße\n" * 20, "x" * 5000, "=3D = =\n", "\n\n\n", "From the start\n>From\n",
                 "é" * 3000, "." * 3000 + "\n.", "\x01\x02 control\n", "end with dot\n."]
        host = self.smarthost()
        relay = self.relay(host)
        for index, text in enumerate(texts):
            with self.subTest(text[:30]):
                self.queue_alert(relay, "-s", str(index), given=text)
                content = text_of(self.arrives(host, index + 1))
                self.assertEqual(content.rstrip("\n"), text.rstrip("\n"))

    def test_text_that_is_not_utf8(self):
        host = self.smarthost()
        relay = self.relay(host)
        self.queue_alert(relay, "-s", "bytes", given=b"caf\xe9 \xff\xfe\n")
        content = parsed(self.arrives(host)).get_payload(decode=True)
        self.assertEqual(content.rstrip(b"\r\n"), b"caf\xe9 \xff\xfe")

    def test_subject_alone_and_text_alone(self):
        host = self.smarthost()
        relay = self.relay(host)
        self.queue_alert(relay, "-s", "only a subject", given="")
        self.assertEqual(parsed(self.arrives(host))["Subject"], "only a subject")
        self.queue_alert(relay, given="only a text\n")
        self.assertEqual(text_of(self.arrives(host, 2)), "only a text\n")

    def test_recipients_and_sender(self):
        host = self.smarthost()
        relay = self.relay(host)
        self.queue_alert(relay, "-f", "disk", "root", "a@b.example, Bob <bob@c.example>")
        mail = self.arrives(host)
        self.assertEqual(mail.recipients, ["root@example.test", "a@b.example", "bob@c.example"])
        self.assertEqual(mail.sender, "disk@example.test")
        self.queue_alert(relay, "-f", "<>", "a@b.example")
        self.assertEqual(self.arrives(host, 2).sender, "")

    def test_urgent_first(self):
        host = self.smarthost(start=False)
        relay = self.relay(host, start=False)
        relay.conf["delivery"]["connections"] = 1
        relay.conf["queue"]["retry_first"] = relay.conf["queue"]["retry_longest"] = "2s"
        relay.start()
        for severity in ("info", "info", "critical", "warning"):
            self.queue_alert(relay, "-s", severity, "-S", severity)
        host.start()
        relay.run("queue", "flush")
        self.arrives(host, 4)
        self.assertEqual([parsed(m)["Subject"] for m in host.mails][:2], ["critical", "warning"])


class Ready(Case):
    """Messages that came ready: byte for byte where the server can, mended where not."""

    def hand_in(self, relay, data, recipients=("b@example.test",), parameters=""):
        with Submission(relay.socket) as one:
            reply = one.send(data, recipients, "a@example.test", parameters)
        self.assertTrue(reply.startswith("250"), reply)

    def whole(self, data):
        return (b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n" + HEAD
                + data)

    def test_byte_for_byte(self):
        random.seed(1)
        host = self.smarthost()
        relay = self.relay(host)
        bodies = [b"\r\nplain\r\n", b"\r\n.\r\n..\r\n.dot\r\n", b"\r\n", b"\r\n\r\n\r\n",
                  b"\r\n" + b"x" * 998 + b"\r\n", b"\r\n" + b"." * 997 + b"\r\n",
                  b"\r\n" + b"".join(b"%d\r\n" % i for i in range(30000)),
                  b"X-Last: field\r\n\r\n" + bytes(random.choices(b"abc .\t", k=900)) + b"x\r\n",
                  b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
                  b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "Grüße\r\n".encode() * 50]
        for index, body in enumerate(bodies):
            data = self.whole(body)
            self.hand_in(relay, data, parameters=" BODY=8BITMIME")
            mail = self.arrives(host, index + 1)
            self.assertEqual(self.strip_received(mail.data), data)

    @staticmethod
    def strip_received(data):
        """Without trace fields that a relay may put on top."""
        return re.sub(rb"\AReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", b"", data)

    def test_missing_fields_are_added_and_bcc_is_taken_off(self):
        host = self.smarthost()
        relay = self.relay(host)
        self.hand_in(relay, b"Subject: hi\r\nBcc: secret@example.test,\r\n other@example.test\r\n"
                            b"X-Kept: yes\r\n\r\ntext\r\n")
        mail = self.arrives(host)
        for name in ("Date", "Message-ID", "From"):
            self.assertTrue(mail.header(name), name)
        self.assertIsNone(mail.header("Bcc"))
        self.assertNotIn(b"secret@", mail.data)
        self.assertNotIn(b"other@", mail.data)
        self.assertEqual(mail.header("X-Kept"), "yes")

    def test_long_lines_are_mended(self):
        host = self.smarthost()
        relay = self.relay(host)
        body = b"y" * 5000 + b"\r\nshort\r\n"
        self.hand_in(relay, self.whole(b"\r\n" + body))
        mail = self.arrives(host)
        self.assertEqual(parsed(mail).get_payload(decode=True), body)

    def test_server_without_8bitmime(self):
        host = self.smarthost(eight_bit=False, smtputf8=False)
        relay = self.relay(host)
        text = "Grüße aus dem Keller\r\n".encode() * 10
        head = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                b"Content-Transfer-Encoding: 8bit\r\n\r\n")
        self.hand_in(relay, self.whole(head + text), parameters=" BODY=8BITMIME")
        mail = self.arrives(host)
        self.assertTrue(mail.data.isascii())
        self.assertEqual(parsed(mail).get_payload(decode=True), text)
        self.queue_alert(relay, given="Grüße\n")
        mail = self.arrives(host, 2)
        self.assertTrue(mail.data.isascii())
        self.assertEqual(text_of(mail), "Grüße\n")

    def test_multipart_to_a_server_without_8bitmime(self):
        host = self.smarthost(eight_bit=False, smtputf8=False)
        relay = self.relay(host)
        part = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        body = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b=1\"\r\n\r\n"
                b"--b=1\r\n" + part + "Ä\r\n".encode() + b"--b=1\r\n" + part + "Ö\r\n".encode()
                + b"--b=1--\r\n")
        self.hand_in(relay, self.whole(body), parameters=" BODY=8BITMIME")
        mail = self.arrives(host)
        self.assertTrue(mail.data.isascii())
        self.assertEqual([p.get_content().strip() for p in parsed(mail).iter_parts()], ["Ä", "Ö"])

    def test_what_cannot_be_converted_fails_alone(self):
        host = self.smarthost(eight_bit=False, smtputf8=False)
        relay = self.relay(host)
        signed = (b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=x; "
                  b"protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n--x\r\n"
                  b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
                  b"\r\n" + "Ä\r\n".encode() + b"--x\r\nContent-Type: application/pgp-signature\r\n"
                  b"\r\nsig\r\n--x--\r\n")
        self.hand_in(relay, self.whole(signed), parameters=" BODY=8BITMIME")
        self.queue_alert(relay, "-s", "the next")
        self.arrives(host)
        failed = relay.wait("failed")
        self.assertIn("5.6.", failed["reply"])
        self.until(lambda: [r["state"] for r in relay.queue()] == ["failed"], "one failed alone")


class Servers(Case):
    """Servers of every ability."""

    def deliver(self, **options):
        host = self.smarthost(**options)
        relay = self.relay(host)
        with Submission(relay.socket) as one:
            for n in range(3):
                reply = one.send(HEAD + b"\r\n%d\r\n" % n, [f"r{i}@example.test" for i in range(4)])
                self.assertTrue(reply.startswith("250"), reply)
        self.arrives(host, 3)
        relay.wait_empty()
        self.assertTrue(all(len(m.recipients) == 4 for m in host.mails))
        return host

    def test_all_of_it(self):
        self.deliver()

    def test_without_pipelining(self):
        self.deliver(pipelining=False)

    def test_without_anything(self):
        self.deliver(pipelining=False, eight_bit=False, smtputf8=False, size=0, enhanced=False)

    def test_helo_only(self):
        host = self.deliver(tls="none", esmtp=False, users={}, pipelining=False, size=0,
                            eight_bit=False, smtputf8=False)
        self.assertIn("HELO", host.words())

    def test_size_is_said_and_obeyed(self):
        host = self.smarthost(size=2000)
        relay = self.relay(host)
        self.queue_alert(relay, "-s", "small")
        mail = self.arrives(host)
        said = [p for p in mail.parameters if p.startswith("SIZE=")]
        self.assertTrue(not said or int(said[0][5:]) >= len(mail.data), said)
        self.queue_alert(relay, "-s", "big", given="x" * 70 + "\n" + ("y" * 70 + "\n") * 100)
        relay.wait("failed")
        self.queue_alert(relay, "-s", "small again")
        self.arrives(host, 2)
        self.assertEqual([r["state"] for r in relay.queue()], ["failed"])

    def test_ipv6(self):
        host = self.smarthost(address="::1")
        relay = self.relay(host)
        relay.hosts("::1 mail.example.test")
        self.queue_alert(relay)
        self.arrives(host)

    def test_second_address_when_the_first_is_dead(self):
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.hosts("127.0.0.77 mail.example.test", "127.0.0.1 mail.example.test")
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        self.assertEqual(relay.find("path_failed"), [])

    def test_server_that_comes_later(self):
        host = self.smarthost(start=False)
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("path_failed", 2)
        host.start()
        self.arrives(host)
        relay.wait_empty()


class Connections(Case):
    def hand_in(self, relay, count):
        with Submission(relay.socket) as one:
            for n in range(count):
                one.send(HEAD + b"\r\n%d\r\n" % n, ["b@example.test"])

    def test_many_messages_over_one_connection(self):
        host = self.smarthost(start=False)
        relay = self.relay(host, start=False)
        relay.conf["delivery"].update(connections=1, messages=0)
        relay.start()
        self.hand_in(relay, 40)
        host.start()
        self.arrives(host, 40)
        relay.wait_empty()
        self.assertLessEqual(host.connections, 1)

    def test_messages_a_connection(self):
        host = self.smarthost(start=False)
        relay = self.relay(host, start=False)
        relay.conf["delivery"].update(connections=1, messages=10)
        relay.start()
        self.hand_in(relay, 40)
        host.start()
        self.arrives(host, 40)
        relay.wait_empty()
        self.assertEqual(host.connections, 4)
        self.assertTrue(all(m.number <= 40 for m in host.mails))

    def test_an_idle_connection_is_kept_and_closed(self):
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["delivery"]["idle"] = "1s"
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty()  # a connection still busy with the first would make it two
        self.queue_alert(relay)
        self.arrives(host, 2)
        self.assertEqual(host.connections, 1)
        self.until(lambda: "QUIT" in host.words(), "QUIT")

    def test_one_bad_message_does_not_hold_up_others(self):
        def script(stage, session):
            if stage == "MAIL" and b"<bad@" in session.line:
                return CLOSE
            return None
        host = self.smarthost(script=script)
        relay = self.relay(host)
        self.queue_alert(relay, "-f", "bad@example.test")
        for n in range(5):
            self.queue_alert(relay, "-f", f"good{n}@example.test")
        self.arrives(host, 5)
        self.until(lambda: len(relay.queue()) <= 1, "the good ones to be done")
        self.assertEqual(len(relay.queue()), 1)


class Recipients(Case):
    def refuse(self, verdicts):
        """A script that answers RCPT by the local part."""
        def script(stage, session):
            if stage == "RCPT":
                for word, reply in verdicts.items():
                    if b"<" + word.encode() in session.line:
                        return reply.next() if isinstance(reply, EACH) else reply
            return None
        return script

    def test_one_of_three_never(self):
        host = self.smarthost(script=self.refuse({"bad": "550 5.1.1 no such user"}))
        relay = self.relay(host)
        ident = self.queue_alert(relay, "one@x.example", "bad@x.example", "two@x.example")
        mail = self.arrives(host)
        self.assertEqual(mail.recipients, ["one@x.example", "two@x.example"])
        relay.wait("failed", to="bad@x.example")
        row = relay.queue()[0]
        self.assertEqual((row["id"], row["state"], row["failed"]), (ident, "failed", 1))
        shown = relay.run("queue", "show", ident).stdout.decode()
        self.assertIn("no such user", shown)
        listed = relay.run("queue").stdout.decode()
        self.assertIn("FAILED", listed)
        self.assertIn("bad@x.example", shown)
        host.script = None
        self.assertEqual(relay.run("queue", "release", ident).returncode, 0)
        self.assertEqual(self.arrives(host, 2).recipients, ["bad@x.example"])
        relay.wait_empty()

    def test_one_of_three_later(self):
        host = self.smarthost(script=self.refuse({"full": EACH("452 4.2.2 mailbox full")}))
        relay = self.relay(host)
        self.queue_alert(relay, "one@x.example", "full@x.example", "two@x.example")
        self.assertEqual(len(self.arrives(host).recipients), 2)
        self.assertEqual(self.arrives(host, 2).recipients, ["full@x.example"])
        self.assertEqual(host.mails[0].header("Message-ID"), host.mails[1].header("Message-ID"))
        relay.wait_empty()

    def test_all_never(self):
        for pipelining in (True, False):
            host = self.smarthost(script={"RCPT": "550 5.1.1 nobody"}, pipelining=pipelining)
            relay = self.relay(host, name=f"relay{pipelining}")
            self.queue_alert(relay, "a@x.example", "b@x.example")
            relay.wait("failed", 2)
            self.assertEqual(relay.queue()[0]["state"], "failed")
            # The connection is still good for the next message.
            host.script = None
            self.queue_alert(relay)
            self.arrives(host)

    def test_each_kind_together(self):
        host = self.smarthost(script=self.refuse({"never": "553 5.1.3 no", "later": EACH(
            "450 4.2.1 busy", "450 4.2.1 busy"), "login": EACH("530 5.7.0 log in first")}))
        relay = self.relay(host)
        self.queue_alert(relay, "ok@x.example", "never@x.example", "later@x.example",
                         "login@x.example")
        self.until(lambda: sorted(r for m in host.mails for r in m.recipients) ==
                   ["later@x.example", "login@x.example", "ok@x.example"], "three recipients")
        self.until(lambda: [r["state"] for r in relay.queue()] == ["failed"], "one failed")

    def test_a_hundred_and_a_thousand(self):
        host = self.smarthost()
        relay = self.relay(host)
        for index, count in enumerate((100, 1000)):
            names = [f"recipient{i}@example{i % 7}.test" for i in range(count)]
            with Submission(relay.socket) as one:
                reply = one.send(HEAD + b"\r\nmany\r\n", names)
            self.assertTrue(reply.startswith("250"), reply)
            self.assertEqual(self.arrives(host, index + 1, 20).recipients, names)
        relay.wait_empty()

    def test_a_thousand_by_a_hundred(self):
        """A server that takes 100 at a time: 452 4.5.3 means the rest comes again (RFC 5321)."""
        host = self.smarthost(recipient_limit=100)
        relay = self.relay(host, start=False)
        relay.conf["queue"]["retry_longest"] = "300ms"
        relay.start()
        names = [f"r{i}@example.test" for i in range(450)]
        with Submission(relay.socket) as one:
            one.send(HEAD + b"\r\nmany\r\n", names)
        self.until(lambda: sum(len(m.recipients) for m in host.mails) >= 450, "450 recipients", 15)
        relay.wait_empty()
        self.assertEqual(sorted(r for m in host.mails for r in m.recipients), sorted(names))

    def test_a_message_over_the_recipient_limit(self):
        relay = self.relay(self.smarthost(), start=False)
        relay.conf["queue"]["recipient_limit"] = 3
        relay.start()
        done = relay.send("a@x.example", "b@x.example", "c@x.example", "d@x.example")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(relay.queue(), [])


class ContentRefused(Case):
    def test_never_at_data_and_dot(self):
        for stage, reply in (("DATA", "554 5.7.1 no"), ("DOT", "550 5.7.1 spam"),
                             ("DOT", "552 5.3.4 too big")):
            with self.subTest(stage + reply):
                host = self.smarthost(script={stage: EACH(reply)})
                relay = self.relay(host, name=f"relay{len(self.relays)}")
                ident = self.queue_alert(relay, "a@x.example", "b@x.example")
                relay.wait("failed", 2)
                self.assertEqual([(r["id"], r["state"]) for r in relay.queue()],
                                 [(ident, "failed")])
                self.assertEqual(host.mails, [])
                self.assertEqual(relay.run("queue", "remove", ident).returncode, 0)
                self.assertEqual(relay.queue(), [])

    def test_login_asked_for_late_is_later(self):
        host = self.smarthost(script={"DATA": EACH("530 5.7.0 authentication required")})
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("deferred")
        self.assertEqual(self.arrives(host).user, USER)


if __name__ == "__main__":
    unittest.main()
