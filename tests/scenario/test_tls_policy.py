"""TLS policies: levels that give way and those that do not, the table by destination, new pins."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import Case


class May(Case):
    """Without a login: with TLS where it works, else in the clear, and said so."""

    def may(self, host, name="relay", **smarthost):
        relay = self.relay(host, policy="may", name=name, **smarthost)
        self.queue_alert(relay)
        return relay

    def test_tls_where_it_is_offered(self):
        host = self.smarthost(users={})
        relay = self.may(host)
        self.assertNotEqual(self.arrives(host).tls, "")
        relay.wait("not_verified", policy="may")

    def test_in_the_clear_where_it_is_not(self):
        host = self.smarthost(users={}, tls="none")
        relay = self.may(host)
        self.assertEqual(self.arrives(host).tls, "")
        relay.wait("not_encrypted", reason="the server does not offer STARTTLS")

    def test_in_the_clear_where_it_fails(self):
        scripts = {"refused": {"STARTTLS": "454 4.7.0 not now"},
                   "unknown": {"STARTTLS": "502 5.5.1 what?"}}
        for name, script in scripts.items():
            with self.subTest(name):
                host = self.smarthost(users={}, script=script)
                relay = self.may(host, name=name)
                self.assertEqual(self.arrives(host).tls, "")
                relay.wait("not_encrypted")

    def test_a_login_is_never_at_stake(self):
        host = self.smarthost(script={"STARTTLS": "454 4.7.0 not now"})
        relay = self.relay(host, policy="may", auth_without_tls="yes")
        self.queue_alert(relay)
        relay.wait("tls_failed")
        self.nothing_leaked(host)

    def test_check_refuses_a_login(self):
        relay = self.relay(self.smarthost(), start=False, policy="may")
        relay.write()
        done = relay.run("check")
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"auth_without_tls", done.stderr)

    def test_others_do_not_give_way(self):
        for level in ("encrypt", "fingerprint", "verify", "secure", "dane-only"):
            with self.subTest(level):
                host = self.smarthost(users={}, tls="none")
                more = {"pin": [certs.maker.self_signed().pin]} if level == "fingerprint" else {}
                relay = self.relay(host, policy=level, name=level, **more)
                self.queue_alert(relay)
                relay.wait("tls_failed")
                self.nothing_leaked(host)


class Table(Case):
    """[tls_policy] by destination, as `pinpost check` tells it and as it acts."""

    def check(self, tables, host="mail.example.test", port=587, **smarthost):
        relay = self.relay(start=False, name=f"check{len(self.relays)}", host=host, port=port,
                           **smarthost)
        relay.conf["smarthost"].update(host=host)
        relay.conf.update({f"tls_policy {name}": keys for name, keys in tables.items()})
        relay.write()
        done = relay.run("check")
        return done.returncode, (done.stdout + done.stderr).decode()

    TABLES = {"all": {"destination": "default", "policy": "encrypt"},
              "near": {"destination": ".example.test", "policy": "may"},
              "far": {"destination": ".test", "policy": "none"},
              "host": {"destination": "mx.example.test, Mail.Example.TEST", "policy": "dane"},
              "port": {"destination": "mail.example.test:465", "policy": "dane-only"}}

    def test_the_best_fit_counts(self):
        for host, port, name, level in (("mail.example.test", 465, "port", "dane-only"),
                                        ("mail.example.test", 587, "host", "dane"),
                                        ("mx.example.test", 465, "host", "dane"),
                                        ("a.b.example.test", 587, "near", "may"),
                                        ("example.test", 587, "far", "none"),
                                        ("xexample.test", 587, "far", "none"),
                                        ("test", 587, "all", "encrypt"),
                                        ("192.0.2.1", 587, "all", "encrypt")):
            with self.subTest(f"{host}:{port}"):
                status, text = self.check(self.TABLES, host, port)
                self.assertEqual(status, 0, text)
                self.assertIn(f"policy = {level}", text)
                self.assertIn(f"from [tls_policy {name}] for ", text)
                self.assertEqual(text.count("is used by no smarthost"), 4)

    def test_what_the_smarthost_says_itself_wins(self):
        status, text = self.check(self.TABLES, policy="none")
        self.assertEqual(status, 0, text)
        self.assertIn("policy = none", text)

    def test_refused(self):
        pin = "cert:" + ":".join(["AA"] * 32)
        for tables, words in (
                ({"a": {"policy": "none"}}, "destination: is missing"),
                ({"a": {"destination": "x.test"}, "b": {"destination": "y.test, X.test"}}, "twice"),
                ({"a": {"destination": "x.test, x.test"}}, "twice"),
                ({"a": {"destination": "x.test,"}}, "bad value"),
                ({"a": {"destination": "x.test:0"}}, "bad value"),
                ({"a": {"destination": "x.test:99999"}}, "bad value"),
                ({"a": {"destination": "*.test"}}, "bad value"),
                ({"a": {"destination": "default", "levle": "none"}}, "unknown key"),
                ({"a": {"destination": "default", "host": "x"}}, "unknown key"),
                ({"a": {"destination": "default", "protocols": "TLSv1.1"}}, "RFC 8996"),
                ({"a": {"destination": "default", "protocols": ">=TLSv1"}}, "RFC 8996"),
                ({"a": {"destination": "default", "protocols": "!TLSv1.2, !TLSv1.3"}}, "bad value"),
                ({"a": {"destination": "default", "ciphers": "RC4"}}, "bad value"),
                ({"a": {"destination": "default", "match": "hostnam"}}, "bad value"),
                ({"a": {"destination": "default", "match": "*.example.test"}}, "bad value"),
                ({"a": {"destination": "default", "pin": "AA:" * 19 + "AA"}}, "forged"),
                ({"a": {"destination": "default", "policy": "fingerprint"}}, "needs at least one"),
                ({"a": {"destination": "default", "pin": pin}}, "pin_rule"),
                ({"a": {"destination": "default", "pin": pin, "pin_rule": "alone"}}, "fingerprint"),
                ({"a": {"destination": "default", "pin_rule": "and-ca"}}, "there are no pins"),
                ({"a": {"destination": "default", "policy": "dane", "pin": pin}}, "pins decide"),
                ({"a": {"destination": "default", "policy": "may", "tls": "implicit"}}, "implicit"),
                ({"a": {"destination": "default", "policy": "encrypt", "match": ".x.test"}},
                 "names count only"),
                ({"": {"destination": "default"}}, "needs a name"),
                ({str(n): {"destination": f"h{n}.test"} for n in range(9)}, "too many")):
            with self.subTest(tables):
                status, text = self.check(tables)
                self.assertEqual(status, 78, text)
                self.assertIn(words, text)

    def test_it_acts(self):
        host = self.smarthost()
        relay = self.relay(host, start=False, policy=None)
        relay.conf["smarthost"]["pin"] = None
        relay.conf["tls_policy here"] = {"destination": f"mail.example.test:{host.port}",
                                         "policy": "fingerprint",
                                         "pin": host.certificate.key_pin,
                                         "protocols": ">=TLSv1.3"}
        relay.start()
        self.queue_alert(relay)
        self.assertIn("TLSv1.3", self.arrives(host).tls)
        relay.wait("pin_matched")


class NewPin(Case):
    """policy = secure, pin_rule = and-ca: a CA vouches for a key that no pin matches."""

    def pinned(self, host, **more):
        relay = self.relay(host, start=False, policy="secure", pin_rule="and-ca",
                           pin=[certs.maker.self_signed(tag="before").key_pin], **more)
        relay.conf["tls"]["ca_file"] = certs.maker.authority().root
        return relay.start()

    def test_waits_until_it_is_accepted(self):
        host = self.smarthost(certs.maker.authority().leaf())
        relay = self.pinned(host)
        self.assertEqual(relay.run("pin", "--accept").returncode, 66)
        self.queue_alert(relay)
        event = relay.wait("new_pin", effect="mail waits")
        self.assertEqual(event["line"], "pin = " + host.certificate.key_pin)
        self.nothing_leaked(host)
        done = relay.run("pin", "--accept")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(host.certificate.key_pin.encode(), done.stdout)
        self.arrives(host, 2)  # the alert, and the one about the certificate
        about = [mail for mail in host.mails if b"matches no pin" in mail.data]
        self.assertEqual(len(about), 1)
        self.assertIn(b"pinpost pin --accept", about[0].data)
        self.assertEqual(relay.run("pin", "--accept").returncode, 66)
        # It is kept, for this key alone.
        relay.stop()
        relay.start()
        relay.wait("accepted_pin")
        self.queue_alert(relay)
        self.arrives(host, 3)

    def test_another_key_is_new_again(self):
        authority = certs.maker.authority()
        host = self.smarthost(authority.leaf())
        relay = self.pinned(host)
        self.queue_alert(relay)
        relay.wait("new_pin")
        host.stop()
        self.assertEqual(relay.run("pin", "--accept").returncode, 0)
        other = self.smarthost(authority.leaf(kind=certs.RSA))
        relay.conf["smarthost"]["port"] = other.port
        relay.write()
        relay.hup()
        relay.wait("new_pin", line="pin = " + other.certificate.key_pin)
        self.nothing_leaked(other)

    def test_goes_out_where_that_is_asked_for(self):
        host = self.smarthost(certs.maker.authority().leaf())
        relay = self.pinned(host, on_new_pin="send")
        self.queue_alert(relay)
        self.arrives(host, 2)
        relay.wait("new_pin", effect="mail goes on")

    def test_what_no_ca_vouches_for_is_not_staged(self):
        host = self.smarthost(certs.maker.authority("other").leaf())
        relay = self.pinned(host, on_new_pin="send")
        self.queue_alert(relay)
        relay.wait("tls_failed")
        self.nothing_leaked(host)
        self.assertEqual(relay.run("pin", "--accept").returncode, 66)

    def test_a_pinned_certificate_that_expires_is_told(self):
        host = self.smarthost()  # it has three days, all of its life: no mail about it
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait("certificate_expires")
        self.queue_alert(relay)
        self.arrives(host, 2)
        told = [event for event in relay.events if event.name == "certificate_expires"]
        self.assertEqual(len(told), 1)

    def test_one_that_expires_after_long_is_told_in_a_mail(self):
        host = self.smarthost(certs.maker.dated("-80 days", "+10 days"))
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host, 2)
        self.queue_alert(relay)
        self.arrives(host, 3)
        self.assertEqual(len([m for m in host.mails if b"expires soon" in m.data]), 1)

    def test_one_with_long_to_live_is_not_told(self):
        host = self.smarthost(certs.maker.dated("-10 days", "+15 days"))
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host)
        self.assertEqual([e for e in relay.events if e.name == "certificate_expires"], [])


if __name__ == "__main__":
    unittest.main()
