#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Verifying: rows S11, S13, S14, faults B8 to B13, through real Postfix."""

import base64
import os
import quopri
import re
import subprocess
import sys
import time

from harness import (Milter, Pki, Sink, cms_sign, cms_verify, crlf, main,
                     standard_config)
from harness import der
from harness.gateway import (GROUPS, SIGN, TRUSTED, VERIFY, WORLD, Gateway,
                             is_signed, mail)

TEXT = crlf("Content-Type: text/plain; charset=utf-8\n\nPlease pay 100.\n")
# The base64 of a CMS object, whoever broke its lines.
BLOCK = re.compile(rb"(?<=\r\n\r\n)MI[A-Za-z0-9+/=\r\n]+")
REMOVE = VERIFY.replace("keep", "remove")


def signed(entity, signer, *options, sender="x@a.example", fields="",
           **more):
    """A message with a header, signed by openssl."""
    return crlf(f"From: {sender}\nTo: y@b.example\nSubject: order\n"
                f"Message-ID: <1@a.example>\n{fields}") + \
        cms_sign(entity, signer, *options, **more)


def recode(data, change):
    """The message with its CMS object changed by change(DER)."""
    old = cms_of_openssl(data)
    new = base64.encodebytes(change(old)).replace(b"\n", b"\r\n")
    found = BLOCK.search(data)
    return data[:found.start()] + new + b"\r\n" + data[found.end():]


def cms_of_openssl(data):
    return base64.b64decode(BLOCK.search(data)[0])


def open_for(pki, *paths):
    """Lets the milter's user read files of a Pki."""
    os.chmod(pki.directory, 0o711)
    for path in paths:
        os.chmod(path, 0o644)


class Receiver:
    """Gateway b, its mailbox, and verdicts one by one."""

    def __init__(self, t, pki, trusted, config=VERIFY, features=None):
        self.t = t
        self.ca_file = trusted
        open_for(pki, trusted)
        self.mailbox = Sink(**({"features": features} if features else {}))
        self.b = Gateway("b", GROUPS + config, self.mailbox.port,
                         ca_file=trusted)
        self.count = 0

    def milter(self, name, more, old="", new=""):
        """One more milter and a listener that has it; the port."""
        text = (standard_config(self.b.hostname, self.ca_file) + GROUPS +
                VERIFY + more).replace(old, new)
        one = Milter(text, self.b.postfix, name=name)
        port = self.b.postfix.listener(name, smtpd_milters=one.socket_name)
        return one, port

    def receive(self, data, **options):
        self.b.send(data, client=WORLD, **options)
        self.count += 1
        return self.mailbox.wait(self.count)[-1]

    def expect(self, name, data, verdict, reason="", **options):
        got = self.receive(data, **options)
        result = (self.b.results(got) or ["none"])[0]
        said = self.b.verdict(got) if self.b.results(got) else "none"
        self.t.ok(said == verdict and re.search(reason, result),
                  f"{name}: {verdict}"
                  f"{', with the reason' if reason else ''}",
                  result, self.b.milter.log().splitlines()[-1])
        return got


# --- S11 ---------------------------------------------------------------------

def verdicts(t):
    """S11 signatures and what is wrong with them"""
    pki = Pki()
    root = pki.ca("root")
    issuing = pki.ca("issuing", root)
    one = pki.leaf("x", issuing, email=["x@a.example"])
    rsa = pki.leaf("r", root, email=["x@a.example"], key="rsa:2048")
    r = Receiver(t, pki, root.cert)
    r.b.start()
    data = signed(TEXT, one)
    got = r.expect("S11 a good detached signature", data, "pass")
    t.ok(re.search("smime-identifier=x@a.example.*smime-serial="
                   f"{one.serial()}.*smime-issuer=\"?.*issuing",
                   r.b.results(got)[0]),
         "S11 the result names signer, serial number and issuer",
         r.b.results(got))
    r.b.milter.wait_log("from=<x@a.example> action=verify "
                        "direction=incoming group=world signature=pass "
                        "gateway_verified=yes signer=x@a.example")
    opaque = signed(TEXT, one, opaque=True)
    spellings(r, data, opaque)
    r.expect("S11 RSA", signed(TEXT, rsa), "pass")
    r.expect("S11 RSA-PSS", signed(
        TEXT, rsa, "-keyopt", "rsa_padding_mode:pss"), "pass")
    r.expect("S11 without signed attributes",
             signed(TEXT, rsa, "-noattr"), "pass")
    r.expect("S11 a domain's certificate", signed(
        TEXT, pki.leaf("d", root, dns=["a.example"])), "pass")
    r.expect("S11 an altered text", data.replace(b"pay 100", b"pay 900"),
             "fail", "content was changed after signing")
    r.expect("S11 an altered opaque text", recode(
        opaque, lambda c: c.replace(b"pay 100", b"pay 900")), "fail",
        "content was changed")
    r.expect("S11 an altered signature", recode(
        data, lambda c: c[:-3] + bytes([c[-3] ^ 1]) + c[-2:]), "fail",
        "signature does not verify")
    r.expect("S11 a line end altered", data.replace(
        b"100.\r\n", b"100.\r\n\r\n"), "fail", "content was changed")
    certificates_that_do_not_do(r, pki, root)
    algorithms(r, pki, root, one, rsa)
    several(r, pki, root, one)


