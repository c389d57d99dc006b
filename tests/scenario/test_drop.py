"""Mail while the daemon is down: kept in the drop directory, taken in at start."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.nobody import NOBODY, as_nobody, copy_of_program


class Drop(Case):
    def setUp(self):
        super().setUp()
        self.host = self.smarthost()
        self.runner = self.relay(self.host)
        self.runner.stop()

    def files(self, prefix=""):
        return sorted(n for n in os.listdir(self.runner.path("drop")) if n.startswith(prefix))

    def test_send_and_sendmail(self):
        done = self.runner.send("-s", "Grüße", "-S", "critical", "-n", "Näme", given="text\n.\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"drop", done.stderr)
        done = self.runner.sendmail("-t", given="To: root, b@x.example\nBcc: c@x.example\n"
                                                "Subject: two\n\nbody\n..\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(len(self.files("new-")), 2)
        self.runner.start()
        self.arrives(self.host, 2)
        self.until(lambda: self.files() == [], "an empty drop directory")
        mails = {m.recipients[0]: m for m in self.host.mails}
        self.assertEqual(set(mails), {"admin@example.test", "root@example.test"})
        self.assertEqual(mails["root@example.test"].recipients,
                         ["root@example.test", "b@x.example", "c@x.example"])
        self.assertEqual(mails["root@example.test"].body, b"body\r\n..\r\n")
        self.assertNotIn(b"c@x.example", mails["root@example.test"].data)
        self.runner.wait_empty()

    def test_many(self):
        for index in range(50):
            self.assertEqual(self.runner.send("-s", str(index)).returncode, 0)
        self.runner.start()
        self.arrives(self.host, 50, 20)
        self.assertEqual(len({m.header("Message-ID") for m in self.host.mails}), 50)
        self.until(lambda: self.files() == [], "an empty drop directory")

    def test_bad_addresses_are_told_as_the_daemon_would(self):
        done = self.runner.sendmail("b..c@x.example", given="Subject: x\n\ny\n")
        self.assertEqual(done.returncode, 65, done.stderr)
        done = self.runner.sendmail("-f", "b..c@x.example", "a@x.example", given="Subject: x\n\ny\n")
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertEqual(self.files(), [])
        done = self.runner.sendmail("a@x.example", "b..c@x.example", given="Subject: x\n\ny\n")
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn(b"not for b..c@x.example", done.stderr)
        self.runner.start()
        self.assertEqual(self.arrives(self.host).recipients, ["a@x.example"])
        self.until(lambda: self.files() == [], "an empty drop directory")

    def test_as_another_user(self):
        os.chmod(self.runner.directory, 0o755)
        conf = self.runner.write_file(
            "client.conf", f"[daemon]\ndirectory = {self.runner.path('run')}\n"
                           f"drop_directory = {self.runner.path('drop')}\n")
        program = copy_of_program(self.place)
        done = as_nobody(program, "-c", conf, "send", "-s", "x", given=b"text\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        name = self.files("new-")[0]
        self.assertEqual(os.stat(self.runner.path("drop/" + name)).st_uid, NOBODY.pw_uid)
        self.host.stop()
        self.runner.start()
        row = self.until(self.runner.queue, "the message")[0]
        self.assertIn(f"uid={NOBODY.pw_uid}",
                      self.runner.run("queue", "show", row["id"]).stdout.decode())

    def test_no_drop_directory_is_75(self):
        os.rename(self.runner.path("drop"), self.runner.path("away"))
        done = self.runner.send()
        self.assertEqual(done.returncode, 75, done.stderr)
        done = self.runner.sendmail("a@x.example", given="Subject: x\n\ny\n")
        self.assertEqual(done.returncode, 75)

    def test_broken_files_are_put_aside(self):
        good = "pinpost-drop 1\nkind alert\nrecipient a@x.example\n\ntext\n"
        names = {"a" * 32: "rubbish", "b" * 32: "", "c" * 32: "pinpost-drop 2\n\nx\n",
                 "d" * 32: good.replace("a@x.example", "a@x.example>\rb"),
                 "e" * 32: "pinpost-drop 1\nkind alert\n\nno recipient\n",
                 "f" * 32: "pinpost-drop 1\n" + "x" * 5000 + "\n\ntext\n"}
        for name, text in names.items():
            self.runner.write_file("x", text, 0o640)
            os.rename(self.runner.path("x"), self.runner.path("drop/new-" + name))
        os.symlink("/etc/passwd", self.runner.path("drop/new-" + "1" * 32))
        os.mkfifo(self.runner.path("drop/new-" + "2" * 32))
        self.runner.write_file("x", good, 0o640)
        os.rename(self.runner.path("x"), self.runner.path("drop/new-" + "9" * 32))
        self.runner.start()
        self.assertEqual(self.arrives(self.host).recipients, ["a@x.example"])
        self.until(lambda: self.files("new-") == [], "nothing left to take in")
        self.assertEqual(len(self.files("bad-")), 8)
        self.assertEqual(len(self.host.mails), 1)
        self.assertEqual(len(self.runner.find("drop_refused")), 8)

    def test_what_is_in_the_way_delays_nobody(self):
        """Anybody may make names in the directory; the mail of others goes on all the same."""
        os.mkdir(self.runner.path("drop/bad-" + "a" * 32))
        self.runner.write_file("drop/bad-" + "a" * 32 + "/x", "")
        self.runner.write_file("x", "rubbish", 0o640)
        os.rename(self.runner.path("x"), self.runner.path("drop/new-" + "a" * 32))
        os.mkdir(self.runner.path("drop/new-" + "b" * 32))
        os.mkdir(self.runner.path("drop/bad-" + "b" * 32))
        self.runner.write_file("drop/bad-" + "b" * 32 + "/x", "")
        for index in range(8):
            self.assertEqual(self.runner.send("-s", str(index)).returncode, 0)
        self.runner.start()
        self.arrives(self.host, 8)
        self.until(lambda: self.files("new-") == [], "nothing left to take in")
        self.assertEqual(len(self.files("bad-")), 4)

    def test_one_that_finds_no_room_lets_others_pass(self):
        self.runner.conf["queue"].update(size="256K", message_limit="64K", reserve="0")
        self.runner.conf["queue"]["path"] = self.runner.path("small")
        self.host.stop()
        self.runner.start()
        codes = [self.runner.send(given="x" * 60000).returncode for _ in range(4)]
        self.assertEqual((codes[0], codes[-1]), (0, 75))
        self.runner.stop()
        self.assertEqual(self.runner.send("-s", "large", given="y" * 60000).returncode, 0)
        large = self.files("new-")[0]
        for index in range(4):
            self.assertEqual(self.runner.send("-s", f"small {index}").returncode, 0)
        # Names are looked at in no known order: with the large one anywhere, the others get in.
        self.runner.start()
        self.until(lambda: self.files("new-") == [large], "the small ones taken in")

    def test_what_is_in_the_queue_already_is_not_taken_again(self):
        """The power went when the store had it and the file was not yet gone."""
        self.host.stop()
        self.assertEqual(self.runner.send("-s", "once").returncode, 0)
        name = self.files("new-")[0]
        with open(self.runner.path("drop/" + name), encoding="utf-8") as file:
            text = file.read()
        self.runner.start()
        self.until(lambda: self.files() == [] and self.runner.queue(), "the message taken in")
        self.runner.stop()
        self.runner.write_file("x", text, 0o640)
        os.rename(self.runner.path("x"), self.runner.path("drop/" + name))
        self.runner.start()
        self.runner.wait("drop_was_taken")
        self.assertEqual(self.files(), [])
        self.assertEqual(len(self.runner.queue()), 1)

    def test_a_bad_recipient_does_not_cost_the_others_their_mail(self):
        self.runner.write_file("x", "pinpost-drop 1\nkind message\nrecipient root\n"
                                    "recipient a@x.example\nrecipient b..c@x.example\n"
                                    "\nSubject: x\n\ny\n", 0o640)
        os.rename(self.runner.path("x"), self.runner.path("drop/new-" + "a" * 32))
        self.runner.conf["identity"]["domain"] = None
        self.runner.start()
        self.assertEqual(self.arrives(self.host).recipients, ["a@x.example"])
        self.until(lambda: self.files() == [], "an empty drop directory")
        self.assertEqual(len(self.runner.find("drop_recipient_refused")), 2)


if __name__ == "__main__":
    unittest.main()
