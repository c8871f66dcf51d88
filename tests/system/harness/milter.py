# SPDX-License-Identifier: BSD-2-Clause
"""Our own programs: where they were built, and a running milter."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess

from . import scope

_SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__),
                                        "..", "..", ".."))
_ROOMS = ("", "common", "milter-smime", "policyd-auth", "tlsa-resolver",
          "crl-fetcher")

# Who runs our programs in tests: nobody in particular, allowed by its
# second group to meet Postfix, as postseal-smime is on a real machine.
RUN_USER = "nobody"
MEETING_GROUP = "postfix"


def program(name):
    """The path of a program that was built; FileNotFoundError if not."""
    given = os.environ.get("POSTSEAL_BUILD")
    places = [given] if given else [_SOURCE, os.path.join(_SOURCE, "build")]
    for place in places:
        for room in _ROOMS:
            path = os.path.realpath(os.path.join(place, room, name))
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    raise FileNotFoundError(
        f"{name} is not built in {' or '.join(places)}; "
        "run make there, or set POSTSEAL_BUILD")


def _reachable(path):
    """
    The program, or a copy, where the user that is to run it gets through
    to it: sources may well lie in root's home directory.
    """
    at = path
    while at != "/":
        if not os.stat(at).st_mode & 0o001:
            break
        at = os.path.dirname(at)
    else:
        return path
    copy = os.path.join(scope.base_directory(), "bin", os.path.basename(path))
    if not os.path.exists(copy):
        os.makedirs(os.path.dirname(copy), mode=0o755, exist_ok=True)
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o755)
    return copy


def libexec():
    """A directory with what `postseal WORD` looks for."""
    path = os.path.join(scope.base_directory(), "libexec")
    if not os.path.isdir(path):
        os.mkdir(path)
        os.chmod(path, 0o755)
        for word in ("cert", "smime", "ca", "quarantine", "auth", "tls",
                     "crl"):
            try:
                os.symlink(_reachable(program(f"postseal-{word}")),
                           os.path.join(path, f"postseal-{word}"))
            except FileNotFoundError:
                pass
    return path


def directory_for(name, user=RUN_USER, mode=0o750):
    """A new directory that belongs to the user our programs run as."""
    path = scope.new_directory(name)
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    os.chmod(path, mode)
    return path


def standard_config(hostname, ca_file=None):
    """
    The start of a configuration; @WORDS@ are filled in by Milter.  No
    system CA list, so a test decides alone who is trusted.
    """
    custom = f"    custom_file = {ca_file}\n" if ca_file else ""
    return f"""\
