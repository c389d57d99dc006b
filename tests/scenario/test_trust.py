"""Trust: each level and mode lets the right server in, and a wrong one hears nothing but EHLO."""
import os
import ssl
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import certs
from lib.case import PASSWORD, USER, Case

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class LetsIn(Case):
    """Each test delivers one alert, logged in, over TLS."""

    def delivers(self, host, **smarthost):
        relay = self.relay(host, **smarthost)
        self.queue_alert(relay, "-s", "trusted")
        mail = self.arrives(host)
        self.assertEqual((mail.user, mail.recipients), (USER, ["admin@example.test"]))
        self.assertNotEqual(mail.tls, "")
        relay.wait_empty()
        return relay, mail

    def test_pin_of_certificate(self):
        host = self.smarthost()
        relay, _ = self.delivers(host, pin=[host.certificate.pin])
        relay.wait("pin_matched", pin=host.certificate.pin)
        relay.wait("authenticated", user=USER)

    def test_pin_of_key(self):
        host = self.smarthost()
        relay, _ = self.delivers(host, pin=[host.certificate.key_pin])
        relay.wait("pin_matched", pin=host.certificate.key_pin)

    def test_second_of_several_pins(self):
        other = certs.maker.self_signed(tag="other")
        host = self.smarthost()
        relay, _ = self.delivers(host, pin=[other.pin, host.certificate.key_pin, other.key_pin])
        relay.wait("pin_matched", number=2)

    def test_several_pins_on_one_line(self):
        other = certs.maker.self_signed(tag="other")
        host = self.smarthost()
        self.delivers(host, pin=[f"{other.pin}, {host.certificate.pin}"])

    def test_colon_form_without_prefix_matches_certificate_or_key(self):
        for fingerprint in (certs.maker.self_signed().fingerprint(),
                            certs.maker.self_signed().key_fingerprint().lower()):
            host = self.smarthost()
            self.relay(host, pin=[fingerprint], name="relay" + fingerprint[:2])
            self.queue_alert(self.relays[-1])
            self.arrives(host)

    def test_key_pin_survives_renewal_and_certificate_pin_does_not(self):
        old = certs.maker.self_signed(tag="renewal")
        new = certs.maker.renewed(old)
        host = self.smarthost(new)
        self.delivers(host, pin=[old.key_pin])
        refused = self.relay(host, pin=[old.pin], name="refused")
        self.queue_alert(refused)
        refused.wait("tls_failed")
        self.assertEqual(len(host.mails), 1)

    def test_pin_ignores_name_dates_and_chain(self):
        authority = certs.maker.authority()
        host = self.smarthost(authority.leaf("other.example.test", expired=True, chain=False))
        self.delivers(host)

    def test_pin_with_rsa_keys(self):
        for kind in (certs.RSA, certs.RSA4096):
            with self.subTest(kind[1]):
                host = self.smarthost(certs.maker.self_signed(kind=kind))
                relay = self.relay(host, name=kind[1][4:])
                self.queue_alert(relay)
                self.arrives(host)

    def test_tls_1_2_only(self):
        for kind in (certs.EC, certs.RSA):
            host = self.smarthost(certs.maker.self_signed(kind=kind), maximum=TLS12)
            relay = self.relay(host, name="relay" + kind[1][:3])
            self.queue_alert(relay)
            self.assertIn("TLSv1.2", self.arrives(host).tls)
            relay.wait("tls", version="1.2")

    def test_tls_1_3_only(self):
        host = self.smarthost(minimum=TLS13)
        relay, mail = self.delivers(host)
        self.assertIn("TLSv1.3", mail.tls)
        relay.wait("tls", version="1.3")

    def test_implicit_tls(self):
        host = self.smarthost(tls="implicit")
        self.delivers(host)
        self.assertNotIn("STARTTLS", host.words())

    def test_implicit_tls_1_2(self):
        self.delivers(self.smarthost(tls="implicit", maximum=TLS12))

    def test_encrypt_takes_any_certificate(self):
        relay, _ = self.delivers(self.smarthost(), policy="encrypt")
        relay.wait("not_verified")

    def test_secure_with_intermediate_and_root_in_ca_file(self):
        authority = certs.maker.authority()
        for level in ("verify", "secure", None):
            with self.subTest(level):
                host = self.smarthost(authority.leaf())
                relay = self.relay(host, start=False, policy=level, name=f"relay-{level}")
                relay.conf["tls"]["ca_file"] = authority.root
                relay.start()
                self.queue_alert(relay)
                self.arrives(host)
                relay.wait("verified", name="mail.example.test")

    def test_secure_among_many_authorities(self):
        authority = certs.maker.authority()
        bundle = self.bundle("/etc/ssl/certs/ca-certificates.crt",
                             certs.maker.authority("other").root, authority.root)
        host = self.smarthost(authority.leaf(kind=certs.RSA4096))
        relay = self.relay(host, start=False, policy="secure")
        relay.conf["tls"]["ca_file"] = bundle
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)

    def test_a_reread_with_too_many_authorities_keeps_those_from_before(self):
        authority = certs.maker.authority()
        host = self.smarthost(authority.leaf())
        relay = self.relay(host, start=False, policy="secure")
        relay.conf["tls"]["ca_file"] = authority.root
        relay.conf["delivery"]["idle"] = "0"
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        relay.conf["tls"]["ca_file"] = self.bundle(*[certs.maker.authority("other").root] * 2000)
        relay.write()
        relay.hup()
        relay.wait("config_kept")
        self.queue_alert(relay)
        self.arrives(host, 2)

    def bundle(self, *paths):
        out = os.path.join(self.place, "bundle.pem")
        with open(out, "wb") as file:
            for path in paths:
                with open(path, "rb") as one:
                    file.write(one.read())
        return out

    def secure_as(self, name, leaf_name):
        authority = certs.maker.authority()
        host = self.smarthost(authority.leaf(leaf_name))
        relay = self.relay(host, start=False, policy="secure")
        relay.conf["smarthost"]["host"] = name
        relay.conf["tls"]["ca_file"] = authority.root
        relay.start()
        self.queue_alert(relay)
        return host, relay

    def test_secure_wildcard(self):
        host, _ = self.secure_as("mail.example.test", "*.example.test")
        self.arrives(host)

    def test_secure_address_as_host(self):
        host, _ = self.secure_as("127.0.0.1", "127.0.0.1")
        self.arrives(host)

    def test_secure_address_that_is_not_in_the_certificate(self):
        host, relay = self.secure_as("127.0.0.1", "mail.example.test")
        relay.wait("tls_failed")
        self.nothing_leaked(host)

    def test_none_with_login_asked_for_by_name(self):
        host = self.smarthost(tls="none", auth_before_tls=True)
        relay = self.relay(host, auth_without_tls="yes")
        self.queue_alert(relay)
        mail = self.arrives(host)
        self.assertEqual((mail.user, mail.tls), (USER, ""))

    def test_none_without_login(self):
        host = self.smarthost(tls="none", users={})
        relay = self.relay(host)
        self.queue_alert(relay)
        self.arrives(host)

    def test_none_does_not_use_starttls_that_is_offered(self):
        host = self.smarthost(users={})
        relay = self.relay(host, policy="none")
        self.queue_alert(relay)
        self.assertEqual(self.arrives(host).tls, "")


