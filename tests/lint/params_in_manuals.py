#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
usage: params_in_manuals.py MANUAL PROGRAM...

Holds postseal.conf(5) against what the programs' -d says, as TAP: every
parameter has an item (`.It Cm name`) below the heading (`.Ss section`) of
its section, and every item there is a parameter.
"""

import os
import re
import subprocess
import sys


def parameters(program):
    """{section: {parameter}} of a program."""
    text = subprocess.run([program, "-d"], check=True, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL).stdout
    found, section = {}, None
    for line in text.splitlines():
        if opened := re.match(r"([a-z-]+)( NAME)? \{$", line):
            section = found.setdefault(opened[1], set())
        elif line == "}":
            section = None
        elif key := re.match(r"\s+(?:# )?([a-z_]+) =", line):
            # "# key =" is one without a default.
            section.add(key[1])
    return found


def documented(manual):
    """{heading: {item}}: the first words of .Ss or .Sh, and of .It."""
    found, section = {}, None
    with open(manual) as file:
        for line in file:
            words = re.sub(r"\\&", "", line).replace(",", " ").split()
            if not words:
                continue
            words = [words[0]] + [w for w in words[1:]
                                  if not re.fullmatch(r"[A-Z][a-z]", w)]
            if words[0] in (".Sh", ".Ss") and len(words) > 1:
                section = found.setdefault(words[1].strip('"'), set())
            elif words[0] == ".It" and section is not None:
                section.update(w for w in words[1:2]
                               if re.fullmatch(r"[a-z_]+", w))
    return found


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    manual, programs = sys.argv[1], sys.argv[2:]
    there, count, failed = documented(manual), 0, 0

    def test(faults, name):
        nonlocal count, failed
        count += 1
        failed += bool(faults)
        print(f"{'not ' if faults else ''}ok {count} - {name}")
        for fault in sorted(faults):
            print(f"# {fault}")

    known = {}
    for program in programs:
        name = os.path.basename(program)
        own = parameters(program)
        test([] if own else ["no section"], f"{name} -d lists parameters")
        test([f"{section}: {key}" for section, keys in own.items()
              for key in keys - there.get(section, set())],
             f"every parameter of {name} is in {os.path.basename(manual)}")
        for section, keys in own.items():
            known.setdefault(section, set()).update(keys)
    test([f"{section}: {key}" for section, keys in known.items()
          for key in there.get(section, set()) - keys],
         f"{os.path.basename(manual)} has no others in these sections")
    print(f"1..{count}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
