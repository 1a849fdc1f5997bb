#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Measures VMMC and every peer side by side, round by round on the same cores, and writes compare.json,
compare.md and compare.html. See README.md."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time

import contest
import figures
import machine
import report
from contest import Case

STARTED = time.monotonic()
HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = (8, 64, 512, 4096, 65536, 1 << 20, 16 << 20)
QUICK_SIZES = {"latency": (8, 4096), "bandwidth": (1 << 20,)}
ALL_TO_ALL = ((2, 8), (4, 8), (8, 8), (2, 4096), (4, 4096), (8, 4096))
FAILURES_UNTIL_OUT = 2  # in a row, of one contestant in one case
QUICK_BUDGET = 100  # seconds until no measurement begins any more; the charts come on top


def say(text):
    print(text, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare", description="VMMC and its peers, side by side on this machine.")
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer sizes, one or two short rounds: less than two minutes")
    add("--rounds", type=int, help="how often everything is measured (default 5; 2 with --quick)")
    add("--milliseconds", type=int, help="how long each measurement lasts (default 250; 30 with --quick)")
    add("--only", metavar="TEXT", action="append", default=[],
        help="only contestants or measures whose name contains TEXT; VMMC always takes part; repeatable")
    add("--out", metavar="DIR", default="compare-results", help="where results go (default compare-results)")
    add("--cpus", metavar="A,B[,C]", help="cores of the two processes and of nicsim (default: the first allowed)")
    add("--install", action="store_true", help="install the missing packages of the peers first (apt-get)")
    add("--no-install", action="store_false", dest="install", help="do not; name what is missing (default)")
    add("--seed", type=int, help="of the order in which contestants run (default: random; printed)")
    add("--patience", type=float, metavar="SECONDS",
        help="until a contestant counts as hung (default: 8 with --quick, else 30 and more)")
    add("--report", metavar="JSON", help="measure nothing; write tables and charts of an earlier run again")
    add("--contestants", metavar="DIR", default=os.path.join(HERE, "contestants"), help="where build.sh is that builds the peers")
    add("--packages", metavar="FILE", default=os.path.join(HERE, "packages.txt"), help="the packages of peers and charts")
    add("--vmmc", metavar="PROGRAM", default=os.environ.get("VMMC_COMPARE_VMMC"), help="VMMC's own contestant")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.milliseconds = options.milliseconds or (30 if options.quick else 250)
    if options.rounds < 1 or options.milliseconds < 1:
        parser.error("rounds and milliseconds are at least 1")
    options.cpus = options.cpus or default_cpus()
    return options


def default_cpus():
    """Two cores for the two processes and, where there is one, a third for nicsim."""
    cores = sorted(os.sched_getaffinity(0))
    return ",".join(str(core) for core in (cores * 2 if len(cores) == 1 else cores)[:3])


def install(packages):
    """Installs Debian packages; says what could not be installed."""
    missing = [name for name, version in machine.package_versions(packages).items() if version is None]
    if not missing:
        return
    say(f"Installing {' '.join(missing)}")
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = prefix + ["apt-get", "-q", "install", "-y", "--no-install-recommends"]
    subprocess.run(prefix + ["apt-get", "-q", "update"], stdout=subprocess.DEVNULL, env=environment, check=False)
    if subprocess.run(command + missing, stdout=subprocess.DEVNULL, env=environment, check=False).returncode == 0:
        return
    for package in missing:  # one that cannot be had must not keep the others away
        if subprocess.run(command + [package], stdout=subprocess.DEVNULL, env=environment, check=False).returncode != 0:
            say(f"  {package} cannot be installed")


def newest(directory):
    """When something in a directory, or a header above it, changed last."""
    above = os.path.dirname(directory)
    files = [entry.path for entry in os.scandir(directory)] + [os.path.join(above, name) for name in os.listdir(above) if name.endswith(".h")]
    return max(os.path.getmtime(path) for path in files)


def build(options):
    """[(program, path or None, why it is missing)] of the peers, as build.sh reports them, one a line: `built NAME`,
    `missing NAME: package PACKAGE`, `failed NAME`. What it built stays, if nothing was missing and nothing has changed."""
    target, log = os.path.join(options.out, "bin"), os.path.join(options.out, "build.log")
    reports = os.path.join(target, "reports")
    os.makedirs(target, exist_ok=True)
    said = ""
    if os.path.exists(reports) and os.path.getmtime(reports) > newest(options.contestants):
        with open(reports, encoding="utf-8") as file:
            said = file.read()
    if not said or any(line.startswith(("missing", "failed")) for line in said.splitlines()):
        say("Building the contestants")
        with open(log, "w", encoding="utf-8") as file:
            said = subprocess.run([os.path.join(options.contestants, "build.sh"), target], stdout=subprocess.PIPE, stderr=file,
                                  text=True, errors="replace", check=False).stdout
        with open(reports, "w", encoding="utf-8") as file:
            file.write(said)
    programs = []
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        name, _, reason = rest.partition(": ")
        if word == "built":
            programs.append((name, os.path.join(target, name), None))
        elif word == "missing":
            programs.append((name, None, f"not installed: {reason} (./run compare --install)"))
        elif word == "failed":
            programs.append((name, None, f"it does not compile; see {log}"))
    return programs


def find_contestants(options):
    """(variants, peers): peers as they go into the results, with the reason of each that is missing."""
    programs = [("vmmc", options.vmmc, None if options.vmmc else "--vmmc names no program")] + build(options)
    variants, peers = [], []
    for name, program, missing in programs:
        if missing is None:
            found = contest.list_variants(name, os.path.abspath(program))
            if isinstance(found, str):
                missing = found
            else:
                variants += found
        if missing is not None:
            say(f"Missing: {name}: {missing}")
        peers.append({"peer": name, "missing": missing})
    return variants, peers


def plan(options):
    """The cases, in groups that stay together."""
    sizes = QUICK_SIZES if options.quick else {"latency": SIZES, "bandwidth": SIZES}
    cases = [Case(measure, size) for measure, chosen in sizes.items() for size in chosen]
    cases += [Case("rate", 8), Case("wakeup", 8), Case("idle", 8)]
    return cases + [Case("alltoall", size, processes) for processes, size in (((4, 8),) if options.quick else ALL_TO_ALL)]


def select(texts, variants, cases):
    """What --only leaves. A text names contestants, or measures, or both."""
    def chosen(names_of, things):
        matching = [thing for thing in things if any(text in name for text in texts for name in names_of(thing))]
        return matching or things
    if not texts:
        return variants, cases
    names = {text for text in texts for v in variants if text in v.name}
    unknown = [text for text in texts if text not in names and not any(text in case.label() for case in cases)]
    if unknown:
        sys.exit(f"compare: no contestant and no measure contains {', '.join(unknown)}")
    picked = chosen(lambda v: (v.name,), variants)
    return [v for v in variants if v in picked or v.peer == "vmmc"], chosen(lambda case: (case.label(),), cases)


class Contest:
    """The rounds. `out` holds who has no further try in a case, with the result that it keeps."""

    def __init__(self, options, variants, cases, seed):
        self.options, self.variants, self.cases = options, variants, cases
        self.random = random.Random(seed)
        self.failures, self.out = {}, {}
        self.deadline = STARTED + QUICK_BUDGET if options.quick else None
        self.patience = options.patience or (8 if options.quick else 30 + options.milliseconds / 100)

    def one(self, variant, case):
        key = (variant.name, case)
        if key in self.out:
            return self.out[key]
        if self.deadline is not None and time.monotonic() > self.deadline:
            return {"contestant": variant.name, "measure": case.measure, "bytes": case.bytes, "processes": case.processes,
                    "status": "late", "reason": "the time of --quick was over"}
        result = contest.measure(variant, case, self.options.cpus, self.options.milliseconds, self.patience)
        self.failures[key] = self.failures.get(key, 0) + 1 if result["status"] in ("failed", "timeout", "refused") else 0
        if result["status"] == "cannot" or self.failures[key] >= FAILURES_UNTIL_OUT:
            self.out[key] = result
        return result

    def round(self, number):
        """Case by case, and within each case all contestants one after the other: they meet the same noise."""
        cases = self.random.sample(self.cases, len(self.cases))
        before, started, results = machine.core_time(), time.monotonic(), []
        for position, case in enumerate(cases, 1):
            order = self.random.sample(self.variants, len(self.variants))
            found = [self.one(variant, case) for variant in order]
            results += found
            say(f"round {number}/{self.options.rounds}, {position}/{len(cases)}: {case.label()}: "
                + ", ".join(progress_of(result) for result in found if result["status"] != "cannot"))
        return {"round": number, "seconds": round(time.monotonic() - started, 1),
                "stolen": machine.stolen_share(before, machine.core_time()), "results": results}


def progress_of(result):
    if result["status"] != "ok":
        return f"{result['contestant']} {result['status'].upper()}"
    return f"{result['contestant']} {figures.shown(result['measure'], figures.value_of(result))}"


def measure_all(options):
    variants, peers = find_contestants(options)
    if not variants:
        sys.exit("compare: there is nobody to measure")
    variants, cases = select(options.only, variants, plan(options))
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    facts = machine.facts()
    say(f"{facts['cpu']}, {facts['cores']} cores; {len(variants)} contestants on cores {options.cpus}, {len(cases)} cases, "
        f"{options.rounds} rounds; seed of the order {seed}")
    held = Contest(options, variants, cases, seed)
    rounds = []
    for number in range(1, options.rounds + 1):
        if held.deadline is not None and rounds and time.monotonic() > held.deadline:
            say(f"The time of --quick is over after {len(rounds)} rounds")
            break
        rounds.append(held.round(number))
    return {
        "format": 1, "machine": facts, "peers": peers, "rounds": rounds,
        "packages": machine.package_versions(contest.read_packages(options.packages)),
        "options": {"quick": options.quick, "rounds": options.rounds, "milliseconds": options.milliseconds,
                    "cpus": options.cpus, "seed": seed, "only": options.only},
        "variants": [{"name": v.name, "peer": v.peer, "measures": list(v.measures), "sleeps": v.sleeps} for v in variants],
        "cases": [{"measure": c.measure, "bytes": c.bytes, "processes": c.processes} for c in cases],
    }


def main(arguments):
    options = parse(arguments)
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, "compare.json")
    if options.report:
        with open(options.report, encoding="utf-8") as file:
            results = json.load(file)
    else:
        if options.install:
            install(contest.read_packages(options.packages))
        results = measure_all(options)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
        shutil.move(path + ".new", path)  # an interrupted run leaves the results of the one before
    report.write(results, options.out)
    say(f"Written: {path}, compare.md and compare.html beside it")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