def spellings(r, data, opaque):
    r.expect("S11 a good opaque signature", opaque, "pass")
    r.expect("S11 application/x-pkcs7-signature", data.replace(
        b"application/pkcs7-signature", b"application/x-pkcs7-signature"),
        "pass")
    r.expect("S11 application/pkcs7-signature in protocol alone, "
             "x-pkcs7-signature on the part", data.replace(
                 b"Content-Type: application/pkcs7-signature",
                 b"Content-Type: application/x-pkcs7-signature"), "pass")
    r.expect("S11 application/x-pkcs7-mime", re.sub(
        rb"application/(x-)?pkcs7-mime", b"application/x-pkcs7-mime",
        opaque), "pass")
    r.expect("S11 application/pkcs7-mime", re.sub(
        rb"application/(x-)?pkcs7-mime", b"application/pkcs7-mime",
        opaque), "pass")
    r.expect("S11 application/octet-stream by the name of its file",
             re.sub(rb"application/(x-)?pkcs7-mime",
                    b"application/octet-stream", opaque), "pass")
    r.expect("S11 MULTIPART/SIGNED in capitals", data.replace(
        b"multipart/signed", b"MULTIPART/Signed"), "pass")


def certificates_that_do_not_do(r, pki, root):
    other = pki.ca("other")
    old_ca = pki.ca("oldca", root, end=-1)
    for name, reason, signer in (
            ("a signer who is not the sender",
             r"signer .z@a.example. is not the sender",
             pki.leaf("z", root, email=["z@a.example"])),
            ("an unknown CA", "", pki.leaf("u", other,
                                           email=["x@a.example"])),
            ("a self-signed certificate", "",
             pki.leaf("self", email=["x@a.example"])),
            ("an expired certificate", "certificate expired 20",
             pki.leaf("old", root, email=["x@a.example"], start=-9,
                      end=-2)),
            ("a certificate not valid yet", "not valid before",
             pki.leaf("new", root, email=["x@a.example"], start=2)),
            ("an expired CA", "expired",
             pki.leaf("oldc", old_ca, email=["x@a.example"])),
            ("a certificate for servers", "not for mail.*extendedKeyUsage",
             pki.leaf("tls", root, email=["x@a.example"],
                      purpose="serverAuth")),
            ("a certificate for encryption", "not for mail.*keyUsage",
             pki.leaf("enc", root, email=["x@a.example"],
                      usage="keyEncipherment")),
            ("a certificate issued by one who is no CA", "",
             pki.leaf("sub", pki.leaf("noca", root,
                                      email=["z@a.example"]),
                      email=["x@a.example"]))):
        r.expect(f"S11 {name}", signed(TEXT, signer), "fail", reason)
    for usage in ("digitalSignature", "nonRepudiation", None):
        r.expect(f"S8 others' keyUsage {usage or 'absent'} is enough",
                 signed(TEXT, pki.leaf(f"u{usage}", root,
                                       email=["x@a.example"], usage=usage)),
                 "pass")


SHA256 = bytes.fromhex("0609608648016503040201")
ECDSA = bytes.fromhex("06082a8648ce3d040302")


def swap_last(data, old, new):
    head, found, tail = data.rpartition(old)
    assert found
    return head + new + tail


def algorithms(r, pki, root, one, rsa):
    """What cannot be judged is neutral, what is weak is policy."""
    data = signed(TEXT, one)
    r.expect("S11 an unknown digest algorithm", recode(
        data, lambda c: c.replace(SHA256, SHA256[:-1] + b"\x7f")),
        "neutral", "unknown digest algorithm 2.16.840.1.101.3.4.2.127")
    r.expect("S11 an unknown signature algorithm", recode(
        data, lambda c: swap_last(c, ECDSA, ECDSA[:-1] + b"\x7f")),
        "neutral", "unknown signature algorithm 1.2.840.10045.4.3.127")
    r.expect("S11 SHA-1", signed(TEXT, one, "-md", "sha1"), "policy",
             "weak digest algorithm SHA1")
    r.expect("S11 MD5", signed(TEXT, rsa, "-md", "md5"), "policy",
             "weak digest algorithm MD5")
    r.expect("S11 RSA of 1024 bits", signed(
        TEXT, pki.leaf("small", root, email=["x@a.example"],
                       key="rsa:1024")), "policy", "RSA of 1024 bits")
    for digest in ("sha224", "sha384", "sha512"):
        r.expect(f"S11 {digest}", signed(TEXT, one, "-md", digest), "pass")
    r.expect("S11 SHA-1 and altered", signed(TEXT, one, "-md", "sha1")
             .replace(b"pay 100", b"pay 900"), "fail", "changed")


def several(r, pki, root, one):
    """All signers must verify, one must be the sender."""
    boss = pki.leaf("boss", root, email=["boss@a.example"])
    bad = pki.leaf("bad", email=["x@a.example"])
    both = ("-signer", boss.cert, "-inkey", boss.key)
    r.expect("S11 two signers, one the sender", signed(TEXT, one, *both),
             "pass")
    r.expect("S11 two signers, none the sender", signed(
        TEXT, one, *both, sender="z@a.example"), "fail", "not the sender")
    r.expect("S11 two signers, one not trusted", signed(
        TEXT, one, "-signer", bad.cert, "-inkey", bad.key), "fail")


