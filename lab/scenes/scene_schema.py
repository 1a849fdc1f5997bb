# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""What a scene may say: its members, the commands and their limits, how long its texts may be. And the figures of
the key, which are marked in it: <!-- scene/step/command.member --> stands behind each."""

import re

OF_THE_SERVER = {"fault", "pace", "reference", "context_switch"}

ANY = (0, 2**32 - 1)
COUNT = (1, 1_000_000)
PAGES = (1, 64)
WAIT = (0, 60_000)
OFFSET = (0, 2 * 64 * 4096)
SIZE = (1, 8)
NAME = re.compile(r"[A-Za-z0-9-]{1,32}$")
BY = ("spin", "adaptive", "block", "notification")

# A member: limits of a number, words, a type, or "name", "identity". A `!` says that it must be there.
COMMANDS = {
    "export": {"buffer!": ANY, "pages": PAGES, "access": ("r", "w", "rw"), "for": "identity", "handler": bool,
               "redirectable": bool},
    "unexport": {"buffer!": ANY},
    "import": {"from!": "identity", "buffer!": ANY, "as!": "name", "access": ("r", "w", "rw"), "timeout_ms": WAIT},
    "unimport": {"proxy!": "name"},
    "send": {"proxy!": "name", "offset": OFFSET, "text": str, "value": ANY, "bytes": (1, 2**20), "notify": bool,
             "immediate": ANY, "fence": bool},
    "fetch": {"proxy!": "name", "offset": OFFSET, "bytes": (1, 64)},
    "add": {"proxy!": "name", "offset": OFFSET, "value!": ANY},
    "fence": {},
    "bind": {"proxy!": "name", "as!": "name", "pages": PAGES, "buffer": ANY, "capture": ("trap", "typed", "shared"),
             "combining": ("timer", "block", "single", "off"), "timer_us": (1, 60_000_000)},
    "store": {"binding!": "name", "offset": OFFSET, "text": str, "value": (0, 2**64 - 1), "size": SIZE},
    "stores": {"binding!": "name", "offset": OFFSET, "count!": COUNT, "stride": (1, 4096), "size": SIZE, "flush": bool},
    "flush": {},
    "unbind": {"binding!": "name"},
    "wait": {"buffer!": ANY, "offset": OFFSET, "value!": ANY, "comparison": ("equal", "not_equal", "at_least"),
             "timeout_ms": WAIT, "look_at": OFFSET, "bytes": (1, 64)},
    "read": {"buffer!": ANY, "offset": OFFSET, "bytes": (1, 64)},
    "block": {},
    "unblock": {},
    "handled": {"await": (0, 1000)},
    "wait_notification": {"buffer!": ANY, "timeout_ms": WAIT},
    "compute": {"ns!": (0, 60_000_000_000)},
    "stream": {"proxy!": "name", "messages!": COUNT, "bytes!": (4, 262140), "interval_ns": (0, 10**9), "credit": ANY,
               "window": COUNT},
    "consume": {"buffer!": ANY, "messages!": COUNT, "bytes!": (4, 262140), "interval_ns": (0, 10**9), "credit": "name"},
    "round_trip": {"proxy!": "name", "buffer!": ANY, "by!": BY, "count!": COUNT},
    "answer": {"proxy!": "name", "buffer!": ANY, "by!": BY, "count!": COUNT},
    "update": {"proxy!": "name", "bytes!": (4, 262144), "density!": (1, 100), "by!": ("deliberate", "automatic")},
    "counters": {},
    "abort": {"buffer": ANY, "offset": OFFSET, "value": ANY, "comparison": ("equal", "not_equal", "at_least"),
              "timeout_ms": WAIT},
    "forge": {"proxy!": "name", "how!": ("past_end", "stale_generation", "foreign_proxy")},
    # of the stage
    "kill": {},
    "restart": {},
    "await": {},
    "fault": {"action!": ("drop", "corrupt", "delay"), "from": ANY, "to": ANY, "skip": ANY, "delay_ns": (0, 10**12)},
    "pace": {"mode!": ("full", "paused", "step", "slow"), "interval_ms": (1, 10_000), "slowdown": (1, 10**12)},
    "context_switch": {"invalidate": bool},
    "reference": {"kind!": ("store", "load"), "proxy": "name", "offset": OFFSET, "bytes": (1, 4096), "text": str},
}
WITHOUT_ACTOR = {"fault", "pace", "context_switch"}

WORDS = {"title": 8, "learn": 30, "question": 45, "choice": 22, "explain": 90, "label": 6}

EXPECTATIONS = (
    {"command", "member", "is"}, {"command", "member", "at_least"}, {"command", "member", "at_most"},
    {"counter", "actor", "grows_by"}, {"counter", "actor", "grows_at_least"}, {"error", "what", "grows_by"}, {"error", "what", "grows_at_least"},
    {"actor", "state"}, {"exports"}, {"imports"}, {"bindings"})


class Faults(list):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def unless(self, condition, sentence):
        if not condition:
            self.append(f"{self.where}: {sentence}")


def check_text(faults, kind, text):
    faults.unless(isinstance(text, str) and text.strip(), f"a {kind} is missing")
    words = len(text.split()) if isinstance(text, str) else 0
    faults.unless(words <= WORDS[kind], f"a {kind} of {words} words, more than {WORDS[kind]}: {text}")


def check_value(faults, scene, what, limit, value):
    if limit == "name":
        good = isinstance(value, str) and NAME.match(value)
    elif limit == "identity":
        good = value in [actor["name"] for actor in scene["actors"]] or isinstance(value, dict)
    elif limit in (bool, str):
        good = isinstance(value, limit)
    elif isinstance(limit[0], str):
        good = value in limit
    else:
        good = isinstance(value, int) and not isinstance(value, bool) and limit[0] <= value <= limit[1]
    faults.unless(good, f"{what}: {value!r} is beyond {limit}")


def check_command(faults, scene, command, parameters):
    name = command.get("do")
    members = COMMANDS.get(name)
    faults.unless(members is not None, f"no command is called {name}")
    if members is None:
        return
    names = [actor["name"] for actor in scene["actors"]]
    faults.unless(name in WITHOUT_ACTOR or command.get("actor") in names, f"{name}: whose?")
    limits = {member.rstrip("!"): limit for member, limit in members.items()}
    for member in (member.rstrip("!") for member in members if member.endswith("!")):
        faults.unless(member in command, f"{name} needs {member}")
    for member, value in command.items():
        if member in ("actor", "do", "start"):
            continue
        faults.unless(member in limits, f"{name} has no {member}")
        if member not in limits:
            continue
        values = [value]
        if isinstance(value, str) and value.startswith("$"):
            faults.unless(value[1:] in parameters, f"{name}: there is no parameter {value}")
            values = parameters.get(value[1:], [])
        for each in values:
            check_value(faults, scene, f"{name}.{member}", limits[member], each)


def check_expectation(faults, scene, step, expectation):
    keys = set(expectation)
    faults.unless(keys in EXPECTATIONS, f"expect of no known form: {expectation}")
    if "command" in keys:
        faults.unless(0 <= expectation["command"] < len(step["commands"]), f"no such command: {expectation}")
    if "actor" in keys:
        faults.unless(expectation["actor"] in [each["name"] for each in scene["actors"]], f"who? {expectation}")


def check_order(faults, scene, step):
    """What must have run before is an earlier step, so there is always one to begin with."""
    faults.unless(step.get("once", True) is True, "once is true, or missing")
    after = step.get("after", ["-"])
    faults.unless(isinstance(after, list) and after and len(set(after)) == len(after), f"after: {after}")
    earlier = [each.get("id") for each in scene["steps"][:scene["steps"].index(step)]]
    for each in step.get("after", []):
        faults.unless(each in earlier, f"after: {each} is no earlier step")


def check_step(faults, scene, step):
    allowed = {"id", "title", "predict", "parameters", "commands", "expect", "explain", "plot", "after", "once"}
    faults.unless(set(step) <= allowed, f"unknown members {set(step) - allowed}")
    faults.unless(NAME.match(step.get("id", "")), "a step without an id")
    check_order(faults, scene, step)
    check_text(faults, "title", step.get("title"))
    check_text(faults, "explain", step.get("explain"))
    predict = step.get("predict", {})
    check_text(faults, "question", predict.get("question"))
    choices = predict.get("choices", [])
    faults.unless(2 <= len(choices) <= 4 and len(set(choices)) == len(choices), "2 to 4 different choices")
    for choice in choices:
        check_text(faults, "choice", choice)
    faults.unless(predict.get("answer") in range(len(choices)), "the answer is none of the choices")
    parameters = {}
    for each in step.get("parameters", []):
        faults.unless(set(each) == {"name", "label", "values", "initial"}, f"a parameter with {set(each)}")
        faults.unless(each["initial"] in each["values"], f"{each['name']}: the initial value is none of the values")
        check_text(faults, "label", each["label"])
        parameters[each["name"]] = each["values"]
    faults.unless(step.get("commands"), "no commands")
    for command in step.get("commands", []):
        check_command(faults, scene, command, parameters)
    for expectation in step.get("expect", []):
        check_expectation(faults, scene, step, expectation)
    plot = step.get("plot")
    if plot is not None:
        faults.unless(plot["x"] in parameters, "plot: x is no parameter")
        for curve in plot["of"]:
            faults.unless(0 <= curve["command"] < len(step["commands"]), "plot: no such command")


def check_machine(faults, scene):
    machine = scene.get("machine", {})
    faults.unless(set(machine) == {"clock", "rows", "columns"}, "machine")
    nodes = machine["rows"] * machine["columns"]
    faults.unless(1 <= nodes <= 16, "1 to 16 nodes")
    for actor in scene["actors"]:
        faults.unless(NAME.match(actor["name"]) and 0 <= actor["node"] < nodes, f"actor {actor}")
    names = [actor["name"] for actor in scene["actors"]]
    faults.unless(len(set(names)) == len(names), "two actors of one name")


def check_scene(scene, file_name):
    """Sentences on what is wrong."""
    faults = Faults(file_name)
    members = {"id", "number", "title", "learn", "setup", "look", "steps"}
    members |= {"explain"} if scene["id"] == "free-play" else {"machine", "actors"}
    faults.unless(set(scene) == members, f"unknown or missing members {set(scene) ^ members}")
    faults.unless(file_name == f"{scene['number']:02}-{scene['id']}.json", "file name, number and id do not agree")
    check_text(faults, "title", scene["title"])
    check_text(faults, "learn", scene["learn"])
    if "machine" in scene:
        check_machine(faults, scene)
    for command in scene["setup"]:
        check_command(faults, scene, command, {})
    faults.unless(len(scene["look"]) <= 4, "more than 4 pages are looked at")
    if scene["id"] == "free-play":
        faults.unless(not scene["steps"], "free play has no steps")
        check_text(faults, "explain", scene.get("explain"))
    else:
        faults.unless(2 <= len(scene["steps"]) <= 5, "2 to 5 steps")
    ids = [step.get("id") for step in scene["steps"]]
    faults.unless(len(set(ids)) == len(ids), "two steps of one id")
    for step in scene["steps"]:
        faults.where = f"{file_name}, {step.get('id')}"
        check_step(faults, scene, step)
    return faults


FIGURE = re.compile(r"([\d,.]+)\s*(us|ms|ns)?[^<\d\n]{0,20}<!-- ([\w-]+)/([\w?=-]+)/(\d+)\.(\w+) -->")


def wrong_figures(text, runs, notes):
    """Of the key: figures that a run does not give."""
    wrong = []
    for number, unit, scene, step, command, member in FIGURE.findall(text):
        answers = runs.get(scene, {}).get(step)
        if answers is None:
            wrong.append(f"key: {scene}/{step} was not run")
            continue
        found = answers[int(command)].get(member)
        said = float(number.replace(",", "").rstrip("."))
        digits = len(number.rstrip(".").split(".")[1]) if "." in number.rstrip(".") else 0
        scaled = None if found is None else round(found / {"us": 1e3, "ms": 1e6}.get(unit, 1), digits)
        if scaled != said:
            wrong.append(f"key: {scene}/{step}/{command}.{member} is {scaled} {unit}, not {number}")
        notes["checked"] += 1
    if text and text.count("<!-- ") != len(FIGURE.findall(text)) + text.count("<!-- SPDX"):
        wrong.append("key: a mark without a figure before it")
    return wrong
