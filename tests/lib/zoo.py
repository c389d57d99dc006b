"""zoo.py - one certificate of each kind, and what a client should think of them

Job:      leaves of all key types, names and dates, whole and broken chains, below one authority.
Not here: what is done with them; single certificates (certs.py).
"""
import os

from . import certs

HOST = "mail.example.test"
LEAF = "subjectAltName={}\nextendedKeyUsage=serverAuth\n"
KEYS = {"rsa2048": ["-newkey", "rsa:2048"], "rsa3072": ["-newkey", "rsa:3072"],
        "rsa4096": ["-newkey", "rsa:4096"],
        **{f"p{bits}": ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:P-{bits}"]
           for bits in (256, 384, 521)}}
NAMES = {"wrong": "other.example.test", "below": f"a.{HOST}", "twice-below": f"a.b.{HOST}",
         "wildcard": "*.example.test", "wildcard-above": "*.test", "wildcard-below": f"*.{HOST}",
         "wildcard-twice": "*.*.test", "wildcard-part": "m*.example.test",
         "end-alike": f"x{HOST}", "begin-alike": f"{HOST}.evil.test", "case": HOST.upper()}


class Zoo:
    """`animals`: name -> Certificate. All good but for what the name says."""

    def __init__(self):
        self.good, self.evil = certs.maker.authority("zoo"), certs.maker.authority("evil")
        self.root = self.good.root
        self.animals = {}
        for name, kind in KEYS.items():
            self.add(name, kind=kind)
        for name, host in NAMES.items():
            self.add(name, san="DNS:" + host)
        self.add("address-only", san="IP:127.0.0.1")
        self.add("no-name", san="email:a@example.test", subject="/CN=other")
        self.add("expired", dates=["-days", "-1"])
        self.add("missing-intermediate", above=[])
        self.add("attacker", by=(self.evil.middle, self.evil.middle_key), above=[self.good.middle])
        self.add("stranger", by=(self.evil.middle, self.evil.middle_key), above=[self.evil.middle])
        deep = self.good.issue("deep", "/CN=zoo deep", certs.CA_EXTENSIONS, self.good.middle,
                               self.good.middle_key, ["-days", "9"], certs.EC)
        self.add("three-deep", by=deep, above=[deep[0], self.good.middle])
        self.add("below-a-leaf", by=(self.animals["p256"].path, self.animals["p256"].key),
                 above=[self.animals["p256"].path, self.good.middle])
        self.animals["self-signed"] = certs.maker.self_signed(HOST, tag="zoo")
        self.animals["not-yet-valid"] = certs.maker.dated("+5 days", "+30 days")

    def add(self, name, kind=certs.EC, san="DNS:" + HOST, subject="/CN=" + HOST, by=None,
            above=None, dates=("-days", "10")):
        issuer, key = by or (self.good.middle, self.good.middle_key)
        above = [self.good.middle] if above is None else above
        path, own_key = self.good.issue("zoo-" + name, subject, LEAF.format(san), issuer, key,
                                        list(dates), kind)
        with open(path, "ab") as out:
            for one in above:
                with open(one, "rb") as file:
                    out.write(file.read())
        self.animals[name] = certs.Certificate(path, own_key)
        assert os.path.exists(own_key)
