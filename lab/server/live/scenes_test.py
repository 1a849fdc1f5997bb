# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Every shipped scene, each step with its parameters' initial, first and last values, as a page would go through
them: all that is expected of answers, processes, counters, errors and tables holds."""

import sys
import unittest

sys.path.insert(0, "lab/scenes")

from live_lab import Lab, is_alive, scenes  # noqa: E402
from run_scenes import choices_of_parameters  # noqa: E402


class Scenes(unittest.TestCase):
    def test_every_scene(self):
        with Lab() as lab:
            page = lab.page()
            self.assertEqual([each["id"] for each in page.hello["scenes"]], [each["id"] for each in scenes()])
            wrong = []
            ended = {}
            for scene in scenes():
                begun = page.begin(scene["id"])
                self.assertTrue(begun["ok"], (scene["id"], begun))
                if scene["steps"]:
                    machine = {name: page.hello[name] for name in ("clock", "rows", "columns")}
                    self.assertEqual(machine, scene["machine"], scene["id"])
                self.assertFalse([name for name, pid in ended.items() if is_alive(pid)])
                wrong += self.go_through(page, scene)
                ended = {f"{scene['id']}/{each['name']}": each["pid"] for each in page.actors.values()}
            self.assertEqual(wrong, [])
            self.assertGreater(page.connections, 1)

    def test_what_the_texts_say_is_to_be_seen(self):
        with Lab() as lab:
            page = lab.page()

            def seen(scene, step, parameters=None):
                """The records of the step, and its answers."""
                if page.begun is None or page.begun["scene"] != scene:
                    self.assertTrue(page.begin(scene)["ok"])
                ids = [each["id"] for each in next(each for each in scenes() if each["id"] == scene)["steps"]]
                page.records = []
                done, answers = page.step(ids.index(step), parameters)
                self.assertTrue(done["ok"], done)
                return page.records, answers

            def count(records, **members):
                return sum(all(each.get(name) == value for name, value in members.items()) for each in records)

            seen("map", "export")
            records, _ = seen("map", "send")
            self.assertEqual(count(records, event="packet_sent", node=0), 1)
            records, _ = seen("deliberate-update", "large")
            self.assertEqual(count(records, event="packet_sent", node=0), 128)
            self.assertEqual(count(records, event="memory_written", node=1), 128)
            records, answers = seen("deliberate-update", "returns")
            self.assertEqual(answers[0]["took_ns"], 2800)
            self.assertGreater(answers[1]["took_ns"], 4 * 2800)
            records, _ = seen("automatic-update", "type")
            self.assertEqual(count(records, event="store_snooped"), 5)
            records, _ = seen("combining", "single")
            self.assertEqual(count(records, event="packet_sent"), 64)
            for how, status in (("past_end", "OUTSIDE_PROXY"), ("stale_generation", "UNKNOWN_IMPORT"),
                                ("foreign_proxy", "UNKNOWN_IMPORT")):
                before = page.errors(status)
                _, answers = seen("protection", "forged", {"how": how})
                self.assertEqual(answers[0]["refused"], status)
                page.until(lambda: page.errors(status) > before, "its error")
            records, _ = seen("protection", "too-late")
            self.assertGreaterEqual(count(records, event="incoming_lookup", status="PEER_DEAD", node=1), 1)
            for step in ("kill", "restart", "again"):
                _, answers = seen("failure", step)
                if step == "kill":
                    self.assertEqual(answers[0]["status"], "PEER_DEAD")
                    old = page.snapshot["imports"][0]["generation"]
            self.assertNotEqual([each["generation"] for each in page.snapshot["imports"]], [old])
            records, _ = seen("your-turn", "mixed")
            self.assertGreaterEqual(count(records, event="packet_sent", node=3), 2)
            self.assertEqual(count(records, event="notified", node=3), 1)

    def go_through(self, page, scene):
        wrong = []
        for index, step in enumerate(scene["steps"]):
            for parameters in choices_of_parameters(step):
                done, answers = page.step(index, parameters)
                self.assertEqual(sorted(answers), list(range(len(step["commands"]))))
                if not done["ok"] or done["failed"]:
                    wrong.append((scene["id"], step["id"], parameters, done["failed"], answers))
        return wrong


if __name__ == "__main__":
    unittest.main(verbosity=2)
