#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Encrypting and decrypting: rows S2, S3, S4, S8, S9, S12, S13, faults B6, B7,
B11, through real Postfix.  The other side is openssl(1).
"""

import base64
import concurrent.futures
import datetime
import json
import os
import re
import subprocess
import sys

from harness import (Pki, Sink, cms_decrypt, cms_encrypt, cms_sign,
                     cms_verify, crlf, main, wait_for)
from harness import der
from harness.gateway import (GROUPS, PASS_ON, TRUSTED, VERIFY, WORLD,
                             Gateway, cms_of, is_encrypted, is_signed, mail,
                             milter_alone)
from harness.milter_client import MilterClient, divide

RSA = "rsa:2048"
EC = "ec:P-256"
ENCIPHER = "keyEncipherment"
AGREE = "keyAgreement"
BOTH = "digitalSignature,nonRepudiation,keyEncipherment"
SECRET = b"account 12345"
BODY = "Please pay 100 to account 12345.\n"


def profile(name, recipients, **settings):
    """A sending profile and the mail policy that uses it."""
    lines = "".join(f"    {k} = {v}\n" for k, v in settings.items())
    return (f"sending-profile {name} {{\n{lines}}}\n"
            f"mail-policy {name} {{\n    direction = outgoing\n"
            f"    recipients = {recipients}\n    profile = {name}\n}}\n")


def oid(text):
    """The DER of a dotted object identifier."""
    first, second, *rest = map(int, text.split("."))
    data = bytes([40 * first + second])
    for number in rest:
        part = bytes([number & 0x7f])
        while number := number >> 7:
            part = bytes([number & 0x7f | 0x80]) + part
        data += part
    return der.tlv(6, data)


ENVELOPED = oid("1.2.840.113549.1.7.3")
AUTH_ENVELOPED = oid("1.2.840.113549.1.9.16.1.23")
CIPHERS = {
    "auto": "2.16.840.1.101.3.4.1.42",
    "aes-128-cbc": "2.16.840.1.101.3.4.1.2",
    "aes-192-cbc": "2.16.840.1.101.3.4.1.22",
    "aes-256-cbc": "2.16.840.1.101.3.4.1.42",
    "aes-128-gcm": "2.16.840.1.101.3.4.1.6",
    "aes-256-gcm": "2.16.840.1.101.3.4.1.46"}
OAEP = oid("1.2.840.113549.1.1.7")
PSS = oid("1.2.840.113549.1.1.10")


def clean(data):
    """May these bytes go over SMTP?  The reason why not."""
    if b"\0" in data:
        return "NUL"
    rest = data.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        return "a CR or LF alone"
    if max(map(len, data.split(b"\r\n"))) > 998:
        return "a line over 998 octets"
    return ""


# --- S2 ----------------------------------------------------------------------

def ciphers(t):
    """S2 every cipher and key transport"""
    pki, sink = Pki(), Sink()
    cases = [(c, k) for c in CIPHERS for k in
             ("auto", "rsa-pkcs1", "rsa-oaep")]
    a = Gateway("a", GROUPS + PASS_ON + "".join(
        profile(f"{c}-{k}", f"{c}-{k}.rsa.example, {c}-{k}.ec.example",
                mode="encrypt", cipher=c, key_transport=k)
        for c, k in cases), sink.port)
    rsa = pki.leaf("rsa", dns=["*.rsa.example"], key=RSA, usage=ENCIPHER)
    ec = pki.leaf("ec", dns=["*.ec.example"], key=EC, usage=AGREE)
    other = pki.leaf("other", key=RSA, usage=ENCIPHER)
    a.install(pki.leaf("own", dns=["a.example"]))
    a.add_keys(rsa, ec)
    a.start()
    data = mail("Gr\u00fc\u00dfe\n" + BODY, kind="text/plain; charset=utf-8",
                to="y@x.rsa.example")
    for number, (cipher, transport) in enumerate(cases, 1):
        to = [f"y@{cipher}-{transport}.{d}.example" for d in ("rsa", "ec")]
        a.send(data.replace(b"y@x.rsa.example", ", ".join(to).encode()),
               to=to, client=TRUSTED, mail="BODY=8BITMIME")
        check_wire(t, sink.wait(number)[-1], cipher, transport, (rsa, ec),
                   other)
    a.milter.wait_log("action=encrypt direction=outgoing group=inside "
                      "profile=auto-auto keys=2 .*recipients=2 deliveries=1")


def check_wire(t, sent, cipher, transport, certificates, other):
    what = f"S2 {cipher} {transport}"
    gcm = cipher.endswith("gcm")
    cms = cms_of(sent)
    kind = re.sub(r"\s+", " ", sent.first("Content-Type"))
    t.ok(kind.startswith("application/pkcs7-mime; smime-type="
                         + ("authEnveloped-data;" if gcm else
                            "enveloped-data;")) and "smime.p7m" in kind,
         f"{what}: the type says so", kind)
    t.ok((AUTH_ENVELOPED if gcm else ENVELOPED) in cms[:40] and
         oid(CIPHERS[cipher]) in cms and
         (OAEP in cms) == (transport == "rsa-oaep"),
         f"{what}: that cipher and that key transport")
    t.ok(SECRET not in sent.data and not clean(sent.data) and
         sent.data.isascii(), f"{what}: nothing to read on the wire")
    for one in certificates:
        good, content, why = cms_decrypt(sent.data, one)
        t.ok(good and SECRET in content and b"=C3=BC=C3=9Fe" in content,
             f"{what}: the {one.name} recipient reads it", why, content)
    t.ok(not cms_decrypt(sent.data, other)[0],
         f"{what}: nobody else does")


def kinds_of_keys(t):
    """S2 recipients' keys of other kinds and sizes"""
    pki, sink = Pki(), Sink()
    a = Gateway("a", GROUPS + PASS_ON + profile("e", "ALL", mode="encrypt"),
                sink.port)
    certificates = [
        pki.leaf(name, dns=[f"{name}.example"], key=key, usage=usage)
        for name, key, usage in (
            ("rsa3072", "rsa:3072", ENCIPHER),
            ("p384", "ec:P-384", AGREE), ("p521", "ec:P-521", AGREE),
            ("brainpool", "ec:brainpoolP256r1", AGREE))]
    a.install(pki.leaf("own", dns=["a.example"]))
    a.add_keys(*certificates, pki.leaf("ed", dns=["ed.example"],
                                       key="ed25519", usage=AGREE))
    a.start()
    for number, one in enumerate(certificates, 1):
        to = f"y@{one.name}.example"
        a.send(mail(BODY, to=to), to=[to], client=TRUSTED)
        good, content, why = cms_decrypt(sink.wait(number)[-1].data, one)
        t.ok(good and SECRET in content, f"S2 {one.name}", why)
    got = a.refusal(mail(BODY), to=["y@ed.example"], client=TRUSTED)
    t.ok(got and "key ed: its algorithm cannot be encrypted to" in got[1],
         "S2 Ed25519 is for signatures: refused, with the reason", got)


