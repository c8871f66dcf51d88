#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
CMS objects made to do harm, through the whole daemon: faults B4, B5.  Each
is delivered as it came, with a verdict, for little time and no memory.
"""

import base64
import os
import re
import subprocess
import sys
import time
import zlib

from harness import Milter, Pki, main, standard_config
from harness.der import divide, inside, tlv
from harness.gateway import GROUPS, VERIFY
from harness.milter_client import MilterClient

WORLD, CPU_MAX, MEMORY_MAX = "198.51.100.1", 0.050, 16 << 20
TEXT = b"Content-Type: text/plain\r\n\r\nA text nobody else may read.\r\n"


def oid(text):
    first, second, *rest = (int(n) for n in text.split("."))
    out = b""
    for n in [first * 40 + second, *rest]:
        part = bytes([n & 127])
        while n := n >> 7:
            part = bytes([128 | n & 127]) + part
        out += part
    return tlv(6, out)


OAEP, MGF1, P_SPECIFIED, PSS = (oid(f"1.2.840.113549.1.1.{n}")
                                for n in (7, 8, 9, 10))
SIGNED, ENVELOPED, COMPRESSED, AUTH_ENVELOPED = (
    oid("1.2.840.113549.1." + n) for n in ("7.2", "7.3", "9.16.1.9",
                                           "9.16.1.23"))
ARIA_GCM, AES_GCM = oid("1.2.410.200046.1.1.36"), oid(
    "2.16.840.1.101.3.4.1.46")
AES_CBC = oid("2.16.840.1.101.3.4.1.42")
DATA, SHA256, RSA = oid("1.2.840.113549.1.7.1"), oid(
    "2.16.840.1.101.3.4.2.1"), oid("1.2.840.113549.1.1.1")


def edit(der, path, change):
    """der with change(whole) for the TLV that the child numbers lead to."""
    if not path:
        return change(der)
    (tag, _, content), = divide(der)
    parts = [whole for _, whole, _ in divide(content)]
    parts[path[0]] = edit(parts[path[0]], path[1:], change)
    return tlv(tag, *parts)


def put(der, path, new):
    return edit(der, path, lambda _: new)


def many(der, path, count=10000):
    """The first child of a SET or SEQUENCE, so often."""
    def repeat(whole):
        (tag, _, content), = divide(whole)
        return tlv(tag, divide(content)[0][1] * count)
    return edit(der, path, repeat)


def without_end(der, path):
    """All but the first child of a SEQUENCE left out."""
    def cut(whole):
        (tag, _, content), = divide(whole)
        return tlv(tag, divide(content)[0][1])
    return edit(der, path, cut)


def length(der, announced):
    """The outer length says something else."""
    octets = announced.to_bytes((announced.bit_length() + 7) // 8, "big")
    (_, whole, content), = divide(der)
    return whole[:1] + bytes([0x80 | len(octets)]) + octets + content


class Shapes:
    """Good objects for and by our own keys, and what becomes of them."""

    def __init__(self, pki):
        self.ca = pki.ca("root")
        self.rsa = pki.leaf("rsa", self.ca, key="rsa:2048",
                            email=["y@b.example"],
                            usage="digitalSignature,keyEncipherment")
        self.ec = pki.leaf("ec", self.ca, email=["z@b.example"],
                           usage="digitalSignature,keyAgreement")
        sign = ["-sign", "-nodetach", "-inkey", self.rsa.key, "-signer",
                self.rsa.cert]
        self.signed = self.openssl(*sign)
        self.pss = self.openssl(*sign, "-keyopt", "rsa_padding_mode:pss")
        to = ["-recip", self.rsa.cert]
        self.cbc = self.openssl("-encrypt", "-aes-256-cbc", *to)
        self.gcm = self.openssl("-encrypt", "-aes-256-gcm", *to)
        self.oaep = self.openssl("-encrypt", "-aes-256-cbc", *to, "-keyopt",
                                 "rsa_padding_mode:oaep")
        self.kari = self.openssl("-encrypt", "-aes-256-cbc", "-recip",
                                 self.ec.cert)
        self.password = self.openssl("-encrypt", "-aes-256-cbc",
                                     "-pwri_password", "secret")
        self.both = self.openssl("-encrypt", "-aes-256-cbc",
                                 "-pwri_password", "secret", *to)

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", "cms", "-binary", "-outform",
                               "DER", *arguments], input=TEXT, check=True,
                              capture_output=True).stdout

    def good(self):
        return {"AES-CBC": self.cbc, "AES-GCM": self.gcm, "OAEP": self.oaep,
                "key agreement": self.kari,
                "a password beside our key": self.both}

    def numbers(self):
        """B4"""
        nested = self.signed
        for _ in range(50):
            nested = tlv(0x30, SIGNED, tlv(0xa0, tlv(
                0x30, b"\2\1\1", tlv(0x31), tlv(0x30, SIGNED, tlv(
                    0xa0, tlv(4, nested))), tlv(0x31))))
        bomb = zlib.compress(bytes(20_000_000), 9)
        compressed = tlv(0x30, COMPRESSED, tlv(0xa0, tlv(
            0x30, b"\2\1\0", tlv(0x30, oid("1.2.840.113549.1.9.16.3.8")),
            tlv(0x30, DATA, tlv(0xa0, tlv(4, bomb))))))
        pieces = edit(self.signed, [1, 0, 2, 1], lambda _: tlv(0xa0, tlv(
            0x24, b"".join(tlv(4, TEXT[:1]) for _ in range(200_000)))))
        deep = b"\x24\x80" * 100_000
        return [
            ("10,000 recipients", "closed", many(self.cbc, [1, 0, 1])),
            ("10,000 recipients of one key agreement", "closed",
             many(self.kari, [1, 0, 1, 0, 3])),
            ("10,000 key agreements", "closed", many(self.kari, [1, 0, 1])),
            ("10,000 signers", "fail", many(self.signed, [1, 0, 4])),
            ("10,000 certificates", "fail", many(self.signed, [1, 0, 3])),
            ("10,000 digest algorithms", "fail",
             many(self.signed, [1, 0, 1])),
            ("10,000 signed attributes", "fail",
             many(self.signed, [1, 0, 4, 0, 3])),
            ("50 signed objects in each other", "other", nested),
            ("content in 200,000 pieces", "fail", pieces),
            ("nesting without end", "fail", edit(
                self.signed, [1, 0, 2, 1], lambda _: tlv(0xa0, deep))),
            ("20 MB of zeros, compressed", "other", compressed),
            ("a content type nobody knows", "other",
             put(self.signed, [0], oid("1.2.3.4.5"))),
            *((f"an outer length of {n:#x}", "any",
               length(self.cbc, n)) for n in (
                   1 << 31, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1,
                   (1 << 128) - 1)),
            *((f"a certificate of {n:#x} bytes", "fail", edit(
                self.signed, [1, 0, 3, 0], lambda whole, n=n:
                    length(whole, n))) for n in (1 << 31, 1 << 63)),
            *((f"content of {n:#x} bytes", "closed", edit(
                self.cbc, [1, 0, 2, 2], lambda whole, n=n:
                    length(whole, n))) for n in (1 << 31, 1 << 63)),
            ("the end missing", "any", self.cbc[:-20]),
        ]

    def algorithms(self):
        """B5: EnvelopedData and AuthEnvelopedData"""
        def gcm(der, nonce, name=AES_GCM, tag=b"\2\1\x10"):
            return put(der, [1, 0, 2, 1], tlv(0x30, name, tlv(
                0x30, tlv(4, nonce), tag)))

        return [
            *((f"an AES-GCM nonce of {n} bytes", "closed",
               gcm(self.gcm, bytes(n))) for n in (0, 17, 64, 4096, 1 << 20)),
            ("the same in EnvelopedData", "closed",
             gcm(self.cbc, bytes(4096))),
            ("the same for ARIA", "closed",
             gcm(self.gcm, bytes(4096), ARIA_GCM)),
            ("the same for ARIA in EnvelopedData", "closed",
             gcm(self.cbc, bytes(4096), ARIA_GCM)),
            ("AES-GCM without parameters", "closed",
             without_end(self.gcm, [1, 0, 2, 1])),
            *((f"an AES-GCM tag of {n} bytes", "closed",
               put(self.gcm, [1, 0, 3], tlv(4, bytes(n))))
              for n in (0, 1, 17, 4096)),
            ("an AES-GCM tag length of 4", "closed",
             gcm(self.gcm, bytes(12), tag=b"\2\1\4")),
            ("AuthEnvelopedData with AES-CBC", "closed", put(
                self.gcm, [1, 0, 2, 1],
                tlv(0x30, AES_CBC, tlv(4, bytes(16))))),
            ("AuthEnvelopedData without mac", "closed",
             put(self.gcm, [1, 0, 3], b"")),
            ("an AES-CBC vector of 1 byte", "closed",
             put(self.cbc, [1, 0, 2, 1, 1], tlv(4, b"i"))),
            ("AES-CBC without parameters", "closed",
             without_end(self.cbc, [1, 0, 2, 1])),
            ("no content", "closed", put(self.cbc, [1, 0, 2, 2], b"")),
            ("7 bytes of content", "closed",
             put(self.cbc, [1, 0, 2, 2], tlv(0x80, bytes(7)))),
        ]

    def recipients(self):
        """B5: ways to wrap a key"""
        label = tlv(0xa2, tlv(0x30, P_SPECIFIED))
        mask = tlv(0xa1, tlv(0x30, MGF1))
        algorithm = [1, 0, 1, 0, 2]
        return [
            ("key agreement without parameters", "closed",
             without_end(self.kari, algorithm)),
            ("key agreement with NULL for parameters", "closed",
             edit(self.kari, [*algorithm, 1], lambda _: b"\5\0")),
            ("key agreement with empty parameters", "closed",
             edit(self.kari, [*algorithm, 1], lambda _: tlv(0x30))),
            ("key agreement with a wrap that is none", "closed",
             edit(self.kari, [*algorithm, 1],
                  lambda _: tlv(0x30, AES_CBC, tlv(4, b"i")))),
            ("OAEP without parameters", "closed",
             without_end(self.oaep, algorithm)),
            ("OAEP with NULL for parameters", "closed",
             put(self.cbc, algorithm, tlv(0x30, OAEP, b"\5\0"))),
            ("an OAEP label without value", "closed",
             put(self.cbc, algorithm, tlv(0x30, OAEP, tlv(0x30, label)))),
            # OpenSSL goes on as if it were not OAEP.
            ("an OAEP mask without value", "any",
             put(self.cbc, algorithm, tlv(0x30, OAEP, tlv(0x30, mask)))),
            ("a password alone", "closed", self.password),
            *((f"a password's key of {n} bytes", "closed",
               put(self.password, [1, 0, 1, 0, 3], tlv(4, bytes(n))))
              for n in (0, 1, 7, 16, 4096)),
            ("an RSA key of 1 byte", "closed",
             put(self.cbc, [1, 0, 1, 0, 3], tlv(4, b"k"))),
            ("an RSA key of 1 MiB", "closed",
             put(self.cbc, [1, 0, 1, 0, 3], tlv(4, bytes(1 << 20)))),
        ]

    def signatures(self):
        """B5: SignedData"""
        signer = [1, 0, 4, 0]
        attributes = inside(inside(inside(inside(inside(
            self.signed)[1][1])[0][1])[4][1])[0][1])[3][1]
        digest = next(n for n, (_, whole, _) in enumerate(
            inside(attributes)) if oid("1.2.840.113549.1.9.4") in whole)
        return [
            ("PSS without parameters", "fail",
             put(self.pss, [*signer, 4], tlv(0x30, PSS))),
            ("PSS with NULL for parameters", "fail",
             put(self.pss, [*signer, 4], tlv(0x30, PSS, b"\5\0"))),
            ("a messageDigest without value", "fail",
             edit(self.signed, [*signer, 3, digest, 1],
                  lambda _: tlv(0x31))),
            ("a messageDigest that is an INTEGER", "fail",
             edit(self.signed, [*signer, 3, digest, 1],
                  lambda _: tlv(0x31, b"\2\1\1"))),
            ("no attribute in signedAttrs", "fail",
             edit(self.signed, [*signer, 3], lambda _: tlv(0xa0))),
            ("a signature of 0 bytes", "fail",
             put(self.signed, [*signer, 5], tlv(4))),
            ("a signature of 1 MiB", "fail",
             put(self.signed, [*signer, 5], tlv(4, bytes(1 << 20)))),
            ("another key than the algorithm says", "fail", put(
                self.signed, [*signer, 4],
                tlv(0x30, oid("1.2.840.10045.4.3.2")))),
            ("a digest nobody knows", "any",
             put(self.signed, [*signer, 2], tlv(0x30, oid("1.2.3.4")))),
        ]


class Daemon:
    """A milter that holds the keys, and one connection to it."""

    def __init__(self):
        self.shapes = Shapes(Pki())
        self.milter = Milter(standard_config(
            "gw.b.example", self.shapes.ca.cert) + GROUPS + VERIFY)
        for one in (self.shapes.rsa, self.shapes.ec):
            one.install(self.milter.certs)
        self.milter.start()
        self.client = MilterClient(self.milter.socket_path, address=WORLD)
        self.number = 0

    def close(self):
        self.client.close()
        self.milter.kill()

    def cpu(self):
        # The CPU-time clock of another process, as clock_getcpuclockid(3)
        # makes it.
        return time.clock_gettime(~self.milter.process.pid << 3 | 2)

    def send(self, der):
        """(Edited, CPU seconds, the line logged)"""
        kind = b" application/pkcs7-mime; name=smime.p7m"
        fields = [(b"From", b" y@b.example"), (b"Content-Type", kind),
                  (b"Content-Transfer-Encoding", b" base64")]
        body = base64.encodebytes(der).replace(b"\n", b"\r\n")
        self.number += 1
        queue_id = f"Q{self.number:05d}"
        before = self.cpu()
        edited = self.client.send("y@b.example", ["x@c.example"], fields,
                                  body, queue_id=queue_id)
        spent = self.cpu() - before
        return edited, spent, self.milter.wait_log(
            f"{queue_id}: (from=.*)")[1]


def verdict(edited, line):
    """What was said of a message: a word as Shapes has it."""
    found = re.search(rb"smime=(\w+)", b"".join(
        v for n, v in edited.fields if n == b"Authentication-Results"))
    if found:
        return found[1].decode()
    if "decrypted=yes" in line:
        return "opened"
    return "closed" if "gateway_verified=no" in line else "other"


def still_works(t, daemon, after):
    for name, der in daemon.shapes.good().items():
        edited, _, line = daemon.send(der)
        t.ok(edited.answer == "c" and verdict(edited, line) == "opened" and
             TEXT.partition(b"\r\n\r\n")[2] == edited.new_body,
             f"{name} is opened {after}", line)
    edited, _, line = daemon.send(daemon.shapes.signed)
    t.is_(verdict(edited, line), "pass", f"a signature holds {after}")


def try_all(t, fault, shapes):
    daemon = Daemon()
    still_works(t, daemon, "at first")
    shapes = [shape for word in shapes
              for shape in getattr(daemon.shapes, word)()]
    for name, expected, der in shapes:
        edited, spent, line = daemon.send(der)
        said = verdict(edited, line)
        t.ok(edited.answer == "c" and said != "pass" and
             (edited.new_body is None and said == expected or
              expected == "any"),
             f"{fault} {name}: delivered as it came, {expected}",
             f"{edited.answer} {said}", line)
        t.ok(spent <= CPU_MAX, f"{fault} {name}: at most "
             f"{CPU_MAX * 1000:.0f} ms", f"{spent * 1000:.1f} ms")
    before = daemon.milter.memory()
    for _ in range(3):
        for _, _, der in shapes:
            daemon.send(der)
    grown = daemon.milter.memory() - before
    t.ok(grown <= MEMORY_MAX // 4, f"{fault} three times more: no more "
         "memory", f"{grown >> 10} KiB")
    still_works(t, daemon, "after all")
    daemon.close()


def numbers(t):
    """B4 numbers, depth, lengths"""
    try_all(t, "B4", ["numbers"])


def known(t):
    """B5 shapes that OpenSSL has fallen over"""
    try_all(t, "B5", ["algorithms", "recipients", "signatures"])


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP the milter runs as another user, which needs root")
        sys.exit(0)
    main(numbers, known)
