#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Revocation from the CA's server to the verdict on a mail: crl-fetcher
publishes, milter-smime behind a real Postfix knows, without a restart.
Rows R1 to R3; fault B19.
"""

import os
import subprocess
import sys
import threading
import time

from harness import Sink, cms_sign, crlf, main
from harness.crl import Ca, Fetcher, Nginx
from harness.gateway import GROUPS, VERIFY, WORLD, Gateway

ENTITY = crlf("Content-Type: text/plain; charset=us-ascii\n\n"
              "Dear Bob, pay 900.\n")
SOON = 5  # seconds in which a new CRL counts


class Office:
    """
    A CA with a server, a fetcher, and two gateways that read what it
    publishes: one for which an unknown revocation is no fault, one for
    which it is.
    """

    def __init__(self):
        self.ca, self.nginx, self.sink = Ca("root"), Nginx(), Sink()
        self.fetcher = Fetcher([self.ca], {"ca": [
            f"primary_url = {self.nginx.put('ca.crl', b'')}"]})
        self.alice, self.carol = (self.ca.pki.leaf(
            name, self.ca.certificate, email=[f"{name}@b.example"])
            for name in ("alice", "carol"))
        self.soft = self.gateway("soft", "accept")
        self.hard = self.gateway("hard", "reject")
        self.number = 0

    def gateway(self, name, missing):
        one = Gateway(name, GROUPS + VERIFY, self.sink.port,
                      ca_file=self.ca.cert)
        with open(one.milter.config_file) as file:
            text = file.read()
        one.milter.configure(text.replace(
            f"directory = {one.milter.crl}",
            f"directory = {self.fetcher.crl}\n    grace = 0\n"
            f"    missing_crl = {missing}").replace(
            "crl-check { ", "crl-check {\n    ").replace(
            f"missing_crl = {missing} }}", f"missing_crl = {missing}\n}}"))
        os.chmod(self.ca.cert, 0o644)
        return one.start()

    def publish(self, *options):
        """A new CRL on the server, and a round of crl-fetcher."""
        self.number += 1
        self.nginx.put("ca.crl", self.ca.crl("--number", self.number,
                                             *options))
        return self.fetcher.run("--all")

    def ask(self, gateway, signer):
        """(verdict, what it says) on a mail of the signer."""
        self.sink.clear()
        gateway.send(crlf(f"From: {signer.name}@b.example\n"
                          "To: y@a.example\nSubject: pay\n")
                     + cms_sign(ENTITY, signer),
                     sender=f"{signer.name}@b.example", to=["y@a.example"],
                     client=WORLD)
        message = self.sink.one()
        return gateway.verdict(message), " ".join(gateway.results(message))

    def soon(self, gateway, signer, verdict, word=""):
        """How long it takes until the verdict is this one; (bool, …)."""
        start = time.monotonic()
        while True:
            asked = time.monotonic()
            got = self.ask(gateway, signer)
            if got[0] == verdict and word in got[1]:
                return True, asked - start, got
            if asked - start > SOON:
                return False, asked - start, got

    def files(self):
        return [os.path.join(self.fetcher.crl, n)
                for n in self.fetcher.files()]


def serial_of(certificate):
    """As an INTEGER has it, hex."""
    done = subprocess.run(
        ["openssl", "x509", "-in", certificate.cert, "-noout", "-serial"],
        capture_output=True, text=True, check=True)
    return "00" + done.stdout.strip().partition("=")[2]


def story(t):
    o = Office()
    pids = [g.milter.process.pid for g in (o.soft, o.hard)]

    def both(what, signer, soft, hard, word=""):
        for name, gateway, verdict in (("accept", o.soft, soft),
                                       ("reject", o.hard, hard)):
            good, took, got = o.soon(gateway, signer, verdict,
                                     word if verdict == "fail" else "")
            t.ok(good, f"{what}: {verdict} with missing_crl = {name}", took,
                 got)

    both("B19 no CRL yet", o.alice, "pass", "fail")
    ran = o.publish()
    t.ok(ran.code == 0, "R1 the first CRL is fetched", ran)
    both("R3 one that lists nobody", o.alice, "pass", "pass")

    serial = serial_of(o.alice)
    ran = o.publish("--revoke", f"{serial}:1")
    start = time.monotonic()
    t.ok(ran.code == 0, "R1 the CA revokes, a round fetches it", ran)
    both("R3 B19 at most five seconds later the signer", o.alice, "fail",
         "fail", "revoked")
    t.diag(f"both knew {time.monotonic() - start:.1f} s after the round")
    both("R3 another signer of the CA", o.carol, "pass", "pass")

    for path in o.files():
        os.truncate(path, os.path.getsize(path) // 2)
    both("B19 a truncated CRL and index", o.carol, "pass", "fail")
    ran = o.fetcher.run()
    t.ok(ran.code == 0 and "made again" in ran.err,
         "B19 the next round makes them again", ran)
    both("B19 so again a revoked signer", o.alice, "fail", "fail", "revoked")
    both("B19 and one that is not", o.carol, "pass", "pass")

    for path in o.files():
        os.unlink(path)
    both("B19 files that are gone", o.carol, "pass", "fail")
    o.fetcher.run()
    both("B19 and fetched again", o.carol, "pass", "pass")

    ran = o.publish("--revoke", f"{serial}:1", "--next", 3)
    t.ok(ran.code == 0, "B19 a CRL that ends in three seconds", ran)
    time.sleep(4)
    both("B19 an expired CRL, a signer it does not list", o.carol, "pass",
         "fail", "expired")
    both("B19 one that it lists stays revoked", o.alice, "fail", "fail",
         "revoked")
    t.is_([g.milter.process.poll() for g in (o.soft, o.hard)], [None, None],
          "B19 nothing crashed")
    t.is_([g.milter.process.pid for g in (o.soft, o.hard)], pids,
          "R3 nothing was restarted")


def replaced(t):
    """B19: a CRL that is replaced all the time, while mail comes in"""
    o = Office()
    serial = serial_of(o.alice)
    o.publish("--revoke", serial)
    for signer, verdict in ((o.alice, "fail"), (o.carol, "pass")):
        o.soon(o.hard, signer, verdict)
    over, rounds = threading.Event(), []

    def replace():
        while not over.is_set():
            rounds.append(o.publish("--revoke", serial, "--many",
                                    100 * (1 + len(rounds) % 3)).code)

    thread = threading.Thread(target=replace)
    thread.start()
    seen = set()
    end = time.monotonic() + 8
    while time.monotonic() < end:
        seen.add(("alice", o.ask(o.hard, o.alice)[0]))
        seen.add(("carol", o.ask(o.hard, o.carol)[0]))
    over.set()
    thread.join()
    t.ok(len(rounds) > 10 and set(rounds) == {0} and
         seen == {("alice", "fail"), ("carol", "pass")},
         "B19 being replaced: every mail is judged by the old or the new "
         "one", len(rounds), set(rounds), seen)
    t.diag(f"{len(rounds)} CRLs in 8 seconds")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP Postfix and crl-fetcher need root")
        sys.exit(0)
    main(story, replaced)
