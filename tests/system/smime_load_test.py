#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
12,000 messages of two senders over 8 connections: never one with the
other's certificate, nor while keys are being replaced (fault B18).
"""

import multiprocessing
import os
import re
import sys
import threading
import time

from harness import Milter, Pki, cms_verify, main, standard_config
from harness.gateway import GROUPS, PASS_ON, SIGN, VERIFY, cms_of, mail
from harness.milter_client import MilterClient, divide

MESSAGES = 12000
CONNECTIONS = 8
PROCESSES = 2
SENDERS = ("alice@a.example", "bob@b.example")


def serials(certificates):
    return [bytes.fromhex(c.serial()) for c in certificates]


class Tally:
    """What one connection saw."""

    def __init__(self):
        self.sent = self.wrong = self.refused = 0
        self.failed = self.verified = 0
        self.seen = set()
        self.example = ""

    def add(self, other):
        for name in ("sent", "wrong", "refused", "failed", "verified"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seen |= other.seen
        self.example = self.example or other.example


def one_connection(number, count, signer, verifier, owners, tally, keep):
    """Signs, looks whose certificate it is, has the result verified."""
    texts = [divide(mail(f"From {sender}, {number}.\n" * (1 + number % 5),
                         sender=sender)) for sender in SENDERS]
    other = MilterClient(verifier, address="198.51.100.1") if verifier \
        else None
    with MilterClient(signer) as client:
        for i in range(count):
            # Two of one, then two of the other: neighbours both ways.
            who = (i // 2 + number) % 2
            fields, body = texts[who]
            edited = client.send(SENDERS[who], ["y@c.example"], fields, body)
            tally.sent += 1
            if edited.answer != "c":
                tally.refused += 1
                tally.example = tally.example or edited.answer
                continue
            message = edited.message()
            der = cms_of(message)
            found = {(w, n) for w in (0, 1) for n, serial in
                     enumerate(owners[w]) if serial in der}
            if len(found) != 1 or next(iter(found))[0] != who or \
                    SENDERS[who].encode() not in message.body + der:
                tally.wrong += 1
                tally.example = tally.example or f"{SENDERS[who]}: {found}"
            tally.seen |= found
            if i < keep:
                tally.seen.add((who, message.data))
            if other:
                again = other.send(SENDERS[who], ["y@c.example"],
                                   edited.fields, edited.new_body)
                good = b"smime=pass" in re.sub(rb"\s+", b" ",
                                               again.message().head)
                tally.verified += good
                tally.failed += not good
                if not good:
                    tally.example = tally.example or \
                        again.message().data[:600].decode("latin-1")


def one_process(numbers, count, signer, verifier, owners, keep, pipe):
    tallies = [Tally() for _ in numbers]
    threads = [threading.Thread(target=one_connection, args=(
        n, count, signer, verifier, owners, tally, keep))
        for n, tally in zip(numbers, tallies)]
    for thread in threads:
        thread.start()
    total = Tally()
    for thread, tally in zip(threads, tallies):
        thread.join()
        total.add(tally)
    pipe.send(total)


def run(signer, owners, messages, verifier=None, keep=0):
    """All connections at once; the Tally of all."""
    context = multiprocessing.get_context("fork")
    pipes, children = [], []
    for p in range(PROCESSES):
        here, there = context.Pipe(False)
        child = context.Process(target=one_process, args=(
            range(p, CONNECTIONS, PROCESSES), messages // CONNECTIONS,
            signer, verifier, owners, keep, there))
        child.start()
        there.close()
        pipes.append(here)
        children.append(child)
    total = Tally()
    for pipe, child in zip(pipes, children):
        try:
            total.add(pipe.recv())
        except EOFError:
            total.wrong += 1
            total.example = "a process of the test died"
        child.join()
    return total


def make(pki, count):
    """count certificates for each sender."""
    return [[pki.leaf(f"{sender[:3]}{n}", email=[sender])
             for n in range(count)] for sender in SENDERS]


def milters(made, sign_mode="detached"):
    """One that signs with the first of each, one that trusts them all."""
    signer = Milter(standard_config("gw.a.example") + GROUPS +
                    SIGN.replace("mode = sign\n", "mode = sign\n    "
                                 f"sign_mode = {sign_mode}\n") +
                    PASS_ON)
    pems = "".join(c.pem() for certificates in made for c in certificates)
    trusted = os.path.join(signer.directory, "trusted.pem")
    with open(trusted, "w") as file:
        file.write(pems)
    verifier = Milter(standard_config("gw.c.example", trusted) + GROUPS +
                      VERIFY, name="verifier")
    for certificates in made:
        certificates[0].install(signer.certs, certificates[0].name[:3])
    for one in (signer, verifier):
        one.start()
    return signer, verifier, trusted


def two_senders(t):
    """12,000 messages of two senders"""
    made = make(Pki(), 1)
    signer, _, trusted = milters(made)
    begin = time.monotonic()
    total = run(signer.socket_path, [serials(c) for c in made], MESSAGES,
                keep=3)
    seconds = time.monotonic() - begin
    t.diag(f"{MESSAGES} messages in {seconds:.1f} s")
    t.is_((total.sent, total.refused), (MESSAGES, 0),
          "S7 12,000 messages over 8 connections are all signed")
    t.is_((total.wrong, total.example), (0, ""),
          "S7 none is signed with the other sender's certificate")
    kept = [data for _, data in total.seen if isinstance(data, bytes)]
    good = [cms_verify(data, trusted, partial=True)[0] for data in kept]
    t.ok(kept and all(good), f"openssl verifies {len(kept)} of them")
    finish(signer)


def replaced(t):
    """B18 keys and certificates replaced again and again"""
    made = make(Pki(), 4)
    signer, verifier, _ = milters(made, "opaque")
    stop = threading.Event()
    rounds = [0]

    def replace():
        while not stop.wait(0.2):
            rounds[0] += 1
            for who, certificates in enumerate(made):
                one = certificates[(rounds[0] + who) % len(certificates)]
                one.install(signer.certs, one.name[:3])

    thread = threading.Thread(target=replace)
    owners = [serials(c) for c in made]
    before = signer.memory()
    thread.start()
    total, begin = Tally(), time.monotonic()
    while total.sent < MESSAGES or time.monotonic() - begin < 9:
        total.add(run(signer.socket_path, owners, MESSAGES // 4,
                      verifier.socket_path))
    stop.set()
    thread.join()
    grown = signer.memory() - before
    t.diag(f"{total.sent} messages in {time.monotonic() - begin:.1f} s, "
           f"{rounds[0]} replacements, {grown >> 10} KiB more memory")
    t.is_((total.refused, total.wrong, total.failed, total.example),
          (0, 0, 0, ""), "B18 every message is signed with a certificate of "
          "its sender")
    t.is_(total.verified, total.sent, "B18 each signature fits the "
          "certificate it carries: no half set is ever used")
    used = [len({n for w, n in total.seen if w == who}) for who in (0, 1)]
    t.ok(min(used) >= 2, "B18 the new ones are taken up while mail flows",
         f"{used} certificates were used")
    t.ok(grown < 48 << 20, "B18 memory does not grow with the replacements",
         f"{grown >> 20} MiB")
    t.ok("not taken up" not in signer.log(), "B18 nothing was complained of",
         signer.log()[-2000:])
    finish(signer, verifier)


def finish(*some):
    for milter in some:
        milter.kill()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP the milter runs as another user, which needs root")
        sys.exit(0)
    main(two_senders, replaced)
