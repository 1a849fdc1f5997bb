#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""Puts the lab's page together: embed.py OUTPUT INDEX FILE...

The styles and scripts go in in the order given: a script may use at once what stands before it. All scripts share one function's scope.
The page's content security policy admits exactly these texts, by their hashes.
"""

import base64
import hashlib
import sys


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def hash_source(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "'sha256-{}'".format(base64.b64encode(digest).decode("ascii"))


def main():
    output, index, *files = sys.argv[1:]
    styles = "".join(text_of(path) for path in files if path.endswith(".css"))
    scripts = "(() => {\n'use strict';\n" + "".join(text_of(path) for path in files if path.endswith(".js")) + "})();\n"
    for text, end in ((styles, "</style"), (scripts, "</script"), (scripts, "<!--")):
        if end in text:
            sys.exit("embed: {} inside a style or script would end it".format(end))
    page = text_of(index)
    for name, text in (("style_hash", hash_source(styles)), ("script_hash", hash_source(scripts)),
                       ("styles", styles), ("scripts", scripts)):
        if page.count("{{" + name + "}}") != 1:
            sys.exit("embed: the page has to name {{" + name + "}} once")
        before, after = page.split("{{" + name + "}}")
        page = before + text + after
    with open(output, "w", encoding="utf-8") as file:
        file.write(page)


main()
