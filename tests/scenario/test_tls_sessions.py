"""TLS sessions of the relay: kept or not by configuration, a broken one dialled again, counts."""
import os
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case

EX_UNAVAILABLE = 69


class Between:
    """A stream between relay and smarthost; told to, it cuts the next one at the ClientHello."""

    def __init__(self, port):
        self.target, self.cuts, self.connections = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self.pass_on, args=(server, client, False))
            back.start()
            self.pass_on(client, server, True)
            back.join()

    def pass_on(self, one, other, to_server):
        try:
            while data := one.recv(65536):
                if to_server and data[0] == 22 and self.cuts > 0:
                    self.cuts -= 1
                    break
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        self.listener.close()


class Sessions(Case):
    def make(self, keep=None, maximum=ssl.TLSVersion.TLSv1_3, between=False, **smarthost):
        host = self.smarthost(resumes=True)
        if between:
            self.between = Between(host.port)
            self.addCleanup(self.between.end)
            smarthost["port"] = self.between.port
        relay = self.relay(host, start=False, name=f"relay{len(self.relays)}", protocols=(
            "TLSv1.2" if maximum == ssl.TLSVersion.TLSv1_2 else None), **smarthost)
        relay.conf["delivery"]["messages"] = 1
        if keep:
            relay.conf["tls"]["keep_sessions"] = keep
        return relay.start()

    def send(self, relay):
        """Was the session of its connection a resumed one?"""
        since = relay.mark()
        self.queue_alert(relay)
        line = relay.wait("tls", since=since)
        relay.wait_empty()
        return line.get("resumed") == "yes"

    def test_by_configuration(self):
        for keep, expected in ((None, [False, True]), ("no", [False, False]),
                               ("memory", [False, True]), ("flash", [False, True])):
            for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(keep=keep, maximum=maximum):
                    relay = self.make(keep, maximum)
                    self.assertEqual([self.send(relay), self.send(relay)], expected)
                    relay.restart()
                    self.assertEqual(self.send(relay), keep == "flash")
                    relay.stop()

    def test_flash_forgets_when_it_is_turned_off(self):
        relay = self.make("flash")
        self.send(relay)
        for keep in ("memory", "flash"):
            relay.conf["tls"]["keep_sessions"] = keep
            relay.restart()
            if keep == "flash":
                self.assertFalse(self.send(relay))

    def test_a_broken_resumption_is_dialled_again_at_once(self):
        for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(maximum=maximum):
                relay = self.make(maximum=maximum, between=True)
                self.assertFalse(self.send(relay))
                self.assertTrue(self.send(relay))
                count = self.between.connections
                self.between.cuts = 1
                self.assertFalse(self.send(relay))
                self.assertEqual(self.between.connections, count + 2)
                self.assertEqual(relay.find("tls_failed"), [], relay.log())
                self.assertTrue(self.send(relay))
                # Where no session was offered there is nothing to try again without.
                relay.restart()
                count = self.between.connections
                self.between.cuts = 1
                self.assertFalse(self.send(relay))
                self.assertEqual(len(relay.find("tls_failed")), 1)
                self.assertEqual(relay.status()["tls"]["validation-failure"], 1)
                relay.stop()

    def test_a_changed_login_or_reload_resumes(self):
        """What has no part in trust does not cost a handshake."""
        relay = self.make()
        self.send(relay)
        relay.conf["delivery"]["idle"] = "1s"
        relay.write()
        relay.hup()
        relay.wait("config_reread")
        self.assertTrue(self.send(relay))

    def test_another_server_certificate_is_looked_at(self):
        relay = self.make()
        self.send(relay)
        self.hosts[0].stop()
        other = self.smarthost(certs.maker.self_signed(tag="other"))
        relay.conf["smarthost"]["port"] = other.port
        relay.write()
        relay.hup()
        relay.wait("config_reread")
        relay.send()
        relay.wait("tls_failed")
        self.nothing_leaked(other)


class Counts(Case):
    def fails(self, name, host, **smarthost):
        relay = self.relay(host, start=False, name=name, **smarthost)
        relay.conf["tls"]["ca_file"] = certs.maker.authority().root
        relay.conf["smarthost"].update({"user": None, "password": None})
        relay.start()
        relay.send()
        relay.wait("tls_failed", seconds=15)
        counts = relay.run("status", "--json").stdout
        text = relay.run("status")
        self.assertEqual(text.returncode, EX_UNAVAILABLE)
        self.assertRegex(text.stdout.decode(), rf"tls: +0 sessions, 0 of them resumed; \d+ {name}\n")
        relay.stop()
        return counts

    def test_by_result_type(self):
        authority = certs.maker.authority()
        table = {
            "starttls-not-supported": (self.smarthost(tls="none"), {"policy": "encrypt"}),
            "certificate-host-mismatch": (self.smarthost(authority.leaf("other.example.test")),
                                          {"policy": "secure"}),
            "certificate-expired": (self.smarthost(authority.leaf(expired=True)),
                                    {"policy": "secure"}),
            "certificate-not-trusted": (self.smarthost(), {"policy": "secure"}),
            "validation-failure": (self.smarthost(), {"pin": ["cert:" + "AA" * 32]}),
        }
        for name, (host, more) in table.items():
            with self.subTest(name):
                self.fails(name, host, **more)


if __name__ == "__main__":
    unittest.main()
