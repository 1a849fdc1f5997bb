# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""compare.md and compare.html from the results of compare.py."""

import html
import os

import charts
import figures
from contest import size_name

READING = (
    "Every contestant was measured once in each round, on the same cores, case by case in random order, so that all meet the "
    "same noise. A ratio is VMMC's value divided by the peer's of the same round. Payloads are checked. "
    "A contestant that is missing or failed is named at the end.")
STYLE = """
body { font: 18px/1.45 "DejaVu Sans", Verdana, sans-serif; color: #111; background: #fff; max-width: 1400px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.7em } h2 { font-size: 1.4em; margin-top: 2em } h3 { font-size: 1.05em }
table { border-collapse: collapse; font-size: .8em; font-variant-numeric: tabular-nums; margin: .5em 0 }
th, td { border: 1px solid #bbb; padding: .25em .6em; text-align: right; white-space: nowrap } th { background: #eee }
td:first-child, th:first-child { text-align: left } tr.vmmc td { font-weight: bold } p.note { color: #333; font-size: .85em }
td.text { text-align: left; white-space: normal } .wide { overflow-x: auto } svg { max-width: 100%; height: auto }
"""


def facts_of(raw):
    """[(name, text)] about the machine and the run."""
    machine, options = raw["machine"], raw["options"]
    stolen = [held["stolen"] for held in raw["rounds"]] or [0.0]
    return [
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores" + (", a virtual machine" if machine["virtual_machine"] else "")),
        ("Caches", ", ".join(machine["caches"]) or "unknown"),
        ("Kernel", f"{machine['kernel']}; governor {machine['governor']}"),
        ("Date", machine["date"]),
        ("Rounds", f"{len(raw['rounds'])} of {options['rounds']}, {options['milliseconds']} ms for each measurement"
                   + (" (quick: too few and too short to rely on)" if options["quick"] else "")),
        ("Cores used", f"{options['cpus']} (two processes, then nicsim)"),
        ("Order", f"random, seed {options['seed']}"),
        ("Stolen by the host", f"{min(stolen):.1%} – {max(stolen):.1%} of the time, by round"),
    ]


def peers_of(raw):
    """[(peer, text)]: how many ways of using it were measured, or why there is none."""
    rows = []
    for entry in raw["peers"]:
        names = [f"{variant['name']} ({', '.join(variant['measures'])})" for variant in raw["variants"] if variant["peer"] == entry["peer"]]
        rows.append((entry["peer"], f"MISSING: {entry['missing']}" if entry["missing"] else "; ".join(names) or "left out by --only"))
    return rows


def notes_rows(results):
    return [(name, "; ".join(f"{key}: {' | '.join(values)}" for key, values in sorted(said.items())))
            for name, said in sorted(figures.notes_of(results).items()) if said]


def closing_tables(results):
    """Tables of text: (title, columns, rows, sentence if there are no rows)."""
    return [
        ("Peers", ["peer", "measured as"], peers_of(results.raw), "None."),
        ("Packages", ["package", "version"], [(name, version or "not installed") for name, version in results.raw["packages"].items()], "None."),
        ("What did not run, and why", ["contestant", "status", "cases", "reason"], figures.troubles(results), "Everything ran."),
        ("What the contestants say about themselves", ["contestant", "settings"], notes_rows(results), "Nothing."),
    ]


# ------------------------------------------------------------------------------------------------ Markdown

def in_cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def markdown_rows(columns, rows, right):
    line = "|" + "|".join("---:" if right and i else "---" for i in range(len(columns))) + "|"
    return ["| " + " | ".join(in_cell(cell) for cell in row) + " |" for row in [columns]] + [line] + [
        "| " + " | ".join(in_cell(cell) for cell in row) + " |" for row in rows]


def markdown(results):
    lines = ["# VMMC and its peers", "", READING, ""]
    lines += [f"- {name}: {text}" for name, text in facts_of(results.raw)]
    for measure, (heading, _, _) in figures.MEASURES.items():
        tables = figures.tables_of(results, measure)
        if tables:
            lines += ["", f"## {heading}"]
        for table in tables:
            lines += ["", f"### {table.title}", "", table.note, ""]
            lines += markdown_rows(["contestant"] + table.columns, table.rows, right=True)
    for title, columns, rows, otherwise in closing_tables(results):
        lines += ["", f"## {title}", ""] + (markdown_rows(columns, rows, right=False) if rows else [otherwise])
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------------- HTML

def html_table(columns, rows, peer_of, text=False):
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = []
    for row in rows:
        kind = ' class="vmmc"' if peer_of.get(row[0]) == "vmmc" else ""
        cell = '<td class="text">' if text else "<td>"
        body.append(f"<tr{kind}>" + "".join(f"{cell}{html.escape(str(value))}</td>" for value in row) + "</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>\n' + "\n".join(body) + "\n</table></div>"


UNITS = {"latency": ("µs", 1e3), "wakeup": ("µs", 1e3), "bandwidth": ("GB/s", 1e9), "rate": ("millions", 1e6),
         "alltoall": ("millions", 1e6), "idle": ("cores", 1)}


def charts_of(results, measure):
    """The SVG pictures of one measure: lines over sizes or processes; bars where there is nothing to go along."""
    heading, what, _ = figures.MEASURES[measure]
    cases, (unit, scale) = results.cases_of(measure), UNITS[measure]
    label = f"{what} ({unit})"
    if measure in ("latency", "bandwidth") and len(cases) > 1:
        return [charts.lines(results, cases, lambda case: case.bytes, scale, heading, "message size", label, size_name)]
    groups = [[case for case in cases if case.bytes == size] for size in sorted({case.bytes for case in cases})]
    if measure == "alltoall" and len(groups[0]) > 1:
        return [charts.lines(results, group, lambda case: case.processes, scale, f"{heading}, messages of {size_name(group[0].bytes)}",
                             "processes", label, str) for group in groups]
    return [charts.bars(results, case, scale, f"{heading}: {case.label()}", label) for case in cases]


def html_page(results):
    parts = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8"><title>VMMC and its peers</title>',
             f"<style>{STYLE}</style></head><body>", "<h1>VMMC and its peers</h1>", f"<p>{READING}</p><ul>"]
    parts += [f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in facts_of(results.raw)] + ["</ul>"]
    if not charts.available():
        parts.append("<p><b>Charts need the package python3-matplotlib; the tables are complete without it.</b></p>")
    for measure, (heading, _, _) in figures.MEASURES.items():
        tables = figures.tables_of(results, measure)
        if not tables:
            continue
        parts.append(f"<h2>{heading}</h2>")
        if charts.available():
            parts += [picture for picture in charts_of(results, measure) if picture]
        for table in tables:
            parts += [f"<h3>{html.escape(table.title)}</h3>", f'<p class="note">{html.escape(table.note)}</p>',
                      html_table(["contestant"] + table.columns, table.rows, results.peer_of)]
    for title, columns, rows, otherwise in closing_tables(results):
        parts += [f"<h2>{title}</h2>", html_table(columns, rows, {}, text=True) if rows else f"<p>{otherwise}</p>"]
    return "\n".join(parts) + "\n</body></html>\n"


def write(raw, directory):
    results = figures.Results(raw)
    for name, text in (("compare.md", markdown(results)), ("compare.html", html_page(results))):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
