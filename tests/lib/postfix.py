"""postfix.py - a private Postfix with Dovecot's SASL, in a directory of its own

Job:      write both configurations, start both on loopback, count what Postfix logged, end both by
          their process ids; what Postfix delivers goes to a stand-in sink over plain SMTP.
Not here: tests. Debian's packages are used as they are; nothing of the machine's own mail
          system is touched. Needs root, directly or through sudo.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from smarthost import Options, Smarthost

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/log/maillog
maillog_file_prefixes = {place}
myhostname = mail.example.test
mydomain = example.test
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = smtp:[127.0.0.1]:{sink}
relay_transport = smtp:[127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_host_lookup = native
mynetworks =
message_size_limit = 20000000
mailbox_size_limit = 0
default_process_limit = 20
smtpd_tls_security_level = {tls_level}
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {place}/tls.pem
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{refused@example.test=REJECT}}
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_recipient_limit = 2000
smtpd_error_sleep_time = 0
bounce_template_file =
notify_classes =
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
{implicit}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
IMPLICIT = "127.0.0.1:{port} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes"

DOVECOT_CONF = """\
base_dir = {place}/dovecot
state_dir = {place}/dovecot-state
instance_name = pinpost-test
log_path = {place}/log/dovecot
protocols =
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_verbose = yes
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {place}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {place}/queue/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
# Asks it to end, and gives it five seconds.
END_BY_PID = ("pid=$(cat {file}); kill $pid; for i in 1 2 3 4 5 6 7 8 9 10; "
              "do kill -0 $pid && sleep 0.5; done")


def as_root(*command):
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


def run(*command, check=True):
    """Standard output of a command. Through files: a daemon keeps what it inherits open."""
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(as_root(*command), stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        out.seek(0)
        text = out.read()
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{text}")
    return text


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Postfix:
    """Started when made; end() when done, else when the test's process ends."""

    def __init__(self, certificate, user, password, next_hop=None):
        """`next_hop`: a port of 127.0.0.1 that gets all mail, in place of the sink."""
        for program in ("/usr/sbin/postfix", "/usr/sbin/dovecot"):
            if not os.access(program, os.X_OK):
                raise AssertionError(f"{program} is missing: apt-get install postfix dovecot-core")
        self.place = tempfile.mkdtemp(prefix="pinpost-postfix-")
        os.chmod(self.place, 0o755)
        self.sink = Smarthost(Options(tls="none", users={}, name="sink.example.test")).start()
        self.port, self.implicit_port = free_port(), free_port()
        self.next_hop = next_hop or self.sink.port
        self.tls_level = "may"
        self.watcher = None
        try:
            self.prepare(certificate, user, password)
            self.watch()
            run("dovecot", "-c", self.path("dovecot.conf"))
            self.postfix("start")
            self.wait_for_both()
        except BaseException:
            self.end()
            raise

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text, mode=0o644):
        """Through a rename, as root: owned by root as Postfix likes it."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            run("install", "-o", "root", "-m", f"{mode:o}", file.name, self.path(name))

    def prepare(self, certificate, user, password):
        for name in ("etc", "queue", "log", "dovecot", "dovecot-state"):
            run("install", "-d", "-o", "root", "-m", "755", self.path(name))
        run("install", "-d", "-o", "postfix", "-m", "700", self.path("data"))
        run("install", "-d", "-o", "postfix", "-m", "700", self.path("queue/private"))
        self.write("users", f"{user}:{{PLAIN}}{password}\n", 0o644)
        self.write("dovecot.conf", DOVECOT_CONF.format(place=self.place))
        self.certificate(certificate)
        self.configure()

    def certificate(self, certificate):
        with open(certificate.key, encoding="ascii") as key, \
             open(certificate.path, encoding="ascii") as chain:
            self.write("tls.pem", key.read() + chain.read(), 0o600)

    def configure(self):
        self.write("etc/main.cf", MAIN_CF.format(place=self.place, sink=self.next_hop,
                                                 tls_level=self.tls_level))
        implicit = IMPLICIT.format(port=self.implicit_port) if self.tls_level != "none" else ""
        self.write("etc/master.cf", MASTER_CF.format(port=self.port, implicit=implicit))

    def postfix(self, command):
        return run("postfix", "-c", self.path("etc"), command)

    def reload(self):
        """New settings for new connections."""
        self.configure()
        self.postfix("reload")
        run("postfix", "-c", self.path("etc"), "status")
        time.sleep(0.5)

    def wait_for_both(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as one:
                    if one.recv(3) == b"220" and os.path.exists(self.path("log/dovecot")):
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"Postfix does not answer:\n{self.log()}")

    # ---- what it logged ----

    def log(self):
        return run("cat", self.path("log/maillog"), check=False)

    def count(self, pattern):
        return len(re.findall(pattern, self.log()))

    # ---- the end ----

    def stop_commands(self):
        return [as_root("postfix", "-c", self.path("etc"), "stop"),
                as_root("sh", "-c", END_BY_PID.format(file=self.path("dovecot/master.pid"))),
                as_root("rm", "-rf", self.place)]

    def watch(self):
        """A shell that waits for the end of its input: this process's end, however it comes."""
        script = "read line; " + "; ".join(" ".join(f"'{w}'" for w in command)
                                           for command in self.stop_commands())
        self.watcher = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)

    def end(self):
        self.sink.stop()
        if self.watcher is not None:
            self.watcher.stdin.close()
            self.watcher.wait(60)
            self.watcher = None
        else:
            shutil.rmtree(self.place, ignore_errors=True)
