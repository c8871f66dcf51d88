#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Shapes of MIME mail, signed by gateway A, carried over a hop without
8BITMIME, judged by openssl(1) and by gateway B, unwrapped by B: rows S1,
S11, S13.
"""

import base64
import email
import os
import re
import sys

from harness import (Pki, Sink, SmtpClient, cms_sign, cms_verify, crlf, main)
from harness.gateway import GROUPS, Gateway, TRUSTED, WORLD, is_signed, mail

MODES = ("detached", "opaque")
LONG = b"long " * 1000
LATER = b"This is later.\n"


def part(body, *fields):
    return b"\n".join((*fields, b"", body))


def multi(*parts, boundary=b"b1", kind=b"mixed", before=b"", after=b"",
          last=b""):
    """Content-Type line and body of a multipart."""
    body = before
    for one in parts:
        body += b"--" + boundary + b"\n" + one + b"\n"
    body += b"--" + boundary + b"--" + last + b"\n" + after
    return (b'Content-Type: multipart/%s; boundary="%s"' % (kind, boundary),
            body)


def nested(depth, leaf, field=b"Content-Type: text/plain; charset=utf-8"):
    body = leaf
    for n in range(depth):
        field, body = multi(part(body, field), part(b"beside", b"X-A: b"),
                            boundary=b"level%d" % n)
    return field, body


UTF8 = b"Content-Type: text/plain; charset=utf-8"
CTE8 = b"Content-Transfer-Encoding: 8bit"
GRUSS = "Gr\u00fc\u00dfe\n".encode()
INNER = part(GRUSS, b"From: z@c.example", b"Subject: inner",
             b"MIME-Version: 1.0", UTF8, CTE8)

# Name, Content-* fields, body, and what cannot stay detached: "opaque".
SHAPES = [
    ("plain text", [UTF8], b"Hello.\n"),
    ("8-bit text", [UTF8, CTE8], GRUSS * 3),
    ("8-bit text not called so", [UTF8], GRUSS),
    ("Latin-1", [b"Content-Type: text/plain; charset=iso-8859-1", CTE8],
     b"Gr\xfc\xdfe\n"),
    ("mostly 8-bit text", [UTF8, CTE8], "\u65e5\u672c\u8a9e\n".encode() * 9),
    ("8BIT in capitals, with a comment",
     [UTF8, b"Content-Transfer-Encoding: 8BIT (raw)"], GRUSS),
    ("HTML", [b"Content-Type: text/html; charset=utf-8", CTE8],
     b"<p>" + GRUSS),
    ("lines of 5,000 bytes", [UTF8], (LONG + b"\n") * 3),
    ("8-bit lines of 5,000 bytes", [UTF8, CTE8],
     (GRUSS.strip() * 700 + b"\n") * 2),
    ("lines of 998 and 999 bytes", [UTF8],
     b"a" * 998 + b"\n" + b"b" * 999 + b"\n"),
    ("blanks at line ends", [UTF8], b"one \ntwo\t\n \n\t\nend  \n"),
    ("From at line starts", [UTF8], b"From me\n>From you\n\nFrom x y\n"),
    ("dots", [UTF8], b".\n..\n.dot\n. \n"),
    ("an empty body", [UTF8], b""),
    ("empty lines only", [UTF8], b"\n\n\n"),
    ("no Content- field", [], b"Hello.\n"),
    ("no Content- field, 8-bit", [], GRUSS),
    ("MIME-Version alone", [b"MIME-Version: 1.0"], b"Hello.\n"),
    ("Content-Type without MIME-Version", [UTF8, b"X-No-Version: y"],
     GRUSS),
    ("NUL in text", [UTF8], b"a\0b\n"),
    ("a bare CR", [UTF8], b"a\rb\n"),
    ("binary", [b"Content-Type: application/octet-stream",
                b"Content-Transfer-Encoding: base64"],
     base64.encodebytes(bytes(range(256)) * 9)),
    ("binary called 8bit", [b"Content-Type: image/png", CTE8],
     bytes(b for b in range(256) if b not in b"\r\n\0") * 5 + b"\n"),
    ("called binary", [UTF8, b"Content-Transfer-Encoding: binary"], GRUSS),
    ("called binary, 7-bit", [UTF8, b"Content-Transfer-Encoding: binary"],
     b"Hello.\n"),
    ("an unknown encoding, 8-bit",
     [UTF8, b"Content-Transfer-Encoding: x-own"], GRUSS, "opaque"),
    ("an unknown encoding", [UTF8, b"Content-Transfer-Encoding: x-own"],
     b"Hello.\n"),
    ("base64 on one line", [b"Content-Type: application/octet-stream",
                            b"Content-Transfer-Encoding: base64"],
     base64.b64encode(b"x" * 4000) + b"\n"),
    ("base64 without a final newline inside",
     [UTF8, b"Content-Transfer-Encoding: base64"],
     base64.b64encode(b"no newline") + b"\n"),
    ("quoted-printable with 8-bit bytes",
     [UTF8, b"Content-Transfer-Encoding: quoted-printable"],
     GRUSS + b"=C3=BC =\nsoft=20\n"),
    ("quoted-printable with long lines",
     [UTF8, b"Content-Transfer-Encoding: quoted-printable"],
     b"=C3=BC" + LONG + b"x\n"),
    ("a semicolon in a file name",
     [b'Content-Type: text/plain; name="a; b=c; \\"q\\".txt"',
      b'Content-Disposition: attachment;\n\tfilename="a; b=c; \\"q\\".txt"'],
     b"Hello.\n"),
    ("RFC 2231 file names",
     [b"Content-Type: text/plain; name*0*=utf-8''Gr%C3%BC;\n"
      b" name*1*=%C3%9Fe.txt",
      b"Content-Disposition: attachment; filename*=utf-8''%C3%BC.txt"],
     b"Hello.\n"),
    ("Content-Type folded and spelt oddly",
     [b'CONTENT-TYPE:\n\tText/Plain (a comment);\n   CHARSET = "UTF-8"\n '],
     GRUSS),
    ("a description in raw 8-bit bytes",
     [UTF8, b"Content-Description: Gr\xfc\xdfe"], b"Hello.\n"),
    ("every Content- field",
     [UTF8, b"Content-ID: <1@a.example>", b"Content-Description: d",
      b"Content-Language: de", b"Content-Disposition: inline",
      b"Content-Location: http://a.example/", b"Content-Own: x"], GRUSS),
    ("a Content-Type of 2,000 bytes on a line",
     [b"Content-Type: text/plain; x=" + b"y" * 2000], b"Hello.\n", "opaque"),
    ("two parts", *multi(part(b"one", UTF8), part(b"two", UTF8))),
    ("8-bit parts", *multi(part(GRUSS, UTF8, CTE8), part(GRUSS, UTF8))),
    ("parts without fields", *multi(b"\none", b"\n" + GRUSS)),
    ("an empty part", *multi(b"", b"\n", part(b"", UTF8))),
    ("an attachment behind text", *multi(
        part(GRUSS, UTF8, CTE8), part(
            base64.encodebytes(b"\0\1\2" * 99),
            b"Content-Type: application/pdf",
            b"Content-Transfer-Encoding: base64"))),
    ("parts nested three deep", *nested(3, GRUSS)),
    ("parts nested seven deep", *nested(7, GRUSS)),
    ("parts nested twelve deep", *nested(12, b"deep\n")),
    ("parts nested twelve deep, 8-bit", *nested(12, GRUSS), "opaque"),
    ("a hundred parts", *multi(*(
        part(GRUSS + b"%d" % n, UTF8, CTE8) for n in range(100)))),
    ("padding behind delimiters", *multi(
        part(b"one", UTF8), part(GRUSS, UTF8), boundary=b"b1", last=b" ")),
    ("padding behind every delimiter",
     b"Content-Type: multipart/mixed; boundary=b1",
     b"--b1 \t\n\none\n--b1  \n" + UTF8 + b"\n\n" + GRUSS + b"\n--b1-- \t\n"),
    ("a preamble and an epilogue", *multi(
        part(b"one", UTF8), before=b"before\n\n", after=b"after\n")),
    ("an 8-bit preamble", *multi(part(b"one", UTF8), before=GRUSS),
     "opaque"),
    ("a long epilogue line", *multi(part(b"one", UTF8), after=LONG + b"\n"),
     "opaque"),
    ("a multipart without a delimiter",
     b"Content-Type: multipart/mixed; boundary=b1", LATER),
    ("a multipart without a delimiter, 8-bit",
     b"Content-Type: multipart/mixed; boundary=b1", GRUSS, "opaque"),
    ("a multipart without a boundary", b"Content-Type: multipart/mixed",
     b"--b1\n\none\n--b1--\n"),
    ("an empty boundary", b'Content-Type: multipart/mixed; boundary=""',
     b"--\n\none\n----\n"),
    ("a multipart that is not closed",
     b"Content-Type: multipart/mixed; boundary=b1",
     b"--b1\n" + UTF8 + b"\n\n" + GRUSS),
    ("an empty multipart", b"Content-Type: multipart/mixed; boundary=b1",
     b"--b1--\n"),
    ("boundaries that begin alike", *multi(
        part(multi(part(GRUSS, UTF8), boundary=b"bb1")[1],
             b"Content-Type: multipart/mixed; boundary=bb1"),
        part(GRUSS, UTF8, CTE8), boundary=b"bb")),
    ("the same boundary inside", *multi(
        part(multi(part(b"in", UTF8), boundary=b"b1")[1],
             b"Content-Type: multipart/mixed; boundary=b1"),
        part(b"out", UTF8), boundary=b"b1")),
    ("a boundary of odd characters", *multi(
        part(GRUSS, UTF8), boundary=b"a'()+_,-./:=? b")),
    ("a boundary of 150 characters", *multi(
        part(GRUSS, UTF8), boundary=b"b" * 150)),
    ("a part with two types, one of parts labelled 8bit", *multi(part(
        b"--b2\n" + CTE8 + b"\n\n7-bit\n--b2\n",
        b"Content-Type: multipart/alternative; boundary=b2", UTF8)),
     "opaque"),
    ("a digest", *multi(part(INNER), kind=b"digest")),
    ("a digest with types", *multi(
        part(INNER, b"Content-Type: message/rfc822"),
        part(b"8-bit: " + GRUSS, UTF8), kind=b"digest")),
    ("a digest with fields but no type", *multi(
        part(INNER, b"Content-Description: d"), kind=b"digest")),
    ("an embedded message too deep to look into",
     *nested(8, INNER, b"Content-Type: message/rfc822"), "opaque"),
    ("an embedded message", *multi(
        part(GRUSS, UTF8), part(INNER, b"Content-Type: message/rfc822"))),
    ("an embedded 8-bit message called so", *multi(
        part(INNER, b"Content-Type: message/rfc822", CTE8))),
    ("a message that is an embedded message",
     b"Content-Type: message/rfc822", INNER),
    ("an embedded multipart message", *multi(part(
        part(multi(part(GRUSS, UTF8, CTE8), boundary=b"i")[1],
             b"Subject: s", b"MIME-Version: 1.0",
             b"Content-Type: multipart/mixed; boundary=i"),
        b"Content-Type: message/rfc822"))),
    ("alternatives", *multi(
        part(GRUSS, UTF8, CTE8), part(
            b"<p>" + GRUSS, b"Content-Type: text/html; charset=utf-8"),
        kind=b"alternative")),
    ("a report", *multi(
        part(b"It failed.", UTF8), part(
            b"Reporting-MTA: dns; a\n", b"Content-Type: "
            b"message/delivery-status"), part(
            INNER, b"Content-Type: message/rfc822"), kind=b"report")),
    ("a line like our own delimiter", [UTF8],
     b"--=_smime_00000000000000000000000000000000\n" + GRUSS),
    ("PGP inside", *multi(
        part(b"text", UTF8), part(b"-----BEGIN PGP SIGNATURE-----",
                                  b"Content-Type: application/"
                                  b"pgp-signature"), kind=b"signed")),
]


def compose(number, mode, fields, body):
    if isinstance(fields, bytes):
        fields = [fields]
    head = (f"From: x@a.example\nTo: y@b.example\nSubject: shape {number}\n"
            f"Message-ID: <{number}.{mode}@test.example>\n").encode()
    if fields and b"MIME-Version: 1.0" not in fields and \
            b"X-No-Version: y" not in fields:
        head += b"MIME-Version: 1.0\n"
    return crlf(head + b"".join(f + b"\n" for f in fields) + b"\n" + body)


# --- what a reader sees ------------------------------------------------------

def leaves(data):
    """Types, names and decoded contents of a message's leaves."""
    found = []
    for one in email.message_from_bytes(data).walk():
        if one.is_multipart():
            found.append((one.get_content_type(), None, None))
            continue
        content = one.get_payload(decode=True) or b""
        if one.get_content_maintype() in ("text", "message"):
            content = content.replace(b"\r\n", b"\n")
        found.append((one.get_content_type(), str(one.get_filename()),
                      content))
    return found


