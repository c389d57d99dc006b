"""The relay server over real sockets: who gets in, what is refused with which words, and limits."""
import base64
import hashlib
import hmac
import os
import resource
import smtplib
import socket
import ssl
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.listener import ANN, JOE, NAME, Client, Listening, free_ports
from lib.relay import SLOW

STRANGER = "127.0.1.5"


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(user, password):
    return b64(f"\0{user}\0{password}")


class WhoGetsIn(Listening):
    def setUp(self):
        super().setUp()
        self.runner.start()

    def test_a_trusted_network_relays(self):
        client = self.client().hello()
        self.assertRegex(client.mail(), r"^250 2\.0\.0 queued as [0-9A-F]{8}$")
        self.arrives(self.host)
        mail = self.host.mails[0]
        self.assertEqual((mail.sender, mail.recipients), ("a@x.example", ["b@y.example"]))
        self.assertTrue(mail.data.startswith(b"Received: from client.example ([127.0.0.1])\r\n"
                                             b"\tby relay.example.test (pinpost) with ESMTP;\r\n"))
        self.assertTrue(mail.header("Date"))
        self.assertTrue(mail.header("Message-ID"))

    def test_a_stranger_does_not(self):
        client = self.client(source=STRANGER).hello()
        self.assertEqual(client.ask("MAIL FROM:<a@x.example>"), "250 2.1.0 ok")
        self.assertEqual(client.ask("RCPT TO:<b@y.example>"), "554 5.7.1 relaying denied")
        self.assertEqual(client.ask("DATA"), "554 5.5.1 no valid recipients")
        client.send(b"BDAT 4 LAST\r\nab\r\nNOOP\r\n")
        self.assertEqual(client.reply(), "554 5.5.1 no valid recipients")
        self.assertEqual(client.reply(), "250 2.0.0 ok")
        client.ask("RSET")
        self.assertEqual(client.ask("ETRN y.example")[:9], "459 4.7.1")
        self.assertEqual(self.runner.queue(), [])

    def test_no_form_of_an_address_gets_a_stranger_in(self):
        forms = ["b@y.example", "<b@y.example>", "b%y.example@relay.example.test",
                 "b%y.example@[127.0.0.1]", "b@y.example@relay.example.test",
                 '"b@y.example"@relay.example.test', '"b@y.example"', "b%y.example",
                 "y.example!b", "y.example!b@relay.example.test", "@relay.example.test:b@y.example",
                 "@[127.0.0.1]:b@y.example", "b@[127.0.0.1]", "b@[IPv6:::1]", "b@localhost",
                 "postmaster", "postmaster@relay.example.test", "root", "b@example.test",
                 "b\\@y.example", "'b@y.example'", "b@y.example.", "b y@y.example", "b@",
                 "@y.example", ""]
        for form in forms:
            with self.subTest(form), Client(self.lan, source=STRANGER) as client:
                client.hello().ask("MAIL FROM:<root@relay.example.test>")
                self.assertRegex(client.ask(f"RCPT TO:<{form}>"), r"^5\d\d 5\.\d\.\d ")
        self.assertEqual(self.runner.queue(), [])

    def test_a_local_part_is_never_read_anew(self):
        forms = {"b%y.example@x.example": None, "y.example!b@x.example": None,
                 '"b@y.example"@x.example': None, "@x.example,@z.example:b@y.example": "b@y.example",
                 "b@[192.0.2.1]": None}
        client = self.client().hello()
        for form, expected in forms.items():
            with self.subTest(form):
                count = len(self.host.mails)
                self.assertEqual(client.mail(recipients=[form])[:3], "250")
                self.arrives(self.host, count + 1)
                self.assertEqual(self.host.mails[-1].recipients, [expected or form])

    def test_users(self):
        for port, implicit in ((self.submission, False), (self.submissions, True), (self.lan, False)):
            with self.subTest(port):
                client = self.client(port, source=STRANGER)
                if implicit:
                    client.tls()
                self.assertEqual(client.reply()[:4], "220 ")
                if not implicit:
                    client.starttls()
                ehlo = client.ask("EHLO client.example")
                self.assertIn("250-AUTH PLAIN LOGIN SCRAM-SHA-256", ehlo)
                self.assertIn("250-AUTH=PLAIN LOGIN SCRAM-SHA-256", ehlo)
                self.assertNotIn("STARTTLS", ehlo)
                if port != self.lan:
                    self.assertEqual(client.ask("MAIL FROM:<joe@example.test>"),
                                     "530 5.7.0 log in first")
                self.assertEqual(client.ask("AUTH PLAIN " + plain(*JOE)), "235 2.7.0 logged in")
                self.assertEqual(client.mail(sender="joe@example.test")[:9], "250 2.0.0")
        self.arrives(self.host, 3)
        self.assertIn(b"with ESMTPSA\r\n\ttls TLS_", self.host.mails[0].data)

    def test_nothing_in_the_clear(self):
        client = self.client(self.submission).hello()
        for command in ("MAIL FROM:<joe@example.test>", "AUTH PLAIN " + plain(*JOE), "VRFY x",
                        "ETRN x", "HELP"):
            self.assertEqual(client.ask(command), "530 5.7.0 say STARTTLS first", command)
        client = self.client(self.lan).hello()
        self.assertEqual(client.ask("AUTH PLAIN " + plain(*JOE)), "538 5.7.11 only in TLS")
        self.assertNotIn("AUTH", client.ask("EHLO x"))

    def test_login(self):
        client = self.client(self.submission)
        client.reply()
        client.starttls()
        client.ask("EHLO x")
        self.assertEqual(client.ask("AUTH LOGIN"), "334 VXNlcm5hbWU6")
        self.assertEqual(client.ask(b64(ANN[0])), "334 UGFzc3dvcmQ6")
        self.assertEqual(client.ask("*"), "501 5.7.0 login cancelled")
        self.assertEqual(client.ask("AUTH LOGIN " + b64(ANN[0])), "334 UGFzc3dvcmQ6")
        self.assertEqual(client.ask("not base64!"), "501 5.5.2 malformed login")
        self.assertEqual(client.ask("AUTH CRAM-MD5"), "504 5.5.4 no such mechanism here")
        self.assertEqual(client.ask("AUTH PLAIN"), "334 ")
        self.assertEqual(client.ask(plain(ANN[0], ANN[1])), "235 2.7.0 logged in")
        self.assertEqual(client.mail(sender=ANN[0])[:3], "250")

    def test_scram(self):
        for user, password, good in ((*JOE, True), (JOE[0], "wrong", False), ("nobody", "x", False)):
            with self.subTest(user=user, good=good):
                client = self.client(self.submissions).tls()
                client.reply()
                client.ask("EHLO x")
                bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
                first = base64.b64decode(client.ask("AUTH SCRAM-SHA-256 " + b64("n,," + bare))[4:])
                nonce, salt, rounds = (part[2:] for part in first.decode().split(","))
                self.assertTrue(nonce.startswith("fyko+d2lbbFgONRv9qkxdawL"))
                self.assertGreaterEqual(int(rounds), 4096)
                salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt),
                                             int(rounds))
                key = hmac.digest(salted, b"Client Key", "sha256")
                final = f"c=biws,r={nonce}"
                message = f"{bare},{first.decode()},{final}".encode()
                proof = bytes(a ^ b for a, b in zip(key, hmac.digest(
                    hashlib.sha256(key).digest(), message, "sha256")))
                reply = client.ask(b64(f"{final},p={b64(proof)}"))
                if not good:
                    self.assertEqual(reply, "535 5.7.8 wrong user or password")
                    continue
                server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
                self.assertEqual(base64.b64decode(reply[4:]), b"v=" + b64(server).encode())
                self.assertEqual(client.ask(""), "235 2.7.0 logged in")

    def test_senders(self):
        client = self.client(self.submissions).tls()
        client.reply()
        client.ask("EHLO x")
        client.ask("AUTH PLAIN " + plain(*JOE))
        for sender, good in (("joe@example.test", True), ("Joe@example.test", False),
                             ("joe@EXAMPLE.test", True), ("any@joe.example", True), ("", True),
                             ("joe@example.test.evil", False), ("ann@example.test", False),
                             ("x@joe.example.com", False)):
            with self.subTest(sender):
                reply = client.ask(f"MAIL FROM:<{sender}>")
                self.assertEqual(reply[:9], "250 2.1.0" if good else "553 5.7.1")
                client.ask("RSET")

    def test_an_unknown_user_takes_as_long_and_looks_the_same(self):
        self.assertEqual(*[self.failed_login(name)[0] for name in (JOE[0], "nobody")])

    def failed_login(self, name):
        client = self.client(self.submissions, source="127.0.2.1").tls()
        client.reply()
        client.ask("EHLO x")
        began = time.monotonic()
        return client.ask("AUTH PLAIN " + plain(name, "wrong")), time.monotonic() - began

    def test_dsn_goes_on(self):
        client = self.client().hello()
        self.assertEqual(client.ask("MAIL FROM:<a@x.example> RET=HDRS ENVID=QQ+2B1"), "250 2.1.0 ok")
        self.assertEqual(client.ask("RCPT TO:<b@y.example> NOTIFY=SUCCESS,DELAY "
                                    "ORCPT=rfc822;o@y.example"), "250 2.1.5 ok")
        client.ask("DATA")
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        self.assertEqual(client.reply()[:3], "250")
        self.arrives(self.host)