def trust(t):
    """S11 known keys, CA lists and certificates left out"""
    pki = Pki()
    root = pki.ca("root")
    by_ca = pki.leaf("byca", root, email=["x@a.example"])
    known = pki.leaf("known", email=["x@a.example"])
    r = Receiver(t, pki, root.cert)
    ca, ca_port = r.milter("ca", "", "milter-smime {",
                           "milter-smime {\n    trust = ca")
    only, only_port = r.milter("only", "", "milter-smime {",
                               "milter-smime {\n    trust = known")
    r.b.start()
    ca.start()
    only.start()
    r.expect("S11 a key not known yet", signed(TEXT, known), "fail")
    bare = signed(TEXT, known, "-nocerts")
    by_id = signed(TEXT, known, "-nocerts", "-keyid")
    r.expect("S11 a certificate neither sent along nor known", bare, "fail",
             "neither in the message nor in the key store")
    open_for(pki, known.cert)
    for one in (r.b.milter, ca, only):
        one.postseal("smime", "key", "add", "partner", known.cert)
    r.expect("S11 trust = ca-or-known: a key added while running",
             signed(TEXT, known), "pass")
    r.expect("S11 trust = ca-or-known: a CA", signed(TEXT, by_ca), "pass")
    r.expect("S11 trust = ca: a known key is not enough",
             signed(TEXT, known), "fail", port=ca_port)
    r.expect("S11 trust = ca: a CA", signed(TEXT, by_ca), "pass",
             port=ca_port)
    r.expect("S11 trust = known: a known key", signed(TEXT, known), "pass",
             port=only_port)
    r.expect("S11 trust = known: a CA is not enough", signed(TEXT, by_ca),
             "fail", port=only_port)
    r.expect("S11 a certificate left out is taken from the key store", bare,
             "pass")
    r.expect("S11 so is one named by its key identifier", by_id, "pass")
    r.expect("S11 a known key altered", signed(TEXT, known).replace(
        b"100", b"900"), "fail", "changed")
    r.expect("S11 a known key is known for its own sender only",
             signed(TEXT, known, sender="z@a.example"), "fail",
             "not the sender")
    r.b.milter.postseal("smime", "key", "remove", "partner")
    r.expect("S11 a key removed while running", signed(TEXT, known), "fail")
    for one in (ca, only):
        one.kill()


