#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What may happen to milter-smime: killed, out of room, besieged.  Row P4,
faults B1, B16, B21, B22.
"""

import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

from harness import Sink, Skip, SmtpError, main, own, wait_for
from harness.gateway import (GROUPS, PASS_ON, SIGN, Gateway, identities,
                             is_signed, mail, milter_alone, numbered,
                             sign_one, signed_by, with_key)
from harness.milter_client import MilterClient, divide

CONFIG = GROUPS.replace("192.0.2.10,", "192.0.2.10, 127.0.0.1,") + \
    PASS_ON + SIGN


def files_in(top):
    return [os.path.join(where, name) for where, _, names in os.walk(top)
            for name in names]


# --- P4, B1 ------------------------------------------------------------------

class Proxy:
    """
    Stands between Postfix and the milter, passes packets on, and calls
    stop() before it passes the one with number `at`.
    """

    def __init__(self, path, target, stop):
        self.target, self.stop = target, stop
        self.at = self.count = None
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()
        own(self)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def arm(self, at):
        with self.lock:
            self.at, self.count = at, 0

    def _accept(self):
        while True:
            try:
                one, _ = self.socket.accept()
            except OSError:
                return
            two = socket.socket(socket.AF_UNIX)
            try:
                two.connect(self.target)
            except OSError:
                one.close()
                continue
            for source, sink in ((one, two), (two, one)):
                threading.Thread(target=self._pass, args=(source, sink),
                                 daemon=True).start()

    def _pass(self, source, sink):
        try:
            with source.makefile("rb") as file:
                while len(size := file.read(4)) == 4:
                    data = file.read(struct.unpack("!I", size)[0])
                    with self.lock:
                        if self.at is not None:
                            self.count += 1
                            if self.count == self.at:
                                self.stop()
                    sink.sendall(size + data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def killed_anywhere(t):
    """B1 killed before each packet of a message"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    one = with_key(a.milter)
    proxy = Proxy(os.path.join(a.postfix.queue_directory, "postseal",
                               "proxy.sock"), a.milter.socket_path,
                  lambda: a.milter.process.kill())
    a.postfix.set(smtpd_milters="unix:postseal/proxy.sock",
                  milter_connect_timeout="5s")
    a.start()
    accepted, wrong, kills, number = [], [], 0, 0
    while True:
        number += 1
        proxy.arm(number)
        try:
            a.postfix.send("x@a.example", ["y@b.example"], numbered(number))
            accepted.append(number)
        except SmtpError as why:
            if not 400 <= why.code < 500:
                wrong.append((number, str(why)))
        # Killed after its last word the mail is through all the same.
        wait_for("the milter's end", lambda: proxy.count < proxy.at or
                 a.milter.process.poll() is not None)
        if a.milter.process.poll() is None:
            break
        kills += 1
        proxy.arm(None)
        a.milter.kill()
        a.milter.start()
        if number not in accepted:
            a.postfix.send("x@a.example", ["y@b.example"], numbered(number))
            accepted.append(number)
        if kills > 200:
            break
    a.postfix.wait_empty()
    t.ok(20 < kills < 200, f"B1 killed in {kills} places")
    t.is_(wrong, [], "P4 Postfix answers 4xx, whatever was going on")
    t.is_(identities(sink.messages), accepted, "P4 after the restart the "
          "mail passes: none lost, none doubled")
    t.ok(all(signed_by(m, one) for m in sink.messages),
         "P4 the sink never sees one unsigned")
    t.is_(files_in(a.milter.state), [], "B1 nothing is left on disk")


def killed_under_load(t):
    """P4 killed again and again while mail flows"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    one = with_key(a.milter)
    a.start()
    accepted, refused, wrong = [], [], []
    done = threading.Event()
    body = "A line of text, again and again.\n" * 3000

    def client(first):
        for number in range(first, first + 40):
            for _ in range(200):
                try:
                    a.postfix.send("x@a.example", ["y@b.example"],
                                   numbered(number, body))
                    accepted.append(number)
                    break
                except (SmtpError, OSError) as why:
                    refused.append(number)
                    if not 400 <= getattr(why, "code", 400) < 500:
                        wrong.append(str(why))
                        break
                    time.sleep(0.05)

    clients = [threading.Thread(target=client, args=(n,))
               for n in (1000, 2000, 3000, 4000)]
    for thread in clients:
        thread.start()
    kills = 0
    while any(thread.is_alive() for thread in clients) and kills < 12:
        done.wait(0.25)
        a.milter.kill()
        kills += 1
        done.wait(0.05)
        a.milter.start()
    for thread in clients:
        thread.join()
    a.postfix.wait_empty(30)
    t.ok(kills >= 3 and refused, f"B1 {kills} kills, {len(refused)} times "
         "refused")
    t.is_(wrong, [], "P4 under load: refused with 4xx only")
    t.is_(len(accepted), 160, "P4 under load: in the end all is accepted")
    t.is_(identities(sink.messages), sorted(accepted),
          "P4 under load: none lost, none doubled")
    t.ok(all(signed_by(m, one) for m in sink.messages),
         "P4 under load: the sink never sees one unsigned")


def gone(t):
    """P4 the milter is gone"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    with_key(a.milter)
    a.start()
    a.milter.kill()
    got = a.refusal_anywhere(numbered(1))
    t.ok(got and got[0] == 451, "P4 Postfix answers 451", got)
    a.postfix.sendmail("x@a.example", ["y@b.example"],
                       numbered(2).replace(b"\r\n", b"\n"))
    time.sleep(1)
    t.is_(sink.messages, [], "P4 nothing leaves, local submission included")
    a.milter.start()
    a.postfix.flush()
    t.ok(is_signed(sink.one(30)), "P4 what was submitted locally leaves "
         "signed after the restart")
    t.is_(identities(sink.messages), [2], "P4 and once")