class ClientCertificates(Listening):
    def test_a_listed_certificate_relays(self):
        good, other = (certs.maker.self_signed("printer.example", tag=t) for t in ("p1", "p2"))
        self.conf["listener submission"]["client_pin"] = [good.key_pin]
        self.runner.start()
        for certificate, maximum in ((good, ssl.TLSVersion.TLSv1_3), (good, ssl.TLSVersion.TLSv1_2),
                                     (other, ssl.TLSVersion.TLSv1_3), (None, ssl.TLSVersion.TLSv1_2)):
            with self.subTest(certificate=certificate and certificate.path, maximum=maximum):
                client = self.client(self.submission, source=STRANGER)
                client.reply()
                client.starttls(certificate=certificate, maximum=maximum)
                client.ask("EHLO x")
                reply = client.mail()
                self.assertEqual(reply[:9], "250 2.0.0" if certificate is good else "530 5.7.0")


class BadInput(Listening):
    def setUp(self):
        super().setUp()
        self.runner.start()

    def test_each_gets_its_reply_and_leaves_the_session_sound(self):
        long = "x" * 5000
        table = [
            (b"", "500 5.5.1"), (b"\0", "500 5.5.2"), (b"NO\0OP", "500 5.5.2"),
            (b"N\xc3\x96\xc3\x96P", "500 5.5.2"), (b"FOO", "500 5.5.1"), (b"EHLO", "501 5.5.4"),
            (b"MAIL", "501 5.5.4"), (b"MAIL FROM:a@b", "501 5.5.4"), (b"RCPT TO:<a@b>", "503 5.5.1"),
            (b"DATA", "503 5.5.1"), (b"MAIL FROM:<a@b> SIZE=99999999999", "552 5.3.4"),
            (b"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"), (b"MAIL FROM:<a@b> FOO=1", "555 5.5.4"),
            (b"MAIL FROM:<a@b\xc3\xa4>", "550 5.6.7"), (b"MAIL FROM:<a b@c>", "501 5.1.7"),
            (b"MAIL FROM:<a@b..c>", "501 5.1.7"), (b"EXPN x", "502 5.5.1"), (b"VRFY x", "252 2.0.0"),
            (b"HELP", "214 2.0.0"), (b"ETRN #q", "458 4.0.0"), (b"ETRN <x>", "501 5.5."),
            (b"RSET now", "501 5.5.4"), (b"QUIT now", "501 5.5.4"), (long.encode(), "500 5.5.2"),
            (b"NOOP " + long.encode(), "500 5.5.2"), (b"NOOP\nNOOP", "500 5.5.2"),
            (b"NOOP\rNOOP", "500 5.5.2"), (b"STARTTLS x", "501 5.5.4"), (b"AUTH", "501 5.5.4"),
            (b"BDAT 4 LAST\r\nab", "503 5.5.1"),
        ]
        for command, expected in table:
            with self.subTest(command[:40]):
                client = self.client().hello()
                self.assertEqual(client.ask(command)[:len(expected)], expected)
                if b"\nNOOP" in command:
                    client.reply()
                self.assertEqual(client.mail()[:3], "250")

    def test_endings_that_are_none(self):
        endings = [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n",
                   b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n"]
        for ending in endings:
            with self.subTest(ending):
                client = self.client().hello()
                evil = (b"Subject: x\r\n\r\nx" + ending +
                        b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\n"
                        b"Subject: smuggled\r\n\r\nx\r\n")
                self.assertEqual(client.mail(evil),
                                 "554 5.6.11 bare CR, bare LF or NUL in the message")
                self.assertEqual(client.mail()[:3], "250")

    def test_bytes_behind_starttls_end_the_connection(self):
        for behind in (b"EHLO evil\r\n", b"x", b"\0", b"NOOP\r\n" * 100):
            client = self.client().hello()
            client.send(b"STARTTLS\r\n" + behind)
            self.assertEqual(client.reply()[:4], "220 ")
            self.assertEqual(client.line(), "")
        self.runner.wait("tls_failed", count=4)
        self.assertEqual(self.client().hello().mail()[:3], "250")

    def test_what_is_no_tls(self):
        client = self.client(self.submissions)
        client.send(b"EHLO x\r\n" * 3)
        client.line()
        self.runner.wait("tls_failed")
        client = self.client(self.submission).hello()
        client.ask("STARTTLS")
        client.send(b"\x16\x03\x01\xff\xff" + b"x" * 100)
        client.line()
        self.runner.wait("tls_failed", count=2)

    def test_bdat_that_lies(self):
        for command in (b"BDAT -1", b"BDAT x LAST", b"BDAT 99999999999999 LAST", b"BDAT 1 FOO"):
            client = self.client().hello()
            client.ask("MAIL FROM:<a@x.example>")
            client.ask("RCPT TO:<b@y.example>")
            self.assertRegex(client.ask(command), r"^(421|501|552) ")
        client = self.client().hello()
        client.ask("MAIL FROM:<a@x.example>")
        client.ask("RCPT TO:<b@y.example>")
        client.send(b"BDAT 1000 LAST\r\nonly this")
        client.close()
        time.sleep(0.2)
        self.assertEqual(self.runner.queue(), [])

    def test_a_client_that_goes_at_any_byte(self):
        dialogue = (b"EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"
                    b"Subject: x\r\n\r\ntext\r\n.\r\n")
        self.host.stop()
        for length in range(0, len(dialogue) - 1, 3):
            with Client(self.lan) as client:
                client.send(dialogue[:length])
        self.assertEqual(self.client().hello().mail()[:3], "250")
        self.assertEqual(len(self.runner.queue()), 1)

    def test_size_that_lies(self):
        client = self.client().hello()
        self.assertEqual(client.mail(b"Subject: x\r\n\r\n" + b"long line\r\n" * 1000,
                                     parameters=" SIZE=1")[:3], "250")
        self.assertEqual(client.mail(b"Subject: x\r\n\r\n" + b"x" * 3000000 + b"\r\n")[:9],
                         "552 5.3.4")
        self.assertEqual(client.mail()[:3], "250")

    def test_a_loop_is_found(self):
        client = self.client().hello()
        for count, code in ((30, "250"), (31, "554 5.4.6")):
            data = b"Received: from a by b; x\r\n" * count + b"Subject: x\r\n\r\nx\r\n"
            self.assertEqual(client.mail(data)[:len(code)], code)


class OddDevices(Listening):
    def test_normalize(self):
        self.conf["listener lan"].update(line_ends="normalize")
        self.runner.start()
        client = self.client().hello()
        reply = client.mail(b"Subject: x\n\none\n.\ntwo\rthree\r\n..dot\r\n")
        self.assertEqual(reply[:3], "250")
        mail = self.arrives(self.host)
        self.assertTrue(mail.data.endswith(b"\r\n\r\none\r\n.\r\ntwo\r\nthree\r\n.dot\r\n"), mail.data)

    def test_rewritten_senders(self):
        self.conf["listener lan"].update(rewrite_sender="yes", received_client="no")
        self.runner.start()
        client = self.client().hello()
        self.assertEqual(client.mail(b"From: Printer <printer@lan>\r\nSubject: x\r\n\r\nx\r\n",
                                     sender="printer@lan")[:3], "250")
        mail = self.arrives(self.host)
        self.assertEqual(mail.sender, "relay@example.test")
        self.assertIn("relay@example.test", mail.header("From"))
        self.assertIn("printer@lan", mail.header("X-Original-From"))
        self.assertIn("printer@lan", mail.header("Reply-To"))
        self.assertTrue(mail.data.startswith(b"Received: by relay.example.test"))

    def test_early_talkers(self):
        self.conf["listener lan"].update(early_talker="1s")
        self.runner.start()
        with Client(self.lan) as client:
            client.send(b"EHLO x\r\n")
            self.assertEqual(client.reply()[:9], "554 5.5.1")
        self.assertEqual(self.client().hello().mail()[:3], "250")


class Limits(Listening):
    def test_lockout_by_address(self):
        self.conf["server"].update(failed_login="0", lockout_failures="3", lockout="1m")
        self.runner.start()
        for _ in range(3):
            with Client(self.submissions, source="127.0.0.9") as client:
                client.tls().reply()
                client.ask("EHLO x")
                client.ask("AUTH PLAIN " + plain(JOE[0], "wrong"))
        with Client(self.lan, source="127.0.0.9") as client:
            self.assertEqual(client.reply()[:9], "554 5.7.1")
        with Client(self.submissions, source="127.0.0.10") as client:
            client.tls().reply()
            client.ask("EHLO x")
            self.assertEqual(client.ask("AUTH PLAIN " + plain(*JOE))[:3], "235")

    def test_connections_a_client(self):
        self.conf["server"].update(connections_a_client="3")
        self.runner.start()
        held = [self.client(source="127.0.0.7").hello() for _ in range(3)]
        with Client(self.lan, source="127.0.0.7") as client:
            self.assertEqual(client.reply(), "421 4.7.0 too many connections")
        self.assertEqual(self.client(source="127.0.0.8").hello().mail()[:3], "250")
        held[0].close()
        self.until(lambda: self.greets("127.0.0.7"), "a free place")

    def test_quota(self):
        self.conf["server"].update(messages_an_hour="2", recipients_an_hour="3")
        self.runner.start()
        client = self.client().hello()
        self.assertEqual(client.mail()[:3], "250")
        client.ask("MAIL FROM:<a@x.example>")
        replies = [client.ask(f"RCPT TO:<b{i}@y.example>")[:9] for i in range(3)]
        self.assertEqual(replies, ["250 2.1.5", "250 2.1.5", "452 4.7.1"])
        client.ask("RSET")
        self.assertEqual(client.mail()[:3], "250")
        self.assertEqual(client.mail()[:9], "452 4.7.1")
        other = self.client(source="127.0.0.2").hello()
        self.assertEqual(other.mail()[:3], "250")

    def test_errors_and_messages(self):
        self.conf["server"].update(errors="3", messages="2", commands="50")
        self.runner.start()
        client = self.client().hello()
        self.assertEqual([client.ask("FOO")[:3] for _ in range(2)], ["500", "500"])
        client.send(b"FOO\r\n")
        self.assertEqual(client.reply()[:3], "500")
        self.assertEqual(client.reply()[:9], "421 4.7.0")
        client = self.client().hello()
        self.assertEqual([client.mail()[:3] for _ in range(3)], ["250", "250", "421"])
        client = self.client().hello()
        replies = [client.ask("NOOP")[:3] for _ in range(50)]
        self.assertEqual(replies[-1], "421")

    def test_slow_commands(self):
        self.conf["server"].update(command="1s", login="2s")
        self.runner.start()
        client = self.client().hello()
        client.send(b"NO")
        self.assertEqual(client.reply()[:9], "421 4.4.2")
        client = self.client(self.submission, source=STRANGER).hello()
        self.assertEqual(client.reply(), "421 4.7.0 no login in time")

    def test_the_reserve_and_a_full_queue(self):
        self.conf["queue"].update(size="256K", message_limit="64K")
        self.host.stop()
        self.runner.start()
        client = self.client().hello()
        data = b"Subject: x\r\n\r\n" + b"x" * 900 + b"\r\n"
        reply = ""
        for _ in range(400):
            reply = client.mail(data)
            if not reply.startswith("250"):
                break
        self.assertEqual(reply[:9], "452 4.3.1")


class Crowds(Listening):
    def setUp(self):
        super().setUp()
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(
            resource.RLIMIT_NOFILE)[1]))

    def test_two_hundred_slow_clients_and_one_good_one(self):
        self.runner.start()
        slow = []
        for index in range(200):
            client = self.client(source=f"127.0.0.{2 + index % 100}")
            slow.append(client)
            if index % 4 == 0:
                client.hello()
                client.send(b"MAIL FR")
            elif index % 4 == 1:
                client.hello()
                client.ask("MAIL FROM:<a@x.example>")
                client.ask("RCPT TO:<b@y.example>")
                client.ask("DATA")
                client.send(b"Subject: x\r\n")
            elif index % 4 == 2:
                client.hello().ask("STARTTLS")
        began = time.monotonic()
        self.assertEqual(self.client(source="127.0.0.250").hello().mail()[:3], "250")
        client = self.client(self.submissions).tls()
        client.reply()
        client.ask("EHLO x")
        self.assertEqual(client.ask("AUTH PLAIN " + plain(*JOE))[:3], "235")
        self.assertEqual(client.mail(sender="joe@example.test")[:3], "250")
        self.assertLess(time.monotonic() - began, 2 * SLOW)
        self.arrives(self.host, 2)

    def test_all_places_taken_by_idlers(self):
        self.conf["server"].update(connections="500", connections_a_client="0")
        self.runner.start()
        idle = [self.client() for _ in range(500)]
        for client in idle[:50]:
            client.reply()
        with Client(self.lan) as late:
            self.assertEqual(late.reply()[:3], "421")
        for client in idle:
            client.close()
        self.until(lambda: self.greets(), "a free place")
        self.assertEqual(self.client().hello().mail()[:3], "250")

    def test_a_thousand_connections_in_a_second(self):
        self.conf["server"].update(connections_a_client="0")
        self.runner.start()
        opened, threads = [], []

        def storm(first):
            for index in range(250):
                try:
                    one = socket.create_connection(("127.0.0.1", self.lan), 5,
                                                   (f"127.0.0.{2 + (first + index) % 200}", 0))
                    opened.append(one)
                except OSError:
                    pass

        for first in range(0, 1000, 250):
            threads.append(threading.Thread(target=storm, args=(first,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertGreaterEqual(len(opened), 900)
        for one in opened:
            one.close()
        self.until(lambda: self.greets(), "a free place")
        self.assertEqual(self.client().hello().mail()[:3], "250")
        self.assertEqual(self.runner.status()["ok"], True)


class Promises(Listening):
    def test_killed_straight_after_the_250(self):
        self.host.stop()
        self.runner.start()
        for index in range(10):
            reply = self.client().hello().mail(f"Subject: {index}\r\n\r\nx\r\n".encode())
            self.assertEqual(reply[:3], "250")
            self.runner.kill()
            self.runner.start()
            self.assertEqual(len(self.runner.queue()), index + 1)

    def test_renewed_certificate(self):
        self.runner.start()

        def shown():
            client = self.client(self.submissions).tls()
            return client.socket.getpeercert(True)

        before = shown()
        fresh = certs.maker.self_signed(NAME, tag="renewed")
        for source, target in ((fresh.path, "certificate"), (fresh.key, "key")):
            path = self.runner.path("new-" + target)
            with open(source, "rb") as old, open(path, "wb") as new:
                os.chmod(path, 0o600)
                new.write(old.read())
            self.conf["server"][target] = path
        self.runner.write()
        self.runner.hup()
        self.runner.wait("config_reread")
        self.assertNotEqual(before, shown())
        with open(self.conf["server"]["key"], "w", encoding="ascii") as file:
            file.write("spoilt\n")
        self.runner.hup()
        self.runner.wait("certificate_kept")
        self.assertNotEqual(before, shown())

    def test_a_renewed_certificate_beside_a_broken_configuration(self):
        fresh = certs.maker.self_signed(NAME, tag="renewed")
        self.conf["server"]["certificate"] = self.runner.write_file("server.pem",
                                                                    self.certificate.pem())
        self.runner.start()
        self.runner.write(self.runner.text() + "[queue]\nnonsense = 1\n")
        with open(fresh.key, encoding="ascii") as source, \
                open(self.conf["server"]["key"], "w", encoding="ascii") as target:
            target.write(source.read())
        self.runner.write_file("server.pem", fresh.pem())
        mark = self.runner.mark()
        self.runner.hup()
        self.runner.wait("config_kept", since=mark)
        self.runner.wait("certificate_read", since=mark, seconds=5)
        client = self.client(self.submissions).tls()
        self.assertEqual(client.socket.getpeercert(True), ssl.PEM_cert_to_DER_cert(fresh.pem()))

    def test_an_open_relay_is_refused(self):
        for networks in ("0.0.0.0/0", "::/0", "0.0.0.0/1, 128.0.0.0/1", "8.0.0.0/8", "2000::/3"):
            self.conf["listener lan"].update(networks=[networks], auth="off")
            self.runner.write()
            done = self.runner.run("check")
            self.assertEqual(done.returncode, 78, networks)
            self.assertIn(b"open relay", done.stderr)

    def test_the_classic_client_of_python(self):
        self.runner.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate.path)
        context.check_hostname = False
        with smtplib.SMTP("127.0.0.1", self.submission, timeout=20) as client:
            client.starttls(context=context)
            client.login(*(part for part in ANN))
            client.sendmail(ANN[0], ["b@y.example"], "Subject: x\r\nBcc: c@y.example\r\n\r\nx\r\n")
        mail = self.arrives(self.host)
        self.assertNotIn(b"c@y.example", mail.data)


if __name__ == "__main__":
    unittest.main()
