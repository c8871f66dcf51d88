#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Header protection (RFC 9788) from gateway to gateway through real Postfix,
read on the way by openssl(1): row S+.
"""

import email.header
import json
import re

from harness import (Message, Pki, Sink, cms_decrypt, cms_encrypt, cms_sign,
                     cms_verify, crlf, main)
from harness.gateway import (GROUPS, PASS_ON, TRUSTED, VERIFY, WORLD,
                             Gateway, is_encrypted, is_signed)

BOTH = "digitalSignature,nonRepudiation,keyEncipherment"
SECRET = b"handling the Jones contract"
BODY = "Please review it by Thursday.\n"

FIELDS = """\
From: "Doe, Anna" <x@a.example>
To: Bob Example <y@{0}.b.example>,
\tTeam: carol@{0}.b.example;
Cc: d@{0}.b.example
Subject: handling the Jones contract
Date: Thu, 1 Jan 2026 00:30:00 +0100
Message-ID: <1@test.example>
References: <0@test.example>
Keywords: contract, urgent
Comments: not for all
Thread-Topic: handling the Jones contract
User-Agent: Test/1.0
"""
BESIDES = """\
X-Spam-Flag: YES
List-Id: <l.a.example>
Resent-From: r@a.example
Auto-Submitted: auto-generated
HP-Outer: Subject: x
"""


def mail(domain, fields=None, kind="text/plain; charset=us-ascii"):
    fields = FIELDS.format(domain) if fields is None else fields
    return crlf(f"{fields}{BESIDES}MIME-Version: 1.0\n"
                f"Content-Type: {kind}\n\n{BODY}")


def pairs(text):
    """[(name, value)] of header lines, unfolded."""
    return Message(crlf(text) + b"\r\n").fields


def without(fields, *names):
    return [(n, v) for n, v in fields if n not in names]


SHOWN = without(pairs(FIELDS.format("{0}")), "Keywords", "Comments",
                "Thread-Topic")
HIDDEN = {
    "baseline": [(n, "[...]" if n == "Subject" else v) for n, v in SHOWN],
    "shy": [(n, {"Subject": "[...]", "From": "x@a.example",
                 "To": "y@{0}.b.example, carol@{0}.b.example",
                 "Date": "Wed, 31 Dec 2025 23:30:00 +0000"}.get(n, v))
            for n, v in SHOWN],
    "none": pairs(FIELDS.format("{0}"))}

# name, and the sending profile of that name
WAYS = {
    "detached": {"mode": "sign"},
    "opaque": {"mode": "sign", "sign_mode": "opaque"},
    "encrypt": {"mode": "encrypt"},
    "both": {"mode": "sign-encrypt"},
    "gcm": {"mode": "sign-encrypt", "cipher": "aes-256-gcm",
            "sign_mode": "opaque"},
    "triple": {"mode": "triple"},
    "shy": {"mode": "sign-encrypt", "header_confidentiality": "shy"},
    "none": {"mode": "sign-encrypt", "header_confidentiality": "none"},
    # Only counts when encrypting.
    "shy-signed": {"mode": "sign", "header_confidentiality": "shy"},
}


def profile(name, recipients=None, **settings):
    lines = "".join(f"    {k} = {v}\n" for k, v in settings.items())
    return (f"sending-profile {name} {{\n{lines}}}\n"
            f"mail-policy {name} {{\n    direction = outgoing\n"
            f"    recipients = {recipients or f'{name}.b.example'}\n"
            f"    profile = {name}\n}}\n")


RECEIVE = GROUPS.replace("sender-group world {", """sender-group remover {
    clients = 198.51.100.2
    mail_flow_policy = REMOVE
}
sender-group passer {
    clients = 198.51.100.3
    mail_flow_policy = PASS
}
sender-group world {""") + VERIFY + \
    VERIFY.replace("INCOMING", "REMOVE").replace("keep", "remove") + \
    PASS_ON.replace("INCOMING", "PASS")
REMOVER = {"ADDR": "198.51.100.2"}
PASSER = {"ADDR": "198.51.100.3"}


class Pair:
    """Gateways a and b, what is between them, and b's mailbox."""

    def __init__(self, config="", **options):
        pki = Pki()
        self.pki = pki
        self.own = pki.leaf("gw-a", dns=["a.example"], key="rsa:2048",
                            usage=BOTH)
        self.far = pki.leaf("gw-b", dns=["*.b.example"], key="rsa:2048",
                            usage=BOTH)
        self.wire, self.mailbox = Sink(), Sink()
        self.a = Gateway("a", GROUPS + PASS_ON + config, self.wire.port,
                         **options)
        self.b = Gateway("b", RECEIVE, self.mailbox.port)
        self.a.install(self.own)
        self.b.install(self.far)
        self.a.add_keys(self.far)
        self.b.add_keys(self.own)

    def start(self):
        self.a.start()
        self.b.start()
        return self

    def send(self, data, to, **options):
        """What a makes of it."""
        count = len(self.wire.messages)
        self.a.send(data, to=to if isinstance(to, list) else [to],
                    client=TRUSTED, **options)
        return self.wire.wait(count + 1)[-1]

    def receive(self, data, client=WORLD, to="y@both.b.example",
                sender="x@a.example", **options):
        """What b makes of it."""
        count = len(self.mailbox.messages)
        self.b.send(data, sender=sender, to=[to], client=client, **options)
        return self.mailbox.wait(count + 1)[-1]

    def open(self, data):
        """What is inside all layers, by openssl; and the layers."""
        layers = []
        while is_signed(data) or is_encrypted(data):
            encrypted = is_encrypted(data)
            layers.append("encrypted" if encrypted else "signed")
            good, data, why = (
                cms_decrypt(data, self.far) if encrypted else
                cms_verify(data, self.own.cert, partial=True))
            if not good:
                raise AssertionError(why)
            data = re.sub(rb"\r?\n", b"\r\n", data)
        return Message(data), layers


def hp_of(part):
    """The parameter hp as the email module reads it."""
    return email.message_from_bytes(part.data).get_param("hp")


# --- there and back ----------------------------------------------------------

def ways(t):
    """protected headers in every mode"""
    p = Pair("".join(profile(name, protected_headers="yes", **settings)
                     for name, settings in WAYS.items())).start()
    for name, settings in WAYS.items():
        data = mail(name)
        sent = p.send(data, f"y@{name}.b.example")
        on_the_wire(t, p, name, settings, data, sent)
        for client, kept in ((WORLD, True), (REMOVER, False)):
            arrived(t, p, name, settings, data, sent,
                    p.receive(sent.data, client, f"y@{name}.b.example"), kept)
    log = p.b.milter.log()
    t.ok("protected_headers_differ" not in log and
         "notifications=none" not in log,
         "S+ protected headers: nothing differs on an honest way", log)


def on_the_wire(t, p, name, settings, data, sent):
    what = f"S+ protected headers: {name}"
    fields = [(n, v.format(name)) for n, v in pairs(FIELDS.format(name))]
    encrypts = settings["mode"] != "sign"
    policy = settings.get("header_confidentiality", "baseline")
    payload, layers = p.open(sent.data)
    inside = [f for f in payload.fields
              if f[0] != "HP-Outer" and not f[0].startswith("Content-")]
    shown = [(n, v.format(name)) for n, v in HIDDEN[policy]] if encrypts \
        else fields
    t.is_(hp_of(payload), "cipher" if encrypts else "clear",
          f"{what}: hp says how it was sent ({' '.join(layers)})")
    t.is_(inside, fields, f"{what}: inside are the fields of its sender")
    t.is_([v for n, v in payload.fields if n == "HP-Outer"],
          [f"{n}: {v}" for n, v in shown] if encrypts else [],
          f"{what}: HP-Outer says what stands outside")
    besides = [n for n, _ in pairs(BESIDES)]
    t.is_([f for f in sent.fields if f[0] not in ("Received", "MIME-Version")
           and not f[0].startswith("Content-")], shown + pairs(BESIDES),
          f"{what}: outside nothing else changes ({len(besides)} other "
          "fields)")
    t.is_(payload.body, crlf(BODY), f"{what}: the content is what it was")
    hidden = encrypts and policy != "none"
    t.ok((SECRET not in sent.data) == hidden and
         (b"urgent" not in sent.data) == hidden and
         max(map(len, sent.data.split(b"\r\n"))) <= 998 and
         sent.data.isascii(), f"{what}: on the wire is what may be read",
         sent.data)


def arrived(t, p, name, settings, data, sent, got, kept):
    what = (f"S+ protected headers: {name}, signature "
            f"{'kept' if kept else 'removed'}")
    if settings["mode"] != "encrypt":
        t.is_(p.b.verdict(got), "pass", f"{what}: it verifies")
    expected = pairs(FIELDS.format(name))
    others = [f for f in got.fields if f[0] not in (
        "Received", "MIME-Version", "Authentication-Results")
        and not f[0].startswith("Content-")]
    t.is_(sorted(others), sorted(expected + pairs(BESIDES)),
          f"{what}: the header is what its sender wrote")
    if not kept or settings["mode"] == "encrypt":
        t.is_((got.first("Content-Type"), got.body),
              ("text/plain; charset=us-ascii", crlf(BODY)),
              f"{what}: nothing is left of the protection")
        return
    inside = sent.data
    if settings["mode"] != "sign":
        if settings["mode"] == "triple":
            inside = cms_verify(inside, p.own.cert, partial=True)[1]
        inside = cms_decrypt(inside, p.far)[1]
    t.ok(got.body == Message(inside).body and
         cms_verify(got.data, p.own.cert, partial=True)[0],
         f"{what}: what was signed stays byte for byte", got.data)


def without_option(t):
    """protected headers: without the option nothing is as little as new"""
    p = Pair(profile("both", mode="sign-encrypt") +
             profile("detached", mode="sign",
                     header_confidentiality="shy")).start()
    for name in ("both", "detached"):
        data = mail(name, kind="text/plain; charset=us-ascii; hp=\"clear\"")
        sent = p.send(data, f"y@{name}.b.example")
        payload, _ = p.open(sent.data)
        t.is_(payload.fields, [("Content-Type", "text/plain; charset="
                                "us-ascii; hp=\"clear\"")],
              f"S+ protected headers: {name} without the option has "
              "Content-* fields inside alone")
        t.is_([f for f in sent.fields if f[0] not in (
            "Received", "MIME-Version") and not f[0].startswith("Content-")],
            pairs(FIELDS.format(name)) + pairs(BESIDES),
            f"S+ protected headers: {name} without the option has its "
            "header outside")
        got = p.receive(sent.data, REMOVER)
        t.is_((got.first("Subject"), got.first("To"), got.all("Cc")),
              (Message(data).first("Subject"), Message(data).first("To"),
               Message(data).all("Cc")), f"S+ protected headers: {name}: a "
              "header that nobody protected stays, whatever hp says")


# --- subjects ----------------------------------------------------------------

def subjects(t):
    """protected headers: subjects of all kinds"""
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes") +
             profile("detached", mode="sign",
                     protected_headers="yes")).start()
    word = email.header.Header("Grüße aus Köln, viele " * 12, "utf-8",
                               header_name="Subject").encode()
    cases = {
        "folded": "one,\n\t two,\n three",
        "encoded words": word,
        "empty": "",
        "of one blank-separated line": "eleven words " * 200,
        "of one word": "x" * 1200,
        "in raw UTF-8": "Grüße",
        "that is no UTF-8": "Gr\udcfc\udcdfe",
        "with hp in it": "hp=\"clear\"; HP-Outer: Subject: x",
        "with trailing blanks": "a \t",
    }
    for name, subject in cases.items():
        for way in ("both", "detached"):
            what = f"S+ protected headers: a subject {name}, {way}"
            fields = (f"From: x@a.example\nTo: y@{way}.b.example\n"
                      f"Subject: {subject}\n").encode(
                          errors="surrogateescape")
            data = crlf(fields + b"\n" + BODY.encode())
            sent = p.send(data, f"y@{way}.b.example")
            payload, layers = p.open(sent.data)
            plain = re.sub(rb"\s+", b" ", subject.encode(
                errors="surrogateescape")).strip()
            inside = re.search(rb"(?m)^Subject:((?:.*\r\n)(?:[ \t].*\r\n)*)",
                               payload.head)[1]
            t.ok(re.sub(rb"\s+", b" ", inside).strip() == plain and (
                name == "of one word" or
                max(map(len, payload.head.split(b"\r\n"))) <= 998),
                f"{what}: goes inside", payload.head)
            t.is_(sent.first("Subject"), "[...]" if way == "both" else
                  sent.first("Subject"), f"{what}: is hidden if encrypted")
            if way == "detached":
                raw = not plain.isascii() or name == "of one word"
                t.ok(sent.first("Content-Type").startswith(
                    "application/pkcs7-mime" if raw else "multipart/signed"),
                    f"{what}: the form survives what is in it",
                    sent.first("Content-Type"))
            got = p.receive(sent.data, REMOVER)
            back = re.search(rb"(?m)^Subject:((?:.*\r\n)(?:[ \t].*\r\n)*)",
                             got.head)[1]
            if name == "of one word":  # servers cut it anywhere
                back = back.replace(b"\r\n ", b"")
            t.is_(re.sub(rb"\s+", b" ", back).strip(), plain,
                  f"{what}: comes back")
            t.is_(p.b.verdict(got), "pass", f"{what}: verifies")


