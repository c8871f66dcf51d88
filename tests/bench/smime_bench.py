#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What milter-smime costs beside what its work must cost at least, one line
for each bar:

    bench NAME ratio=R bar=B ok|short (what was compared, microseconds)

All is CPU time of the milter's process, told by a client that speaks the
milter protocol as Postfix does; `repl`, a milter that only keeps the body
and replaces it, gets the same messages.  The ratio is the median of rounds
in which all take turns; other load on the machine blurs it.

    smime_bench.py [-r ROUNDS] [NAME ...]

$BENCH_BUILD says where the programs of tests/bench were built.
"""

import argparse
import base64
import os
import random
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "..", "system"))

from harness import Milter, Pki, own, scope, standard_config, wait_for
from harness.gateway import GROUPS, VERIFY, mail

BUILD = os.environ.get("BENCH_BUILD", os.path.dirname(
    os.path.realpath(__file__)))
INSIDE, WORLD = "192.0.2.10", "198.51.100.1"
SMALL, BIG = 4096, 10 << 20
# Messages of one measurement: some 0.1 s of CPU.
COUNT = {SMALL: 400, BIG: 5}

# Each sender of its own makes its profile work.
PROFILES = {
    "detached": "mode = sign",
    "opaque": "mode = sign\n    sign_mode = opaque",
    "cbc": "mode = encrypt\n    cipher = aes-256-cbc",
    "gcm": "mode = encrypt\n    cipher = aes-256-gcm",
}

# name: (profile, incoming, size, bar, what must be done besides repl)
BARS = {
    "smime-sign-4k": ("detached", False, SMALL, 1.25,
                      ("signature", "digest")),
    "smime-encrypt-4k": ("cbc", False, SMALL, 1.3, ("wrap", "cbc-encrypt")),
    "smime-sign-detached": ("detached", False, BIG, 1.15, ("digest",)),
    "smime-sign-opaque": ("opaque", False, BIG, 1.3,
                          ("digest", "base64-encode", "copy")),
    "smime-verify-detached": ("detached", True, BIG, 1.3, ("digest",)),
    "smime-verify-opaque": ("opaque", True, BIG, 1.3,
                            ("digest", "base64-decode", "copy")),
    "smime-encrypt-cbc": ("cbc", False, BIG, 1.3,
                          ("cbc-encrypt", "base64-encode", "copy")),
    "smime-encrypt-gcm": ("gcm", False, BIG, 1.3,
                          ("gcm-encrypt", "base64-encode", "copy")),
    "smime-decrypt-cbc": ("cbc", True, BIG, 1.3,
                          ("cbc-decrypt", "base64-decode", "copy")),
    "smime-decrypt-gcm": ("gcm", True, BIG, 1.3,
                          ("gcm-decrypt", "base64-decode", "copy")),
}


def config():
    text = GROUPS + VERIFY
    for name, lines in PROFILES.items():
        text += (f"sending-profile {name} {{\n    {lines}\n}}\n"
                 f"mail-policy {name} {{\n    direction = outgoing\n"
                 f"    senders = {name}@a.example\n    profile = {name}\n}}\n")
    return text


def start_milter():
    """Signs for all senders, encrypts to y@b.example, and is that too."""
    pki = Pki()
    ca = pki.ca("root")
    gateway = pki.leaf("gateway", ca, key="rsa:2048",
                       email=[f"{p}@a.example" for p in PROFILES])
    partner = pki.leaf("partner", ca, key="rsa:2048", email=["y@b.example"],
                       usage="keyEncipherment")
    milter = Milter(standard_config("gw.a.example", ca.cert) + config())
    gateway.install(milter.certs)
    partner.install(milter.certs)
    milter.postseal("smime", "key", "add", "partner",
                    os.path.join(milter.certs, "partner.pem"))
    return milter.start()


class Repl:
    """The milter to compare with."""

    def __init__(self):
        self.socket_path = os.path.join(scope.new_directory("repl"), "sock")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "repl_milter"), self.socket_path])
        own(self)
        wait_for("repl", lambda: os.path.exists(self.socket_path))

    def close(self):
        self.process.kill()
        self.process.wait()


def make_mail(size, sender):
    """A text and an attachment, as most big mail is."""
    if size == SMALL:
        return mail("A line of text, again and again, of usual length.\n" *
                    (size // 50), sender=sender)
    data = base64.encodebytes(random.Random(1).randbytes(
        (size - 500) * 57 // 78)).decode()
    return mail(f"--b\nContent-Type: text/plain\n\nHere it is.\n--b\n"
                "Content-Type: application/octet-stream\n"
                f"Content-Transfer-Encoding: base64\n\n{data}--b--\n",
                sender=sender, kind="multipart/mixed; boundary=b")


def drive(milter, sender, incoming, path, *options):
    return subprocess.run(
        [os.path.join(BUILD, "milter_drive"), *options, "-a",
         WORLD if incoming else INSIDE, milter.socket_path,
         str(milter.process.pid), f"<{sender}>", "<y@b.example>", path],
        check=True, capture_output=True, text=True).stdout


def make_messages(milter, directory):
    """The message of each (profile, size, incoming): its file."""
    files = {}
    for profile, incoming, size, *_ in BARS.values():
        sender = f"{profile}@a.example"
        plain = os.path.join(directory, f"{profile}-{size}")
        with open(plain, "wb") as file:
            file.write(make_mail(size, sender))
        files[profile, size, False] = plain
        if incoming:
            drive(milter, sender, False, plain, "-o", plain + "-made")
            files[profile, size, True] = plain + "-made"
            check(milter, sender, plain + "-made", directory)
    return files


def check(milter, sender, path, directory):
    """Does what was made come back opened, or verified?"""
    got = os.path.join(directory, "opened")
    drive(milter, sender, True, path, "-o", got)
    with open(got, "rb") as file:
        head = file.read(2000)
    if b"smime=pass" not in head and b"boundary=b\r\n" not in head:
        sys.exit(f"{path}: not verified nor decrypted:\n"
                 f"{head.decode(errors='replace')}\n{milter.log()[-500:]}")


def measure(milter, sender, incoming, path, count):
    return float(drive(milter, sender, incoming, path, "-w", "2", "-n",
                       str(count)))


def limits(size):
    lines = subprocess.run([os.path.join(BUILD, "limits"), str(size)],
                           check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in
            re.findall(r"(\S+) (\S+)\n", lines)}


def one_round(milter, repl, files, names, samples):
    for size in {BARS[name][2] for name in names}:
        for name, value in limits(size).items():
            samples.setdefault((name, size), []).append(value)
    for name in names:
        profile, incoming, size, *_ = BARS[name]
        path, sender = files[profile, size, incoming], f"{profile}@a.example"
        for key, one in (("ours", milter), ("repl", repl)):
            samples.setdefault((key, name), []).append(
                measure(one, sender, incoming, path, COUNT[size]))


def tell(name, samples):
    *_, size, bar, parts = BARS[name]
    terms = {"repl": samples["repl", name],
             **{part: samples[part, size] for part in parts}}
    ours = samples["ours", name]
    ratio = statistics.median(
        one / sum(others) for one, *others in zip(ours, *terms.values()))
    limit = " + ".join(f"{key} {statistics.median(values):.0f}"
                       for key, values in terms.items())
    print(f"bench {name} ratio={ratio:.3f} bar={bar} "
          f"{'ok' if ratio <= bar else 'short'} "
          f"({statistics.median(ours):.0f} / ({limit}) us)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", "--rounds", type=int, default=9)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    names = [n for n in BARS if not arguments.names or n in arguments.names]
    milter, repl, samples = start_milter(), Repl(), {}
    files = make_messages(milter, scope.new_directory("messages"))
    for _ in range(arguments.rounds):
        one_round(milter, repl, files, names, samples)
    for name in names:
        tell(name, samples)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("the milter runs as another user, which needs root")
    try:
        main()
    finally:
        scope.close_from(0)
