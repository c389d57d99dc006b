"""Real clients hand mail to the relay server: swaks, curl, msmtp, Python, Postfix, openssl; and the
whole way to a real Postfix, byte for byte, with a signature that stays good."""
import base64
import os
import re
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import USER
from lib.listener import ANN, JOE, NAME, Client, Listening
from lib.postfix import Postfix

TIME_LIMIT_S = 600
PASSWORD = "postfix's own"
MESSAGE = ("From: Joe <joe@example.test>\r\nTo: b@y.example\r\nSubject: Gr=?utf-8?Q?=C3=BC?=sse\r\n"
           "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n"
           "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\n"
           "Füße\r\n.\r\n..\r\n. \r\n\t \r\n" + "x" * 990 + "\r\n\r\n").encode()

# Signs and checks with a key of its own; run by Debian's python3, whose module it is.
DKIM = """
import sys, dkim
what, key, public = sys.argv[1:4]
message = sys.stdin.buffer.read()
if what == "sign":
    sys.stdout.buffer.write(dkim.sign(message, b"s", b"example.test", open(key, "rb").read()))
else:
    record = b"v=DKIM1; k=rsa; p=" + open(public, "rb").read().strip()
    sys.exit(0 if dkim.verify(message, dnsfunc=lambda *a, **k: record) else 1)
"""


def without_trace(data):
    while data.startswith(b"Received:"):
        data = re.sub(rb"\AReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", b"", data)
    return data