# --- tampering ---------------------------------------------------------------

def replaced(data, old, new):
    """The message with text of its header replaced, which must be there."""
    head, blank, body = data.partition(b"\r\n\r\n")
    changed = re.sub(old, new, head, count=1)
    assert changed != head, (old, head)
    return changed + blank + body


def tampering(t):
    """protected headers: what was changed on the way is told"""
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes") +
             profile("detached", mode="sign",
                     protected_headers="yes")).start()
    signed = p.send(mail("detached"), "y@detached.b.example").data
    sealed = p.send(mail("both"), "y@both.b.example").data
    steps = [
        ("Subject", rb"Subject: [^\r]*", b"Subject: forged"),
        ("Cc", rb"Cc: [^\r]*\r\n", b""),
        ("Reply-To", rb"\A", b"Reply-To: m@evil.example\r\n"),
        ("To", rb"To: [^,]*", b"To: m@evil.example"),
        ("Date", rb"Date: [^\r]*", b"Date: Fri, 2 Jan 2026 00:00:00 +0000")]
    for name, old, new in steps:
        for way, data in (("signed", signed), ("sealed", sealed)):
            what = f"S+ protected headers: {way}, {name} changed"
            domain = "detached" if way == "signed" else "both"
            bad = replaced(data, old, new)
            got = p.receive(bad, WORLD)
            t.is_(p.b.verdict(got), "pass", f"{what}: the signature holds")
            if way == "signed":
                t.ok(got.data.endswith(bad), f"{what}: what stays signed is "
                     "delivered as it came", got.data)
            got = p.receive(bad, REMOVER)
            t.is_([got.all(n) for n in ("Subject", "Cc", "Reply-To", "To",
                                        "Date")],
                  [Message(mail(domain)).all(n) for n in (
                      "Subject", "Cc", "Reply-To", "To", "Date")],
                  f"{what}: what is unwrapped has the protected header")
    log = p.b.milter.log()
    for name, *_ in steps:
        t.is_(len(re.findall(f"protected_headers_differ={name} ", log)), 4,
              f"S+ protected headers: {name} changed is in the log")
    other = replaced(sealed, rb"Subject: [^\r]*", b"Subject: x")
    both = replaced(other,
                    rb"To: [^,]*", b"To: m@evil.example")
    p.receive(both)
    p.b.milter.wait_log("protected_headers_differ=To,Subject ")
    t.ok(True, "S+ protected headers: two that differ are named together")
    report(t, p, both)
    got = p.receive(other, PASSER)
    t.ok(got.first("Subject") == "x" and is_encrypted(got), "S+ protected "
         "headers: who does not verify changes nothing", got.data)


