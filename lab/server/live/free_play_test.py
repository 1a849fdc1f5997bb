# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Free play with a real nicsim: every command once, faults, pace, deaths, bounds."""

import os
import signal
import time
import unittest

from live_lab import Lab, await_that, is_alive


def inbox(page, pages=1):
    """Buffer 7 of node-1, which node-0 has imported as `inbox`."""
    page.must("node-1", do="export", buffer=7, pages=pages, handler=True)
    page.must("node-0", do="import", **{"from": "node-1", "as": "inbox"}, buffer=7, access="rw", timeout_ms=60000)


class Cases:
    CLOCK = ""

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.page = self.lab.page()
        begun = self.page.machine(1, 2, self.CLOCK)
        self.assertTrue(begun["ok"], begun)
        self.assertEqual(self.page.hello["clock"], self.CLOCK)

    def text(self, count=5, offset=0):
        return self.page.must("node-1", do="read", buffer=7, offset=offset, bytes=count)["text"]

    def test_every_command_once(self):
        page = self.page
        inbox(page, pages=2)
        page.must("node-0", do="export", buffer=8)
        page.must("node-1", do="import", **{"from": {"node": 0, "process": 0}, "as": "back"}, buffer=8)
        page.must("node-0", do="send", proxy="inbox", text="hello", fence=True)
        self.assertEqual(self.text(), "hello")
        page.must("node-0", do="send", proxy="inbox", value=0x41414141, bytes=8, offset=64)
        page.must("node-0", do="fence")
        self.assertEqual(self.text(8, 64), "A" * 8)
        page.must("node-0", do="send", proxy="inbox", bytes=64, notify=True, immediate=9, offset=128, fence=True)
        self.assertEqual(page.must("node-1", do="handled", **{"await": 1})["calls"][0]["immediate"], 9)
        page.must("node-1", do="block")
        page.must("node-0", do="send", proxy="inbox", value=4, notify=True, immediate=10)
        self.assertEqual(page.must("node-1", do="wait_notification", buffer=7, timeout_ms=60000)["immediate"], 10)
        page.must("node-1", do="unblock")
        self.assertEqual(page.must("node-0", do="fetch", proxy="inbox", offset=64, bytes=4)["hex"], "41414141")
        self.assertEqual(page.must("node-0", do="add", proxy="inbox", offset=64, value=1)["previous"], 0x41414141)
        self.assertEqual(page.must("node-1", do="wait", buffer=7, offset=64, value=0x41414142)["found"], 0x41414142)
        page.must("node-0", do="bind", proxy="inbox", **{"as": "page"}, buffer=8)
        page.must("node-0", do="store", binding="page", text="typed")
        page.must("node-0", do="flush")
        page.must("node-0", do="fence")
        self.assertEqual(self.text(), "typed")
        self.assertGreaterEqual(page.must("node-0", do="stores", binding="page", count=16)["packets"], 1)
        page.must("node-0", do="unbind", binding="page")
        page.must("node-0", do="compute", ns=1000)
        consumed = page.start_beside("node-1", do="consume", buffer=7, messages=3, bytes=64, interval_ns=1000)
        page.must("node-0", do="stream", proxy="inbox", messages=3, bytes=64, interval_ns=1_000_000)
        self.assertTrue(page.answer(consumed)["ok"])
        answered = page.start_beside("node-1", do="answer", proxy="back", buffer=7, by="spin", count=5)
        self.assertGreater(page.must("node-0", do="round_trip", proxy="inbox", buffer=8, by="spin", count=5)["one_way_ns"], 0)
        self.assertTrue(page.answer(answered)["ok"])
        for by in ("deliberate", "automatic"):
            self.assertGreater(page.must("node-0", do="update", proxy="inbox", bytes=512, density=50, by=by)["ns"], 0)
        self.assertEqual(page.must("node-0", do="forge", proxy="inbox", how="past_end")["refused"], "OUTSIDE_PROXY")
        self.assertGreater(page.must("node-0", do="counters")["counters"]["packets_sent"], 5)
        page.must("node-0", do="unimport", proxy="inbox")
        page.must("node-1", do="unexport", buffer=7)
        self.assertTrue(page.play("node-1", do="abort")["ok"])
        page.until(lambda: page.actors["node-1"]["state"] == "ended", "the end")

    def test_sixteen_nodes(self):
        self.page.machine(4, 4, self.CLOCK)
        self.assertEqual((self.page.hello["rows"], self.page.hello["columns"]), (4, 4))
        self.assertEqual(len(self.page.actors), 16)
        page = self.page
        page.must("node-15", do="export", buffer=1)
        page.must("node-0", do="import", **{"from": "node-15", "as": "far"}, buffer=1, timeout_ms=60000)
        page.must("node-0", do="send", proxy="far", text="far away", fence=True)
        self.assertEqual(page.must("node-15", do="read", buffer=1, bytes=8)["text"], "far away")
        page.until(lambda: any(each["event"] == "packet_sent" and each["peer"] == 15 for each in page.records), "it")

    def test_a_bound_page_shows_what_is_typed(self):
        page = self.page
        inbox(page)
        page.until(lambda: page.snapshot and page.snapshot["exports"], "the export")
        page.must("node-0", do="bind", proxy="inbox", **{"as": "page"}, combining="single")
        place = page.look_at_buffer(1, 7)
        for number, letter in enumerate("Hello"):
            page.must("node-0", do="store", binding="page", text=letter, offset=number)
            seen = "Hello"[:number + 1].encode()
            page.until(lambda: page.bytes.get(place, b"").startswith(seen), letter)

    def fault(self, **members):
        self.page.say(type="fault", **members)

    def test_faults(self):
        page = self.page
        inbox(page)
        self.fault(action="drop", **{"from": 0, "to": 1})
        page.must("node-0", do="send", proxy="inbox", text="gone!", fence=True)
        self.assertEqual(self.text(), ".....")
        page.until(lambda: page.snapshot["faults"]["dropped"] == 1, "a packet was dropped")
        page.until(lambda: any(each["event"] == "packet_dropped" for each in page.records), "its record")
        self.fault(action="corrupt", **{"from": 0, "to": None})
        page.must("node-0", do="send", proxy="inbox", text="wrong", fence=True)
        page.until(lambda: page.snapshot["faults"]["corrupted"] == 1, "a packet was corrupted")
        self.assertNotEqual(self.text(), "wrong")
        page.must("node-0", do="send", proxy="inbox", text="right", fence=True)
        self.assertEqual(self.text(), "right")
        self.fault(action="delay", delay_ns=300_000_000)
        began = time.monotonic()
        took = page.must("node-0", do="send", proxy="inbox", text="later", fence=True)["took_ns"]
        self.assertGreaterEqual(took, 300_000_000)
        if self.CLOCK == "real":
            self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertEqual(self.text(), "later")
        page.until(lambda: page.snapshot["faults"]["delayed"] == 1, "a packet was delayed")
        self.assertEqual(page.snapshot["faults"]["planned"], 0)

    def test_sends_out_of_bounds(self):
        page = self.page
        inbox(page)
        for offset, count in ((4096, 4), (4092, 8), (0, 4100), (8192, 64), (0, 1 << 20)):
            answer = page.play("node-0", do="send", proxy="inbox", offset=offset, bytes=count)
            self.assertEqual(answer["status"], "OUTSIDE_PROXY", answer)
        self.assertEqual(page.must("node-1", do="read", buffer=7, bytes=64)["hex"], "00" * 64)
        self.assertFalse(page.play("node-1", do="read", buffer=7, offset=4090, bytes=64)["ok"])
        self.assertFalse(page.play("node-0", do="send", proxy="nobody", bytes=4)["ok"])

    def test_kill_and_restart(self):
        page = self.page
        inbox(page)
        pid = page.actors["node-1"]["pid"]
        page.say(type="kill", actor="node-1")
        page.until(lambda: page.actors["node-1"]["state"] == "ended", "the end")
        self.assertEqual(page.actors["node-1"]["how"], "killed by signal 9")
        self.assertFalse(is_alive(pid))
        page.until(lambda: not page.snapshot["exports"], "its exports are gone")
        self.assertEqual(page.play("node-0", do="send", proxy="inbox", bytes=4, fence=True)["status"], "PEER_DEAD")
        page.say(type="restart", actor="node-1")
        page.until(lambda: page.actors["node-1"]["state"] == "running", "it runs")
        page.must("node-0", do="unimport", proxy="inbox")
        inbox(page)
        page.must("node-0", do="send", proxy="inbox", text="again", fence=True)
        self.assertEqual(self.text(), "again")

    def test_a_paused_machine_waits_and_goes_on(self):
        page = self.page
        inbox(page)
        page.say(type="pace", mode="paused")
        sent = page.start("node-0", do="send", proxy="inbox", text="hello", fence=True)
        page.until(lambda: page.actors["node-0"]["busy"] == 1, "it is under way")
        # While it stands the page is answered, and others are told of.
        page.say(type="kill", actor="nobody")
        page.hear("problem")
        time.sleep(0.3)
        self.assertEqual(page.actors["node-0"]["busy"], 1)
        self.assertEqual([each for each in page.answers if each["request"] == sent], [])
        page.say(type="pace", mode="step")
        self.assertTrue(page.answer(sent)["ok"])
        page.say(type="pace", mode="paused")
        long = page.start("node-0", do="send", proxy="inbox", bytes=4096, fence=True)
        page.until(lambda: page.actors["node-0"]["busy"] == 1, "it is under way")
        page.say(type="pace", mode="step")
        page.say(type="pace", mode="full")
        self.assertTrue(page.answer(long)["ok"])
        page.say(type="pace", mode="slow", interval_ms=20, slowdown=1000)
        page.must("node-0", do="send", proxy="inbox", text="slow!", fence=True)
        page.say(type="pace", mode="full")
        self.assertEqual(self.text(), "slow!")

    def test_a_scene_begins_anew_while_the_machine_is_paused(self):
        page = self.page
        inbox(page)
        page.say(type="pace", mode="paused")
        page.start("node-0", do="send", proxy="inbox", text="hello", fence=True)
        self.assertTrue(page.begin("free-play")["ok"])
        self.assertTrue(page.begin("deliberate-update", self.CLOCK)["ok"])
        # A step under way, too: paused in its middle, then packet by packet, then at full speed.
        page.say(type="pace", mode="paused")
        request = page.request()
        page.say(type="step", request=request, step=2, parameters={})
        page.until(lambda: page.actors["sender"]["busy"] == 1, "the step")
        for _ in range(3):
            page.say(type="pace", mode="step")
        page.say(type="pace", mode="full")
        _, answers = page.await_step(request)
        self.assertTrue(answers[0]["ok"], answers)
        page.say(type="pace", mode="paused")
        request = page.request()
        page.say(type="step", request=request, step=0, parameters={})
        page.until(lambda: page.actors["sender"]["busy"] == 1, "the step")
        page.say(type="kill", actor="sender")
        # What the step asks of others waits: nobody comes back into simulated time that is held in the middle.
        page.say(type="pace", mode="full")
        page.await_step(request)
        self.assertTrue(page.begin("deliberate-update", self.CLOCK)["ok"])

    def test_any_end_of_an_actor_is_told(self):
        page = self.page
        inbox(page)
        for number, name in ((signal.SIGKILL, "node-0"), (signal.SIGSEGV, "node-1"), (signal.SIGTERM, "node-0")):
            page.say(type="pace", mode="full")
            busy = page.start(name, do="wait_notification" if name == "node-1" else "compute",
                              **({"buffer": 7} if name == "node-1" else {"ns": 30_000_000_000}))
            pid = page.actors[name]["pid"]
            if self.CLOCK == "real":
                page.until(lambda: page.actors[name]["busy"] == 1, "it works")
            os.kill(pid, number)
            page.until(lambda: page.actors[name]["state"] == "ended", "its end")
            self.assertEqual(page.actors[name]["how"], f"killed by signal {int(number)}")
            self.assertIn("ok", page.answer(busy))
            await_that(lambda: not is_alive(pid), "it is gone")
            page.say(type="restart", actor=name)
            page.until(lambda: page.actors[name]["state"] == "running", "it runs")
            page.must(name, do="fence")


class RealTime(Cases, unittest.TestCase):
    CLOCK = "real"


class SimulatedTime(Cases, unittest.TestCase):
    CLOCK = "shrimp-2"


if __name__ == "__main__":
    unittest.main(verbosity=2)
