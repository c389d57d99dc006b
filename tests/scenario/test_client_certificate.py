"""Our own certificate as a client: shown to a relay that knows its pin, refused files, renewal."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case
from lib.listener import verifier
from lib.postfix import free_port

EX_CONFIG = 78


class ClientCertificate(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost()
        self.server = certs.maker.self_signed()
        self.own = certs.maker.self_signed("printer.example", tag="own")
        self.other = certs.maker.self_signed("printer.example", tag="other")

    def door(self, pin):
        """A relay that only lets in who shows the certificate of this pin; its port."""
        port = free_port()
        door = self.relay(self.host, start=False, name="door")
        door.conf["server"] = {"certificate": self.server.path, "key": self.server.key}
        door.conf["listener in"] = {"address": "127.0.0.1", "port": port, "tls": "require",
                                    "auth": "require", "client_pin": pin}
        door.conf["user joe@example.test"] = {"password": verifier("pass")}
        door.start()
        return port

    def visitor(self, port, certificate, start=True, **more):
        for name, path in (("own.pem", certificate.path), ("own.key", certificate.key)):
            shutil.copy(path, os.path.join(self.place, name))
        os.chmod(self.path("own.key"), 0o600)
        return self.relay(None, start=start, port=port, policy="fingerprint",
                          pin=[self.server.pin], client_certificate_file=self.path("own.pem"),
                          client_key_file=self.path("own.key"), **more)

    def path(self, name):
        return os.path.join(self.place, name)

    def test_it_is_let_in(self):
        port = self.door(self.own.key_pin)
        for version in ("TLSv1.2", "TLSv1.3"):
            with self.subTest(version):
                count = len(self.host.mails)
                relay = self.visitor(port, self.own, name=version, protocols=version, start=False)
                relay.conf["delivery"]["messages"] = 1
                relay.start()
                for _ in range(2):
                    self.queue_alert(relay)
                    relay.wait_empty()
                self.arrives(self.host, count + 2)
                # A resumed session is still that client's.
                self.assertEqual(relay.status()["tls"]["resumed"], 1, relay.log())
                relay.stop()

    def test_without_it_nobody_is(self):
        port = self.door(self.own.key_pin)
        relay = self.visitor(port, self.other)
        relay.send()
        relay.wait("deferred")
        self.assertEqual(self.host.mails, [])
        for name, path in (("own.pem", self.own.path), ("own.key", self.own.key)):
            shutil.copy(path, self.path(name))
        relay.hup()
        self.arrives(self.host)

    def test_test_shows_it_too(self):
        port = self.door(self.own.key_pin)
        relay = self.visitor(port, self.own, start=False)
        done = relay.run("test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        relay = self.visitor(port, self.other, name="other", start=False)
        done = relay.run("test")
        self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_says_what_is_wrong(self):
        relay = self.visitor(1, self.own, start=False)
        done = relay.run("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"for the smarthost: CN=printer.example", done.stdout)
        os.chmod(self.path("own.key"), 0o644)
        self.refused(relay, b"client_key_file")
        os.chmod(self.path("own.key"), 0o600)
        shutil.copy(self.other.key, self.path("own.key"))
        self.refused(relay, b"the key is not that of the (first) certificate")
        os.remove(self.path("own.pem"))
        self.refused(relay, b"No such file")

    def refused(self, relay, words):
        for command in ("check", "run"):
            done = relay.run(command)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn(words, done.stderr)

    def test_the_end_of_its_validity_is_told_in_time(self):
        soon, later = self.own, certs.maker.renewed(self.own)
        for certificate, told in ((soon, 1), (later, 0)):
            with self.subTest(told=told):
                relay = self.visitor(1, certificate, name=f"told{told}", start=False)
                relay.conf["server"] = {"certificate": certificate.path, "key": certificate.key}
                relay.conf["listener in"] = {"address": "127.0.0.1", "port": free_port(),
                                            "networks": "127.0.0.1"}
                relay.start()
                relay.send()
                relay.wait("accepted")
                for whom in ("clients of the relay", "the smarthost"):
                    found = relay.find("own_certificate_expires", shown_to=whom)
                    self.assertEqual(len(found), told, relay.log())
                relay.stop()

    def test_keys_against_each_other(self):
        table = [({"client_key_file": None}, b"client_key_file: is missing"),
                 ({"client_certificate_file": None}, b"client_certificate_file: is missing"),
                 ({"policy": "none", "pin": None}, b"policy: none shows no"),
                 ({"auth": "external", "policy": "may", "pin": None}, b"may could come without"),
                 ({"auth": "external", "user": "u", "password": "p"}, b"needs none; remove it")]
        for index, (changes, words) in enumerate(table):
            with self.subTest(words):
                relay = self.visitor(1, self.own, start=False, name=str(index))
                relay.conf["smarthost"].update(changes)
                relay.write()
                done = relay.run("check")
                self.assertEqual(done.returncode, EX_CONFIG, done.stdout)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
