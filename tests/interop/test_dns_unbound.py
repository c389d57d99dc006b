"""Names and TLSA records by a validating resolver: unbound, over zones that the test signed."""
import hashlib
import os
import ssl
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case
from lib.dns_server import DnsServer, build
from lib.dns_server import SERVFAIL as FAILURE
from lib.unbound import NOERROR, NXDOMAIN, SERVFAIL, Unbound, Zone

SIGNED = "signed.test"
VERIFIED, ANYBODY, CLEAR, WAITS = "verified", "not_verified", "not_encrypted", "waits"


def tlsa(usage, selector, matching, certificate, chain=0):
    """The data of a TLSA record for one of a file's certificates, 0 is the leaf."""
    with open(certificate.path, encoding="ascii") as file:
        pem = file.read().split("-----END CERTIFICATE-----\n")[chain] + "-----END CERTIFICATE-----\n"
    data = ssl.PEM_cert_to_DER_cert(pem)
    if selector == 1:
        public = certs.openssl("x509", "-noout", "-pubkey", given=pem.encode())
        data = certs.openssl("pkey", "-pubin", "-outform", "DER", given=public)
    digest = {0: bytes, 1: lambda d: hashlib.sha256(d).digest(),
              2: lambda d: hashlib.sha512(d).digest()}[matching](data)
    return f"TLSA {usage} {selector} {matching} {digest.hex()}"


class Resolving(Case):
    def setUp(self):
        super().setUp()
        self.resolver = None

    def resolve(self, *zones, **more):
        self.resolver = Unbound(os.path.join(self.place, "unbound"), *zones, **more)
        self.addCleanup(self.resolver.stop)
        self.resolver.start()
        return self.resolver

    def lying(self, code=FAILURE):
        """A name server that always answers with an error."""
        server = DnsServer({}, lambda query, answer, tcp: build(query, [], code)).start()
        self.addCleanup(server.stop)
        return server

    def asking(self, host, name=f"mail.{SIGNED}", policy="dane-only", start=True, trusted=None,
               **smarthost):
        """A relay that knows nothing but the resolver."""
        relay = self.relay(host, start=False, name=f"relay{len(self.relays)}", policy=policy,
                           host=name, **smarthost)
        relay.hosts("127.0.0.1 localhost")
        relay.conf["dns"] = {"server": f"127.0.0.1:{self.resolver.port}", "trusted": trusted}
        relay.conf["timeouts"]["dns"] = "6s"
        return relay.start() if start else relay

    def holds(self, relay, host, outcome, words=""):
        """One alert, and what becomes of it."""
        before = len(host.mails)
        self.queue_alert(relay)
        if outcome == WAITS:
            event = self.until(lambda: relay.find("path_failed") + relay.find("tls_failed"),
                               "no failure is told")[0]
            self.assertIn(words, event["reason"])
            self.assertEqual(len(host.mails), before, relay.log())
            self.assertEqual(len(relay.queue()), 1)
            return
        mail = self.arrives(host, before + 1)
        self.assertEqual(mail.tls == "", outcome == CLEAR, relay.log())
        relay.wait(outcome)
        told = {o for o in (VERIFIED, ANYBODY, CLEAR) if relay.find(o)}
        self.assertEqual(told, {outcome}, relay.log())
        relay.wait_empty()