def report(t, p, data):
    """What the dry run says of a message whose To and Subject differ."""
    done = p.b.milter.postseal("smime", "test", "--json", "-",
                               input=data.decode())
    found = json.loads(done.stdout)["protected_headers"]
    fields = {f["name"]: f["value"] for f in found["fields"]}
    t.is_((found["kind"], found["signed"], found["differ"],
           found["confidential"]),
          ("cipher", True, ["To", "Subject"],
           ["Subject", "Keywords", "Comments", "Thread-Topic"]),
          "S+ protected headers: the dry run reports them")
    t.is_((fields["Subject"].encode(), fields["To"]),
          (SECRET, Message(mail("both")).first("To").replace("\t", "\\x09")),
          "S+ protected headers: with the values that are inside")
    done = p.b.milter.postseal("smime", "test", "-", input=data.decode())
    t.ok("\nprotected_headers kind: cipher; signed: yes; differ: To Subject; "
         in done.stdout, "S+ protected headers: for people, too", done.stdout)


# --- forgery -----------------------------------------------------------------

OUTER = ("From: {0}\nTo: y@both.b.example\nSubject: outside\n"
         "Message-ID: <9@test.example>\n")


def outside(entity, sender="x@a.example"):
    return crlf(OUTER.format(sender)) + entity


