# SPDX-License-Identifier: BSD-2-Clause
"""Private Postfix instances, and a SASL server for them to ask."""

import base64
import functools
import grp
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import threading
import time

from . import scope, smtp

# Without anything that looks outside; @: in a chroot or not.
_SERVICES = """\
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - @ - - smtp
relay     unix  - - @ - - smtp
tlsproxy  unix  - - @ - 0 tlsproxy
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_DIRECTORIES = ("active", "bounce", "corrupt", "defer", "deferred", "flush",
                "hold", "incoming", "private", "saved", "trace")


@functools.cache
def _machine():
    """What the installed Postfix was built with."""
    text = subprocess.run(
        ["postconf", "-dh", "daemon_directory", "mail_owner", "setgid_group"],
        check=True, capture_output=True, text=True,
        env={**os.environ, "MAIL_CONFIG": "/nonexistent"}).stdout
    return text.split()


class Postfix:
    """
    An instance of its own: directories, ports, processes.

        a = Postfix("a", hostname="mx.a.example", relay=sink.port)
        a.set(smtpd_milters="unix:postseal/milter-smime.sock")
        a.listener("submission")
        a.route("b.example", b.port)
        a.start()

    With chroot, what speaks SMTP is in the queue directory.  Nothing is
    local: all mail goes where route() and relay() say, anything
    else bounces.  What is deferred is tried again after two seconds.
    Everybody may relay, and be somebody else by XCLIENT.  Parameters,
    listeners and routes are read at start(); stop() and start() again keep
    queue and ports.
    """

    def __init__(self, name, hostname=None, relay=None, chroot=False):
        self.name = name
        self._jail = "y" if chroot else "n"
        self.hostname = hostname or f"{name}.example"
        self.directory = scope.new_directory(name)
        self.config = os.path.join(self.directory, "etc")
        self.queue_directory = os.path.join(self.directory, "q")
        self.data = os.path.join(self.directory, "lib")
        self.log_file = os.path.join(self.directory, "log")
        self.port = scope.free_port()
        self.process = self._guard = None
        self._relay = relay
        self._routes = {}
        self._listeners = [(self.port, {})]
        self._lines = []
        self._daemons, self._owner, self._group = _machine()
        self._parameters = self._defaults()
        self._make_directories()
        scope.own(self)

    def __repr__(self):
        return f"Postfix {self.name}"

    def _defaults(self):
        return {
            "compatibility_level": "3.7",
            "config_directory": self.config,
            "queue_directory": self.queue_directory,
            "data_directory": self.data,
            "maillog_file": self.log_file,
            "maillog_file_prefixes": self.directory,
            "myhostname": self.hostname,
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "mynetworks": "0.0.0.0/0",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "transport_maps": f"texthash:{self.config}/transport",
            "smtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, "
                                        "permit_sasl_authenticated, reject",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0",
            "in_flow_delay": "0",
            "queue_run_delay": "2s",
            "minimal_backoff_time": "2s",
            "maximal_backoff_time": "4s",
            "milter_default_action": "tempfail",
        }

    def _make_directories(self):
        owner, drop = pwd.getpwnam(self._owner), grp.getgrnam(self._group)

        def make(path, mode, uid=0, gid=0):
            path = os.path.join(self.directory, path)
            os.mkdir(path)
            os.chown(path, uid, gid)
            os.chmod(path, mode)

        make("etc", 0o755)
        make("lib", 0o700, owner.pw_uid)
        make("q", 0o755)
        make("q/pid", 0o755)
        for name in _DIRECTORIES:
            make(f"q/{name}", 0o700, owner.pw_uid)
        make("q/maildrop", 0o1730, owner.pw_uid, drop.gr_gid)
        make("q/public", 0o2710, owner.pw_uid, drop.gr_gid)
        # As contrib/systemd/postseal.tmpfiles makes it.
        make("q/postseal", 0o3770, 0, owner.pw_gid)

    def set(self, **parameters):
        """main.cf; a value of None takes the parameter out."""
        self._parameters.update(parameters)
        return self

    def relay(self, port):
        """Where mail goes that no route() names."""
        self._relay = port
        return self

    def route(self, domain, port):
        self._routes[domain] = port
        return self

    def listener(self, daemon_name=None, **options):
        """
        One more smtpd, with -o options; its port.  daemon_name is the
        {daemon_name} milters see, `listener:NAME` in sender groups.
        """
        if daemon_name:
            options["milter_macro_daemon_name"] = daemon_name
        port = scope.free_port()
        self._listeners.append((port, options))
        return port

    def hold_listener(self, **options):
        """One that puts all mail on hold; its port."""
        return self.listener(**{
            "syslog_name": "reinject-hold", "smtpd_milters": "",
            "smtpd_recipient_restrictions":
                "check_client_access static:HOLD, permit_mynetworks, reject",
            **options})

    def service(self, line):
        """A line of master.cf."""
        self._lines.append(line)
        return self

    def _write(self, name, text):
        path = os.path.join(self.config, name)
        with open(path, "w") as file:
            file.write(text)
        # Postfix waits until a file is two seconds old before it reads it.
        past = time.time() - 10
        os.utime(path, (past, past))

    def _configure(self):
        self._write("main.cf", "".join(
            f"{name} = {value}\n" for name, value in self._parameters.items()
            if value is not None))
        lines = []
        for port, options in self._listeners:
            lines.append(f"127.0.0.1:{port} inet n - {self._jail} - - smtpd")
            lines += [f"  -o {{ {name} = {value} }}"
                      for name, value in options.items()]
        services = _SERVICES.replace("@", self._jail)
        self._write("master.cf", services + "\n".join(lines + self._lines)
                    + "\n")
        routes = {d: f"smtp:[127.0.0.1]:{p}" for d, p in self._routes.items()}
        routes["*"] = (f"smtp:[127.0.0.1]:{self._relay}" if self._relay
                       else "error:5.1.2 this test has no route there")
        self._write("transport", "".join(
            f"{domain} {where}\n" for domain, where in routes.items()))

    def start(self):
        """Starts, and waits until the first listener greets."""
        assert self.process is None
        self._configure()
        with open(os.path.join(self.directory, "output"), "ab") as output:
            self.process = subprocess.Popen(
                [f"{self._daemons}/master", "-c", self.config],
                env={"PATH": os.environ["PATH"], "MAIL_CONFIG": self.config},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd="/")
        self._guard = scope.Guard(self.process.pid)
        scope.wait_for(f"{self!r} to greet", self._greets)
        return self

    def _greets(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self!r} ended: {self.log()[-2000:]}")
        try:
            smtp.SmtpClient(self.port, timeout=10).close()
        except OSError:
            return False
        return True

    def stop(self):
        """Ends master, which ends its children (they are its group)."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._guard.dismiss()
        self.process = None

    close = stop

    def reload(self):
        """Has changed parameters and routes (not listeners) read."""
        self._configure()
        self.process.send_signal(signal.SIGHUP)

    def send(self, sender, recipients, data, port=None, **options):
        """smtp.send() to the first listener, or to port."""
        return smtp.send(port or self.port, sender, recipients, data,
                         **options)

    def run(self, *command, **options):
        """A Postfix command for this instance: run("postsuper", "-r", …)."""
        return subprocess.run(
            command, check=True, capture_output=True,
            env={**os.environ, "MAIL_CONFIG": self.config}, **options)

    def sendmail(self, sender, recipients, data, *arguments):
        """Local submission; data as a program writes it, with LF."""
        self.run("sendmail", "-C", self.config, "-i", "-f", sender,
                 *arguments, "--", *recipients, input=data)

    def queue(self):
        """What waits: dicts as `postqueue -j` prints them."""
        text = self.run("postqueue", "-c", self.config, "-j").stdout
        return [json.loads(line) for line in text.splitlines()]

    def flush(self):
        self.run("postqueue", "-c", self.config, "-f")

    def wait_empty(self, timeout=20.0):
        scope.wait_for(f"an empty queue of {self!r}",
                       lambda: not self.queue(), timeout, 0.1)

    def log(self):
        """What it has logged, with what did not come so far."""
        text = ""
        for path in (self.log_file, os.path.join(self.directory, "output")):
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    text += file.read()
        return text

    def wait_log(self, pattern, timeout=10.0):
        """Waits for a line that fits the regular expression; its match."""
        return scope.wait_for(f"/{pattern}/ in the log of {self!r}",
                              lambda: re.search(pattern, self.log(), re.M),
                              timeout)


class SaslServer:
    """
    Speaks enough of Dovecot's auth protocol for smtpd: PLAIN, and every
    user whose password is not "wrong" is who they say.  Call before
    start(); AUTH and XCLIENT LOGIN then work on every listener.
    """

    def __init__(self, postfix):
        path = os.path.join(postfix.queue_directory, "private", "auth")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self._socket.listen(64)
        postfix.set(smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                    smtpd_sasl_path="private/auth",
                    smtpd_sasl_authenticated_header="no")
        threading.Thread(target=self._accept, daemon=True).start()
        scope.own(self)

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    @staticmethod
    def _serve(connection):
        with connection, connection.makefile("rw") as file:
            file.write("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\n"
                       "CUID\t1\nCOOKIE\t00\nDONE\n")
            file.flush()
            for line in file:
                words = line.rstrip("\n").split("\t")
                if words[0] != "AUTH":
                    continue
                response = next(w[5:] for w in words if w.startswith("resp="))
                _, user, password = base64.b64decode(response).decode() \
                    .split("\0")
                file.write(f"FAIL\t{words[1]}\n" if password == "wrong" else
                           f"OK\t{words[1]}\tuser={user}\n")
                file.flush()