def on_the_way(data):
    """Postfix makes a bare CR a blank."""
    return re.sub(rb"\r(?!\n)", b" ", data)


def same(data, other):
    """
    Do readers see the same?  What the line end before a delimiter belongs
    to is left open at the very end of each leaf.
    """
    one, two = leaves(data), leaves(other)
    strip = [[(t, n, c and c.rstrip(b"\r\n")) for t, n, c in side]
             for side in (one, two)]
    return strip[0] == strip[1]


def clean_on_wire(data):
    """
    7-bit, no CR or LF alone, no NUL, lines that need no folding.  Raw 8-bit
    bytes in header fields pass every hop we know of.
    """
    body = data.partition(b"\r\n\r\n")[2]
    body = re.sub(rb"(?m)^Content-Description: .*\r\n", b"", body)
    return (re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data) is None and
            body.isascii() and
            max(map(len, body.split(b"\r\n"))) <= 998)


# --- the test ----------------------------------------------------------------

UNWRAP = """
mail-flow-policy INCOMING {
    behavior = accept
    smime_decrypt_verify = yes
    smime_signature = remove
}
"""
CONFIG = GROUPS + UNWRAP + "".join(f"""
sending-profile {mode} {{
    mode = sign
    sign_mode = {mode}
    sign_signed = yes
}}
mail-policy {mode} {{
    direction = outgoing
    recipients = {mode}@b.example
    profile = {mode}
}}
""" for mode in MODES)


