#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Starting and stopping milter-smime: sockets, bad keys, bad configurations,
options.  Row P3, faults B17, B23, E1, E3, E4.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from harness import (Pki, Sink, SmtpError, directory_for, main, own, program,
                     wait_for)
from harness.gateway import (GROUPS, PASS_ON, SIGN, Gateway, identities,
                             is_signed, mail, milter_alone, numbered,
                             sign_one, signed_by, with_key)
from harness.milter_client import Edited, MilterClient, MilterClosed, divide

CONFIG = GROUPS.replace("192.0.2.10,", "192.0.2.10, 127.0.0.1,") + \
    PASS_ON + SIGN


# --- starting and stopping ---------------------------------------------------

def sockets(t):
    """E4 sockets that are left over, live, or none"""
    milter = milter_alone(CONFIG)
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
    t.is_(sign_one(milter.socket_path).answer, "c",
          "E4 the first goes on serving")
    milter.kill()
    t.ok(os.path.exists(milter.socket_path), "E4 killed, it leaves its "
         "socket")
    milter.start()
    t.is_(sign_one(milter.socket_path).answer, "c",
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
    t.is_(sign_one(milter.socket_path).answer, "c", "E4 and serves on it")


def check_places(t):
    for name, reason, prepare in (
            ("a file in its place", "not a socket",
             lambda p: open(p, "w").close()),
            ("a directory that does not exist", "No such file",
             lambda p: os.rmdir(os.path.dirname(p)))):
        one = milter_alone(CONFIG, name="place")
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
    one = milter_alone(CONFIG, name="long")
    with_key(one)
    text = open(one.config_file).read()
    one.configure(text.replace(f"unix:{one.socket_path}",
                               "unix:/tmp/" + "s" * 120))
    done = one.call("-v")
    t.ok(done.returncode not in (0, None) and
         re.search("too long", done.stderr),
         "E4 a socket path of more than 107 bytes: refused at start", done)


def draining(t):
    """E1 stopped while a message is on its way"""
    for number in (signal.SIGTERM, signal.SIGINT):
        milter = milter_alone(CONFIG)
        with_key(milter)
        milter.start()
        name = number.name
        fields, body = divide(mail())
        with MilterClient(milter.socket_path) as client:
            client.send("x@a.example", ["y@b.example"], fields, body,
                        count=10)
            begin = time.monotonic()
            milter.process.send_signal(number)
            time.sleep(0.3)
            what = the_rest(client, fields, body)
        t.ok(what in ("signed", "closed", "t"), f"E1 {name}: the message is "
             "signed or not answered for", what)
        t.is_(milter.process.wait(20), 0, f"E1 {name}: status 0")
        t.ok(time.monotonic() - begin < 10, f"E1 {name}: within 10 s",
             time.monotonic() - begin)
        milter.kill(0)


def the_rest(client, fields, body):
    """Goes on with a message; what comes of it."""
    try:
        client.write(b"".join(
            [client.packet(b"L", client.strings(n, v))
             for n, v in fields[6:]] +
            [client.packet(b"N"), client.packet(b"B", body),
             client.macros(b"E", i="1"), client.packet(b"E")]))
        edited = client.result(Edited(fields, body))
    except (MilterClosed, OSError):
        return "closed"
    if edited.answer == "c" and is_signed(edited.message()):
        return "signed"
    return edited.answer


def restarted(t):
    """E1 restarted while mail flows"""
    sink = Sink()
    a = Gateway("a", CONFIG, sink.port)
    one = with_key(a.milter)
    a.start()
    accepted, wrong = [], []
    over = threading.Event()

    def client(number):
        while not over.is_set():
            number += 1
            try:
                a.postfix.send("x@a.example", ["y@b.example"],
                               numbered(number), port=inside)
                accepted.append(number)
            except (SmtpError, OSError) as why:
                if not 400 <= getattr(why, "code", 400) < 500:
                    wrong.append(str(why))
                time.sleep(0.05)

    inside = a.postfix.port
    clients = [threading.Thread(target=client, args=(n,))
               for n in (1000, 2000)]
    for thread in clients:
        thread.start()
    time.sleep(0.5)
    t.is_(a.milter.kill(signal.SIGTERM), 0, "E1 under load: status 0")
    a.milter.start()
    before = len(accepted)
    wait_for("mail to flow again", lambda: len(accepted) > before + 10)
    over.set()
    for thread in clients:
        thread.join()
    a.postfix.wait_empty()
    t.is_(wrong, [], "E1 under load: refused with 4xx only")
    t.is_(identities(sink.messages), sorted(accepted),
          "E1 under load: none lost, none doubled")
    t.ok(all(signed_by(m, one) for m in sink.messages),
         "E1 under load: all signed")


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
    milter = milter_alone(CONFIG)
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
            edited = sign_one(client)
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
        sign_one(client).message(), later), 8, 0.1)
    t.ok(True, "B17 the next good pair is taken up")
    t.ok("the new ones are in use" in milter.log(), "B17 and the log says so")
    for name in ("x.pem", "x.key"):
        os.unlink(os.path.join(milter.certs, name))
    answer = wait_for("the removed certificate to be missed", lambda:
                      (lambda a: a if a != "c" else None)(
                          sign_one(client).answer), 8, 0.1)
    t.ok(answer.startswith("550 5.7.1") and "no certificate" in answer,
         "S6 a certificate that was removed: the mail bounces", answer)
    good.install(milter.certs)
    wait_for("the certificate to be back", lambda: sign_one(client).answer ==
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
     "    profile = nobody\n}\n", (3, 5), "mail-policy x.*profile.*nobody"),
    ("a reference nearly right", "sending-profile bank {\n    mode = sign\n}"
     "\nmail-policy x {\n    direction = outgoing\n    profile = bnak\n}\n",
     (6, 5), 'did you mean "?bank'),
    ("a number out of range", "alerts {\n    repeat_after = 0\n}\n",
     (2, 20), "alerts.*repeat_after"),
    ("a time that is none", "alerts {\n    repeat_after = 5 apples\n}\n",
     (2, 20), "repeat_after"),
    ("neither yes nor no", "mail-flow-policy x {\n"
     "    smime_decrypt_verify = maybe\n}\n", (2, 28),
     "mail-flow-policy x.*smime_decrypt_verify.*maybe"),
    ("a client that is none", "sender-group x {\n    clients = 192.0.2.300\n"
     "}\n", (2, 5), "sender-group x.*clients"),
    ("a pattern that is none", "mail-policy x {\n    direction = outgoing\n"
     "    senders = a@b@c\n}\n", (3, 5), "mail-policy x.*senders"),
    ("a direction a default cannot have", "mail-policy default-incoming {\n"
     "    direction = outgoing\n}\n", (2, 5), "must be incoming"),
    ("CR at a line's end", "alerts {\r\n}\r\n", (1, 9), "carriage return"),
    ("a control character", "alerts {\n    from = a\x01b\n}\n", (2, 13),
     "control|byte"),
    ("bytes that are not UTF-8", "alerts {\n    from = a\udcffb\n}\n",
     (2, 13), "UTF-8"),
    ("a key without a value", "alerts {\n    from =\n}\n", (2, 11), "missing"),
    ("a feature of later", "mail-flow-policy x {\n    smime_harvest = yes\n"
     "}\n", (2, 5), "not available"),
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
    main(sockets, draining, restarted, bad_keys, changed_keys, secrets,
         configurations, options)