# --- S3, S13 -----------------------------------------------------------------

RECEIVE = GROUPS.replace("sender-group world {", """sender-group remover {
    clients = 198.51.100.2
    mail_flow_policy = REMOVE
}
sender-group world {""") + VERIFY + \
    VERIFY.replace("INCOMING", "REMOVE").replace("keep", "remove")
REMOVER = {"ADDR": "198.51.100.2"}


def modes(t):
    """S3 sign-encrypt and triple, gateway to gateway"""
    pki = Pki()
    own_a = pki.leaf("gw-a", dns=["a.example"], key=RSA, usage=BOTH)
    own_b = pki.leaf("gw-b", dns=["*.b.example"], key=RSA, usage=BOTH)
    wire, mailbox = Sink(), Sink()
    forms = [(mode, form) for mode in ("sign-encrypt", "triple")
             for form in ("detached", "opaque")]
    a = Gateway("a", GROUPS + PASS_ON + "".join(
        profile(f"{m}-{f}", f"{m}-{f}.b.example", mode=m, sign_mode=f,
                rsa_signature="pss" if m == "triple" else "pkcs1")
        for m, f in forms), wire.port)
    b = Gateway("b", RECEIVE, mailbox.port)
    a.install(own_a)
    b.install(own_b)
    a.add_keys(own_b)
    b.add_keys(own_a)
    a.start()
    b.start()
    count = 0
    for number, (mode, form) in enumerate(forms, 1):
        to = f"y@{mode}-{form}.b.example"
        sent = mail(BODY, to=to, kind="text/plain; charset=us-ascii")
        a.send(sent, to=[to], client=TRUSTED)
        passed = wire.wait(number)[-1]
        what = f"S3 {mode} {form}"
        inner = open_by_hand(t, what, passed, mode, own_a, own_b)
        a.milter.wait_log(f"action={mode} .*profile={mode}-{form} "
                          f"certificate=gw-a sign_mode={form} keys=1")
        for client, kept in ((WORLD, True), (REMOVER, False)):
            b.send(passed.data, to=[to], client=client)
            count += 1
            got = mailbox.wait(count)[-1]
            t.is_(b.verdict(got), "pass", f"{what}: the next gateway "
                  "decrypts and verifies it")
            if kept:
                body = inner.split(b"\r\n\r\n", 1)[1]
                t.ok(is_signed(got) and got.body == body,
                     f"S13 {what}: the inner signature is kept as it was",
                     got.data, inner)
                t.ok(cms_verify(got.data, own_a.cert, partial=True)[0],
                     f"S13 {what}: and verifies")
            else:
                t.is_((got.body, got.first("Content-Type")),
                      (sent.split(b"\r\n\r\n", 1)[1],
                       "text/plain; charset=us-ascii"),
                      f"S13 {what}: with the inner signature removed it is "
                      "as it was sent")
    b.milter.wait_log("action=decrypt direction=incoming group=world "
                      "decrypted=yes signature=pass gateway_verified=yes "
                      "signer=")
    b.milter.wait_log("action=decrypt .*decrypted=yes removed=signature "
                      "signature=pass")


def open_by_hand(t, what, message, mode, signer, recipient):
    """What is inside the envelope; checks every layer with openssl."""
    data = message.data
    t.ok(SECRET not in data and b"Hello" not in data,
         f"{what}: nothing to read on the wire")
    if mode == "triple":
        t.ok(PSS in cms_of(message), f"{what}: RSA-PSS where it was asked")
        good, data, why = cms_verify(data, signer.cert, partial=True)
        t.ok(good, f"{what}: openssl verifies the outer signature", why)
    good, inner, why = cms_decrypt(data, recipient)
    t.ok(good, f"{what}: openssl decrypts", why)
    good, content, why = cms_verify(inner, signer.cert, partial=True)
    t.ok(good and SECRET in content,
         f"{what}: openssl verifies the signature inside", why)
    return inner


# --- S4 ----------------------------------------------------------------------

def profiles(t):
    """S4 sending profiles are listed, shown and searched"""
    a = Gateway("a", GROUPS + PASS_ON + profile(
        "bank", "bank.example", mode="triple", no_key="split",
        cipher="aes-256-gcm", key_transport="rsa-oaep", sign_mode="opaque",
        rsa_signature="pss", hidden_recipients="together", digest="sha512",
        signing_certificate="gw", key_usage="strict",
        protected_headers="yes", header_confidentiality="shy") + profile(
        "partner", "partner.example", mode="encrypt"))

    def ask(*words):
        return a.milter.postseal("smime", "profile", *words).stdout

    both = ask("list")
    t.ok(re.search(r"(?m)^NAME +MODE", both) and
         re.search(r"(?m)^bank +triple +gw +opaque +sha512", both) and
         re.search(r"(?m)^partner +encrypt", both), "S4 list", both)
    t.is_([(p["name"], p["mode"], p["no_key"], p["cipher"])
           for p in json.loads(ask("list", "--json"))],
          [("bank", "triple", "split", "aes-256-gcm"),
           ("partner", "encrypt", "bounce", "auto")], "S4 list --json")
    shown = ask("show", "bank")
    wanted = {"mode": "triple", "no_key": "split", "cipher": "aes-256-gcm",
              "key_transport": "rsa-oaep", "sign_mode": "opaque",
              "rsa_signature": "pss", "hidden_recipients": "together",
              "digest": "sha512", "signing_certificate": "gw",
              "key_usage": "strict", "sign_signed": "no",
              "protected_headers": "yes", "header_confidentiality": "shy"}
    t.is_(dict(re.findall(r"(?m)^\s+(\w+) = (\S+)$", shown)), wanted,
          "S4 show has every setting")
    t.is_(json.loads(ask("show", "bank", "--json")),
          {"name": "bank", **wanted, "sign_signed": False,
           "protected_headers": True},
          "S4 show --json")
    for word, found in (("BAN", ["bank"]), ("gw", ["bank"]),
                        ("t", ["partner"]), ("zzz", [])):
        t.is_([p["name"] for p in json.loads(ask("search", word, "--json"))],
              found, f"S4 search {word}")
    for words in (("show", "nobody"), ("show",), ("remove", "bank")):
        done = a.milter.postseal("smime", "profile", *words, check=False)
        t.ok(done.returncode and len(done.stderr.splitlines()) == 1 and
             not done.stdout, f"S4 {' '.join(words)}: refused in one line",
             done)
    # What show prints is what a configuration file takes.
    b = Gateway("b", GROUPS + PASS_ON + shown)
    again = b.milter.postseal("smime", "profile", "show", "bank").stdout
    t.is_(again, shown, "S4 what show prints can be read again")


