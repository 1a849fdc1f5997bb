#!/usr/bin/env python3
"""Counts test cases in Bazel's reports: count_results.py STATUS FLAGS TARGET...

A test program reports its cases in JUnit form. One that failed without a failed case in its report (it crashed, ran out of
time, or was not built) counts as one failure, so nothing is passed over. The last line is `N passed, N failed`.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree


def test_labels(targets):
    query = "tests({})".format(" + ".join(targets))
    output = subprocess.run(
        ["bazel", "query", "--color=no", "--noshow_progress", query],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return output.stdout.split()


def cases_of(label):
    """(passed, failed, finished) of one test program."""
    folder = os.path.join("bazel-testlogs", *label.lstrip("/").split(":"))
    try:
        root = xml.etree.ElementTree.parse(os.path.join(folder, "test.xml")).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return 0, 0, False
    passed = failed = 0
    for case in root.iter("testcase"):
        bad = any(child.tag in ("failure", "error") for child in case)
        failed += bad
        passed += not bad
    return passed, failed, True


def passed_labels(targets, flags):
    """The labels that Bazel itself holds for passed: asks it again, which costs nothing as results are cached."""
    command = ["bazel", "test", "--color=no", "--curses=no", "--noshow_progress", "--keep_going",
               "--check_tests_up_to_date", "--test_output=summary", "--test_summary=short", *flags, *targets]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False).stdout
    return {line.split()[0] for line in output.splitlines()
            if line.startswith("//") and " PASSED" in line}


def main():
    status = int(sys.argv[1])
    flags = sys.argv[2].split()
    targets = sys.argv[3:]
    try:
        labels = test_labels(targets)
    except subprocess.CalledProcessError:
        labels = []
    if not labels:
        print("test: no test was found in " + " ".join(targets), file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    good = passed_labels(targets, flags) if status != 0 else set(labels)
    passed = failed = 0
    for label in labels:
        case_passed, case_failed, finished = cases_of(label)
        if label in good:
            passed += max(case_passed, 1)
            continue
        failed += max(case_failed, 1)
        passed += case_passed
        print("failed: {}{}".format(label, "" if finished else " (no report: not built or crashed)"))
    if status != 0 and failed == 0:
        failed = 1
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed else 0


sys.exit(main())