def by_id(sink, count, timeout=60):
    return {m.first("Message-ID"): m for m in sink.wait(count, timeout)}


def transmit(gateway, client, messages):
    """[(recipient, data)] in one session."""
    with SmtpClient(gateway.port) as smtp:
        smtp.hello()
        smtp.xclient(**client)
        for recipient, data in messages:
            eight = "BODY=8BITMIME" if "8BITMIME" in smtp.features else ""
            smtp.mail("x@a.example", [recipient], data, eight)
        smtp.quit()


class Carried:
    """Shapes carried from A to the wire and on to B's mailbox."""

    def __init__(self, shapes, also_trusted=None):
        pki = Pki()
        root = pki.ca("root")
        os.chmod(pki.directory, 0o711)
        self.ca_file = os.path.join(pki.directory, "trusted.pem")
        with open(self.ca_file, "w") as file:
            file.write(root.pem() + (also_trusted.pem() if also_trusted
                                     else ""))
        self.certificate = pki.leaf("x", root, email=["x@a.example"])
        wire = Sink(features=("PIPELINING",), name="wire.example")
        mailbox = Sink()
        a = Gateway("a", CONFIG, wire.port)
        self.b = Gateway("b", GROUPS + UNWRAP, mailbox.port,
                         ca_file=self.ca_file)
        self.certificate.install(a.milter.certs)
        a.start()
        self.b.start()
        self.sent = {}
        for number, (_, fields, body, *_) in enumerate(shapes, 1):
            for mode in MODES:
                self.sent[f"<{number}.{mode}@test.example>"] = compose(
                    number, mode, fields, body)
        transmit(a, TRUSTED, [
            (f"{i.partition('.')[2].partition('@')[0]}@b.example", data)
            for i, data in self.sent.items()])
        self.wire = by_id(wire, len(self.sent))
        transmit(self.b, WORLD, [("y@b.example", m.data)
                                 for m in self.wire.values()])
        self.got = by_id(mailbox, len(self.sent))


