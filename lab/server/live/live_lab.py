# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""A real nicsim with the lab and real actors, and pages without a browser. Whatever does not come within PATIENCE
ends the test."""

import glob
import json
import os
import secrets
import subprocess
import time
import urllib.request

from web_socket import Closed, WebSocket

PATIENCE = 120  # s
NICSIM = "nicsim/web/nicsim"
ACTOR = "lab/actor/actor"


def scenes():
    """In the order of their numbers."""
    found = []
    for path in sorted(glob.glob("lab/scenes/*.json")):
        with open(path, encoding="utf-8") as file:
            found.append(json.load(file))
    return found


def is_alive(pid):
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def await_that(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.01)


class Lab:
    """nicsim --lab, at a random name and a free port."""

    def __init__(self, *arguments, listener=None, environment=None, nodes="1x2"):
        self.name = "@vmmc-live-" + secrets.token_hex(16)
        command = [os.path.abspath(NICSIM), "--foreground", "--lab", "--socket", self.name, "--nodes", nodes]
        command += ["--http", "0"] if listener is None else ["--http-fd", str(listener)]
        surroundings = dict(os.environ, **{"VMMC_LAB_ACTOR": os.path.abspath(ACTOR), **(environment or {})})
        self.process = subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE, env=surroundings,
                                        pass_fds=[] if listener is None else [listener])
        self.port = self.token = None
        if listener is None:
            self.address = self.process.stdout.readline().decode().strip()  # http://127.0.0.1:PORT/TOKEN/
            parts = self.address.split("/")
            self.port, self.token = int(parts[2].rsplit(":", 1)[1]), parts[3]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def page(self):
        return Page(self)

    def get(self, path, host=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if host:
            request.add_header("Host", host)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read().decode()


class Page:
    """What a page would know."""

    def __init__(self, lab):
        self.lab = lab
        self.last_request = 0
        self.connections = 0
        self.socket = None
        self.connect()

    def connect(self):
        """nicsim may be starting itself anew."""
        if self.socket is not None:
            self.socket.close()
        end = time.monotonic() + PATIENCE
        while True:
            self.actors, self.snapshot, self.begun, self.bytes, self.records, self.answers = {}, None, None, {}, [], []
            try:
                self.socket = WebSocket(self.lab.port, f"/{self.lab.token}/socket", PATIENCE)
                self.hello = self.hear("hello")
                break
            except Closed:
                if time.monotonic() > end or self.lab.process.poll() is not None:
                    raise
                time.sleep(0.02)
        self.connections += 1

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def next(self):
        message = json.loads(self.socket.receive())
        kind = message["type"]
        if kind == "actors":
            self.actors = {each["name"]: each for each in message["actors"]}
        elif kind == "snapshot":
            self.snapshot = message["snapshot"]
        elif kind == "begun":
            self.begun = message
        elif kind == "records":
            self.records += message["records"]
        elif kind == "answer":
            self.answers.append(message)
        elif kind == "bytes":
            place = tuple(message[member] for member in ("node", "process", "segment", "page"))
            self.bytes[place] = bytes.fromhex(message["hex"])
        return message

    def hear(self, kind, **members):
        """The next message of this type with these members."""
        while True:
            message = self.next()
            if message["type"] == kind and all(message[name] == value for name, value in members.items()):
                return message

    def until(self, condition, what):
        """Listens until it holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"in vain: {what}")
            self.next()

    def until_closed(self):
        try:
            while True:
                self.next()
        except Closed:
            pass

    def request(self):
        self.last_request += 1
        return self.last_request

    def begin(self, scene, clock=None):
        """Begins it, whatever machine it wants; `begun`."""
        request = self.request()
        self.say(type="begin", request=request, scene=scene, **({"clock": clock} if clock else {}))
        return self.await_begun(scene, request)

    def machine(self, rows, columns, clock):
        request = self.request()
        self.say(type="machine", request=request, rows=rows, columns=columns, clock=clock)
        return self.await_begun("free-play", request)

    def await_begun(self, scene, request):
        try:
            while True:
                message = self.next()
                if message["type"] == "begun" and message["request"] == request:
                    return message
                if message["type"] == "problem":
                    raise AssertionError(message["sentence"])
        except Closed:
            self.connect()
        while self.begun is None or self.begun["scene"] != scene:
            self.next()
        return self.begun

    def step(self, index, parameters=None):
        """Carried out; `step_done`, with the answers to its commands by their numbers."""
        request = self.request()
        self.say(type="step", request=request, step=index, parameters=parameters or {})
        return self.await_step(request)

    def await_step(self, request):
        answers = {}
        while True:
            message = self.next()
            if message["type"] == "problem":
                raise AssertionError(message["sentence"])
            if message["type"] == "answer" and message["request"] == request:
                answers[message["number"]] = message["answer"]
            if message["type"] == "step_done" and message["request"] == request:
                return message, answers

    def start(self, actor, **command):
        """A command of free play; the number of the request."""
        request = self.request()
        self.say(type="play", request=request, actor=actor, command=command)
        return request

    def start_beside(self, actor, **command):
        """The same, when the actor has done all before, and until it is ready for what others do."""
        self.until(lambda: self.actors[actor]["busy"] == 0, "it has nothing to do")
        request = self.start(actor, **command, start=True)
        self.until(lambda: self.actors[actor]["started"], f"it has begun to {command['do']}")
        return request

    def answer(self, request):
        while True:
            for each in self.answers:
                if each["request"] == request:
                    self.answers.remove(each)
                    return each["answer"]
            message = self.next()
            if message["type"] == "problem":
                raise AssertionError(message["sentence"])

    def play(self, actor, **command):
        return self.answer(self.start(actor, **command))

    def must(self, actor, **command):
        """The same, and it must be ok."""
        answer = self.play(actor, **command)
        assert answer["ok"], (actor, command, answer)
        return answer

    def errors(self, status):
        return sum(each["count"] for each in self.snapshot["errors"] if each["status"] == status)

    def look_at_buffer(self, node, buffer):
        """Looks at a buffer's first page; where it is."""
        found = next(each for each in self.snapshot["exports"] if (each["node"], each["buffer"]) == (node, buffer))
        extent = found["extents"][0]
        place = (node, found["process"], extent["segment"], extent["first_page"])
        self.say(type="look", at=[dict(zip(("node", "process", "segment", "page"), place))])
        return place
