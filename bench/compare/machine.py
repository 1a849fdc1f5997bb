# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""What the reader of a comparison must know about the machine, and how restless it was."""

import datetime
import os
import platform
import re
import subprocess


def first_line(path, otherwise="unknown"):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip() or otherwise
    except OSError:
        return otherwise


def cpu_info():
    """(model name, flags) of the first core."""
    fields = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                fields.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    return fields.get("model name", platform.machine()), fields.get("flags", "").split()


def caches():
    """["L1 Data 48K", "L2 Unified 1024K", ...] of core 0; empty where the kernel does not say."""
    directory = "/sys/devices/system/cpu/cpu0/cache"
    found = []
    try:
        names = sorted(name for name in os.listdir(directory) if re.fullmatch(r"index\d+", name))
    except OSError:
        return found
    for name in names:
        level, kind, size = (first_line(f"{directory}/{name}/{fact}") for fact in ("level", "type", "size"))
        found.append(f"L{level} {kind} {size}")
    return found


def facts():
    model, flags = cpu_info()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "allowed_cores": sorted(os.sched_getaffinity(0)),
        "virtual_machine": "hypervisor" in flags,
        "caches": caches(),
        "kernel": f"{platform.system()} {platform.release()}",
        "governor": first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def core_time():
    """(stolen, all) ticks of all cores since boot. Stolen: the hypervisor gave the time to others."""
    # user nice system idle iowait irq softirq steal; what follows is contained in the first two.
    ticks = [int(text) for text in first_line("/proc/stat", "cpu 0").split()[1:9]]
    return (ticks[7] if len(ticks) == 8 else 0), sum(ticks)


def stolen_share(before, after):
    """The share of the time between two core_time() that a hypervisor took, 0..1."""
    total = after[1] - before[1]
    return (after[0] - before[0]) / total if total > 0 else 0.0


def package_versions(packages):
    """{package: version} of Debian packages; None for one that is not installed."""
    versions = {}
    for package in packages:
        try:
            found = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Version}", package],
                                   capture_output=True, text=True, check=False).stdout.split()
        except OSError:
            found = []
        versions[package] = found[1] if len(found) == 2 and found[0] == "ii" else None
    return versions