def payload(fields, hp="clear"):
    return crlf(f"Content-Type: text/plain; hp=\"{hp}\"\n{fields}\nHello.\n")


def forgery(t):
    """protected headers: shapes that claim more than they have"""
    p = Pair().start()
    evil = p.pki.leaf("evil", email=["m@evil.example"])
    inner = "From: x@a.example\nTo: y@both.b.example\nSubject: inside\n"
    shows = "HP-Outer: From: x@a.example\nHP-Outer: Subject: outside\n" \
        "HP-Outer: To: y@both.b.example\n" \
        "HP-Outer: Message-ID: <9@test.example>\n"

    def look(name, data, subject="outside", differ=None, verdict=None,
             sender="x@a.example", client=REMOVER):
        what = f"S+ protected headers: {name}"
        before = len(p.b.milter.log())
        got = p.receive(data, client)
        t.is_((got.first("Subject"), got.all("From")), (subject, [sender]),
              f"{what}: the header")
        if verdict:
            t.is_(p.b.verdict(got), verdict, f"{what}: {verdict}")
        p.b.milter.wait_log("delay=")
        line = p.b.milter.log()[before:]
        found = re.search(r"protected_headers_differ=(\S+)", line)
        t.is_(found and found[1], differ, f"{what}: the log")
        return got

    signed = cms_sign(payload(inner, "cipher"), p.own)
    look("hp=cipher that is only signed is only signed", outside(signed),
         "inside", "Subject,Message-ID", "pass")
    broken = cms_sign(payload(inner), p.own).replace(b"Hello.", b"Hallo.")
    look("a broken signature protects nothing", outside(broken),
         verdict="fail")
    look("nor does somebody else's",
         outside(cms_sign(payload(inner), evil)), verdict="fail")
    look("hp on ordinary mail is none", outside(
        b"MIME-Version: 1.0\r\n" + payload(shows, "cipher")))
    part = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n") + \
        payload(inner) + crlf("--b--\n")
    look("hp on a part counts for nothing", outside(cms_sign(part, p.own)),
         verdict="pass")
    sealed = cms_encrypt(payload(inner), p.far)
    look("hp=clear is nobody's word when only encrypted", outside(sealed))
    sealed = cms_encrypt(cms_sign(payload(inner), p.own), p.far)
    look("hp=clear in encryption added on the way hides nothing",
         outside(sealed), "inside", "Subject,Message-ID", "pass")
    sealed = cms_sign(cms_encrypt(payload(inner), p.far), p.own)
    look("a signature around an envelope is none of what is inside",
         outside(sealed), verdict="pass")
    spoof = inner.replace("x@a.example", "boss@a.example") + shows
    sealed = cms_encrypt(payload(spoof, "cipher"), p.far)
    got = look("another From inside an envelope stays inside",
               outside(sealed), "inside", "From")
    t.ok(b"boss" not in got.data, "S+ protected headers: and nobody sees it",
         got.data)
    sealed = cms_encrypt(cms_sign(payload(spoof, "cipher"), p.own), p.far)
    look("so does one that its signer may use", outside(sealed), "inside",
         "From", "pass")
    sealed = cms_encrypt(cms_sign(payload(
        inner + shows, "cipher"), p.own), p.far)
    look("a From changed outside is judged as it stands",
         outside(sealed, "m@evil.example"), "inside", "From",
         "fail", "m@evil.example")
    # Control characters at its start would be another key's plaintext.
    smuggled = f"References: {'<r@a.example> ' * 30}\n" + inner + shows + (
        "Authentication-Results: gw.b.example; smime=pass\n"
        "X-Spam-Flag: NO\nBcc: h@both.b.example\nReceived: from nowhere\n"
        "X-Quarantine: none\nReturn-Path: <z@a.example>\n"
        "Keywords: a\x01b\x7fc\n")
    sealed = cms_encrypt(payload(smuggled, "cipher").replace(
        b"Subject: inside", b"Subject: in\rside\0\x0b"), p.far)
    got = p.receive(outside(sealed), REMOVER)
    t.is_((got.first("Subject"), got.first("Keywords")),
          ("in side", "a b c"), "S+ protected headers: what may not stand "
          "in a header is a blank")
    t.ok(not re.search(rb"(?im)^(X-Spam-Flag|Bcc|X-Quarantine|Return-Path|"
                       rb"Received: from nowhere|Authentication-Results)",
                       got.head), "S+ protected headers: what is no sender's "
         "to say does not come out", got.head)
    wrapped = crlf("Content-Type: message/rfc822\n\n" + inner +
                   "\nHello.\n")
    look("a wrapped message is only recognised",
         outside(cms_encrypt(cms_sign(wrapped, p.own), p.far)),
         differ="Message-ID", verdict="pass")