# --- B16 ---------------------------------------------------------------------

class Mount:
    """A small tmpfs on a directory."""

    def __init__(self, path, user_of, size="64k"):
        st = os.stat(user_of)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=750,"
             f"uid={st.st_uid},gid={st.st_gid}", "tmpfs", path],
            capture_output=True, text=True)
        if done.returncode:
            raise Skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
        self.path = path
        own(self)

    def close(self):
        if self.path:
            subprocess.run(["umount", "-l", self.path], check=True)
        self.path = None


def spool_full(t):
    """B16 no room for temporary files"""
    sink = Sink()
    a = Gateway("a", "", sink.port)
    text = open(a.milter.config_file).read()
    a.milter.configure(text.replace(
        "milter-smime {", "milter-smime {\n    spill_at = 4096") + CONFIG)
    one = with_key(a.milter)
    spool = os.path.join(a.milter.state, "smime")
    mount = Mount(spool, a.milter.state)
    a.start()
    big = numbered(1, "A line of text.\n" * 20000)
    got = a.refusal(big)
    t.ok(got and got[0] == 451 and "4.3.1" in got[1],
         "B16 a mail too big for the room there is: 451 4.3.1", got)
    t.ok(a.milter.wait_log(re.escape(spool) + r".*No space left"),
         "B16 the log names the directory and what it lacks")
    a.send(numbered(2))
    t.ok(signed_by(sink.one(), one), "B16 small mail passes meanwhile")
    medium = numbered(3, "A line of text.\n" * 1500)
    with open(os.path.join(spool, "other"), "wb") as file:
        file.write(b"x" * 65536)
    got = a.refusal(medium)
    t.ok(got and got[0] == 451, "B16 full: 451", got)
    os.unlink(os.path.join(spool, "other"))
    a.send(medium)
    t.is_(identities(sink.wait(2)), [2, 3], "B16 with room again the same "
          "mail passes")
    for _ in range(10):
        a.refusal(big)
    t.is_(files_in(spool), [], "B16 nothing is left behind")
    mount.close()
    a.send(big)
    t.is_(identities(sink.wait(3)), [1, 2, 3], "B16 and so does the big one, "
          "without a restart")
    t.ok(all(signed_by(m, one) for m in sink.messages), "B16 all signed")


def no_descriptors(t):
    """B16 no file descriptors left"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    one = with_key(a.milter)
    # The milter inherits what holds when it starts.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        a.milter.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    a.postfix.set(milter_connect_timeout="3s", milter_command_timeout="3s")
    a.postfix.start()
    idle = []
    for _ in range(60):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(1)
        try:
            client.connect(a.milter.socket_path)
        except OSError:
            break
        idle.append(client)
    got = a.refusal_anywhere(numbered(1))
    t.ok(got and 400 <= got[0] < 500, "B16 out of descriptors: 4xx", got)
    for client in idle:
        client.close()

    def passes():
        return a.refusal_anywhere(numbered(2)) is None

    wait_for("mail to pass again", passes, 20, 0.3)
    t.ok(signed_by(sink.wait(1)[-1], one), "B16 with descriptors again mail "
         "passes")
    t.is_(identities(sink.messages), [2], "B16 once")


# --- B21, B22 ----------------------------------------------------------------

def raw(path, data, timeout=5):
    """Sends bytes; what comes back until the end, or None if no end."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(timeout)
        one.connect(path)
        got = b""
        try:
            one.sendall(data)
            while more := one.recv(65536):
                got += more
        except socket.timeout:
            return None
        except OSError:
            pass
        return got


