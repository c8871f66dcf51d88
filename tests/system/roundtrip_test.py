#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
There and back: mail that we sign, encrypt and triple-wrap behind a real
Postfix, over a 7-bit hop, read by openssl(1) and by Bouncy Castle, content
unchanged; and what those two make, read by us.  Rows S1, S2, S3, S8, S12.

Every mail of the corpora mime-parsers and spamassassin goes all the ways;
where they are absent, the shapes of smime_shapes_test.py go alone.
"""

import collections
import concurrent.futures
import email
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

from harness import (Message, Pki, Sink, Skip, cms_verify, crlf, main,
                     new_directory)
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


# --- the mails -----------------------------------------------------------------

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


# --- readers -------------------------------------------------------------------

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
    def _form(layer, data):
        """Of a signature, the form it has, not the one asked for."""
        kind = re.sub(r"\s+", "", Message(data).first("Content-Type") or "")
        if layer not in ("cbc", "gcm"):
            return ("detached" if kind.startswith("multipart/signed;")
                    else "opaque")
        return "gcm" if "smime-type=authEnveloped-data" in kind else "cbc"

    def read(self, way, data):
        opened = []
        for layer in way.layers.split():
            layer = self._form(layer, data)
            if layer in ("cbc", "gcm"):
                good, data, why = self._decrypt(
                    data, self.people.readers[way.key])
            else:
                good, data, why = cms_verify(data, self.people.root.cert)
            if not good:
                return Reading(" ".join(opened), data, why)
            opened.append(layer)
        return Reading(" ".join(opened), data)


# --- ours to others ------------------------------------------------------------

class Carried:
    """Mails sent all ways through our gateway to a 7-bit hop."""

    def __init__(self, people, mails, ways):
        self.ways = {way.name: way for way in ways}
        self.wire = Sink(features=("PIPELINING",), name="wire.example")
        self.gateway = Gateway("a", GROUPS + PASS_ON + "".join(map(profile, ways)),
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
            one.set_payload(re.sub(r"[ \t]+(?=\r?\n|\Z)", "",
                                   one.get_payload()))
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


def check_readings(t, who, carried, readings):
    """One line per way: all mails are what was sent."""
    for way in carried.ways.values():
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


def by_openssl(people, carried):
    reader = Openssl(people)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(carried.got, pool.map(
            lambda case: reader.read(carried.sent[case][1],
                                     carried.got[case].data),
            carried.got)))


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
    ours = by_openssl(people, carried)
    check_readings(t, "openssl", carried, ours)
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


# --- others to us --------------------------------------------------------------

CONFIG_READER = GROUPS.replace("trusted = yes", "") + """
mail-flow-policy INCOMING {
    behavior = accept
    smime_decrypt_verify = yes
}
"""


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(corpora, shapes, variants)