# --- S8 ----------------------------------------------------------------------

def rules(t):
    """S8 which certificates may be encrypted to"""
    pki, sink = Pki(), Sink()
    root = pki.ca("root")
    os.chmod(pki.directory, 0o711)
    os.chmod(root.cert, 0o644)
    a = Gateway("a", GROUPS + PASS_ON + profile("e", "ALL", mode="encrypt"),
                sink.port, ca_file=root.cert)
    a.install(pki.leaf("own", dns=["a.example"]))
    soon = datetime.datetime.now(datetime.timezone.utc) + \
        datetime.timedelta(seconds=20)
    cases = [  # name, what leaf() is given, reason; "" when it is to work
        ("absent", {"usage": None}, "it has no keyUsage"),
        ("signs", {"usage": "digitalSignature"},
         "keyUsage lacks keyEncipherment"),
        ("agrees", {"usage": AGREE}, "keyUsage lacks keyEncipherment"),
        ("eccipher", {"key": EC, "usage": ENCIPHER},
         "keyUsage lacks keyAgreement"),
        ("ecsigns", {"key": EC, "usage": "digitalSignature"},
         "keyUsage lacks keyAgreement"),
        ("tls", {"purpose": "serverAuth"},
         "extendedKeyUsage has neither emailProtection"),
        ("small", {"key": "rsa:1024"}, "RSA of 1024 bits"),
        ("later", {"start": 2}, "not valid before"),
        ("soon", {"end": soon}, ""),
        ("revoked", {"issuer": root}, ""),
        ("good", {}, ""),
        ("anyuse", {"purpose": "anyExtendedKeyUsage"}, ""),
        ("nouse", {"purpose": None}, ""),
        ("ec", {"key": EC, "usage": AGREE}, ""),
        ("issued", {"issuer": root}, "")]
    pki.crl(root, a.milter.crl)
    certificates = {name: pki.leaf(name, email=[f"{name}@b.example"], **{
        "key": RSA, "usage": ENCIPHER, **more}) for name, more, _ in cases}
    a.add_keys(*certificates.values())
    a.start()
    r = Encrypting(t, a, sink)
    for name, _, reason in cases:
        to = f"{name}@b.example"
        if reason:
            r.refuses(f"S8 {name}: refused, naming the rule",
                      f"{to}>?: key {name}: .*{reason}", to)
        else:
            r.encrypts(f"S8 {name}: encrypted", to, certificates[name])
    r.refuses("S8 nobody: no key at all", "nobody@b.example>?: no key",
              "nobody@b.example")
    pki.revoke(certificates["revoked"])
    pki.crl(root, a.milter.crl)
    # A CRL in use is looked at again after a few seconds.
    got = wait_for("the new CRL to be seen", lambda: a.refusal(
        mail(BODY, to="revoked@b.example"), to=["revoked@b.example"],
        client=TRUSTED) or r.one_more(), 15, 0.5)
    t.ok(got[0] == 550 and "revoked" in got[1],
         "S8 revoked by a CRL: refused, naming the rule", got)
    a.milter.wait_log(r"action=bounce .*key revoked: .*revoked")
    r.encrypts("S8 another of the same CA: encrypted", "issued@b.example",
               certificates["issued"])
    wait_for("a certificate to expire", lambda: datetime.datetime.now(
        datetime.timezone.utc) > soon + datetime.timedelta(seconds=1),
        40)
    r.refuses("S8 expired since it was added: refused, naming the rule",
              "key soon: .*expired", "soon@b.example")
    r.nothing_plain()


class Encrypting:
    """Sends to a gateway; nothing may ever come out of it readable."""

    def __init__(self, t, gateway, sink):
        self.t, self.gateway, self.sink = t, gateway, sink
        self.sent = 0

    def one_more(self):
        self.sent += 1

    def refuses(self, name, reason, to):
        got = self.gateway.refusal(mail(BODY, to=to), to=[to],
                                   client=TRUSTED)
        if not self.t.ok(got is not None and got[0] == 550 and
                         re.search(reason, got[1]), name, f"got: {got}"):
            self.sent += got is None
            return
        self.gateway.milter.wait_log("action=bounce .*reply=.*" + reason)

    def encrypts(self, name, to, certificate):
        got = self.gateway.refusal(mail(BODY, to=to), to=[to],
                                   client=TRUSTED)
        if got is not None:
            self.t.ok(False, name, f"refused: {got}")
            return
        self.sent += 1
        message = self.sink.wait(self.sent)[-1]
        good, content, why = cms_decrypt(message.data, certificate)
        self.t.ok(good and SECRET in content, name, why)

    def nothing_plain(self):
        self.gateway.postfix.wait_empty()
        self.t.ok(all(is_encrypted(m) and SECRET not in m.data
                      for m in self.sink.messages),
                  "S8 nothing ever reached the sink readable")
        self.t.is_(len(self.sink.messages), self.sent,
                   "S8 nothing that was refused reached the sink")


