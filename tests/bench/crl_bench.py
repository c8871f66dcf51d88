#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What crl-fetcher costs beside what its work must cost at least, one line for
each bar:

    bench NAME ratio=R bar=B ok|short (what was compared)

The limit is a program (crl_limits) that downloads with bare libcurl, checks
signatures and writes files, from the same local nginx; both are whole
processes, measured in CPU time.  Debian's fetch-crl does the same work in
the same run, when it is installed.

    crl_bench.py [-r ROUNDS]

All of it is on a file system of its own, with a journal, when one can be
mounted: what others deleted a minute ago makes every new file dearer.

$BENCH_BUILD says where the programs of tests/bench were built.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "..", "system"))

from harness import Skip, scope
from harness.crl import Ca, Fetcher, Nginx, leaf

BUILD = os.environ.get("BENCH_BUILD", os.path.dirname(
    os.path.realpath(__file__)))
LIMITS = os.path.join(BUILD, "crl_limits")
SMALL, LARGE, HUGE = 200, 290000, 300000


class Named:
    """A CA with a key that others have, too: 200 of them in a second."""

    def __init__(self, first, number):
        self.pki, self.key = first.pki, first.key
        self.name = f"bench{number}"
        self.cert = os.path.join(self.pki.directory, self.name + ".pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-key", self.key, "-subj",
             f"/CN={self.name}", "-days", "9", "-out", self.cert, "-addext",
             "keyUsage=critical,keyCertSign,cRLSign"], check=True,
            capture_output=True)

    crl, pem, hash = Ca.crl, Ca.pem, Ca.hash


class Disk:
    """A new ext4, mounted at .path."""

    def __init__(self):
        top = scope.new_directory("disk")
        self.path, image = os.path.join(top, "mnt"), os.path.join(top, "img")
        os.mkdir(self.path)
        with open(image, "wb") as file:
            file.truncate(600 << 20)
        self.mounted = all(
            subprocess.run(command, capture_output=True).returncode == 0
            for command in (["mkfs.ext4", "-q", "-F", image],
                            ["mount", "-o", "loop", image, self.path]))
        scope.own(self)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)


def own_disk():
    """Has new directories of the harness lie on a disk of our own."""
    disk = Disk()
    if not disk.mounted:
        print("# no file system of its own can be mounted")
        return
    os.chmod(os.path.dirname(disk.path), 0o711)
    scope.move_to(os.path.join(disk.path, "bench"))


