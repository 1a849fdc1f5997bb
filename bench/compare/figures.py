# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""From raw results to numbers and tables. No measurement is averaged: a cell is the median over the rounds and the range."""

import dataclasses
import statistics

from contest import NO_SUCH_MEASURE, VALUES, Case, size_name

# measure: (heading, what a value is, whether less is better)
MEASURES = {
    "latency": ("Latency by size", "one-way latency, median within a round", True),
    "bandwidth": ("Bandwidth by size", "payload delivered per second", False),
    "rate": ("Message rate", "messages of 8 bytes per second", False),
    "wakeup": ("Blocking wake-up", "one-way latency when both sides sleep, median within a round", True),
    "alltoall": ("All to all", "messages per second of all processes together", False),
    "idle": ("CPU used while idle", "cores kept busy by a connection on which nothing happens", True),
}
ROUNDS_FOR_A_CLAIM = 3
RATIO_MEASURES = ("latency", "bandwidth", "rate", "wakeup", "alltoall")


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list  # of lists of text, the first of each its name
    note: str = ""


def value_of(result):
    return result["answer"][VALUES[result["measure"]]]


def digits(value):
    """Three significant digits without an exponent."""
    for limit, places in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= limit:
            return f"{value:.{places}f}"
    return f"{value:.3f}"


def shown(measure, value):
    """A value with its unit."""
    if measure in ("latency", "wakeup"):
        return f"{digits(value)} ns" if value < 1e3 else f"{digits(value / 1e3)} µs" if value < 1e6 else f"{digits(value / 1e6)} ms"
    if measure == "bandwidth":
        return f"{digits(value / 1e9)} GB/s" if value >= 1e8 else f"{digits(value / 1e6)} MB/s"
    if measure in ("rate", "alltoall"):
        return f"{digits(value / 1e6)} M/s" if value >= 1e6 else f"{digits(value / 1e3)} k/s"
    return f"{value:.3f}"


class Results:
    """The results of all rounds, by contestant and case."""

    def __init__(self, raw):
        self.raw = raw
        self.variants = raw["variants"]
        self.names = [variant["name"] for variant in self.variants]
        self.peer_of = {variant["name"]: variant["peer"] for variant in self.variants}
        self.cases = [Case(case["measure"], case["bytes"], case["processes"]) for case in raw["cases"]]
        self.by_key = {}
        for number, held in enumerate(raw["rounds"]):
            for result in held["results"]:
                key = (result["contestant"], Case(result["measure"], result["bytes"], result["processes"]))
                self.by_key.setdefault(key, {})[number] = result

    def cases_of(self, measure):
        return [case for case in self.cases if case.measure == measure]

    def values(self, name, case):
        """{round: value} of the rounds in which it succeeded."""
        return {number: value_of(result) for number, result in self.by_key.get((name, case), {}).items()
                if result["status"] == "ok"}

    def median(self, name, case):
        values = self.values(name, case)
        return statistics.median(values.values()) if values else None

    def median_of_key(self, name, case, key):
        """The median over the rounds of another number in the answers, such as p99_ns."""
        found = [result["answer"].get(key) for result in self.by_key.get((name, case), {}).values() if result["status"] == "ok"]
        found = [value for value in found if isinstance(value, (int, float))]
        return statistics.median(found) if found else None

    def ratios(self, ours, theirs, case):
        """One ratio for each round in which both succeeded."""
        mine, others = self.values(ours, case), self.values(theirs, case)
        return [mine[number] / others[number] for number in sorted(mine) if others.get(number)]

    def first_trouble(self, name, case):
        """The first result that is none; None if there is no such."""
        for result in self.by_key.get((name, case), {}).values():
            if result["status"] != "ok":
                return result
        return None

    def value_cell(self, name, case):
        values = self.values(name, case).values()
        if not values:
            trouble = self.first_trouble(name, case)
            return {"cannot": "–"}.get(trouble["status"], trouble["status"]) if trouble else "–"
        text = shown(case.measure, statistics.median(values))
        if len(values) > 1:
            text += f" ({shown(case.measure, min(values))} – {shown(case.measure, max(values))})"
        return text

    def ratio_cell(self, ours, theirs, case):
        ratios = self.ratios(ours, theirs, case)
        if not ratios:
            return "–"
        less_is_better = MEASURES[case.measure][2]
        if len(ratios) < ROUNDS_FOR_A_CLAIM:
            mark = ""
        elif min(ratios) <= 1 <= max(ratios):
            mark = "≈"
        else:
            mark = "▲" if (max(ratios) < 1) == less_is_better else "▼"
        return f"{mark} {digits(statistics.median(ratios))} ({digits(min(ratios))} – {digits(max(ratios))})".strip()


