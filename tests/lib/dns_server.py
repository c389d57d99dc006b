"""dns_server.py - a name server on loopback that answers as a test wants

Job:      records over UDP and TCP from a dictionary; and to be silent, late, wrong or malformed on
          demand.
Follows:  RFC 1035

`records` maps a lower-case name to a list of ("A", "127.0.0.1"), ("AAAA", "::1"),
("CNAME", "other.name"), ("MX", "10 host"), ("SRV", "0 0 587 host"), ("TLSA", "3 1 1 ab..."), of any
of them also bytes as they are. A name that is missing is NXDOMAIN. `twist(query, answer, over_tcp)`
may return other bytes, a list of datagrams, or None for silence.
"""
import socket
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "MX": 15, "AAAA": 28, "SRV": 33, "TLSA": 52}
NXDOMAIN, SERVFAIL = 3, 2


def encode_name(name):
    if name.strip(".") == "":
        return b"\0"
    return b"".join(bytes([len(p)]) + p.encode() for p in name.strip(".").split(".")) + b"\0"


def read_question(query):
    """(name in lower case, type, where the question ends)"""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind, _ = struct.unpack("!HH", query[at + 1:at + 5])
    return ".".join(labels).lower(), kind, at + 5


def pack_data(kind, value):
    if isinstance(value, bytes):  # as it is, fitting or not
        return value
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    words = value.split()
    if kind == "MX":
        return struct.pack("!H", int(words[0])) + encode_name(words[1])
    if kind == "SRV":
        return struct.pack("!HHH", *map(int, words[:3])) + encode_name(words[3])
    if kind == "TLSA":
        return bytes(map(int, words[:3])) + bytes.fromhex(words[3])
    if kind == "SOA":  # the last number says for how long a "no" counts
        return encode_name(words[0]) + encode_name(words[1]) + struct.pack("!5I", 1, 60, 60, 60, 1)
    return encode_name(value)


def pack_row(name, kind, value, ttl_s=60):
    data = pack_data(kind, value)
    return encode_name(name) + struct.pack("!HHIH", TYPES[kind], 1, ttl_s, len(data)) + data


def build(query, rows, code=0, truncated=False, answer_id=None, authority=(), flags=0):
    """An answer to `query` with rows (name, kind, value); `flags` are added to the usual ones."""
    _, _, end = read_question(query)
    flags |= 0x8180 | code | (0x0200 if truncated else 0)
    head = query[:2] if answer_id is None else struct.pack("!H", answer_id)
    out = head + struct.pack("!HHHHH", flags, 1, len(rows), len(authority), 0) + query[12:end]
    return out + b"".join(pack_row(*row) for row in (*rows, *authority))


class DnsServer:
    def __init__(self, records=None, twist=None):
        self.records = records if records is not None else {}
        self.twist = twist
        self.queries = []  # (name, type, over_tcp)
        self.udp = self.tcp = None
        self.ended = False

    def start(self):
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen(16)
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        for work in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=work, daemon=True).start()
        return self

    def stop(self):
        self.ended = True
        for one in (self.udp, self.tcp):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def rows(self, name, kind):
        """The records of a name, with those a CNAME leads to."""
        out = []
        for _ in range(20):
            found = self.records.get(name, [])
            out += [(name, k, v) for k, v in found if TYPES[k] == kind]
            alias = [v for k, v in found if k == "CNAME"]
            if not alias:
                break
            out.append((name, "CNAME", alias[0]))
            name = alias[0]
        return out

    def answers(self, query, over_tcp):
        name, kind, _ = read_question(query)
        self.queries.append((name, kind, over_tcp))
        answer = build(query, self.rows(name, kind), 0 if name in self.records else NXDOMAIN)
        if self.twist:
            answer = self.twist(query, answer, over_tcp)
        return answer if isinstance(answer, list) else [answer] if answer is not None else []

    def _serve_udp(self):
        while not self.ended:
            try:
                query, peer = self.udp.recvfrom(4096)
                if len(query) < 17:
                    continue  # no question in it
                for answer in self.answers(query, False):
                    self.udp.sendto(answer, peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(peer,), daemon=True).start()

    def _serve_one(self, peer):
        peer.settimeout(10)
        try:
            with peer, peer.makefile("rb") as stream:
                while len(size := stream.read(2)) == 2:
                    query = stream.read(struct.unpack("!H", size)[0])
                    for answer in self.answers(query, True):
                        peer.sendall(struct.pack("!H", len(answer)) + answer)
        except OSError:
            pass
