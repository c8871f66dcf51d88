#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
There and back: mail that we sign, encrypt and triple-wrap behind a real
Postfix, over a 7-bit hop, read by openssl(1) and by Bouncy Castle, content
unchanged; and what those two make, read by us.  Rows S1, S2, S3, S8, S12.

Every mail of the corpora mime-parsers and spamassassin goes all the ways;
where they are absent, the shapes of smime_shapes_test.py go alone.
"""

import base64
import collections
import concurrent.futures
import email
import functools
import itertools
import json
import os
import quopri
import re
import shutil
import subprocess
import sys
import tempfile

from harness import (Message, Milter, Pki, Sink, Skip, cms_verify, crlf,
                     directory_for, main, new_directory, own,
                     standard_config)
from harness.gateway import GROUPS, Gateway, PASS_ON, TRUSTED, mail
from smime_shapes_test import SHAPES, compose, on_the_way, transmit

HERE = os.path.dirname(os.path.realpath(__file__))
CORPORA = (os.environ.get("POSTSEAL_CORPORA") or
           os.path.join(HERE, "..", "..", "..", "shared", "corpora"))
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in (
    "bcmail", "bcprov", "bcpkix", "bcutil", "javax.mail", "javax.activation"))

# A way: its name is the recipient's domain, `sender` decides whose
# certificate signs, `layers` is what must be found, from outside.
Way = collections.namedtuple("Way", "name sender key settings layers")

WAYS = [
    Way("detached", "rsa", None, "mode = sign", "detached"),
    Way("opaque", "ec", None, "mode = sign\nsign_mode = opaque", "opaque"),
    Way("cbc", "rsa", "ec", "mode = encrypt\ncipher = aes-256-cbc", "cbc"),
    Way("gcm", "rsa", "rsa", "mode = encrypt\ncipher = aes-256-gcm", "gcm"),
    Way("triple", "ec", "rsa", "mode = triple", "detached cbc detached"),
]

# All other forms of a setting, for one mail each.
VARIANTS = [
    Way("pss", "rsa", None, "mode = sign\nrsa_signature = pss", "detached"),
    Way("pss-opaque", "rsa", None,
        "mode = sign\nrsa_signature = pss\nsign_mode = opaque", "opaque"),
    Way("sha384", "rsa", None, "mode = sign\ndigest = sha384", "detached"),
    Way("sha512", "ec", None, "mode = sign\ndigest = sha512", "detached"),
    Way("both", "rsa", "rsa", "mode = sign-encrypt", "cbc detached"),
    Way("both-opaque", "ec", "ec",
        "mode = sign-encrypt\nsign_mode = opaque", "cbc opaque"),
    Way("both-gcm", "rsa", "rsa",
        "mode = sign-encrypt\ncipher = aes-128-gcm", "gcm detached"),
    Way("oaep", "rsa", "rsa",
        "mode = encrypt\nkey_transport = rsa-oaep", "cbc"),
    Way("oaep-gcm", "rsa", "rsa", "mode = encrypt\n"
        "key_transport = rsa-oaep\ncipher = aes-256-gcm", "gcm"),
    Way("cbc-128", "rsa", "rsa", "mode = encrypt\ncipher = aes-128-cbc",
        "cbc"),
    Way("cbc-192", "rsa", "ec", "mode = encrypt\ncipher = aes-192-cbc",
        "cbc"),
    Way("cbc-128-ec", "rsa", "ec", "mode = encrypt\ncipher = aes-128-cbc",
        "cbc"),
    Way("triple-opaque", "rsa", "ec", "mode = triple\nsign_mode = opaque",
        "opaque cbc opaque"),
    Way("triple-gcm", "rsa", "rsa", "mode = triple\ncipher = aes-256-gcm",
        "detached gcm detached"),
]


def profile(way):
    settings = way.settings.replace("\n", "\n    ")
    return f"""