class RealClients(Listening):
    def setUp(self):
        super().setUp()
        self.runner.start()

    def client_program(self, *command, given=b"", status=0):
        done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout.decode() + done.stderr.decode())
        return done.stdout.decode() + done.stderr.decode()

    def gets(self, count=1):
        self.arrives(self.host, count)
        return without_trace(self.host.mails[count - 1].data)

    # ---- swaks ----

    def swaks(self, *options, status=0):
        return self.client_program("swaks", "--server", "127.0.0.1", "--from", "joe@example.test",
                                   "--to", "b@y.example", "--ehlo", "client.example", "--timeout",
                                   "20", "--data", MESSAGE.decode(), *options, status=status)

    def test_swaks_with_starttls_and_each_login(self):
        for mechanism in ("PLAIN", "LOGIN"):
            self.swaks("--port", str(self.submission), "--tls", "--auth", mechanism,
                       "--auth-user", JOE[0], "--auth-password", JOE[1])
        self.gets(2)
        self.swaks("--port", str(self.submission), "--tls", "--auth", "PLAIN", "--auth-user", JOE[0],
                   "--auth-password", "wrong", status=28)

    def test_swaks_with_tls_from_the_first_byte(self):
        self.swaks("--port", str(self.submissions), "--tlsc", "--auth-user", JOE[0],
                   "--auth-password", JOE[1])
        self.gets()

    def test_swaks_pipelines(self):
        self.swaks("--port", str(self.lan), "--pipeline")
        self.gets()

    def test_swaks_with_a_certificate(self):
        printer = certs.maker.self_signed("printer.example", tag="swaks")
        self.conf["listener submission"]["client_pin"] = [printer.pin]
        self.runner.write()
        self.runner.hup()
        self.runner.wait("config_reread")
        self.swaks("--port", str(self.submission), "--tls", "--tls-cert", printer.path,
                   "--tls-key", printer.key)
        self.gets()
        self.swaks("--port", str(self.submission), "--tls", status=23)

    # ---- others ----

    def test_curl(self):
        path = self.runner.write_file("mail", MESSAGE.decode())
        for url, more in ((f"smtp://127.0.0.1:{self.submission}", ["--ssl-reqd"]),
                          (f"smtps://127.0.0.1:{self.submissions}", [])):
            self.client_program("curl", "-sS", "-k", *more, url, "--user", f"{JOE[0]}:{JOE[1]}",
                                "--mail-from", "joe@example.test", "--mail-rcpt", "b@y.example",
                                "--upload-file", path)
        self.assertEqual(self.gets(2), MESSAGE)

    def test_msmtp(self):
        conf = self.runner.write_file("msmtprc", "\n".join([
            "account default", "host 127.0.0.1", f"port {self.submission}", "tls on",
            "tls_certcheck off", "auth on", f"user {ANN[0]}", f"password {ANN[1]}",
            f"from {ANN[0]}", ""]), 0o600)
        self.client_program("msmtp", "-C", conf, "b@y.example", given=MESSAGE.replace(b"\r\n", b"\n"))
        self.gets()

    def test_python(self):
        context = ssl.create_default_context(cafile=self.certificate.path)
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", self.submissions, context=context, timeout=20) as client:
            client.login(*JOE) if JOE[1].isascii() else client.login(*ANN)
            client.sendmail(ANN[0], ["b@y.example"], MESSAGE, ["BODY=8BITMIME"])
        self.assertEqual(self.gets(), MESSAGE)

    def test_openssl(self):
        text = self.client_program(
            "openssl", "s_client", "-connect", f"127.0.0.1:{self.submission}", "-starttls", "smtp",
            "-crlf", "-quiet", "-CAfile", self.certificate.path, given=b"QUIT\n")
        self.assertIn("221 2.0.0 bye", text)
        for version, good in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False)):
            done = subprocess.run(["openssl", "s_client", "-connect",
                                   f"127.0.0.1:{self.submissions}", version, "-quiet", "-cipher",
                                   "ALL@SECLEVEL=0"], input=b"QUIT\r\n", capture_output=True,
                                  timeout=60, check=False)
            self.assertEqual(b"220 " + NAME.encode() in done.stdout, good, version)

    def test_a_session_is_resumed(self):
        path = self.runner.path("session")
        for step in ("-sess_out", "-sess_in"):
            text = self.client_program(
                "openssl", "s_client", "-connect", f"127.0.0.1:{self.submissions}", "-tls1_2", step,
                path, given=b"QUIT\r\n")
        self.assertIn("Reused, TLSv1.2", text)

    def test_chunks_of_any_size(self):
        """No client here speaks BDAT: our own does."""
        for size in (1, 7, 512, len(MESSAGE)):
            client = self.client().hello()
            client.ask("MAIL FROM:<joe@example.test> BODY=8BITMIME")
            client.ask("RCPT TO:<b@y.example>")
            pieces = [MESSAGE[i:i + size] for i in range(0, len(MESSAGE), size)]
            last = len(pieces) - 1
            client.send(b"".join(b"BDAT %d%s\r\n%s" % (len(piece), b" LAST" if i == last else b"",
                                                       piece)
                                 for i, piece in enumerate(pieces)))
            replies = [client.reply()[:3] for _ in pieces]
            self.assertEqual(set(replies), {"250"})
        self.assertEqual(self.gets(4), MESSAGE)

    def test_postfix_as_a_client(self):
        postfix = Postfix(certs.maker.self_signed(), USER, PASSWORD, next_hop=self.lan)
        self.addCleanup(postfix.end)
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
            client.starttls()
            client.login(USER, PASSWORD)
            for _ in range(5):
                client.sendmail("joe@example.test", ["b@y.example", "c@y.example"], MESSAGE,
                                ["BODY=8BITMIME"])
        self.arrives(self.host, 5, 30)
        self.assertEqual(without_trace(self.host.mails[4].data), MESSAGE)
        self.assertEqual(self.host.mails[4].recipients, ["b@y.example", "c@y.example"])


