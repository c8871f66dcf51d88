#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
The main job, shown: organisations A and B, each with a private Postfix and
a milter-smime of its own; mail both ways, signed, and triple-wrapped; an
attacker on the way; a consumer who has openssl(1) and a Maildir; a client
certificate that is revoked.  Says of everything it shows whether that is so,
asking openssl(1) for a second opinion, and ends with status 1 if anything is
not.  Started by contrib/demo.
"""

import argparse
import mailbox
import os
import re
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "tests", "system"))

# pylint: disable=wrong-import-position
from harness import (Message, Milter, Pki, Postfix, Sink, base_directory,
                     cms_decrypt, cms_encrypt, cms_sign, cms_verify, crlf,
                     keep, libexec, program, send, standard_config, wait_for)
from harness.crl import Fetcher, Web
from harness.tls import TlsPostfix

COLOURS = {"good": "32", "bad": "31", "title": "1", "label": "36", "dim": "2"}

CONFIG = """
sending-profile everyone {{
    mode = sign
    sign_mode = {sign_mode}
    signing_certificate = auto
}}
sending-profile board {{
    mode = triple
    cipher = {cipher}
    protected_headers = yes
}}
sending-profile consumers {{
    mode = sign-encrypt
    no_key = bounce
}}
mail-policy board {{
    direction = outgoing
    recipients = board@a.example, board@b.example
    profile = board
}}
mail-policy consumers {{
    direction = outgoing
    recipients = consumer.example
    profile = consumers
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

# What A's administrator wrote before.
FILTERS_A = """\
confidential: if (subject == "(?i)confidential" or
                  body-contains("(?i)confidential")) {
    smime-gateway("board");
}
"""
# What B's writes while B runs: the example of the appliance's manual.
FILTERS_B = """\
quarantine_smime_messages:
if (smime-gateway-message and not smime-gateway-verified) {
    quarantine("Policy");
}
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
        if line and not re.match(r"(?i)--|content-|this is an? |\s+name=",
                                 line):
            yield f"| {line}"
    if left_out:
        yield paint("dim", f"| ... base64, {left_out} characters")


class Organisation:
    """A domain, its Postfix and milter, and its users' mailbox."""

    def __init__(self, name, sign_mode, signature, cipher):
        self.name, self.domain = name, f"{name}.example"
        self.mailbox = Sink(name=f"mailbox.{self.domain}")
        self.postfix = Postfix(name, hostname=f"gw.{self.domain}")
        self.inside = self.postfix.listener("inside")
        self.milter = Milter(
            standard_config(f"gw.{self.domain}")
            + CONFIG.format(sign_mode=sign_mode, signature=signature,
                            cipher=cipher),
            self.postfix)
        self.filters = os.path.join(self.milter.directory, "filters")
        with open(self.milter.config_file) as file:
            config = file.read()
        self.milter.configure(config.replace(
            "milter-smime {\n", "milter-smime {\n    filters = "
            f"{self.filters}\n", 1))
        self.write_filters("")
        self.certificate = self.cert = os.path.join(self.milter.certs,
                                                    f"{name}.pem")
        self.key = os.path.join(self.milter.certs, f"{name}.key")

    def write_filters(self, text):
        """In their place at once, as an editor puts them there."""
        with open(self.filters + ".new", "w") as file:
            file.write(text)
        os.chmod(self.filters + ".new", 0o644)
        os.rename(self.filters + ".new", self.filters)

    def quarantine(self, *arguments):
        """`postseal quarantine …`, which root may say; its lines."""
        done = subprocess.run(
            [program("postseal"), "quarantine", "-c",
             self.milter.config_file, "--config-dir", self.postfix.config,
             *arguments], capture_output=True, text=True,
            env={**os.environ, "POSTSEAL_LIBEXEC": libexec()})
        return (done.stdout + done.stderr).splitlines()

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


class Consumer:
    """Somebody with an ordinary client: a key, openssl(1), a Maildir."""

    def __init__(self, name):
        self.address = f"{name}@consumer.example"
        self.certificate = Pki(name).leaf(
            name, email=[self.address], subject=f"/CN={name.title()}",
            key="rsa:2048", usage="digitalSignature,keyEncipherment")
        self.maildir = mailbox.Maildir(os.path.join(
            base_directory(), f"{name}-Maildir"))
        self.server = Sink(
            on_message=lambda m: self.maildir.add(m.data) and None,
            name="mail.consumer.example")

    def receive(self):
        self.server.one()
        return Message(crlf(self.maildir.get_bytes(self.maildir.keys()[0])))


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
    a = Organisation("a", sign_mode="detached", signature="remove",
                     cipher="aes-256-cbc")
    b = Organisation("b", sign_mode="opaque", signature="keep",
                     cipher="aes-256-gcm")
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


def secretly(report, number, one, other, wire, user, text):
    """A triple-wrapped message; as it was sent, and as it was delivered."""
    sender = f"{user} <{user.lower()}@{one.domain}>"
    data = crlf(MAIL.format(
        sender=sender, recipient=f"board@{other.domain}", subject="Results",
        id=f"{number}@{one.domain}", encoding="7bit", text=text))
    sent = shown(report, "sent", data)
    wire.clear()
    count = len(other.mailbox.messages)
    one.send(user.lower(), f"board@{other.domain}", data)
    passed = wire.one()
    report.show("on wire", passed)
    delivered = other.receive(count + 1)
    report.show("delivered", delivered)
    secret = text.partition("\n")[0].encode()
    report.check(secret not in passed.data,
                 "nothing of the text can be read on the wire")
    good, inside, why = cms_verify(passed.data, one.certificate,
                                   partial=True)
    report.check(good and secret not in inside,
                 "openssl verifies the outer signature, and cannot read it "
                 f"either{because(why, good)}")
    good, inside, why = cms_decrypt(inside, other)
    report.check(good, "with the other gateway's key it does"
                       f"{because(why, good)}")
    good, inside, why = cms_verify(inside, one.certificate, partial=True)
    report.check(good and secret in inside,
                 f"and verifies the signature inside{because(why, good)}")
    report.check(" smime=pass" in other.verdict(delivered),
                 "the receiving gateway says smime=pass")
    return sent, delivered


def triple(report, a, b, to_a, to_b):
    report.title("5. Alice writes to B's board; A signs, encrypts and signs "
                 "again; B opens it and keeps the inner signature")
    _, delivered = secretly(report, 5, a, b, to_b, "Alice",
                            "Profits have doubled.\nTell nobody.")
    good, content, why = cms_verify(delivered.data, a.certificate,
                                    partial=True)
    report.check(good and b"Profits have doubled." in content,
                 "openssl verifies what the board received"
                 f"{because(why, good)}")
    report.title("6. Bob answers A's board (AES-GCM); A opens it and takes "
                 "the signature off")
    sent, delivered = secretly(report, 6, b, a, to_a, "Bob",
                               "My lips are sealed.\nBob")
    report.check(delivered.body == sent.body,
                 "the board receives Bob's text byte for byte")


def to_consumer(report, a, carol):
    report.title("7. Alice writes to Carol, who has an ordinary S/MIME "
                 "client; A signs and encrypts")
    data = crlf(MAIL.format(
        sender="Alice <alice@a.example>", recipient=carol.address,
        subject="Your order", id="7@a.example", encoding="7bit",
        text="Dear Carol, your PIN is 4711.\nAlice"))
    sent = shown(report, "sent", data)
    a.send("alice", carol.address, data)
    received = carol.receive()
    report.show("in Maildir", received)
    report.check(b"PIN is 4711" not in received.data,
                 "the PIN cannot be read on the wire")
    good, inside, why = cms_decrypt(received.data, carol.certificate)
    report.check(good, "openssl decrypts with Carol's key"
                       f"{because(why, good)}")
    good, content, why = cms_verify(inside, a.certificate, partial=True)
    report.check(good and content.endswith(sent.body),
                 "and verifies A's signature over Alice's text"
                 f"{because(why, good)}")


def from_consumer(report, a, carol):
    report.title("8. Carol answers, signed and encrypted by openssl; A "
                 "decrypts, verifies and takes the signature off")
    entity = crlf("Content-Type: text/plain; charset=us-ascii\n\n"
                  "Dear Alice, my account is 98765.\nCarol\n")
    data = (crlf(f"From: Carol <{carol.address}>\nTo: alice@a.example\n"
                 "Subject: Re: Your order\nMessage-ID: <8@c.example>\n")
            + cms_encrypt(cms_sign(entity, carol.certificate), a))
    shown(report, "sent", data)
    count = len(a.mailbox.messages)
    a.accept(carol.address, ["alice@a.example"], data)
    delivered = a.receive(count + 1)
    report.show("delivered", delivered)
    report.check(b"account is 98765" not in data,
                 "the account cannot be read on the wire")
    report.check(" smime=pass" in a.verdict(delivered) and
                 f"body.smime-identifier={carol.address}" in
                 a.verdict(delivered),
                 "A's gateway says smime=pass, and that it is Carol's")
    report.check(delivered.body == entity.partition(b"\r\n\r\n")[2],
                 "Alice receives Carol's text byte for byte")
    report.check(a.milter.wait_log(
        f"from=<{carol.address}> action=decrypt .*decrypted=yes "
        "removed=signature signature=pass gateway_verified=yes"),
                 "and A's log says decrypted, verified, signature removed")


def filtered(report, a, b, to_b):
    report.title("9. Alice writes \"Confidential\" into a subject; a filter "
                 "of A's has it triple-wrapped")
    for line in FILTERS_A.splitlines():
        report.say("filter", line)
    data = crlf(MAIL.format(
        sender="Alice <alice@a.example>", recipient="bob@b.example",
        subject="Confidential: the offer", id="9@a.example", encoding="7bit",
        text="Dear Bob, we offer 1000.\nAlice"))
    sent = shown(report, "sent", data)
    to_b.clear()
    count = len(b.mailbox.messages)
    a.send("alice", "bob@b.example", data)
    passed = to_b.one()
    report.show("on wire", passed)
    delivered = b.receive(count + 1)
    report.show("delivered", delivered)
    report.check(b"we offer" not in passed.data and b"the offer" not in
                 passed.data, "neither text nor subject can be read on the "
                 "wire (protected headers, RFC 9788)")
    report.check(" smime=pass" in b.verdict(delivered),
                 "B's gateway says smime=pass")
    report.check(delivered.first("Subject") == sent.first("Subject"),
                 "Bob sees the subject that Alice wrote")


def quarantined(report, a, b, passed):
    report.title("10. B's administrator writes a filter while B runs; the "
                 "attacker comes again")
    b.write_filters(FILTERS_B)
    time.sleep(1.5)
    for line in FILTERS_B.splitlines():
        report.say("filter", line)
    count = len(b.mailbox.messages)
    b.accept("alice@a.example", ["bob@b.example"],
             passed.data.replace(b"pay 100", b"pay 900"))
    listed = wait_for("the quarantine", lambda: [
        line for line in b.quarantine("list", "Policy") if "alice@" in line])
    for line in b.quarantine("list", "Policy"):
        report.say("list", line[:66])
    report.check(len(listed) == 1 and len(b.mailbox.messages) == count,
                 "the altered message is in quarantine, not in Bob's mailbox")
    b.accept("alice@a.example", ["bob@b.example"], passed.data)
    delivered = b.receive(count + 1)
    report.check(" smime=pass" in b.verdict(delivered),
                 "Alice's own message is delivered as before")
    queue_id = listed[0].split()[0]
    report.say("at B", f"postseal quarantine release {queue_id}")
    for line in b.quarantine("release", queue_id):
        report.say("", line[:66])
    delivered = b.receive(count + 2)
    report.show("delivered", delivered)
    report.check(" smime=fail" in b.verdict(delivered) and
                 (delivered.first("X-Quarantine") or "").startswith("Policy"),
                 "released, it is delivered with its verdict, and says where "
                 "it was")


def revoked(report):
    report.title("11. A client's key is stolen; its CA revokes the "
                 "certificate; a Postfix that runs knows at once")
    pki, web = Pki("clients"), Web()
    ca = pki.ca("ca", subject="/O=Clients/CN=CA")
    server = pki.leaf("mx", ca, dns=["mx.example"], purpose="serverAuth")
    client = pki.leaf("client", ca, purpose="clientAuth",
                      subject="/O=Clients/CN=client.example")

    def fetch():
        with open(pki.crl(ca), "rb") as file:
            web.put("/ca.crl", file.read())
        ran = fetcher.run("--all")
        report.check(ran.code == 0, "crl-fetcher takes the CA's list"
                                    f"{because(ran.err, ran.code == 0)}")

    fetcher = Fetcher([ca], {"clients": [
        "file_type = pem", f"primary_url = {web.url('/ca.crl')}"]},
        check="certificate_spool_max = 0")
    fetch()
    postfix = TlsPostfix("c", ca, fetcher, server, chroot=True).start()
    report.check(postfix.verdict(client) == "Trusted",
                 "smtpd trusts the client's certificate")
    pki.revoke(client)
    fetch()
    report.check(postfix.verdict(client) == "Untrusted",
                 "and does not any more, without reload, in its chroot")
    line = postfix.wait_log(r"postseal_tls: (direction=\S+ .*)")[1]
    for part in textwrap.wrap(line, 66):
        report.say("log", part)


def demonstrate(report):
    a, b = setting_up(report)
    a.write_filters(FILTERS_A)
    mallory = Pki("mallory").leaf("mallory", dns=["evil.example"],
                                  subject="/O=Evil/CN=evil.example")
    b.learn_certificate(report, "evil", readable(mallory.cert))
    carol = Consumer("carol")
    a.learn_certificate(report, "carol", readable(carol.certificate.cert))
    a.postfix.route("consumer.example", carol.server.port)
    to_a, to_b = wire_to(a), wire_to(b)
    a.start(to_b, b)
    b.start(to_a, a)
    passed = a_to_b(report, a, b, to_b)
    b_to_a(report, a, b, to_a)
    altered(report, a, b, passed)
    spoofed(report, b, mallory)
    triple(report, a, b, to_a, to_b)
    to_consumer(report, a, carol)
    from_consumer(report, a, carol)
    filtered(report, a, b, to_b)
    quarantined(report, a, b, passed)
    revoked(report)
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
    print("Next: on a machine of your own, README, section "
          "\"Deploy from source\"")
    sys.exit(0 if report.good == report.count else 1)


if __name__ == "__main__":
    main()