class Verdicts(Resolving):
    """Each thing that a zone can say, with dane and with dane-only."""

    ANY_NAME = f"*.{SIGNED}"

    def cases(self, leaf):
        """(name, lines of the zone with {at} for the TLSA records' owner, dane, dane-only)"""
        good, wrong = tlsa(3, 1, 1, leaf), tlsa(3, 1, 1, certs.maker.self_signed(tag="wrong"))
        rows = []
        for usage in (2, 3):
            for selector in (0, 1):
                for matching in (1, 2):
                    rows.append((f"good{usage}{selector}{matching}",
                                 ["{at} " + tlsa(usage, selector, matching, leaf, 3 - usage)],
                                 VERIFIED, VERIFIED))
        return rows + [
            ("two", ["{at} " + wrong, "{at} " + good], VERIFIED, VERIFIED),
            ("wrong", ["{at} " + wrong], WAITS, WAITS),
            ("wrong-anchor", ["{at} " + tlsa(2, 1, 1, leaf)], WAITS, WAITS),
            ("anchor-as-leaf", ["{at} " + tlsa(3, 1, 1, leaf, 1)], WAITS, WAITS),
            ("absent", [], ANYBODY, WAITS),
            ("other-port", ["_1._tcp.{name} " + good], ANYBODY, WAITS),
            ("other-type", ['{at} TXT "nothing"'], ANYBODY, WAITS),
            ("ca-only", ["{at} " + tlsa(0, 0, 1, leaf), "{at} " + tlsa(1, 0, 1, leaf)],
             ANYBODY, WAITS),
            ("whole", ["{at} " + tlsa(3, 1, 0, leaf)], ANYBODY, WAITS),
            ("selector-2", ["{at} " + good.replace("3 1 1", "3 2 1")], ANYBODY, WAITS),
            ("matching-3", ["{at} " + good.replace("3 1 1", "3 1 3")], ANYBODY, WAITS),
            ("short", ["{at} " + good[:-2]], ANYBODY, WAITS),
            ("long", ["{at} " + good + "00"], ANYBODY, WAITS),
            ("unusable-and-good", ["{at} " + tlsa(1, 0, 1, leaf), "{at} " + good],
             VERIFIED, VERIFIED),
            ("unusable-and-wrong", ["{at} " + tlsa(1, 0, 1, leaf), "{at} " + wrong], WAITS, WAITS),
            ("many", ["{at} " + wrong[:-4] + f"{i:04x}" for i in range(7)] + ["{at} " + good],
             VERIFIED, VERIFIED),
            ("bogus", ["{at} " + good], WAITS, WAITS),
            ("bogus-address", ["{at} " + good], WAITS, WAITS),
            ("failing", [], WAITS, WAITS),
        ]

    def zone(self, rows, port):
        zone = Zone(SIGNED)
        for name, lines, _, _ in rows:
            at = f"_{port}._tcp.{name}"
            zone.lines += [f"{name} A 127.0.0.1"] + [x.format(at=at, name=name) for x in lines]
        zone.spoil(f"_{port}._tcp.bogus", "TLSA")
        zone.spoil("bogus-address", "A")
        return zone

    def test_each(self):
        leaf = certs.maker.authority().leaf(self.ANY_NAME)
        host = self.smarthost(leaf, users={})
        rows = self.cases(leaf)
        failing = Zone(f"_tcp.failing.{SIGNED}", signed=False)
        failing.elsewhere = self.lying().port
        self.resolve(self.zone(rows, host.port), failing)
        for policy, column in (("dane", 2), ("dane-only", 3)):
            for row in rows:
                with self.subTest(f"{row[0]}, {policy}"):
                    relay = self.asking(host, f"{row[0]}.{SIGNED}", policy)
                    self.holds(relay, host, row[column])
                    relay.stop()

    def test_the_resolver_says_what_these_tests_take_for_granted(self):
        zone = self.zone(self.cases(certs.maker.authority().leaf(self.ANY_NAME)), 25)
        plain = Zone("plain.test", "mail A 127.0.0.1", signed=False)
        resolver = self.resolve(zone, plain)
        for name, kind, answer in (
                (f"good311.{SIGNED}", "A", (NOERROR, True, 1)),
                (f"good311.{SIGNED}", "MX", (NOERROR, True, 0)),
                (f"_25._tcp.two.{SIGNED}", "TLSA", (NOERROR, True, 2)),
                (f"_25._tcp.absent.{SIGNED}", "TLSA", (NXDOMAIN, True, 0)),
                (f"_25._tcp.other-type.{SIGNED}", "TLSA", (NOERROR, True, 0)),
                (f"_25._tcp.bogus.{SIGNED}", "TLSA", (SERVFAIL, False, 0)),
                (f"bogus-address.{SIGNED}", "A", (SERVFAIL, False, 0)),
                ("mail.plain.test", "A", (NOERROR, False, 1))):
            self.assertEqual(resolver.ask(name, kind), answer, (name, kind))