def check_one(t, carried, name, mode, expected, message_id):
    sent, wire = carried.sent[message_id], carried.wire[message_id]
    got = carried.got[message_id]
    what = f"S1 {name}, {mode}"
    form = {"multipart/signed": "detached",
            "application/pkcs7-mime": "opaque"}.get(
                (wire.first("Content-Type") or "").partition(";")[0])
    good, content, why = cms_verify(wire.data, carried.ca_file)
    t.ok(good and form == expected, f"{what}: openssl verifies it after a "
         f"7-bit hop, {expected}", why, form, wire.data[:1500])
    t.ok(clean_on_wire(wire.data), f"{what}: nothing on the wire needs "
         "to be changed by anybody", wire.data[:1500])
    inner = b"MIME-Version: 1.0\r\n" + content
    t.ok(same(on_the_way(sent), inner), f"{what}: what was signed is what "
         "was sent", leaves(on_the_way(sent)), leaves(inner))
    t.is_(carried.b.verdict(got), "pass", f"S11 {name}, {mode}: the next "
          "gateway verifies it")
    t.ok(not is_signed(got) and same(on_the_way(sent), got.data),
         f"S13 {name}, {mode}: unwrapped there, it is what was sent",
         leaves(on_the_way(sent)), leaves(got.data))


