"""`pinpost store`: a store's image in three forms, sound, damaged, foreign, in use."""
import json
import os
import struct
import subprocess
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.relay import PROGRAM
from lib.submit import Submission

BLOCK, BLOCKS = 4096, 64  # of a store of 256K


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class StoreImage(Case):
    def store(self, *arguments):
        return subprocess.run([PROGRAM, "store", *arguments], capture_output=True, text=True,
                              timeout=60)

    def image(self):
        """Twelve came in, four of them were delivered, one is held: and the path of the image."""
        host = self.smarthost()
        relay = self.relay(host, start=False)
        relay.conf["queue"]["size"] = "256K"
        relay.start()
        with Submission(relay.socket) as client:
            for index in range(4):
                client.alert(b"delivered\r\n" * 50, f"first {index}")
            relay.wait_empty()
            host.stop()
            for index in range(8):
                client.alert(f"waiting {index}\r\n".encode() * 80, f"then {index}")
        self.assertEqual(relay.run("queue", "hold", relay.queue()[0]["id"]).returncode, 0)
        self.running = relay
        relay.stop()
        return relay.path("queue")

    def json(self, path):
        done = self.store("--json", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def change(self, path, at, data):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data)

    def test_three_forms_tell_the_same(self):
        path = self.image()
        seen = self.json(path)
        self.assertEqual(seen["format"], 2)
        self.assertEqual(seen["block_bytes"], BLOCK)
        self.assertEqual(len(seen["blocks"]), seen["block_count"])
        self.assertEqual(len(seen["messages"]), 8)
        self.assertTrue(all(m["whole"] for m in seen["messages"]))
        self.assertEqual([m["state"] for m in seen["messages"]].count("held"), 1)
        self.assertEqual(sum(seen["bytes"].values()), BLOCK * seen["block_count"])
        for block in seen["blocks"]:
            self.assertEqual(sum(block["bytes"].values()), BLOCK)
        self.assertEqual(seen["bytes"]["damaged"], 0)
        self.assertGreater(seen["bytes"]["living"], 8 * 80 * 11)
        self.assertGreaterEqual(seen["records"]["GONE"], 1)
        text = self.store(path).stdout
        self.assertIn("messages:  8\n", text)
        self.assertIn(f"living  {seen['bytes']['living']:14d} bytes", text)
        for message in seen["messages"]:
            self.assertIn(f"  {message['id']}  {message['state']}", text)
        picture = xml.etree.ElementTree.fromstring(self.store("--svg", path).stdout)
        titles = [t.text for t in picture.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(len([t for t in titles if t.startswith("block ")]), seen["block_count"])
        self.assertIn("block 0: ", "".join(titles))

    def test_it_changes_nothing(self):
        path = self.image()
        with open(path, "rb") as file:
            before = file.read()
        os.chmod(path, 0o400)
        for form in ("--json", "--svg", "--blocks"):
            self.assertEqual(self.store(form, path).returncode, 0)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_damage_is_shown(self):
        path = self.image()
        with open(path, "rb") as file:
            image = file.read()
        at = image.index(b"waiting 5")
        self.change(path, at, b"W")
        seen = self.json(path)
        self.assertEqual([m["whole"] for m in seen["messages"]].count(False), 1)
        self.assertGreater(seen["bytes"]["damaged"], 800)
        self.assertEqual(seen["records_damaged"], 1)
        self.assertIn("  DAMAGED\n", self.store(path).stdout)
        self.change(path, BLOCK * (at // BLOCK), bytes(reversed(range(40))))
        seen = self.json(path)
        self.assertIn("bad-header", [b["state"] for b in seen["blocks"]])
        self.assertLess(len(seen["messages"]), 8)
        self.assertEqual(sum(seen["bytes"].values()), BLOCK * seen["block_count"])

    def test_noise_everywhere(self):
        path = self.image()
        with open(path, "rb") as file:
            image = file.read()
        for seed in range(40):
            noisy = bytearray(image)
            for place in range(seed * 97 % 1009, 12 * BLOCK, 1009 - seed):
                noisy[place] ^= 1 << seed % 8
            self.change(path, 0, noisy)
            for form in ("--json", "--svg", "--blocks"):
                self.assertIn(self.store(form, path).returncode, (0, 65))

    def test_what_is_no_store(self):
        path = os.path.join(self.place, "file")
        for content, status, words in ((b"", 66, "it is empty"),
                                       (b"some text\n" * 500, 65, "no pinpost store is in it"),
                                       (bytes(262144), 65, "new and empty")):
            with open(path, "wb") as file:
                file.write(content)
            done = self.store(path)
            self.assertEqual((done.returncode, done.stdout), (status, ""))
            self.assertIn(words, done.stderr)
        self.assertEqual(self.store(path + ".not").returncode, 66)
        self.assertEqual(self.store("--xml", path).returncode, 64)

    def test_another_version_is_named_and_left_alone(self):
        path = self.image()
        with open(path, "rb") as file:
            image = bytearray(file.read())
        for start in range(0, len(image), BLOCK):
            if image[start:start + 4] == b"PinQ":
                image[start + 4] = 3
                image[start + 32:start + 36] = struct.pack("<I", crc32c(image[start:start + 32]))
        self.change(path, 0, image)
        done = self.store(path)
        self.assertEqual(done.returncode, 65)
        self.assertIn("format version 3; this pinpost knows version 2", done.stderr)
        self.running.start(wait=False)
        self.assertEqual(self.running.process.wait(10), 65)
        self.assertIn("unknown format, left untouched; `pinpost store` says more",
                      self.running.log())
        with open(path, "rb") as file:
            self.assertEqual(file.read(), image)

    def test_a_store_in_use_says_so(self):
        path = self.image()
        self.running.start()
        self.assertIn("IN USE by a daemon", self.store(path).stdout)
        self.assertTrue(self.json(path)["in_use"])
        self.assertEqual(len(self.running.queue()), 8)

    def test_a_cut_off_dump(self):
        path = self.image()
        os.truncate(path, 10 * BLOCK)
        self.assertIn("the image is CUT OFF", self.store(path).stdout)
        self.assertEqual(self.store("--svg", path).returncode, 0)


if __name__ == "__main__":
    unittest.main()
