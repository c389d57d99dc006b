"""What the README shows works: its configuration is accepted, its firmware compiles."""
import os
import re
import subprocess
import tempfile
import unittest

PINPOST = os.environ.get("PINPOST", "build/pinpost")


def blocks(language, path="README.md"):
    with open(path, encoding="utf-8") as file:
        return re.findall(rf"```{language}\n(.*?)```", file.read(), re.S)


def block(language):
    return blocks(language)[0]


class Readme(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name

    def write(self, name, text):
        path = os.path.join(self.place, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def test_configuration(self):
        text = block("ini")
        self.assertIn("\nuser = pinpost\n", text)
        done = self.check(text.replace("\nuser = pinpost\n", "\nuser = nobody\n"))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)

    def check(self, text):
        path = self.write("pinpost.conf", text)
        return subprocess.run([PINPOST, "-c", path, "check"], capture_output=True, text=True,
                              timeout=20, check=False)

    def with_certificate(self, text):
        """The files that it names, made."""
        certificate, key = (os.path.join(self.place, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nas.example.org",
                        "-keyout", key, "-out", certificate], capture_output=True, timeout=60,
                       check=True)
        os.chmod(key, 0o600)
        for name, path in (("pem", certificate), ("key", key)):
            self.assertIn(f"/etc/pinpost/server.{name}", text)
            text = text.replace(f"/etc/pinpost/server.{name}", path)
        return text

    def test_relay_for_the_lan(self):
        nas, lan = blocks("ini")
        done = self.check(self.with_certificate(nas.replace("user = pinpost", "user = nobody")
                                                + lan))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertIn("lan: * port 25, TLS offered, relays for 192.168.1.0/24\n",
                      done.stdout)
        self.assertIn("submission: * port 587, TLS required, relays for 1 user\n", done.stdout)
        self.assertIn("submissions: * port 465, TLS from the first byte, relays for 1 user\n",
                      done.stdout)

    def test_sample(self):
        """As it is, and with all that it leaves out."""
        with open("config/pinpost.conf.sample", encoding="utf-8") as file:
            text = file.read()
        secret = self.write("password", "secret\n")
        verifier = re.search(r"password = (SCRAM-SHA-256\S+)", blocks("ini")[1])[1]
        text = text.replace("/etc/pinpost/password", secret)
        text = text.replace("\nuser = pinpost\n", "\nuser = nobody\n")
        done = self.check(text)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertNotIn("listener", done.stdout)
        start = text.index("; A relay for the LAN")
        more = re.sub(r"(?m)^; (\[|\w+ = )", r"\1", text[start:])
        more = more.replace("SCRAM-SHA-256$...", verifier)
        done = self.check(self.with_certificate(text[:start] + more))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(done.stdout.count("  listener "), 2)

    def test_firmware(self):
        text = block("c")
        path = self.write("firmware.c", text)
        done = subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Isrc", "-Iport",
                               "-Iconfig", "-c", path, "-o", os.path.join(self.place, "f.o")],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        body = text[text.index("int main"):]
        self.assertLessEqual(body.count("\n"), 40)


if __name__ == "__main__":
    unittest.main()