class WithDovecot(Listening):
    """Dovecot's auth-client socket decides."""

    def setUp(self):
        super().setUp()
        self.dovecot = Postfix(certs.maker.self_signed(), USER, PASSWORD)
        self.addCleanup(self.dovecot.end)
        for name in (JOE[0], ANN[0]):
            del self.conf[f"user {name}"]
        self.conf[f"user {USER}"] = {"senders": "*@example.test"}
        self.conf["server"]["auth_socket"] = self.dovecot.path("queue/private/auth")
        self.runner.start()

    def session(self):
        client = self.client(self.submissions).tls()
        client.reply()
        return client, client.ask("EHLO x")

    def offers(self):
        with Client(self.submissions) as client:
            client.tls().reply()
            return "AUTH" in client.ask("EHLO x")

    def test_logins(self):
        self.until(self.offers, "Dovecot's mechanisms")
        plain = {w: base64.b64encode(f"\0{USER}\0{w}".encode()).decode()
                 for w in (PASSWORD, "wrong")}
        client, hello = self.session()
        self.assertIn("250-AUTH PLAIN LOGIN\n", hello)
        self.assertEqual(client.ask("AUTH PLAIN " + plain["wrong"]), "535 5.7.8 wrong user or password")
        self.assertEqual(client.ask("AUTH PLAIN"), "334 ")
        self.assertEqual(client.ask(plain[PASSWORD]), "235 2.7.0 logged in")
        self.assertEqual(client.mail(sender="any@example.test")[:3], "250")
        self.assertEqual(client.mail(sender="any@example.com")[:9], "553 5.7.1")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH LOGIN"), "334 VXNlcm5hbWU6")
        self.assertEqual(client.ask(base64.b64encode(USER.encode()).decode()), "334 UGFzc3dvcmQ6")
        self.assertEqual(client.ask(base64.b64encode(PASSWORD.encode()).decode())[:3], "235")
        client, _ = self.session()
        self.assertEqual(client.ask("AUTH PLAIN \tresp=x")[:3], "500")
        self.assertEqual(client.ask("AUTH PLAIN !")[:3], "535")
        self.arrives(self.host)


class WholeWay(Listening):
    """Client, pinpost, Postfix."""

    def setUp(self):
        super().setUp()
        self.postfix = Postfix(certs.maker.self_signed(), USER, PASSWORD)
        self.addCleanup(self.postfix.end)
        self.conf["smarthost"].update(port=self.postfix.port, user=USER, password=PASSWORD,
                                      pin=[certs.maker.self_signed().pin], policy="fingerprint")
        self.runner.start()

    def dkim(self, what, message):
        private = os.path.join(self.place, "dkim.key")
        public = os.path.join(self.place, "dkim.pub")
        if not os.path.exists(private):
            certs.openssl("genrsa", "-traditional", "-out", private, "2048")
            pem = certs.openssl("rsa", "-in", private, "-pubout").decode()
            with open(public, "w", encoding="ascii") as file:
                file.write("".join(pem.split("\n")[1:-2]))
        return subprocess.run(["/usr/bin/python3", "-c", DKIM, what, private, public], input=message,
                              capture_output=True, timeout=60, check=False)

    def test_a_signature_stays_good(self):
        signature = self.dkim("sign", MESSAGE)
        self.assertEqual(signature.returncode, 0, signature.stderr)
        signed = signature.stdout + MESSAGE
        client = self.client().hello()
        self.assertEqual(client.mail(re.sub(rb"(?m)^\.", b"..", signed), sender="joe@example.test",
                                     parameters=" BODY=8BITMIME")[:3], "250")
        self.assertTrue(self.postfix.sink.wait(1, 30), self.runner.log() + self.postfix.log())
        data = self.postfix.sink.mails[0].data
        self.assertEqual(without_trace(data), signed)
        self.assertEqual(self.dkim("verify", data).returncode, 0)
        self.assertEqual(self.dkim("verify", data.replace(b"Joe", b"Eve")).returncode, 1)

    def test_many_clients_byte_for_byte(self):
        texts = []
        for index in range(40):
            text = MESSAGE.replace(b"<1@", b"<%d@" % index) + b"line %d\r\n" % index * (index * 50)
            texts.append(text)
            client = Client(self.lan)
            with client:
                client.hello()
                self.assertEqual(client.mail(re.sub(rb"(?m)^\.", b"..", text),
                                             parameters=" BODY=8BITMIME")[:3], "250")
        self.assertTrue(self.postfix.sink.wait(40, 60), self.runner.log())
        self.assertEqual(sorted(without_trace(m.data) for m in self.postfix.sink.mails),
                         sorted(texts))


if __name__ == "__main__":
    unittest.main()