def shapes(t):
    """S1 shapes of MIME mail"""
    carried = Carried(SHAPES)
    for number, (name, _, _, *left) in enumerate(SHAPES, 1):
        for mode in MODES:
            check_one(t, carried, name, mode, left[0] if left else mode,
                      f"<{number}.{mode}@test.example>")


def already_signed(t):
    """S3 mail that is already signed is signed again"""
    pki = Pki()
    one = pki.leaf("x", email=["x@a.example"])
    entity = crlf(UTF8 + b"\n\nHello.\n")
    twice = []
    for name, opaque in (("detached", False), ("opaque", True)):
        data = cms_sign(entity, one, opaque=opaque)
        head, _, body = data.partition(b"\r\n\r\n")
        fields = re.sub(rb"(?i)^MIME-Version:.*\r\n", b"", head)
        twice.append((f"already signed, {name}",
                      [fields.replace(b"\r\n", b"\n")],
                      body.replace(b"\r\n", b"\n")))
    carried = Carried(twice, also_trusted=one)
    for number, (name, *_) in enumerate(twice, 1):
        for mode in MODES:
            message_id = f"<{number}.{mode}@test.example>"
            wire, got = carried.wire[message_id], carried.got[message_id]
            good, content, why = cms_verify(wire.data, carried.ca_file,
                                            partial=True)
            t.ok(good, f"S3 {name}, again {mode}: openssl verifies the "
                 "outer", why)
            good, inner, why = cms_verify(
                b"MIME-Version: 1.0\r\n" + content, one.cert, partial=True)
            t.ok(good and inner.endswith(b"Hello.\r\n"), f"S3 {name}, again "
                 f"{mode}: and the inner, untouched", why)
            t.is_(carried.b.verdict(got), "pass",
                  f"S11 {name}, again {mode}: B verifies both")
            t.ok(b"Hello." in got.body and not is_signed(got),
                 f"S13 {name}, again {mode}: B removes both", got.data)


def left_as_it_is(t):
    """S6 signed mail is not signed again unless the profile says so"""
    pki = Pki()
    one = pki.leaf("x", email=["x@a.example"])
    sink = Sink()
    a = Gateway("a", CONFIG.replace("sign_signed = yes", "sign_signed = no"),
                sink.port)
    one.install(a.milter.certs)
    a.start()
    entity = crlf(UTF8 + b"\n\nHello.\n")
    count = 0
    for name, signed in (
            ("detached", cms_sign(entity, one)),
            ("opaque", cms_sign(entity, one, opaque=True))):
        data = crlf("From: x@a.example\nMessage-ID: <1@a.example>\n") + signed
        for mode in MODES:
            count += 1
            a.send(data, to=[f"{mode}@b.example"], client=TRUSTED)
            got = sink.wait(count)[-1]
            t.ok(got.data.endswith(data), f"S6 already signed, {name}, by a "
                 f"profile of mode {mode}: passes byte for byte", got.data)
    # A claim alone must not get mail past the signer.
    for name, kind, body in (
            ("multipart/signed without a signature",
             'multipart/signed; boundary=b; micalg=sha-256;\n'
             '\tprotocol="application/pkcs7-signature"',
             "--b\n\nHello.\n--b--\n"),
            ("multipart/signed with rubbish for a signature",
             'multipart/signed; boundary=b; micalg=sha-256;\n'
             '\tprotocol="application/pkcs7-signature"',
             "--b\n\nHello.\n--b\nContent-Type: application/pkcs7-signature"
             "\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"),
            ("application/pkcs7-mime that is no CMS",
             "application/pkcs7-mime; smime-type=signed-data", "Hello.\n")):
        count += 1
        a.send(mail(body, kind=kind), to=["opaque@b.example"],
               client=TRUSTED)
        t.ok(is_signed(sink.wait(count)[-1]),
             f"S6 {name}: signed like other mail")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(shapes, already_signed, left_as_it_is)
