#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""A contestant that measures nothing and answers at once, for the test of compare.py: its file name says how it behaves."""

import json
import os
import sys
import time

NAME = os.path.basename(sys.argv[0])
ALL = "latency,bandwidth,rate,wakeup,alltoall,idle"
UNIT = {"vmmc": 1500, "half": 3000}  # ns, of which everything is a multiple; of the others 1000


def drifting(key):
    """1000, 2000, 4000, ... from call to call with the same arguments."""
    counter = f"{os.path.abspath(sys.argv[0])}.{key}"
    calls = os.path.getsize(counter) if os.path.exists(counter) else 0
    with open(counter, "a", encoding="utf-8") as file:
        file.write(".")
    return 1000 << calls


def answer(measure, size):
    unit = drifting(f"{measure}.{size}") if NAME == "drift" else UNIT.get(NAME, 1000)
    found = {"contestant": f"{NAME}-send", "measure": measure, "bytes": size, "checked": NAME != "liar", "samples": 10}
    if measure in ("latency", "wakeup"):
        times = unit * (1 if measure == "latency" else 7)
        found |= {"min_ns": times - 1, "p50_ns": times, "p90_ns": times + 1, "p99_ns": times + 2}
    elif measure == "bandwidth":
        found["bytes_per_second"] = 1e13 / unit
    elif measure == "idle":
        found["cpu_seconds_per_second"] = 0.0 if NAME == "vmmc" else 1.0
    else:
        found["messages_per_second"] = 1e9 / unit
    return found


def main(arguments):
    if arguments == ["--list"]:
        print(f"{NAME}-send {ALL if NAME != 'half' else 'latency,bandwidth'} {'SLEEPS' if NAME == 'vmmc' else 'POLLS'}")
        return 0
    given = dict(zip(arguments[::2], arguments[1::2]))
    if not {"--variant", "--measure", "--bytes", "--cpus", "--milliseconds"} <= set(given):
        print("an argument is missing", file=sys.stderr)
        return 1
    measure, size = given["--measure"], int(given["--bytes"])
    if NAME == "broken" and measure == "latency":
        print("the wheel came off", file=sys.stderr)
        return 1
    if NAME == "careful":
        print("no such measure here" if measure == "rate" else "the peer says no", file=sys.stderr)
        return 2 if measure == "rate" else 3
    if NAME == "sleeper" and measure == "wakeup":
        time.sleep(100)
    if measure == "alltoall" and "--processes" not in given:
        return 1
    print(json.dumps(answer(measure, size) | ({"processes": int(given["--processes"])} if measure == "alltoall" else {})))
    return 0


sys.exit(main(sys.argv[1:]))
