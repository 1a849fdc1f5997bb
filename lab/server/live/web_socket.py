# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""The client's end of a WebSocket (RFC 6455), as far as the lab's tests need one: texts, pings, the close."""

import base64
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Closed(Exception):
    """The other end has closed the connection, or refused to open it."""


class WebSocket:
    def __init__(self, port, path, patience):
        self.unread = b""
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
            self.socket.sendall((
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n").encode())
        except ConnectionError as error:
            raise Closed(str(error)) from error
        while b"\r\n\r\n" not in self.unread:
            self._receive()
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Closed(head.split(b"\r\n")[0].decode())

    def send(self, text):
        self._send_frame(TEXT, text.encode())

    def receive(self):
        """The next text. Pings are answered in between."""
        text = b""
        while True:
            first, second = self._take(2)
            length = second & 127
            if length == 126:
                length = struct.unpack(">H", self._take(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._take(8))[0]
            content = self._take(length)
            operation = first & 15
            if operation == PING:
                self._send_frame(PONG, content)
            elif operation == CLOSE:
                raise Closed("a close frame")
            elif operation != PONG:
                text += content
                if first & 128:
                    return text.decode()

    def close(self):
        self.socket.close()

    def _send_frame(self, operation, content):
        length = len(content)
        head = bytes([128 | operation])
        if length < 126:
            head += bytes([128 | length])
        elif length < 65536:
            head += bytes([128 | 126]) + struct.pack(">H", length)
        else:
            head += bytes([128 | 127]) + struct.pack(">Q", length)
        key = os.urandom(4)
        try:
            self.socket.sendall(head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(content)))
        except ConnectionError as error:
            raise Closed(str(error)) from error

    def _take(self, count):
        while len(self.unread) < count:
            self._receive()
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    def _receive(self):
        try:
            more = self.socket.recv(1 << 18)
        except ConnectionError as error:
            raise Closed(str(error)) from error
        if not more:
            raise Closed("end of the connection")
        self.unread += more
