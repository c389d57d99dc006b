"""Certificates that are meant to hurt: each is an error with words, the mail waits, nothing leaks."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case

HOST = "mail.example.test"
NAME = f"subjectAltName=DNS:{HOST}\n"


def der_integer(number):
    length = number.bit_length() // 8 + 1
    return der(2, number.to_bytes(length, "big"))


def der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    head = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(head)]) + head + content


def gigantic_key(bits):
    """A public RSA key of so many bits, whose private half nobody has."""
    rsa = der(0x30, der_integer((1 << bits) - 12345) + der_integer(65537))
    return der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + der(3, b"\0" + rsa))


class Chain:
    """Leaves of one authority, with more or other certificates above them."""

    def __init__(self):
        self.authority = certs.maker.authority("hostile")

    def leaf(self, name, extensions=NAME, kind=certs.EC, above=None):
        path, key = self.authority.issue(name, f"/CN={HOST}", extensions, self.authority.middle,
                                         self.authority.middle_key, ["-days", "5"], kind)
        with open(path, "ab") as out:
            for one in [self.authority.middle] if above is None else above:
                with open(one, "rb") as file:
                    out.write(file.read())
        return certs.Certificate(path, key)

    def strangers(self, count, size=0):
        """Certificates that have nothing to do with the leaf, each with a key of its own."""
        key = certs.maker.path("stranger.key")
        if not os.path.exists(key):
            certs.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                          "-out", key)
        paths = []
        for number in range(count):
            path = certs.maker.path(f"stranger-{size}-{number}.pem")
            filler = ["-addext", "nsComment=" + "x" * size] if size else []
            if not os.path.exists(path):
                certs.openssl("req", "-x509", "-new", "-key", key, "-out", path, "-days", "3",
                              "-subj", f"/CN=stranger {number}", *filler)
            paths.append(path)
        return paths

    def with_key(self, name, spki):
        """An intermediate's certificate over somebody's public key."""
        public, path = certs.maker.path(name + ".der"), certs.maker.path(name + ".pem")
        with open(public, "wb") as file:
            file.write(spki)
        request = certs.openssl("req", "-new", *certs.EC, "-nodes", "-keyout", "/dev/null", "-subj",
                                f"/CN={name}")
        certs.openssl("x509", "-req", "-CA", self.authority.root, "-CAkey",
                      self.authority.root_key, "-set_serial", "77", "-force_pubkey", public,
                      "-keyform", "DER", "-days", "5", "-out", path, given=request)
        return path


class Hostile(Case):
    @classmethod
    def setUpClass(cls):
        cls.chain = Chain()

    def refused(self, certificate, *words, policies=("secure", "fingerprint", "encrypt")):
        """By each policy, even by those that would take anybody: it cannot be read at all."""
        host = self.smarthost(certificate)
        for policy in policies:
            more = {"pin": [certs.maker.self_signed().pin]} if policy == "fingerprint" else {}
            relay = self.relay(host, policy=policy, name=policy + certificate.path[-9:-4], start=False,
                               **more)
            relay.conf["tls"] = {"ca_file": self.chain.authority.root}
            relay.start()
            ident = self.queue_alert(relay)
            line = relay.wait("tls_failed")
            for word in words:
                self.assertIn(word, line["reason"], policy)
            self.assertNotIn("tls_memory_left", relay.log())
            self.assertEqual([row["id"] for row in relay.queue()], [ident])
        self.nothing_leaked(host)

    def delivered(self, certificate, policy="secure", **more):
        host = self.smarthost(certificate)
        relay = self.relay(host, policy=policy, start=False, **more)
        relay.conf["tls"] = {"ca_file": self.chain.authority.root}
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty()
        self.assertNotIn("tls_memory_left", relay.log())

    def test_the_good_one(self):
        """What all others are made from is let in."""
        self.delivered(self.chain.leaf("plain"))

    def test_chain_of_forty(self):
        certificate = self.chain.leaf("forty", above=self.chain.strangers(39))
        self.refused(certificate, "chain")

    def test_a_few_large_ones(self):
        """More than a handshake message may hold."""
        self.refused(self.chain.leaf("large", above=self.chain.strangers(6, 4000)), "chain")

    def test_strangers_above_a_good_chain(self):
        """RFC 8446 4.4.2: certificates that nobody needs may stand in the list."""
        above = [self.chain.authority.middle, *self.chain.strangers(3)]
        self.delivered(self.chain.leaf("strangers", above=above))

    def test_unknown_critical_extension(self):
        odd = self.chain.leaf("critical", NAME + "1.2.3.4.5=critical,ASN1:NULL\n")
        self.refused(odd, "certificate", policies=("secure",))
        host = self.smarthost(odd)
        relay = self.relay(host, policy="fingerprint", pin=["issuer-cert:" + certs.Certificate(
            self.chain.authority.middle, None).fingerprint()], name="issuer")
        self.queue_alert(relay)
        relay.wait("tls_failed")
        self.nothing_leaked(host)

    def test_gigantic_key_above_the_leaf(self):
        for bits in (9000, 16384, 60000):
            giant = self.chain.with_key(f"giant{bits}", gigantic_key(bits))
            with self.subTest(bits):
                self.refused(self.chain.leaf(f"under{bits}", above=[giant]),
                             policies=("secure",))

    def test_not_for_servers(self):
        self.refused(self.chain.leaf("client", NAME + "extendedKeyUsage=clientAuth\n"),
                     policies=("secure",))

    def test_weak_key(self):
        self.refused(self.chain.leaf("weak", kind=["-newkey", "rsa:1024"]), policies=("secure",))


if __name__ == "__main__":
    unittest.main()