class KeepsOut(Case):
    """A server that may be anybody: it hears nothing; what is mended is delivered once."""

    def waits_until_mended(self, host, relay, mend, event="tls_failed", more=(), **pairs):
        ident = self.queue_alert(relay, "-s", "secret subject", given="secret text\n")
        found = relay.wait(event, **pairs)
        relay.wait(event, 2)
        self.nothing_leaked(host, *more)
        rows = relay.queue()
        self.assertEqual([(r["id"], r["state"]) for r in rows], [(ident, "waiting")])
        mend()
        mail = self.arrives(host)
        relay.wait_empty()
        self.assertEqual(len(host.mails), 1)
        self.assertIn(b"secret text", mail.body)
        return found

    def by_hup(self, relay, **smarthost):
        def mend():
            relay.conf["smarthost"].update(smarthost)
            relay.write()
            relay.hup()
        return mend

    def test_wrong_pin_mended_by_hup(self):
        other = certs.maker.self_signed(tag="other")
        host = self.smarthost()
        right = host.certificate
        relay = self.relay(host, pin=[other.pin, other.key_pin])
        found = self.waits_until_mended(host, relay, self.by_hup(relay, pin=[right.pin]))
        # What the server presented, ready to paste.
        self.assertEqual(found["certificate"], right.pin)
        self.assertEqual(found["key"], right.key_pin)
        self.assertIn("pin", found["reason"])

    def test_wrong_pin_mended_by_restart(self):
        host = self.smarthost()
        relay = self.relay(host, pin=[certs.maker.self_signed(tag="other").key_pin])

        def mend():
            relay.conf["smarthost"]["pin"] = [host.certificate.key_pin]
            relay.restart()
        self.waits_until_mended(host, relay, mend)

    def test_wrong_pin_over_tls_1_2_and_implicit(self):
        for options in ({"maximum": TLS12}, {"tls": "implicit"},
                        {"tls": "implicit", "maximum": TLS12}):
            with self.subTest(str(options)):
                host = self.smarthost(**options)
                relay = self.relay(host, pin=[certs.maker.self_signed(tag="other").pin],
                                   name="relay%d" % len(self.relays))
                self.waits_until_mended(
                    host, relay, self.by_hup(relay, pin=[host.certificate.pin]))

    def test_key_pin_matches_keys_only_and_cert_pin_certificates_only(self):
        host = self.smarthost()
        right = host.certificate
        relay = self.relay(host, pin=["cert:" + right.key_fingerprint(),
                                      "key:" + right.fingerprint()])
        self.waits_until_mended(host, relay, self.by_hup(relay, pin=[right.pin]))

    def secure(self, certificate, **more):
        host = self.smarthost(certificate)
        relay = self.relay(host, start=False, policy="secure", **more)
        relay.conf["tls"]["ca_file"] = certs.maker.authority().root
        return host, relay.start()

    def served_well(self, host):
        """The server gets the right certificate."""
        def mend():
            good = certs.maker.authority().leaf()
            host.options.certificate, host.options.key = good.path, good.key
        return mend

    def test_name_that_does_not_match(self):
        host, relay = self.secure(certs.maker.authority().leaf("other.example.test"))
        found = self.waits_until_mended(host, relay, self.served_well(host))
        self.assertIn("other.example.test", found.line)

    def test_expired(self):
        host, relay = self.secure(certs.maker.authority().leaf(expired=True))
        found = self.waits_until_mended(host, relay, self.served_well(host))
        self.assertIn("expired", found["reason"])

    def test_unknown_authority(self):
        host, relay = self.secure(certs.maker.authority("other").leaf())
        self.waits_until_mended(host, relay, self.served_well(host), reason="CA")

    def test_self_signed(self):
        host, relay = self.secure(certs.maker.self_signed())
        self.waits_until_mended(host, relay, self.served_well(host))

    def test_missing_intermediate(self):
        host, relay = self.secure(certs.maker.authority().leaf(chain=False))
        self.waits_until_mended(host, relay, self.served_well(host))

    def test_verify_as_secure(self):
        host, relay = self.secure(certs.maker.authority().leaf("other.example.test"))
        relay.conf["smarthost"]["policy"] = "verify"
        relay.restart()
        self.waits_until_mended(host, relay, self.served_well(host))

    def test_wrong_ca_file_mended_by_hup(self):
        host, relay = self.secure(certs.maker.authority("other").leaf())

        def mend():
            relay.conf["tls"]["ca_file"] = certs.maker.authority("other").root
            relay.write()
            relay.hup()
        self.waits_until_mended(host, relay, mend)

    def test_missing_starttls_is_never_plaintext(self):
        for level in ("encrypt", "secure", "fingerprint"):
            with self.subTest(level):
                host = self.smarthost(tls="none", auth_before_tls=True)
                pins = [host.certificate.pin] if level == "fingerprint" else []
                relay = self.relay(host, policy=level, pin=pins, name=level)
                self.queue_alert(relay)
                relay.wait("tls_failed", 2, reason="STARTTLS")
                self.nothing_leaked(host)
                self.assertEqual(len(relay.queue()), 1)

    def test_starttls_stripped_for_a_while(self):
        host = self.smarthost(auth_before_tls=True)
        host.script = {"EHLO": "250-evil\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME"}

        def mend():
            host.script = None
        relay = self.relay(host)
        self.waits_until_mended(host, relay, mend)

    def test_server_that_knows_helo_only(self):
        host = self.smarthost(esmtp=False)

        def mend():
            host.options.esmtp = True
        relay = self.relay(host)
        self.waits_until_mended(host, relay, mend)

    def test_plaintext_server_on_implicit_port(self):
        host = self.smarthost(tls="none", auth_before_tls=True)
        relay = self.relay(host, policy="encrypt", tls="implicit")
        self.queue_alert(relay)
        relay.wait("tls_failed", 2)
        self.assertEqual(host.words(), [])
        self.assertEqual(len(relay.queue()), 1)

    def test_old_tls_is_refused(self):
        host = self.smarthost(minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1_1)

        def mend():
            host.options.maximum = TLS13
        relay = self.relay(host)
        self.waits_until_mended(host, relay, mend)


