"""TLS sessions with real servers: the second connection resumes, and after a pin change none does."""
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import PASSWORD, USER, Case
from lib.postfix import Postfix, free_port

TIME_LIMIT_S = 60
VERSIONS = ("TLSv1.2", "TLSv1.3")

postfix = None


def setUpModule():
    global postfix
    postfix = Postfix(certs.maker.self_signed(), USER, PASSWORD)


def tearDownModule():
    if postfix is not None:
        postfix.end()


class OpenSSL:
    """`openssl s_server` with somebody at its keyboard who knows SMTP: one connection at a time."""

    def __init__(self, certificate):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", certificate.path,
             "-key", certificate.key, "-quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.mails = 0
        self.say("220 mail.example.test ESMTP")
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\r\n")
        self.process.stdin.flush()

    def talk(self):
        in_data = False
        for line in self.process.stdout:
            word = line.strip().upper()
            if in_data:
                if word == b".":
                    in_data = False
                    self.mails += 1
                    self.say("250 2.0.0 taken")
            elif word == b"DATA":
                in_data = True
                self.say("354 go on")
            elif word == b"QUIT":
                self.say("221 2.0.0 bye")
                time.sleep(0.5)  # what is typed now is for the next one
                self.say("220 mail.example.test ESMTP")
            else:
                self.say("250 2.0.0 fine")

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.thread.join(10)
        self.process.stdout.close()


class Resume(Case):
    pause_s = 0.1  # for QUIT

    def send(self, relay, count=1):
        """That many connections, one after the other; the `tls` line of each."""
        lines = []
        for _ in range(count):
            since = relay.mark()
            self.queue_alert(relay)
            lines.append(relay.wait("tls", since=since))
            relay.wait("delivered", since=since)
            relay.wait_empty()
            time.sleep(self.pause_s)
        return lines

    def walk(self, certificate, port, **smarthost):
        """`port` is asked for with each version."""
        for version in VERSIONS:
            with self.subTest(version=version):
                relay = self.relay(None, start=False, name=version, port=port(), policy="fingerprint",
                                   pin=[certificate.pin], protocols=version, **smarthost)
                relay.conf["delivery"]["messages"] = 1
                relay.conf["tls"]["keep_sessions"] = "flash"
                relay.start()
                first, second, third = self.send(relay, 3)
                self.assertEqual(first["version"], version)
                self.assertNotIn("resumed", first)
                self.assertEqual(second.get("resumed"), "yes", relay.log())
                self.assertEqual(third.get("resumed"), "yes", relay.log())
                self.over_a_restart(relay)
                self.after_a_pin_change(relay, certificate)
                relay.stop()

    def over_a_restart(self, relay):
        relay.restart()
        self.assertEqual(self.send(relay)[0].get("resumed"), "yes", relay.log())

    def after_a_pin_change(self, relay, certificate):
        before = relay.status()["tls"]
        self.assertEqual((before["successful"], before["resumed"]), (1, 1))
        relay.conf["smarthost"]["pin"] = [certificate.pin, certificate.key_pin]
        relay.write()
        relay.hup()
        relay.wait("config_reread")
        first, second = self.send(relay, 2)
        self.assertNotIn("resumed", first, relay.log())
        self.assertEqual(second.get("resumed"), "yes", relay.log())
        relay.conf["smarthost"]["pin"] = ["cert:" + "AA" * 32]
        relay.write()
        relay.hup()
        relay.wait("config_reread", count=2)
        since = relay.mark()
        relay.send()
        relay.wait("tls_failed", since=since)
        self.assertEqual(relay.find("tls", since=since), [])
        after = relay.status()["tls"]
        self.assertEqual((after["successful"], after["resumed"]), (3, 2))
        self.assertGreaterEqual(after["validation-failure"], 1)

    def test_postfix(self):
        self.walk(certs.maker.self_signed(), lambda: postfix.port, user=USER, password=PASSWORD)

    def test_s_server(self):
        certificate = certs.maker.self_signed()

        def port():
            server = OpenSSL(certificate)
            self.addCleanup(server.end)
            return server.port

        self.pause_s = 0.7
        self.walk(certificate, port, tls="implicit")


if __name__ == "__main__":
    unittest.main()
