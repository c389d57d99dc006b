"""The daemon: its life, its configuration, its sockets, whom it trusts."""
import glob
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import PASSWORD, Case
from lib.nobody import NOBODY, as_nobody, copy_of_program
from lib.relay import PROGRAM, SLOW
from lib.submit import Submission
from smarthost import DELAY, EACH, GO


class Life(Case):
    def test_term_stops_it(self):
        relay = self.relay(self.smarthost())
        self.assertEqual(relay.stop(), 0)
        self.assertEqual(glob.glob(relay.path("run/*.sock")), [])

    def test_term_finishes_what_is_under_way(self):
        host = self.smarthost(script={"DOT": EACH([DELAY(1), GO])})
        relay = self.relay(host)
        self.queue_alert(relay)
        self.until(lambda: "." in host.words(), "the final dot")
        self.assertEqual(relay.stop(), 0)
        self.assertEqual(len(host.mails), 1)
        relay.start()
        self.assertEqual(relay.queue(), [])
        self.assertFalse(host.wait(2, 1))

    def test_term_does_not_wait_for_ever(self):
        host = self.smarthost(script={"DOT": DELAY(60)})
        relay = self.relay(host)
        self.queue_alert(relay)
        self.until(lambda: "." in host.words(), "the final dot")
        began = time.monotonic()
        self.assertEqual(relay.stop(30), 0)
        self.assertLess(time.monotonic() - began, 15)
        relay.start()
        self.assertEqual(len(relay.queue()), 1)

    def test_second_daemon_is_refused(self):
        host = self.smarthost()
        first = self.relay(host)
        second = self.relay(host, start=False, name="second")
        second.conf["queue"]["path"] = first.path("queue")
        second.start(wait=False)
        self.assertNotEqual(second.process.wait(10 * SLOW), 0)
        second.conf["queue"]["path"] = second.path("queue")
        second.conf["daemon"]["directory"] = first.path("run")
        second.start(wait=False)
        self.assertNotEqual(second.process.wait(10 * SLOW), 0)
        self.queue_alert(first)
        self.arrives(host)

    def test_stale_sockets_are_replaced(self):
        relay = self.relay(self.smarthost())
        for _ in range(3):
            relay.kill()
            self.assertTrue(os.path.exists(relay.socket))
            relay.start()
        self.queue_alert(relay)

    def test_what_is_not_a_socket_is_not_removed(self):
        relay = self.relay(self.smarthost())
        relay.stop()
        relay.write_file("run/submit.sock", "precious\n")
        relay.start(wait=False)
        self.assertNotEqual(relay.process.wait(10 * SLOW), 0)
        with open(relay.path("run/submit.sock"), encoding="ascii") as file:
            self.assertEqual(file.read(), "precious\n")

    def test_an_idle_daemon_sleeps(self):
        relay = self.relay(self.smarthost())
        self.queue_alert(relay)
        time.sleep(3)

        def ticks():
            with open(f"/proc/{relay.process.pid}/stat", encoding="ascii") as file:
                return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
        before = ticks()
        time.sleep(2)
        self.assertLessEqual(ticks() - before, 2 * SLOW)

    def test_the_heap_does_not_grow(self):
        host = self.smarthost(size=0)
        relay = self.relay(host, start=False)
        relay.conf["delivery"]["idle"] = "0"
        relay.start()
        for _ in range(3):
            self.queue_alert(relay)
        self.arrives(host, 3)

        def heap():
            with open(f"/proc/{relay.process.pid}/maps", encoding="ascii") as file:
                found = re.search(r"^(\w+)-(\w+) .*\[heap\]$", file.read(), re.M)
            return int(found[2], 16) - int(found[1], 16) if found else 0
        before = heap()
        for index in range(30):
            self.queue_alert(relay, "-s", str(index), given="x\n" * 5000)
            relay.run("queue")
        self.arrives(host, 33, 20)
        relay.hup()
        relay.wait_empty()
        if "asan" not in PROGRAM:
            self.assertEqual(heap(), before)


