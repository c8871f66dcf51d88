#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
The main job, shown: organisations A and B, each with a private Postfix and
a milter-smime of its own; mail both ways; an attacker on the way.  Says of
everything it shows whether that is so, asking openssl(1) for a second
opinion, and ends with status 1 if anything is not.  Started by contrib/demo.
"""

import argparse
import os
import re
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "tests", "system"))

# pylint: disable=wrong-import-position
from harness import (Message, Milter, Pki, Postfix, Sink, base_directory,
                     cms_sign, cms_verify, crlf, keep, send,
                     standard_config)

COLOURS = {"good": "32", "bad": "31", "title": "1", "label": "36", "dim": "2"}

CONFIG = """
sending-profile everyone {{
    mode = sign
    sign_mode = {sign_mode}
    signing_certificate = auto
}}
mail-policy out {{
    direction = outgoing
    profile = everyone
}}
sender-group inside {{
    clients = listener:inside, local
    mail_flow_policy = RELAYED
    trusted = yes
}}
sender-group world {{
    clients = ALL
    mail_flow_policy = INCOMING
}}
mail-flow-policy RELAYED {{
    behavior = relay
}}
mail-flow-policy INCOMING {{
    behavior = accept
    smime_decrypt_verify = yes
    smime_signature = {signature}
}}
"""

MAIL = """\
From: {sender}
To: {recipient}
Subject: {subject}
Date: Thu, 1 Jan 2026 12:00:00 +0000
Message-ID: <{id}>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: {encoding}

{text}
"""


def paint(style, text):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{COLOURS[style]}m{text}\033[0m"


class Report:
    """What is printed, and whether all of it was as it should be."""

    def __init__(self):
        self.good = self.count = 0

    def title(self, text):
        print(f"\n{paint('title', text)}", flush=True)

    def check(self, good, text):
        self.count += 1
        self.good += bool(good)
        mark = paint("good", "ok   ") if good else paint("bad", "WRONG")
        print(f"  {mark}      {text}", flush=True)

    def say(self, label, text):
        print(f"  {paint('label', f'{label:10}')} {text}", flush=True)

    def show(self, label, message):
        """A message in short: the fields that tell, and a shortened body."""
        fields = ["content-type", "authentication-results"]
        if message.sender == "":  # made by hand, no envelope: a new one
            fields += ["from", "subject"]
        for line in abridged(message, fields):
            self.say(label, line)
            label = ""


def abridged(message, shown_fields):
    """The lines to show of a message."""
    for name, value in message.fields:
        if name.lower() in shown_fields:
            yield from abridged_field(name, value)
    yield from abridged_body(message.body.decode("utf-8", "replace"))


def abridged_field(name, value):
    value = re.sub(r"\s+", " ", value)
    style = None
    if name.lower() == "content-type":
        value = re.sub(r'; (boundary|name|charset)="?[^";]*"?', "", value)
    if name.lower() == "authentication-results":
        value = re.sub(r" body\.smime-(serial|issuer).*", " ...", value)
        style = "good" if "smime=pass" in value else "bad"
    for line in textwrap.wrap(f"{name}: {value}", 66,
                              subsequent_indent="    ",
                              break_on_hyphens=False):
        yield paint(style, line) if style else line


def abridged_body(body):
    """Text as it is; MIME's own lines and base64 left out."""
    left_out = 0
    for line in body.split("\r\n"):
        base64 = r"[A-Za-z0-9+/=]+" if left_out else r"[A-Za-z0-9+/=]{60,}"
        if re.fullmatch(base64, line):
            left_out += len(line)
            continue
        if left_out:
            yield paint("dim", f"| ... base64, {left_out} characters")
            left_out = 0
        if line and not re.match(r"(?i)--|content-|this is an? ", line):
            yield f"| {line}"
    if left_out:
        yield paint("dim", f"| ... base64, {left_out} characters")


