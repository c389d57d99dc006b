"""listener.py - a relay with listeners on loopback, and clients that say what a test wants

Job:      free ports, a configuration with listeners and users, raw dialogues from any address of
          127.0.0.0/8, with STARTTLS.
Not here: what is asked of them (the tests).
"""
import os
import socket
import ssl
import subprocess

from . import certs
from .case import Case
from .relay import PROGRAM, SLOW

NAME = "relay.example.test"
JOE, ANN = ("joe", "hunter2; \"ä\""), ("ann@example.test", "x")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def verifier(password):
    done = subprocess.run([PROGRAM, "passwd"], input=password + "\n", capture_output=True,
                          text=True, check=True, timeout=30)
    return done.stdout.strip().removeprefix("password = ")


class Client:
    """One connection; replies are read whole."""

    def __init__(self, port, source="127.0.0.1", seconds=20, host="127.0.0.1"):
        self.raw = socket.create_connection((host, port), seconds * SLOW, (source, 0))
        self.socket = self.raw
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def tls(self, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if "maximum" in options:
            context.maximum_version = options["maximum"]
        if options.get("certificate"):
            context.load_cert_chain(options["certificate"].path, options["certificate"].key)
        self.socket = context.wrap_socket(self.raw)
        return self

    def starttls(self, **options):
        self.ask("EHLO client.example")
        assert self.ask("STARTTLS").startswith("220"), "STARTTLS is refused"
        return self.tls(**options)

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """Without its line end; "" when the server has closed."""
        while b"\r\n" not in self.left:
            try:
                more = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                more = b""
            if not more:
                line, self.left = self.left, b""
                return line.decode()
            self.left += more
        line, self.left = self.left.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def reply(self):
        """All lines of a reply, joined by newlines."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def ask(self, command):
        self.send((command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return self.reply()

    def hello(self):
        assert self.reply().startswith("220 "), "no greeting"
        self.ask("EHLO client.example")
        return self

    def mail(self, data=b"Subject: x\r\n\r\ntext\r\n", sender="a@x.example",
             recipients=("b@y.example",), parameters=""):
        """The last reply."""
        reply = self.ask(f"MAIL FROM:<{sender}>{parameters}")
        for recipient in recipients:
            if reply.startswith("250"):
                reply = self.ask(f"RCPT TO:<{recipient}>")
        if reply.startswith("250"):
            reply = self.ask("DATA")
        if not reply.startswith("354"):
            return reply
        self.send(data + b".\r\n")
        return self.reply()


class Listening(Case):
    """Beside a Case's smarthost: listeners `lan`, `submission`, `submissions`."""

    def setUp(self):
        super().setUp()
        self.host = self.smarthost()
        self.runner = self.relay(self.host, start=False)
        self.certificate = certs.maker.self_signed(NAME, tag="server")
        key = os.path.join(self.place, "server.key")
        with open(self.certificate.key, "rb") as source, open(key, "wb") as target:
            os.chmod(key, 0o600)
            target.write(source.read())
        self.lan, self.submission, self.submissions = free_ports(3)
        self.conf = self.runner.conf
        self.conf["server"] = {"certificate": self.certificate.path, "key": key,
                               "failed_login": "100ms", "connections_a_client": "0"}
        self.conf["listener lan"] = {"address": "127.0.0.1", "port": self.lan, "tls": "may",
                                     "auth": "optional", "networks": ["127.0.0.0/24"]}
        self.conf["listener submission"] = {"address": "127.0.0.1", "port": self.submission,
                                            "tls": "require", "auth": "require"}
        self.conf["listener submissions"] = {"address": "127.0.0.1", "port": self.submissions,
                                             "tls": "implicit", "auth": "require"}
        self.conf[f"user {JOE[0]}"] = {"password": verifier(JOE[1]),
                                       "senders": "joe@example.test, *@joe.example"}
        self.conf[f"user {ANN[0]}"] = {"password": verifier(ANN[1])}

    def client(self, port=None, **options):
        client = Client(self.lan if port is None else port, **options)
        self.addCleanup(client.close)
        return client

    def greets(self, source="127.0.0.1"):
        with Client(self.lan, source=source) as client:
            return client.reply()[:3] == "220"