class Reread(Case):
    def test_good(self):
        host = self.smarthost()
        relay = self.relay(host)
        relay.conf["identity"]["to"] = "new@example.test"
        relay.write()
        relay.hup()
        self.until(lambda: self.recipient_of_next(relay, host) == "new@example.test",
                   "the new recipient")

    def recipient_of_next(self, relay, host):
        count = len(host.mails)
        self.queue_alert(relay)
        return self.arrives(host, count + 1).recipients[0]

    def test_broken_is_refused_and_the_old_one_stays(self):
        host = self.smarthost()
        relay = self.relay(host)
        for text in ("[smarthost]\nhost = \n", relay.text() + "nonsense = 1\n", "", "\0"):
            mark = relay.mark()
            relay.write(text)
            relay.hup()
            self.until(lambda: [e for e in relay.events[mark:] if "pinpost.conf" in e.line],
                       "a word about the configuration")
            relay.write()  # for the commands alone: the daemon is not told
            count = len(host.mails)
            self.queue_alert(relay)
            self.arrives(host, count + 1)
            relay.wait_empty()
        self.assertGreaterEqual(len(host.mails), 4)

    def test_missing_file(self):
        host = self.smarthost()
        relay = self.relay(host)
        os.rename(relay.path("pinpost.conf"), relay.path("away"))
        relay.hup()
        self.until(lambda: any("pinpost.conf" in e.line for e in relay.events), "a word about it")
        os.rename(relay.path("away"), relay.path("pinpost.conf"))
        self.queue_alert(relay)
        self.arrives(host)


