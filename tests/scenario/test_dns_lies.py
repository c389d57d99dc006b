"""Name servers that lie: each lie comes before the true answer, or in place of it, and neither ends
a look-up, nor leads anywhere, nor is taken for what nobody asked."""
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.dns_server import NXDOMAIN, SERVFAIL, TYPES, DnsServer, build, encode_name, read_question

NAME = "smarthost.dns.test"
TRUE, EVIL = "127.0.0.1", "127.0.0.66"
HERE = {NAME: [("A", TRUE)]}
POINTER = b"\xc0\x0c"  # to the question's name
A = TYPES["A"]
AD = 0x20


def head(query, answers=1, questions=1, flags=0x8180, authority=0, more=0):
    return query[:2] + struct.pack("!HHHHH", flags, questions, answers, authority, more)


def question(query):
    return query[12:read_question(query)[2]]


def record(owner=POINTER, kind="A", data=bytes([127, 0, 0, 66]), cls=1, length=None):
    number = TYPES.get(kind, kind)
    length = len(data) if length is None else length
    return owner + struct.pack("!HHIH", number, cls, 60, length) + data


def message(query, *records, **more):
    return head(query, more.pop("answers", len(records)), **more) + question(query) + \
        b"".join(records)


def alias(owner, target):
    return record(encode_name(owner), "CNAME", encode_name(target))


def chain(query, length):
    """Aliases in a row to an address that is not the true one."""
    names = [NAME] + [f"n{i}.dns.test" for i in range(length)]
    return message(query, *(alias(a, b) for a, b in zip(names, names[1:])),
                   record(encode_name(names[-1])))


def other_question(query, tail):
    return head(query) + tail + record(encode_name(NAME))


def names_that_lie(query):
    """Owners that cannot be read: each stands where a record's name should."""
    at = len(head(query)) + len(question(query))
    here = struct.pack("!H", 0xc000 | at)
    ahead = struct.pack("!H", 0xc000 | at + 16)
    return {
        "points to itself": here,
        "points ahead": ahead,
        "points beyond the end": b"\xff\xff",
        "points to the header": b"\xc0\x02",
        "points to zero": b"\xc0\x00",
        "half a pointer": b"\xc0",
        "two that point at each other": b"\x01a" + struct.pack("!H", 0xc000 | at + 4) +
        b"\x01b" + here,
        "label of kind 01": b"\x41" + b"\x01a\x00",
        "label of kind 10": b"\x81" + b"\x01a\x00",
        "label of 63 and nothing": b"\x3f",
        "name of 300 bytes": (b"\x3f" + b"a" * 63) * 5 + b"\x00",
        "name without an end": b"\x01a" * 200,
        "pointers in a row": b"\x01a" + here + b"".join(
            struct.pack("!H", 0xc000 | at + 2 * i) for i in range(1, 60)),
    }


def lies(query):
    """Name -> what is sent in answer to a question for addresses."""
    asked = question(query)
    wrong_id = bytes([query[0] ^ 0x5a]) + query[1:]
    true = message(query, record(data=bytes([127, 0, 0, 1])))
    rows = {
        "another id": message(wrong_id, record()),
        "no question": head(query, questions=0) + record(encode_name(NAME)),
        "two questions": head(query, questions=2) + asked + asked + record(),
        "a question for another name": other_question(query, b"\x05other\x04test\0" + asked[-4:]),
        "a question for the name above": other_question(query, b"\x03dns\x04test\0" + asked[-4:]),
        "a question for another type": other_question(query, asked[:-4] + b"\0\x10\0\1"),
        "a question of another class": other_question(query, asked[:-4] + asked[-4:-2] + b"\0\3"),
        "a question alone": query,
        "a query": message(query, record(), flags=0x0100),
        "another opcode": message(query, record(), flags=0x8180 | 4 << 11),
        "letters of another case": head(query) + asked.lower()[:-4] + asked[-4:] + record(),
        "letters all turned": head(query) + asked[:-4].swapcase() + asked[-4:] + record(),
        "of another name": message(query, record(encode_name("other.test"))),
        "of the name above": message(query, record(encode_name("dns.test"))),
        "of a name below": message(query, record(encode_name("x." + NAME))),
        "of a name that ends like it": message(query, record(encode_name("xsmarthost.dns.test"))),
        "of the root": message(query, record(b"\0")),
        "of another class": message(query, record(cls=3)),
        "in the authority section": head(query, 0, authority=1) + asked + record(),
        "in the additional section": head(query, 0, more=1) + asked + record(),
        "not counted": message(query, record(), answers=0),
        "alias to nowhere": message(query, alias(NAME, "b.test"), record(encode_name("c.test"))),
        "alias to itself": message(query, alias(NAME, NAME)),
        "aliases in a ring": message(query, alias(NAME, "b.test"), alias("b.test", "c.test"),
                                     alias("c.test", NAME)),
        "40 aliases in a row": chain(query, 40),
        "alias that ends early": message(query, record(kind="CNAME", data=b"\x05ab")),
        "alias that points to itself": message(query, record(
            kind="CNAME", data=struct.pack("!H", 0xc000 | len(head(query) + asked) + 12))),
        "65535 records": message(query, record(encode_name("o.test")), answers=65535),
        "data longer than the message": message(query, record(length=400)),
        "data of 65535 bytes": message(query, record(length=65535)),
        "rubbish behind it": message(query, record(encode_name("o.test"))) + os.urandom(300),
        "too many records": message(query, *[record(encode_name(f"{i}.test")) for i in range(40)]),
        "nothing": b"",
        "one byte": b"\0",
        "a header": head(query),
        "a header of ones": query[:2] + b"\xff" * 10,
        "a header of ones and the question": query[:2] + b"\xff" * 10 + asked,
        "zeros": b"\0" * 512,
        "noise": os.urandom(512),
        "a great datagram": message(query, record(encode_name("o.test"))) + b"\0" * 60000,
        "truncated": message(query, record(), flags=0x8380),
    }
    for length in (0, 1, 3, 5, 16):
        rows[f"address of {length} bytes"] = message(query, record(data=bytes([127, 0, 0, 66] * 4)
                                                                   [:length]))
    for code in (1, 2, 4, 5, 6, 9, 15):
        rows[f"error {code} and an address"] = message(query, record(), flags=0x8180 | code)
    for name, owner in names_that_lie(query).items():
        rows[f"owner that {name}"] = message(query, record(owner))
    for end in range(1, len(true)):
        rows[f"cut after {end} bytes"] = true[:end]
    return rows