def column_of(case):
    if case.measure == "alltoall":
        return f"{case.processes} processes, {size_name(case.bytes)}"
    return size_name(case.bytes) if case.measure in ("latency", "bandwidth") else "value"


def takes_part(results, name, measure):
    return any((results.first_trouble(name, case) or {}).get("status") != "cannot" for case in results.cases_of(measure))


def value_table(results, measure):
    cases = results.cases_of(measure)
    rows = [[name] + [results.value_cell(name, case) for case in cases]
            for name in results.names if takes_part(results, name, measure)]
    return Table(f"{MEASURES[measure][0]}: {MEASURES[measure][1]}", [column_of(case) for case in cases], rows,
                 "Median over the rounds (least – greatest).")


def ratio_tables(results, measure):
    """One table for each of VMMC's variants that has a value."""
    tables, cases, less_is_better = [], results.cases_of(measure), MEASURES[measure][2]
    for ours in (name for name in results.names if results.peer_of[name] == "vmmc"):
        rows = [[name] + [results.ratio_cell(ours, name, case) for case in cases]
                for name in results.names if name != ours and takes_part(results, name, measure)]
        rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
        if rows:
            better = "below 1" if less_is_better else "above 1"
            tables.append(Table(f"{MEASURES[measure][0]}: {ours} / peer", [column_of(case) for case in cases], rows,
                                f"{better.capitalize()}: {ours} is better. Median over the rounds of the ratio within a round "
                                f"(least – greatest). With {ROUNDS_FOR_A_CLAIM} rounds or more: ▲ better in every round, ▼ worse in "
                                "every round, ≈ neither."))
    return tables


def percentile_table(results, measure):
    """p50, p90, p99 of the smallest messages."""
    cases = results.cases_of(measure)
    if not cases:
        return None
    rows = []
    for name in results.names:
        if results.values(name, cases[0]):
            found = [results.median_of_key(name, cases[0], key) for key in ("min_ns", "p50_ns", "p90_ns", "p99_ns")]
            rows.append([name] + ["–" if value is None else shown(measure, value) for value in found])
    return Table(f"{MEASURES[measure][0]}: percentiles of {size_name(cases[0].bytes)}", ["min", "p50", "p90", "p99"], rows,
                 "Each the median over the rounds.") if rows else None


def tables_of(results, measure):
    if not results.cases_of(measure):
        return []
    tables = [value_table(results, measure)]
    if measure in ("latency", "wakeup"):
        tables.append(percentile_table(results, measure))
    if measure in RATIO_MEASURES:
        tables += ratio_tables(results, measure)
    return [table for table in tables if table is not None and table.rows]


def troubles(results):
    """[(contestant, status, cases, reason)]: what it says that it measures, and is not in the tables or not in all rounds."""
    found = {}
    for (name, case), by_round in results.by_key.items():
        for result in by_round.values():
            if result["status"] != "ok" and result["reason"] != NO_SUCH_MEASURE:
                labels = found.setdefault((name, result["status"], result["reason"]), [])
                if case.label() not in labels:
                    labels.append(case.label())
    return [(name, status, ", ".join(labels), reason) for (name, status, reason), labels in sorted(found.items())]


def notes_of(results):
    """{contestant: {key: [values]}}: what contestants say about themselves: version, settings, executor and the like."""
    known = {"contestant", "measure", "bytes", "processes", "checked", "samples", "min_ns", "p90_ns", "p99_ns"} | set(VALUES.values())
    notes = {}
    for (name, _), by_round in results.by_key.items():
        for result in by_round.values():
            for key, value in result.get("answer", {}).items():
                if key not in known and isinstance(value, str) and value not in notes.setdefault(name, {}).setdefault(key, []):
                    notes[name][key].append(value)
    return notes