class Configuration(Case):
    """Each mistake is an error with file, line and what is allowed; exit status 78."""

    def setUp(self):
        super().setUp()
        self.runner = self.relay(self.smarthost(), start=False)

    def wrong(self, text, *words, command="check"):
        path = self.runner.write(text)
        done = self.runner.run(command, seconds=10)
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        self.assertEqual(done.returncode, 78, said)
        for word in (path, *words):
            self.assertIn(word, said)
        self.assertNotIn(PASSWORD, said)
        return said

    def with_line(self, section, line):
        """The good configuration with one more line in a section; (text, its number)."""
        lines = self.runner.text().split("\n")
        at = lines.index(f"[{section}]") + 1
        lines.insert(at, line)
        return "\n".join(lines), at + 1

    def test_good(self):
        self.runner.write()
        self.assertEqual(self.runner.run("check").returncode, 0)

    def test_bad_values_name_file_line_value_and_what_is_allowed(self):
        rows = [("timeouts", "mail = soon", "soon"), ("timeouts", "mail = 5x", "5x"),
                ("timeouts", "mail = -1", "-1"), ("queue", "expire = 1000000000d", "1000000000d"),
                ("queue", "reserve = 99", "99"), ("log", "target = printer", "stderr"),
                ("delivery", "connections = 0", "0"), ("delivery", "connections = 999", "999"),
                ("smarthost", "auth = magic", "plain"), ("smarthost", "family = ipv5", "ipv4"),
                ("smarthost", "pin = 12:34", "12:34"), ("smarthost", "pin = key:ZZ", "key:ZZ"),
                ("identity", "from_name = a\x01b", ""), ("daemon", "submit_socket = relative", "/"),
                ("queue", "recipient_limit = 99999999999999999999", "9999"),
                ("smarthost", "auth_without_tls = maybe", "yes")]
        for section, line, word in rows:
            with self.subTest(line):
                text, number = self.with_line(section, line)
                key = line.split(" = ")[0]
                self.wrong(text, f":{number}:", key, word)

    def test_unknown_keys_and_sections(self):
        text, number = self.with_line("smarthost", "pasword = hunter2")
        said = self.wrong(text, f":{number}:", "pasword")
        self.assertNotIn("hunter2", said)
        self.assertIn("password", said)
        self.wrong(self.runner.text() + "[smarthots]\nhost = x\n", "smarthots")

    def test_twice(self):
        text, _ = self.with_line("identity", "hostname = again.example")
        self.wrong(text, "hostname")

    def test_overlong_lines_names_and_sections(self):
        for line in ("from_name = " + "x" * 1100, "k" * 60 + " = 1", "from_name = " + "y" * 5000):
            text, number = self.with_line("identity", line)
            self.wrong(text, f":{number}:")
        self.wrong(self.runner.text() + "[" + "s" * 60 + "]\nx = 1\n")

    def test_what_is_no_ini_line(self):
        for line in ("just words", "[unclosed", "= value", "[section] trailing"):
            text, number = self.with_line("identity", line)
            self.wrong(text, f":{number}:")

    def test_nul(self):
        text, number = self.with_line("identity", "from_name = a\0b")
        self.wrong(text, f":{number}:")

    def test_semicolons_and_quotes_stay_in_values(self):
        """The password of all these tests has both: it works, so they were kept."""
        self.assertIn(";", PASSWORD)
        host = self.smarthost()
        relay = self.relay(host, name="other")
        self.queue_alert(relay)
        self.arrives(host)

    def test_contradictions(self):
        good = self.runner.conf["smarthost"]
        rows = [{"pin": []}, {"policy": "secure"}, {"user": None}, {"password": None},
                {"policy": "none", "pin": []}, {"host": None}, {"tls": "implicit", "policy": "none",
                                                               "pin": []}]
        for change in rows:
            with self.subTest(str(change)):
                self.runner.conf["smarthost"] = {**good, **change}
                self.wrong(self.runner.text())
        self.runner.conf["smarthost"] = good

    def test_whom_the_daemon_becomes(self):
        self.runner.write()
        self.assertIn(b"stays root", self.runner.run("check").stdout)
        self.wrong(self.runner.text() + "user = no-such-user\n", "no-such-user")
        self.wrong(self.runner.text() + "group = no-such-group\n", "no-such-group")
        self.runner.write(self.runner.text() + "user = nobody\n")
        done = self.runner.run("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"stays root", done.stdout)

    def test_second_smarthost(self):
        self.wrong(self.runner.text() + "[smarthost backup]\nhost = b.example\n")

    def test_all_mistakes_are_told_at_once(self):
        said = self.wrong(self.runner.text() + "[queue]\nnonsense = 1\n[log]\nrubbish = 2\n")
        self.assertIn("nonsense", said)
        self.assertIn("rubbish", said)

    def test_files_that_are_missing_or_open_to_others(self):
        conf = self.runner.conf
        conf["smarthost"].update(policy="secure", pin=[])
        conf["tls"]["ca_file"] = "/nowhere/ca.pem"
        self.wrong(self.runner.text(), "/nowhere/ca.pem")
        conf["tls"]["ca_file"] = None
        conf["smarthost"].update(password=None, password_file="/nowhere/secret")
        self.wrong(self.runner.text(), "/nowhere/secret")
        conf["smarthost"].update(password=PASSWORD, password_file=None)
        self.runner.write()
        os.chmod(self.runner.path("pinpost.conf"), 0o644)
        done = self.runner.run("check")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn(b"password", done.stdout + done.stderr)

    def test_missing_configuration(self):
        done = subprocess.run([PROGRAM, "-c", "/nowhere/pinpost.conf", "check"],
                              capture_output=True, timeout=20, check=False)
        self.assertIn(done.returncode, (66, 78))
        self.assertIn(b"/nowhere/pinpost.conf", done.stderr)

    def test_run_refuses_it_too(self):
        self.wrong(self.runner.text() + "[queue]\nnonsense = 1\n", "nonsense", command="run")


class Sockets(Case):
    def test_rights(self):
        relay = self.relay(self.smarthost())
        mode = stat.S_IMODE(os.stat(relay.socket).st_mode)
        self.assertEqual(mode, 0o666)
        mode = stat.S_IMODE(os.stat(relay.path("run/control.sock")).st_mode)
        self.assertEqual(mode & 0o007, 0)
        mode = stat.S_IMODE(os.stat(relay.path("queue")).st_mode)
        self.assertEqual(mode, 0o600)

    def test_strangers_may_hand_in_and_nothing_else(self):
        host = self.smarthost(start=False)
        relay = self.relay(host)
        os.chmod(relay.path("pinpost.conf"), 0o600)
        os.chmod(relay.path("run"), 0o755)
        conf = relay.write_file("client.conf", "[daemon]\ndirectory = %s\ndrop_directory = %s\n" %
                                (relay.path("run"), relay.path("drop")))
        program = copy_of_program(self.place)
        done = as_nobody(program, "-c", conf, "send", "-s", "from nobody", given=b"text\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        for command in (("queue",), ("queue", "remove", "all"), ("status",)):
            done = as_nobody(program, "-c", conf, *command)
            self.assertEqual(done.returncode, 77, (command, done.stderr))
        row = relay.queue()[0]
        shown = relay.run("queue", "show", row["id"]).stdout.decode()
        self.assertIn(f"uid={NOBODY.pw_uid}", shown)

    def test_many_submitters_at_once(self):
        host = self.smarthost()
        relay = self.relay(host)
        idle = [socket.socket(socket.AF_UNIX) for _ in range(10)]
        for one in idle:
            one.connect(relay.socket)
        for _ in range(5):
            self.queue_alert(relay)
        self.arrives(host, 5)
        for one in idle:
            one.close()

    def test_a_client_that_closes_its_side_behind_the_dot_has_its_answer(self):
        """`printf ... | nc -N -U submit.sock`"""
        relay = self.relay(self.smarthost())
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(10)
            one.connect(relay.socket)
            one.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
                        b"Subject: half\r\n\r\nx\r\n.\r\n")
            one.shutdown(socket.SHUT_WR)
            heard = b""
            while data := one.recv(65536):
                heard += data
        self.assertIn(b"\r\n250 2.0.0", heard)

    def test_more_connections_than_slots(self):
        relay = self.relay(self.smarthost())
        idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for one in idle:
            one.settimeout(5)
            one.connect(relay.socket)
        for one in idle[:30]:
            one.close()
        self.queue_alert(relay)
        for one in idle:
            one.close()
        self.queue_alert(relay)

    def test_a_client_that_goes_away_half_way_leaves_nothing(self):
        relay = self.relay(self.smarthost(start=False))
        for end in (b"", b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n",
                    b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
                    b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
                    b"Subject: half\r\n\r\nhalf\r\n."):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(5)
                one.connect(relay.socket)
                one.recv(100)
                one.sendall(end)
                time.sleep(0.1)
        time.sleep(0.2)
        self.assertEqual(relay.queue(), [])

    def test_smuggling_is_refused(self):
        host = self.smarthost()
        relay = self.relay(host)
        for end in (b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n",
                    b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n"):
            with self.subTest(end), Submission(relay.socket) as one:
                for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA"):
                    one.ask(line)
                one.socket.sendall(b"Subject: x\r\n\r\nfirst" + end +
                                   b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA"
                                   b"\r\nsecond\r\n.\r\n")
                reply = one.reply()
                self.assertTrue(reply.startswith("554"), reply)
                self.assertTrue(one.ask("NOOP").startswith("250"))
        self.assertEqual(relay.queue(), [])
        self.assertEqual(host.mails, [])

    def test_garbage_on_control_sock(self):
        relay = self.relay(self.smarthost())
        for garbage in (b"\n", b"{}\n", b"[1,2]\n", b'{"cmd":"explode"}\n', b"{" * 5000 + b"\n",
                        b'{"cmd":"list","id":7}\n', b"\0\n", b"x" * 100000, b'{"cmd":"show"}\n'):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(5)
                one.connect(relay.path("run/control.sock"))
                try:
                    one.sendall(garbage)
                    one.shutdown(socket.SHUT_WR)
                    answer = one.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    continue
                for line in answer.splitlines():
                    json.loads(line)
        self.assertEqual(relay.queue(), [])


class Privileges(Case):
    def test_runs_as_the_user_of_the_configuration(self):
        if os.geteuid() != 0:
            self.check_refusal()
            return
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["daemon"]["user"] = "nobody"
        os.chmod(relay.directory, 0o755)
        relay.conf["queue"]["path"] = relay.path("store/queue")
        os.mkdir(relay.path("store"))
        os.chown(relay.path("store"), NOBODY.pw_uid, NOBODY.pw_gid)
        relay.start()
        with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as file:
            status = file.read()
        uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
        self.assertRegex(status, rf"Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}")
        self.assertRegex(status, rf"Gid:\s+{gid}\s+{gid}\s+{gid}\s+{gid}")
        self.assertRegex(status, r"CapEff:\s+0+\n")
        self.queue_alert(relay)
        self.arrives(host)
        relay.wait_empty()
        mark = relay.mark()
        relay.hup()  # the file belongs to root, mode 600: it cannot be read any more
        self.until(lambda: [e for e in relay.events[mark:] if "pinpost.conf" in e.line], "a word")
        self.queue_alert(relay)
        self.arrives(host, 2)
        self.assertEqual(relay.stop(), 0)

    def test_a_password_that_the_daemon_can_read_again(self):
        if os.geteuid() != 0:
            self.check_refusal()
            return
        host = self.smarthost()
        relay = self.relay(host, start=False, password=None)
        relay.conf["smarthost"]["password_file"] = relay.write_file("secret", PASSWORD + "\n", 0o600)
        relay.conf["daemon"]["user"] = "nobody"
        os.chmod(relay.directory, 0o755)
        relay.conf["queue"]["path"] = relay.path("store/queue")
        os.mkdir(relay.path("store"))
        os.chown(relay.path("store"), NOBODY.pw_uid, NOBODY.pw_gid)
        os.chown(relay.path("secret"), NOBODY.pw_uid, NOBODY.pw_gid)
        relay.start()
        self.queue_alert(relay)
        self.arrives(host)
        os.chmod(relay.path("pinpost.conf"), 0o644)
        relay.hup()
        relay.wait("config_reread")
        os.chown(relay.path("secret"), 4711, NOBODY.pw_gid)
        done = relay.run("check")
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"another user", done.stderr)

    def test_a_file_with_a_password_that_the_daemons_group_can_read(self):
        if os.geteuid() != 0:
            self.check_refusal()
            return
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["daemon"]["user"] = "nobody"
        os.chmod(relay.directory, 0o755)
        relay.conf["queue"]["path"] = relay.path("store/queue")
        os.mkdir(relay.path("store"))
        os.chown(relay.path("store"), NOBODY.pw_uid, NOBODY.pw_gid)
        relay.start()
        path = relay.path("pinpost.conf")
        os.chown(path, 0, NOBODY.pw_gid)
        os.chmod(path, 0o640)
        relay.hup()
        relay.wait("config_reread")
        for owner, group, mode, words in ((0, 0, 0o640, b"group or others"),
                                          (0, NOBODY.pw_gid, 0o660, b"group or others"),
                                          (0, NOBODY.pw_gid, 0o644, b"group or others"),
                                          (NOBODY.pw_uid, NOBODY.pw_gid, 0o600, b"another user"),
                                          (4711, NOBODY.pw_gid, 0o640, b"another user")):
            os.chown(path, owner, group)
            os.chmod(path, mode)
            done = relay.run("check")
            self.assertEqual(done.returncode, 78, oct(mode))
            self.assertIn(words, done.stderr)
        os.chown(path, 0, NOBODY.pw_gid)
        os.chmod(path, 0o640)
        self.assertEqual(relay.run("check").returncode, 0)
        relay.conf["daemon"]["user"] = None
        relay.write()
        os.chown(path, 0, NOBODY.pw_gid)
        os.chmod(path, 0o640)
        self.assertEqual(relay.run("check").returncode, 78)

    def check_refusal(self):
        relay = self.relay(self.smarthost(), start=False)
        relay.conf["daemon"]["user"] = "root"
        relay.start(wait=False)
        self.assertNotEqual(relay.process.wait(10), 0)

    def test_unknown_user(self):
        relay = self.relay(self.smarthost(), start=False)
        relay.conf["daemon"]["user"] = "no-such-user"
        relay.start(wait=False)
        self.assertNotEqual(relay.process.wait(10 * SLOW), 0)


if __name__ == "__main__":
    unittest.main()
