"""Each certificate of the zoo at each level: our verdict is Postfix's, and the table's."""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case
from lib.zoo import HOST, KEYS, Zoo

FINGER = "/usr/sbin/posttls-finger"
CHAINED = {*KEYS, "wildcard", "case", "three-deep", "address-only"}  # good, and for the host
# Postfix's names at secure reach below the host; `address-only` has it as common name.
GOOD = {"encrypt": None, "verify": CHAINED,
        "secure": CHAINED | {"below", "twice-below", "wildcard-below"},
        "fingerprint": None, "other-pin": set()}
MATCH = {"verify": [HOST], "secure": [HOST, "." + HOST]}
zoo = Zoo()


class Animals(Case):
    def ours(self, host, level, pin):
        name = f"relay-{len(self.relays)}"
        fingerprint = level in ("fingerprint", "other-pin")
        relay = self.relay(host, start=False, name=name,
                           policy="fingerprint" if fingerprint else level,
                           **{"pin": [pin] if fingerprint else []})
        relay.conf["tls"]["ca_file"] = zoo.root
        relay.write()
        done = relay.run("test")
        text = done.stdout.decode()
        self.assertIn("trust", text, done.stderr)
        return "trust       ok" in text, text

    def postfix(self, host, level, pin):
        words = {"fingerprint": [pin], "other-pin": [pin]}.get(level, MATCH.get(level, []))
        with tempfile.TemporaryDirectory() as place:
            with open(os.path.join(place, "main.cf"), "w", encoding="ascii") as file:
                file.write("compatibility_level = 3.6\ninet_protocols = ipv4\n"
                           "smtp_dns_support_level = disabled\nsmtp_host_lookup = native\n")
            done = subprocess.run(
                [FINGER, "-c", "-l", "fingerprint" if level == "other-pin" else level,
                 "-d", "sha256", "-F", zoo.root, f"[127.0.0.1]:{host.port}", *words],
                env={**os.environ, "MAIL_CONFIG": place}, capture_output=True, timeout=30,
                check=False)
        text = (done.stdout + done.stderr).decode()
        wanted = "TLS connection established" if level == "encrypt" else "Verified TLS connection"
        self.assertIn("posttls-finger: ", text)
        return wanted in text, text

    def test_each_at_each_level(self):
        other = certs.maker.self_signed(tag="other").fingerprint()
        cells = {}
        for name, certificate in zoo.animals.items():
            host = self.smarthost(certificate, users={})
            for level in GOOD:
                pin = other if level == "other-pin" else certificate.fingerprint()
                cells[name, level] = (host, level, pin)
        # posttls-finger takes two seconds, in which it mostly waits.
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            theirs = dict(zip(cells, pool.map(lambda cell: self.postfix(*cell), cells.values())))
        for (name, level), cell in cells.items():
            with self.subTest(f"{name}, {level}"):
                ours, our_words = self.ours(*cell)
                wanted = GOOD[level] is None or name in GOOD[level]
                self.assertEqual((ours, theirs[name, level][0]), (wanted, wanted),
                                 our_words + theirs[name, level][1])
        self.assertEqual([host.mails for host in self.hosts if host.mails], [])

    def test_an_issuer_is_pinned(self):
        """Postfix has no such pin; what it does not forgive either is refused."""
        pin = "issuer-key:" + certs.Certificate(zoo.good.middle, "").key_fingerprint()
        good = (CHAINED | {"below", "twice-below", "wildcard-below"})
        for name, certificate in zoo.animals.items():
            with self.subTest(name):
                host = self.smarthost(certificate, users={})
                ours, words = self.ours(host, "fingerprint", pin)
                self.assertEqual(ours, name in good, words)
                host.stop()


if __name__ == "__main__":
    unittest.main()
