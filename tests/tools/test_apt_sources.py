"""The mirror of Debian 13 is derived from whatever a machine has in /etc/apt."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.join("tools", "apt_sources.py")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def derive(files):
    """(exit code, lines, error text) for an /etc/apt with these files."""
    with tempfile.TemporaryDirectory() as etc:
        for name, text in files.items():
            path = os.path.join(etc, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, TOOL, "trixie", etc, "bookworm"],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr


class AptSources(unittest.TestCase):
    def test_one_line_style(self):
        code, lines, _ = derive({"sources.list": """
# deb http://old.example/debian bookworm main
deb cdrom:[Debian GNU/Linux 12]/ bookworm main
deb http://mirror.example/debian/ bookworm main contrib # the LAN's
deb-src http://mirror.example/debian/ bookworm main
deb http://mirror.example/debian/ bookworm-updates main
deb https://security.example/debian-security bookworm-security main
"""})
        self.assertEqual(code, 0)
        self.assertEqual(lines, [
            "deb-src http://mirror.example/debian/ trixie main",
            "deb-src http://mirror.example/debian/ trixie-updates main",
            "deb-src https://security.example/debian-security trixie-security main"])

    def test_options_keep_the_keyring(self):
        _, lines, _ = derive({"sources.list.d/a.list":
                              "deb [arch=amd64 signed-by=/k/a.gpg] https://m.example/d bookworm main\n"})
        self.assertEqual(lines, ["deb-src [signed-by=/k/a.gpg] https://m.example/d trixie main"])

    def test_deb822(self):
        _, lines, _ = derive({"sources.list.d/debian.sources": f"""\
Types: deb deb-src
# a comment inside
URIs: http://one.example/debian http://two.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: {KEYRING}

Types: deb
URIs: http://sec.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""})
        self.assertEqual(lines, [
            f"deb-src [signed-by={KEYRING}] http://one.example/debian trixie main",
            f"deb-src [signed-by={KEYRING}] http://one.example/debian trixie-updates main",
            f"deb-src [signed-by={KEYRING}] http://sec.example/debian-security trixie-security main"])

    def test_what_is_switched_off_or_not_debian_is_not_used(self):
        code, lines, error = derive({
            "sources.list.d/off.sources": "Types: deb\nURIs: http://off.example/debian\n"
                                          "Suites: bookworm\nComponents: main\nEnabled: no\n",
            "sources.list.d/node.list": "deb https://deb.node.example/20.x nodistro main\n",
            "sources.list.d/saved.list.save": "deb http://saved.example/debian bookworm main\n"})
        self.assertEqual((code, lines), (1, []))
        self.assertIn("no http(s) mirror", error)

    def test_a_machine_without_security_does_without(self):
        _, lines, _ = derive({"sources.list": "deb http://m.example/debian stable main\n"})
        self.assertEqual(lines, ["deb-src http://m.example/debian trixie main"])


if __name__ == "__main__":
    unittest.main()
