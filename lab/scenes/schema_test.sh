#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Every scene is well formed; and what is not is found.
set -euo pipefail
cd "$TEST_SRCDIR/$TEST_WORKSPACE/lab/scenes"
exec python3 - *.json << 'END'
import copy
import json
import os
import sys

import scene_schema

scenes = {}
faults = []
for name in sorted(sys.argv[1:]):
    with open(name, encoding="utf-8") as file:
        scenes[name] = json.load(file)
    faults += scene_schema.check_scene(scenes[name], os.path.basename(name))
numbers = [scene["number"] for scene in scenes.values()]
ids = [scene["id"] for scene in scenes.values()]
if numbers != list(range(1, 14)) or len(set(ids)) != len(ids):
    faults.append(f"numbers {numbers}, ids {ids}")
for sentence in faults:
    print("WRONG:", sentence)

# Each of these spoils a scene that is well formed.
name = "06-deliberate-or-automatic.json"


def spoilt(change):
    scene = copy.deepcopy(scenes[name])
    change(scene)
    return scene_schema.check_scene(scene, name)


spoilers = [
    lambda s: s["steps"][0]["predict"].update(answer=3),
    lambda s: s["steps"][0]["predict"].update(choices=["one"]),
    lambda s: s["steps"][0].update(explain="word " * 91),
    lambda s: s["steps"][0]["commands"][0].update(do="dance"),
    lambda s: s["steps"][0]["commands"][0].update(bytes=1 << 20),
    lambda s: s["steps"][0]["commands"][0].update(by="magic"),
    lambda s: s["steps"][0]["commands"][0].update(hurry=True),
    lambda s: s["steps"][0]["commands"][0].update(actor="nobody"),
    lambda s: s["steps"][0]["commands"][0].pop("proxy"),
    lambda s: s["steps"][3]["commands"][0].update(bytes="$size"),
    lambda s: s["steps"][3]["parameters"][0].update(initial=5),
    lambda s: s["steps"][3]["parameters"][0].update(values=[512, 0]),
    lambda s: s["steps"][3]["plot"].update(x="size"),
    lambda s: s["steps"][0]["expect"][0].update(command=9),
    lambda s: s["steps"][0]["expect"].append({"hope": 1}),
    lambda s: s["steps"][1].update(id="word"),
    lambda s: s["steps"][1].update(after=["nowhere"]),
    lambda s: s["steps"][1].update(after=["page"]),
    lambda s: s["steps"][1].update(after=[]),
    lambda s: s["steps"][1].update(once="yes"),
    lambda s: s.pop("machine"),
    lambda s: s.update(explain="only free play has one"),
    lambda s: s.update(steps=s["steps"][:1]),
    lambda s: s.update(number=7),
    lambda s: s["machine"].update(rows=17),
    lambda s: s["actors"][0].update(node=2),
]
missed = [number for number, change in enumerate(spoilers) if not spoilt(change)]
if missed:
    print("WRONG: not found:", missed)
sys.exit(1 if faults or missed else 0)
END
