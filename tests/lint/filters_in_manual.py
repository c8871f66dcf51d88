#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
usage: filters_in_manual.py SOURCE

Holds filters(5) against the filter language, as TAP: every rule and action
of filter_set.c and every variable of filter_text.c has an item below its
heading, and every item there is one.  The manual's examples are compiled by
the built milter-smime (the build is in $POSTSEAL_BUILD, else here).
"""

import os
import pwd
import re
import subprocess
import sys
import tempfile

from params_in_manuals import Tap, examples

MANUAL = "milter-smime/filters.5"
SET = "milter-smime/filter_set.c"
TEXT = "milter-smime/filter_text.c"
MILTER = "milter-smime/milter-smime"

# Whom milter-smime becomes; it does not stay root.
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

# Sections of settings in an example; what else stands there is filters.
SETTINGS = re.compile(r"^[a-z-]+( [\w-]+)? \{$", re.M)
FILTER = re.compile(r"^[\w-]+!?:", re.M)
ARGUMENT = r"%s\(\s*[\"']([^\"']+)[\"']"


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def table(source, name):
    """The strings of a table of C, those of `[KIND] = "x"` and `{"x", K}`."""
    body = re.search(r"\b%s\[\] = \{(.*?)^\}|\} %s\[\] = \{(.*?)^\}"
                     % (name, name), source, re.M | re.S)
    found = re.findall(r"(?:= |\{)\"([^\"]+)\"", body[1] or body[2])
    return set(found)


def items(manual, heading):
    """First words of the .It lines below a .Ss heading."""
    part = re.search(r"^\.Ss %s$(.*?)^\.S[sh] " % heading, manual,
                     re.M | re.S)
    return re.findall(r"^\.It (?:Cm|Li) (\S+)", part[1], re.M) if part else []


def compare(tap, names, there, what):
    tap.test([name for name in names if name not in there],
             f"every {what} has an item in filters.5")
    tap.test([name for name in there if name not in names],
             f"filters.5 has no {what} that there is not")
    tap.test([name for name in set(there) if there.count(name) > 1],
             f"no {what} stands there twice")


def settings(directory, texts, more):
    """A file that names what the filters name, in a place of its own."""
    text = "\n".join(texts)
    profiles = set(re.findall(ARGUMENT % "smime-gateway(?:-deferred)?", text))
    quarantines = set(re.findall(ARGUMENT % "quarantine", text))
    lines = ["postseal {", "  hostname = mx.example.com",
             f"  state_directory = {directory}",
             f"  certificate_directory = {directory}",
             f"  run_directory = {directory}", "}",
             "ca-list { system = no }",
             f"crl-check {{ directory = {directory} }}",
             "milter-smime {", f"  user = {USER}", f"  filters = {directory}/filters",
             f"  key_store = sqlite:{directory}/keys.db",
             f"  listen = unix:{directory}/milter.sock"]
    if quarantines:
        lines.append("  quarantine = " + ", ".join(sorted(quarantines)))
    lines.append("}")
    for name in sorted(profiles):
        lines += [f"sending-profile {name} {{", "  mode = encrypt", "}"]
    return "\n".join(lines) + "\n" + more


def complaint(texts, more=""):
    """What milter-smime -t has against the filters; "" when nothing."""
    program = os.path.abspath(os.path.join(
        os.environ.get("POSTSEAL_BUILD", "."), MILTER))
    if not os.access(program, os.X_OK):
        return "no milter-smime here: run make, or set POSTSEAL_BUILD"
    with tempfile.TemporaryDirectory() as directory:
        for name, text in (("filters", "\n".join(texts)),
                           ("postseal.conf",
                            settings(directory, texts, more))):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        spool = os.path.join(directory, "smime")
        os.mkdir(spool)
        for path in (directory, spool):
            os.chown(path, pwd.getpwnam(USER).pw_uid, -1)
        done = subprocess.run(
            [program, "-v", "-t", "-c",
             os.path.join(directory, "postseal.conf")],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            check=False)
    # Other lines are about this machine: users, directories, keys.
    wrong = [line for line in done.stderr.splitlines()
             if f"{directory}/filters:" in line or
             f"{directory}/postseal.conf:" in line]
    return "; ".join(wrong) or ("" if done.returncode == 0 else
                                done.stderr.strip() or "?")


def check_examples(tap, path):
    blocks = examples(path)
    filters = [b for b in blocks if FILTER.search(b) and
               not SETTINGS.search(b)]
    conf = [b for b in blocks if SETTINGS.search(b)]
    tap.test([] if len(filters) > 3 and conf else [str(len(filters))],
             "there are examples of filters and of settings")
    for number, text in enumerate(filters, 1):
        fault = complaint([text])
        tap.test([fault] if fault else [], f"example {number} compiles")
    for number, text in enumerate(conf, 1):
        fault = complaint(filters, text)
        tap.test([fault] if fault else [],
                 f"settings {number} go with the filters of all examples")
    fault = complaint(["a: if (true) { drp(); }"])
    tap.test([] if ":1:16: unknown action" in fault else [fault or "none"],
             "what is wrong is found")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source, tap = sys.argv[1], Tap()
    manual = read(source, MANUAL)
    compare(tap, table(read(source, SET), "rule_names"),
            items(manual, "Rules"), "rule")
    compare(tap, table(read(source, SET), "action_names"),
            items(manual, "Actions"), "action")
    compare(tap, {f"${name}" for name in
                  table(read(source, TEXT), "variables")},
            items(manual, "Variables"), "variable")
    check_examples(tap, os.path.join(source, MANUAL))
    print(f"1..{tap.count}")
    sys.exit(tap.failed != 0)


if __name__ == "__main__":
    main()