sending-profile {way.name} {{
    {settings}
    sign_signed = yes
}}
mail-policy {way.name} {{
    direction = outgoing
    recipients = {way.name}.example
    profile = {way.name}
}}
"""


# --- the mails ---------------------------------------------------------------

def corpus_mails(name):
    """(name, message) of each file of a corpus; [] where it is absent."""
    directory = os.path.join(CORPORA, name)
    if not os.path.isdir(directory):
        return []
    found = []
    with open(os.path.join(directory, "EXPECT.tsv"),
              errors="replace") as file:
        for line in file:
            path, kind = line.split("\t")[:2]
            if kind == "mail":
                with open(os.path.join(directory, path), "rb") as mail_file:
                    data = crlf(re.sub(rb"\AFrom .*\n", b"",
                                       mail_file.read()))
                found.append((f"{name}/{path}", data))
    return found


def shape_mails():
    return [(f"shape {name}", compose(number, "x", fields, body))
            for number, (name, fields, body, *_) in enumerate(SHAPES)]


def addressed(data, sender, case):
    """The message with From of whom we may sign for, and a mark."""
    if not re.match(rb"[!-9;-~]+:", data):
        data = b"\r\n" + data
    head, blank, body = (b"\r\n" + data).partition(b"\r\n\r\n")
    # Nobody but us says whose it is, and Received fields make a loop.
    head = re.sub(rb"(?i)\r\n(?:From|Received|X-Case)[ \t]*:"
                  rb"(?:[^\r]|\r(?!\n)|\r\n[ \t])*", b"", head)
    fields = f"From: {sender}@a.example\r\nX-Case: {case}".encode()
    return fields + head + blank + body


# --- readers -----------------------------------------------------------------

class Reading:
    """What a reader made of a message."""

    def __init__(self, layers, content, remarks=""):
        self.layers, self.content, self.remarks = layers, content, remarks


class People:
    """A CA, who signs, who reads, and a directory of all for Java."""

    def __init__(self):
        self.pki = Pki()
        self.root = self.pki.ca("root")
        both = "digitalSignature,keyEncipherment"
        domains = [way.name for way in WAYS + VARIANTS]
        self.signers, self.readers = {}, {}
        for kind, key, usage in (
                ("rsa", "rsa:2048", both),
                ("ec", "ec:P-256", "digitalSignature,keyAgreement")):
            self.signers[kind] = self.pki.leaf(
                f"signer-{kind}", self.root, key=key,
                email=[f"{kind}@a.example"])
            self.readers[kind] = self.pki.leaf(
                f"reader-{kind}", self.root, key=key, usage=usage,
                email=[f"{kind}@{domain}.example" for domain in domains])
        for path in (self.pki.directory, self.root.cert):
            os.chmod(path, 0o755)

    def give(self, milter):
        """Signers' certificates and keys, readers' certificates."""
        for certificate in self.signers.values():
            certificate.install(milter.certs)
        for name, certificate in self.readers.items():
            milter.postseal("smime", "key", "add", name, certificate.cert)

    def java(self):
        directory = new_directory("java-keys")
        shutil.copy(self.root.cert, os.path.join(directory, "root.pem"))
        for certificate in self.readers.values():
            certificate.install(directory, chain=False)
        return directory


class Java:
    """RoundTrip.java, compiled."""

    def __init__(self):
        missing = [p for p in JARS.split(":") if not os.path.exists(p)]
        if missing or not shutil.which("javac"):
            raise Skip("no Bouncy Castle here: javac, libbcmail-java; "
                       + " ".join(missing))
        self.classes = new_directory("classes")
        subprocess.run(["javac", "-nowarn", "-encoding", "UTF-8", "-cp", JARS,
                        "-d", self.classes,
                        os.path.join(HERE, "bc", "RoundTrip.java")],
                       check=True, capture_output=True)

    def run(self, *arguments):
        done = subprocess.run(
            ["java", "-Xmx512m", "-cp", f"{JARS}:{self.classes}",
             "RoundTrip", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"RoundTrip: {done.stderr[-2000:]}")
        return done.stdout

    def read(self, keys, messages):
        """{name: bytes} to {name: Reading}; names end in .LAYERS."""
        arrived, opened = new_directory("arrived"), new_directory("opened")
        for name, data in messages.items():
            with open(os.path.join(arrived, name), "wb") as file:
                file.write(data)
        readings = {}
        for line in self.run("read", keys, arrived, opened).splitlines():
            name, layers, remarks = line.split("\t")
            with open(os.path.join(opened, name), "rb") as file:
                readings[name] = Reading(layers, file.read(), remarks)
        return readings


class Openssl:
    """openssl cms, layer by layer."""

    def __init__(self, people):
        self.people = people

    def _decrypt(self, data, reader):
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-binary", "-recip", reader.cert,
             "-inkey", reader.key], input=data, capture_output=True)
        return done.returncode == 0, done.stdout, done.stderr.decode()

    @staticmethod
    def form(layer, data):
        """Of a signature, the form it has, not the one asked for."""
        kind = re.sub(r"\s+", "", Message(data).first("Content-Type") or "")
        if layer not in ("cbc", "gcm"):
            return ("detached" if kind.startswith("multipart/signed;")
                    else "opaque")
        return "gcm" if "smime-type=authEnveloped-data" in kind else "cbc"

    def read(self, way, data):
        opened = []
        for layer in way.layers.split():
            layer = self.form(layer, data)
            if layer in ("cbc", "gcm"):
                good, data, why = self._decrypt(
                    data, self.people.readers[way.key])
            else:
                good, data, why = cms_verify(data, self.people.root.cert)
            if not good:
                return Reading(" ".join(opened), data, why)
            opened.append(layer)
        return Reading(" ".join(opened), data)


class Gpgsm:
    """
    GnuPG's S/MIME, where it can: no OAEP, until 2.3 neither ECDH nor GCM.
    It has a home directory and an agent of its own.
    """

    PASSPHRASE = "x\n"
    ON = "disable-dirmngr\ndisable-crl-checks\nbatch\npinentry-mode loopback\n"

    def __init__(self, people):
        if not shutil.which("gpgsm"):
            raise Skip("no gpgsm here")
        self.home = new_directory("gnupg")
        os.chmod(self.home, 0o700)
        self._write("gpgsm.conf", self.ON)
        self._write("gpg-agent.conf",
                    "allow-loopback-pinentry\ns2k-count 1024\n")
        own(self)
        root, reader = people.root, people.readers["rsa"]
        self._write("trustlist.txt", subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in",
             root.cert], capture_output=True, text=True, check=True
        ).stdout.partition("=")[2].strip() + " S relax\n")
        pair = os.path.join(self.home, "reader.p12")
        subprocess.run(["openssl", "pkcs12", "-export", "-legacy", "-in",
                        reader.cert, "-inkey", reader.key, "-passout",
                        "pass:x", "-out", pair], check=True,
                       capture_output=True)
        for path in (root.cert, pair):
            good, why = self.run("--import", path)
            assert good, why

    def _write(self, name, text):
        with open(os.path.join(self.home, name), "w") as file:
            file.write(text)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill",
                        "gpg-agent"], capture_output=True)

    def run(self, *arguments):
        done = subprocess.run(
            ["gpgsm", "--homedir", self.home, "--passphrase-fd", "0",
             *arguments], input=self.PASSPHRASE, capture_output=True,
            text=True)
        return done.returncode == 0, done.stderr

    @staticmethod
    def can(way):
        return (way.key != "ec" and "gcm" not in way.layers and
                "oaep" not in way.settings)

    def _open(self, layer, data, work):
        cms, inner = os.path.join(work, "cms"), os.path.join(work, "inner")
        message = Message(data)
        if layer == "detached":
            boundary = re.search(r'boundary="([^"]+)"',
                                 message.first("Content-Type"))[1].encode()
            _, content, signature, _ = (b"\r\n" + message.body).split(
                b"\r\n--" + boundary)
            content, data = content[2:], signature
        with open(cms, "wb") as file:
            file.write(base64.b64decode(data.partition(b"\r\n\r\n")[2]))
        if layer == "detached":
            with open(inner, "wb") as file:
                file.write(content)
            good, why = self.run("--verify", cms, inner)
        else:
            good, why = self.run("--yes", "--output", inner, "--decrypt"
                                 if layer == "cbc" else "--verify", cms)
        if not good:
            return None, why
        with open(inner, "rb") as file:
            return file.read(), why

    def read(self, way, data):
        opened = []
        with tempfile.TemporaryDirectory(dir=self.home) as work:
            for layer in way.layers.split():
                layer = Openssl.form(layer, data)
                inner, why = self._open(layer, data, work)
                if inner is None:
                    return Reading(" ".join(opened), data, why)
                opened.append(layer)
                data = inner
        return Reading(" ".join(opened), data)


# --- ours to others ----------------------------------------------------------

class Carried:
    """Mails sent all ways through our gateway to a 7-bit hop."""

    def __init__(self, people, mails, ways):
        self.ways = {way.name: way for way in ways}
        self.wire = Sink(features=("PIPELINING",), name="wire.example")
        self.gateway = Gateway(
            "a", GROUPS + PASS_ON + "".join(map(profile, ways)),
            self.wire.port)
        people.give(self.gateway.milter)
        self.gateway.start()
        self.sent, batch = {}, []
        for number, (name, data) in enumerate(mails):
            for way in ways:
                case = f"{number}.{way.name}"
                data_sent = addressed(data, way.sender, case)
                self.sent[case] = (name, way, data_sent)
                batch.append((f"{way.key or 'rsa'}@{way.name}.example",
                              data_sent))
        half = len(batch) // 2
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(functools.partial(transmit, self.gateway, TRUSTED),
                          (batch[:half], batch[half:])))
        self.got = {m.first("X-Case"): m for m in self.wire.wait(
            len(self.sent), 120)}

    def to_read(self):
        """{a file's name: message} for readers: CASE.LAYERS."""
        return {f"{case}.{len(self.sent[case][1].layers.split())}": m.data
                for case, m in self.got.items()}


# What makes a detached signature break under way, wherever it stands.
FRAGILE = re.compile(
    rb"[\x80-\xff\0]|\r(?!\n)|(?<!\r)\n|[ \t](?:\r\n|\Z)|"
    rb"^From |[^\r\n]{999}|"
    rb"^Content-Transfer-Encoding[ \t]*:\s*(?:8bit|binary)\b", re.M | re.I)


def found_as(way, reading):
    """
    Are these the layers that were asked for?  The innermost signature may
    be opaque where the content would not survive transport beside it.
    """
    if reading.layers == way.layers:
        return True
    return (way.layers.endswith("detached") and reading.layers ==
            way.layers[:-len("detached")] + "opaque" and
            FRAGILE.search(reading.content))


def leaves(data):
    """
    Types, names and decoded contents of a message's leaves.  Blanks at the
    end of a quoted-printable line count for nothing (RFC 2045 6.7, 3).
    """
    found = []
    for one in email.message_from_bytes(data).walk():
        if one.is_multipart():
            found.append((one.get_content_type(), None, None))
            continue
        if "quoted" in str(one["Content-Transfer-Encoding"]).lower():
            body = re.split(rb"\n\r?\n", one.as_bytes(), maxsplit=1)[-1]
            content = quopri.decodestring(
                re.sub(rb"[ \t]+(?=\r?\n|\Z)", b"", body))
        else:
            content = one.get_payload(decode=True) or b""
        if one.get_content_maintype() in ("text", "message"):
            content = content.replace(b"\r\n", b"\n")
        found.append((one.get_content_type(), str(one.get_filename()),
                      content.rstrip(b"\r\n")))
    return found


def unlike(sent, reading):
    """What is wrong with a reading of what was sent, or None."""
    _, way, data = sent
    if not found_as(way, reading):
        return f"layers {reading.layers!r}: {reading.remarks}"
    for one, two in itertools.zip_longest(
            leaves(on_the_way(data)),
            leaves(b"MIME-Version: 1.0\r\n" + reading.content)):
        if one != two:
            return f"sent {one!r:.700} but read {two!r:.700}"
    return None


def check_readings(t, who, carried, readings, can=lambda way: True):
    """One line per way: all mails are what was sent."""
    for way in filter(can, carried.ways.values()):
        cases = [case for case, sent in carried.sent.items()
                 if sent[1] is way]
        failed = []
        for case in cases:
            reading = readings.get(case)
            wrong = "no reading" if reading is None else unlike(
                carried.sent[case], reading)
            if wrong:
                failed.append(f"{carried.sent[case][0]} ({case}): {wrong}")
        t.ok(cases and not failed, f"{ROWS[way.layers.split()[0]]} "
             f"{way.name}: {who} reads {len(cases)} mails, content "
             "unchanged", *failed[:20])


ROWS = {"detached": "S1", "opaque": "S1", "cbc": "S2", "gcm": "S2"}


def by(reader, carried, can=lambda way: True):
    """{case: Reading} of what a reader that takes one message can read."""
    cases = [case for case in carried.got if can(carried.sent[case][1])]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(
            lambda case: reader.read(carried.sent[case][1],
                                     carried.got[case].data), cases)))