def revocation(t):
    """S11 revocation"""
    pki = Pki()
    root = pki.ca("root")
    issuing = pki.ca("issuing", root)
    good = pki.leaf("x", issuing, email=["x@a.example"])
    bad = pki.leaf("bad", issuing, email=["x@a.example"])
    r = Receiver(t, pki, root.cert)
    strict, port = r.milter("strict", "", "crl-check {",
                            "crl-check {\n    missing_crl = reject\n   ")
    strict_text = open(strict.config_file).read()
    t.ok("missing_crl = reject" in strict_text, "the configuration is made")
    r.b.start()
    strict.start()
    r.expect("S11 no CRL: missing_crl = accept", signed(TEXT, bad), "pass")
    r.expect("S11 no CRL: missing_crl = reject", signed(TEXT, good), "fail",
             "CRL", port=port)
    root_crl = pki.crl(root)
    before = pki.crl(issuing)
    empty = os.path.join(pki.directory, "before.crl")
    os.rename(before, empty)

    def with_crls(data, *crls):
        return recode(data, lambda c: der.add_crls(c, *crls))

    r.expect("S11 CRLs inside the CMS fill the gap", with_crls(
        signed(TEXT, good), root_crl, empty), "pass", port=port)
    pki.revoke(bad)
    listed = pki.crl(issuing)
    r.expect("S11 a CRL inside the CMS revokes", with_crls(
        signed(TEXT, bad), root_crl, listed), "fail", "revoked")
    r.expect("S11 a CRL inside an opaque one", with_crls(
        signed(TEXT, bad, opaque=True), listed), "fail", "revoked")
    r.expect("S11 none revoked by a CRL it does not concern", with_crls(
        signed(TEXT, good), listed), "pass")
    for one in (r.b.milter, strict):
        pki.crl(root, one.crl)
        pki.crl(issuing, one.crl)
    until(r, signed(TEXT, bad), "fail", "S11 a CRL put into the directory "
          "is taken up within seconds", "revoked")
    r.expect("S11 one not revoked", signed(TEXT, good), "pass")
    r.expect("S11 an older CRL inside the CMS does not outvote it",
             with_crls(signed(TEXT, bad), root_crl, empty), "fail",
             "revoked")
    until(r, signed(TEXT, good), "pass", "S11 CRLs for the whole chain "
          "satisfy missing_crl = reject", port=port)
    r.expect("S11 revoked there, too", signed(TEXT, bad), "fail", "revoked",
             port=port)
    pki.revoke(good)
    pki.crl(issuing, r.b.milter.crl)
    until(r, signed(TEXT, good), "fail", "S11 a replaced CRL is taken up "
          "within seconds", "revoked")
    # Truncated: as if there were none, and the log says so.
    for entry in os.listdir(strict.crl):
        path = os.path.join(strict.crl, entry)
        with open(path) as file:
            text = file.read()
        with open(path + ".new", "w") as file:
            file.write(text[:len(text) // 2])
        os.rename(path + ".new", path)
    until(r, signed(TEXT, good), "fail", "B19 truncated CRLs count as "
          "missing", "CRL", port=port)
    strict.kill()


def until(r, data, verdict, name, reason="", **options):
    """Sends again and again until the verdict is right, for 5 seconds."""
    begin = time.monotonic()
    while True:
        got = r.receive(data, **options)
        result = (r.b.results(got) or ["none"])[0]
        good = r.b.verdict(got) == verdict and re.search(reason, result)
        if good or time.monotonic() - begin > 5:
            r.t.ok(good, name, result)
            return
        time.sleep(0.2)


# --- S13 ---------------------------------------------------------------------

ODD = (
    ("bare CR", b"a\rb\rc\r\n"),
    ("bare LF", b"a\nb\n\nc\r\n"),
    ("NUL", b"a\0b\r\n"),
    ("8-bit bytes", "Gr\u00fc\u00dfe\r\n".encode()),
    ("long lines", b"long " * 1000 + b"\r\n"),
    ("all at once", b"\r\0" + "\u00fc".encode() * 2000 + b"\n.\n\r.\r\r\n"),
    ("smuggled ends of data", b"x\r\n.\r\nMAIL FROM:<e@e.example>\r\n"
     b"\n.\r\n\r.\r\n\n.\n\r.\rMAIL FROM:<e@e.example>\r\n.\r\n"),
    ("blanks at line ends", b"a \r\nb\t\r\n \r\n"),
    ("From lines", b"From me\r\nFrom you\r\n"),
    ("no final line end", b"no end"),
    ("nothing", b""),
)


def removing(t):
    """S13 removing the signature"""
    pki = Pki()
    root = pki.ca("root")
    one = pki.leaf("x", root, email=["x@a.example"])
    r = Receiver(t, pki, root.cert, REMOVE, features=("PIPELINING",))
    r.b.start()
    entity = crlf('Content-Type: multipart/mixed;\n\tboundary="in ner"\n'
                  "Content-Language: de\n\npreamble\n--in ner\n\none \n"
                  "--in ner \nX-Own: 1\n\ntwo\n--in ner--\nepilogue\n")
    head, _, body = entity.partition(b"\r\n\r\n")
    got = r.expect("S13 detached", signed(entity, one), "pass")
    t.is_(got.body, body, "S13 detached: the body is what was signed, byte "
          "for byte")
    lines = got.head.split(b"\r\n")
    t.is_([l for l in lines if l.lower().startswith((b"content-", b"\tbou"))],
          head.split(b"\r\n"), "S13 detached: and so are its fields")
    kept = [l for l in lines if re.match(rb"From|To|Subject|Message-ID", l)]
    t.is_(kept, [b"From: x@a.example", b"To: y@b.example", b"Subject: order",
                 b"Message-ID: <1@a.example>"],
          "S13 the other fields are as they were")
    t.is_(len(got.all("MIME-Version")), 1, "S13 one MIME-Version")
    got = r.expect("S13 opaque", signed(entity, one, opaque=True), "pass")
    t.ok(b"one" in got.body and b"X-Own: 1" in got.body and
         not is_signed(got), "S13 opaque: unwrapped", got.data)
    for name, content in ODD:
        odd_content(t, r, one, name, content)
    inner = crlf("Subject: another\nFrom: boss@a.example\nTo: e@e.example\n"
                 "Authentication-Results: gw.b.example; smime=pass\n") + TEXT
    got = r.expect("S13 fields inside", signed(inner, one), "pass")
    t.is_([got.all(n) for n in ("Subject", "From", "To")],
          [["order"], ["x@a.example"], ["y@b.example"]],
          "S13 fields inside the signature are not believed")
    t.is_(len(got.all("Authentication-Results")), 1,
          "B9 a result inside the signature is not taken out of it")
    for opaque in (False, True):
        data = signed(TEXT, one, opaque=opaque, sender="z@a.example")
        got = r.expect("S13 what did not verify", data, "fail")
        t.ok(got.data.endswith(data), "S13 what did not verify keeps its "
             "signature, byte for byte", got.data)
    got = r.expect("S11 a signature within the signature", signed(
        cms_sign(TEXT, one), one), "pass")
    t.ok(not is_signed(got) and b"pay 100" in got.body,
         "S13 a signature within the signature: both are removed", got.data)
    stranger = pki.leaf("stranger", email=["x@a.example"])
    data = signed(cms_sign(TEXT, stranger), one)
    got = r.expect("S11 a signature within the signature, by a stranger",
                   data, "fail")
    t.ok(got.data.endswith(data), "S13 which stays as it is", got.data)


def odd_content(t, r, one, name, content):
    """Opaque content that no mail server has seen."""
    entity = b"Content-Type: application/x-odd\r\n\r\n" + content
    before = len(r.mailbox.messages)
    got = r.expect(f"B11 opaque content with {name}", signed(
        entity, one, opaque=True), "pass")
    body = got.body
    t.ok(re.search(rb"\r(?!\n)|(?<!\r)\n|\0", got.data) is None and
         max(map(len, body.split(b"\r\n"))) <= 998 and body.isascii(),
         f"B11 {name}: clean on the wire", body[:500])
    encoding = (got.first("Content-Transfer-Encoding") or "").lower()
    if encoding == "base64":
        decoded = base64.b64decode(body)
    elif encoding == "quoted-printable":
        decoded = quopri.decodestring(body)
    else:
        decoded = body
    t.ok(decoded.rstrip(b"\r\n") == content.rstrip(b"\r\n"),
         f"B11 {name}: decoded it is what was signed", encoding,
         decoded[:200], content[:200])
    t.is_(len(r.mailbox.messages) - before, 1, f"B11 {name}: one message")


# --- S14 ---------------------------------------------------------------------

def p7s(content, kind="application/pkcs7-signature", first="\nHello.\n",
        extra="", encoding="base64"):
    """A multipart/signed by hand."""
    return (f"--b\n{first}--b\nContent-Type: {kind}\n"
            f"Content-Transfer-Encoding: {encoding}\n\n{content}\n{extra}"
            "--b--\n")


SIGNED = ('multipart/signed; boundary=b;\n\tprotocol="application/'
          'pkcs7-signature"')
CMS = 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'


def b64(data):
    return base64.encodebytes(data).decode()


def malformed(t):
    """S14 what is broken is delivered as it came, with a verdict"""
    pki = Pki()
    root = pki.ca("root")
    one = pki.leaf("x", root, email=["x@a.example"])
    r = Receiver(t, pki, root.cert, REMOVE)
    r.b.start()
    cms = cms_of_openssl(signed(TEXT, one))
    whole = cms_of_openssl(signed(TEXT, one, opaque=True))
    coded = "Content-Transfer-Encoding: base64\n"
    oid = bytes.fromhex("06092a864886f70d010702")
    cases = [
        ("multipart/signed with one part", SIGNED, "--b\n\nHello.\n--b--\n",
         "fail", "1 parts"),
        ("multipart/signed with three parts", SIGNED,
         p7s(b64(cms), extra="--b\n\nmore\n"), "fail", "parts"),
        ("multipart/signed without a boundary",
         SIGNED.replace(" boundary=b;", ""), p7s(b64(cms)), "fail",
         "no boundary"),
        ("multipart/signed with two boundaries",
         SIGNED.replace("boundary=b;", "boundary=b; boundary=c;"),
         p7s(b64(cms)), "fail", "boundary"),
        ("a second part that is no signature", SIGNED,
         p7s(b64(cms), kind="text/plain"), "fail", "not a signature"),
        ("an empty signature", SIGNED, p7s(""), "fail", "."),
        ("a signature that is no base64", SIGNED, p7s("%%%%"), "fail", "."),
        ("a signature cut in half", SIGNED, p7s(b64(cms[:len(cms) // 2])),
         "fail", "."),
        ("a signature followed by rubbish", SIGNED,
         p7s(b64(cms + b"\0" * 9)), "fail", "."),
        ("a signature with content of its own", SIGNED, p7s(b64(whole)),
         "fail", "content of its own"),
        ("a CMS object of another type", SIGNED,
         p7s(b64(der.tlv(0x30, bytes.fromhex("06092a864886f70d010701"),
                         der.tlv(0xa0, der.tlv(4, b"x"))))),
         "fail", "CMS type 1.2.840.113549.1.7.1"),
        ("a length of 2^31", SIGNED,
         p7s(b64(b"\x30\x84\x80\0\0\0" + oid)), "fail", "."),
        ("a length of 2^64", SIGNED,
         p7s(b64(b"\x30\x88" + b"\xff" * 8 + oid)), "fail", "."),
        ("a signature of certificates alone", SIGNED,
         p7s(b64(certs_only(one))), None, ""),
        ("opaque, cut in half", CMS, b64(whole[:len(whole) // 2]), "fail",
         ".", coded),
        ("opaque, with a detached signature", CMS, b64(cms), "fail",
         "without the content", coded),
        ("opaque, no CMS at all", CMS, "Hello.\n", None, ""),
        ("opaque, empty", CMS, "", None, ""),
        ("certificates alone", CMS, b64(certs_only(one)), None, "", coded),
        ("encrypted, of rubbish", CMS.replace("signed", "enveloped"),
         b64(der.tlv(0x30, bytes.fromhex("06092a864886f70d010703"),
                     der.tlv(0xa0, der.tlv(0x30, b"\2\1\0")))),
         None, "", coded),
        ("two Content-Type fields", "text/plain", p7s(b64(cms)), "fail",
         "more than one Content-Type", f"Content-Type: {SIGNED}\n"),
        ("two Content-Type fields, the other first", SIGNED, p7s(b64(cms)),
         None, "", "Content-Type: text/plain\n"),
        ("nested 200 deep", CMS, b64(deep(200)), "fail", ".", coded),
        ("PGP", SIGNED.replace("pkcs7", "pgp"),
         p7s("x", kind="application/pgp-signature"), None, ""),
        ("an S/MIME part deep inside", "multipart/mixed; boundary=o",
         f"--o\nContent-Type: {SIGNED}\n\n" + p7s(b64(cms)) + "--o--\n",
         None, ""),
    ]
    for name, kind, body, verdict, reason, *fields in cases:
        data = mail(body, kind=kind, fields="".join(fields))
        untouched(t, r, name, data, verdict, reason)
    still_verified(t, r, one)


def still_verified(t, r, one):
    """BER, and base64 as people write it, are no faults."""
    for name, data in (
            ("BER of indefinite length", signed(
                TEXT, one, "-stream", opaque=True)),
            ("base64 with blanks and odd lines", re.sub(
                BLOCK, lambda f: re.sub(rb"(.{7})", rb" \1\r\n",
                                 f[0].replace(b"\r\n", b"")) + b"\r\n",
                signed(TEXT, one))),
            ("a preamble and an epilogue", re.sub(
                rb"(?s)(\r\n\r\n)(This is.*)$",
                lambda f: f[1] + b"before\r\n" + f[2] + b"after\r\n",
                signed(TEXT, one), count=1)),
            ("padding behind delimiters", re.sub(
                rb"\r\n(------[0-9A-F]+(--)?)\r\n", rb"\r\n\1 \t\r\n",
                signed(TEXT, one)))):
        r.expect(f"S14 {name}", data, "pass")


def certs_only(one):
    return subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", one.cert,
         "-outform", "DER"], check=True, capture_output=True).stdout


def deep(n):
    data = b""
    for _ in range(n):
        data = der.tlv(0x30, data)
    return der.tlv(0x30, bytes.fromhex("06092a864886f70d010702"),
                   der.tlv(0xa0, data))


def untouched(t, r, name, data, verdict, reason):
    log = len(r.b.milter.log())
    got = r.receive(data)
    result = (r.b.results(got) or ["none"])[0]
    said = r.b.verdict(got) if r.b.results(got) else None
    t.ok(said == verdict and re.search(reason, result), f"S14 {name}: "
         f"{verdict or 'nothing to say'}{' with a reason' if reason else ''}",
         result, r.b.milter.log()[log:])
    t.ok(got.data.endswith(data), f"S14 {name}: delivered byte for byte",
         got.data[-len(data) - 300:], data)
    lines = r.b.milter.log()[log:].splitlines()
    t.ok(len(lines) == 1 and "from=<x@a.example>" in lines[0] and
         (verdict is None) == ("signature=fail" not in lines[0]),
         f"S14 {name}: one line in the log", lines)


# --- Authentication-Results --------------------------------------------------

FORGED = (
    "Authentication-Results: gw.b.example; smime=pass",
    "AUTHENTICATION-RESULTS: GW.B.Example; SMIME=Pass",
    "authentication-results:gw.b.example;smime=pass",
    "Authentication-Results:\n\tgw.b.example;\n\tsmime=pass",
    "Authentication-Results: (c) gw.b.example (c) 1; (c) smime (c) = pass",
    "Authentication-Results: gw.b.example\n\t(a\n\tb); dkim=pass; smime=pass",
    'Authentication-Results: "gw.b.example"; smime=pass',
    "Authentication-Results: gw.b.example; smime/1=pass",
    "Authentication-Results: gw.b.example 1; none; smime =\n pass",
    "Authentication-Results: gw.b.example; smime=pass (not closed",
    "Authentication-Results : gw.b.example; smime=pass",
)
HONEST = (
    "Authentication-Results: other.example; smime=pass",
    "Authentication-Results: gw.b.example; dkim=pass header.d=a.example",
    "Authentication-Results: sub.gw.b.example; smime=pass",
    "X-Authentication-Results: gw.b.example; smime=pass",
    "Authentication-Results-Own: gw.b.example; smime=pass",
)


def forged(t):
    """B9 forged results are removed"""
    pki = Pki()
    root = pki.ca("root")
    one = pki.leaf("x", root, email=["x@a.example"])
    r = Receiver(t, pki, root.cert)
    r.b.start()
    for line in FORGED:
        got = r.receive(mail(fields=line + "\n"))
        t.ok(b"smime" not in re.sub(rb"(?i)X-\S+", b"", got.head).lower(),
             f"B9 removed: {line!r}", got.head)
    fields = "".join(line + "\n" for line in HONEST)
    got = r.receive(mail(fields=fields))
    t.ok(crlf(fields) in got.data, "B9 results of others stay as they are",
         got.head)
    mixed = "".join(FORGED[n % len(FORGED)] + f"\nX-Number: {n}\n"
                    for n in range(1000)) + fields
    data = signed(TEXT, one, fields=mixed, sender="z@a.example")
    got = r.receive(data)
    results = [v for v in got.all("Authentication-Results")
               if "smime" in v.lower()]
    t.is_(r.b.verdict(got), "fail", "B9 1,000 forged ones: the one that is "
          "left is ours")
    t.is_(len(results), 3, "B9 1,000 forged ones: beside ours, those of "
          "others")
    t.is_(got.all("X-Number"), [str(n) for n in range(1000)],
          "B9 1,000 forged ones: what stood between stays, in order")
    r.b.milter.wait_log("forged_results_removed=1000")
    r.b.send(mail(fields=FORGED[1] + "\n"), client=TRUSTED)
    r.count += 1
    got = r.mailbox.wait(r.count)[-1]
    t.is_(r.b.results(got), [], "B9 removed from outgoing mail, too")


# --- header fields on the wire -----------------------------------------------

def header_lines():
    """Field by field what is hard to keep: (name, bytes)."""
    return [
        ("blanks of all kinds", b"X-A:no\r\nX-B:  two\r\nX-C:\ttab\r\n"
         b"X-D: end \t\r\nX-E:\r\nX-F: \r\n"),
        ("odd folds", b"X-A: a\r\n\tb\r\n  c\r\n \t d\r\nX-B:\r\n b\r\n"
         b"X-C: a \r\n\t\r\n c\r\n"),
        ("8-bit bytes", b"X-A: \xff\xfe\x80\r\nSubject: Gr\xfc\xdfe\r\n"
         + "X-B: Gr\u00fc\u00dfe\r\n".encode()),
        ("control bytes", b"X-A: a\x01\x7f\x1bb\r\n"),
        ("names in all cases", b"x-a: 1\r\nX-A: 2\r\nx-A: 3\r\n"
         b"MESSAGE-id: <1@a>\r\n"),
        ("repeated fields", b"".join(b"X-A: %d\r\nX-B: %d\r\n" % (n, n)
                                     for n in range(50))),
        ("a line of 2,000 bytes", b"X-A: " + b"a" * 2000 + b"\r\n"),
        ("a field of 59,992 bytes", b"X-A: " + b"a" * 59985 + b"\r\n"),
        ("a field of 59,992 bytes in folds", b"X-A:" + b"".join(
            b"\r\n " + b"a" * 97 for _ in range(599)) + b"\r\n"),
        ("a field of 200,000 bytes", b"X-A: " + b"a" * 200000 + b"\r\n"),
        ("10,000 fields", b"".join(b"X-%d: %d\r\n" % (n % 7, n)
                                   for n in range(10000))),
        ("fields one must not touch", b"DKIM-Signature: v=1; a=rsa-sha256;\r\n"
         b"\tb=ab\r\n\t cd\r\nReceived: from x\r\n\tby y;\r\n\tdate\r\n"
         b"Bcc: z@c.example\r\nX-Mime-Version: 1.0\r\n"),
        ("a result of others", b"Authentication-Results: o.example;\r\n"
         b"\tdkim=pass\r\n"),
    ]


def field_lines(head):
    """Header lines but the Content- fields, Received of today and ours."""
    fields = re.findall(rb"[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", head)
    return [f for f in fields if f and not re.match(
        rb"(?i)content-|Authentication-Results: gw\.|"
        rb"Received: from client\.example", f)]


def wire_bytes(t):
    """B13 header fields stay byte for byte"""
    pki = Pki()
    root = pki.ca("root")
    one = pki.leaf("x", root, email=["x@a.example"])
    open_for(pki, root.cert)
    sink = Sink()
    a = Gateway("a", GROUPS + SIGN + VERIFY, sink.port, ca_file=root.cert)
    one.install(a.milter.certs)
    plain = a.postfix.listener(smtpd_milters="")
    # What Postfix itself does to long lines is not our subject.
    a.postfix.set(smtp_line_length_limit="0")
    a.start()
    count = 0
    for name, lines in header_lines():
        first, last = (b"From: x@a.example\r\nTo: y@b.example\r\n",
                       b"Message-ID: <1@a.example>\r\nMIME-Version: 1.0\r\n")
        mixed = (first + b"Content-Type: text/plain\r\n" + lines +
                 b"Content-Language: de\r\n" + last)
        body = b"\r\nHello.\r\n"
        a.send(mixed + body, port=plain)
        begin = time.monotonic()
        a.send(mixed + body, client=TRUSTED)
        incoming = first + lines + last.replace(
            b"MIME-Version: 1.0\r\n", b"") + cms_sign(TEXT, one)
        a.send(incoming, port=plain)
        a.send(incoming, client=WORLD)
        seconds = time.monotonic() - begin
        count += 4
        arrived = sink.wait(count)[-4:]
        # Deliveries may overtake each other.
        by_kind = {kind: None for kind in ("plain", "sign", "bare", "check")}
        for m in arrived:
            world = b"198.51.100.1" in m.head
            trusted = b"192.0.2.10" in m.head
            by_kind["check" if world else "sign" if trusted else
                    "bare" if b"100." in m.body else "plain"] = m
        t.is_(field_lines(by_kind["sign"].head),
              field_lines(by_kind["plain"].head),
              f"B13 {name}: as without a milter when signed")
        t.ok(is_signed(by_kind["sign"]), f"B13 {name}: signed")
        checked, bare = by_kind["check"], by_kind["bare"]
        t.is_(field_lines(checked.head), field_lines(bare.head),
              f"B13 {name}: as without a milter when verified")
        t.is_(checked.body, bare.body, f"B13 {name}: the body, too")
        t.is_(a.verdict(checked), "pass", f"B13 {name}: verified")
        t.ok(seconds < 5, f"B13 {name}: in no time", f"{seconds:.1f} s")
    check_places(t, a, sink, count)


def check_places(t, a, sink, count):
    """Where our own fields stand."""
    a.send(mail(fields="X-Last: 1\n"), client=TRUSTED)
    names = [n for n, _ in sink.wait(count + 1)[-1].fields]
    t.is_(names, ["Received", "From", "To", "Subject", "Date", "Message-ID",
                  "X-Last", "MIME-Version", "Content-Type"],
          "S1 fields that change stay in their place")
    a.send(mail(kind="").replace(b"Subject", b"X-Subject"), client=TRUSTED)
    got = sink.wait(count + 2)[-1]
    t.is_([n for n, _ in got.fields][-2:], ["MIME-Version", "Content-Type"],
          "S1 fields that are new stand at the end")
    t.ok(is_signed(got), "S1 and the message is signed")


# --- B8, B10 -----------------------------------------------------------------

M, A = "mallory@evil.example", "alice@a.example"
SPOOFS = (
    f"From: {A}\n",
    f'From: "{M}" <{A}>\n',
    f"From: {M} <{A}>\n",
    f"From: {A} ({M})\n",
    f"From: ({M}) {A}\n",
    f"From: <{A}> <{M}>\n",
    f"From: {M}, {A}\n",
    f"From: {A}, {M}\n",
    f"From: {M}\nFrom: {A}\n",
    f"From: {A}\nFrom: {M}\n",
    f"FROM: {M}\nfrom: {A}\n",
    f"From: {A}\nSender: {M}\n",
    f"From: {A}\nResent-From: {M}\nReply-To: {M}\n",
    f"From: =?utf-8?q?mallory=40evil.example?= <{A}>\n",
    f"From: =?utf-8?q?{M.replace('@', '=40')}?=\n <{A}>\n",
    f"From: <@evil.example,@x.example:{A}>\n",
    f'From: "{M}"@a.example\n',
    f"From: us: {A}, {M};\n",
    f"From: {A}\n\t,{M}\n",
    f"From: {M}\\\n <{A}>\n",
    f"From : {M}\nFrom: {A}\n",
    f"From:\n {A}\n",
    f"From: {A}\x00 <{M}>\n",
    f"From: {M}.a.example\n",
    "From: mallory@evil.example@a.example\n",
    "From: mall\u043ery@evil.example\n",
    "",
)


def spoofs(t):
    """B8 signed correctly by somebody else than the sender"""
    pki = Pki()
    root = pki.ca("root")
    mallory = pki.leaf("mallory", root, email=[M])
    r = Receiver(t, pki, root.cert)
    r.b.start()
    data = cms_sign(TEXT, mallory)
    for line in SPOOFS:
        got = r.receive(crlf(line.encode() + b"To: y@b.example\n"
                             b"Subject: order\n") + data)
        good, _, why = cms_verify(got.data, root.cert)
        t.ok(good and r.b.verdict(got) == "fail",
             f"B8 openssl says good, we say fail: {line!r}", why,
             r.b.results(got))
    inside = crlf(f"From: {A}\n".encode()) + TEXT
    got = r.receive(crlf(f"From: {A}\n") + cms_sign(inside, mallory))
    t.is_(r.b.verdict(got), "fail", "B8 a From inside the signature is no "
          "proof")
    for line in (f"From: {M}\n", f'From: "{A}" <{M}>\n',
                 "From: Mallory\n <MALLORY@Evil.Example>\n"):
        got = r.receive(crlf(line) + data)
        t.is_(r.b.verdict(got), "pass", f"B8 the signer is the sender: "
              f"{line!r}")
    names(t, pki, root)


def names(t, pki, root):
    """B10 NUL and newlines in names of certificates."""
    certificates = []
    for number, (subject, email, edits) in enumerate((
            ("/O=Evil/CN=cccc@@@@@@ Authentication-Results: gw.b.example",
             "x@a.example", [(b"@@@@@@", b"\r\n\n\r\0\t")]),
            ("/CN=nul", "x@a.example@@evil.example", [(b"@@", b"\0.")]),
            ("/CN=line", "x@a.example@@.evil.example", [(b"@@", b"\r\n")]),
            ("/CN=quote\" ; smime=pass (", "x@a.example", []),
            ("/CN=" + "\u202e\u00fc" * 9, "x@a.example", []))):
        one = pki.leaf(f"n{number}", email=[email], subject=subject)
        certificates.append(der.resign(one, *edits))
    trusted = os.path.join(pki.directory, "trusted.pem")
    with open(trusted, "w") as file:
        file.write("".join(c.pem() for c in certificates))
    r = Receiver(t, pki, trusted)
    r.b.start()
    for number, one in enumerate(certificates):
        log = len(r.b.milter.log())
        got = r.receive(signed(TEXT, one))
        t.is_(r.b.verdict(got), "fail" if number in (1, 2) else "pass",
              f"B10 name {number}: whose it is")
        field = re.search(rb"(?m)^Authentication-Results:.*(?:\r\n[ \t].*)*",
                          got.head)[0]
        t.ok(re.fullmatch(rb"[\t\r\n -~]*", field) and
             len(got.all("Authentication-Results")) == 1 and
             re.search(rb"\r\n[ \t]*(\r\n|$)", field) is None,
             f"B10 name {number}: one field of printable US-ASCII", field)
        lines = r.b.milter.log()[log:]
        t.ok(lines.count("\n") == 1 and not re.search(
            r"[\x00-\x08\x0b-\x1f\x7f]", lines),
            f"B10 name {number}: one line in the log", lines)
    r.b.send(mail(fields="X: 1\n").replace(
        b"<1@test.example>", b"<1@test.example> \x01\x1b[31m"),
        client=WORLD, sender='"a\\\x01b"@c.example')
    t.ok(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", r.b.milter.log()),
         "B10 an envelope sender with control bytes is escaped in the log")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(verdicts, trust, revocation, removing, malformed, forged,
         wire_bytes, spoofs)
