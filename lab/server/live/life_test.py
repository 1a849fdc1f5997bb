# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""How a real nicsim with the lab begins, starts itself anew and ends: ports, tokens, processes, descriptors; and what
it serves besides the lab."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error

from live_lab import ACTOR, NICSIM, PATIENCE, Lab, Page, await_that, is_alive
from web_socket import Closed

PLAIN_NICSIM = "nicsim/nicsim"


def children(pid):
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as file:
            found |= {int(child) for child in file.read().split()}
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Life(unittest.TestCase):
    def test_it_starts_itself_anew(self):
        with Lab() as lab:
            page = lab.page()
            counts = set()
            for turn in range(6):
                before = {each["pid"] for each in page.actors.values()}
                self.assertTrue(page.machine(2, 2, ("real", "shrimp-2")[turn % 2])["ok"])
                # The same program at the same port with the same token, or the page would not be here.
                self.assertIsNone(lab.process.poll())
                self.assertEqual(children(lab.process.pid), {each["pid"] for each in page.actors.values()})
                self.assertFalse([pid for pid in before if is_alive(pid)])
                page.must("node-3", do="export", buffer=1)
                counts.add(descriptors(lab.process.pid))
            self.assertEqual(page.connections, 7)
            self.assertLessEqual(max(counts) - min(counts), 4, counts)
            self.assertNotIn(lab.token, open(f"/proc/{lab.process.pid}/cmdline", encoding="utf-8").read())
            for pid in children(lab.process.pid):
                self.assertNotIn(lab.token, open(f"/proc/{pid}/environ", encoding="utf-8").read())

    def test_two_pages_come_back(self):
        with Lab() as lab:
            page, other = lab.page(), lab.page()
            page.begin("free-play")
            page.say(type="machine", request=1, rows=1, columns=2, clock="shrimp-2")
            for each in (page, other):
                each.until_closed()
                each.connect()
                each.until(lambda each=each: each.begun, "begun")
                self.assertEqual(each.hello["clock"], "shrimp-2")

    def test_a_scene_at_the_beginning_has_its_own_machine(self):
        with Lab("--lab-scene", "your-turn") as lab:
            page = lab.page()
            while page.begun is None:
                try:
                    page.next()
                except Closed:  # it is starting itself anew for the scene
                    page.connect()
            self.assertEqual(page.begun["scene"], "your-turn")
            self.assertEqual((page.hello["clock"], page.hello["rows"]), ("shrimp-2", 2))

    def test_killed_it_leaves_nothing(self):
        for clock in ("real", "shrimp-2"):
            for busy in (False, True):
                with self.subTest(clock=clock, busy=busy), Lab() as lab:
                    page = lab.page()
                    page.machine(4, 4, clock)
                    if busy:
                        page.start("node-0", do="compute", ns=60_000_000_000)
                        page.start("node-1", do="wait_notification", buffer=1)
                    actors = children(lab.process.pid)
                    self.assertEqual(len(actors), 16)
                    lab.process.kill()
                    lab.process.wait()
                    await_that(lambda: not any(is_alive(pid) for pid in actors), "the actors' end")
                    self.assertTrue(is_free(lab.port))
                    with open("/proc/net/unix", encoding="utf-8") as file:
                        self.assertNotIn(lab.name, file.read())

    def test_asked_to_end_it_ends(self):
        with Lab() as lab:
            page = lab.page()
            page.begin("free-play")
            page.start("node-0", do="compute", ns=60_000_000_000)
            actors = children(lab.process.pid)
            lab.process.send_signal(signal.SIGTERM)
            self.assertEqual(lab.process.wait(), 0)
            self.assertFalse([pid for pid in actors if is_alive(pid)])

    def test_free_play_at_the_beginning_keeps_the_machine(self):
        with Lab("--lab-scene", "free-play", nodes="2x2") as lab:
            page = lab.page()
            page.until(lambda: page.begun, "begun")
            self.assertEqual((page.hello["clock"], page.hello["rows"], page.hello["columns"]), ("real", 2, 2))
            self.assertEqual((page.connections, len(page.actors)), (1, 4))

    def test_asked_to_end_while_it_starts_itself_anew_it_ends(self):
        # It takes leave of its pages for 100 ms, and then runs its own program once more.
        for delay_ms in (0, 50, *range(99, 109), 150, 300):
            with self.subTest(delay_ms=delay_ms), Lab() as lab:
                page = lab.page()
                page.say(type="machine", request=1, rows=2, columns=2, clock="shrimp-2")
                try:
                    page.say(type="begin", request=2, scene="free-play")
                    page.hear("problem")  # refused as soon as it has begun to take leave
                except Closed:  # it came too late for that
                    pass
                time.sleep(delay_ms / 1000)
                lab.process.send_signal(signal.SIGTERM)
                self.assertEqual(lab.process.wait(PATIENCE), 0)
                self.assertTrue(is_free(lab.port))

    def test_why_an_actor_could_not_attach_is_told(self):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as actor:
            actor.write(f"#!/bin/sh\nVMMC_NODE=99 exec {os.path.abspath(ACTOR)}\n")
            actor.flush()
            copy = actor.name + ".run"
            shutil.copy(actor.name, copy)
            self.addCleanup(os.unlink, copy)
            os.chmod(copy, 0o755)
            with Lab(environment={"VMMC_LAB_ACTOR": copy}) as lab:
                page = lab.page()
                page.say(type="begin", request=1, scene="free-play")
                self.assertIn("could not attach: ", page.hear("problem")["sentence"])

    def run_to_the_end(self, *arguments):
        return subprocess.run([NICSIM, "--foreground", *arguments], capture_output=True, text=True, check=False)

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for lab in ([], ["--lab"]):
                ended = self.run_to_the_end("--http", str(port), *lab)
                self.assertNotEqual(ended.returncode, 0)
                self.assertEqual(ended.stdout, "")
                self.assertIn(f"another program listens at 127.0.0.1:{port} already; choose another port", ended.stderr)

    def test_a_descriptor_that_is_no_listening_socket(self):
        ended = self.run_to_the_end("--http-fd", "17")
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("descriptor 17 is no TCP socket that listens", ended.stderr)

    def test_a_socket_that_was_handed_over(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            token = "0123456789abcdef" * 2
            with Lab(listener=listener.fileno(), environment={"VMMC_LAB_TOKEN": token}) as lab:
                lab.port, lab.token = listener.getsockname()[1], token
                page = Page(lab)
                self.assertTrue(page.begin("deliberate-update")["ok"])  # starts it anew
                done, _ = page.step(0)
                self.assertTrue(done["ok"], done)
                self.assertIn("vmmc_", lab.get("/metrics"))

    def test_metrics(self):
        with Lab() as lab:
            page = lab.page()
            page.begin("free-play")
            page.must("node-1", do="export", buffer=7)
            page.must("node-0", do="import", **{"from": "node-1", "as": "inbox"}, buffer=7, timeout_ms=60000)
            page.must("node-0", do="send", proxy="inbox", bytes=64, fence=True)
            text = lab.get("/metrics")
            self.assertTrue(text.endswith("# EOF\n"), text[-100:])
            self.assertIn("# TYPE ", text)
            page.until(lambda: page.snapshot and page.snapshot["processes"], "the processes")
            sent = [line for line in text.splitlines() if "packets_sent" in line and 'node="0"' in line]
            self.assertEqual([line.split()[-1] for line in sent], ["1"], sent)
            with self.assertRaises(urllib.error.HTTPError) as refused:
                lab.get("/metrics", host="evil.example:80")
            self.assertEqual(refused.exception.code, 421)
            with self.assertRaises(urllib.error.HTTPError) as refused:
                lab.get("/")
            self.assertEqual(refused.exception.code, 404)
            self.assertIn("<html", lab.get(f"/{lab.token}/"))

    def test_the_plain_nicsim_has_no_web_code(self):
        with open(PLAIN_NICSIM, "rb") as file:
            plain = file.read()
        with open(NICSIM, "rb") as file:
            web = file.read()
        for trace in (b"5beast", b"websocket", b"--http", b"HTTP/1.1"):
            self.assertNotIn(trace, plain)
            self.assertIn(trace, web)


if __name__ == "__main__":
    unittest.main(verbosity=2)
