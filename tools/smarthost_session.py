"""smarthost_session.py - one connection to the stand-in smarthost

Job:      the dialogue with one client, the messages it delivers, and what a script makes of both.
Not here: listening, options, what was delivered by all (smarthost.py).
Follows:  RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 3207 (STARTTLS), 4954 (AUTH), 6152 (8BITMIME)

A script makes it misbehave: a function `script(stage, session)` or a dictionary from stage to
action. Stages, in the order of a dialogue:

    GREETING  EHLO  HELO  STARTTLS  HANDSHAKE  EHLO_TLS  AUTH  AUTH_RESPONSE  MAIL  RCPT  DATA
    BODY (after 354, before content is read)  DOT  RSET  NOOP  QUIT

An action is None or GO (as usual), a text (a reply, CRLF is added), bytes (sent as they are),
DELAY, CLOSE, RESET, DRIP, or a list of these in order. EACH(a, b) takes a the first time, b the
second, and as usual from then on. A reply that begins with 2 or 3 has its usual effect.
"""
import base64
import binascii
import dataclasses
import hmac
import socket
import ssl
import struct
import threading
import time

LINE_LIMIT = 512  # RFC 5321 4.5.3.1.4, CRLF included


# ---- what a script may ask for ----

class GO:
    """The reply that is due."""


class CLOSE:
    """An orderly end of the connection, without a word."""


class RESET:
    """An end of the connection by RST."""


class DELAY:
    def __init__(self, seconds):
        self.seconds = seconds


class DRIP:
    """Bytes one at a time."""

    def __init__(self, data, pause_s=0.01):
        self.data, self.pause_s = data, pause_s


class EACH:
    """Another action each time."""

    def __init__(self, *actions):
        self.actions = list(actions)
        self.lock = threading.Lock()

    def next(self):
        with self.lock:
            return self.actions.pop(0) if self.actions else None


class Gone(Exception):
    """The connection is over."""


@dataclasses.dataclass
class Mail:
    """One delivered message."""

    number: int
    session: int
    user: str
    tls: str
    sender: str
    parameters: list
    recipients: list
    data: bytes
    at: float

    def header(self, name):
        """The unfolded value of the first such field, or None."""
        head = self.data.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
        for line in head.split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode("utf-8", "replace")
        return None

    @property
    def body(self):
        return self.data.split(b"\r\n\r\n", 1)[1] if b"\r\n\r\n" in self.data else b""


def refuses(action):
    """True when the first reply of an action is 4yz or 5yz."""
    for step in action if isinstance(action, list) else [action]:
        data = step.data if isinstance(step, DRIP) else step
        data = data.encode() if isinstance(data, str) else data
        if isinstance(data, bytes):
            return data[:1] in (b"4", b"5")
    return False