def by_java(java, people, carried):
    return {name.rpartition(".")[0]: reading for name, reading in
            java.read(people.java(), carried.to_read()).items()}


def check_javamail(t, carried, readings):
    """
    libbcmail's SMIMESigned has JavaMail write what was signed once more.
    Where that is not what lies there, only its CMS can tell.
    """
    remarks = {case: r.remarks for case, r in readings.items() if r.remarks}
    simple = [f"{carried.sent[case][0]} ({case}): {why}"
              for case, why in remarks.items()
              if not re.search(rb"(?i)multipart/|message/|[\x80-\xff]",
                               readings[case].content)]
    t.ok(not simple, "S1 Bouncy Castle over JavaMail reads all but "
         f"{len(remarks)} of {len(readings)} mails, all of them with parts "
         "or 8-bit fields, which JavaMail writes anew", *simple)


def carry(t, mails, ways):
    people = People()
    carried = Carried(people, mails, ways)
    t.is_(sorted(carried.got), sorted(carried.sent),
          f"S1 {len(mails)} mails go {len(ways)} ways and all arrive")
    ours = by(Openssl(people), carried)
    check_readings(t, "openssl", carried, ours)
    try:
        check_readings(t, "gpgsm", carried,
                       by(Gpgsm(people), carried, Gpgsm.can), Gpgsm.can)
    except Skip as why:
        t.skip("S1 S2 gpgsm reads them", why)
    readings = by_java(Java(), people, carried)
    check_readings(t, "Bouncy Castle", carried, readings)
    check_javamail(t, carried, readings)
    differ = [case for case in readings if case in ours and
              crlf(ours[case].content) != crlf(readings[case].content)]
    t.is_(differ, [], "S1 both read the same octets")


