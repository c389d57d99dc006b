"""Dovecot's side of a login played by a stand-in: verdicts, absence, lies."""
import base64
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.listener import ANN, JOE, Client, Listening

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\nMECH\tLOGIN\nSPID\t1\nCUID\t1\nDONE\n"
USER = "nas@example.test"


class Dovecot:
    """Listens; `answer(fields)` gives bytes for each line, None ends the connection."""

    def __init__(self, path, hello=HELLO, answer=lambda fields: b""):
        self.path, self.hello, self.answer = path, hello, answer
        self.lines, self.connections = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(one)
            threading.Thread(target=self.talk, args=(one,), daemon=True).start()

    def talk(self, one):
        try:
            one.sendall(self.hello)
            for line in one.makefile("rb"):
                fields = line.decode().rstrip("\n").split("\t")
                self.lines.append(fields)
                answer = self.answer(fields) if fields[0] in ("AUTH", "CONT") else b""
                if answer is None:
                    one.close()
                    return
                one.sendall(answer)
        except OSError:
            pass

    def end(self):
        self.listener.close()
        for one in self.connections:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


class WithStandIn(Listening):
    def begin(self, **options):
        for name in (JOE[0], ANN[0]):
            self.conf.pop(f"user {name}", None)
        self.conf[f"user {USER}"] = {"senders": "*@example.test"}
        path = self.runner.path("auth")
        self.conf["server"]["auth_socket"] = path
        self.dovecot = Dovecot(path, **options)
        self.addCleanup(lambda: self.dovecot.end())
        self.runner.start()

    def session(self):
        client = self.client(self.submissions, source="127.0.0.5").tls()
        client.reply()
        return client, client.ask("EHLO x")

    def offers(self):
        with Client(self.submissions) as client:
            client.tls().reply()
            return "AUTH" in client.ask("EHLO x")

    def test_verdicts(self):
        verdicts = {"good": "OK\t{}\tuser=" + USER + "\tuid=5\n", "bad": "FAIL\t{}\tuser=x\treason=y\n",
                    "temp": "FAIL\t{}\ttemp\n", "temp2": "FAIL\t{}\tuser=x\tcode=temp_fail\n",
                    "nobody": "OK\t{}\n", "noise": "FOO\tx\nOK\t999\tuser=x\nFAIL\t{}\n"}

        def answer(fields):
            word = base64.b64decode(fields[-1].removeprefix("resp=")).decode()
            return verdicts[word].format(fields[1]).encode()

        self.begin(answer=answer)
        self.until(self.offers, "mechanisms")
        for word, reply in (("bad", "535 5.7.8"), ("temp", "454 4.7.0"), ("temp2", "454 4.7.0"),
                            ("nobody", "454 4.7.0"), ("noise", "535 5.7.8"), ("good", "235 2.7.0")):
            with self.subTest(word):
                client, hello = self.session()
                self.assertIn("250-AUTH PLAIN LOGIN\n", hello)
                self.assertEqual(client.ask("AUTH PLAIN " + base64.b64encode(word.encode()).decode())[:9],
                                 reply)
        self.assertEqual(client.mail(sender="x@example.test")[:3], "250")
        self.assertEqual(client.mail(sender="x@example.com")[:3], "553")
        fields = next(f for f in self.dovecot.lines if f[0] == "AUTH")
        self.assertEqual(fields[2:6], ["PLAIN", "service=smtp", "secured", "rip=127.0.0.5"])

    def test_challenges_pass_through(self):
        def answer(fields):
            if fields[0] == "AUTH":
                return f"CONT\t{fields[1]}\tcXVlc3Rpb24=\n".encode()
            return f"OK\t{fields[1]}\tuser={USER}\n".encode()

        self.begin(answer=answer)
        self.until(self.offers, "mechanisms")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH LOGIN"), "334 cXVlc3Rpb24=")
        self.assertEqual(client.ask("YW5zd2Vy"), "235 2.7.0 logged in")
        self.assertEqual(self.dovecot.lines[-1][2], "YW5zd2Vy")

    def test_it_goes_and_comes_back(self):
        self.begin(answer=lambda fields: None)
        self.until(self.offers, "mechanisms")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH PLAIN eA==")[:9], "454 4.7.0")
        self.dovecot.end()
        self.until(lambda: not self.offers(), "no mechanism")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH PLAIN eA==")[:3], "502")
        self.dovecot = Dovecot(self.runner.path("auth"),
                               answer=lambda f: f"OK\t{f[1]}\tuser={USER}\n".encode())
        self.until(self.offers, "mechanisms")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH PLAIN eA==")[:3], "235")

    def test_lies(self):
        for hello in (b"VERSION\t2\t0\n" + HELLO, b"x" * 20000, b"\n" * 5000, b"VERSION\t1\t1\n"):
            with self.subTest(hello[:20]):
                self.begin(hello=hello)
                self.runner.wait("ready")
                self.assertFalse(self.offers())
                self.assertEqual(self.client().hello().mail()[:3], "250")
                self.runner.stop()
                self.dovecot.end()

    def test_nothing_of_a_client_becomes_a_field(self):
        self.begin(answer=lambda fields: f"FAIL\t{fields[1]}\n".encode())
        self.until(self.offers, "mechanisms")
        client, _ = self.session()
        self.assertEqual(client.ask(b"AUTH PLAIN eA==\tuser=root")[:3], "500")
        self.assertEqual(client.ask(b"AUTH EXTERNAL eA==")[:3], "504")
        self.assertNotIn("user=root", str(self.dovecot.lines))


if __name__ == "__main__":
    unittest.main()
