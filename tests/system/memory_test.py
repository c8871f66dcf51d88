#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Fault B14: signing, encrypting, verifying and decrypting take no more
memory for 200 MB than for 20, detached and opaque, DER and BER.
"""

import os
import re
import subprocess
import sys
import threading
import time

from harness import Milter, Pki, main, new_directory, standard_config
from harness.gateway import GROUPS, VERIFY
from harness.milter_client import (CHUNK, Edited, MilterClient, divide)

# Memory of its own that milter-smime may have at most, whatever comes.
BOUND = 64 << 20
SIZES = {"20 MB": 20_000_000, "200 MB": 200_000_000}
LINE = b"All work and no play makes Jack a dull boy, and mail a long one." \
    b"\r\n"

PROFILES = {
    "detached": "mode = sign",
    "opaque": "mode = sign\n    sign_mode = opaque",
    "cbc": "mode = encrypt\n    cipher = aes-256-cbc",
    "gcm": "mode = encrypt\n    cipher = aes-256-gcm",
}


def config():
    text = GROUPS + VERIFY
    for name, lines in PROFILES.items():
        text += (f"sending-profile {name} {{\n    {lines}\n}}\n"
                 f"mail-policy {name} {{\n    direction = outgoing\n"
                 f"    senders = {name}@a.example\n    profile = {name}\n}}\n")
    return text


class Watch:
    """The most anonymous memory a process has while this is open."""

    def __init__(self, pid):
        self.path, self.peak = f"/proc/{pid}/status", 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _look(self):
        with open(self.path) as file:
            self.peak = max(self.peak, int(re.search(
                r"RssAnon:\s+(\d+)", file.read())[1]) << 10)

    def _run(self):
        while not self.done.wait(0.002):
            self._look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._look()
        self.done.set()
        self.thread.join()


def transact(milter, address, sender, fields, body):
    """(Edited, peak of memory): the message in parts, as it is large."""
    parts = []
    with MilterClient(milter.socket_path, timeout=300,
                      address=address) as client, \
            Watch(milter.process.pid) as watch:
        client.send(sender, ["y@b.example"], fields, b"", count=-2)
        for at in range(0, len(body), CHUNK):
            client.write(client.packet(b"B", body[at:at + CHUNK]))
        client.write(client.macros(b"E", i="1") + client.packet(b"E"))
        edited = Edited(fields, body)
        while not edited.answer:
            command, data = client.read()
            if command == b"b":
                parts.append(data)
            elif command != b"p":
                one_packet(client, edited, command, data)
    if parts:
        edited.new_body = b"".join(parts)
    return edited, watch.peak


def one_packet(client, edited, command, data):
    """Has MilterClient understand one that was read already."""
    final = b"c" if command in b"mhie" else b""
    client.buffer = client.packet(command, data) + \
        (client.packet(final) if final else b"") + client.buffer
    client.result(edited)
    if final:
        edited.answer = ""


class Bench:
    """A milter that signs and encrypts for some, and is the other side."""

    def __init__(self):
        pki = Pki()
        ca = pki.ca("root")
        self.signer = pki.leaf("gateway", ca, key="rsa:2048", email=[
            f"{p}@a.example" for p in PROFILES])
        self.partner = pki.leaf("partner", ca, key="rsa:2048",
                                email=["y@b.example"],
                                usage="keyEncipherment")
        self.milter = Milter(standard_config("gw.a.example", ca.cert) +
                             config())
        for one in (self.signer, self.partner):
            one.install(self.milter.certs)
        self.milter.postseal("smime", "key", "add", "partner", os.path.join(
            self.milter.certs, "partner.pem"))
        self.milter.start()
        self.directory = new_directory("messages")

    def stream(self, size, *arguments):
        """A message as openssl makes it while it reads: BER."""
        path = os.path.join(self.directory, "content")
        with open(path, "wb") as file:
            file.write(b"Content-Type: text/plain\r\n\r\n" +
                       LINE * (size // len(LINE)))
        out = subprocess.run(["openssl", "cms", "-stream", "-binary", "-in",
                              path, *arguments], check=True,
                             capture_output=True).stdout
        head, _, body = out.partition(b"\n\n")
        fields, _ = divide(b"From: detached@a.example\r\n" + b"\r\n".join(
            head.split(b"\n")) + b"\r\n\r\n")
        return fields, body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def peaks(t, name, once):
    """once(size) tells a peak; it must keep the bound, and not grow."""
    found = {}
    for word, size in SIZES.items():
        begin = time.monotonic()
        found[word] = once(size)
        t.diag(f"{name}, {word}: {found[word] / (1 << 20):.1f} MiB, "
               f"{time.monotonic() - begin:.1f} s")
    small, large = found.values()
    t.ok(large <= BOUND, f"B14 {name}: 200 MB take at most "
         f"{BOUND >> 20} MiB", f"{large >> 20} MiB")
    t.ok(large <= small + (8 << 20),
         f"B14 {name}: ten times the mail, no more memory",
         f"{small >> 20} and {large >> 20} MiB")


def ours(t):
    """There and back through the milter"""
    bench = Bench()
    made = {}

    def there(profile, size):
        fields = [(b"From", b" %s@a.example" % profile.encode()),
                  (b"To", b" y@b.example"), (b"MIME-Version", b" 1.0"),
                  (b"Content-Type", b" text/plain")]
        edited, peak = transact(
            bench.milter, "192.0.2.10", f"{profile}@a.example", fields,
            LINE * (size // len(LINE)))
        assert edited.answer == "c" and edited.new_body, edited.answer
        made[size] = edited
        return peak

    def back(profile, size):
        edited = made.pop(size)
        edited, peak = transact(bench.milter, "198.51.100.1",
                                f"{profile}@a.example", edited.fields,
                                edited.new_body)
        return judge(edited, size, peak)

    for profile in PROFILES:
        word = "encrypting" if profile in ("cbc", "gcm") else "signing"
        peaks(t, f"{word} ({profile})", lambda size: there(profile, size))
        word = "decrypting" if profile in ("cbc", "gcm") else "verifying"
        peaks(t, f"{word} ({profile})", lambda size: back(profile, size))
    bench.milter.kill()


def together(t):
    """Six mails of 15 MB at a time, each almost what memory is given to"""
    bench, size, answers = Bench(), 15_000_000, []
    body = LINE * (size // len(LINE))

    def one():
        edited, peak = transact(
            bench.milter, "192.0.2.10", "cbc@a.example",
            [(b"From", b" cbc@a.example")], body)
        answers.append((edited.answer, peak))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.is_([answer for answer, _ in answers], ["c"] * 6,
          "B14 six mails of 15 MB at a time are encrypted")
    peak = max(peak for _, peak in answers)
    t.diag(f"{peak / (1 << 20):.1f} MiB")
    t.ok(peak <= BOUND, f"B14 in at most {BOUND >> 20} MiB", peak)
    bench.milter.kill()


def judge(edited, size, peak):
    """The peak, if the milter did what it was to do."""
    head = b"".join(v for n, v in edited.fields
                    if n in (b"Authentication-Results", b"Content-Type"))
    good = b"smime=pass" in head if edited.new_body is None else \
        len(edited.new_body) == size // len(LINE) * len(LINE)
    assert edited.answer == "c" and good, (edited.answer, head)
    return peak


def streamed(t):
    """BER, as a program makes it that does not know the length"""
    bench = Bench()
    to = [bench.partner.cert]
    kinds = {
        "verifying (opaque, BER)": ["-sign", "-nodetach", "-signer",
                                    bench.signer.cert, "-inkey",
                                    bench.signer.key],
        "decrypting (cbc, BER)": ["-encrypt", "-aes-256-cbc", *to],
        "decrypting (gcm, BER)": ["-encrypt", "-aes-256-gcm", *to],
    }

    def once(arguments, size):
        fields, body = bench.stream(size, *arguments)
        edited, peak = transact(bench.milter, "198.51.100.1",
                                "detached@a.example", fields, body)
        return judge(edited, size, peak)

    for name, arguments in kinds.items():
        peaks(t, name, lambda size: once(arguments, size))
    bench.milter.kill()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP the milter runs as another user, which needs root")
        sys.exit(0)
    main(ours, streamed, together)