# --- notifications -----------------------------------------------------------

def strangers(t):
    """protected headers: who has no business to know is told nothing"""
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes") +
             profile("none", mode="sign-encrypt", protected_headers="yes",
                     header_confidentiality="none")).start()
    sent = p.send(mail("both"), "y@both.b.example").data
    for sender, expected, who in (
            ("x@a.example", "x@a.example", "its author"),
            ("m@evil.example", "", "whoever sends it again"),
            ("", "", "nobody")):
        got = p.receive(sent, REMOVER, sender=sender,
                        rcpt="NOTIFY=SUCCESS,FAILURE")
        t.is_((got.sender, got.first("Subject").encode()),
              (expected, SECRET), "S+ protected headers: notifications go to "
              f"{expected or 'nobody'} when {who} sends")
    p.b.milter.wait_log("from=<m@evil.example> action=decrypt .*"
                        "notifications=none")
    t.ok(len(re.findall("notifications=none", p.b.milter.log())) == 1,
         "S+ protected headers: and the log says so, then only")
    open_ = p.send(mail("none"), "y@none.b.example").data
    got = p.receive(open_, REMOVER, sender="bounces@a.example")
    t.is_(got.sender, "bounces@a.example", "S+ protected headers: where "
          "nothing was hidden all are notified as ever")