def corpora(t):
    """S1 S2 real mail, all ways"""
    mails = corpus_mails("mime-parsers") + corpus_mails("spamassassin")
    if not mails:
        raise Skip(f"no corpora in {CORPORA} ($POSTSEAL_CORPORA says where)")
    carry(t, mails, WAYS)


def shapes(t):
    """S1 S2 shapes of mail, all ways"""
    carry(t, shape_mails(), WAYS)


def variants(t):
    """S2 S8 every form that a profile may ask for"""
    carry(t, [("Gr\u00fc\u00dfe", mail("Gr\u00fc\u00dfe\n" * 300))],
          VARIANTS)


# --- others to us ------------------------------------------------------------

INCOMING = GROUPS + """
mail-flow-policy INCOMING {
    behavior = accept
    smime_decrypt_verify = yes
    smime_signature = remove
}
"""
TEXT = (b"Content-Type: text/plain\r\n\r\nHello.\r\n"
        + b"A line of text.\r\n" * 99)


class Ours:
    """
    x@a.example, who signs and is written to, with several certificates,
    and our gateway's reading of mail for them.
    """

    def __init__(self):
        self.pki = Pki()
        self.root = self.pki.ca("root")
        usage = "digitalSignature,keyEncipherment,keyAgreement"
        self.people = {
            name: self.pki.leaf(name, self.root, key=key, email=[email],
                                usage=usage)
            for name, key, email in (
                ("rsa", "rsa:2048", "x@a.example"),
                ("ec", "ec:P-256", "x@a.example"),
                ("ed", "ed25519", "x@a.example"),
                ("dave", "rsa:2048", "dave@a.example"),
                ("stranger", "rsa:2048", "stranger@a.example"))}
        for path in (self.pki.directory, self.root.cert):
            os.chmod(path, 0o755)
        self.milter = Milter(standard_config("gw.a.example",
                                             self.root.cert) + INCOMING)
        for name in ("rsa", "ec"):
            self.people[name].install(self.milter.certs, chain=False)

    def keys(self):
        """For Java."""
        directory = new_directory("java-keys")
        shutil.copy(self.root.cert, os.path.join(directory, "root.pem"))
        for certificate in self.people.values():
            certificate.install(directory, chain=False)
        return directory

    def read(self, message):
        """(report, the message as it would be delivered)."""
        out = directory_for("out")
        done = self.milter.postseal("smime", "test", "--json", "--out", out,
                                    "-", input=message.decode("latin-1"))
        with open(os.path.join(out, "1.eml"), "rb") as file:
            return json.loads(done.stdout), file.read()

    def openssl(self, data, *arguments):
        done = subprocess.run(["openssl", "cms", *arguments], input=data,
                              capture_output=True, cwd=self.pki.directory)
        if done.returncode:
            raise AssertionError(f"openssl cms {' '.join(arguments)}: "
                                 f"{done.stderr.decode()}")
        return crlf(done.stdout)

    def sign(self, data, who, *options, binary=True):
        return self.openssl(
            data, "-sign", *(["-binary", "-crlfeol"] if binary else []),
            "-signer", f"{who}.pem", "-inkey", f"{who}.key", *options)

    def seal(self, data, whom, *options):
        return self.openssl(data, "-encrypt", "-binary", "-recip",
                            f"{whom}.pem", *options)


