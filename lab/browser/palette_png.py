#!/usr/bin/env python3
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""palette_png.py FILE...: makes PNG files small, in place: at most 256 colours. For pictures of a page, which have few, as Chromium writes them."""

import collections
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_png(data):
    """Width, height, and a list of rows of pixels, each a 24-bit number. 8 bits a channel, not interlaced."""
    if data[:8] != SIGNATURE:
        raise ValueError("this is no PNG")
    place, packed = 8, b""
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if depth != 8 or colour not in (2, 6) or interlaced:
                raise ValueError("this PNG is not of the kind that Chromium writes")
        elif kind == b"IDAT":
            packed += body
        place += length + 12
    channels = 3 if colour == 2 else 4
    raw, stride = zlib.decompress(packed), width * channels
    rows, before = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        unfilter(raw[start], line, before, channels)
        rows.append([line[i] << 16 | line[i + 1] << 8 | line[i + 2] for i in range(0, stride, channels)])
        before = line
    return width, height, rows


def unfilter(kind, line, before, step):
    for i in range(len(line) if kind else 0):
        left = line[i - step] if i >= step else 0
        above = before[i]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above
        elif kind == 3:
            guess = (left + above) // 2
        else:
            corner = before[i - step] if i >= step else 0
            _, _, guess = min((abs(above - corner), 0, left), (abs(left - corner), 1, above), (abs(left + above - 2 * corner), 2, corner))
        line[i] = (line[i] + guess) & 255


def distance(a, b):
    return 2 * ((a >> 16) - (b >> 16)) ** 2 + 4 * ((a >> 8 & 255) - (b >> 8 & 255)) ** 2 + ((a & 255) - (b & 255)) ** 2


def choose_palette(counts, size=256):
    """The most frequent colours, but none that is close to one already there, as long as there is room."""
    chosen = []
    for least in (400, 100, 30, 0):
        for colour, _ in counts.most_common(4000):
            if len(chosen) == size:
                return chosen
            if colour not in chosen and all(distance(colour, other) > least for other in chosen):
                chosen.append(colour)
    return chosen


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_palette(data):
    width, height, rows = read_png(data)
    counts = collections.Counter(colour for row in rows for colour in row)
    palette = choose_palette(counts)
    index = {colour: min(range(len(palette)), key=lambda i: distance(colour, palette[i])) for colour in counts}
    lines = b"".join(b"\0" + bytes(index[colour] for colour in row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(struct.pack(">I", colour)[1:] for colour in palette)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"PLTE", colours) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


for name in sys.argv[1:]:
    with open(name, "rb") as file:
        before = file.read()
    after = with_palette(before)
    with open(name, "wb") as file:
        file.write(after)
    print(f"{name}: {len(before)} bytes before, {len(after)} now")
