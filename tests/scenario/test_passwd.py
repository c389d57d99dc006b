"""`pinpost passwd`: the verifier it prints, from a pipe and from a terminal."""
import base64
import hashlib
import hmac
import os
import re
import signal
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.relay import PROGRAM

LINE = re.compile(r"password = SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(\S+)\n")


def passwd(*arguments, given=""):
    given = given if isinstance(given, bytes) else given.encode()
    return subprocess.run([PROGRAM, "passwd", *arguments], input=given, capture_output=True, timeout=30)


class Terminal:
    """The program with a terminal of its own."""

    def __init__(self, *arguments):
        self.fd, self.far = os.openpty()
        self.echoed = self.echoes()
        self.program = subprocess.Popen([PROGRAM, "passwd", *arguments], start_new_session=True,
                                        stdin=self.far, stdout=self.far, stderr=self.far)
        self.text = ""

    def echoes(self):
        return bool(termios.tcgetattr(self.far)[3] & termios.ECHO)

    def until(self, word):
        end = time.monotonic() + 20
        while word not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"no {word!r} in {self.text!r}")
            self.text += os.read(self.fd, 4096).decode()

    def answer(self, prompt, text):
        self.until(prompt)
        end = time.monotonic() + 20
        while self.echoes() and time.monotonic() < end:
            time.sleep(0.01)
        os.write(self.fd, text.encode())

    def end(self):
        try:
            status = self.program.wait(20)
        finally:
            self.program.kill()
            os.close(self.far)
        try:
            while more := os.read(self.fd, 4096):
                self.text += more.decode()
        except OSError:
            pass  # all has been read
        os.close(self.fd)
        return status


class Passwd(unittest.TestCase):
    def verify(self, text, password, rounds=4096):
        found = LINE.search(text.replace("\r\n", "\n"))
        self.assertTrue(found, text)
        self.assertEqual(int(found[1]), rounds)
        salt, stored, server = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
        self.assertGreaterEqual(len(salt), 16)
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
        client = hmac.digest(salted, b"Client Key", "sha256")
        self.assertEqual(hashlib.sha256(client).digest(), stored)
        self.assertEqual(hmac.digest(salted, b"Server Key", "sha256"), server)
        return salt

    def test_from_a_pipe(self):
        for given, password in (("pencil\n", b"pencil"), ("pencil", b"pencil"), ("a\r\nb\n", b"a"),
                                (" p c \n", b" p c "), ("schl\u00fcssel\n", "schl\u00fcssel".encode()),
                                ("x" * 510 + "\n", b"x" * 510)):
            with self.subTest(given[:20]):
                done = passwd(given=given)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.verify(done.stdout.decode(), password)
        done = passwd("-i", "5000", "joe", given="pencil\n")
        self.assertTrue(done.stdout.startswith(b"[user joe]\npassword = "), done.stdout)
        self.verify(done.stdout.decode(), b"pencil", 5000)

    def test_each_has_its_own_salt(self):
        salts = {self.verify(passwd(given="x\n").stdout.decode(), b"x") for _ in range(3)}
        self.assertEqual(len(salts), 3)

    def test_refused(self):
        for arguments in (("-i", "4095"), ("-i", "1000001"), ("-i", "-1"), ("-i", "5000x"), ("-i", ""),
                          ("-i",), ("-x",), ("joe", "ann"), ("",), ("a]b",), ("a\nb",), ("x" * 45,)):
            with self.subTest(arguments):
                done = passwd(*arguments, given="pencil\n")
                self.assertEqual((done.returncode, done.stdout), (64, b""), done.stderr)
        for given in ("", "\n", "x" * 511 + "\n", "x" * 5000):
            with self.subTest(given[:20]):
                done = passwd(given=given)
                self.assertEqual((done.returncode, done.stdout), (65, b""), done.stderr)

    def test_a_name_as_long_as_a_section_holds(self):
        self.assertIn(f"[user {'x' * 44}]\n", passwd("x" * 44, given="pencil\n").stdout.decode())

    def test_from_a_terminal(self):
        terminal = Terminal("joe")
        terminal.answer("password: ", "pencil\n")
        terminal.answer("again: ", "pencil\n")
        self.assertEqual(terminal.end(), 0, terminal.text)
        self.assertNotIn("pencil", terminal.text)
        self.verify(terminal.text, b"pencil")
        terminal = Terminal()
        terminal.answer("password: ", "pencil\n")
        terminal.answer("again: ", "pencill\n")
        self.assertEqual(terminal.end(), 65, terminal.text)
        self.assertIn("not the same", terminal.text)

    def test_an_interrupt_leaves_a_terminal_that_echoes(self):
        terminal = Terminal()
        self.assertTrue(terminal.echoed)
        terminal.answer("password: ", "pen")
        self.assertFalse(terminal.echoes())
        terminal.program.send_signal(signal.SIGINT)
        time.sleep(0.2)
        os.write(terminal.fd, b"\n")
        self.assertEqual(terminal.program.wait(20), -signal.SIGINT)
        self.assertTrue(terminal.echoes())
        terminal.end()


if __name__ == "__main__":
    unittest.main()