def store_away(t):
    """S9 the key store cannot be read"""
    pki, sink = Pki(), Sink()
    a = Gateway("a", GROUPS + PASS_ON + profile(
        "e", "ALL", mode="encrypt", no_key="split"), sink.port)
    a.install(pki.leaf("own", dns=["a.example"]))
    key = pki.leaf("key", dns=["b.example"], key=EC, usage=AGREE)
    a.start()
    a.send(mail(), to=["y@b.example"], client=TRUSTED)
    t.ok(not is_encrypted(sink.one()), "S9 no store yet: nobody has a key")
    sink.clear()
    a.add_keys(key)
    r = Encrypting(t, a, sink)
    r.encrypts("S9 a store made while the milter runs: used", "y@b.example",
               key)
    path = os.path.join(a.milter.state, "smime", "keys.db")
    with open(path, "r+b") as file:
        good = file.read()
        file.seek(0)
        file.write(b"*" * len(good))
    got = a.refusal(mail(BODY), to=["y@b.example"], client=TRUSTED)
    t.ok(got and got[0] == 451 and path not in got[1],
         "S9 a store that is none: 451, not in clear", got)
    with open(path, "r+b") as file:
        file.write(good)
    r.encrypts("S9 put right: used again", "y@b.example", key)
    r.nothing_plain()


# --- S9 ----------------------------------------------------------------------

def which_key(t):
    """S9 which of several certificates a recipient gets"""
    pki, sink = Pki(), Sink()
    a = Gateway("a", GROUPS + PASS_ON + profile("e", "ALL", mode="encrypt"),
                sink.port)
    a.install(pki.leaf("own", dns=["a.example"]))

    def leaf(name, **more):
        return pki.leaf(name, key=EC, usage=AGREE, **more)

    domain = leaf("domain", dns=["b.example"])
    exact = leaf("exact", email=["x@b.example"], start=-9)
    older = leaf("older", email=["twice@b.example"], start=-5)
    newer = leaf("newer", email=["twice@b.example"], start=-3)
    worse = pki.leaf("worse", email=["twice@b.example"], key=EC,
                     usage="digitalSignature")
    wild = leaf("wild", dns=["*.c.example"])
    many = leaf("many", email=["one@d.example", "Two@d.example"])
    subject = leaf("subject", subject="/CN=s/emailAddress=s@d.example")
    idn = leaf("idn", dns=["xn--bcher-kva.example"])
    broken = pki.leaf("broken", email=["fall@b.example"], key=EC,
                      usage="digitalSignature")
    a.add_keys(domain, exact, older, newer, worse, wild, many, subject, idn,
               broken)
    a.start()
    r = Encrypting(t, a, sink)
    for name, to, certificate in (
            ("the exact address comes before the domain", "x@b.example",
             exact),
            ("the domain serves every user", "any@b.example", domain),
            ("the domain in other case", "any@B.Example", domain),
            ("the address in other case", "X@B.EXAMPLE", exact),
            ("of two the newer that may be used", "twice@b.example", newer),
            ("an exact certificate that may not be used leaves the domain's",
             "fall@b.example", domain),
            ("a wildcard serves one label", "u@x.c.example", wild),
            ("one of several addresses", "one@d.example", many),
            ("another of them, in other case", "two@d.example", many),
            ("an emailAddress of the subject", "s@d.example", subject),
            ("an A-label", "u@xn--bcher-kva.example", idn)):
        r.encrypts(f"S9 {name}: {to}", to, certificate)
    for name, to in (("no suffix of a domain", "x@yb.example"),
                     ("no subdomain", "x@sub.b.example"),
                     ("no wildcard's own domain", "u@c.example"),
                     ("no two labels", "u@x.y.c.example"),
                     ("no neighbour", "three@d.example"),
                     ("no +tag", "one+tag@d.example")):
        r.refuses(f"S9 {name}: {to}", ": no key", to)
    # The running milter and the command share one store.
    a.milter.postseal("smime", "key", "remove", "exact")
    r.encrypts("S9 removed while the milter runs: the next best at once",
               "x@b.example", domain)
    late = leaf("late", email=["three@d.example"])
    a.add_keys(late)
    r.encrypts("S9 added while the milter runs: used at once",
               "three@d.example", late)
    r.nothing_plain()


def key_commands(t):
    """S9 keys are added, listed, shown, removed, exported and imported"""
    pki = Pki()
    os.chmod(pki.directory, 0o711)
    a, b = (Gateway(n, GROUPS + PASS_ON) for n in "ab")
    one = pki.leaf("one", email=["x@b.example"], key=EC, usage=AGREE)
    two = pki.leaf("two", dns=["b.example", "*.c.example"], key=RSA,
                   usage=ENCIPHER, subject="/O=T\u00e9st/CN=two")
    old = pki.leaf("old", email=["x@b.example"], start=-9, end=-2)
    nobody = pki.leaf("nobody")

    def key(*words, at=a, **options):
        return at.milter.postseal("smime", "key", *words, **options)

    for certificate in (one, two, old, nobody):
        os.chmod(certificate.cert, 0o644)
    done = key("add", "one", one.cert)
    t.ok("added one: x@b.example" in done.stdout and "fingerprint" in
         done.stdout, "S9 add says whom the certificate is for", done.stdout)
    key("add", "two", two.cert)
    table = key("list").stdout
    t.ok(re.search(r"(?m)^one +x@b\.example +\d{4}-", table) and
         re.search(r"(?m)^two +b\.example \*\.c\.example", table),
         "S9 list", table)
    listed = json.loads(key("list", "--json").stdout)
    t.is_([(k["name"], k["addresses"], k["domains"], k["serial"])
           for k in listed],
          [("one", ["x@b.example"], [], one.serial()),
           ("two", [], ["b.example", "*.c.example"], two.serial())],
          "S9 list --json")
    t.ok("x@b.example" in key("show", "one").stdout and
         json.loads(key("show", "one", "--json").stdout) == listed[0],
         "S9 show")
    t.is_(key("show", "two", "--pem").stdout, two.pem(), "S9 show --pem")
    for name, words, reason in (
            ("a name that is taken", ("add", "one", two.cert), "one"),
            ("a certificate that is there already",
             ("add", "three", one.cert), ""),
            ("an expired certificate", ("add", "old", old.cert), "expired"),
            ("one that names nobody", ("add", "nobody", nobody.cert),
             "neither an address nor a domain"),
            ("a file that is not there", ("add", "x", "/nonexistent"),
             "/nonexistent"),
            ("a file without a certificate", ("add", "x", "/etc/hosts"),
             "/etc/hosts"),
            ("a name that is none", ("add", "../x", one.cert), "x"),
            ("removing what is not there", ("remove", "zzz"), "zzz"),
            ("showing what is not there", ("show", "zzz"), "zzz"),
            ("a word that is none", ("zzz",), "")):
        done = key(*words, check=False)
        t.ok(done.returncode and reason in done.stderr and
             len(done.stderr.splitlines()) == 1 and not done.stdout,
             f"S9 {name}: refused in one line", done.stderr)
    exported = key("export").stdout
    path = os.path.join(pki.directory, "exported")
    with open(path, "w") as file:
        file.write("Some text before.\r\n" + exported +
                   old.pem() + "\n-----BEGIN CERTIFICATE-----\nAAAA\n"
                   "-----END CERTIFICATE-----\n")
    os.chmod(path, 0o644)
    done = key("import", path, at=b)
    t.ok("imported 2, refused 2" in done.stdout and "expired" in done.stderr,
         "S9 import takes what can be used and says what cannot",
         done.stdout, done.stderr)
    t.is_(key("export", at=b).stdout, exported,
          "S9 another gateway's export is the same")
    t.ok(key("remove", "two").stdout == "removed two\n" and
         [k["name"] for k in json.loads(key("list", "--json").stdout)] ==
         ["one"], "S9 remove")
    done = key("import", path)
    t.ok("imported 1, refused 3" in done.stdout,
         "S9 import again adds what is missing", done.stdout, done.stderr)
    at_once(t, pki, a)