class Zones(Resolving):
    """What a whole zone may be."""

    def host_of(self, zone_name, tls="starttls"):
        self.leaf = certs.maker.self_signed(f"mail.{zone_name}")
        return self.smarthost(self.leaf, users={}, tls=tls)

    def lines(self, host, *more):
        return ["mail A 127.0.0.1", *more,
                f"_{host.port}._tcp.mail " + tlsa(3, 1, 1, host.certificate)]

    def both(self, host, name, dane, dane_only):
        for policy, outcome in (("dane", dane), ("dane-only", dane_only)):
            with self.subTest(policy):
                self.holds(self.asking(host, name, policy), host, outcome)

    def test_unsigned(self):
        host = self.host_of("plain.test")
        self.resolve(Zone("plain.test", *self.lines(host), signed=False))
        self.both(host, "mail.plain.test", ANYBODY, WAITS)

    def test_unsigned_below_a_signed_one(self):
        host = self.host_of("plain.signed.test")
        self.resolve(Zone(SIGNED, "plain NS ns.plain", "ns.plain A 127.0.0.1"),
                     Zone(f"plain.{SIGNED}", *self.lines(host), signed=False))
        self.both(host, f"mail.plain.{SIGNED}", ANYBODY, WAITS)

    def test_signatures_are_over(self):
        host = self.host_of(SIGNED)
        self.resolve(Zone(SIGNED, *self.lines(host), expired=True))
        self.both(host, f"mail.{SIGNED}", WAITS, WAITS)

    def test_another_key_than_the_one_that_is_trusted(self):
        host = self.host_of(SIGNED)
        zone = Zone(SIGNED, *self.lines(host))
        os.mkdir(os.path.join(self.place, "unbound"))
        zone.new_key(os.path.join(self.place, "unbound"))
        zone.new_key(os.path.join(self.place, "unbound"))
        self.resolve(zone)
        self.both(host, f"mail.{SIGNED}", WAITS, WAITS)

    def test_hashed_denial(self):
        host = self.host_of(SIGNED)
        self.resolve(Zone(SIGNED, *self.lines(host), "bare A 127.0.0.1", nsec3=True))
        self.both(host, f"mail.{SIGNED}", VERIFIED, VERIFIED)
        self.both(host, f"bare.{SIGNED}", ANYBODY, WAITS)

    def test_records_were_taken_away_on_the_way(self):
        """Nothing proves that there are none: they may be kept from us."""
        host = self.host_of(SIGNED)
        zone = Zone(SIGNED, *self.lines(host))
        zone.drop(f"_{host.port}._tcp.mail", "TLSA")
        zone.drop(f"_{host.port}._tcp.mail", "NSEC")
        self.resolve(zone)
        self.both(host, f"mail.{SIGNED}", WAITS, WAITS)

    def test_tls_is_stripped(self):
        """Records say that there is TLS, usable or not: it is never done without."""
        host = self.host_of(SIGNED, tls="none")
        self.resolve(Zone(SIGNED, *self.lines(host), "odd A 127.0.0.1", "bare A 127.0.0.1",
                          f"_{host.port}._tcp.odd " + tlsa(1, 1, 1, host.certificate)))
        self.both(host, f"mail.{SIGNED}", WAITS, WAITS)
        self.both(host, f"odd.{SIGNED}", WAITS, WAITS)
        self.nothing_leaked(host)
        self.both(host, f"bare.{SIGNED}", CLEAR, WAITS)

    def test_whose_word_counts(self):
        host = self.host_of(SIGNED)
        self.resolve(Zone(SIGNED, *self.lines(host)))
        for trusted, outcome in ((None, VERIFIED), ("local", VERIFIED), ("yes", VERIFIED),
                                 ("no", WAITS)):
            with self.subTest(trusted):
                self.holds(self.asking(host, trusted=trusted), host, outcome)

    def test_aliases(self):
        """RFC 7672 2.2.2: the records of what the alias stands for come first, then its own."""
        host = self.host_of(SIGNED)
        good = tlsa(3, 1, 1, host.certificate)
        wrong = tlsa(3, 1, 1, certs.maker.self_signed(tag="wrong"))
        at = f"_{host.port}._tcp"
        self.resolve(
            Zone(SIGNED, *self.lines(host), "one CNAME mail", "two CNAME one",
                 f"{at}.two " + wrong, "bare A 127.0.0.1", "own CNAME bare", f"{at}.own " + good,
                 "none CNAME bare", "out CNAME mail.plain.test.", f"{at}.out " + good,
                 "broken CNAME mail", "moved A 127.0.0.1", f"{at}.moved CNAME {at}.mail",
                 "lost A 127.0.0.1", f"{at}.lost CNAME _tlsa.plain.test.", "kept CNAME lost",
                 f"{at}.kept " + good),
            Zone("plain.test", "mail A 127.0.0.1", "_tlsa " + good, signed=False))
        for name, outcome in (("one", VERIFIED), ("two", VERIFIED), ("own", VERIFIED),
                              ("none", WAITS), ("out", WAITS), ("moved", VERIFIED),
                              ("lost", WAITS), ("kept", VERIFIED)):
            with self.subTest(name):
                self.holds(self.asking(host, f"{name}.{SIGNED}"), host, outcome)


