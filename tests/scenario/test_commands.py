"""What programs and people call: send; sendmail as cron, smartd, mailx do; check, pin, test."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import PASSWORD, USER, Case
from lib.relay import PROGRAM
from smarthost import CLOSE

LETTER = "From: root\nTo: {to}\nSubject: {subject}\n\n{text}\n"


class Send(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost()
        self.runner = self.relay(self.host)

    def refused(self, status, *arguments, given="text\n", **more):
        done = self.runner.send(*arguments, given=given, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotEqual(done.stderr, b"")
        self.assertEqual(self.runner.queue(), [])
        return done.stderr.decode()

    def test_wait(self):
        done = self.runner.send("--wait=20", "-s", "x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"delivered", done.stdout)
        self.assertEqual(len(self.host.mails), 1)

    def test_wait_in_vain(self):
        self.host.script = {"GREETING": CLOSE}
        done = self.runner.send("--wait=1", "-s", "x")
        self.assertEqual(done.returncode, 75)
        self.host.script = {"RCPT": "550 5.1.1 nobody"}
        done = self.runner.send("--wait=20", "-s", "x")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn(b"nobody", done.stderr)

    def test_ready_message(self):
        done = self.runner.send("--message", "a@x.example",
                                given="From: me@x.example\nSubject: ready\n\nbody\n.\nend\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        mail = self.arrives(self.host)
        self.assertEqual((mail.header("Subject"), mail.header("From"), mail.body),
                         ("ready", "me@x.example", b"body\r\n.\r\nend\r\n"))

    def test_empty(self):
        self.refused(65, given="")
        self.refused(65, "--message", given="")

    def test_injection(self):
        for subject in ("a\nBcc: evil@x.example", "a\rb", "a\r\n\r\nbody"):
            self.refused(65, "-s", subject)
        self.refused(65, "-n", "name\nX: y")
        for address in ("a@x.example\nRCPT TO:<b@x.example>", "a@x.example\r\nDATA",
                        "<a@x.example"):
            self.refused(65, address)
        for sender in ("a@x.example\nb", "a@x.example> SIZE=1"):
            done = self.runner.send("-f", sender)
            self.assertIn(done.returncode, (64, 65), done.stderr)

    def test_addresses(self):
        for address in ("a b@x.example", "@x.example", "a@", "a@b@c.example", "a@x..example", ",",
                        "x" * 65 + "@x.example", "a@" + "x" * 300):
            with self.subTest(address):
                self.refused(65, address)

    def test_not_utf8(self):
        self.refused(65, "-s", b"caf\xe9")

    def test_nul(self):
        self.refused(65, given=b"a\0b\n")

    def test_long_subject(self):
        self.refused(65, "-s", "x" * 901)
        self.queue_alert(self.runner, "-s", "x" * 900)

    def test_usage(self):
        for arguments in (("--nonsense",), ("-S", "loud"), ("--wait=soon",), ("-s",),
                          ("--message", "-s", "x")):
            self.refused(64, *arguments)
        self.assertEqual(self.runner.run("send", "--help").returncode, 0)
        self.assertEqual(self.runner.run("nonsense").returncode, 64)
        self.assertEqual(self.runner.run().returncode, 64)

    def test_bare_local_part_without_a_domain(self):
        self.runner.conf["identity"].update(domain=None)
        self.runner.restart()
        self.refused(67, "root")

    def test_no_default_recipient(self):
        self.runner.conf["identity"].update(to=None)
        self.runner.restart()
        done = self.runner.send()
        self.assertIn(done.returncode, (64, 65, 67, 78), done.stderr)
        self.assertEqual(self.runner.queue(), [])

    def test_over_the_limit_is_refused_before_it_fills_the_flash(self):
        self.runner.conf["queue"]["message_limit"] = "100K"
        self.runner.restart()
        before = self.runner.status()["store_free_bytes"]
        words = self.refused(65, given="x" * 99 + "\n" + ("y" * 99 + "\n") * 1100)
        self.assertIn("5.3.4", words)
        self.assertLess(before - self.runner.status()["store_free_bytes"], 200 * 1024)
        self.queue_alert(self.runner, given=("y" * 99 + "\n") * 900)
        self.arrives(self.host)

    def test_default_configuration_is_not_needed_by_clients(self):
        """A configuration that this caller may not read, or with mistakes: mail still gets in."""
        self.runner.write(self.runner.text() + "[queue]\nnonsense = 1\n")
        self.queue_alert(self.runner)


class Sendmail(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost()
        self.runner = self.relay(self.host)

    def mail(self, *arguments, given, count=1):
        done = self.runner.sendmail(*arguments, given=given)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))
        return self.arrives(self.host, count)

    def test_cron(self):
        mail = self.mail("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root", given=(
            "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@nas> /bin/false\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
            "Content-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\nGrüße\n.\nmore\n"))
        self.assertEqual(mail.recipients, ["root@example.test"])
        self.assertEqual(mail.sender, "root@example.test")
        self.assertEqual(mail.body.decode(), "Grüße\r\n.\r\nmore\r\n")

    def test_smartd_and_mdadm(self):
        mail = self.mail("-t", given=LETTER.format(to="admin@x.example", subject="SMART error",
                                                   text="Device: /dev/sda"))
        self.assertEqual(mail.recipients, ["admin@x.example"])
        mail = self.mail("-t", given=LETTER.format(to="root", subject="DegradedArray event on md0",
                                                   text="P.S. The /proc/mdstat file"), count=2)
        self.assertEqual(mail.recipients, ["root@example.test"])

    def test_mailx(self):
        mail = self.mail("-oi", "-f", "me@x.example", "--", "a@x.example", "b@x.example",
                         given="Subject: hi\nTo: a@x.example\n\ntext\n")
        self.assertEqual((mail.sender, mail.recipients),
                         ("me@x.example", ["a@x.example", "b@x.example"]))
        mail = self.mail("-i", "-r", "me@x.example", "a@x.example", count=2,
                         given="Subject: s-nail\n\ntext\n")
        self.assertEqual(mail.sender, "me@x.example")

    def test_header_recipients_and_bcc(self):
        mail = self.mail("-ti", "extra@x.example", given=(
            'To: "Last, First" <one@x.example>, two@x.example (comment)\n'
            "Cc: group:three@x.example,\n four@x.example;\nBCC: secret@x.example\n"
            "Subject: many\n\ntext\n"))
        self.assertEqual(sorted(mail.recipients), sorted([
            f"{n}@x.example" for n in ("extra", "one", "two", "three", "four", "secret")]))
        self.assertNotIn(b"secret", mail.data)

    def test_lone_dot(self):
        mail = self.mail("a@x.example", given="Subject: x\n\nbefore\n.\nafter\n")
        self.assertEqual(mail.body, b"before\r\n")
        mail = self.mail("-i", "a@x.example", given="Subject: x\n\nbefore\n.\nafter\n", count=2)
        self.assertEqual(mail.body, b"before\r\n.\r\nafter\r\n")
        mail = self.mail("-oi", "a@x.example", given="Subject: x\n\n..\n.\nz\n", count=3)
        self.assertEqual(mail.body, b"..\r\n.\r\nz\r\n")

    def test_null_sender_and_default_sender(self):
        self.assertEqual(self.mail("-f", "<>", "a@x.example", given="Subject: x\n\ny\n").sender, "")
        mail = self.mail("a@x.example", given="Subject: x\n\ny\n", count=2)
        self.assertIn("@example.test", mail.sender)

    def test_crlf_and_bare_line_ends(self):
        mail = self.mail("a@x.example", given=b"Subject: x\r\n\r\none\r\ntwo\nthree\r\nno end")
        self.assertEqual(mail.body, b"one\r\ntwo\r\nthree\r\nno end\r\n")

    def test_text_without_a_header(self):
        mail = self.mail("a@x.example", given="just a line\nand another\n")
        self.assertIn(b"just a line\r\nand another\r\n", mail.body)
        mail = self.mail("a@x.example", given="From user Sun Nov 22\nSubject: mbox\n\ntext\n",
                         count=2)
        self.assertEqual(mail.header("Subject"), "mbox")

    def test_ignored_options(self):
        self.mail("-v", "-n", "-G", "-U", "-m", "-B", "8BITMIME", "-N", "never", "-R", "hdrs", "-V",
                  "id", "-O", "DeliveryMode=b", "-oem", "-om", "-o7", "-L", "tag", "-h", "10",
                  "a@x.example", given="Subject: x\n\ny\n")

    def test_queue_modes(self):
        self.host.stop()
        ident = self.queue_alert(self.runner)
        done = self.runner.sendmail("-bp", given="")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(ident.encode(), done.stdout)
        self.host.start()
        self.assertEqual(self.runner.run("-q", name="sendmail").returncode, 0)
        self.arrives(self.host)

    def test_exit_codes(self):
        cases = [(64, (), "Subject: x\n\ny\n"), (65, ("-t",), "Subject: no recipient\n\ny\n"),
                 (65, ("a@x.example",), ""), (65, ("a@x.example\nb@x.example",), "x\n"),
                 (65, ("-t",), "To: not an address @\n\nx\n"), (64, ("-Z",), "x\n"),
                 (64, ("-bs",), ""), (64, ("-bd",), ""), (64, ("-f",), "x\n"),
                 (65, ("a@x.example",), b"Subject: nul\n\n\0\n")]
        for status, arguments, given in cases:
            with self.subTest(str(arguments)):
                done = self.runner.sendmail(*arguments, given=given)
                wanted = (64, 65, 67) if arguments == ("-t",) else (status,)
                self.assertIn(done.returncode, wanted, done.stderr)
                self.assertNotEqual(done.stderr, b"")
        self.assertEqual(self.runner.queue(), [])


class Look(Case):
    """check, pin and test."""

    def test_check(self):
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.write()
        done = relay.run("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(PASSWORD.encode(), done.stdout + done.stderr)

    def pinned(self, host, *arguments):
        relay = self.relay(host, start=False)
        relay.write()
        done = relay.run("pin", f"localhost:{host.port}", *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.decode()

    def test_pin(self):
        for options, arguments in (({}, ()), ({"tls": "implicit"}, ("--tls", "implicit"))):
            host = self.smarthost(**options)
            text = self.pinned(host, *arguments)
            self.assertIn("pin = " + host.certificate.pin, text)
            self.assertIn("pin = " + host.certificate.key_pin, text)
            self.assertIn("policy = fingerprint", text)
            self.assertIn("mail.example.test", text)
            self.nothing_leaked(host)

    def test_pin_without_a_configuration(self):
        host = self.smarthost()
        done = subprocess.run([PROGRAM, "pin", f"127.0.0.1:{host.port}"], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(host.certificate.key_pin.encode(), done.stdout)

    def test_pin_of_what_is_not_there(self):
        host = self.smarthost(start=False)
        relay = self.relay(host, start=False)
        done = relay.run("pin", f"localhost:{host.port}")
        self.assertEqual(done.returncode, 69, done.stderr)
        for words in ((), ("host:99999",), ("a b",), ("x", "y"), ("host:25", "--tls", "maybe")):
            self.assertEqual(relay.run("pin", *words).returncode, 64, words)

    def test_pin_without_starttls(self):
        host = self.smarthost(tls="none")
        relay = self.relay(host, start=False)
        done = relay.run("pin", f"localhost:{host.port}")
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"STARTTLS", done.stdout + done.stderr)

    def walk(self, status, words, **smarthost):
        name = f"relay{len(self.relays)}"
        relay = self.relay(self.hosts[-1], start=False, name=name, **smarthost)
        relay.write()
        done = relay.run("test")
        text = (done.stdout + done.stderr).decode()
        self.assertEqual(done.returncode, status, text)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn(PASSWORD, text)
        return text

    def test_test(self):
        host = self.smarthost()
        self.walk(0, ["mail.example.test", "TLS"])
        self.assertEqual(host.mails, [])
        self.assertNotIn("DATA", host.words())
        other = certs.maker.self_signed(tag="other")
        self.walk(69, ["FAILED", host.certificate.pin, host.certificate.key_pin], pin=[other.pin])
        self.walk(69, ["FAILED", "535"], password="wrong")
        host.script = {"MAIL": "550 5.7.1 not your address"}
        self.walk(69, ["FAILED", "not your address"])
        host.script = {"GREETING": "554 5.7.1 go away"}
        self.walk(69, ["FAILED", "go away"])
        host.script = {"EHLO": "250 host"}
        self.walk(69, ["FAILED", "STARTTLS"])
        host.stop()
        self.walk(69, ["FAILED"])
        self.walk(69, ["FAILED"], host="nowhere.invalid")

    def test_test_with_a_broken_configuration(self):
        host = self.smarthost()
        relay = self.relay(host, start=False, policy="nonsense")
        relay.write()
        self.assertEqual(relay.run("test").returncode, 78)

    def test_login_is_not_tried_before_tls_by_test(self):
        host = self.smarthost(tls="none", auth_before_tls=True)
        relay = self.relay(host, start=False, policy="encrypt")
        relay.write()
        self.assertEqual(relay.run("test").returncode, 69)
        self.nothing_leaked(host)
        self.assertNotIn(USER.encode(), b"".join(c[3] for c in host.commands))


if __name__ == "__main__":
    unittest.main()
