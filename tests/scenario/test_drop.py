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


if __name__ == "__main__":
    unittest.main()