# To our question, letter by letter, and whole: they say that there is no address. Mail waits.
NO_ADDRESS = {
    "of another name", "of the name above", "of a name below", "of a name that ends like it",
    "of the root", "of another class", "in the authority section", "in the additional section",
    "not counted", "alias to nowhere", "alias to itself", "aliases in a ring",
    "40 aliases in a row", "rubbish behind it", "too many records", "a great datagram"}
EXAMPLE = b"\x12\x34\x01\x20\0\1\0\0\0\0\0\0" + encode_name(NAME) + b"\0\1\0\1"


class Lying(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost(users={})
        self.evil = self.smarthost(users={}, start=False)
        self.evil.address, self.evil.port = EVIL, self.host.port
        self.evil.start()

    def server(self, twist, records=None):
        server = DnsServer(HERE if records is None else records, twist).start()
        self.addCleanup(server.stop)
        return server

    def relay_of(self, *servers, name=NAME, seconds=8, **more):
        relay = self.relay(self.host, start=False, name=f"relay{len(self.relays)}", host=name,
                           **{"policy": "encrypt", **more})
        relay.hosts("127.0.0.1 localhost")
        relay.conf["dns"] = {"server": ", ".join(f"127.0.0.1:{s.port}" for s in servers)}
        relay.conf["timeouts"]["dns"] = f"{seconds}s"
        relay.conf["delivery"]["idle"] = "0"
        return relay

    def goes_where_it_should(self, relay, count=1):
        for _ in range(count):
            self.queue_alert(relay)
        self.arrives(self.host, count)
        self.assertEqual(self.evil.connections, 0)


class Lies(Lying):
    def test_each_before_the_true_answer(self):
        """One relay, a name for each lie: the relay has to stay what it was after all of them."""
        said, no = [], set()

        def twist(query, answer, _over_tcp):
            kind = read_question(query)[1]
            if kind == A and said:
                lie, said[:] = said[0], []
                return [lies(query)[lie], answer]
            return answer
        server = self.server(twist)
        relay = self.relay_of(server, self.server(None)).start()
        for number, lie in enumerate(lies(EXAMPLE)):
            with self.subTest(lie):
                said[:] = [lie]
                relay.hup()  # what is remembered is forgotten
                relay.wait("config_reread", number + 1)
                mark = relay.mark()
                self.queue_alert(relay)
                self.arrives(self.host, number + 1)
                self.assertEqual(said, [], "it was never told")
                self.assertEqual(self.evil.connections, 0)
                if relay.find("path_failed", mark):
                    no.add(lie)
        self.assertEqual(no, NO_ADDRESS)

    def test_each_in_place_of_an_answer(self):
        """All at once and nothing else: mail waits, nobody is called, and the next server helps."""
        def twist(query, answer, over_tcp):
            if read_question(query)[1] != A:
                return answer
            if over_tcp:
                return build(query, [], SERVFAIL)
            return [bytes(lie[:60000]) for name, lie in lies(query).items()
                    if not name.startswith("cut")]
        relay = self.relay_of(self.server(twist), seconds=3).start()
        self.queue_alert(relay)
        relay.wait("path_failed")
        self.assertEqual(len(relay.queue()), 1)
        self.assertEqual((self.host.connections, self.evil.connections), (0, 0))
        relay.stop()
        self.goes_where_it_should(self.relay_of(self.server(twist), self.server(None)).start())

    def test_a_flood_of_guesses(self):
        """Right question, wrong id, 400 times: whoever does not see the query only guesses."""
        def twist(query, answer, _over_tcp):
            if read_question(query)[1] != A:
                return answer
            guesses = [i for i in range(0, 65536, 163) if i != int.from_bytes(query[:2], "big")]
            return [build(query, [(NAME, "A", EVIL)], answer_id=i) for i in guesses] + [answer]
        self.goes_where_it_should(self.relay_of(self.server(twist), self.server(None)).start())

    def test_ids_and_letters_are_no_ones_guess(self):
        seen = []

        def twist(query, answer, _over_tcp):
            seen.append((query[:2], question(query)[:-4]))
            return build(query, [], SERVFAIL) if len(seen) < 24 else answer
        self.goes_where_it_should(self.relay_of(self.server(twist), self.server(twist)).start())
        ids, letters = {s[0] for s in seen}, {s[1] for s in seen}
        self.assertGreater(len(ids), len(seen) // 2)
        self.assertGreater(len(letters), 4)
        self.assertEqual({name.lower() for name in letters}, {encode_name(NAME)})

    def test_a_server_that_folds_letters(self):
        """Some do: it is asked again over TCP, where nobody else can answer."""
        def twist(query, answer, over_tcp):
            end = read_question(query)[2]
            return answer[:12] + answer[12:end - 4].lower() + answer[end - 4:]
        server = self.server(twist)
        self.goes_where_it_should(self.relay_of(server).start())
        self.assertIn((NAME, A, True), server.queries)

    def test_over_tcp(self):
        """Each follows a truncated datagram; the second server tells the truth."""
        def spoil(how):
            def twist(query, answer, over_tcp):
                if read_question(query)[1] != A:
                    return answer
                return how(query) if over_tcp else build(query, [], truncated=True)
            return twist
        for name, how in {
                "nothing": lambda query: b"",
                "one byte": lambda query: b"\0",
                "another id": lambda query: lies(query)["another id"],
                "another name": lambda query: lies(query)["of another name"],
                "another question": lambda query: lies(query)["a question for another name"],
                "a ring": lambda query: lies(query)["aliases in a ring"],
                "65535 bytes": lambda query: message(query, record(encode_name("o.test")))
                .ljust(65535, b"\0"),
                "noise": lambda query: os.urandom(4000),
                "truncated again": lambda query: build(query, [], truncated=True),
                "an error": lambda query: build(query, [], SERVFAIL)}.items():
            with self.subTest(name):
                before = len(self.host.mails)
                relay = self.relay_of(self.server(spoil(how)), self.server(None)).start()
                self.queue_alert(relay)
                if name in ("another name", "a ring", "65535 bytes"):
                    # An answer, even if it leads nowhere: it says that there is no address.
                    relay.wait("path_failed")
                else:
                    self.arrives(self.host, before + 1)
                self.assertEqual(self.evil.connections, 0)
                relay.stop()


class Services(Lying):
    """MX and SRV records of a kind that nobody can use."""

    def falls_back(self, lookup, asked, bad):
        """`bad` records are passed over, or their whole answer is; never an address of theirs."""
        def twist(query, answer, _over_tcp):
            name, kind, _ = read_question(query)
            return message(query, *bad) if (name, kind) == (asked, TYPES[lookup]) else answer
        evil = {"evil.test": [("A", EVIL)], "e.vil.test": [("A", EVIL)]}
        return self.relay_of(self.server(twist, {**HERE, **evil, asked: []}), name="domain.test",
                             lookup=lookup.lower(), seconds=3).start()

    def test_mx(self):
        good = record(kind="MX", data=struct.pack("!H", 10) + encode_name(NAME))
        here = 12 + len(encode_name("domain.test")) + 4
        for name, bad, delivered in (
                ("a dot within a label", [record(kind="MX", data=b"\0\1\x09evil.test\0")], False),
                ("a zero within a label", [record(kind="MX", data=b"\0\1\x09evil\0test\0")], False),
                ("a blank", [record(kind="MX", data=b"\0\1\x05a evi\0")], False),
                ("a new line", [record(kind="MX", data=b"\0\1\x05a\r\nbc\0")], False),
                ("those and a good one", [record(kind="MX", data=b"\0\1\x05a\r\nbc\0"), good], True),
                ("no name", [record(kind="MX", data=b"\0\1")], False),
                ("one byte", [record(kind="MX", data=b"\0")], False),
                ("no data", [record(kind="MX", data=b"")], False),
                ("more behind the name", [record(kind="MX", data=b"\0\1\4evil\4test\0\0")], False),
                ("a name that points to itself",
                 [record(kind="MX", data=b"\0\1" + struct.pack("!H", 0xc000 | here + 14))], False),
                ("of another name", [record(encode_name("x.test"), "MX",
                                            b"\0\1" + encode_name("evil.test"))], False),
                ("null and another", [record(kind="MX", data=b"\0\0\0"), good], True),
                ("200 that are not there",
                 [record(kind="MX", data=b"\0\5" + POINTER)] * 60, False)):
            with self.subTest(name):
                before = len(self.host.mails)
                relay = self.falls_back("MX", "domain.test", bad)
                self.queue_alert(relay)
                if delivered:
                    self.arrives(self.host, before + 1)
                else:
                    relay.wait("path_failed")
                    self.assertEqual(len(self.host.mails), before)
                self.assertEqual(self.evil.connections, 0)
                relay.stop()

    def test_srv(self):
        asked = "_submission._tcp.domain.test"

        def srv(data):
            return record(kind="SRV", data=data)
        good = srv(struct.pack("!HHH", 5, 0, self.host.port) + encode_name(NAME))
        for name, bad, delivered in (
                ("no port", [srv(b"\0\1\0\1" + encode_name("evil.test"))], False),
                ("no name", [srv(struct.pack("!HHH", 0, 0, self.host.port))], False),
                ("a dot within a label",
                 [srv(struct.pack("!HHH", 0, 0, self.host.port) + b"\x09evil.test\0")], False),
                ("port 0", [srv(struct.pack("!HHH", 0, 0, 0) + encode_name(NAME))], False),
                ("port 0 and a good one",
                 [srv(struct.pack("!HHH", 0, 0, 0) + encode_name(NAME)), good], True),
                ("a closed port and a good one",
                 [srv(struct.pack("!HHH", 0, 65535, 1) + encode_name(NAME)), good], True)):
            with self.subTest(name):
                before = len(self.host.mails)
                relay = self.falls_back("SRV", asked, bad)
                relay.stop()
                relay.conf["smarthost"]["port"] = None
                relay.start()
                self.queue_alert(relay)
                if delivered:
                    self.arrives(self.host, before + 1)
                else:
                    relay.wait("path_failed")
                    self.assertEqual(len(self.host.mails), before)
                self.assertEqual(self.evil.connections, 0)
                relay.stop()

    def test_no_service_is_said_in_words(self):
        relay = self.falls_back("MX", "domain.test", [record(kind="MX", data=b"\0\0\0")])
        self.queue_alert(relay)
        self.assertIn("7505", relay.wait("path_failed")["reason"])


class Records(Lying):
    """TLSA records, by a server that is believed: what cannot be read is not the same as none."""

    def asking(self, *records, code=0, flags=AD, policy="dane"):
        def twist(query, answer, _over_tcp):
            _, kind, _ = read_question(query)
            if kind != TYPES["TLSA"]:
                return answer[:2] + struct.pack("!H", struct.unpack("!H", answer[2:4])[0] | AD) + \
                    answer[4:]
            return message(query, *records, flags=0x8180 | code | flags)
        return self.relay_of(self.server(twist), policy=policy, seconds=3).start()

    def test_each(self):
        def tlsa(data, owner=POINTER, **more):
            return record(owner, "TLSA", data, **more)
        wrong = tlsa(bytes([3, 1, 1]) + bytes(32))
        for name, relay, waits in (
                ("no data", self.asking(tlsa(b"")), True),
                ("three bytes", self.asking(tlsa(b"\3\1\1")), True),
                ("data beyond the end", self.asking(tlsa(b"\3\1\1" + bytes(32), length=99)), True),
                ("an error", self.asking(code=SERVFAIL), True),
                ("refused", self.asking(code=5), True),
                ("not implemented", self.asking(code=4), True),
                ("a wrong one", self.asking(wrong), True),
                ("a wrong one among 30", self.asking(*[wrong] * 30), True),
                ("a wrong one that nobody vouches for", self.asking(wrong, flags=0), False),
                ("none", self.asking(code=NXDOMAIN), False),
                ("of another name", self.asking(tlsa(b"\3\1\1" + bytes(32),
                                                     encode_name("x.test"))), False)):
            with self.subTest(name):
                before = len(self.host.mails)
                self.queue_alert(relay)
                if waits:
                    self.until(lambda r=relay: r.find("path_failed") + r.find("tls_failed"), name)
                    self.assertEqual(len(self.host.mails), before)
                else:
                    self.arrives(self.host, before + 1)
                relay.stop()
        self.nothing_leaked(self.evil)


if __name__ == "__main__":
    unittest.main()
