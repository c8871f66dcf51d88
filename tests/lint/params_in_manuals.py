#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
usage: params_in_manuals.py SOURCE

Holds postseal.conf(5) against what the built programs' -d says, as TAP (the
build is in $POSTSEAL_BUILD, else here): every parameter has an item (`.It Cm name Pq default`) below the heading (`.Ss
section`) of its section, with the same default, and every item there is a
parameter.  Empty defaults are `none`, missing ones `required`.  The
manual's examples are read by each program.
"""

import os
import re
import subprocess
import sys
import tempfile

MANUAL = "common/postseal.conf.5"

# The daemons: those that read settings and print them with -d.
PROGRAMS = ("milter-smime/milter-smime", "policyd-auth/policyd-auth",
            "tlsa-resolver/tlsa-resolver", "crl-fetcher/crl-fetcher")


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)


def parameters(program):
    """{section: {parameter: default}} of a program."""
    found, section = {}, None
    for line in run(program, "-d").stdout.splitlines():
        if opened := re.match(r"([a-z-]+)( NAME)? \{$", line):
            section = found.setdefault(opened[1], {})
        elif line == "}":
            section = None
        elif key := re.match(r"\s+# ([a-z_]+) =$", line):
            section[key[1]] = "required"
        elif key := re.match(r"\s+([a-z_]+) = (.*)", line):
            section[key[1]] = "none" if key[2] == '""' else key[2].strip('"')
    return found


def plain_words(line):
    """The words of a line of mdoc, without its two-letter macros."""
    words = line.replace(r"\&", "").split()
    return words[:1] + [word for word in words[1:]
                        if not re.fullmatch(r"[A-Z][a-z]", word)]


def documented(manual):
    """{heading: {item: default}}, by the first words of .Sh, .Ss, .It."""
    found, section = {}, None
    with open(manual) as file:
        for line in file:
            words = plain_words(line)
            if len(words) < 2:
                continue
            if words[0] in (".Sh", ".Ss"):
                section = found.setdefault(words[1].strip('"'), {})
            elif (words[0] == ".It" and " Cm " in line and len(words) >= 3
                  and re.fullmatch(r"[a-z_]+", words[1])):
                section[words[1]] = " ".join(words[2:])
    return found


def examples(manual):
    """The literal blocks of EXAMPLES."""
    with open(manual) as file:
        part = re.search(r"^\.Sh EXAMPLES$(.*?)^\.Sh ", file.read(),
                         re.M | re.S)
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", part[1],
                        re.M | re.S) if part else []
    return [block.replace(r"\&", "").replace(r"\e", "\\")
            for block in blocks]


def complaint(program, text):
    """What the program has against a file of settings; "" when nothing."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "postseal.conf")
        with open(path, "w") as file:
            file.write(text)
        done = run(program, "-c", path, "-n")
    return "" if done.returncode == 0 else done.stderr.strip() or "?"


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def test(self, faults, name):
        self.count += 1
        self.failed += bool(faults)
        print(f"{'not ' if faults else ''}ok {self.count} - {name}")
        for fault in sorted(faults):
            print(f"# {fault}")


def check_program(tap, program, manual, there):
    """Returns the program's parameters."""
    own, name = parameters(program), os.path.basename(program)
    title = os.path.basename(manual)
    pairs = [(section, key, default) for section, keys in own.items()
             for key, default in keys.items()]
    tap.test([] if pairs else ["none"], f"{name} -d lists parameters")
    tap.test([f"{section}: {key}" for section, key, _ in pairs
              if key not in there.get(section, {})],
             f"every parameter of {name} is in {title}")
    tap.test([f"{section}: {key}: {default} is {there[section][key]} there"
              for section, key, default in pairs
              if there.get(section, {}).get(key, default) != default],
             f"every default of {name} is that in {title}")
    for number, example in enumerate(examples(manual), 1):
        fault = complaint(program, example)
        tap.test([fault] if fault else [],
                 f"{name} reads example {number} of {title}")
    return own


def built():
    """Paths of the programs that are there."""
    build = os.environ.get("POSTSEAL_BUILD", ".")
    paths = [os.path.abspath(os.path.join(build, p)) for p in PROGRAMS]
    return [path for path in paths if os.access(path, os.X_OK)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    manual = os.path.join(sys.argv[1], MANUAL)
    there, known, tap = documented(manual), {}, Tap()
    programs = built()
    tap.test([] if programs else ["none here: run make, or set "
                                  "POSTSEAL_BUILD"], "programs are built")
    for program in programs:
        own = check_program(tap, program, manual, there)
        for section, keys in own.items():
            known.setdefault(section, set()).update(keys)
    tap.test([f"{section}: {key}" for section, keys in known.items()
              for key in there.get(section, {}).keys() - keys],
             f"{os.path.basename(manual)} has no others in these sections")
    print(f"1..{tap.count}")
    sys.exit(tap.failed != 0)


if __name__ == "__main__":
    main()