class Organisation:
    """A domain, its Postfix and milter, and its users' mailbox."""

    def __init__(self, name, sign_mode, signature):
        self.name, self.domain = name, f"{name}.example"
        self.mailbox = Sink(name=f"mailbox.{self.domain}")
        self.postfix = Postfix(name, hostname=f"gw.{self.domain}")
        self.inside = self.postfix.listener("inside")
        self.milter = Milter(
            standard_config(f"gw.{self.domain}")
            + CONFIG.format(sign_mode=sign_mode, signature=signature),
            self.postfix)
        self.certificate = os.path.join(self.milter.certs, f"{name}.pem")

    def create_certificate(self, report):
        command = ["create", self.name, "--domain", self.domain, "--o",
                   f"Organisation {self.name.upper()}", "--demo"]
        report.say(f"at {self.domain[0].upper()}",
                   "postseal cert " + " ".join(
                       f"'{w}'" if " " in w else w for w in command))
        self.milter.postseal("cert", *command)

    def learn_certificate(self, report, name, path):
        report.say(f"at {self.domain[0].upper()}",
                   f"postseal smime key add {name} {os.path.basename(path)}")
        self.milter.postseal("smime", "key", "add", name, path)

    def start(self, wire, peer):
        self.postfix.set(smtpd_milters=self.milter.socket_name,
                         non_smtpd_milters="$smtpd_milters")
        self.postfix.route(self.domain, self.mailbox.port)
        self.postfix.route(peer.domain, wire.port)
        self.milter.start()
        self.postfix.start()

    def send(self, user, recipient, data):
        """As one of its users would, through the listener for them."""
        send(self.inside, f"{user}@{self.domain}", [recipient], data,
             mail="BODY=8BITMIME")

    def receive(self, count):
        return self.mailbox.wait(count)[count - 1]

    def accept(self, sender, recipients, data):
        """From outside, as another mail server or an attacker hands in."""
        send(self.postfix.port, sender, recipients, data)

    def verdict(self, message):
        """The one verdict that its gateway gave."""
        results = [re.sub(r"\s+", " ", value)
                   for value in message.all("Authentication-Results")
                   if value.startswith(f"gw.{self.domain};")]
        return results[0] if len(results) == 1 else f"{len(results)} verdicts"


def wire_to(organisation):
    """The network between two gateways: keeps what passes, and passes it."""
    def forward(message):
        organisation.accept(message.sender, message.recipients, message.data)
    return Sink(on_message=forward, name=f"wire.{organisation.domain}")


def readable(path):
    """A certificate file where the gateways' user can read it."""
    os.chmod(path, 0o644)
    os.chmod(os.path.dirname(path), 0o711)
    return path


def because(why, good):
    return "" if good else f" ({why.splitlines()[-1] if why else '?'})"


def shown(report, label, data):
    message = Message(data)
    report.show(label, message)
    return message


def setting_up(report):
    report.title("Two organisations, each with its own Postfix and gateway")
    a = Organisation("a", sign_mode="detached", signature="remove")
    b = Organisation("b", sign_mode="opaque", signature="keep")
    for organisation in (a, b):
        organisation.create_certificate(report)
    b.learn_certificate(report, "gateway-a", readable(a.certificate))
    a.learn_certificate(report, "gateway-b", readable(b.certificate))
    return a, b


def a_to_b(report, a, b, wire):
    report.title("1. Alice at A writes to Bob at B; A signs, B verifies and "
                 "keeps the signature")
    text = "Dear Bob, please pay 100 \u20ac to account 12345.\nAlice"
    data = crlf(MAIL.format(
        sender="Alice <alice@a.example>", recipient="bob@b.example",
        subject="Invoice", id="1@a.example", encoding="8bit", text=text))
    sent = shown(report, "sent", data)
    a.send("alice", "bob@b.example", data)
    passed = wire.one()
    report.show("on wire", passed)
    delivered = b.receive(1)
    report.show("delivered", delivered)
    good, content, why = cms_verify(passed.data, a.certificate,
                                    partial=True)
    report.check(good, "openssl verifies what was on the wire "
                       f"with A's certificate{because(why, good)}")
    report.check(passed.data.isascii(),
                 "what was on the wire is 7-bit: nothing on the way needs "
                 "to change it")
    report.check("100 =E2=82=AC" in content.decode("latin-1"),
                 "the signature covers Alice's text")
    report.check(" smime=pass" in b.verdict(delivered),
                 "B's gateway says smime=pass")
    good, _, why = cms_verify(delivered.data, a.certificate, partial=True)
    report.check(good, "openssl verifies what Bob received"
                       f"{because(why, good)}")
    report.check(delivered.first("Subject") == sent.first("Subject")
                 and delivered.first("Message-ID") == "<1@a.example>",
                 "the other header fields are as Alice wrote them")
    return passed