class Changes(Resolving):
    """What is true today may not be tomorrow."""

    def begin(self, **host):
        self.old = certs.maker.self_signed(f"mail.{SIGNED}", tag="old")
        self.new = certs.maker.self_signed(f"mail.{SIGNED}", tag="new")
        host = self.smarthost(self.old, **{"users": {}, **host})
        self.zone = Zone(SIGNED)
        self.say(host, self.old)
        return host

    def say(self, host, *certificates):
        at = f"_{host.port}._tcp.mail "
        self.zone.lines = ["mail A 127.0.0.1"] + [at + tlsa(3, 1, 1, c) for c in certificates]
        if self.resolver is not None:
            self.resolver.reload()

    def renew(self, host, certificate):
        host.options.certificate, host.options.key = certificate.path, certificate.key

    def test_rolled_over(self):
        """The new record first, then the certificate, then the old record goes."""
        host = self.begin()
        self.resolve(self.zone)
        relay = self.asking(host)
        relay.conf["delivery"]["idle"] = "0"
        relay.restart()
        self.holds(relay, host, VERIFIED)
        self.say(host, self.old, self.new)
        time.sleep(1.1)  # the records' time to live
        self.holds(relay, host, VERIFIED)
        self.renew(host, self.new)
        self.holds(relay, host, VERIFIED)
        self.say(host, self.new)
        time.sleep(1.1)
        self.holds(relay, host, VERIFIED)
        self.renew(host, self.old)
        self.holds(relay, host, WAITS)

    def test_the_certificate_was_renewed_and_the_record_comes_late(self):
        host = self.begin()
        self.resolve(self.zone)
        self.renew(host, self.new)
        relay = self.asking(host)
        self.holds(relay, host, WAITS)
        self.say(host, self.old, self.new)
        self.arrives(host)
        relay.wait_empty()

    def test_the_look_up_fails_and_then_works(self):
        host = self.begin()
        below = Zone(f"_tcp.mail.{SIGNED}", signed=False)
        below.elsewhere = self.lying().port
        self.resolve(self.zone, below)
        relay = self.asking(host, "mail." + SIGNED, "dane")
        self.holds(relay, host, WAITS)
        self.assertEqual(host.connections, 0)
        self.resolver.zones.remove(below)
        self.resolver.reload()
        self.arrives(host)
        relay.wait(VERIFIED)

    def test_the_resolver_is_silent(self):
        host = self.begin()
        self.resolve(self.zone)
        relay = self.asking(host, start=False)
        relay.conf["timeouts"]["dns"] = "1s"
        self.resolver.stop()
        relay.start()
        self.holds(relay, host, WAITS)
        self.assertEqual(host.connections, 0)
        self.resolver.start()
        self.arrives(host)

    def test_a_name_appears(self):
        """A "no" is remembered only as long as its zone says."""
        host = self.begin()
        lines, self.zone.lines = self.zone.lines, []
        self.resolve(self.zone)
        relay = self.asking(host)
        self.holds(relay, host, WAITS, "host")
        self.zone.lines = lines
        self.resolver.reload()
        self.arrives(host)

    def test_a_login_goes_only_to_whom_the_records_name(self):
        users = {"nas@example.test": "s3cret; with spaces \"and\" more"}
        host = self.begin(users=users)
        self.zone.lines += ["bare A 127.0.0.1", "odd A 127.0.0.1",
                            f"_{host.port}._tcp.odd " + tlsa(1, 1, 1, self.old)]
        self.resolve(self.zone)
        for name in ("bare", "odd"):
            with self.subTest(name):
                self.holds(self.asking(host, f"{name}.{SIGNED}", "dane"), host, WAITS)
                self.nothing_leaked(host)
        relay = self.asking(host, policy="dane")
        self.holds(relay, host, VERIFIED)
        relay.wait("authenticated")