class Session:
    """One connection."""

    def __init__(self, server, peer, number):
        self.server, self.peer, self.number = server, peer, number
        self.options = server.options
        self.buffer = bytearray()
        self.secured, self.tls, self.user = False, "", ""
        self.line = b""
        self.hello = False
        self.delivered = 0
        self.forget()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def forget(self):
        self.sender, self.parameters, self.recipients = None, [], []

    def cut(self):
        try:
            self.peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # ---- bytes ----

    def fill(self):
        data = self.peer.recv(262144)
        if not data:
            raise Gone("closed by the client")
        self.buffer += data

    def read_line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > 1 << 20:
                raise Gone("endless line")
            self.fill()
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def send(self, data):
        self.peer.sendall(data)

    def perform(self, stage, reply):
        """Does what the script says, else sends `reply`. True when it was a reply of success."""
        return self.act(self.server.action(stage, self), reply)

    def act(self, action, reply):
        good = True
        for step in action if isinstance(action, list) else [action]:
            if step is None or step is GO:
                step = self.lawful(reply)
            if isinstance(step, DELAY):
                time.sleep(step.seconds)
            elif step is CLOSE:
                raise Gone("by script")
            elif step is RESET:
                self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.peer.close()
                raise Gone("by script")
            elif isinstance(step, DRIP):
                for value in step.data:
                    self.send(bytes([value]))
                    time.sleep(step.pause_s)
                good = step.data[:1] in (b"2", b"3")
            elif step:
                data = step if isinstance(step, bytes) else step.encode() + b"\r\n"
                self.send(data)
                good = data[:1] in (b"2", b"3")
        return good

    def lawful(self, text):
        """A reply by the book: enhanced codes are left out where they are not offered."""
        if text and not self.options.enhanced and "\r" not in text:
            code, _, rest = text.partition(" ")
            first, _, words = rest.partition(" ")
            return f"{code} {words}" if first.count(".") == 2 else text
        return text

    def reply(self, text):
        self.act(None, text)

    # ---- life ----

    def run(self):
        try:
            if self.options.tls == "implicit":
                self.start_tls()
            if self.perform("GREETING", f"220 {self.options.name} ESMTP stand-in"):
                while self.command():
                    pass
        except (Gone, OSError, ssl.SSLError):
            pass
        finally:
            try:
                self.peer.close()
            except OSError:
                pass
            with self.server.lock:
                self.server.sessions.discard(self)

    def start_tls(self):
        self.perform("HANDSHAKE", None)
        context = self.server.tls_context()
        self.peer = context.wrap_socket(self.peer, server_side=True)
        cipher = self.peer.cipher()
        if cipher is None:
            raise Gone("closed in the handshake")
        self.secured, self.tls = True, f"{self.peer.version()} {cipher[0]}"
        self.hello, self.user = False, ""
        self.forget()

    def command(self):
        line = self.line = self.read_line()
        word = line.split(b" ")[0].upper().decode("latin-1")
        self.server.note(self, line)
        limit = LINE_LIMIT + (500 if word in ("AUTH", "MAIL", "RCPT") else 0)
        if len(line) + 2 > limit:
            self.server.violation(self, f"{len(line) + 2} octets in a command line")
        if any(c < 32 or c == 127 for c in line):
            self.server.violation(self, f"control characters in {line!r}")
        last_in_group = ("EHLO", "HELO", "DATA", "QUIT", "STARTTLS", "AUTH", "NOOP", "VRFY")
        if self.buffer and (word in last_in_group or not self.options.pipelining):
            self.server.violation(self, f"{len(self.buffer)} bytes sent behind {word} unasked")
        if word == "*":  # an answer to a challenge that a script made up
            self.reply("501 5.7.0 cancelled")
            return True
        handler = getattr(self, "do_" + word.lower(), None)
        if handler is None:
            self.server.violation(self, f"unknown command {line[:60]!r}")
            self.reply("500 5.5.2 unknown command")
            return True
        return handler(line[len(word) + 1:].decode("utf-8", "replace"))

    # ---- commands ----

    def keywords(self):
        o = self.options
        if o.pipelining:
            yield "PIPELINING"
        if o.eight_bit:
            yield "8BITMIME"
        if o.smtputf8:
            yield "SMTPUTF8"
        if o.enhanced:
            yield "ENHANCEDSTATUSCODES"
        if o.size:
            yield f"SIZE {o.size}"
        if o.tls == "starttls" and not self.secured:
            yield "STARTTLS"
        if o.users and o.mechanisms and (self.secured or o.auth_before_tls):
            yield "AUTH " + " ".join(o.mechanisms)

    def do_ehlo(self, argument):
        if not argument:
            self.server.violation(self, "EHLO without a name")
        if not self.options.esmtp:
            self.perform("EHLO", "500 5.5.1 what is EHLO?")
            return True
        lines = [self.options.name, *self.keywords()]
        text = "\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{l}"
                           for i, l in enumerate(lines))
        stage = "EHLO_TLS" if self.secured and self.options.tls == "starttls" else "EHLO"
        self.hello = self.perform(stage, text) or self.hello
        self.forget()
        return True

    def do_helo(self, argument):
        self.hello = self.perform("HELO", f"250 {self.options.name}") or self.hello
        self.forget()
        return True

    def do_starttls(self, argument):
        if self.secured:
            self.server.violation(self, "STARTTLS inside TLS")
        if self.options.tls != "starttls" or self.secured:
            self.perform("STARTTLS", "502 5.5.1 no TLS here")
            return True
        if not self.perform("STARTTLS", "220 2.0.0 go ahead"):
            return True
        self.start_tls()
        return True

    def do_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        if not self.secured and not self.options.auth_before_tls:
            self.server.violation(self, "AUTH without TLS")
        if mechanism not in self.options.mechanisms or mechanism not in ("PLAIN", "LOGIN"):
            self.server.violation(self, f"AUTH {mechanism} was not offered")
            self.reply("504 5.5.4 unknown mechanism")
            return True
        try:
            user, password = self.plain(initial) if mechanism == "PLAIN" else self.login(initial)
        except (ValueError, binascii.Error):
            user, password = None, ""
        good = hmac.compare_digest(self.options.users.get(user, "").encode(), password.encode())
        good = good and user in self.options.users
        text = "235 2.7.0 welcome" if good else "535 5.7.8 wrong user or password"
        if self.perform("AUTH", text) and user:
            self.user = user
        return True

    def ask(self, prompt):
        if not self.perform("AUTH_RESPONSE", f"334 {prompt}"):
            raise ValueError("refused by script")
        answer = self.read_line()
        self.server.note(self, b"(answer) " + answer)
        if answer == b"*":
            raise ValueError("cancelled")
        return base64.b64decode(answer, validate=True).decode()

    def plain(self, initial):
        text = base64.b64decode(initial, validate=True).decode() if initial else self.ask("")
        _, user, password = text.split("\0")
        return user, password

    def login(self, initial):
        user = base64.b64decode(initial, validate=True).decode() if initial else None
        user = user or self.ask("VXNlcm5hbWU6")
        return user, self.ask("UGFzc3dvcmQ6")

    def path(self, argument, word):
        """(address, parameters) of `FROM:<a@b> X=1`; notes what is not by the book."""
        if not argument.upper().startswith(word + ":<") or ">" not in argument:
            self.server.violation(self, f"malformed {argument[:80]!r}")
        rest = argument[len(word) + 2:]
        address, _, parameters = rest.rpartition(">")
        if " " in address and '"' not in address:
            address, _, parameters = rest.partition(">")
        if address and "@" not in address:
            self.server.violation(self, f"address without a domain: {address!r}")
        return address, parameters.split()

    def may_send(self):
        if not self.hello:
            self.server.violation(self, "MAIL before EHLO")
        return self.user or not self.options.users or not self.options.auth_required

    def do_mail(self, argument):
        address, parameters = self.path(argument, "FROM")
        offered = dict(SIZE=self.options.size, BODY=self.options.eight_bit,
                       SMTPUTF8=self.options.smtputf8)
        for parameter in parameters:
            if not self.options.esmtp or not offered.get(parameter.split("=")[0].upper()):
                self.server.violation(self, f"parameter {parameter} was not offered")
        if self.sender is not None:
            self.server.violation(self, "MAIL inside a transaction")
        if not self.may_send():
            self.perform("MAIL", "530 5.7.0 log in first")
            return True
        size = [int(p[5:]) for p in parameters if p.upper().startswith("SIZE=")]
        if size and self.options.size and size[0] > self.options.size:
            self.perform("MAIL", "552 5.3.4 too big")
            return True
        if self.perform("MAIL", "250 2.1.0 ok"):
            self.sender, self.parameters, self.recipients = address, parameters, []
        return True

    def do_rcpt(self, argument):
        address, _ = self.path(argument, "TO")
        if self.sender is None:
            self.reply("503 5.5.1 MAIL first")
        elif self.options.recipient_limit and len(self.recipients) >= self.options.recipient_limit:
            self.reply("452 4.5.3 too many recipients")
        elif self.perform("RCPT", "250 2.1.5 ok"):
            self.recipients.append(address)
        return True

    def do_data(self, argument):
        if not self.recipients:
            self.perform("DATA", "554 5.5.1 no valid recipients")
            return True
        if not self.perform("DATA", "354 end with a dot"):
            return True
        self.perform("BODY", None)
        data = self.read_content()
        with self.server.lock:
            self.server.mail_count += 1
            number = self.server.mail_count
        mail = Mail(number, self.number, self.user, self.tls, self.sender, self.parameters,
                    self.recipients, data, time.time())
        self.forget()
        self.server.note(self, b".")
        action = self.server.action("DOT", self)
        if not refuses(action):
            self.server.keep(mail)
            self.delivered += 1
        self.act(action, f"250 2.0.0 taken as {number}")
        return True

    def read_content(self):
        """Up to CRLF.CRLF, dots taken off."""
        seen = 0
        self.buffer[:0] = b"\r\n"  # the end of the DATA line: content may be a dot alone
        while (end := self.buffer.find(b"\r\n.\r\n", max(0, seen - 4))) < 0:
            seen = len(self.buffer)
            self.fill()
        raw = bytes(self.buffer[2:end + 2])
        del self.buffer[:end + 5]
        self.judge(raw)
        raw = raw[1:] if raw.startswith(b".") else raw
        return raw.replace(b"\r\n.", b"\r\n")

    def judge(self, raw):
        """Content as it came: RFC 5321 2.3.8, 4.5.3.1.6 and what was declared."""
        rest = raw.replace(b"\r\n", b"")
        if b"\n" in rest or b"\r" in rest:
            self.server.violation(self, "a bare CR or LF in content")
        if b"\0" in raw:
            self.server.violation(self, "a NUL in content")
        longest = max((len(line) - line.startswith(b".") for line in raw.split(b"\r\n")), default=0)
        if longest > 998:
            self.server.violation(self, f"a line of {longest} octets")
        declared = any(p.upper() in ("BODY=8BITMIME", "SMTPUTF8") for p in self.parameters)
        if not raw.isascii() and not declared:
            self.server.violation(self, "8-bit content without BODY=8BITMIME")

    def do_rset(self, argument):
        self.forget()
        self.perform("RSET", "250 2.0.0 ok")
        return True

    def do_noop(self, argument):
        self.perform("NOOP", "250 2.0.0 ok")
        return True

    def do_quit(self, argument):
        self.perform("QUIT", "221 2.0.0 bye")
        return False