def at_once(t, pki, a):
    """Many processes on one store."""
    certificates = [pki.leaf(f"p{n}", email=[f"p{n}@b.example"], key=EC,
                             usage=AGREE) for n in range(8)]

    def add(certificate):
        os.chmod(certificate.cert, 0o644)
        return a.milter.postseal("smime", "key", "add", certificate.name,
                                 certificate.cert, check=False).returncode

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(add, certificates))
    listed = json.loads(a.milter.postseal("smime", "key", "list",
                                          "--json").stdout)
    t.is_((done, {k["name"] for k in listed}),
          ([0] * 8, {"one", "two"} | {f"p{n}" for n in range(8)}),
          "S9 eight processes add to one store at once")


# --- S12 ---------------------------------------------------------------------

HEAD = ("From: x@a.example\nTo: y@b.example\nSubject: order\n"
        "Message-ID: <1@a.example>\n")
TEXT = crlf("Content-Type: text/plain; charset=us-ascii\n\n" + BODY)


def inside(data):
    """A message made by openssl as the entity inside another."""
    return re.sub(rb"(?im)^MIME-Version:.*\r\n", b"", data, count=1)


class Receiver:
    """Gateway b, its mailbox, and what is made of each message."""

    def __init__(self, t, own, known=(), config=RECEIVE):
        self.t, self.mailbox = t, Sink()
        self.b = Gateway("b", config, self.mailbox.port)
        self.b.install(*own)
        self.b.add_keys(*known)
        self.b.start()
        self.count = 0

    def receive(self, data, client=WORLD):
        """What is delivered of it, and the log line about it."""
        self.b.send(data, client=client)
        self.count += 1
        got = self.mailbox.wait(self.count)[-1]
        lines = wait_for("the log line", lambda: (
            found := re.findall(r"(?m)^.* action=.*$", self.b.milter.log()))
            and len(found) >= self.count and found)
        return got, lines[-1]

    def opens(self, name, data, verdict=None):
        got, line = self.receive(crlf(HEAD) + data, REMOVER)
        said = self.b.verdict(got) if self.b.results(got) else None
        self.t.ok(got.body == crlf(BODY) and said == verdict and
                  got.first("Content-Type") ==
                  "text/plain; charset=us-ascii" and
                  "decrypted=yes" in line and "gateway_verified=yes" in line,
                  name, line, got.data)

    def leaves(self, name, data, *words, client=REMOVER):
        """Delivered byte for byte, with these words in the log."""
        data = crlf(HEAD) + data
        got, line = self.receive(data, client)
        head, _, body = data.partition(b"\r\n\r\n")
        self.t.ok(got.body == body and crlf(head) in got.head,
                  f"{name}: delivered byte for byte", line, got.data)
        self.t.ok(all(word in line for word in words),
                  f"{name}: {' '.join(words) or 'logged'}", line)


def nestings(t):
    """S12 every nesting, DER and BER, whichever key fits"""
    pki = Pki()
    gw = pki.leaf("gw", dns=["b.example"], key=RSA, usage=BOTH)
    ec = pki.leaf("ec", dns=["b.example"], key=EC, usage=AGREE)
    old = pki.leaf("old", dns=["b.example"], key=RSA, usage=ENCIPHER,
                   start=-20, end=-10)
    other = pki.leaf("other", dns=["b.example"], key=RSA, usage=ENCIPHER)
    x = pki.leaf("x", email=["x@a.example"], key=RSA)
    r = Receiver(t, (gw, ec, old), (x,))
    signed = {form: inside(cms_sign(TEXT, x, opaque=form == "opaque"))
              for form in ("detached", "opaque")}
    stream = ["-stream", "-aes256"]
    oaep = ["-keyopt", "rsa_padding_mode:oaep"]
    for name, options, certificates in (
            ("DER", [], [gw]), ("BER", stream, [gw]),
            ("AES-128", ["-aes128"], [gw]), ("3DES", ["-des3"], [gw]),
            ("GCM", ["-aes-256-gcm"], [gw]),
            ("BER GCM", ["-stream", "-aes-128-gcm"], [gw]),
            ("by key identifier", ["-keyid", "-aes256"], [gw]),
            ("EC", [], [ec]), ("BER EC GCM", ["-stream", "-aes-256-gcm"],
                               [ec]),
            ("one of several recipients", [], [other, ec]),
            ("all of several recipients", [], [other, gw, ec, old]),
            ("an expired key of ours", [], [old])):
        r.opens(f"S12 {name}", cms_encrypt(TEXT, *certificates,
                                           options=options))
    for name, hash_ in (("SHA-1", "sha1"), ("SHA-256", "sha256")):
        r.opens(f"S12 OAEP {name}", cms_encrypt(TEXT, options=[
            "-aes256", "-recip", gw.cert, *oaep, "-keyopt",
            f"rsa_oaep_md:{hash_}"]))
    for form, entity in signed.items():
        for name, options in (("DER", []), ("BER", stream),
                              ("GCM", ["-aes-256-gcm"])):
            r.opens(f"S12 {form} in enveloped, {name}",
                    cms_encrypt(entity, gw, options=options), "pass")
        envelope = inside(cms_encrypt(entity, gw, options=stream))
        for outer in ("detached", "opaque"):
            r.opens(f"S12 triple: {form} in enveloped in {outer}",
                    cms_sign(envelope, x, *(["-stream"] if outer == "opaque"
                                            else []),
                             opaque=outer == "opaque"), "pass")
    r.opens("S12 enveloped in enveloped", cms_encrypt(inside(
        cms_encrypt(TEXT, ec, options=stream)), gw))
    r.opens("S12 opaque in opaque in enveloped", cms_encrypt(inside(
        cms_sign(signed["opaque"], x, "-stream", opaque=True)), gw), "pass")
    r.opens("S12 unsigned in enveloped in detached",
            cms_sign(inside(cms_encrypt(TEXT, gw)), x), "pass")
    spellings(r, cms_encrypt(TEXT, gw))
    undecryptable(r, pki, gw, other, x, signed)
    kept(t, r, gw, x, signed)


