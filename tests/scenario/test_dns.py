"""Names: the relay's own resolver against servers that answer, lie, stay silent or talk rubbish."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.dns_server import SERVFAIL, DnsServer, build, read_question

NAME = "smarthost.dns.test"
HERE = {NAME: [("A", "127.0.0.1")]}


class Dns(Case):
    def setUp(self):
        super().setUp()
        self.servers = []
        self.addCleanup(lambda: [s.stop() for s in self.servers])

    def server(self, records=None, twist=None):
        self.servers.append(DnsServer(HERE if records is None else records, twist).start())
        return self.servers[-1]

    def resolving(self, *servers, name=NAME, start=True, address="127.0.0.1", **smarthost):
        """A relay that knows its smarthost by a name that only these servers know."""
        self.host = self.smarthost(address=address)
        relay = self.relay(self.host, start=False, **{"host": name, **smarthost})
        relay.hosts("127.0.0.1 localhost")
        relay.write_file("resolv.conf", "# made by a test\n" + "".join(
            f"nameserver 127.0.0.1:{s.port if isinstance(s, DnsServer) else s}\n"
            for s in servers) + "options timeout:1\n")
        relay.conf["timeouts"]["dns"] = "8s"
        return relay.start() if start else relay

    def delivers(self, *servers, **more):
        relay = self.resolving(*servers, **more)
        self.queue_alert(relay)
        self.arrives(self.host)
        return relay

    def fails(self, relay, word=""):
        self.queue_alert(relay)
        event = relay.wait("path_failed", seconds=12)
        self.assertIn(word, event["reason"])
        self.assertEqual(len(relay.queue()), 1)
        self.assertEqual(self.host.connections, 0)

    def test_a(self):
        self.delivers(self.server())
        self.assertEqual({q[1] for q in self.servers[0].queries}, {1, 28})

    def test_aaaa(self):
        self.delivers(self.server({NAME: [("AAAA", "::1")]}), address="::1")

    def test_family(self):
        both = {NAME: [("A", "127.0.0.1"), ("AAAA", "::1")]}
        self.delivers(self.server(both), family="ipv6", address="::1")
        self.assertEqual({q[1] for q in self.servers[0].queries}, {28})

    def test_one_address_dead_the_other_alive(self):
        self.delivers(self.server({NAME: [("A", "127.0.0.99"), ("A", "127.0.0.1"),
                                          ("AAAA", "::1")]}))

    def test_alias_chain(self):
        self.delivers(self.server({NAME: [("CNAME", "b.test")], "b.test": [("CNAME", "c.test")],
                                   "c.test": [("A", "127.0.0.1")]}))

    def test_alias_loop(self):
        relay = self.resolving(self.server({NAME: [("CNAME", "b.test")],
                                            "b.test": [("CNAME", NAME)]}))
        self.fails(relay)

    def test_letters_of_any_case_and_a_final_dot(self):
        self.delivers(self.server(), name="SmartHost.DNS.test")
        self.relays[-1].stop()
        relay = self.resolving(self.servers[0], name=NAME + ".", start=False)
        relay.write()
        if relay.run("check").returncode == 0:
            relay.start()
            self.queue_alert(relay)
            self.arrives(self.host)

    def test_no_such_name_and_then_there_is(self):
        server = self.server({})
        relay = self.resolving(server)
        self.fails(relay, "host")
        server.records = HERE
        self.arrives(self.host)
        relay.wait_empty()

    def test_name_without_addresses(self):
        self.fails(self.resolving(self.server({NAME: []})))

    def test_one_family_fails(self):
        def twist(query, answer, _over_tcp):
            return build(query, [], SERVFAIL) if read_question(query)[1] == 28 else answer
        self.delivers(self.server(twist=twist))

    def test_server_failure_waits(self):
        server = self.server(twist=lambda query, answer, tcp: build(query, [], SERVFAIL))
        relay = self.resolving(server)
        self.fails(relay)
        server.twist = None
        self.arrives(self.host)

    def test_second_server_when_the_first_is_silent(self):
        self.delivers(self.server(twist=lambda query, answer, tcp: None), self.server())

    def test_second_server_when_the_first_is_not_there(self):
        self.delivers(1, self.server())

    def test_a_lost_query_is_asked_again(self):
        seen = set()

        def twist(query, answer, _over_tcp):
            kind = read_question(query)[1]
            if kind in seen:
                return answer
            seen.add(kind)
            return None
        self.delivers(self.server(twist=twist))

    def test_the_loop_never_waits_on_a_silent_server(self):
        relay = self.resolving(self.server(twist=lambda query, answer, tcp: None))
        self.queue_alert(relay)
        for _ in range(5):
            began = time.monotonic()
            self.queue_alert(relay, seconds=3)
            self.assertLess(time.monotonic() - began, 2)
        relay.wait("path_failed", seconds=15)
        self.assertEqual(len(relay.queue()), 6)

    def test_truncated_answers_are_asked_for_over_tcp(self):
        def twist(query, answer, over_tcp):
            return answer if over_tcp else build(query, [], truncated=True)
        self.delivers(self.server(twist=twist))
        self.assertIn(True, [q[2] for q in self.servers[0].queries])

    def test_spoofed_answers_are_passed_over(self):
        """Wrong id, wrong question, no question: before the true answer."""
        def twist(query, answer, _over_tcp):
            wrong = int.from_bytes(query[:2], "big") ^ 1
            evil = [(NAME, "A", "127.0.0.66")]
            other = query[:12] + b"\x05other\x04test\0" + query[-4:]
            return [build(query, evil, answer_id=wrong), build(other, evil), query, query[:12], b"",
                    answer]
        self.delivers(self.server(twist=twist))

    def test_rubbish_is_passed_over(self):
        def twist(query, answer, _over_tcp):
            loop = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + b"\xc0\x0c\0\1\0\1" + b"\xc0\x0c" * 20
            return [b"\0" * 600, os.urandom(400), loop, answer[:-3], answer]
        self.delivers(self.server(twist=twist))

    def test_many_addresses(self):
        self.delivers(self.server({NAME: [("A", f"127.0.0.{i}") for i in range(1, 60)]}))

    def test_hosts_file_comes_first(self):
        relay = self.resolving(1, start=False)
        relay.hosts("# comment", "127.0.0.1\tlocalhost other", f" 127.0.0.1  x {NAME} # here")
        relay.start()
        self.queue_alert(relay)
        self.arrives(self.host)

    def test_address_needs_no_server(self):
        self.delivers(1, name="127.0.0.1")

    def test_localhost_needs_no_server(self):
        relay = self.resolving(1, name="localhost", start=False)
        relay.hosts("")
        relay.start()
        self.queue_alert(relay)
        self.arrives(self.host)

    def test_resolv_conf_is_read_again_when_it_changed(self):
        relay = self.resolving(1)
        self.fails(relay)
        relay.write_file("resolv.conf", f"nameserver 127.0.0.1:{self.server().port}\n")
        self.arrives(self.host, seconds=15)


if __name__ == "__main__":
    unittest.main()
