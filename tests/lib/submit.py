"""submit.py - a small SMTP client for submit.sock

Job:      hand many messages over one connection, as fast as the daemon takes them, and say for
          each what became of it.
"""
import socket


def xtext(text):
    """RFC 3461 4, of UTF-8."""
    return "".join(chr(b) if 33 <= b <= 126 and b not in b"+=" else f"+{b:02X}"
                   for b in text.encode())


class Submission:
    """One connection to submit.sock."""

    def __init__(self, path, seconds=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.buffer = b""
        self.greeting = self.reply()
        self.say("EHLO client.example.test")
        self.extensions = self.reply()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def reply(self):
        """All lines of one reply."""
        lines = []
        while True:
            while b"\r\n" not in self.buffer:
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("closed by the daemon")
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            lines.append(line.decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, line):
        self.say(line)
        return self.reply()

    def content(self, data):
        """After 354: stuffed, and the dot. `data` has CRLF line ends and ends with one."""
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self.socket.sendall(stuffed + b".\r\n")
        return self.reply()

    def send(self, data, recipients, sender="sender@example.test", parameters=""):
        """The last reply: that to the dot, or the first that refused."""
        group = [f"MAIL FROM:<{sender}>{parameters}"] + [f"RCPT TO:<{r}>" for r in recipients]
        self.socket.sendall("".join(line + "\r\n" for line in group + ["DATA"]).encode())
        replies = [self.reply() for _ in range(len(group) + 1)]
        refused = [r for r in replies if r[:1] not in "23"]
        if refused and replies[-1][:1] != "3":
            self.ask("RSET")
            return refused[0]
        return self.content(data)

    def alert(self, text, subject, recipients=(), severity="info"):
        """An alert as `pinpost send` hands it in."""
        parameters = f" X-KIND=alert X-SEVERITY={severity} X-SUBJECT={xtext(subject)}"
        if not recipients:
            parameters += " X-DEFAULT-TO"
        return self.send(text, recipients, "", parameters + " X-DEFAULT-FROM")