def spellings(r, data):
    r.opens("S12 application/x-pkcs7-mime", data.replace(
        b"application/pkcs7-mime", b"application/x-pkcs7-mime"))
    r.opens("S12 application/x-pkcs7-mime is no other type", re.sub(
        rb"application/(x-)?pkcs7-mime", b"application/pkcs7-mime", data))
    r.opens("S12 application/octet-stream by the name of its file", re.sub(
        rb"application/(x-)?pkcs7-mime; smime-type=enveloped-data",
        b"application/octet-stream", data))
    r.opens("S12 without smime-type", data.replace(
        b" smime-type=enveloped-data;", b""))
    cms = base64.b64decode(data.partition(b"\r\n\r\n")[2])
    long = base64.b64encode(cms)
    r.opens("S12 base64 in other lines", data.partition(b"\r\n\r\n")[0] +
            b"\r\n\r\n" + b"\r\n".join(long[at:at + 900] for at in
                                       range(0, len(long), 900)) + b"\r\n")


CLOSED = 'reason="cannot be decrypted with our keys"'


def undecryptable(r, pki, gw, other, x, signed):
    stream = ["-stream", "-aes256"]
    r.leaves("S12 for another's key", cms_encrypt(TEXT, other), CLOSED,
             "gateway_verified=no")
    r.leaves("S12 for another's key, BER", cms_encrypt(
        TEXT, other, options=stream), CLOSED)
    r.leaves("S12 for another's key, GCM", cms_encrypt(
        TEXT, other, options=["-aes-256-gcm"]), CLOSED)
    r.leaves("S12 signed in what cannot be decrypted", cms_encrypt(
        signed["detached"], other), CLOSED)
    for form in ("detached", "opaque"):
        r.leaves(f"S12 what cannot be decrypted in {form}", cms_sign(
            inside(cms_encrypt(TEXT, other)), x, opaque=form == "opaque"),
            "signature=pass", "gateway_verified=no")
    data = cms_encrypt(TEXT, gw)
    head, _, body = data.partition(b"\r\n\r\n")
    r.leaves("S12 cut off", head + b"\r\n\r\n" + body[:65 * 4] + b"\r\n")
    r.leaves("S12 no base64", head + b"\r\n\r\n*** nothing here ***\r\n")
    r.leaves("S12 an empty body", head + b"\r\n\r\n")
    r.leaves("S12 by password alone", cms_encrypt(
        TEXT, options=["-aes256", "-pwri_password", "secret"]), CLOSED)
    r.leaves("S12 EncryptedData", crlf(subprocess.run(
        ["openssl", "cms", "-EncryptedData_encrypt", "-binary", "-crlfeol",
         "-aes256", "-secretkey", "00" * 32], input=TEXT, check=True,
        capture_output=True).stdout), CLOSED)


def kept(t, r, gw, x, signed):
    """The policy keeps signatures; only the inner one is left to keep."""
    for form, entity in signed.items():
        envelope = cms_encrypt(entity, gw)
        for name, data in (
                ("in enveloped", envelope),
                ("in triple", cms_sign(inside(envelope), x))):
            got, line = r.receive(crlf(HEAD) + data)
            good, content, why = cms_verify(got.data, x.cert, partial=True)
            t.ok(good and content == TEXT and
                 entity.partition(b"\r\n\r\n")[2] == got.body,
                 f"S13 {form} {name}: kept, the inner one alone", why, line,
                 got.data)
    altered = signed["detached"].replace(b"100", b"900")
    got, line = r.receive(crlf(HEAD) + cms_encrypt(altered, gw), REMOVER)
    t.ok(r.b.verdict(got) == "fail" and is_signed(got),
         "S14 a bad signature in an envelope is delivered, not removed",
         line, got.data)


