#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Carries the scenes out without a browser: a real nicsim with each scene's machine, real actors, every step
with every value of its parameters, in order, then on a stage of its own; checks what `expect` says of answers and processes, and the
figures of the key. What needs the lab's server is left out, and listed.

  run_scenes.py --nicsim PATH --actor PATH [--key FILE] [--show] SCENE...
"""

import argparse
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time

import scene_schema

PATIENCE = 60  # s, for one answer


class Failure(Exception):
    pass


class Nicsim:
    """A nicsim of its own at a random name."""

    def __init__(self, path, machine):
        self.socket = "@vmmc-scenes-" + secrets.token_hex(16)
        arguments = [path, "--socket", self.socket, "--nodes", f"{machine['rows']}x{machine['columns']}"]
        if machine["clock"] != "real":
            arguments += ["--model", machine["clock"]]
        reading, writing = os.pipe()
        self.process = subprocess.Popen(arguments + ["--ready-fd", str(writing)], pass_fds=[writing])
        os.close(writing)
        ready = os.read(reading, 1)
        os.close(reading)
        if not ready:
            raise Failure("nicsim does not start")

    def end(self):
        self.process.kill()
        self.process.wait()


class Actor:
    def __init__(self, path, socket, node, process):
        self.node, self.process_id = node, process
        self.path, self.socket = path, socket
        self.start()

    def start(self):
        environment = dict(os.environ, VMMC_SOCKET=self.socket, VMMC_NODE=str(self.node),
                           VMMC_PROCESS=str(self.process_id))
        self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment, bufsize=0)
        self.unread = b""
        self.pending = None  # number of a command that was started

    def line(self):
        """The next one, or None at its end."""
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise Failure(f"process ({self.node}, {self.process_id}) does not answer")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return None
            self.unread += more
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def say(self, command):
        self.process.stdin.write((json.dumps(command) + "\n").encode())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def state(self):
        return "running" if self.process.poll() is None else "ended"

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def filled(value, parameters):
    """With the parameters' values in the place of their names."""
    if isinstance(value, dict):
        return {key: filled(each, parameters) for key, each in value.items()}
    if isinstance(value, str) and value.startswith("$"):
        return parameters[value[1:]]
    return value


class Stage:
    def __init__(self, arguments, scene):
        self.scene, self.show = scene, arguments.show
        self.nicsim = Nicsim(arguments.nicsim, scene["machine"])
        self.actors = {}
        for number, each in enumerate(scene["actors"]):
            self.actors[each["name"]] = Actor(arguments.actor, self.nicsim.socket, each["node"], number)
        for command in scene["setup"]:
            answer = self.carry_out(command, {}, {}, 0)
            if not answer["ok"]:
                raise Failure(f"set-up: {command}: {answer}")

    def end(self):
        for actor in self.actors.values():
            actor.end()
        self.nicsim.end()

    def for_actor(self, command):
        command = {key: value for key, value in command.items() if key != "actor"}
        for member in ("from", "for"):
            if isinstance(command.get(member), str):
                named = self.actors[command[member]]
                command[member] = {"node": named.node, "process": named.process_id}
        return command

    def carry_out(self, command, parameters, answers, number):
        """The answer, or None if it was only started."""
        command = filled(command, parameters)
        actor = self.actors[command["actor"]]
        if command["do"] == "kill":
            actor.kill()
            return {"ok": True}
        if command["do"] == "restart":
            actor.end()
            actor.start()
            return {"ok": True}
        if command["do"] == "await":
            self.await_started(actor, answers)
            return {"ok": True}
        actor.say(self.for_actor(command))
        answer = actor.line()
        if command.get("start"):
            if answer == {"begun": True}:
                actor.pending = number
                return None
        if answer is None:  # it has ended
            actor.process.wait()
            return {"ok": True}
        return answer

    def await_started(self, actor, answers):
        if actor.pending is None:
            return
        answer = actor.line()
        if answer is None:
            actor.process.wait()
            answer = {"ok": True}
        answers[actor.pending] = answer
        actor.pending = None

    def step(self, step, parameters):
        answers = {}
        for number, command in enumerate(step["commands"]):
            answer = self.carry_out(command, parameters, answers, number)
            if answer is not None:
                answers[number] = answer
        for actor in self.actors.values():
            self.await_started(actor, answers)
        if self.show:
            for number in sorted(answers):
                print(f"    {step['id']} {parameters} {number}: {json.dumps(answers[number])}")
        return answers

    def check(self, expectation, answers, parameters):
        """What is not as it should be, or None; for the server to check: "later"."""
        expectation = filled(expectation, parameters)
        if "command" in expectation:
            found = answers[expectation["command"]].get(expectation["member"])
        elif "state" in expectation:
            found = self.actors[expectation["actor"]].state()
            return None if found == expectation["state"] else f"{expectation}: it is {found}"
        else:
            return "later"
        holds = found is not None and (
            found == expectation.get("is", found)
            and found >= expectation.get("at_least", found)
            and found <= expectation.get("at_most", found))
        return None if holds else f"{expectation}: it is {found}"


