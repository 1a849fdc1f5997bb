# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Checks a Chrome trace event file more strictly than any viewer does.

check_perfetto.py FILE: says what is in it, or what is wrong, and then ends with 1.
check_perfetto.py --self-test FILE: breaks a good file in many ways, each of which has to be found.
"""
import copy
import json
import sys
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

NEEDED = {
    "X": ("name", "cat", "pid", "tid", "ts", "dur", "args"),
    "i": ("name", "cat", "pid", "tid", "ts", "s"),
    "C": ("name", "pid", "ts", "args"),
    "M": ("name", "pid", "tid", "args"),
    "s": ("name", "cat", "pid", "tid", "ts", "id"),
    "f": ("name", "cat", "pid", "tid", "ts", "id", "bp"),
}
METADATA = {
    "process_name": ("name", str),
    "thread_name": ("name", str),
    "process_sort_index": ("sort_index", int),
    "thread_sort_index": ("sort_index", int),
}


class Wrong(Exception):
    pass


def require(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(part) for part in what))


def once(pairs):
    members = dict(pairs)
    require(len(members) == len(pairs), "a key stands twice in", [key for key, _ in pairs])
    return members


def load(path):
    with open(path, encoding="ascii") as file:
        return json.load(file, object_pairs_hook=once, parse_float=Decimal)


def check_members(event):
    phase = event.get("ph")
    require(phase in NEEDED, "unknown phase in", event)
    for key in NEEDED[phase]:
        require(key in event, "no", key, "in", event)
    require(isinstance(event["name"], str) and event["name"], "no name in", event)
    for key in ("pid", "tid"):
        require(isinstance(event.get(key, 1), int) and event.get(key, 1) > 0, key, "in", event)
    for key in ("ts", "dur"):
        require(isinstance(event.get(key, 0), (int, Decimal)) and event.get(key, 0) >= 0, key, "in", event)
    if phase == "i":
        require(event["s"] in ("g", "p", "t"), "scope in", event)
    if phase == "M":
        key, kind = METADATA.get(event["name"], (None, None))
        require(isinstance(event["args"].get(key), kind or ()), "metadata", event)
    if phase == "C":
        require(event["args"] and all(isinstance(value, int) and 0 <= value < 2**53
                                      for value in event["args"].values()), "counter", event)


def check_names(events):
    processes, threads, order, owner = set(), set(), set(), {}
    for event in events:
        track = (event["pid"], event.get("tid"))
        if event["ph"] == "M":
            {"process_name": processes, "thread_name": threads, "thread_sort_index": order}.get(
                event["name"], set()).add(track if event["name"].startswith("thread") else event["pid"])
        if track[1] is not None:
            require(owner.setdefault(track[1], track[0]) == track[0], "thread", track[1], "has two processes")
    for event in events:
        require(event["pid"] in processes, "process without a name in", event)
        if "tid" in event:
            require((event["pid"], event["tid"]) in threads & order, "thread without a name in", event)


def nanoseconds(time):
    """As Perfetto keeps times: cut off."""
    return int(Fraction(time) * 1000)


def check_slices(events):
    """The slices of each track, in order; they neither overlap nor nest, not even in whole ns."""
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            require(event["dur"] > 0, "a slice without a duration", event)
            tracks[event["pid"], event["tid"]].append(event)
    for slices in tracks.values():
        slices.sort(key=lambda event: event["ts"])
        for before, after in zip(slices, slices[1:]):
            require(before["ts"] + before["dur"] <= after["ts"], "overlap of", before, after)
            require(nanoseconds(before["ts"]) + nanoseconds(before["dur"]) <= nanoseconds(after["ts"]),
                    "overlap in ns of", before, after)
    return tracks


def slice_at(tracks, event):
    inside = [piece for piece in tracks[event["pid"], event["tid"]]
              if piece["ts"] <= event["ts"] < piece["ts"] + piece["dur"]]
    require(len(inside) == 1, len(inside), "slices under", event)
    return inside[0]


def check_arrows(events, tracks):
    ends = {"s": {}, "f": {}}
    for event in events:
        if event["ph"] in ends:
            require(isinstance(event["id"], str) and event["id"].startswith("0x"), "id in", event)
            number = int(event["id"], 16)
            require(0 < number < 2**64 and number not in ends[event["ph"]], "id twice in", event)
            ends[event["ph"]][number] = event
            require(event.get("bp", "e") == "e", "bp in", event)
    require(ends["s"].keys() == ends["f"].keys(), "arrows with one end:", ends["s"].keys() ^ ends["f"].keys())
    for number, start in ends["s"].items():
        finish = ends["f"][number]
        require((start["name"], start["cat"]) == (finish["name"], finish["cat"]), "names of", start, finish)
        require(start["ts"] <= finish["ts"], "an arrow into the past", start, finish)
        source, target = slice_at(tracks, start), slice_at(tracks, finish)
        require(source["name"] == "packet sent" and source is not target, "source of", start)
        for key in ("operation", "packet"):
            require(source["args"][key] == target["args"][key], key, "of", source, target)
    return len(ends["s"])


def check(document):
    require(set(document) == {"displayTimeUnit", "otherData", "traceEvents"}, "members", list(document))
    require(document["displayTimeUnit"] in ("ms", "ns"), "displayTimeUnit")
    events = document["traceEvents"]
    for event in events:
        check_members(event)
    check_names(events)
    tracks = check_slices(events)
    arrows = check_arrows(events, tracks)
    count = {phase: sum(event["ph"] == phase for event in events) for phase in NEEDED}
    return "%d slices, %d instants, %d arrows, %d counter values" % (count["X"], count["i"], arrows, count["C"])


def self_test(document):
    def first(events, phase):
        return next(event for event in events if event["ph"] == phase)

    def overlap(events):
        events.append(dict(first(events, "X"), ts=first(events, "X")["ts"] + Decimal("0.0001")))

    breaks = {
        "an arrow without its end": lambda events: events.remove(first(events, "f")),
        "an arrow without its start": lambda events: events.remove(first(events, "s")),
        "another id": lambda events: first(events, "s").update(id="0xfffff"),
        "an arrow beside its slice": lambda events: first(events, "s").update(ts=0),
        "slices that overlap": overlap,
        "no duration": lambda events: first(events, "X").pop("dur"),
        "no time": lambda events: first(events, "i").pop("ts"),
        "a negative counter": lambda events: first(events, "C").update(args={"bytes": -1}),
        "no name of a thread": lambda events: events.remove(
            next(event for event in events if event["name"] == "thread_name")),
        "no name of a process": lambda events: events.remove(first(events, "M")),
        "a thread of two processes": lambda events: first(events, "X").update(pid=1),
        "an unknown phase": lambda events: first(events, "X").update(ph="Y"),
        "no binding": lambda events: first(events, "f").update(bp="x"),
    }
    for name, damage in breaks.items():
        broken = copy.deepcopy(document)
        damage(broken["traceEvents"])
        try:
            check(broken)
        except Wrong:
            continue
        raise Wrong("not found: " + name)
    return "%d defects found" % len(breaks)


def main(arguments):
    try:
        if arguments[0] == "--self-test":
            print(self_test(load(arguments[1])))
        else:
            print(check(load(arguments[0])))
    except (Wrong, ValueError) as error:
        sys.exit("wrong: %s" % error)


main(sys.argv[1:])