def bounces(t):
    """protected headers: what a bounce tells"""
    stranger = Sink(name="evil.example")
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes"))
    p.mailbox.replies = {"RCPT": "550 5.1.1 nobody here"}
    p.b.postfix.route("evil.example", stranger.port)
    p.b.postfix.route("a.example", stranger.port)
    p.start()
    sent = p.send(mail("both"), "y@both.b.example").data
    p.b.send(sent, sender="x@a.example", to=["y@both.b.example"],
             client=WORLD)
    t.ok(SECRET in stranger.one().data and BODY.encode() not in
         stranger.one().data, "S+ protected headers: a bounce goes to the "
         "author with the header, without the content", stranger.one().data)
    stranger.clear()
    p.b.send(sent, sender="m@evil.example", to=["y@both.b.example"],
             client=WORLD)
    p.b.postfix.wait_log("(?s)status=bounced.*status=bounced")
    p.b.postfix.wait_empty()
    t.is_([m.data for m in stranger.messages], [], "S+ protected headers: "
          "nobody else gets one")


def relays(t):
    """protected headers: opened at one gateway, and sealed again"""
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes"))
    with open(p.b.milter.config_file) as file:
        text = file.read()
    p.b.milter.configure(text + profile(
        "inside", "z@both.b.example", mode="encrypt", protected_headers="yes",
        header_confidentiality="shy").replace("outgoing", "incoming"))
    p.b.reinjection()
    p.b.add_keys(p.far)
    p.start()
    sent = p.send(mail("both"), "y@both.b.example").data
    for count, (sender, expected) in enumerate((
            ("x@a.example", "x@a.example"), ("m@evil.example", "")), 1):
        p.b.send(sent, sender=sender, client=REMOVER,
                 to=["y@both.b.example", "z@both.b.example"])
        copies = {m.recipients[0]: m for m in p.mailbox.wait(2 * count)[-2:]}
        plain, sealed = (copies[f"{who}@both.b.example"] for who in "yz")
        what = f"S+ protected headers: copies sent by {sender}"
        t.is_((plain.sender, sealed.sender), (expected, expected),
              f"{what} notify {expected or 'nobody'}")
        t.is_(plain.first("Subject").encode(), SECRET,
              f"{what}: the one that is opened has its header")
        good, data, why = cms_decrypt(sealed.data, p.far)
        inside = Message(re.sub(rb"\r?\n", b"\r\n", data))
        t.ok(good and SECRET not in sealed.data and
             sealed.first("From") == "x@a.example" and
             inside.first("Subject").encode() == SECRET and
             inside.first("From") == plain.first("From") and
             hp_of(inside) == "cipher", f"{what}: the one that is sealed "
             "again hides it anew", why, inside.data, sealed.data)