def b_to_a(report, a, b, wire):
    report.title("2. Bob answers; B signs opaquely, A verifies and takes the "
                 "signature off")
    data = crlf(MAIL.format(
        sender="Bob <bob@b.example>", recipient="alice@a.example",
        subject="Re: Invoice", id="2@b.example", encoding="7bit",
        text="Dear Alice, done.\nBob"))
    sent = shown(report, "sent", data)
    b.send("bob", "alice@a.example", data)
    passed = wire.one()
    report.show("on wire", passed)
    delivered = a.receive(1)
    report.show("delivered", delivered)
    good, _, why = cms_verify(passed.data, b.certificate, partial=True)
    report.check(good, "openssl verifies what was on the wire "
                       f"with B's certificate{because(why, good)}")
    report.check(" smime=pass" in a.verdict(delivered),
                 "A's gateway says smime=pass")
    report.check(delivered.body == sent.body,
                 "Alice receives Bob's text byte for byte")


def altered(report, a, b, passed):
    report.title("3. An attacker sends Alice's signed mail again, altered")
    data = passed.data.replace(b"pay 100", b"pay 900") \
                      .replace(b"12345", b"66666")
    shown(report, "injected", data)
    b.accept("alice@a.example", ["bob@b.example"], data)
    delivered = b.receive(2)
    report.show("delivered", delivered)
    good, _, _ = cms_verify(delivered.data, a.certificate, partial=True)
    report.check(data != passed.data and not good, "openssl refuses it")
    report.check(" smime=fail" in b.verdict(delivered),
                 "B's gateway says smime=fail, and delivers: filters decide")


def spoofed(report, b, mallory):
    report.title("4. Mallory, whose certificate B knows, signs as Alice and "
                 "brings a verdict along")
    entity = crlf("Content-Type: text/plain\n\nDear Bob, pay 900.\nAlice\n")
    data = (crlf("From: Alice <alice@a.example>\nTo: bob@b.example\n"
                 "Subject: Invoice\nMessage-ID: <4@evil.example>\n"
                 "Authentication-Results: gw.b.example; smime=pass\n")
            + cms_sign(entity, mallory))
    shown(report, "injected", data)
    b.accept("alice@a.example", ["bob@b.example"], data)
    delivered = b.receive(3)
    report.show("delivered", delivered)
    good, _, why = cms_verify(delivered.data, mallory.cert, partial=True)
    report.check(good, "openssl finds nothing wrong: the signature is "
                       f"correct{because(why, good)}")
    report.check(re.search(" smime=fail .*not the sender",
                           b.verdict(delivered)),
                 "B's gateway says smime=fail: the signer is not the sender")
    report.check("smime=pass" not in
                 " ".join(delivered.all("Authentication-Results")),
                 "the verdict that Mallory wrote is gone")


def demonstrate(report):
    a, b = setting_up(report)
    mallory = Pki("mallory").leaf("mallory", dns=["evil.example"],
                                  subject="/O=Evil/CN=evil.example")
    b.learn_certificate(report, "evil", readable(mallory.cert))
    to_a, to_b = wire_to(a), wire_to(b)
    a.start(to_b, b)
    b.start(to_a, a)
    passed = a_to_b(report, a, b, to_b)
    b_to_a(report, a, b, to_a)
    altered(report, a, b, passed)
    spoofed(report, b, mallory)
    for organisation in (a, b):
        organisation.milter.kill()  # a friendly end takes it five seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true",
                        help="leave the temporary directory")
    if parser.parse_args().keep:
        keep()
        print(f"kept afterwards: {base_directory()}")
    report = Report()
    try:
        demonstrate(report)
    except (AssertionError, OSError) as why:
        report.check(False, f"{why}")
    report.title(f"{report.good} of {report.count} checks are as they "
                 "should be")
    sys.exit(0 if report.good == report.count else 1)


if __name__ == "__main__":
    main()