def outcome(report):
    words = [report["signature"]]
    if report["decrypted"]:
        words.append("decrypted")
    return " ".join(words)


def check_made(t, ours, who, row, made):
    """made: {name: (message, outcome)}."""
    for name, (message, expected) in made.items():
        report, delivered = ours.read(message)
        t.is_(outcome(report), expected, f"{row(name)} {name}, made by {who}: "
              f"{expected}")
        if report["gateway_verified"]:
            t.is_(leaves(delivered), leaves(TEXT), f"S13 {name}, made by "
                  f"{who}: unwrapped, it is what was written")


def from_bouncy_castle(t):
    """S8 S9 what Bouncy Castle makes, we read"""
    ours, out = Ours(), new_directory("made")
    Java().run("make", ours.keys(), out)
    eddsa = subprocess.run(
        ["openssl", "version"], capture_output=True).stdout < b"OpenSSL 3.2"
    # Without an entry: signed, pass; encrypted, decrypted.
    special = {
        "detached-SHA1withRSA": "policy", "opaque-SHA1withRSA": "policy",
        # OpenSSL's CMS knows it from 3.2 on.
        "detached-Ed25519": "neutral" if eddsa else "pass",
        "detached-altered": "fail", "cbc-256-stranger": "none"}
    made = {}
    for name in sorted(os.listdir(out)):
        expected = ("none decrypted" if name.startswith(("cbc", "gcm")) else
                    "pass decrypted" if name.startswith(("signed", "triple"))
                    else "pass")
        with open(os.path.join(out, name), "rb") as file:
            made[name] = file.read(), special.get(name, expected)
    check_made(t, ours, "Bouncy Castle",
               lambda name: "S9" if "decrypted" in made[name][1] else "S8",
               made)