def encrypted_already(t):
    """S2 what is encrypted is never encrypted again"""
    pki, sink = Pki(), Sink()
    key = pki.leaf("key", dns=["b.example", "*.b.example"], key=RSA,
                   usage=ENCIPHER)
    other = pki.leaf("other", key=RSA, usage=ENCIPHER)
    x = pki.leaf("x", email=["x@a.example"])
    modes_ = ("encrypt", "sign-encrypt", "triple")
    a = Gateway("a", GROUPS + PASS_ON + "".join(
        profile(m, f"{m}.b.example", mode=m) for m in modes_), sink.port)
    a.install(x)
    a.add_keys(key)
    a.start()
    forms = {"EnvelopedData": cms_encrypt(TEXT, other),
             "AuthEnvelopedData, BER": cms_encrypt(
                 TEXT, other, options=["-stream", "-aes-256-gcm"])}
    for form in ("detached", "opaque"):
        forms[f"{form} around it"] = cms_sign(
            inside(forms["EnvelopedData"]), x, opaque=form == "opaque")
    count = 0
    for name, data in forms.items():
        for mode in modes_:
            sent = crlf(HEAD) + data
            a.send(sent, to=[f"y@{mode}.b.example"], client=TRUSTED)
            count += 1
            got = sink.wait(count)[-1]
            t.ok(got.data.endswith(sent), f"S2 {mode}: {name} leaves byte "
                 "for byte", got.data)
    for mode in modes_:
        sent = crlf(HEAD) + cms_sign(TEXT, x)
        a.send(sent, to=[f"y@{mode}.b.example"], client=TRUSTED)
        count += 1
        got = sink.wait(count)[-1]
        data = got.data
        if mode == "triple":
            data = cms_verify(data, x.cert, partial=True)[1]
        good, content, why = cms_decrypt(data, key)
        t.ok(good and content == sent[len(crlf(HEAD)):].partition(
            b"MIME-Version: 1.0\r\n")[2],
             f"S2 {mode}: what is signed is encrypted as it is", why, content)


# --- B7, B11 -----------------------------------------------------------------

def efail(t):
    """B7 an S/MIME part somewhere in a message is left alone"""
    pki = Pki()
    gw = pki.leaf("gw", dns=["b.example"], key=RSA, usage=BOTH)
    x = pki.leaf("x", email=["x@a.example"])
    r = Receiver(t, (gw,), (x,))
    part = inside(cms_encrypt(TEXT, gw))
    html = b'Content-Type: text/html\r\n\r\n<img src="http://e.example/%s">'

    def multipart(kind, *parts):
        return (b"MIME-Version: 1.0\r\nContent-Type: multipart/" + kind +
                b'; boundary="=b"\r\n\r\n' + b"".join(
                    b"--=b\r\n" + p + b"\r\n" for p in parts) + b"--=b--\r\n")

    exfiltrate = multipart(b"mixed", html[:-2], part, html)
    for name, data in (
            ("between two parts that would fetch it", exfiltrate),
            ("alone in a multipart", multipart(b"mixed", part)),
            ("in a multipart/alternative", multipart(
                b"alternative", html, part)),
            ("in a forwarded message", b"MIME-Version: 1.0\r\nContent-Type: "
             b"message/rfc822\r\n\r\nFrom: z@c.example\r\n" + part),
            ("in a multipart/report", multipart(b"report", html, part))):
        r.leaves(f"B7 an encrypted part {name}", data)
    got, line = r.receive(crlf(HEAD) + cms_sign(inside(exfiltrate), x),
                          REMOVER)
    t.ok(b"".join(part.split(b"\r\n\r\n", 1)[1].split()) in
         b"".join(got.body.split()) and SECRET not in got.data,
         "B7 nor is it decrypted inside a signature", line, got.data)
    got, line = r.receive(crlf(HEAD) + cms_encrypt(inside(exfiltrate), gw),
                          REMOVER)
    t.ok(SECRET not in got.data, "B7 nor inside another envelope", line,
         got.data)
    t.ok(SECRET not in b"".join(m.data for m in r.mailbox.messages),
         "B7 nothing of it was ever decrypted")
    forged = crlf("Content-Type: text/plain; charset=us-ascii\n"
                  "Authentication-Results: gw.b.example; smime=pass\n"
                  "From: boss@b.example\nSubject: forged\n"
                  "Content-Type-Options: x\n\n" + BODY)
    got, line = r.receive(crlf(HEAD) + cms_encrypt(forged, gw), REMOVER)
    t.ok(b"smime=pass" not in got.data and b"boss@" not in got.data and
         b"forged" not in got.data and SECRET in got.body,
         "B9 header fields inside an envelope are not believed", got.data)


EVIL = {
    "a bare CR": b"one\rtwo\r\n",
    "a bare LF": b"one\ntwo\r\n",
    "bare CR at the end": b"one\r",
    "NUL": b"one\0two\r\n",
    "a line of 5,000 octets": b"x" * 5000 + b"\r\n",
    "LF.LF": b"one\n.\nMAIL FROM:<evil@c.example>\n",
    "CR.CR": b"one\r.\rMAIL FROM:<evil@c.example>\r",
    "CRLF.CRLF": b"one\r\n.\r\nMAIL FROM:<evil@c.example>\r\n"
                 b"RCPT TO:<y@b.example>\r\nDATA\r\nhi\r\n.\r\n",
    "LF.CRLF": b"one\n.\r\nMAIL FROM:<evil@c.example>\r\n",
    "CRLF.LF": b"one\r\n.\nMAIL FROM:<evil@c.example>\r\n",
    "CR NUL LF": b"one\r\0\n.\r\0\ntwo",
    "8-bit": b"gr\xfc\xdfe\r\n",
    "a dot": b".",
    "nothing": b""}


def dirty(t):
    """B11 what was encrypted reaches the wire clean"""
    pki = Pki()
    gw = pki.leaf("gw", dns=["b.example"], key=RSA, usage=BOTH)
    x = pki.leaf("x", email=["x@a.example"])
    r = Receiver(t, (gw,), (x,))
    old = Sink(features=("PIPELINING",))
    r.b.postfix.route("old.example", old.port)
    r.b.postfix.reload()
    head = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n"
    mixed = (b'Content-Type: multipart/mixed; boundary="=b"\r\n\r\n--=b\r\n'
             + head + b"%b\r\n--=b--\r\n")
    seen = 0
    for name, body in EVIL.items():
        for where, entity in (("text", head + body),
                              ("a part", mixed.replace(b"%b", body)),
                              ("signed text", inside(cms_sign(
                                  head + body, x, opaque=True)))):
            sent = crlf(HEAD) + raw_encrypt(entity, gw)
            got, line = r.receive(sent, REMOVER)
            seen += 1
            t.ok("decrypted=yes" in line and not clean(got.data),
                 f"B11 {name} in {where}", clean(got.data), line, got.data)
            if where == "signed text":
                got, line = r.receive(sent)
                seen += 1
                t.ok("decrypted=yes" in line and not clean(got.data),
                     f"B11 {name} in {where} that stays signed",
                     clean(got.data), line, got.data)
    # To a server that knows neither 8BITMIME nor anything else, too.
    for name in ("a bare CR", "NUL", "8-bit", "a line of 5,000 octets"):
        r.b.send(crlf(HEAD) + raw_encrypt(head + EVIL[name], gw),
                 to=["y@old.example"], client=WORLD)
        got = old.wait(1)[0]
        old.clear()
        t.ok(not clean(got.data) and got.data.isascii(),
             f"B11 {name}, to an old server", got.data)
    r.b.postfix.wait_empty()
    t.is_(len(r.mailbox.messages), seen, "B11 no message became two")
    t.is_({(m.sender, *m.recipients) for m in r.mailbox.messages},
          {("x@a.example", "y@b.example")}, "B11 no envelope was smuggled in")


