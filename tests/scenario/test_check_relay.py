"""`pinpost check` and `run` about listeners: in words what each is for, and what is refused."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.listener import JOE, Listening, verifier


class Check(Listening):
    def setUp(self):
        super().setUp()
        self.conf["server"].pop("failed_login")

    def check(self, status=0, command="check"):
        self.runner.write()
        done = self.runner.run(command, seconds=10)
        said = (done.stdout + done.stderr).decode()
        self.assertEqual(done.returncode, status, said)
        self.assertNotIn("SCRAM-SHA-256$4096", said)
        return said

    def line_of(self, line):
        return self.runner.text().split("\n").index(line) + 1

    def listener(self, name, **keys):
        """That listener alone has these keys more; None takes one away."""
        self.conf[f"listener {name}"].update(keys)

    def test_a_line_a_listener(self):
        self.listener("lan", networks=["127.0.0.0/8, fd00:0::/8", "192.0.2.1"])
        self.listener("submission", client_pin=self.certificate.pin)
        said = self.check()
        words = [line.strip() for line in said.split("\n") if line.startswith("  listener ")]
        self.assertEqual(words, [
            f"listener   lan: 127.0.0.1 port {self.lan}, TLS offered, relays for 127.0.0.0/8, "
            "fd00::/8, 192.0.2.1, 2 users",
            f"listener   submission: 127.0.0.1 port {self.submission}, TLS required, relays for "
            "2 users, 1 listed certificate",
            f"listener   submissions: 127.0.0.1 port {self.submissions}, TLS from the first byte, "
            "relays for 2 users"])
        self.assertIn("CN=relay.example.test", said)
        self.assertIn("all right", said)

    def test_without_tls_and_users(self):
        self.conf["server"] = {}
        for section in list(self.conf):
            if section.startswith(("user ", "listener submission")):
                del self.conf[section]
        self.listener("lan", tls="none", auth=None, address=None, port=None)
        said = self.check()
        self.assertIn("lan: * port 25, no TLS, relays for 127.0.0.0/24\n", said)
        self.assertNotIn("certificate", said)

    def test_users_of_dovecot(self):
        self.conf["server"]["auth_socket"] = "/run/dovecot/auth-client"
        self.assertIn("relays for users of /run/dovecot/auth-client\n", self.check())

    def test_networks_that_open_nothing(self):
        self.listener("submission", networks=["10.0.0.0/8"])
        said = self.check()
        self.assertIn("warning: [listener submission] networks: everybody has to log in", said)
        self.assertNotIn("10.0.0.0/8", said)

    def refused(self, line, *words):
        """By both commands, with the line of the configuration."""
        at = f"pinpost.conf:{self.line_of(line)}: "
        for command in ("check", "run"):
            said = self.check(78, command)
            for word in (at, *words):
                self.assertIn(word, said)

    def test_what_is_refused(self):
        rows = [({"networks": ["0.0.0.0/0"]}, "networks: would make an open relay of it"),
                ({"networks": ["::/0"], "auth": "off"}, "open relay"),
                ({"networks": ["0.0.0.0/1, 128.0.0.0/1"]}, "open relay"),
                ({"networks": ["::ffff:0.0.0.0/96"]}, "open relay"),
                ({"networks": [], "auth": "off"}, "can relay for nobody: give networks, auth or"),
                ({"tls": "none"}, "auth: logins need TLS"),
                ({"tls": "none", "auth": "off", "client_pin": [self.certificate.pin]},
                 "client_pin: certificates are shown in TLS only"),
                ({"address": "localhost"}, "address: allowed are an IPv4 or IPv6 address, or *"),
                ({"port": self.submission, "address": "*"}, "another listener has them")]
        good = dict(self.conf["listener lan"])
        for change, words in rows:
            with self.subTest(str(change)):
                self.conf["listener lan"] = {**good, **change}
                heading = "[listener submission]" if "another" in words else "[listener lan]"
                self.refused(heading, heading[:-1] + "] ", words)
        self.conf["listener lan"] = good
        self.check()

    def test_rewriting_without_an_account(self):
        self.conf["identity"]["from"] = None
        self.listener("lan", rewrite_sender="yes")
        self.refused("[listener lan]", "rewrite_sender: needs [identity] from")

    def test_logins_without_users(self):
        for section in [s for s in self.conf if s.startswith("user ")]:
            del self.conf[section]
        self.refused("[listener lan]", "auth: there are no users", "pinpost passwd")

    def test_a_user_without_a_password(self):
        self.conf["user eve"] = {"senders": "*"}
        self.refused("[user eve]", "[user eve] password: is missing")

    def test_a_password_where_a_verifier_belongs(self):
        self.conf["user eve"] = {"password": "hunter2-in-the-clear"}
        self.refused("password = hunter2-in-the-clear", "bad value (not shown)", "pinpost passwd")
        self.assertNotIn("hunter2", self.check(78))

    def test_networks_that_are_none(self):
        for network in ("lan", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,"):
            with self.subTest(network):
                self.listener("lan", networks=[network])
                self.refused(f"networks = {network}", network, "192.168.0.0/16 or fd00::/8")

    def test_a_section_without_a_name(self):
        self.conf["listener"] = {"port": "2525"}
        self.refused("[listener]", "needs a name: [listener lan]")

    def test_a_verifier_asks_for_a_private_file(self):
        self.conf["smarthost"].update(user=None, password=None)
        self.runner.write()
        path = self.runner.path("pinpost.conf")
        os.chmod(path, 0o644)
        done = self.runner.run("check")
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"there is a password in it, and group or others may use it", done.stderr)
        os.chmod(path, 0o600)
        self.assertEqual(self.runner.run("check").returncode, 0)

    def test_certificate_and_key(self):
        server = self.conf["server"]
        key = server["key"]
        for change, words in (({"certificate": "/nowhere/cert.pem"}, "/nowhere/cert.pem: No such"),
                              ({"key": "/nowhere/key.pem"}, "/nowhere/key.pem: No such"),
                              ({"key": None}, "needs [server] certificate and key"),
                              ({"key": self.runner.path("pinpost.conf")}, "certificate and key"),
                              ({"key": self.other_key()}, "certificate and key")):
            with self.subTest(str(change)):
                self.conf["server"] = {**server, **change}
                self.assertIn(words, self.check(78))
        self.conf["server"] = server
        os.chmod(key, 0o640)
        self.assertIn(f"key: {key}: group or others may use it", self.check(78))
        os.chmod(key, 0o600)
        self.check()

    def other_key(self):
        path = self.runner.path("other.key")
        with open(certs.maker.self_signed("other.example").key, "rb") as source, \
                open(path, "wb") as target:
            os.chmod(path, 0o600)
            target.write(source.read())
        return path

    def test_what_passwd_prints_is_a_section(self):
        done = self.runner.run("passwd", JOE[0], given=JOE[1] + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"\A\[user joe\]\npassword = SCRAM-SHA-256\$4096:"
                         r"[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=\n\Z")
        self.assertNotEqual(verifier(JOE[1]), verifier(JOE[1]), "the salt is the same twice")
        del self.conf["user joe"]
        text = self.runner.text() + done.stdout.decode()
        self.runner.write(text)
        done = self.runner.run("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"relays for 2 users", done.stdout)


if __name__ == "__main__":
    unittest.main()
