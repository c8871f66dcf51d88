#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What stands in contrib/ works."""

import os
import shutil
import subprocess
import sys

from harness import Milter, Skip, main, new_directory, program

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

# A source tree whose tiers print what check must count.
CONFIGURE = r"""#!/bin/sh
cat >Makefile <<'M'
all:
	@echo 'x.c:3:4: warning: only for clang' | grep "$(CC)" || true
check:
	@printf 'ok 1 - a\nok 2 - b # SKIP no net\n' >t.log; touch t.trs
check-system:
	@printf '1..0 # SKIP needs root\n'
check-sanitize:
	@echo 'ok 1 - a'; exit 3
check-fuzz:
	@true
check-lint:
	@echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1
M
for word; do
	case $word in CC=*) sed -i "1i $word" Makefile ;; esac
done
"""


def run(*command, **environment):
    done = subprocess.run(
        command, env={**os.environ, **environment}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def demo(t):
    """the demonstration shows what it says"""
    try:
        program("milter-smime")
        program("postseal-smime")
    except FileNotFoundError as why:
        raise Skip(why) from None
    status, output = run(os.path.join(SOURCE, "contrib", "demo.py"))
    t.ok(status == 0, "contrib/demo: everything is as shown", output)


def example(t):
    """the example configuration is accepted"""
    try:
        program("milter-smime")
    except FileNotFoundError as why:
        raise Skip(why) from None
    with open(os.path.join(SOURCE, "contrib/examples/postseal.conf")) as file:
        text = file.read()
    # Its directories are the machine's: ours instead.
    milter = Milter(text.replace("hostname = mx.example.com", """
    hostname = mx.example.com
    state_directory = @STATE@
    certificate_directory = @CERTS@
    run_directory = @RUN@"""))
    milter.postseal("cert", "create", "gateway", "--domain", "example.com",
                    "--o", "Example Ltd")
    done = milter.call("-t")
    t.ok(done.returncode == 0, "milter-smime -t takes examples/postseal.conf",
         done.stdout + done.stderr)


def check_counts(t):
    """contrib/check counts what the tiers print"""
    tree = new_directory("tree")
    for name in ("check", "machine.sh", "packages-build", "packages-demo",
                 "packages-test"):
        os.makedirs(f"{tree}/contrib", exist_ok=True)
        shutil.copy(f"{SOURCE}/contrib/{name}", f"{tree}/contrib/{name}")
    with open(f"{tree}/configure", "w") as file:
        file.write(CONFIGURE)
    os.chmod(f"{tree}/configure", 0o755)
    status, output = run(f"{tree}/contrib/check", POSTSEAL_NO_INSTALL="1")
    lines = output.splitlines()
    t.is_(lines[-1], "4 passed, 4 failed, 2 skipped",
          "the last line has the sums") or t.diag(output)
    t.is_(status, 1, "failures make a failure")
    for line in ("not ok - everything builds with clang without a warning",
                 "not ok - make check-sanitize: status 2 without a failing "
                 "test", "not ok - make check-fuzz runs any test",
                 "b: no net"):
        t.ok(line in lines, f"it says: {line}", output)
    status, output = run(f"{tree}/contrib/check", "units",
                         POSTSEAL_NO_INSTALL="1")
    t.is_((status, output.splitlines()[-1]),
          (0, "1 passed, 0 failed, 1 skipped"), "one tier alone can be run")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(demo, example, check_counts)
