"""case.py - the ground that every scenario stands on

Job:      a directory, a smarthost and a relay a test, all gone afterwards; at the end of each test
          the smarthost's list of what was said against the standard has to be empty.
"""
import os
import tempfile
import time
import unittest

from . import certs
from .relay import PROGRAM, SLOW, Relay, queued_id
from smarthost import Options, Smarthost

USER, PASSWORD = "nas@example.test", "s3cret; with spaces \"and\" more"


class Case(unittest.TestCase):
    def setUp(self):
        self.assertTrue(os.access(PROGRAM, os.X_OK), f"{PROGRAM} is not there: run make")
        place = tempfile.TemporaryDirectory(prefix="pinpost-test-", ignore_cleanup_errors=True)
        self.addCleanup(place.cleanup)
        self.place = place.name
        os.chmod(self.place, 0o755)
        self.relays = []
        self.hosts = []
        self.addCleanup(self.finish)

    def finish(self):
        for relay in self.relays:
            relay.end()
        for host in self.hosts:
            host.stop()
        for host in self.hosts:
            self.assertEqual(host.violations, [], "said to the smarthost against the standard")

    # ---- players ----

    def smarthost(self, certificate=None, script=None, start=True, address="127.0.0.1", **options):
        certificate = certificate or certs.maker.self_signed()
        options.setdefault("users", {USER: PASSWORD})
        host = Smarthost(Options(certificate=certificate.path, key=certificate.key, **options),
                         script=script, address=address)
        host.certificate = certificate
        self.hosts.append(host)
        host.start()
        if not start:
            host.stop()
        return host

    def relay(self, host=None, /, start=True, name="relay", **smarthost):
        """A relay for a smarthost, by default with its certificate's pin and the right login."""
        if host is not None:
            if "policy" not in smarthost and host.options.tls != "none":
                smarthost["policy"] = "fingerprint"
                smarthost.setdefault("pin", [host.certificate.pin])
            if host.options.tls == "none":
                smarthost.setdefault("policy", "none")
            if host.options.tls == "implicit":
                smarthost.setdefault("tls", "implicit")
            if host.options.users:
                smarthost.setdefault("user", USER)
                smarthost.setdefault("password", PASSWORD)
            smarthost.setdefault("port", host.port)
        relay = Relay(os.path.join(self.place, name), **smarthost)
        self.relays.append(relay)
        return relay.start() if start else relay

    # ---- what is often asked ----

    def until(self, condition, words, seconds=10):
        """Waits for a condition; its value."""
        end = time.monotonic() + seconds * SLOW
        while not (value := condition()):
            if time.monotonic() > end:
                logs = "\n".join(r.log() for r in self.relays)
                self.fail(f"not in {seconds * SLOW} s: {words}\n{logs}")
            time.sleep(0.02)
        return value

    def queue_alert(self, relay, *arguments, **more):
        return queued_id(relay.send(*arguments, **more))

    def arrives(self, host, count=1, seconds=10):
        """The last of `count` messages."""
        if not host.wait(count, seconds * SLOW):
            self.fail(f"{len(host.mails)} of {count} messages arrived; the smarthost heard "
                      f"{host.words()}\n" + "\n".join(r.log() for r in self.relays))
        return host.mails[count - 1]

    def nothing_leaked(self, host, *more):
        """Only greetings, no login, no sender, no content; `more` words are fine too."""
        allowed = {"EHLO", "HELO", "STARTTLS", "QUIT", *more}
        self.assertLessEqual(set(host.words()), allowed)
        self.assertEqual(host.mails, [])
