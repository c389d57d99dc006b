"""What the README shows works: its configuration is accepted, its firmware compiles."""
import os
import re
import subprocess
import tempfile
import unittest

PINPOST = os.environ.get("PINPOST", "build/pinpost")


def block(language):
    with open("README.md", encoding="utf-8") as file:
        return re.search(rf"```{language}\n(.*?)```", file.read(), re.S)[1]


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
        path = self.write("pinpost.conf", text.replace("\nuser = pinpost\n", "\nuser = nobody\n"))
        done = subprocess.run([PINPOST, "-c", path, "check"], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)

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
