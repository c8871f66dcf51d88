#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What 200 filters cost beside what PCRE2 alone needs for their searches, one
line for each bar, as in smime_bench.py:

    bench NAME ratio=R bar=B ok|short (what was compared, microseconds)

50 of the filters search the text for a regular expression of their own,
the others look at envelope, header, size and attachments.  The mail is
100 KiB of ordinary text, plain or as base64.  Nothing matches, so that
every search goes through all of it; and in a second bar everything that
can match does, at the end of the text.

    filter_bench.py [-r ROUNDS] [NAME ...]
"""

import argparse
import base64
import json
import os
import random
import statistics
import subprocess
import sys

from smime_bench import BUILD, INSIDE, measure
from harness import Milter, scope, standard_config
from harness.gateway import GROUPS, PASS_ON, mail

SIZE, COUNT, SEARCHES, FILTERS = 100 << 10, 40, 50, 200
SENDER = "x@a.example"

# Kinds of regular expression that administrators write.
SHAPES = (
    "confidential{n}", "(?i)company secret {n}", r"\bproject-{n}\b",
    r"\d{{3}}-\d{{2}}-{n}\d{{4}}", "(?i)(password|passphrase|secret) is {n}",
    r"IBAN [A-Z]{{2}}{n}[0-9 ]+", r"[A-Z][a-z]+ code {n}",
    "(?i)invoice no[.] {n}", r"account\s+{n}", "(alpha|beta|gamma){n}")

# name: (how the text travels, does it match, bar)
BARS = {
    "filter-plain": ("7bit", False, 2.0),
    "filter-base64": ("base64", False, 2.0),
    "filter-matching": ("7bit", True, 2.0),
}


def patterns():
    return [SHAPES[i % len(SHAPES)].format(n=1000 + i)
            for i in range(SEARCHES)]


def filters():
    """200 filters; each fourth one searches the text."""
    others = ('subject == "(?i)urgent {i}"', 'mail-from == "^boss{i}@"',
              'rcpt-to == "@partner{i}\\\\.example$"', 'body-size > {i}M',
              'header("X-Flag-{i}")', 'attachment-filename == "\\\\.ex{i}$"')
    lines, searches = [], iter(patterns())
    for i in range(FILTERS):
        if i % (FILTERS // SEARCHES) == 0:
            rule = f"body-contains(\"{next(searches)}\")".replace("\\",
                                                                  "\\\\")
        else:
            rule = others[i % len(others)].format(i=i)
        lines.append(f"f{i}: if ({rule}) {{ no-op(); }}\n")
    return "".join(lines)


def text(matches):
    """Ordinary words; where it is to match, every pattern's at the end."""
    words = ("the quick brown fox jumps over lazy dogs while People of all "
             "kinds write mail about projects, accounts and codes they "
             "Will need 12 or 345-67 times a week; alpha, beta").split()
    pick, lines = random.Random(1), []
    while sum(map(len, lines)) < SIZE - 4000:
        lines.append(" ".join(pick.choices(words, k=11)) + "\n")
    if matches:
        for i in range(SEARCHES):
            n = 1000 + i
            lines.append((
                f"confidential{n}", f"Company Secret {n}", f"project-{n}",
                f"123-45-{n}6789", f"password is {n}", f"IBAN DE{n}99",
                f"Some code {n}", f"Invoice no. {n}", f"account {n}",
                f"gamma{n}")[i % len(SHAPES)] + "\n")
    return "".join(lines)


def make(directory, encoding, matches):
    """Paths of the message, and of the text alone."""
    body = text(matches)
    wire = body
    if encoding == "base64":
        wire = base64.encodebytes(body.replace("\n", "\r\n").encode()).decode()
    message = os.path.join(directory, f"{encoding}-{matches}.eml")
    plain = os.path.join(directory, f"{encoding}-{matches}.txt")
    with open(message, "wb") as file:
        file.write(mail(wire, sender=SENDER, fields="Content-Transfer-"
                        f"Encoding: {encoding}\n"))
    with open(plain, "w", newline="") as file:
        file.write(body.replace("\n", "\r\n"))
    return message, plain


def searches(directory, plain):
    """Microseconds for PCRE2 alone, and how many patterns were found."""
    path = os.path.join(directory, "patterns")
    with open(path, "w") as file:
        file.write("".join(p + "\n" for p in patterns()))
    spent, found = subprocess.run(
        [os.path.join(BUILD, "searches"), path, plain], check=True,
        capture_output=True, text=True).stdout.split()
    return float(spent), int(found)


def start_milter(directory):
    path = os.path.join(directory, "filters")
    with open(path, "w") as file:
        file.write(filters())
    os.chmod(directory, 0o711)
    os.chmod(path, 0o644)
    config = standard_config("gw.a.example").replace(
        "milter-smime {\n", f"milter-smime {{\n    filters = {path}\n")
    return Milter(config + GROUPS + PASS_ON).start()


def check(milter, message, matches):
    """Do as many filters match as PCRE2 finds patterns?"""
    done = milter.postseal("smime", "test", "--json", "--client", INSIDE,
                           message)
    count = len(json.loads(done.stdout)["filters"])
    if count != (SEARCHES if matches else 0):
        sys.exit(f"{message}: {count} filters match\n{done.stdout}")


def tell(name, ours, alone):
    bar = BARS[name][2]
    ratio = statistics.median(a / b for a, b in zip(ours, alone))
    print(f"bench {name} ratio={ratio:.3f} bar={bar} "
          f"{'ok' if ratio <= bar else 'short'} "
          f"({statistics.median(ours):.0f} / searches "
          f"{statistics.median(alone):.0f} us)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", "--rounds", type=int, default=9)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    directory = scope.new_directory("messages")
    os.chmod(directory, 0o711)
    milter = start_milter(directory)
    for name, (encoding, matches, _) in BARS.items():
        if arguments.names and name not in arguments.names:
            continue
        message, plain = make(directory, encoding, matches)
        os.chmod(message, 0o644)
        check(milter, message, matches)
        ours, alone = [], []
        for _ in range(arguments.rounds):
            spent, found = searches(directory, plain)
            if found != (SEARCHES if matches else 0):
                sys.exit(f"{plain}: PCRE2 finds {found}")
            alone.append(spent)
            ours.append(measure(milter, SENDER, False, message, COUNT))
        tell(name, ours, alone)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("the milter runs as another user, which needs root")
    try:
        main()
    finally:
        scope.close_from(0)
