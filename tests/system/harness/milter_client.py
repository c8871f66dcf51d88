# SPDX-License-Identifier: BSD-2-Clause
"""
Speaks the milter protocol as Postfix does, straight to a milter's socket:
for numbers of messages that Postfix would take minutes for, and for what
Postfix would never say.
"""

import socket
import struct

from .smtp import Message

# SMFIF_*: all Postfix has; SMFIP_*: no step, no reply to any, header blanks.
ACTIONS = 0x1ff
STEPS = 0x1fffff
_NO_HELO, _NO_UNKNOWN = 0x02, 0x100
CHUNK = 65535


class MilterClosed(Exception):
    """The milter closed the connection."""


class Edited:
    """What the milter made of a message: .answer is "c", "r", "t" or a
    reply such as "550 5.7.1 …"; message() is the message as it would be."""

    def __init__(self, fields, body):
        self.fields, self.body = list(fields), body
        self.new_body, self.answer = None, ""
        self.sender = None  # changed: [address, parameters]

    def _find(self, name, index):
        for at, (other, _) in enumerate(self.fields):
            if other.lower() == name.lower():
                index -= 1
                if not index:
                    return at
        return None

    def change(self, index, name, value):
        at = self._find(name, index)
        if at is None:
            if value:
                self.fields.append((name, value))
        elif value:
            self.fields[at] = (name, value)
        else:
            del self.fields[at]

    def message(self):
        head = b"".join(n + b":" + v.replace(b"\n", b"\r\n") + b"\r\n"
                        for n, v in self.fields)
        body = self.body if self.new_body is None else self.new_body
        return Message(head + b"\r\n" + body)


class MilterClient:
    """One connection of the mail server to a milter."""

    def __init__(self, path, timeout=30, connect=True, **client):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = b""
        self.steps = 0
        if connect:
            self.negotiate()
            self.connect(**client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def packet(command, data=b""):
        return struct.pack("!I", len(data) + 1) + command + data

    @staticmethod
    def strings(*words):
        return b"".join((w if isinstance(w, bytes) else w.encode()) + b"\0"
                        for w in words)

    def write(self, data):
        self.socket.sendall(data)

    def _take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(262144)
            if not more:
                raise MilterClosed
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read(self):
        """The next packet: (command, data)."""
        size, = struct.unpack("!I", self._take(4))
        data = self._take(size)
        return data[:1], data[1:]

    def negotiate(self, actions=ACTIONS, steps=STEPS):
        self.write(self.packet(b"O", struct.pack("!III", 6, actions, steps)))
        command, data = self.read()
        assert command == b"O", command
        self.steps = struct.unpack("!III", data[:12])[2]

    def macros(self, command, **values):
        words = [w for k, v in values.items()
                 for w in (f"{{{k}}}" if len(k) > 1 else k, v)]
        return self.packet(b"D", command + self.strings(*words))

    def connect(self, address="192.0.2.10", name="[192.0.2.10]",
                listener="mx", port=1234):
        family = b"6" if ":" in address else b"4"
        self.write(self.macros(b"C", daemon_name=listener) +
                   self.packet(b"C", self.strings(name) + family +
                               struct.pack("!H", port) +
                               self.strings(address)))
        # SMFIP_NR_CONN
        if not self.steps & 0x1000:
            self.read()

    def send(self, sender, recipients, fields, body, login=None,
             queue_id="1", count=None):
        """
        One transaction; Edited.  fields: [(name, value)] as bytes, blank
        and folds (LF) in the value; body with CRLF.
        """
        macros = {"i": queue_id}
        out = [self.macros(b"M", **macros,
                           **({"auth_authen": login} if login else {})),
               self.packet(b"M", self.strings(f"<{sender}>"))]
        out += [self.packet(b"R", self.strings(f"<{r}>"))
                for r in recipients]
        out.append(self.packet(b"T"))
        out += [self.packet(b"L", self.strings(n, v)) for n, v in fields]
        out.append(self.packet(b"N"))
        out += [self.packet(b"B", body[at:at + CHUNK])
                for at in range(0, len(body), CHUNK)]
        out += [self.macros(b"E", **macros), self.packet(b"E")]
        if count is not None:
            out = out[:count]
        self.write(b"".join(out))
        if count is not None:
            return None
        return self.result(Edited(fields, body))

    def result(self, edited):
        """Edits up to the milter's last word."""
        parts = []
        while True:
            command, data = self.read()
            if command == b"b":
                parts.append(data)
                continue
            if parts:
                edited.new_body, parts = b"".join(parts), []
            if command == b"e":
                edited.sender = data.rstrip(b"\0").split(b"\0")
            elif command in b"mhi":
                index = 0
                if command != b"h":
                    index, = struct.unpack("!I", data[:4])
                    data = data[4:]
                name, value, _ = data.split(b"\0")
                if command == b"m":
                    edited.change(index, name, value)
                elif command == b"i":
                    edited.fields.insert(index, (name, value))
                else:
                    edited.fields.append((name, value))
            elif command == b"y":
                edited.answer = data.rstrip(b"\0").decode()
                return edited
            elif command in b"crtad":
                edited.answer = command.decode()
                return edited

    def quit(self):
        self.write(self.packet(b"Q"))
        self.close()


def divide(data):
    """A message's bytes as fields and body for MilterClient.send()."""
    message = Message(data)
    fields = []
    for line in message.head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b"\n" + line)
        elif line:
            name, _, value = line.partition(b":")
            fields.append((name, value))
    return fields, message.body
