#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Rounds of crl-fetcher that end early, and what the next one makes of it;
bundles, repairs, deltas that end, what people and programs are shown.
Rows R1 to R3, R+; faults A1, A2, A11, A13, A18.
"""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time

from harness import free_port, main, program
from harness.crl import (DAY, Ca, Fetcher, Web, answer, leaf, needs, to_pem)
from harness.scope import new_directory


def open_directory(name):
    path = new_directory(name)
    os.chmod(path, 0o777)
    return path


# --- A1, A2: everybody is told in the end ----------------------------------------

CALLS = ("openat", "write", "fsync", "close", "fchmod", "renameat",
         "unlinkat", "unlink")


def calls_of_worker(fetcher, call):
    """Calls of the process that takes the lock: before it, and after."""
    log = os.path.join(fetcher.directory, "strace")
    fetcher.run("--all", prefix=("strace", "-f", "-o", log, "-e",
                                 f"trace={call},flock"))
    with open(log) as file:
        text = file.read()
    pid = re.search(r"^(\d+) +flock\(", text, re.M)[1]
    head, tail = [], []
    for line in text.splitlines():
        if re.match(rf"{pid} +flock\(", line):
            head, tail = tail, head
        elif re.match(rf"{pid} +{call}\(", line):
            tail.append(line)
    return len(head), len(tail)


class Told:
    """One source, a bundle, a reload command; all that can be late."""

    def __init__(self, size=0):
        self.where = open_directory("told")
        self.bundle = os.path.join(self.where, "bundle.pem")
        self.mark = os.path.join(self.where, "mark")
        self.ca, self.web = Ca(), Web()
        url = self.web.put("/a", self.ca.crl("--number", 1, "--revoke", "0A"))
        self.fetcher = Fetcher(
            [self.ca], {"a": [f"primary_url = {url}"]},
            f"parallel = 1\n    bundle_crls = {self.bundle}\n"
            f"    reload = /usr/bin/touch {self.mark}")
        self.fetcher.run()
        self.saved = self.fetcher.save()
        with open(self.bundle, "rb") as file:
            self.old = file.read()
        many = ("--many", size) if size else ()
        self.web.put("/a", self.ca.crl("--number", 2, "--revoke", "0B",
                                       *many))
        self.reset()

    def reset(self):
        self.fetcher.restore(self.saved)
        with open(self.bundle, "wb") as file:
            file.write(self.old)
        if os.path.exists(self.mark):
            os.unlink(self.mark)

    def wrong(self):
        """What is not as after a round that went well; "" if all is."""
        pem = self.fetcher.read(self.ca.hash() + ".r0")
        state = os.listdir(os.path.join(self.fetcher.state, "crl-state"))
        with open(self.bundle, "rb") as file:
            bundle = file.read()
        return " ".join(what for what, is_so in (
            ("bundle", bundle != pem), ("old", bundle == self.old),
            ("mark", not os.path.exists(self.mark)),
            ("unfinished", "unfinished" in state),
            ("temporary", any(".tmp-" in n for n in state +
                              self.fetcher.files()))) if is_so)


def inject(t, told, what, calls):
    needs("strace")
    runs, wrong, codes = 0, [], set()
    for call in calls:
        told.reset()
        before, count = calls_of_worker(told.fetcher, call)
        for n in range(before + 1, before + count + 1):
            told.reset()
            ran = told.fetcher.run(
                "--all", prefix=("strace", "-f", "--seccomp-bpf", "-o",
                                 "/dev/null", "-e",
                                 f"inject={call}:{what}:when={n}"))
            runs += 1
            codes.add(ran.code)
            again = told.fetcher.run("--all")
            if again.code or told.wrong():
                wrong.append((call, n, told.wrong(), ran, again))
    t.diag(f"{runs} runs, exit codes {sorted(codes)}")
    return runs, wrong, codes


def killed(t):
    runs, wrong, _ = inject(t, Told(), "signal=SIGKILL", CALLS)
    t.ok(runs > 30 and not wrong,
         f"A1 killed at any of {runs} calls: the next round writes bundles "
         "and runs commands", *wrong[:3])


def failing(t):
    told = Told()
    for error in ("ENOSPC", "EIO"):
        runs, wrong, codes = inject(t, told, f"error={error}", (
            "openat", "write", "fsync", "renameat", "fchmod"))
        t.ok(runs > 20 and not wrong and 74 in codes,
             f"A2 {error} at any of {runs} calls: the next round does what "
             "is left", codes, *wrong[:3])


def large_body(t):
    """A body that goes to a file; only writes, of which there are many."""
    told = Told(40000)
    needs("strace")
    wrong, spilled = [], False
    for n in (1, 2, 3, 5, 9, 40):
        told.reset()
        ran = told.fetcher.run("--all", prefix=(
            "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e",
            f"inject=write:error=ENOSPC:when={n}"))
        spilled |= "cannot keep what comes" in ran.err
        if ran.code not in (74, 0) or "no CRL came yet" in ran.err:
            wrong.append((n, ran))
        told.fetcher.run("--all")
        if told.wrong():
            wrong.append((n, told.wrong()))
    t.ok(spilled and not wrong,
         "A2 no room for what comes: 74, and nothing is lost", *wrong[:3])


# --- A11: beside a round ------------------------------------------------------------

def beside(t):
    ca, web = Ca(), Web()
    body, started, go = ca.crl("--revoke", "0A"), threading.Event(), \
        threading.Event()

    def wait(handler):
        started.set()
        go.wait(10)
        handler._file(body)

    web.acts["/a"] = wait
    fetcher = Fetcher([ca], {"a": [f"primary_url = {web.url('/a')}"]})
    thread = threading.Thread(target=fetcher.run)
    thread.start()
    started.wait(10)
    temp = os.path.join(fetcher.crl, ".12345678.r0.tmp-0123456789abcdef")
    with open(temp, "w"):
        pass
    ran = fetcher.run("-t")
    t.ok(ran.code == 0 and os.path.exists(temp),
         "A11 -t leaves the temporary files of a round alone", ran)
    go.set()
    thread.join()
    fetcher.run("--all")
    t.ok(not os.path.exists(temp), "A1 the next round removes them")


# --- R3: bundles --------------------------------------------------------------------

def bundles(t):
    where = open_directory("bundles")
    both, mark = os.path.join(where, "both.pem"), os.path.join(where, "mark")
    ca, web = Ca(), Web()
    url = web.put("/a", ca.crl("--number", 1))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {url}"]},
                      f"bundle_ca_crls = {both}\n"
                      f"    reload = /usr/bin/touch {mark}")
    with open(fetcher.cas) as file:
        text = file.read()
    with open(fetcher.cas, "w") as file:
        file.write(text.rstrip("\n"))
    fetcher.run()
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", both, "-crl_check",
         leaf(ca, "0B")], capture_output=True, text=True)
    t.ok(done.returncode == 0,
         "R3 authorities whose last line has no end, and CRLs, are one "
         "bundle", done)

    os.unlink(mark)
    other = Ca("other", ca.pki)
    with open(fetcher.cas, "a") as file:
        file.write("\n" + other.pem())
    ran = fetcher.run()
    with open(both) as file:
        found = file.read()
    t.ok(ran.code == 0 and other.pem() in found and os.path.exists(mark),
         "R3 new authorities go into the bundle, and commands run", ran)
    os.unlink(mark)
    fetcher.run()
    t.ok(not os.path.exists(mark), "R3 once")

    web.put("/a", ca.crl("--number", 2, "--revoke", "0A"))
    os.chmod(where, 0o755)
    first, second = fetcher.run("--all"), fetcher.run("--all")
    with open(both) as file:
        same = file.read() == found
    t.ok(first.code == 74 and same and "bundle" in first.err and
         second.code == 74 and second.err == "",
         "A2 a bundle that cannot be written stays, and that is told once",
         first, second)
    os.chmod(where, 0o777)
    ran = fetcher.run()
    with open(both) as file:
        new = file.read()
    t.ok(ran.code == 0 and
         new.endswith(fetcher.read(ca.hash() + ".r0").decode()),
         "A2 it is written as soon as it can be", ran)


# --- repairs ------------------------------------------------------------------------

def repairs(t):
    """Of two keys of one issuer in one file, one is damaged."""
    ca, web = Ca("twin"), Web()
    second = Ca("twin")
    file = to_pem(ca.crl("--number", 5, "--revoke", "0A")) + \
        to_pem(second.crl("--number", 5, "--revoke", "0B"))
    fetcher = Fetcher([ca, second],
                      {"a": [f"primary_url = {web.put('/a', file)}"]})
    fetcher.run()

    def states():
        return [fetcher.status_of("0A", ca), fetcher.status_of("0B", second)]

    for n in (0, 1):
        path = os.path.join(fetcher.crl, f"{ca.hash()}.i{n}")
        os.truncate(path, 50)
        ran = fetcher.run()
        t.ok(states() == ["revoked", "revoked"] and len(web.requests) == 1
             and len(fetcher.files()) == 4,
             f"R2 .i{n} of two is made again, the other stays", ran, states(),
             fetcher.files())
    os.unlink(os.path.join(fetcher.crl, f"{ca.hash()}.i0"))
    ran = fetcher.run()
    t.ok(states() == ["revoked", "revoked"],
         "R2 .i1 behind a gap, where nobody looks, is no index", ran,
         states(), fetcher.files())


def delta_repair(t):
    ca, web = Ca(), Web()
    base = web.put("/base", ca.crl("--number", 10))
    delta = web.put("/delta", ca.crl("--number", 11, "--base", 10,
                                     "--revoke", "0C"))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {base}",
                                   f"delta_url = {delta}"]})
    fetcher.run()
    os.truncate(os.path.join(fetcher.crl, ca.hash() + ".i0"), 99)
    ran = fetcher.run()
    t.ok(ran.code == 0 and fetcher.status_of("0C", ca) == "revoked",
         "R+ an index that is made again has its delta, at once", ran)


def delta_ends(t):
    needs("faketime")
    ca, web = Ca(), Web()
    base = web.put("/base", ca.crl("--number", 10, "--next", 30 * DAY))
    delta = web.put("/delta", ca.crl("--number", 11, "--base", 10, "--this",
                                     -60, "--next", 2 * 3600))
    fetcher = Fetcher([ca], {"a": [
        f"primary_url = {base}", f"delta_url = {delta}",
        "schedule = lifetime 50%"]})
    fetcher.run()
    due = fetcher.list()["a"]["next_due"]
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
        time.time() + 2 * 3600))
    t.ok(due < then, "R+ the lifetime of a source is that of its delta", due)
    late = fetcher.run("--all", prefix=("faketime", "-f", "+4h"),
                       environment={"FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    t.ok(late.code == 75 and "delta CRL that expired" in late.err,
         "R+ a delta that has expired, and no newer one, is a failure", late)
    other = Ca("ca")
    web.put("/delta", ca.crl("--number", 12, "--base", 10, key=other.key))
    ran = fetcher.run("--all")
    t.ok(ran.code == 75 and
         "signature does not hold" in fetcher.list()["a"]["error"],
         "A6 a delta by another key is refused", ran)


def delta_fails(t):
    """A new CRL whose delta cannot be had is a change, and a failure."""
    where = open_directory("mark")
    mark = os.path.join(where, "mark")
    ca, web = Ca(), Web()
    base = web.put("/base", ca.crl("--number", 10))
    web.acts["/delta"] = answer(503)
    fetcher = Fetcher([ca], {"a": [
        f"primary_url = {base}", f"delta_url = {web.url('/delta')}"]},
        f"reload = /usr/bin/touch {mark}")
    ran = fetcher.run()
    t.ok(ran.code == 75 and os.path.exists(mark) and
         fetcher.status_of("0B", ca) == "good",
         "R+ a CRL is published, and told, without the delta that failed",
         ran)


def no_room(t):
    ca, web = Ca(), Web()
    url = web.put("/a", ca.crl("--number", 1))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {url}"]})
    fetcher.run()
    web.put("/a", ca.crl("--number", 2))
    os.chmod(fetcher.crl, 0o555)
    ran = fetcher.run("--all")
    os.chmod(fetcher.crl, 0o755)
    t.ok(ran.code == 74 and "no newer CRL came" in ran.err and
         len(fetcher.list()["a"]["crls"]) == 1,
         "A2 a CRL that cannot be written does not make the held one "
         "forgotten", ran)


# --- what is shown ------------------------------------------------------------------

def commands(t):
    ca, web = Ca(), Web()
    url = web.put("/a", ca.crl("--number", 7, "--revoke", "0A:1", "--revoke",
                               "0B:4"))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {url}",
                                   "secondary_url = http://127.0.0.1:9/"],
                             "new": [f"primary_url = {url}x"]})
    ran = fetcher.command("fetch", "a")
    t.ok(ran.code == 0 and "status=changed" in ran.err,
         "R1 postseal crl fetch SOURCE says what it did", ran)
    ran = fetcher.command("fetch", "nosuch")
    t.ok(ran.code == 64 and "nosuch" in ran.err,
         "R1 fetch of a source that is not there: 64", ran)
    shown = json.loads(fetcher.command("show", "--json", "a").out)
    crl = shown["crls"][0]
    t.is_((shown["source"], shown["state"], shown["urls"],
           shown["schedule"], shown["failures"]),
          ("a", "good", [url, "http://127.0.0.1:9/"], "every 6h", 0),
          "R1 show --json SOURCE: source, state, URLs, schedule, failures")
    t.is_((crl["number"], crl["entries"], crl["index"], crl["pem"],
           crl["index_state"], crl["issuer"], crl["scope"]),
          ("07", 2, ca.hash() + ".i0", ca.hash() + ".r0", "whole",
           "CN=ca,O=Test", []), "R1 and its CRL")
    t.ok(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", crl[k])
             for k in ("this_update", "next_update", "written")) and
         crl["size"] == len(web.acts["/a"]),
         "R1 with its dates and size", crl)
    ran = fetcher.command("show", "a")
    t.ok(ran.code == 0 and url in ran.out and crl["next_update"] in ran.out,
         "R1 show SOURCE, for people", ran)
    t.is_({n: o["state"] for n, o in fetcher.list().items()},
          {"a": "good", "new": "new"}, "R1 list --json: the state of each")
    t.is_(json.loads(fetcher.run("--list", "--json").out)[1]["source"], "new",
          "R1 crl-fetcher --list --json")
    path = leaf(ca, "0B")
    told = json.loads(fetcher.command("show", "--json", "--cert", path).out)
    t.is_((told["status"], told["reason"], told["serial"], told["stale"]),
          ("revoked", "superseded", "0B", False),
          "R3 show --json --cert: why")
    der = path + ".der"
    subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER", "-out",
                    der], check=True)
    t.is_(fetcher.command("show", "--cert", der).code, 1,
          "R3 show --cert: DER, too")
    ran = fetcher.command("show", "--cert", path, "--at", "2040-01-01")
    t.ok(ran.code == 1, "R3 show --at: revoked stays revoked", ran)
    ran = fetcher.command("show", "--cert", leaf(ca, "0D"), "--at",
                          "2040-01-01")
    t.ok(ran.code == 2 and "expired" in ran.out,
         "R3 show --at: of another the CRL has expired by then", ran)
    for arguments, code in ((("show",), 64), (("show", "nosuch"), 64),
                            (("list", "x"), 64), (("nosuch",), 64),
                            (("show", "--cert", "/no/such"), 66),
                            (("show", "--cert", path, "--at", "x"), 64)):
        ran = fetcher.command(*arguments)
        t.ok(ran.code == code and ran.err != "",
             f"R1 postseal crl {' '.join(arguments[:2])}: {code}", ran)


def on_a_terminal(fetcher, *arguments):
    """What a terminal is shown; exit code."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [program("crl-fetcher"), "-c", fetcher.conf, *arguments],
        stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:
        pass
    os.close(ours)
    return process.wait(), text.decode()