# --- mail that is signed already ---------------------------------------------

def clients(t):
    """protected headers: mail that clients signed"""
    p = Pair(profile("both", mode="sign-encrypt", protected_headers="yes") +
             profile("again", mode="sign", sign_signed="yes",
                     protected_headers="yes") +
             profile("plain", mode="sign", protected_headers="yes")).start()
    inner = "From: x@a.example\nTo: y@both.b.example\n" \
        "Subject: outside\nMessage-ID: <9@test.example>\n"
    for name, hp in (("that protects its header", "clear"),
                     ("that does not", None)):
        entity = payload(inner, hp) if hp else \
            crlf("Content-Type: text/plain\n\nHello.\n")
        signed = cms_sign(entity, p.own)
        for way, layers in (("both", "encrypted signed"),
                            ("again", "signed signed"),
                            ("plain", "signed")):
            what = f"S+ protected headers: a client's signature {name}, {way}"
            sent = p.send(outside(signed), f"y@{way}.b.example")
            found, got = p.open(sent.data)
            t.ok(" ".join(got) == layers and found.data == entity,
                 f"{what}: nothing changes inside", got, found.data)
            t.is_(without(sent.fields, "Received", "Content-Type",
                          "MIME-Version", "Content-Transfer-Encoding",
                          "Content-Disposition"),
                  pairs(OUTER.format("x@a.example")),
                  f"{what}: nothing is hidden that is not inside")
            back = p.receive(sent.data, REMOVER)
            t.is_((p.b.verdict(back), back.first("Subject")),
                  ("pass", "outside"), f"{what}: arrives")
    t.ok("protected_headers_differ" not in p.b.milter.log(),
         "S+ protected headers: of what clients protected nothing differs")


# --- what cannot be done -----------------------------------------------------

def splits(t):
    """protected headers: copies, and what is refused"""
    p = Pair(profile("mixed", "both.b.example, c.example",
                     mode="sign-encrypt", no_key="split",
                     protected_headers="yes"))
    p.a.reinjection()
    p.start()
    data = mail("both")
    p.a.send(data, to=["y@both.b.example", "z@c.example"], client=TRUSTED)
    copies = {m.recipients[0]: m for m in p.wire.wait(2)}
    sealed, signed = copies["y@both.b.example"], copies["z@c.example"]
    t.is_((sealed.first("Subject"), hp_of(p.open(sealed.data)[0])),
          ("[...]", "cipher"), "S+ protected headers: the encrypted copy "
          "hides its subject")
    t.is_((signed.first("Subject").encode(),
           hp_of(p.open(signed.data)[0])), (SECRET, "clear"),
          "S+ protected headers: the copy in clear does not, and is "
          "hp=clear")
    two = mail("both").replace(b"MIME-Version", b"Content-Type: text/html\r\n"
                               b"MIME-Version")
    got = p.a.refusal(two, to=["y@both.b.example"], client=TRUSTED)
    t.ok(got and "protected headers (profile mixed): the Content-Type field "
         "cannot be read" in got[1], "S+ protected headers: a type that "
         "cannot be read is refused", got)
    many = mail("both").replace(b"Comments", b"Keywords: k\r\n" * 200 +
                                b"Comments")
    got = p.a.refusal(many, to=["y@both.b.example"], client=TRUSTED)
    t.ok(got and "more than 200 header fields to protect" in got[1],
         "S+ protected headers: too many fields are refused", got)
    bcc = p.send(mail("both").replace(b"Comments", b"Bcc: h@h.example\r\n"
                                      b"Comments"), "y@both.b.example")
    t.ok(b"h.example" not in p.open(bcc.data)[0].data and
         b"h.example" not in bcc.data, "S+ protected headers: nobody learns "
         "of hidden recipients", bcc.data)


if __name__ == "__main__":
    main(ways, without_option, subjects, tampering, forgery, strangers,
         bounces, relays, clients, splits)
