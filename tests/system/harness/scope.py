# SPDX-License-Identifier: BSD-2-Clause
"""
What a test leaves behind: nothing.  Whatever must be stopped or removed is
given to own(); it is closed, newest first, when its scope ends, at exit,
and on SIGTERM, SIGINT and SIGHUP.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

_owned = []
_base = None
_keep = bool(os.environ.get("POSTSEAL_KEEP"))


def own(resource):
    """Has resource.close() called when the scope ends; returns it."""
    _owned.append(resource)
    return resource


def owned():
    """What is open now, oldest first."""
    return list(_owned)


def mark():
    return len(_owned)


def close_from(start):
    """
    Closes what was owned after mark() gave start.  A resource that takes
    its time may have a closing() that only begins with it.
    """
    for resource in _owned[start:]:
        if hasattr(resource, "closing"):
            resource.closing()
    while len(_owned) > start:
        resource = _owned.pop()
        try:
            resource.close()
        except Exception as why:  # the others must still be closed
            print(f"# while closing {resource!r}: {why}", file=sys.stderr)


def keep():
    """Leaves the temporary directories of this process in place."""
    global _keep
    _keep = True


class _Directory:
    def __init__(self, path):
        self.path = path

    def close(self):
        global _base
        if not _keep:
            shutil.rmtree(self.path, ignore_errors=True)
        _base = None


def base_directory():
    """
    The one temporary directory of this process.  In /tmp whatever TMPDIR
    says: UNIX socket paths have 107 bytes.  Others may pass through, as
    Postfix's and the milter's users must.
    """
    global _base
    if _base is None:
        _base = tempfile.mkdtemp(prefix="ps-", dir="/tmp")
        os.chmod(_base, 0o711)
        _owned.insert(0, _Directory(_base))
    return _base


def new_directory(name):
    """A fresh directory below base_directory(), named like `name`."""
    path, n = os.path.join(base_directory(), name), 1
    while True:
        try:
            os.mkdir(path)
            break
        except FileExistsError:  # another thread's, perhaps
            n += 1
            path = os.path.join(base_directory(), f"{name}{n}")
    os.chmod(path, 0o711)
    return path


def move_to(path):
    """
    Makes new_directory() make them below path, a new directory there, from
    here on.  What is above it is removed after it.
    """
    global _base
    os.mkdir(path)
    os.chmod(path, 0o711)
    _base = path


class _Port:
    """
    Holds a port by binding it without listening: nobody is given it by
    chance, while a server that sets SO_REUSEADDR (Postfix, libmilter and
    we do) may listen on it, again after each restart.
    """

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


def free_port():
    """A loopback port that is ours until the scope ends."""
    return own(_Port()).number


def wait_for(what, condition, timeout=10.0, interval=0.02):
    """
    Calls condition() until it gives something true, and returns that.
    Raises AssertionError naming `what` when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


class Guard:
    """
    Ends a process of ours with SIGTERM should we die without closing it.
    (PR_SET_PDEATHSIG does not do: it is forgotten when a program changes
    its user, as Postfix's master and our daemons do.)
    """

    def __init__(self, pid):
        # Our end of the pipe closes when we die, however that happens.
        self._shell = subprocess.Popen(
            ["sh", "-c", 'read -r _; kill -TERM "$1"', "guard", str(pid)],
            stdin=subprocess.PIPE, start_new_session=True)

    def dismiss(self):
        self._shell.kill()
        self._shell.wait()
        self._shell.stdin.close()


def _stop(number, _frame):
    sys.exit(128 + number)


# Other users than ours must be able to read what we write for them.
os.umask(0o022)
for _signal in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_signal, _stop)
atexit.register(close_from, 0)
