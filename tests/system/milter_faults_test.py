#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What may happen to milter-smime: killed, full, besieged, started twice,
given bad keys and bad configurations.  Rows P3 and P4, faults B1, B16, B17,
B21, B23, E1, E3, E4.
"""

import base64
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from harness import (Milter, Pki, Sink, Skip, SmtpError,
                     directory_for, main, own, program, standard_config, wait_for)
from harness.gateway import GROUPS, SIGN, Gateway, is_signed, mail, signed_by
from harness.milter_client import Edited, MilterClient, MilterClosed, divide

PASS_ON = "mail-flow-policy INCOMING { behavior = accept }\n"
CONFIG = GROUPS.replace("192.0.2.10,", "192.0.2.10, 127.0.0.1,") + \
    PASS_ON + SIGN


def numbered(number, body="Hello.\n"):
    return mail(body).replace(b"<1@test.example>",
                              b"<%d@test.example>" % number)


def identities(messages):
    return sorted(int(re.match(r"<(\d+)@", m.first("Message-ID"))[1])
                  for m in messages)


def milter_alone(config=CONFIG, **options):
    return Milter(standard_config("gw.a.example") + config, **options)


def with_key(milter, name="x", email="x@a.example"):
    certificate = Pki().leaf(name, email=[email])
    certificate.install(milter.certs)
    return certificate


def signs(client_or_path):
    """One message through the protocol; what came of it."""
    fields, body = divide(mail())
    if isinstance(client_or_path, str):
        with MilterClient(client_or_path) as client:
            return client.send("x@a.example", ["y@b.example"], fields, body)
    return client_or_path.send("x@a.example", ["y@b.example"], fields, body)


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
        wait_for("the milter's end", lambda: number not in accepted or
                 proxy.count < proxy.at or
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
    t.is_(os.listdir(os.path.join(a.milter.state, "smime")), [],
          "B1 nothing is left on disk")


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
    t.is_(os.listdir(spool), [], "B16 nothing is left behind")
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
    milter = milter_alone()
    text = open(milter.config_file).read()
    milter.configure(text.replace("milter-smime {",
                                  "milter-smime {\n    milter_timeout = 10s"))
    with_key(milter)
    milter.start()
    path = milter.socket_path
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    begin = time.monotonic()
    packet = MilterClient.packet
    hello = packet(b"O", struct.pack("!III", 6, 0x1ff, 0x1fffff))
    for one, data in zip(silent, (b"", b"\0\0", hello)):
        one.settimeout(20)
        one.connect(path)
        one.sendall(data)
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
        t.ok(signs(path).answer == "c", f"B21 {name}: others are served")
    for name, data in (
            ("the end of a message without a beginning", packet(b"E")),
            ("a body without a message", packet(b"B", b"x") + packet(b"E")),
            ("a header without an end", packet(b"L", b"From")),
            ("a recipient before the sender", packet(b"R", b"<y@b>\0") +
             packet(b"E")),
            ("a sender of nothing", packet(b"M", b"")),
            ("macros without ends", packet(b"D", b"Mi\0") +
             packet(b"M", b"<x>\0")),
            ("a connection from nowhere", packet(b"C", b"x\0")),
            ("a connection of an unknown family",
             packet(b"C", b"x\0Z\0\0x\0") + packet(b"E")),
            ("a sender with broken macros", packet(b"D", b"M\0\0\0") +
             packet(b"M", b"\0\0"))):
        raw(path, hello + data, 0.2)
        t.ok(signs(path).answer == "c", f"B21 {name}: others are served")
    half_messages(t, path)
    fuzz(t, milter, hello)
    for one, name in zip(silent, ("silence", "half a packet",
                                  "silence after the negotiation")):
        try:
            while one.recv(65536):
                pass
            ended = True
        except socket.timeout:
            ended = False
        t.ok(ended and time.monotonic() - begin < 25,
             f"B21 {name}: closed after milter_timeout")
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
        t.is_(signs(client).answer, "c", "B21 after aborted messages the "
              "next one on the connection is signed")
    t.is_(signs(path).answer, "c", "B21 clients that leave in the middle of "
          "a message")


def fuzz(t, milter, hello):
    """Packets in any order with any content, the same every time."""
    random.seed(21)
    words = (b"\0", b"i\0Q\0", b"<x@a.example>\0", b"From\0 x@a.example\0",
             b"Content-Type\0 multipart/signed; boundary=b\0", b"--b\r\n",
             b"x" * 70000, b"\xff\r\n\0", b"C{daemon_name}\0mx\0")
    for _ in range(150):
        data = hello
        for _ in range(random.randrange(1, 25)):
            command = bytes([random.choice(b"ABCDEHKLMNORTU\0\xff")])
            data += MilterClient.packet(command, b"".join(
                random.choice(words) for _ in range(random.randrange(3))))
        raw(milter.socket_path, data, 0.02)
    t.is_(signs(milter.socket_path).answer, "c",
          "B21 packets in any order: others are served")
    t.ok(milter.memory() < 64 << 20, "B21 memory stays within bounds",
         f"{milter.memory() >> 20} MiB")


def crowded(t):
    """B22 300 idle connections"""
    milter = milter_alone()
    with_key(milter)
    milter.start()
    idle = [MilterClient(milter.socket_path) for _ in range(300)]
    t.is_(signs(milter.socket_path).answer, "c",
          "B22 300 idle connections: others are served")
    t.is_(signs(idle[150]).answer, "c", "B22 and so are the idle ones")
    for one in idle:
        one.close()
    milter.kill()


# --- starting and stopping ---------------------------------------------------

def sockets(t):
    """E4 sockets that are left over, live, or none"""
    milter = milter_alone()
    with_key(milter)
    milter.start()
    # Takes its time to be sure; other things go on meanwhile.
    second = subprocess.Popen(
        milter._as_user(*second_command(milter)), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    own(Ended(second))
    check_places(t)
    output, _ = second.communicate(timeout=40)
    t.ok(second.returncode == 71 and
         f"{milter.socket_path} is in use by another process" in output,
         "E4 a second start on a live socket is refused, the socket named",
         second.returncode, output)
    t.is_(signs(milter.socket_path).answer, "c",
          "E4 the first goes on serving")
    milter.kill()
    t.ok(os.path.exists(milter.socket_path), "E4 killed, it leaves its "
         "socket")
    milter.start()
    t.is_(signs(milter.socket_path).answer, "c",
          "E4 which the next one replaces")
    st = os.stat(milter.socket_path)
    t.is_(st.st_mode & 0o777, 0o660, "E4 the socket is not for everybody")
    fast_restart(t, milter)
    milter.kill()


class Ended:
    """Closes a process that a test might leave."""

    def __init__(self, process):
        self.process = process

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def second_command(milter):
    return [program("milter-smime"), "-c", milter.config_file, "-v"]


def fast_restart(t, milter):
    """The next one starts while the last still stops."""
    old = milter.process
    milter._guard.dismiss()
    milter.process = None
    old.terminate()
    begin = time.monotonic()
    milter.start(wait=False)
    t.is_(old.wait(20), 0, "E1 SIGTERM: it ends with status 0")
    t.ok(time.monotonic() - begin < 10, "E1 within ten seconds")
    wait_for("the next one to be ready",
             lambda: milter.log().count("ready on") >= 3, 20)
    time.sleep(0.3)
    t.ok(os.path.exists(milter.socket_path), "E4 a fast restart keeps the "
         "socket")
    t.is_(signs(milter.socket_path).answer, "c", "E4 and serves on it")


def check_places(t):
    for name, reason, prepare in (
            ("a file in its place", "not a socket",
             lambda p: open(p, "w").close()),
            ("a directory that does not exist", "No such file",
             lambda p: os.rmdir(os.path.dirname(p)))):
        one = milter_alone(name="place")
        with_key(one)
        place = directory_for("place")
        path = os.path.join(place, "s")
        text = open(one.config_file).read()
        one.configure(text.replace(f"unix:{one.socket_path}",
                                   f"unix:{path}"))
        prepare(path)
        done = one.call("-v")
        t.ok(done.returncode not in (0, None) and path in done.stderr and
             re.search(reason, done.stderr),
             f"E4 {name}: refused at start, the path named", done)
    one = milter_alone(name="long")
    with_key(one)
    text = open(one.config_file).read()
    one.configure(text.replace(f"unix:{one.socket_path}",
                               "unix:/tmp/" + "s" * 120))
    done = one.call("-v")
    t.ok(done.returncode not in (0, None) and
         re.search("longer than 107", done.stderr),
         "E4 a socket path of more than 107 bytes: refused at start", done)


def draining(t):
    """E1 SIGTERM while a message is on its way"""
    for name, number in (("SIGTERM", signal.SIGTERM),
                         ("SIGINT", signal.SIGINT)):
        milter = milter_alone()
        with_key(milter)
        milter.start()
        fields, body = divide(mail())
        with MilterClient(milter.socket_path) as client:
            client.send("x@a.example", ["y@b.example"], fields, body,
                        count=10)
            begin = time.monotonic()
            milter.process.send_signal(number)
            time.sleep(0.5)
            out = [client.packet(b"L", client.strings(n, v))
                   for n, v in fields[6:]]
            client.write(b"".join(out) + client.packet(b"N") +
                         client.packet(b"B", body) +
                         client.macros(b"E", i="1") + client.packet(b"E"))
            try:
                edited = client.result(Edited(fields, body))
                good = edited.answer in ("c", "t") and \
                    (edited.answer == "t" or is_signed(edited.message()))
                what = edited.answer
            except (MilterClosed, OSError) as why:
                good, what = True, repr(why)
        t.ok(good, f"E1 {name}: the message is signed, or is not answered "
             "for", what)
        t.diag(f"the answer was {what}")
        status = milter.process.wait(20)
        t.is_(status, 0, f"E1 {name}: status 0")
        t.ok(time.monotonic() - begin < 10, f"E1 {name}: within 10 s",
             time.monotonic() - begin)
        milter._guard.dismiss()
        milter.process = None


# --- B17, B23 ----------------------------------------------------------------

NAMED = SIGN.replace("mode = sign\n",
                     "mode = sign\n    signing_certificate = x\n")


def damage(milter, pki, good, how):
    """Makes a fault in an installed pair x.pem, x.key."""
    cert, key = (os.path.join(milter.certs, f"x.{e}")
                 for e in ("pem", "key"))
    good.install(milter.certs)
    if how == "others may read":
        os.chmod(key, 0o644)
    elif how == "others may write":
        os.chmod(key, 0o642)
    elif how == "unreadable":
        os.chown(key, 0, 0)
        os.chmod(key, 0o600)
    elif how == "missing":
        os.unlink(key)
    elif how == "no certificate":
        os.unlink(cert)
    elif how == "mismatched":
        shutil.copyfile(pki.leaf("o", email=["x@a.example"]).key, key)
    elif how == "expired":
        pki.leaf("old", email=["x@a.example"], start=-9,
                 end=-2).install(milter.certs, "x")
    elif how == "rubbish":
        with open(key, "w") as file:
            file.write("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                       "-----END PRIVATE KEY-----\n")
    elif how == "empty":
        open(key, "w").close()
    elif how == "rubbish certificate":
        with open(cert, "w") as file:
            file.write("rubbish\n")
    elif how == "encrypted":
        subprocess.run(["openssl", "pkey", "-in", good.key, "-aes128",
                        "-passout", "pass:secret", "-out", key],
                       check=True, capture_output=True)
    elif how == "a directory":
        os.unlink(key)
        os.mkdir(key)
    elif how == "for encryption":
        pki.leaf("enc", email=["x@a.example"],
                 usage="keyEncipherment").install(milter.certs, "x")


FAULTS = (  # how, file, what the message must say
    ("others may read", "x.key", r"others.*chmod"),
    ("others may write", "x.key", r"others.*chmod"),
    ("unreadable", "x.key", r"Permission denied|cannot"),
    ("missing", "x", r"no private key|x\.key"),
    ("no certificate", "x", r"no certificate x"),
    ("mismatched", "x.key", r"does not fit .*x\.pem"),
    ("expired", "x", r"expired 20.*renew"),
    ("rubbish", "x.key", r"key"),
    ("empty", "x.key", r"key"),
    ("rubbish certificate", "x.pem", r"certificate"),
    ("encrypted", "x.key", r"password"),
    ("a directory", "x.key", r"regular|file"),
    ("for encryption", "x", r"keyUsage"),
)


def bad_keys(t):
    """B17 bad keys are refused at start"""
    pki = Pki()
    good = pki.leaf("x", email=["x@a.example"])
    milter = milter_alone(GROUPS + PASS_ON + NAMED)
    good.install(milter.certs)
    done = milter.call("-t")
    t.is_((done.returncode, done.stdout, done.stderr), (0, "", ""),
          "B17 a good pair: -t is content and says nothing")
    for how, file, reason in FAULTS:
        damage(milter, pki, good, how)
        done = milter.call("-t")
        t.ok(done.returncode == 78 and file in done.stderr and
             re.search(reason, done.stderr) and
             done.stderr.count("\n") == 1,
             f"B17 {how}: -t refuses in one line with file and remedy",
             done.returncode, done.stderr)
        served = milter.call()
        t.ok(served.returncode == 78 and served.stderr == done.stderr,
             f"B17 {how}: the start refuses with the same words",
             served.returncode, served.stderr)
        t.diag(done.stderr.strip())
        key = os.path.join(milter.certs, "x.key")
        if os.path.isdir(key):
            os.rmdir(key)


def changed_keys(t):
    """B17 a broken changed key keeps the old set"""
    pki = Pki()
    good = pki.leaf("x", email=["x@a.example"])
    later = pki.leaf("later", email=["x@a.example"])
    milter = milter_alone()
    good.install(milter.certs)
    milter.start()
    client = MilterClient(milter.socket_path)
    for how, reason in (("mismatched", r"x\.key: does not fit"),
                        ("others may read", r"x\.key: .*others"),
                        ("rubbish certificate", r"x\.pem")):
        log = len(milter.log())
        damage(milter, pki, good, how)
        said = None
        begin = time.monotonic()
        while said is None and time.monotonic() - begin < 8:
            edited = signs(client)
            if edited.answer != "c" or not signed_by(edited.message(), good):
                break
            said = re.search("not taken up, the old ones stay in use: .*" +
                             reason, milter.log()[log:])
            time.sleep(0.1)
        t.ok(said, f"B17 changed, {how}: the log says that the old stays in "
             "use, and why", milter.log()[log:][-1500:])
        t.ok(edited.answer == "c" and signed_by(edited.message(), good),
             f"B17 changed, {how}: the old one signs", edited.answer)
    later.install(milter.certs, "x")
    wait_for("the new certificate to sign", lambda: signed_by(
        signs(client).message(), later), 8, 0.1)
    t.ok(True, "B17 the next good pair is taken up")
    t.ok("the new ones are in use" in milter.log(), "B17 and the log says so")
    for name in ("x.pem", "x.key"):
        os.unlink(os.path.join(milter.certs, name))
    answer = wait_for("the removed certificate to be missed", lambda:
                      (lambda a: a if a != "c" else None)(
                          signs(client).answer), 8, 0.1)
    t.ok(answer.startswith("550 5.7.1") and "no certificate" in answer,
         "S6 a certificate that was removed: the mail bounces", answer)
    good.install(milter.certs)
    wait_for("the certificate to be back", lambda: signs(client).answer ==
             "c", 8, 0.1)
    t.ok(True, "S6 put back, it signs again")
    client.close()
    milter.kill()


def secrets(t):
    """B23 no secrets in logs and files"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    one = with_key(a.milter)
    a.start()
    for number in range(3):
        a.send(numbered(number))
    sink.wait(3)
    with open(os.path.join(a.milter.certs, "x.key")) as file:
        pem = file.read()
    raw_key = base64.b64decode("".join(pem.splitlines()[1:-1]))
    canaries = [line.encode() for line in pem.splitlines()[1:-1]]
    at = raw_key.index(b"\x04\x20")
    canaries += [raw_key[at + 2:at + 34], raw_key[at + 2:at + 34].hex()
                 .encode()]
    os.chmod(os.path.join(a.milter.certs, "x.key"), 0o644)
    t.is_(a.milter.call("-t").returncode, 78, "B23 a refused key")
    seen = [m.data for m in sink.messages] + [
        a.milter.log().encode(), a.postfix.log().encode(),
        a.milter.call("-t").stderr.encode(),
        a.milter.call("-n").stdout.encode()]
    for top in (a.milter.state, a.milter.run, a.postfix.queue_directory):
        for where, _, files in os.walk(top):
            for name in files:
                path = os.path.join(where, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        seen.append(file.read())
    t.ok(not any(c in text for c in canaries for text in seen),
         "B23 the private key is in no log, message or file")
    with open(f"/proc/{a.milter.process.pid}/limits") as file:
        limits = file.read()
    t.ok(re.search(r"Max core file size\s+0\s+0", limits),
         "B23 no core dumps", limits)
    owner = os.stat(f"/proc/{a.milter.process.pid}/mem").st_uid
    t.is_(owner, 0, "B23 its own user may not look into its memory")
    t.ok(one.key, "the key was made for this test alone")


# --- P3 ----------------------------------------------------------------------

BAD = (  # what, lines to add, position in them, what the message must say
    ("an unknown section", "sending-profil x {\n}\n", (1, 1),
     'sending-profil.*did you mean "?sending-profile'),
    ("an unknown key", "sending-profile x {\n    mod = sign\n}\n", (2, 5),
     'sending-profile x.*mod.*did you mean "?mode'),
    ("an unknown word", "sending-profile x {\n    mode = sing\n}\n",
     (2, 12), "sending-profile x.*mode.*sing.*sign"),
    ("a missing key", "sending-profile x {\n    sign_mode = opaque\n}\n",
     (1, 1), "sending-profile x.*mode"),
    ("a repeated key", "sending-profile x {\n    mode = sign\n"
     "    mode = sign\n}\n", (3, 5), "mode"),
    ("a repeated section", "sending-profile x {\n    mode = sign\n}\n"
     "sending-profile x {\n    mode = sign\n}\n", (4, 1),
     "sending-profile x"),
    ("a second unnamed section", "postseal {\n}\n", (1, 1), "postseal"),
    ("a section without its name", "sending-profile {\n    mode = sign\n}\n",
     (1, 1), "sending-profile.*name"),
    ("a name where none belongs", "crl-check x {\n}\n", (1, 1), "crl-check"),
    ("a missing brace", "sending-profile x {\n    mode = sign\n", None,
     "brace|}|end"),
    ("a brace too many", "}\n", (1, 1), "}"),
    ("a reference to nothing", "mail-policy x {\n    direction = outgoing\n"
     "    profile = nobody\n}\n", (3, 15), "mail-policy x.*profile.*nobody"),
    ("a reference nearly right", "sending-profile bank {\n    mode = sign\n}"
     "\nmail-policy x {\n    direction = outgoing\n    profile = bnak\n}\n",
     (6, 15), 'did you mean "?bank'),
    ("a number out of range", "alerts {\n    repeat_after = 0\n}\n",
     (2, 20), "alerts.*repeat_after"),
    ("a time that is none", "alerts {\n    repeat_after = 5 apples\n}\n",
     (2, 20), "repeat_after"),
    ("neither yes nor no", "mail-flow-policy x {\n"
     "    smime_decrypt_verify = maybe\n}\n", (2, 28),
     "mail-flow-policy x.*smime_decrypt_verify.*maybe"),
    ("a client that is none", "sender-group x {\n    clients = 192.0.2.300\n"
     "}\n", (2, 15), "sender-group x.*clients"),
    ("a pattern that is none", "mail-policy x {\n    direction = outgoing\n"
     "    senders = a@b@c\n}\n", (3, 15), "mail-policy x.*senders"),
    ("a direction a default cannot have", "mail-policy default-incoming {\n"
     "    direction = outgoing\n}\n", (2, 17), "must be incoming"),
    ("CR at a line's end", "alerts {\r\n}\r\n", (1, 9), "CR"),
    ("a control character", "alerts {\n    from = a\x01b\n}\n", (2, 13),
     "control|byte"),
    ("bytes that are not UTF-8", "alerts {\n    from = a\udcffb\n}\n",
     (2, 13), "UTF-8"),
    ("a key without a value", "alerts {\n    from =\n}\n", (2, 5), "from"),
    ("a feature of later", "mail-flow-policy x {\n    smime_harvest = yes\n"
     "}\n", (2, 21), "not available"),
    ("another program's section", "tlsa-resolver {\n    rubbish = 1\n}\n",
     0, ""),
)


def configurations(t):
    """P3 what -t says about a bad configuration"""
    for what, lines, place, reason in BAD:
        milter = milter_alone(GROUPS + PASS_ON, name="conf")
        with open(milter.config_file, "a", newline="",
                  errors="surrogateescape") as file:
            file.write(lines)
        first = len(open(milter.config_file, "rb").read().split(b"\n")) - \
            lines.count("\n")
        done = milter.call("-t")
        if place == 0:
            t.is_((done.returncode, done.stderr), (0, ""),
                  f"P3 {what}: not our business")
            continue
        where = re.escape(milter.config_file) + (
            f":{first + place[0] - 1}:{place[1]}: " if place
            else r":\d+:\d+: ")
        t.ok(done.returncode == 78 and done.stderr.count("\n") == 1 and
             re.search(f"{where}.*(?:{reason})", done.stderr),
             f"P3 {what}: exit 78 and file:line:column with what is wrong",
             done.returncode, where, done.stderr)
        shutil.rmtree(milter.directory)


def options(t):
    """P3 -t, -n, -d, -V"""
    milter = milter_alone(GROUPS + PASS_ON + """
alerts { repeat_after = 1h }
""")
    missing = milter.call("-c", "/nonexistent/postseal.conf", "-t")
    t.ok(missing.returncode == 78 and
         "/nonexistent/postseal.conf" in missing.stderr,
         "P3 no configuration: exit 78, the file named", missing)
    done = milter.call("-n")
    t.ok(done.returncode == 0 and "hostname = gw.a.example" in done.stdout and
         "system = no" in done.stdout and "repeat_after" not in done.stdout,
         "P3 -n prints what differs from the defaults", done.stdout)
    again = os.path.join(milter.directory, "again.conf")
    with open(again, "w") as file:
        file.write(done.stdout)
    t.is_(milter.call("-c", again, "-n").stdout, done.stdout,
          "P3 what -n prints can be read again")
    done = milter.call("-d")
    t.ok(done.returncode == 0 and all(
        re.search(rf"(?m)^\s*#?\s*{word}\b", done.stdout) for word in
        ("spill_at", "sign_mode", "smime_decrypt_verify", "clients",
         "key_usage", "missing_crl")), "P3 -d prints every default",
        done.stdout[:1500])
    done = milter.call("-V")
    t.ok(done.returncode == 0 and
         re.fullmatch(r"milter-smime \d\S*\n", done.stdout),
         "P3 -V prints name and version", done)
    for arguments in (["-x"], ["more"], ["-t", "-n"]):
        done = milter.call(*arguments)
        t.ok(done.returncode == 64 and "usage: milter-smime" in done.stderr,
             f"P3 {' '.join(arguments)}: exit 64 and the usage", done)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(killed_anywhere, killed_under_load, gone, spool_full,
         no_descriptors, besieged, crowded, sockets, draining, bad_keys,
         changed_keys, secrets, configurations, options)