FROM = b"From: x@a.example\r\nTo: y@b.example\r\n"
SIGNED = {
    "detached": ("rsa", (), "pass"),
    "opaque": ("rsa", ("-nodetach",), "pass"),
    "opaque BER": ("rsa", ("-nodetach", "-stream"), "pass"),
    "PSS": ("rsa", ("-keyopt", "rsa_padding_mode:pss"), "pass"),
    "SHA-384": ("rsa", ("-md", "sha384"), "pass"),
    "SHA-512 and EC": ("ec", ("-md", "sha512"), "pass"),
    "opaque EC": ("ec", ("-nodetach",), "pass"),
    "SHA-1": ("rsa", ("-md", "sha1"), "policy"),
    "no attributes": ("rsa", ("-noattr",), "pass"),
    "key identifier": ("rsa", ("-keyid",), "pass"),
    "two signers": ("rsa", ("-signer", "ec.pem", "-inkey", "ec.key"),
                    "pass"),
    "no certificate": ("rsa", ("-nocerts",), "fail"),
    "somebody else": ("dave", (), "fail"),
}
OAEP = ("-keyopt", "rsa_padding_mode:oaep")
SEALED = {
    "AES-128-CBC": ("rsa", ("-aes-128-cbc",), True),
    "AES-192-CBC": ("rsa", ("-aes-192-cbc",), True),
    "AES-256-CBC": ("rsa", ("-aes-256-cbc",), True),
    "3DES": ("rsa", ("-des3",), True),
    "AES-128-GCM": ("rsa", ("-aes-128-gcm",), True),
    "AES-256-GCM": ("rsa", ("-aes-256-gcm",), True),
    "BER": ("rsa", ("-aes256", "-stream"), True),
    "BER and GCM": ("rsa", ("-aes-256-gcm", "-stream"), True),
    "OAEP": ("rsa", ("-aes256", *OAEP), True),
    "OAEP with SHA-256": ("rsa", ("-aes256", *OAEP, "-keyopt",
                                  "rsa_oaep_md:sha256"), True),
    "OAEP with SHA-384, MGF with SHA-512": (
        "rsa", ("-aes256", *OAEP, "-keyopt", "rsa_oaep_md:sha384", "-keyopt",
                "rsa_mgf1_md:sha512"), True),
    "OAEP with a label": ("rsa", ("-aes256", *OAEP, "-keyopt",
                                  "rsa_oaep_label:0123456789"), True),
    "EC": ("ec", ("-aes256",), True),
    "EC and SHA-256": ("ec", ("-aes256", "-keyopt", "ecdh_kdf_md:sha256"),
                       True),
    "EC and SHA-384": ("ec", ("-aes192", "-keyopt", "ecdh_kdf_md:sha384"),
                       True),
    "EC, cofactor": ("ec", ("-aes128", "-keyopt", "ecdh_cofactor_mode:1"),
                     True),
    "EC and GCM": ("ec", ("-aes-256-gcm",), True),
    "key identifier": ("rsa", ("-aes256", "-keyid"), True),
    "two recipients": ("stranger", ("-aes256", "-recip", "ec.pem"), True),
    "a stranger": ("stranger", ("-aes256",), False),
}