def besieged(t):
    """B21 garbage on the socket"""
    milter = milter_alone(CONFIG)
    text = open(milter.config_file).read()
    milter.configure(text.replace("milter-smime {",
                                  "milter-smime {\n    milter_timeout = 10s"))
    with_key(milter)
    milter.start()
    path = milter.socket_path
    packet = MilterClient.packet
    hello = packet(b"O", struct.pack("!III", 6, 0x1ff, 0x1fffff))
    # Who says nothing at all libmilter looks for every ten minutes only.
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    begin = time.monotonic()
    for one, data in zip(silent, (b"\0\0", hello + b"\0\0\0\x09L",
                                  b"")):
        one.settimeout(20)
        one.connect(path)
        one.sendall(data)
        # libmilter counts a worker as idle until it wakes: of connections
        # at the same moment one may wait for another's.
        time.sleep(0.3)
    for name, data in (
            ("HTTP", b"GET / HTTP/1.0\r\n\r\n"),
            ("a length of 2^32-1", b"\xff\xff\xff\xffO" + b"x" * 1000),
            ("a length of 2^31", b"\x80\0\0\0O"),
            ("a length of 0", b"\0\0\0\0" * 50),
            ("an unknown command", hello + packet(b"\x7f", b"x")),
            ("a negotiation too short", packet(b"O", b"\0\0")),
            ("a mail server that can do nothing",
             packet(b"O", struct.pack("!III", 6, 0, 0)))):
        got = raw(path, data)
        t.ok(got is not None, f"B21 {name}: closed at once")
        t.ok(sign_one(path).answer == "c", f"B21 {name}: others are served")
    for name, data in (
            ("the end of a message without a beginning", packet(b"E")),
            ("a body without a message", packet(b"B", b"x") + packet(b"E")),
            ("a header without an end", packet(b"L", b"From")),
            ("a recipient before the sender", packet(b"R", b"<y@b>\0") +
             packet(b"E")),
            ("a sender of nothing", packet(b"M", b"")),
            ("a connection from nowhere", packet(b"C", b"x\0")),
            ("a connection of an unknown family",
             packet(b"C", b"x\0Z\0\0x\0") + packet(b"E"))):
        raw(path, hello + data, 0.2)
        t.ok(sign_one(path).answer == "c", f"B21 {name}: others are served")
    half_messages(t, path)
    fuzz(t, milter, hello)
    for one, name in zip(silent, ("half a length", "half a packet")):
        try:
            while one.recv(65536):
                pass
            ended = True
        except socket.timeout:
            ended = False
        t.ok(ended and time.monotonic() - begin < 25,
             f"B21 {name}: closed after milter_timeout")
    for one in silent:
        one.close()
    t.ok(milter.log().count("\n") < 1500 and milter.process.poll() is None,
         "B21 it lives, and the log is not flooded",
         milter.log()[-2000:])
    milter.kill()


def half_messages(t, path):
    """Clients that leave in the middle."""
    fields, body = divide(mail())
    for count in range(1, 16):
        with MilterClient(path) as client:
            client.send("x@a.example", ["y@b.example"], fields, body,
                        count=count)
    with MilterClient(path) as client:
        for count in (3, 8, 12):
            client.send("x@a.example", ["y@b.example"], fields, body,
                        count=count)
            client.write(client.packet(b"A"))
        t.is_(sign_one(client).answer, "c", "B21 after aborted messages the "
              "next one on the connection is signed")
    t.is_(sign_one(path).answer, "c", "B21 clients that leave in the middle "
          "of a message: others are served")


def fuzz(t, milter, hello):
    """
    Packets in any order with any content, the same every time.  All but
    macros without values: libmilter itself reads past the end of those.
    """
    random.seed(21)
    words = (b"\0", b"i\0Q\0", b"<x@a.example>\0", b"From\0 x@a.example\0",
             b"Content-Type\0 multipart/signed; boundary=b\0", b"--b\r\n",
             b"x" * 70000, b"\xff\r\n\0")
    for _ in range(150):
        data = hello
        for _ in range(random.randrange(1, 25)):
            command = bytes([random.choice(b"ABCEHKLMNORTU\0\xff")])
            data += MilterClient.packet(command, b"".join(
                random.choice(words) for _ in range(random.randrange(3))))
        raw(milter.socket_path, data, 0.02)
    t.is_(sign_one(milter.socket_path).answer, "c",
          "B21 packets in any order: others are served")
    t.ok(milter.memory() < 64 << 20, "B21 memory stays within bounds",
         f"{milter.memory() >> 20} MiB")


def crowded(t):
    """B22 300 idle connections"""
    milter = milter_alone(CONFIG)
    with_key(milter)
    milter.start()
    idle = [MilterClient(milter.socket_path) for _ in range(300)]
    t.is_(sign_one(milter.socket_path).answer, "c",
          "B22 300 idle connections: others are served")
    t.is_(sign_one(idle[150]).answer, "c", "B22 and so are the idle ones")
    for one in idle:
        one.close()
    milter.kill()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(killed_anywhere, killed_under_load, gone, spool_full,
         no_descriptors, besieged, crowded)