def cpu_of(command):
    """CPU seconds of a process and its children, and seconds."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (command[:4], status)
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start


def line(name, value, bar, text, least=False):
    good = value >= bar if least else value <= bar
    print(f"bench {name} ratio={value:.2f} bar={bar:g} "
          f"{'ok' if good else 'short'} ({text})", flush=True)
    return good


def median(values):
    return statistics.median(values)


class Bench:
    def __init__(self, rounds):
        self.rounds = rounds
        self.nginx = Nginx()
        first = Ca("first", key="rsa:2048")
        self.cas = [Named(first, n) for n in range(SMALL)]
        self.large_ca = first
        self.urls = [self.nginx.put(f"{ca.name}.crl", ca.crl(
            "--many", 20)) for ca in self.cas]
        self.large = first.crl("--many", LARGE)
        self.large_url = self.nginx.put("large.crl", self.large)
        self.good = True

    def bar(self, *arguments, **options):
        self.good = line(*arguments, **options) and self.good

    def limit(self, kind, cas, urls):
        path = os.path.join(scope.new_directory("limit"), "cas.pem")
        with open(path, "w") as file:
            file.write("".join(ca.pem() for ca in cas))
        return median(cpu_of([LIMITS, kind, path, scope.new_directory(
            "limit"), *urls])[0] for _ in range(self.rounds))

    def small(self):
        sources = {ca.name: [f"primary_url = {url}"]
                   for ca, url in zip(self.cas, self.urls)}
        cold, again = [], []
        for _ in range(self.rounds):
            fetcher = Fetcher(self.cas, sources)
            ran = fetcher.run()
            assert ran.code == 0, ran
            cold.append(ran.cpu)
            again.append(fetcher.run("--all").cpu)
        limit = self.limit("small", self.cas, self.urls)
        self.bar("crl-cold-200", median(cold) / limit, 2,
                 f"{median(cold) * 1e3:.0f} ms, limit {limit * 1e3:.0f} ms")
        self.bar("crl-unchanged-200", median(again) / median(cold), 0.5,
                 f"{median(again) * 1e3:.0f} ms of "
                 f"{median(cold) * 1e3:.0f} ms")

    def big(self):
        cpu, rss = [], []
        newer = self.nginx.put("newer.crl", self.large_ca.crl(
            "--many", LARGE, "--number", 2))
        for _ in range(self.rounds):
            fetcher = Fetcher([self.large_ca], {"large": [
                f"primary_url = {self.large_url}"]})
            ran = fetcher.run(measure=True)
            assert ran.code == 0, ran
            rss.append(ran.rss)
            cpu.append(ran.cpu)
            fetcher.write({"large": [f"primary_url = {newer}"]})
            ran = fetcher.run("--all", measure=True)
            assert ran.code == 0, ran
            rss.append(ran.rss)
        limit = self.limit("large", [self.large_ca], [self.large_url])
        size = len(self.large)
        self.bar("crl-10mb", median(cpu) / limit, 1.5,
                 f"{median(cpu) * 1e3:.0f} ms, limit {limit * 1e3:.0f} ms")
        self.bar("crl-10mb-memory", max(rss) / size, 3,
                 f"{max(rss) / 1e6:.1f} MB for {size / 1e6:.1f} MB")

    def peer(self):
        binary = shutil.which("fetch-crl", path="/usr/sbin:/usr/bin")
        if binary is None:
            print("# bench crl-fetch-crl: SKIP fetch-crl is not installed")
            return
        info, out = (scope.new_directory(n) for n in ("info", "out"))
        cas = [*self.cas, self.large_ca]
        for ca, url in zip(cas, [*self.urls, self.large_url]):
            shutil.copyfile(ca.cert, os.path.join(info, ca.hash() + ".0"))
            with open(os.path.join(info, ca.hash() + ".crl_url"),
                      "w") as file:
                file.write(url + "\n")
        theirs, wall = cpu_of([binary, "-l", info, "--cadir", info, "-o", out,
                               "-q"])
        found = [n for n in os.listdir(out) if ".r" in n]
        assert len(found) >= SMALL, f"fetch-crl made {len(found)} files"
        sources = {ca.name: [f"primary_url = {url}"]
                   for ca, url in zip(cas, [*self.urls, self.large_url])}
        ours = []
        for _ in range(self.rounds):
            ran = Fetcher(cas, sources).run()
            assert ran.code == 0, ran
            ours.append(ran.cpu)
        self.bar("crl-fetch-crl", theirs / median(ours), 30,
                 f"times our {median(ours) * 1e3:.0f} ms; {theirs:.1f} s, "
                 f"{wall:.1f} s by the clock", least=True)

    def lookup(self):
        ca = self.large_ca
        url = self.nginx.put("huge.crl", ca.crl("--many", HUGE, "--revoke",
                                                "0A"))
        fetcher = Fetcher([ca], {"huge": [f"primary_url = {url}"]})
        assert fetcher.run().code == 0
        took = [float(subprocess.run(
            [LIMITS, "lookup", fetcher.crl, leaf(ca, "0A")],
            capture_output=True, check=True).stdout)
            for _ in range(self.rounds)]
        self.bar("crl-lookup", median(took), 20,
                 f"microseconds of one certificate, {HUGE} entries")

    def handshake(self):
        root = Ca("root", self.large_ca.pki)
        mid = Ca("mid", root.pki, issuer=root.certificate)
        chain = root.pki.leaf("leaf", issuer=mid.certificate,
                              purpose="serverAuth")
        path = chain.cert + ".chain"
        with open(path, "w") as file:
            file.write(chain.pem())
        fetcher = Fetcher([root, mid], {
            ca.name: ["primary_url = " + self.nginx.put(
                f"{ca.name}.crl", ca.crl("--many", HUGE))]
            for ca in (root, mid)})
        assert fetcher.run().code == 0
        took = [float(subprocess.run(
            [LIMITS, "handshake", fetcher.crl, root.cert, path, chain.key],
            capture_output=True, check=True).stdout)
            for _ in range(self.rounds)]
        self.bar("crl-handshake", median(took), 20,
                 "microseconds of one handshake: leaf and intermediate, "
                 f"{HUGE} entries each")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-r", type=int, default=3, dest="rounds")
    try:
        own_disk()
        bench = Bench(parser.parse_args().rounds)
    except Skip as why:
        print(f"# bench crl: SKIP {why}")
        return
    for part in (bench.small, bench.big, bench.lookup,
                 bench.handshake, bench.peer):
        part()
    sys.exit(not bench.good)


if __name__ == "__main__":
    main()
