# SPDX-License-Identifier: BSD-2-Clause
"""Test Anything Protocol: one line per check, the plan at the end."""

import sys
import traceback

from . import scope


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def _line(self, good, name, note=""):
        self.count += 1
        self.failed += not good
        # A '#' in a name would read as a directive.
        name = str(name).replace("#", "/").replace("\n", " ")
        print(f"{'' if good else 'not '}ok {self.count} - {name}{note}",
              flush=True)

    def ok(self, good, name, *details):
        """One check; details are printed when it fails."""
        self._line(bool(good), name)
        if not good:
            for detail in details:
                self.diag(detail)
        return bool(good)

    def is_(self, got, expected, name):
        return self.ok(got == expected, name, f"     got: {got!r}",
                       f"expected: {expected!r}")

    def skip(self, name, why):
        self._line(True, name, f" # SKIP {why}")

    def diag(self, text):
        if isinstance(text, bytes):
            text = text.decode("utf-8", "backslashreplace")
        for line in str(text).splitlines() or [""]:
            print(f"# {line}", flush=True)

    def run(self, function):
        """
        Calls function(self); an exception is one `not ok`.  What the
        function left open is closed.  After a failure the logs of what was
        running are shown.
        """
        name = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
        name = name or function.__name__.replace("_", " ")
        before, start = self.failed, scope.mark()
        try:
            function(self)
        except Skip as why:
            self.skip(name, why)
        except Exception as why:
            self._line(False, f"{name}: {type(why).__name__}: {why}")
            self.diag(traceback.format_exc())
        if self.failed > before:
            self._show_logs(start)
        scope.close_from(start)

    def _show_logs(self, start):
        for resource in scope.owned()[start:]:
            log = getattr(resource, "log", None)
            if log is not None:
                self.diag(f"---- {resource!r}, last lines")
                self.diag("\n".join(log().splitlines()[-30:]))

    def done_testing(self):
        """Prints the plan; the exit status of the test file."""
        print(f"1..{self.count}", flush=True)
        return 0 if self.count and not self.failed else 1


def main(*functions):
    """Runs the tests named on the command line, by default all; exits."""
    wanted = sys.argv[1:]
    tap = Tap()
    for function in functions:
        if not wanted or function.__name__ in wanted:
            tap.run(function)
    sys.exit(tap.done_testing())
