#!/usr/bin/env python3
"""smarthost.py - a stand-in for the smarthost: for the demo and for tests, never for mail

Job:      listen on loopback, offer what its options say, keep what is delivered and, beside it,
          each thing that a client said against the standard.
Not here: the dialogue, and what a script makes of it (smarthost_session.py); relaying. What is
          delivered stays in memory, and in a directory when one is given.
"""
import argparse
import dataclasses
import json
import os
import signal
import socket
import ssl
import sys
import threading

from smarthost_session import CLOSE, DELAY, DRIP, EACH, GO, RESET, Session

__all__ = ["CLOSE", "DELAY", "DRIP", "EACH", "GO", "Options", "RESET", "Smarthost"]


@dataclasses.dataclass
class Options:
    """What it offers."""

    tls: str = "starttls"           # starttls, implicit, none
    certificate: str = None         # PEM file, the chain below the leaf
    key: str = None
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    resumes: bool = False           # TLS sessions
    users: dict = dataclasses.field(default_factory=dict)
    mechanisms: tuple = ("PLAIN", "LOGIN")
    auth_before_tls: bool = False
    auth_required: bool = True      # when there are users
    esmtp: bool = True              # False: knows HELO only
    pipelining: bool = True
    eight_bit: bool = True
    smtputf8: bool = True
    enhanced: bool = True
    size: int = 64 << 20            # 0: SIZE is not offered
    recipient_limit: int = 0        # 452 beyond; 0 none
    name: str = "smarthost.example"


class Smarthost:
    """Listens from start() to stop(); start() again takes the same port."""

    def __init__(self, options=None, directory=None, script=None, address="127.0.0.1", port=0):
        self.options = options or Options()
        self.directory, self.script = directory, script
        self.address, self.port = address, port
        self.lock = threading.Condition()
        self.mails, self.commands, self.violations = [], [], []
        self.connections = 0
        self.context = None
        self.sessions = set()
        self.listener = None
        self.mail_count = 0

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address, self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        listener, self.listener = self.listener, None
        if listener is not None:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        with self.lock:
            sessions = list(self.sessions)
        for session in sessions:
            session.cut()
        for session in sessions:
            session.thread.join(5)

    def _accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.settimeout(30)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                session = Session(self, peer, self.connections)
                self.sessions.add(session)
            session.thread.start()

    def tls_context(self):
        """A new one each time knows no session of before."""
        if self.context is not None:
            return self.context
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.options.minimum
        context.maximum_version = self.options.maximum
        context.load_cert_chain(self.options.certificate, self.options.key)
        if self.options.resumes:
            self.context = context
        return context

    def note(self, session, line):
        """A command as it came: (session, secured, user, line)."""
        with self.lock:
            self.commands.append((session.number, session.secured, session.user, line))

    def violation(self, session, words):
        with self.lock:
            self.violations.append(f"session {session.number}: {words}")

    def keep(self, mail):
        if self.directory:
            base = os.path.join(self.directory, f"{mail.number:06d}")
            with open(base + ".eml", "wb") as file:
                file.write(mail.data)
            envelope = {k: v for k, v in dataclasses.asdict(mail).items() if k != "data"}
            with open(base + ".json", "w", encoding="utf-8") as file:
                json.dump(envelope, file)
        with self.lock:
            self.mails.append(mail)
            self.lock.notify_all()

    def wait(self, count, seconds=10):
        """True when `count` messages were delivered in time."""
        with self.lock:
            return self.lock.wait_for(lambda: len(self.mails) >= count, seconds)

    def words(self):
        """Each command's first word, in order, of all sessions."""
        with self.lock:
            return [c[3].split(b" ")[0].upper().decode("latin-1") for c in self.commands]

    def action(self, stage, session):
        if self.script is None:
            return None
        if callable(self.script):
            return self.script(stage, session)
        action = self.script.get(stage)
        return action.next() if isinstance(action, EACH) else action


def main():
    parser = argparse.ArgumentParser(description="a stand-in smarthost on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=["starttls", "implicit", "none"], default="starttls")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD")
    parser.add_argument("--directory", help="keeps what is delivered: NUMBER.eml and NUMBER.json")
    parser.add_argument("--mechanisms", default="PLAIN,LOGIN")
    parser.add_argument("--tls-version", choices=["1.2", "1.3"])
    for name in ("esmtp", "pipelining", "eight-bit", "smtputf8", "enhanced"):
        parser.add_argument(f"--no-{name}", action="store_true")
    args = parser.parse_args()
    if args.tls != "none" and not args.cert:
        parser.error("TLS needs --cert and --key")
    options = Options(tls=args.tls, certificate=args.cert, key=args.key,
                      users=dict(u.split(":", 1) for u in args.user),
                      mechanisms=tuple(m for m in args.mechanisms.split(",") if m),
                      esmtp=not args.no_esmtp, pipelining=not args.no_pipelining,
                      eight_bit=not args.no_eight_bit, smtputf8=not args.no_smtputf8,
                      enhanced=not args.no_enhanced)
    if args.tls_version:
        version = ssl.TLSVersion["TLSv" + args.tls_version.replace(".", "_")]
        options.minimum = options.maximum = version
    server = Smarthost(options, args.directory, port=args.port).start()
    print(f"listening on {server.address}:{server.port}", flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