def raw_encrypt(entity, certificate):
    """As cms_encrypt(), without a change to the content."""
    out = subprocess.run(
        ["openssl", "cms", "-encrypt", "-binary", "-aes256",
         certificate.cert], input=entity, capture_output=True,
        check=True).stdout
    return re.sub(rb"\r?\n", b"\r\n", out)


# --- B6 ----------------------------------------------------------------------

def recode(data, change):
    """The message with its CMS object changed by change(DER)."""
    head, _, body = data.partition(b"\r\n\r\n")
    return (head + b"\r\n\r\n" + base64.encodebytes(change(
        base64.b64decode(body))).replace(b"\n", b"\r\n"))


def flip(cms, at, bits=0x55):
    return cms[:at] + bytes([cms[at] ^ bits]) + cms[at + 1:]


NONCE = oid("2.16.840.1.101.3.4.1.6") + bytes.fromhex("3011040c")
WRAPPED_BY_EC = bytes.fromhex("0418")


def oracle(t):
    """B6 every way not to decrypt looks the same"""
    pki = Pki()
    gw = pki.leaf("gw", dns=["b.example"], key=RSA, usage=BOTH)
    ec = pki.leaf("ec", dns=["b.example"], key=EC, usage=AGREE)
    other = pki.leaf("other", dns=["b.example"], key=RSA, usage=ENCIPHER)
    milter = milter_alone(RECEIVE)
    gw.install(milter.certs)
    ec.install(milter.certs)
    milter.start()
    cbc = cms_encrypt(TEXT, gw, options=["-aes128"])
    gcm = cms_encrypt(TEXT, gw, options=["-aes-128-gcm"])
    agreed = cms_encrypt(TEXT, ec, options=["-aes128"])
    cms = base64.b64decode(cbc.partition(b"\r\n\r\n")[2])
    wrapped = cms.index(b"\x04\x82\x01\x00") + 4
    # One wrong session key in 256 gives a padding that looks right.
    cases = [("a wrong session key", recode(cbc, lambda c, n=n: flip(
        c, wrapped + 8 + n % 240, 1 + n // 240))) for n in range(900)]
    # The block before the last decides on the padding.
    cases += [("a wrong padding", recode(cbc, lambda c, n=n: flip(
        c, len(c) - 17, n))) for n in range(1, 256)]
    cases += [("a wrong key", cms_encrypt(TEXT, other)),
              ("a wrong tag", recode(gcm, lambda c: flip(c, len(c) - 3))),
              ("another ciphertext under GCM", recode(
                  gcm, lambda c: flip(c, len(c) - 40))),
              ("another nonce under GCM", recode(
                  gcm, lambda c: flip(c, c.index(NONCE) + len(NONCE)))),
              ("a wrong session key of EC", recode(agreed, lambda c: flip(
                  c, c.index(WRAPPED_BY_EC) + len(WRAPPED_BY_EC))))]
    answers, opened = set(), 0
    with MilterClient(milter.socket_path, address="198.51.100.1") as client:
        for name, data in cases:
            fields, body = divide(crlf(HEAD) + data)
            got = client.send("x@a.example", ["y@b.example"], fields, body)
            # Another padding of the right length is still a right one.
            if name == "a wrong padding" and got.new_body is not None:
                opened += 1
                continue
            answers.add((got.answer, got.new_body is None,
                         got.fields == fields))
    t.is_(len(answers), 1, "B6 wrong key, padding, tag: one answer")
    t.ok((True, True) in {a[1:] for a in answers},
         "B6 and the message is left as it came", answers)
    t.ok(opened < 5, "B6 hardly ever is another padding a right one",
         opened)
    lines = wait_for("the last log line", lambda: (
        found := re.findall(r"(?m)^\S+ \S+ (from=.*) delay=",
                            milter.log())) and len(found) == len(cases) and
        found)
    kinds = {line for line in lines if "decrypted=yes" not in line}
    t.ok(len(kinds) == 1 and CLOSED in next(iter(kinds)),
         "B6 wrong key, padding, tag: one log line", kinds)


def bounced(t):
    """B6 other people's mail, sent again, does not come back in clear"""
    sink, pki = Sink(), Pki()
    full = Sink(replies={"RCPT": "550 5.1.1 no such user"})
    b = Gateway("b", GROUPS + VERIFY, sink.port)
    b.postfix.route("full.example", full.port)
    own = pki.leaf("own", email=["boss@b.example"], key=RSA, usage=ENCIPHER)
    b.install(own)
    b.start()
    data = crlf(b"From: x@evil.example\nTo: boss@b.example\n"
                b"Subject: again\n")
    inner = crlf(b"Content-Type: text/plain\n\n" + SECRET + b"\n")
    t.is_(b.refusal(data + cms_encrypt(inner, pki.leaf(
        "boss", email=["boss@b.example"], key=RSA, usage=ENCIPHER)),
        to=["nobody@full.example"], sender="x@evil.example", client=WORLD),
        None, "B6 a mail for somebody else's key, to nobody: taken")
    t.is_(b.refusal(data + cms_encrypt(inner, own),
          to=["nobody@full.example"], sender="x@evil.example", client=WORLD),
          None, "B6 a mail for our key, to nobody: taken")
    b.postfix.wait_empty()
    t.is_(len(sink.messages), 2, "B6 both come back to who sent them")
    t.ok(all(SECRET not in m.data for m in sink.messages),
         "B6 neither with what was decrypted", sink.messages[-1].data)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(ciphers, kinds_of_keys, modes, profiles, rules, store_away, which_key,
         key_commands, nestings, encrypted_already, efail, dirty, oracle,
         bounced)