def choices_of_parameters(step):
    """The initial values, then with each parameter's first and last."""
    names = step.get("parameters", [])
    initial = {each["name"]: each["initial"] for each in names}
    chosen = [initial]
    for each in names:
        for value in (each["values"][0], each["values"][-1]):
            other = dict(initial, **{each["name"]: value})
            if other not in chosen:
                chosen.append(other)
    return chosen


def all_choices_of_parameters(step):
    """The initial values, then with every other value of each parameter; a name for each."""
    initial = {each["name"]: each["initial"] for each in step.get("parameters", [])}
    chosen = {step["id"]: initial}
    for each in step.get("parameters", []):
        for value in each["values"]:
            chosen[f"{step['id']}?{each['name']}={value}"] = dict(initial, **{each["name"]: value})
    return chosen


def needs_the_server(step):
    return any(command["do"] in scene_schema.OF_THE_SERVER for command in step["commands"])


def run_step(stage, step, notes, run):
    if needs_the_server(step):
        notes["skipped"].append(f"{stage.scene['id']}/{step['id']}: needs the lab's server")
        return
    for name, parameters in all_choices_of_parameters(step).items():
        answers = stage.step(step, parameters)
        run[name] = answers
        for expectation in step["expect"]:
            wrong = stage.check(expectation, answers, parameters)
            if wrong == "later":
                notes["later"] += name == step["id"]
            elif wrong:
                notes["failures"].append(f"{stage.scene['id']}/{step['id']} {parameters}: {wrong}")
            else:
                notes["checked"] += 1


def run_scene(arguments, scene, notes):
    """Answers of each step, by the names of its choices."""
    run = {}
    if not scene["steps"]:
        return run
    stage = Stage(arguments, scene)
    try:
        for step in scene["steps"]:
            run_step(stage, step, notes, run)
    finally:
        stage.end()
    return run


def with_prerequisites(scene, step):
    """The steps that must run before this one, and this one, in the scene's order."""
    wanted = {step["id"]}
    for each in reversed(scene["steps"]):
        if each["id"] in wanted:
            wanted.update(each.get("after", []))
    return [each for each in scene["steps"] if each["id"] in wanted]


def run_alone(arguments, scene, step, notes):
    """What `after` and `once` say is enough."""
    if needs_the_server(step):
        return
    stage = Stage(arguments, scene)
    alone = {"failures": [], "skipped": [], "later": 0, "checked": 0}
    try:
        for each in with_prerequisites(scene, step) + ([] if step.get("once") else [step]):
            run_step(stage, each, alone, {})
    finally:
        stage.end()
    notes["checked"] += alone["checked"]
    notes["failures"] += [f"alone or again: {each}" for each in alone["failures"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nicsim", required=True)
    parser.add_argument("--actor", required=True)
    parser.add_argument("--key")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("scenes", nargs="+")
    arguments = parser.parse_args()
    notes = {"failures": [], "skipped": [], "later": 0, "checked": 0}
    runs = {}
    for path in sorted(arguments.scenes):
        with open(path, encoding="utf-8") as file:
            scene = json.load(file)
        print(f"{scene['id']}", flush=True)
        try:
            runs[scene["id"]] = run_scene(arguments, scene, notes)
            for step in scene["steps"]:
                run_alone(arguments, scene, step, notes)
        except Failure as failure:
            notes["failures"].append(f"{scene['id']}: {failure}")
    if arguments.key:
        with open(arguments.key, encoding="utf-8") as file:
            notes["failures"] += scene_schema.wrong_figures(file.read(), runs, notes)
    for line in notes["skipped"]:
        print(f"left out: {line}")
    print(f"{notes['checked']} expectations hold; {notes['later']} are left to the server's tests")
    for line in notes["failures"]:
        print(f"WRONG: {line}")
    sys.exit(1 if notes["failures"] else 0)


if __name__ == "__main__":
    main()
