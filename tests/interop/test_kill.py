"""SIGKILL at 100 random instants while 500 alerts come in and go out.

What was acknowledged arrives. What arrives twice was cut off after its final dot, and is the same
message both times. The seed is printed; PP_SEED=seed replays the instants.
"""
import collections
import email
import email.policy
import os
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.case import Case
from lib.relay import SLOW
from smarthost import DELAY, GO

TIME_LIMIT_S = 420
ALERTS, KILLS, SENDERS = 500, 100, 4
LONGEST_LIFE_S = 0.35 * SLOW


class Kill(Case):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("PP_SEED") or random.randrange(1 << 32))
        print(f"PP_SEED={seed} replays this", flush=True)
        self.source = random.Random(seed)
        self.pace = threading.Semaphore(0)  # so many alerts a life of the daemon
        self.next_lock, self.next_index = threading.Lock(), 0
        self.acknowledged, self.outcomes = {}, collections.Counter()

    def take_index(self):
        with self.next_lock:
            index = self.next_index
            self.next_index += 1
            return index

    def send_alerts(self, relay):
        while True:
            self.pace.acquire()
            index = self.take_index()
            if index >= ALERTS:
                return
            text = f"text of {index}\n" + "x" * (index * 7)
            done = relay.send("-s", f"alert {index}", given=text)
            words = done.stdout + done.stderr
            if done.returncode == 0 and b"queued as" in words:
                self.outcomes["queued"] += 1
                self.acknowledged[index] = "queued"
            elif done.returncode == 0:
                self.outcomes["dropped"] += 1
                self.acknowledged[index] = "dropped"
            else:
                self.outcomes[f"status {done.returncode}"] += 1

    def slow_dot(self, stage, session):
        """A pause before and after the reply: room for a kill to fall in between."""
        if stage == "DOT":
            return [DELAY(self.source.random() * 0.02), GO]
        return None

    def live_and_die(self, relay):
        """KILLS lives of random length; the instants of their ends."""
        ends = []
        for _ in range(KILLS):
            relay.start(wait=self.source.random() < 0.7)  # some die while they mount
            for _ in range(ALERTS // KILLS):
                self.pace.release()
            time.sleep(self.source.random() * LONGEST_LIFE_S)
            relay.kill()
            ends.append(time.time())
        return ends

    def test_what_was_acknowledged_arrives(self):
        host = self.smarthost(script=self.slow_dot)
        relay = self.relay(host, start=False)
        relay.conf["queue"].update(retry_first="100ms", retry_longest="200ms", size="16M")
        senders = [threading.Thread(target=self.send_alerts, args=(relay,), daemon=True)
                   for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        self.live_and_die(relay)
        relay.start()
        for _ in range(SENDERS):
            self.pace.release()
        for sender in senders:
            sender.join(60)
        relay.wait_empty(60)
        self.until(lambda: not [n for n in os.listdir(relay.path("drop")) if n.startswith("new-")],
                   "an empty drop directory", 30)
        relay.wait_empty(60)
        self.judge_arrivals(host)
        self.assertEqual(relay.find("damaged"), [])

    def judge_arrivals(self, host):
        arrived = collections.defaultdict(list)
        for mail in host.mails:
            arrived[int(mail.header("Subject").removeprefix("alert "))].append(mail)
        last_of_session = {mail.session: mail for mail in host.mails}
        print(f"{dict(self.outcomes)}; {len(host.mails)} deliveries of {len(arrived)} alerts, "
              f"{host.connections} connections", flush=True)
        self.assertEqual(sum(self.outcomes.values()), ALERTS)
        self.assertGreater(self.outcomes["queued"], ALERTS // 10)
        lost = [i for i in self.acknowledged if i not in arrived]
        self.assertEqual(lost, [], "acknowledged and lost")
        for index, mails in arrived.items():
            text = f"text of {index}\n" + "x" * (index * 7)
            for mail in mails:
                message = email.message_from_bytes(mail.data, policy=email.policy.default)
                content = message.get_content().replace("\r\n", "\n")
                self.assertEqual(content.rstrip("\n"), text.rstrip("\n"))
            self.assertEqual(len({m.header("Message-ID") for m in mails}), 1,
                             f"alert {index} ({self.acknowledged.get(index)}) arrived as "
                             f"different messages: {[m.header('Message-ID') for m in mails]}")
            for mail in mails[:-1]:
                self.assertIs(last_of_session[mail.session], mail,
                              f"alert {index} came again though its connection lived on")


if __name__ == "__main__":
    unittest.main()
