"""A smarthost that lies, stalls or breaks off, at each stage: mail waits, and arrives afterwards.

Each row of a table is one relay and one smarthost whose script tells the lie the first time (or
always) and behaves from then on.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.together import together
from smarthost import CLOSE, DELAY, DRIP, EACH, RESET

LONG_LINE = b"250 " + b"x" * (1 << 20) + b"\r\n"
ENDLESS = b"".join(b"250-KEYWORD%d\r\n" % i for i in range(20000))

# Whatever a server answers before MAIL speaks of account and path, never of the mail.
BEFORE_MAIL = [(stage, reply)
               for stage in ("GREETING", "EHLO", "STARTTLS", "EHLO_TLS", "AUTH")
               for reply in ("421 4.3.2 going down", "450 4.0.0 later", "500 5.5.1 what?",
                             "501 5.5.4 no", "530 5.7.0 no", "550 5.1.1 no such user",
                             "554 5.7.1 forged", "552 5.3.4 too big", "599 no")]
MALFORMED = [b"\r\n", b"hello\r\n", b"25\r\n", b"2500 x\r\n", b"999 no\r\n", b"100 no\r\n",
             b"260 no\r\n", b"250\0 ok\r\n", b"250-a\r\n251 b\r\n", b"\xff\xfe\r\n", LONG_LINE,
             ENDLESS, b"250 ok\r\n250 unasked\r\n", b"-1 no\r\n", b"250_ok\r\n"]


def complaints(relay):
    """What the log has of attempts that came to nothing."""
    return [e for name in ("path_failed", "tls_failed", "login_failed", "deferred")
            for e in relay.find(name)]


class Lies(Case):
    def survives(self, index, script, then=None, count=1, must_refuse=True):
        """One alert; the lie is told, the alert waits; then it arrives, once."""
        host = self.smarthost(script=script)
        relay = self.relay(host, name=f"relay{index}", start=False)
        relay.conf["delivery"]["idle"] = "0"
        relay.start()
        ident = self.queue_alert(relay, "-s", f"row {index}")
        if must_refuse:
            self.until(lambda: complaints(relay), "a complaint in the log")
        self.assertEqual(relay.find("failed"), [], relay.log())
        if then:
            then(host, relay, ident)
        self.arrives(host, count)
        relay.wait_empty()
        self.assertEqual(len(host.mails), count, relay.log())
        return host, relay

    def test_no_refusal_before_mail_fails_a_message(self):
        together(self, BEFORE_MAIL, lambda i, stage, reply:
                 self.survives(i, {stage: EACH(reply)}, must_refuse=stage not in ("EHLO",
                                                                                  "EHLO_TLS")))

    def test_malformed_replies_before_mail(self):
        rows = [(stage, reply) for stage in ("GREETING", "EHLO", "STARTTLS", "EHLO_TLS", "AUTH")
                for reply in MALFORMED]
        together(self, rows, lambda i, stage, reply: self.survives(i, {stage: EACH(reply)}))

    def test_malformed_replies_to_mail(self):
        rows = [(stage, reply) for stage in ("MAIL", "RCPT", "DATA") for reply in MALFORMED]
        together(self, rows, lambda i, stage, reply: self.survives(i, {stage: EACH(reply)}))

    def test_unlawful_replies_to_the_dot(self):
        """Not success: it is sent again, and again it is the same message."""
        def row(i, reply):
            host, _ = self.survives(i, {"DOT": EACH(reply)}, count=2)
            self.assertEqual(host.mails[0].header("Message-ID"), host.mails[1].header("Message-ID"))
        rows = [(r,) for r in MALFORMED if r != b"250 ok\r\n250 unasked\r\n"]
        together(self, rows + [("354 go on",), ("334 more",), ("150 wait",)], row)

    def test_refusals_of_mail_are_later(self):
        """5yz to MAIL speaks of the account, but for size and content."""
        rows = [("421 4.3.2 down",), ("450 4.7.1 greylisted",), ("451 4.3.0 no",),
                ("550 5.7.1 sender not allowed",), ("553 5.1.8 sender unknown",),
                ("530 5.7.0 log in",), ("500 5.5.1 what",), ("554 5.7.1 blocked",)]
        together(self, rows, lambda i, reply: self.survives(i, {"MAIL": EACH(reply)}))

    def test_temporary_refusals(self):
        rows = [(stage, reply) for stage in ("RCPT", "DATA", "DOT")
                for reply in ("421 4.3.2 down", "450 4.2.0 later", "451 4.3.0 no", "452 4.3.1 full",
                              "452 4.5.3 too many")]
        together(self, rows, lambda i, stage, reply: self.survives(i, {stage: EACH(reply)}))

    def test_breaking_off(self):
        rows = [(stage, how) for stage in ("GREETING", "EHLO", "STARTTLS", "HANDSHAKE", "EHLO_TLS",
                                           "AUTH", "MAIL", "RCPT", "DATA", "BODY")
                for how in (CLOSE, RESET)]
        together(self, rows, lambda i, stage, how: self.survives(i, {stage: EACH(how)}))

    def test_lost_after_the_dot_is_a_duplicate_with_the_same_message_id(self):
        def row(i, how):
            host, _ = self.survives(i, {"DOT": EACH(how)}, count=2)
            first, second = host.mails
            self.assertTrue(first.header("Message-ID"))
            self.assertEqual(first.header("Message-ID"), second.header("Message-ID"))
            self.assertEqual(first.body, second.body)
        together(self, [(CLOSE,), (RESET,), (b"25",), (b"250-half\r\n",)][:2], row)

    def test_half_replies(self):
        rows = [(stage, half) for stage in ("GREETING", "EHLO_TLS", "AUTH", "MAIL", "DATA")
                for half in (b"2", b"250", b"250-first\r\n", b"250-first\r\n250 sec")]
        together(self, rows, lambda i, stage, half:
                 self.survives(i, {stage: EACH([half, CLOSE])}))

    def test_slow_and_split_replies_are_fine(self):
        rows = [("GREETING", b"220 slow host\r\n"), ("EHLO_TLS", b"250-slow\r\n250-AUTH PLAIN\r\n"
                                                                b"250 PIPELINING\r\n"),
                ("AUTH", b"235 2.7.0 ok\r\n"), ("MAIL", b"250-2.1.0 one\r\n250 2.1.0 two\r\n"),
                ("RCPT", b"250 2.1.5 ok\r\n"), ("DATA", b"354 go\r\n"),
                ("DOT", b"250 2.0.0 ok\r\n")]

        def row(i, stage, reply):
            _, relay = self.survives(i, {stage: EACH(DRIP(reply))}, must_refuse=False)
            self.assertEqual(relay.find("deferred") + relay.find("path_failed"), [])
        together(self, rows, row)

    def test_bare_line_feeds_in_replies_are_tolerated(self):
        self.survives(0, {"MAIL": EACH(b"250 2.1.0 ok\n")}, must_refuse=False)

    def test_long_but_lawful_answers(self):
        many = "\r\n".join(["250-host"] + [f"250-X-KEYWORD-{i}" for i in range(60)] +
                           ["250-AUTH PLAIN LOGIN", "250 8BITMIME"])
        self.survives(0, {"EHLO_TLS": EACH(many)}, must_refuse=False)


class Stalls(Case):
    """A server that says nothing, at each stage; each time limit is a second."""

    def stalls(self, index, stage, key, many=1):
        host = self.smarthost(script={stage: EACH(*[DELAY(6)] * many)})
        relay = self.relay(host, name=f"relay{index}", start=False)
        relay.conf["timeouts"][key] = "1s"
        relay.start()
        self.queue_alert(relay)
        self.until(lambda: complaints(relay), "a time limit")
        self.arrives(host)
        self.until(lambda: relay.queue() == [], "an empty queue")

    def test_each_stage_has_its_limit(self):
        rows = [("GREETING", "greeting"), ("EHLO", "ehlo"), ("STARTTLS", "starttls"),
                ("HANDSHAKE", "handshake"), ("EHLO_TLS", "ehlo"), ("AUTH", "auth"),
                ("MAIL", "mail"), ("RCPT", "rcpt"), ("DATA", "data")]
        together(self, rows, self.stalls, len(rows))

    def test_a_dot_that_is_not_answered(self):
        host = self.smarthost(script={"DOT": EACH([DELAY(6), CLOSE])})
        relay = self.relay(host, start=False)
        relay.conf["timeouts"]["dot"] = "1s"
        relay.start()
        self.queue_alert(relay)
        relay.wait("deferred")
        self.arrives(host, 2)
        self.assertEqual(host.mails[0].header("Message-ID"), host.mails[1].header("Message-ID"))

    def test_a_server_that_reads_no_content(self):
        host = self.smarthost(script={"BODY": EACH([DELAY(8), CLOSE])})
        relay = self.relay(host, start=False)
        relay.conf["timeouts"]["block"] = "1s"
        relay.conf["queue"]["size"] = "128M"
        relay.start()
        self.queue_alert(relay, given=b"x" * 70 + b"\n" * 1 + (b"y" * 70 + b"\n") * 220000)
        relay.wait("deferred", seconds=20)
        self.arrives(host, seconds=20)

    def test_quit_that_is_not_answered_delays_nothing(self):
        host = self.smarthost(script={"QUIT": DELAY(5)})
        relay = self.relay(host, start=False)
        relay.conf["timeouts"]["quit"] = "1s"
        relay.conf["delivery"]["idle"] = "0"
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty(3)

    def test_a_stalled_connection_does_not_hold_up_submissions(self):
        host = self.smarthost(script={"GREETING": DELAY(20)})
        relay = self.relay(host)
        for _ in range(5):
            self.queue_alert(relay, seconds=3)
        self.assertEqual(len(relay.queue()), 5)
        self.assertIsNotNone(relay.status())


class Starttls(Case):
    def injected(self, index, behind):
        """Bytes behind 220: not a word more, and nothing of them is believed."""
        host = self.smarthost(script={"STARTTLS": b"220 2.0.0 go\r\n" + behind})
        relay = self.relay(host, name=f"relay{index}")
        self.queue_alert(relay)
        self.until(lambda: len(relay.find("tls_failed")) >= 2, "two failed attempts")
        self.nothing_leaked(host)
        self.assertEqual(len(relay.queue()), 1)
        host.script = None
        self.arrives(host)
        relay.wait_empty()

    def test_injection_behind_the_reply(self):
        together(self, [(b"250-evil\r\n250 AUTH PLAIN LOGIN\r\n",), (b"235 ok\r\n",), (b"\n",),
                        (b"x",), (b"220 2.0.0 go\r\n",), (b"\0" * 300,)], self.injected)

    def test_garbage_in_place_of_the_handshake(self):
        def row(i, garbage):
            host = self.smarthost(script={"HANDSHAKE": EACH([garbage, CLOSE])})
            relay = self.relay(host, name=f"relay{i}")
            self.queue_alert(relay)
            relay.wait("tls_failed")
            self.arrives(host)
            relay.wait_empty()
        together(self, [(b"\0" * 100,), (b"\x16\x03\x03\xff\xff" + b"x" * 70000,),
                        (b"\x15\x03\x03\x00\x02\x02\x28",), (b"HTTP/1.1 400\r\n\r\n",)], row)

    def test_what_was_learnt_before_tls_is_forgotten(self):
        """SIZE and AUTH of the plaintext reply count for nothing."""
        host = self.smarthost(mechanisms=("LOGIN",))
        host.script = {"EHLO": "250-host\r\n250-STARTTLS\r\n250-SIZE 10\r\n250 AUTH PLAIN"}
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host)
        self.assertEqual([c[3] for c in host.commands if c[3].startswith(b"AUTH PLAIN")], [])

    def test_starttls_offered_inside_tls_is_ignored(self):
        host = self.smarthost()
        host.script = {"EHLO_TLS": "250-host\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"}
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host)


class DuringContent(Case):
    """A server that speaks before it has all."""

    def early(self, index, words):
        host = self.smarthost(script={"BODY": EACH([words, CLOSE])})
        relay = self.relay(host, name=f"relay{index}", start=False)
        relay.conf["queue"]["size"] = "32M"
        relay.start()
        self.queue_alert(relay, given=(b"y" * 70 + b"\n") * 60000)
        self.until(lambda: relay.find("deferred"), "the message deferred")
        self.assertEqual(relay.find("delivered"), [])
        self.arrives(host)
        relay.wait_empty()
        self.assertEqual(len(host.mails), 1)

    def test_an_early_word_is_no_success(self):
        together(self, [(b"250 2.0.0 taken\r\n",), (b"451 4.3.0 no\r\n",), (b"421 4.3.2 bye\r\n",),
                        (b"354 go on\r\n",), (b"rubbish\r\n",)], self.early, 3)


if __name__ == "__main__":
    unittest.main()
