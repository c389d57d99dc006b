"""relay_servers.py - the two servers of bench-relay: pinpost, and Postfix tuned for the same work

Job:      start each with its queue in a given directory, with clients of loopback trusted and all
          mail going to the sink over STARTTLS with a login; say what their processes used.
Not here: load and table (relay_bench.py).
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from lib.listener import free_ports
from lib.postfix import as_root, run
from lib.relay import PROGRAM, Relay

USER, PASSWORD = "bench", "bench-password"
TICKS = os.sysconf("SC_CLK_TCK")


def stat_of(pid):
    """Fields of /proc/PID/stat after the name: [1] is the parent, [11:15] ticks of CPU."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def family(root):
    """The process and all that came from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(stat_of(name)[1]), []).append(int(name))
            except (OSError, IndexError):
                continue
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_of(pid):
    """Seconds of user and system that it and the children that it has buried used."""
    return sum(int(field) for field in stat_of(pid)[11:15]) / TICKS


def pss_of(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Server:
    """What both have: processes below one, a port for the load."""

    name = ""
    root = 0  # process id
    port = 0

    def add(self, of):
        total = 0
        for pid in family(self.root):
            try:
                total += of(pid)
            except (OSError, IndexError):
                continue  # it has just ended: its parent has its CPU
        return total

    def cpu_s(self):
        return self.add(cpu_of)

    def pss_bytes(self):
        return self.add(pss_of)


class Pinpost(Server):
    name = "pinpost"

    def __init__(self, place, sink_port, pin):
        self.place = tempfile.mkdtemp(prefix="pinpost-bench-", dir=place)
        self.port = free_ports(1)[0]
        self.relay = Relay(self.place, sink_port, tls="starttls", policy="fingerprint", pins=[pin],
                           user=USER, password=PASSWORD)
        conf = self.relay.conf
        conf["queue"] = {"path": os.path.join(self.place, "store"), "size": "256M"}
        conf["delivery"] = {"connections": 4, "messages": 0, "idle": "10s"}
        conf["log"] = {"level": "info"}
        conf["server"] = {"connections_a_client": 0, "commands": 0, "messages": 0}
        conf["listener bench"] = {"address": "127.0.0.1", "port": self.port, "tls": "none",
                                  "networks": "127.0.0.0/8"}
        self.relay.write()
        try:
            self.start()
        except BaseException:
            self.end()
            raise

    def start(self):
        path = os.path.join(self.place, "log")
        with open(path, "wb") as log:
            self.process = subprocess.Popen([PROGRAM, "-c", os.path.join(self.place, "pinpost.conf"),
                                             "run"], stdin=subprocess.DEVNULL, stderr=log)
        self.root = self.process.pid
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with open(path, encoding="utf-8") as log:
                text = log.read()
            if "event=ready" in text:
                return
            time.sleep(0.05)
        raise AssertionError(f"pinpost does not get ready:\n{text}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.place, ignore_errors=True)


# What a careful administrator sets for throughput: as many processes as clients, connections to the
# next hop kept open with their TLS (tlsproxy, scache), no pauses, a large active queue.
MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/log/maillog
maillog_file_prefixes = {place}
myhostname = relay.example.test
mydomain = example.test
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = fingerprint
smtp_tls_fingerprint_digest = sha256
smtp_tls_fingerprint_cert_match = {fingerprint}
smtp_tls_connection_reuse = yes
smtp_tls_session_cache_database = btree:{place}/data/smtp_scache
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{sink} = {user}:{password} }} }}
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = plain
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = 127.0.0.1
smtp_connection_cache_time_limit = 10s
smtp_connection_reuse_time_limit = 600s
smtp_destination_concurrency_limit = 50
initial_destination_concurrency = 50
default_destination_concurrency_limit = 50
default_process_limit = 200
qmgr_message_active_limit = 20000
qmgr_message_recipient_limit = 20000
in_flow_delay = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_junk_command_limit = 100000
notify_classes =
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    name = "Postfix"

    def __init__(self, place, sink_port, fingerprint):
        self.place = tempfile.mkdtemp(prefix="pinpost-bench-postfix-", dir=place)
        os.chmod(self.place, 0o755)
        self.port = free_ports(1)[0]
        for name in ("etc", "queue", "log"):
            run("install", "-d", "-o", "root", "-m", "755", self.path(name))
        for name in ("data", "queue/private"):
            run("install", "-d", "-o", "postfix", "-m", "700", self.path(name))
        self.write("main.cf", MAIN_CF.format(place=self.place, sink=sink_port, user=USER,
                                             password=PASSWORD, fingerprint=fingerprint))
        self.write("master.cf", MASTER_CF.format(port=self.port))
        try:
            run("postfix", "-c", self.path("etc"), "start")
            self.root = int(run("cat", self.path("queue/pid/master.pid")))
        except BaseException:
            self.end()
            raise

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            run("install", "-o", "root", "-m", "644", file.name, self.path(f"etc/{name}"))

    def end(self):
        run("postfix", "-c", self.path("etc"), "stop", check=False)
        subprocess.run(as_root("rm", "-rf", self.place), check=False, timeout=60)
