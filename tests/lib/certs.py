"""certs.py - certificates made with the openssl command, and their pins

Job:      self-signed certificates, a CA with an intermediate, leaves with any name and dates;
          SHA-256 of a certificate and of its public key, in the notation of pinpost.conf.
Not here: what is done with them. A maker keeps what it made: asking again costs nothing.
"""
import hashlib
import os
import ssl
import subprocess
import tempfile
import threading

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]
RSA4096 = ["-newkey", "rsa:4096"]

CA_CONF = """\
[ca]
default_ca = one
[one]
database = {place}/index
new_certs_dir = {place}
serial = {place}/serial
default_md = sha256
policy = any
[any]
commonName = supplied
"""
CA_EXTENSIONS = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(arguments)}\n{done.stderr.decode()}")
    return done.stdout


def colons(digest):
    return ":".join(f"{b:02X}" for b in digest)


class Certificate:
    """A PEM file with the chain, leaf first, and its key."""

    def __init__(self, path, key):
        self.path, self.key = path, key

    def pem(self):
        with open(self.path, encoding="ascii") as file:
            text = file.read()
        end = "-----END CERTIFICATE-----\n"
        return text[:text.index(end) + len(end)]

    def fingerprint(self):
        """SHA-256 of the certificate, `AA:BB:...`."""
        return colons(hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem())).digest())

    def key_fingerprint(self):
        """SHA-256 of the SubjectPublicKeyInfo."""
        public = openssl("x509", "-in", self.path, "-noout", "-pubkey")
        der = openssl("pkey", "-pubin", "-outform", "DER", given=public)
        return colons(hashlib.sha256(der).digest())

    @property
    def pin(self):
        return "cert:" + self.fingerprint()

    @property
    def key_pin(self):
        return "key:" + self.key_fingerprint()


class Maker:
    """Makes and keeps certificates below one directory, which goes with the process."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory(prefix="pinpost-certs-")
        self.made = {}
        self.lock = threading.Lock()

    def path(self, name):
        return os.path.join(self.place.name, name)

    def self_signed(self, host="mail.example.test", kind=EC, tag=""):
        """A fresh one for each (host, kind, tag)."""
        name = f"self-{host}-{kind[1]}-{kind[-1][-5:].replace(':', '')}-{tag}"
        with self.lock:
            if name not in self.made:
                path, key = self.path(name + ".pem"), self.path(name + ".key")
                openssl("req", "-x509", *kind, "-nodes", "-keyout", key, "-out", path, "-days",
                        "3", "-subj", f"/CN={host}", "-addext", f"subjectAltName={san(host)}")
                self.made[name] = Certificate(path, key)
            return self.made[name]

    def renewed(self, old, host="mail.example.test"):
        """Another certificate over the same key."""
        path = old.path.replace(".pem", "-renewed.pem")
        openssl("req", "-x509", "-key", old.key, "-out", path, "-days", "30", "-subj",
                f"/CN={host}", "-addext", f"subjectAltName={san(host)}")
        return Certificate(path, old.key)

    def dated(self, begin, end, host="mail.example.test"):
        """Self-signed, from and until a time as date(1) reads it."""
        name = f"dated{begin}{end}".replace(" ", "")
        with self.lock:
            if name not in self.made:
                path, key = self.path(name + ".pem"), self.path(name + ".key")
                at = [subprocess.run(["date", "-u", "-d", when, "+%Y%m%d%H%M%SZ"], check=True,
                                     capture_output=True, text=True).stdout.strip()
                      for when in (begin, end)]
                request = openssl("req", "-new", *EC, "-nodes", "-keyout", key, "-subj",
                                  f"/CN={host}")
                with open(path + ".csr", "wb") as file:
                    file.write(request)
                with open(path + ".conf", "w", encoding="ascii") as file:
                    file.write(CA_CONF.format(place=self.path(name)))
                os.mkdir(self.path(name))
                with open(self.path(name + "/index"), "w", encoding="ascii"):
                    pass
                openssl("ca", "-batch", "-selfsign", "-config", path + ".conf", "-keyfile", key,
                        "-in", path + ".csr", "-out", path, "-notext", "-rand_serial",
                        "-startdate", at[0], "-enddate", at[1])
                self.made[name] = Certificate(path, key)
            return self.made[name]

    def authority(self, tag="good"):
        with self.lock:
            if tag not in self.made:
                self.made[tag] = Authority(self, tag)
            return self.made[tag]


class Authority:
    """A root, an intermediate, and leaves that the intermediate signed."""

    def __init__(self, maker, tag):
        self.maker, self.tag, self.leaves = maker, tag, {}
        self.root, self.root_key = maker.path(f"{tag}-root.pem"), maker.path(f"{tag}-root.key")
        openssl("req", "-x509", *RSA, "-nodes", "-keyout", self.root_key, "-out", self.root,
                "-days", "30", "-subj", f"/O=Test {tag}/CN={tag} root")
        self.middle, self.middle_key = self.issue(
            "middle", f"/O=Test {tag}/CN={tag} intermediate", CA_EXTENSIONS, self.root,
            self.root_key, ["-days", "20"], EC)

    def issue(self, name, subject, extensions, issuer, issuer_key, dates, kind):
        base = self.maker.path(f"{self.tag}-{name}")
        request = openssl("req", "-new", *kind, "-nodes", "-keyout", base + ".key", "-subj",
                          subject)
        with open(base + ".ext", "w", encoding="ascii") as file:
            file.write(extensions)
        signed = openssl("x509", "-req", "-CA", issuer, "-CAkey", issuer_key, "-set_serial",
                         str(len(self.leaves) + 2), "-extfile", base + ".ext", *dates,
                         given=request)
        with open(base + ".pem", "wb") as file:
            file.write(signed)
        return base + ".pem", base + ".key"

    def leaf(self, host="mail.example.test", expired=False, chain=True, kind=EC):
        """For a host name or an address; without `chain` the intermediate is not sent."""
        name = f"leaf-{host.replace('*', 'any')}-{expired}-{chain}-{kind[1]}".replace(":", "-")
        if name not in self.leaves:
            dates = ["-days", "10"]
            if expired:
                dates = ["-days", "-1"]
            path, key = self.issue(name, f"/CN={host}",
                                   f"subjectAltName={san(host)}\nextendedKeyUsage=serverAuth\n",
                                   self.middle, self.middle_key, dates, kind)
            if chain:
                with open(path, "ab") as out, open(self.middle, "rb") as middle:
                    out.write(middle.read())
            self.leaves[name] = Certificate(path, key)
        return self.leaves[name]


def san(host):
    is_address = ":" in host or host.replace(".", "").isdigit()
    return ("IP:" if is_address else "DNS:") + host


maker = Maker()
