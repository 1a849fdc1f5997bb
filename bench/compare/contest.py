# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""The contestants: which exist, what they can measure, and one measurement by one of them."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import time

# What the value of each measure is called in a contestant's answer.
VALUES = {
    "latency": "p50_ns",
    "wakeup": "p50_ns",
    "bandwidth": "bytes_per_second",
    "rate": "messages_per_second",
    "alltoall": "messages_per_second",
    "idle": "cpu_seconds_per_second",
}
EXIT_CANNOT = 2
EXIT_REFUSED = 3
NO_SUCH_MEASURE = "this use of the peer has no such measure"
LONGEST_REASON = 300  # characters


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way of using one peer; its name begins with the peer's."""
    name: str
    peer: str
    program: str
    measures: tuple
    sleeps: bool


@dataclasses.dataclass(frozen=True)
class Case:
    """What all contestants are asked for."""
    measure: str
    bytes: int
    processes: int = 2

    def label(self):
        if self.measure == "idle":
            return self.measure
        of = f" {self.processes} processes" if self.measure == "alltoall" else ""
        return f"{self.measure}{of} {size_name(self.bytes)}"


def size_name(count):
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} B"


def last_sentence(text):
    """The last line of what a program said that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST_REASON] if lines else "it said nothing"


def read_packages(path):
    """The packages of a list with one a line and then why; headings in brackets and comments are left out."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [words[0] for words in lines if words and words[0][0] not in "#["]


def run_program(command, seconds):
    """(exit status or None after a timeout, stdout, stderr). What the program has started ends with it."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=seconds)
            return process.returncode, out, err
        except subprocess.TimeoutExpired:
            # SIGTERM first: mpirun then ends its processes, which are not in its group.
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(timeout=3)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            # Not communicate: something that escaped may hold the pipes open.
            return None, "", ""


def list_variants(peer, program, seconds=20):
    """The variants of a program, or a sentence that says why there are none."""
    try:
        status, out, err = run_program([program, "--list"], seconds)
    except OSError as error:
        return f"it cannot be started: {error}"
    if status != 0:
        return f"--list ended with {status}: {last_sentence(err)}"
    variants = []
    for line in out.splitlines():
        fields = line.split()
        if len(fields) != 3 or fields[2] not in ("SLEEPS", "POLLS"):
            return f"--list printed a line that is none of VARIANT MEASURES SLEEPS|POLLS: {line[:80]}"
        variants.append(Variant(fields[0], peer, program, tuple(fields[1].split(",")), fields[2] == "SLEEPS"))
    return variants or "--list printed nothing"


def command_of(variant, case, cpus, milliseconds):
    command = [variant.program, "--variant", variant.name, "--measure", case.measure, "--bytes", str(case.bytes),
               "--cpus", cpus, "--milliseconds", str(milliseconds)]
    return command + (["--processes", str(case.processes)] if case.measure == "alltoall" else [])


def fault_in(answer, variant, case):
    """What is wrong with an answer; None if it can be used."""
    if not isinstance(answer, dict):
        return "its answer is no JSON object"
    for key, expected in (("contestant", variant.name), ("measure", case.measure)):
        if answer.get(key) != expected:
            return f"its answer says {key} {answer.get(key)} instead of {expected}"
    if case.measure != "idle" and answer.get("checked") is not True:
        return "it did not check the payloads"
    if case.measure != "idle" and answer.get("bytes") != case.bytes:
        return f"its answer is about {answer.get('bytes')} bytes"
    value = answer.get(VALUES[case.measure])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"its answer has no {VALUES[case.measure]}"
    if value < 0 or (value == 0 and case.measure != "idle"):
        return f"its answer has {VALUES[case.measure]} {value}"
    return None


def measure(variant, case, cpus, milliseconds, patience):
    """One result, and how many seconds it took to get."""
    started = time.monotonic()
    result = measured(variant, case, cpus, milliseconds, patience)
    return result | {"seconds": round(time.monotonic() - started, 3)}


def measured(variant, case, cpus, milliseconds, patience):
    """Status "ok", "cannot", "refused", "failed" or "timeout"; a reason unless ok; the answer if ok."""
    result = {"contestant": variant.name, "measure": case.measure, "bytes": case.bytes, "processes": case.processes}
    if case.measure not in variant.measures:
        return result | {"status": "cannot", "reason": NO_SUCH_MEASURE}
    try:
        status, out, err = run_program(command_of(variant, case, cpus, milliseconds), patience)
    except OSError as error:
        return result | {"status": "failed", "reason": f"it cannot be started: {error}"}
    if status is None:
        return result | {"status": "timeout", "reason": f"no answer in {patience} s"}
    if status in (EXIT_CANNOT, EXIT_REFUSED):
        return result | {"status": "cannot" if status == EXIT_CANNOT else "refused", "reason": last_sentence(err)}
    if status != 0:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return result | {"status": "failed", "reason": f"{how}: {last_sentence(err)}"}
    try:
        answer = json.loads(out)
    except ValueError:
        return result | {"status": "failed", "reason": f"no JSON: {last_sentence(out)}"}
    fault = fault_in(answer, variant, case)
    if fault is not None:
        return result | {"status": "failed", "reason": fault}
    return result | {"status": "ok", "answer": answer}