def from_openssl(t):
    """S8 S9 what openssl makes, we read"""
    ours = Ours()
    check_made(t, ours, "openssl", lambda name: "S8", {
        name: (FROM + ours.sign(TEXT, who, *options), expected)
        for name, (who, options, expected) in SIGNED.items()})
    check_made(t, ours, "openssl", lambda name: "S9", {
        name: (FROM + b"MIME-Version: 1.0\r\n" +
               ours.seal(TEXT, whom, *options),
               "none decrypted" if opens else "none")
        for name, (whom, options, opens) in SEALED.items()})
    inner = ours.sign(TEXT, "rsa")
    clear = ours.sign(TEXT, "ec", "-nodetach")
    sealed = ours.seal(inner, "rsa", "-aes256")
    check_made(t, ours, "openssl", lambda name: "S9", {
        "signed, encrypted": (FROM + sealed, "pass decrypted"),
        "signed opaque, encrypted with GCM": (
            FROM + ours.seal(clear, "ec", "-aes-256-gcm"), "pass decrypted"),
        "triple": (FROM + ours.sign(sealed, "rsa"), "pass decrypted"),
        "triple, opaque": (FROM + ours.sign(sealed, "ec", "-nodetach"),
                           "pass decrypted"),
        "encrypted, signed": (
            FROM + ours.sign(ours.seal(TEXT, "rsa", "-aes256"), "rsa"),
            "pass decrypted"),
        "encrypted twice": (FROM + ours.seal(ours.seal(
            TEXT, "rsa", "-aes256"), "ec", "-aes256"), "none decrypted"),
    })


def in_layers(t):
    """S8 whose word counts when there are several layers"""
    ours = Ours()
    by_dave = ours.sign(TEXT, "dave")
    sealed = ours.seal(by_dave, "rsa", "-aes256")
    with_lf = ours.sign(TEXT, "rsa").replace(b"\r\n", b"\n")
    changed = ours.sign(TEXT, "dave").replace(b"Hello", b"Hallo")
    for name, message, expected in (
            ("another's mail, signed again by the sender",
             ours.sign(by_dave, "rsa"), "pass"),
            ("the sender's mail, signed again by another",
             ours.sign(ours.sign(TEXT, "rsa"), "dave"), "pass"),
            ("another's mail, opaque, signed again by the sender",
             ours.sign(ours.sign(TEXT, "dave", "-nodetach"), "rsa",
                       "-nodetach"), "pass"),
            ("another's weak signature under the sender's",
             ours.sign(ours.sign(TEXT, "dave", "-md", "sha1"), "rsa"),
             "pass"),
            ("another's broken signature under the sender's",
             ours.sign(changed, "rsa"), "fail"),
            ("two signatures, neither the sender's",
             ours.sign(by_dave, "stranger"), "fail"),
            ("another's signature sealed inside, the sender's outside",
             ours.sign(sealed, "rsa"), "fail decrypted"),
            ("signed over CRLF, encrypted with LF",
             ours.seal(with_lf, "rsa", "-aes256"), "pass decrypted"),
            ("signed over CRLF, opaque with LF around it",
             ours.sign(with_lf, "rsa", "-nodetach", binary=False), "pass")):
        report, _ = ours.read(FROM + message)
        t.is_(outcome(report), expected, f"S8 {name}: {expected}")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(variants, from_openssl, in_layers, from_bouncy_castle, shapes,
         corpora)