class Login(Case):
    def test_each_mechanism(self):
        for mechanisms in (("LOGIN",), ("PLAIN",), ("CRAM-MD5", "LOGIN"), ("LOGIN", "PLAIN")):
            with self.subTest(str(mechanisms)):
                host = self.smarthost(mechanisms=mechanisms)
                relay = self.relay(host, name="-".join(mechanisms))
                self.queue_alert(relay)
                self.assertEqual(self.arrives(host).user, USER)

    def test_mechanism_asked_for(self):
        for auth in ("plain", "login"):
            host = self.smarthost()
            relay = self.relay(host, auth=auth, name=auth)
            self.queue_alert(relay)
            self.arrives(host)
            said = [c[3] for c in host.commands if c[3].startswith(b"AUTH")]
            self.assertTrue(said[0].startswith(b"AUTH " + auth.upper().encode()))

    def refused(self, host, relay, event="login_failed"):
        ident = self.queue_alert(relay)
        relay.wait(event, 2)
        self.nothing_leaked(host, "AUTH", "(ANSWER)", "*")
        self.assertNotIn("MAIL", host.words())
        self.assertEqual([r["id"] for r in relay.queue()], [ident])

    def test_wrong_password_mended(self):
        host = self.smarthost()
        relay = self.relay(host, password="wrong")
        self.refused(host, relay)
        relay.conf["smarthost"]["password"] = PASSWORD
        relay.write()
        relay.hup()
        self.arrives(host)
        relay.wait_empty()

    def test_password_file_and_its_rights(self):
        host = self.smarthost()
        relay = self.relay(host, start=False, password=None)
        secret = relay.write_file("secret", PASSWORD + "\n", 0o600)
        relay.conf["smarthost"]["password_file"] = secret
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        os.chmod(secret, 0o644)
        done = relay.run("check")
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"secret", done.stderr + done.stdout)
        self.assertNotIn(PASSWORD.encode(), done.stderr + done.stdout)

    def test_no_login_offered_is_no_mail_without_login(self):
        host = self.smarthost(mechanisms=(), auth_required=False)
        self.refused(host, self.relay(host))

    def test_no_common_mechanism(self):
        host = self.smarthost(mechanisms=("CRAM-MD5", "GSSAPI"), auth_required=False)
        self.refused(host, self.relay(host))

    def test_each_refusal_is_later(self):
        for reply in ("535 5.7.8 no", "534 5.7.9 too weak", "530 5.7.0 no", "550 5.7.1 no",
                      "454 4.7.0 later", "432 4.7.12 change it", "500 5.5.6 too long"):
            with self.subTest(reply):
                host = self.smarthost(script={"AUTH": reply})
                relay = self.relay(host, name="relay" + reply[:3] + str(len(self.relays)))
                self.queue_alert(relay)
                relay.wait("login_failed", reason=reply[:3])
                host.script = None
                self.arrives(host)
                relay.wait_empty()
                self.assertEqual(len(host.mails), 1)

    def test_endless_challenges(self):
        host = self.smarthost(script={"AUTH": "334 VXNlcm5hbWU6", "AUTH_RESPONSE": "334 more"})
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("login_failed")
        self.assertLess(len(host.words()), 60)

    def test_the_password_is_in_no_log(self):
        host = self.smarthost(script={"AUTH": "535 5.7.8 no"})
        relay = self.relay(host)
        self.queue_alert(relay)
        relay.wait("login_failed")
        relay.run("test")
        relay.stop()
        with open(relay.path("log"), "rb") as log:
            text = log.read()
        self.assertNotIn(PASSWORD.encode(), text)
        self.assertNotIn(b"s3cret", text)


if __name__ == "__main__":
    unittest.main()