class Servers(Resolving):
    """A, AAAA, MX and SRV, vouched for or not."""

    def begin(self, name=f"mail.{SIGNED}", address="127.0.0.1", **more):
        return self.smarthost(certs.maker.authority().leaf(name), users={}, address=address, **more)

    def record(self, host, name="mail"):
        return f"_{host.port}._tcp.{name} " + tlsa(3, 1, 1, host.certificate)

    def test_families(self):
        six = self.begin(address="::1")
        self.resolve(Zone(SIGNED, "mail AAAA ::1", "both AAAA ::1", "both A 127.0.0.1",
                          self.record(six), self.record(six, "both")))
        self.holds(self.asking(six), six, VERIFIED)
        self.holds(self.asking(six, f"both.{SIGNED}"), six, VERIFIED)

    def test_one_family_is_bogus(self):
        host = self.begin()
        zone = Zone(SIGNED, "mail A 127.0.0.1", "mail AAAA ::1", self.record(host))
        zone.spoil("mail", "AAAA")
        self.resolve(zone)
        self.holds(self.asking(host), host, VERIFIED)

    def test_mx(self):
        host = self.begin()
        self.resolve(Zone(SIGNED, "@ MX 20 mail", "@ MX 10 dead", "dead A 127.0.0.97",
                          "mail A 127.0.0.1", "null MX 0 .", "bare A 127.0.0.1",
                          self.record(host), self.record(host, "bare"), self.record(host, "dead"),
                          "deep MX 10 alias", "alias CNAME mail", "lost MX 10 nowhere"))
        relay = self.asking(host, SIGNED, lookup="mx")
        self.holds(relay, host, VERIFIED)
        for name, outcome, words in (("bare", VERIFIED, ""), ("null", WAITS, "no mail"),
                                     ("lost", WAITS, ""), ("nothing", WAITS, "host name"),
                                     ("deep", VERIFIED, "")):
            with self.subTest(name):
                self.holds(self.asking(host, f"{name}.{SIGNED}", lookup="mx"), host, outcome, words)

    def test_bogus_mx_waits(self):
        host = self.begin()
        zone = Zone(SIGNED, "@ MX 20 mail", "mail A 127.0.0.1", self.record(host))
        zone.spoil("@", "MX")
        self.resolve(zone)
        for policy in ("dane", "dane-only", "encrypt"):
            with self.subTest(policy):
                self.holds(self.asking(host, SIGNED, policy, lookup="mx"), host, WAITS)
        self.assertEqual(host.connections, 0)

    def test_srv(self):
        for tls in ("starttls", "implicit"):
            with self.subTest(tls):
                host = self.begin(tls=tls)
                service = "_submission" + ("s" if tls == "implicit" else "") + "._tcp"
                self.resolve(Zone(
                    SIGNED, f"{service} SRV 1 0 1 mail", f"{service} SRV 2 5 {host.port} mail",
                    "mail A 127.0.0.1", self.record(host), f"_1._tcp.mail TLSA 3 1 1 {'00' * 32}",
                    f"{service}.none SRV 0 0 0 ."))
                relay = self.asking(host, SIGNED, lookup="srv", port=None)
                self.holds(relay, host, VERIFIED)
                self.holds(self.asking(host, f"none.{SIGNED}", lookup="srv", port=None), host,
                           WAITS, "SRV")
                self.holds(self.asking(host, f"mail.{SIGNED}", lookup="srv", port=None), host,
                           WAITS, "SRV")
                self.resolver.stop()

    def test_an_unsigned_record_does_not_choose_whom_we_believe(self):
        """With a CA: the name that counts is the one that was configured."""
        authority = certs.maker.authority()
        evil = self.begin("mail.evil.test")
        true = self.begin("plain.test")
        self.resolve(Zone("plain.test", "@ MX 10 mail.evil.test.",
                          f"_submission._tcp SRV 0 0 {evil.port} mail.evil.test.", signed=False),
                     Zone("evil.test", "mail A 127.0.0.1", signed=False))
        for lookup in ("mx", "srv"):
            for policy in ("secure", "dane-only"):
                for host, outcome in ((evil, WAITS), (true, VERIFIED)):
                    if policy == "dane-only":
                        outcome = WAITS
                    with self.subTest(f"{lookup} {policy} {host.certificate.path}"):
                        relay = self.asking(host, "plain.test", policy, lookup=lookup, start=False)
                        relay.conf["tls"]["ca_file"] = authority.root
                        relay.start()
                        self.holds(relay, host, outcome)
                        self.nothing_leaked(evil)


if __name__ == "__main__":
    unittest.main()
