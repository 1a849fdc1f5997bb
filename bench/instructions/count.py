#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions of each operation with valgrind's callgrind, and compares them with the baseline.

    count.py NICSIM OPERATIONS BASELINE [--write]

Exit status 1 if a count is more than a tenth above its baseline, or an operation has none. --write replaces the baseline.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

TIMES = 4096  # of each operation, as operations.cc has it
TOLERANCE = 1.10
PREFIX = "measure_"
INSTRUMENTED = re.compile(rb"__(asan|tsan|ubsan)_")


def instrumented(program):
    with open(program, "rb") as file:
        return INSTRUMENTED.search(file.read()) is not None


def profile(nicsim, operations, folder):
    """Runs a receiver, and a sender under callgrind. Returns callgrind's file."""
    socket = os.path.join(folder, "s")
    environment = dict(os.environ, VMMC_SOCKET=socket)
    environment.pop("VMMC_EXECUTOR", None)
    output = os.path.join(folder, "profile")
    server = subprocess.Popen([nicsim, "--foreground", "--socket", socket], stderr=subprocess.DEVNULL)
    while not os.path.exists(socket) and server.poll() is None:
        time.sleep(0.01)
    receiver = subprocess.Popen([operations, "receiver"], stdin=subprocess.PIPE, env=environment)
    try:
        command = ["valgrind", "--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*" + PREFIX + "*",
                   "--callgrind-out-file=" + output, operations, "sender", str(server.pid)]
        done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, timeout=200, check=False)
        if done.returncode != 0:
            sys.exit("the sender failed:\n" + done.stderr)
    finally:
        receiver.stdin.close()
        server.send_signal(signal.SIGCONT)
        receiver.wait(timeout=20)
        server.terminate()
        server.wait(timeout=20)
    return output


def inclusive_counts(output):
    """Instructions inside each measured loop, by its name."""
    report = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", output],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    counts = {}
    for line in report.splitlines():
        found = re.match(r"\s*([\d,]+)[^:]*:(?:.*::)?" + PREFIX + r"(\w+)", line)
        if found:
            counts.setdefault(found.group(2), int(found.group(1).replace(",", "")))
    return counts


def read_baseline(path):
    baseline = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, count = line.split()
                baseline[name] = float(count)
    return baseline


def write_baseline(path, measured):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# Instructions of one operation, loop excluded; written by ./run instructions --write.\n")
        for name, count in measured.items():
            file.write(f"{name:16} {count:.1f}\n")


def compare(measured, baseline):
    """Prints a line for each operation; False if one has become dearer, or is new or gone."""
    good = True
    print(f"{'operation':16} {'now':>8} {'baseline':>9}")
    for name in sorted(set(measured) | set(baseline)):
        now, before = measured.get(name), baseline.get(name)
        verdict = ""
        if now is None or before is None:
            verdict = "only in one of the two"
        elif now > before * TOLERANCE:
            verdict = "more than a tenth above the baseline"
        elif now < before / TOLERANCE:
            verdict = "better: write a new baseline"
        good &= not verdict or verdict.startswith("better")
        shown = ["-" if number is None else f"{number:.1f}" for number in (now, before)]
        print(f"{name:16} {shown[0]:>8} {shown[1]:>9}  {verdict}".rstrip())
    return good


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[4:] not in ([], ["--write"]):
        sys.exit(__doc__)
    nicsim, operations, path = sys.argv[1:4]
    if instrumented(operations):
        print("built with checks in the code, whose instructions are not meant: nothing is counted")
        return 0
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        counts = inclusive_counts(profile(nicsim, operations, folder))
    overhead = counts.pop("empty_loop")
    measured = {name: round((count - overhead) / TIMES, 1) for name, count in counts.items()}
    if sys.argv[4:]:
        write_baseline(path, measured)
    return 0 if compare(measured, read_baseline(path)) else 1


if __name__ == "__main__":
    sys.exit(main())