postseal {{
    hostname = {hostname}
    state_directory = @STATE@
    certificate_directory = @CERTS@
    run_directory = @RUN@
}}
ca-list {{
    system = no
{custom}}}
crl-check {{ directory = @CRL@ }}
milter-smime {{
    listen = @SOCKET@
    key_store = sqlite:@STATE@/smime/keys.db
}}
"""


class Milter:
    """
    A milter of ours, by default milter-smime, for one configuration text,
    in which @DIR@, @STATE@, @CERTS@, @RUN@, @CRL@ (directories of this
    milter) and @SOCKET@ (the value of `listen`) are replaced.  With a
    Postfix given the socket lies in its queue directory; main.cf gets

        postfix.set(smtpd_milters=milter.socket_name)

    certificates and the like go to .certs before start():
    pki_certificate.install(milter.certs, "gw").
    """

    def __init__(self, config, postfix=None, name="milter-smime",
                 binary="milter-smime", user=RUN_USER, options=("-v",),
                 environment=None):
        self.name, self.user, self.options = name, user, list(options)
        self.binary, self.environment = binary, environment or {}
        prefix = f"{postfix.name}-" if postfix else ""
        self.directory = scope.new_directory(prefix + name)
        for word in ("state", "certs", "run", "crl"):
            path = os.path.join(self.directory, word)
            setattr(self, word, path)
            os.mkdir(path)
        os.mkdir(os.path.join(self.state, "smime"))
        self.socket_path = os.path.join(
            os.path.join(postfix.queue_directory, "postseal") if postfix
            else self.run, f"{name}.sock")
        self.socket_name = (f"unix:postseal/{name}.sock" if postfix
                            else f"unix:{self.socket_path}")
        self.log_file = os.path.join(self.directory, "log")
        self.config_file = os.path.join(self.directory, "postseal.conf")
        self.configure(config)
        self._give_away()
        self.process = self._guard = None
        scope.own(self)

    def __repr__(self):
        return os.path.basename(self.directory)

    def configure(self, text):
        """Writes the configuration; a running milter keeps its old one."""
        for word, value in (("DIR", self.directory), ("STATE", self.state),
                            ("CERTS", self.certs), ("RUN", self.run),
                            ("CRL", self.crl),
                            ("SOCKET", f"unix:{self.socket_path}")):
            text = text.replace(f"@{word}@", value)
        with open(self.config_file, "w") as file:
            file.write(text)

    def _give_away(self):
        """Its directories to its user."""
        entry = pwd.getpwnam(self.user)
        for path in (self.state, os.path.join(self.state, "smime"), self.run,
                     self.certs, self.crl):
            os.chown(path, entry.pw_uid, entry.pw_gid)
            os.chmod(path, 0o750)

    def _as_user(self, *command):
        command = [_reachable(command[0]), *command[1:]]
        entry = pwd.getpwnam(self.user)
        groups = []
        if entry.pw_uid:
            group = grp.getgrnam(MEETING_GROUP).gr_gid
            groups = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}",
                      f"--groups={group}"]
        return ["setpriv", *groups, "--", *command]

    def _run(self, command, **options):
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run(
            self._as_user(*command), capture_output=True, text=True, cwd="/",
            env={**os.environ, "POSTSEAL_LIBEXEC": libexec(),
                 **self.environment}, **options)

    def call(self, *arguments, **options):
        """Runs it once, as with -t or -n; a CompletedProcess with text."""
        return self._run([program(self.binary), "-c", self.config_file,
                          *arguments], **options)

    def postseal(self, word, *arguments, check=True, **options):
        """
        `postseal WORD …` with this milter's configuration, as its user; a
        CompletedProcess with text.  check: a failure is an error here.
        """
        done = self._run([program("postseal"), word, "-c", self.config_file,
                          *arguments], **options)
        if check and done.returncode:
            raise AssertionError(f"postseal {word} {' '.join(arguments)}: "
                                 f"{done.returncode}: {done.stderr}")
        return done

    def start(self, wait=True):
        assert self.process is None
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self._as_user(program(self.binary), "-c", self.config_file,
                              *self.options), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd="/",
                env={**os.environ, **self.environment})
        self._guard = scope.Guard(self.process.pid)
        if wait:
            scope.wait_for(f"{self!r} to listen", self._listens, 30)
        return self

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self!r} ended with status "
                                 f"{self.process.returncode}: "
                                 f"{self.log()[-2000:]}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.socket_path)
            except OSError:
                return False
        return True

    def kill(self, number=signal.SIGKILL, timeout=15):
        """Sends a signal and waits for the end; the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout)
        self._guard.dismiss()
        self.process = None
        return status

    def stop(self):
        """SIGTERM; SIGKILL if that is not obeyed, which is an error."""
        if self.process is None:
            return 0
        try:
            return self.kill(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGKILL)
            raise AssertionError(f"{self!r} did not stop") from None

    close = stop

    def closing(self):
        if self.process is not None:
            self.process.terminate()

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        if not os.path.exists(self.log_file):
            return ""
        with open(self.log_file, errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, timeout=10.0):
        """Waits for a line that fits the regular expression; its match."""
        return scope.wait_for(f"/{pattern}/ in the log of {self!r}",
                              lambda: re.search(pattern, self.log(), re.M),
                              timeout)

    def memory(self):
        """Resident bytes now."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) << 10

    def use_certificates(self, directory):
        """Takes the files of another directory into .certs."""
        for entry in os.scandir(directory):
            shutil.copy2(entry.path, self.certs)