def progress(t):
    ca, web = Ca(), Web()
    url = web.put("/a", ca.crl())
    fetcher = Fetcher([ca], {n: [f"primary_url = {url}"]
                             for n in ("one", "two", "three")})
    code, text = on_a_terminal(fetcher)
    t.ok(code == 0 and "[3/3]" in text and "one" in text and
         text.endswith("\r\x1b[K"),
         "R1 a terminal is shown progress, and left clean", repr(text))
    ran = fetcher.run("--all")
    t.is_(ran.out + ran.err, "", "R1 nobody else is")
    code, text = on_a_terminal(fetcher)
    t.is_((code, text), (0, ""), "R1 nor a terminal when nothing is due")


def summary(t):
    """A18: 200 sources that fail"""
    ca = Ca()
    port = free_port()
    fetcher = Fetcher([ca], {f"s{n}": [
        f"primary_url = http://127.0.0.1:{port}/{n}"] for n in range(200)})
    first, second = fetcher.run(), fetcher.run("--all")
    t.ok(first.code == 75 and first.err.count("no CRL came yet") == 200 and
         second.code == 75 and second.err == "",
         "A18 200 failures are told once", first.err[-500:], second)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP crl-fetcher drops root, which needs root")
        sys.exit(0)
    main(killed, failing, large_body, beside, bundles, repairs, delta_repair,
         delta_ends, delta_fails, no_room, commands, progress, summary)
