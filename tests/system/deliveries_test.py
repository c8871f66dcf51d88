#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
One message, several recipients: rows S5, S6 and S+ (hidden recipients),
faults B15, P4.  Copies are sent on through real Postfix; where a listener
for copies is to fail, a sink plays it.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

from harness import (Pki, Sink, Skip, SmtpClient, SmtpError, cms_decrypt,
                     directory_for, free_port, main, own, send, wait_for)
from harness import der
from harness.gateway import (GROUPS, PASS_ON, TRUSTED, Gateway, identities,
                             is_encrypted, is_signed, mail,
                             numbered)
from harness.milter_client import MilterClient, divide

EC = "ec:P-256"
AGREE = "keyAgreement"
BODY = "Please pay 100 to account 12345.\n"
SECRET = b"account 12345"


def profile(name, **settings):
    """A sending profile, and the mail policy for the domain named so."""
    lines = "".join(f"    {k} = {v}\n" for k, v in settings.items())
    return (f"sending-profile {name} {{\n{lines}}}\n"
            f"mail-policy {name} {{\n    direction = outgoing\n"
            f"    recipients = {name}.example\n    profile = {name}\n}}\n")


CONFIG = GROUPS + PASS_ON + \
    profile("sign", mode="sign") + \
    profile("split", mode="encrypt", no_key="split") + \
    profile("gcm", mode="encrypt", no_key="split", cipher="aes-128-gcm") + \
    profile("both", mode="sign-encrypt", no_key="split") + \
    profile("triple", mode="triple", no_key="split") + \
    profile("bounce", mode="encrypt", no_key="bounce") + \
    profile("drop", mode="encrypt", no_key="drop") + \
    profile("together", mode="encrypt", hidden_recipients="together")
DOMAINS = ("split", "gcm", "both", "triple", "bounce", "drop", "together")


class Sender:
    """
    Gateway a, and what comes out of it.  k, k2, k3@DOMAIN have keys (k3
    the same as k2), n@DOMAIN have none.
    """

    def __init__(self, t, reinjection=True, **settings):
        self.t, self.sink, self.pki = t, Sink(), Pki()
        os.chmod(self.pki.directory, 0o711)
        self.a = Gateway("a", CONFIG, self.sink.port)
        self.x = self.pki.leaf("x", email=["x@a.example"])
        self.keys = {
            name: self.pki.leaf(name, key=EC, usage=AGREE, email=[
                f"{user}@{d}.example" for user in users for d in DOMAINS])
            for name, users in (("k", ["k"]), ("k2", ["k2", "k3"]))}
        self.keys["k3"] = self.keys["k2"]
        self.a.install(self.x)
        self.a.add_keys(self.keys["k"], self.keys["k2"])
        if reinjection:
            self.a.reinjection()
        self.a.set(**settings)

    def start(self):
        self.a.start()
        return self

    def form(self, message, recipient):
        """What the recipient got: plain, sign, encrypt, both, triple."""
        data, words = message.data, []
        while True:
            if is_signed(data):
                words.append("sign")
                data = self._verified(data)
            elif is_encrypted(data):
                words.append("encrypt")
                user = recipient.partition("@")[0]
                good, data, why = cms_decrypt(data, self.keys[user])
                if not good:
                    return f"not for {recipient}: {why}"
            else:
                break
        if SECRET not in data:
            return "without its text"
        return {"": "plain", "encrypt sign": "both",
                "sign encrypt sign": "triple"}.get(" ".join(words),
                                                   " ".join(words))

    def _verified(self, data):
        done = subprocess.run(
            ["openssl", "cms", "-verify", "-CAfile", self.x.cert,
             "-partial_chain", "-no-CApath"], input=data,
            capture_output=True)
        return done.stdout if done.returncode == 0 else done.stderr

    def delivered(self, number):
        """[(recipient, form)] of the message with that number, sorted."""
        return sorted((r, self.form(m, r)) for m in self.sink.messages
                      if m.sender and identities([m]) == [number]
                      for r in m.recipients)

    def returned(self, number):
        """Recipients that delivery reports name as failed."""
        found = []
        for m in self.sink.messages:
            if m.sender == "" and b"<%d@test.example>" % number in m.data:
                found += re.findall(
                    rb"Final-Recipient: rfc822; (\S+)\r\n(?:.*\r\n)*?"
                    rb"Action: failed\r\nStatus: 5\.7\.1", m.data)
        return sorted(r.decode() for r in found)

    def settle(self):
        """Waits until all is delivered."""
        self.a.postfix.wait_empty()

    def send(self, number, to, named=None, **options):
        """As from a trusted client; the refusal, or None."""
        data = numbered(number, BODY).replace(
            b"To: y@b.example", b"To: " + ", ".join(
                to if named is None else named).encode())
        options.setdefault("client", TRUSTED)
        return self.a.refusal(data, to=to, **options)

    def nothing_in_clear(self):
        bad = [m.recipients for m in self.sink.messages if m.sender and
               SECRET in m.data and
               any(r.startswith("k") or r == "n@bounce.example" or
                   r == "n@drop.example" for r in m.recipients)]
        self.t.is_(bad, [], "P4 nothing went out in clear that was not to")


# --- S5 ----------------------------------------------------------------------

# Recipient: what becomes of the message when it is the only one.
OUTCOMES = {
    "y@plain.example": "plain", "y@sign.example": "sign",
    "k@split.example": "encrypt", "k@gcm.example": "encrypt",
    "k@both.example": "both", "k@triple.example": "triple",
    "n@split.example": "plain", "n@both.example": "sign",
    "n@triple.example": "sign",
    "n@bounce.example": "bounce", "n@drop.example": "drop"}


def pairs(t):
    """S5 two recipients under every pair of outcomes"""
    s = Sender(t).start()
    sent, refused = {}, {}
    users = list(OUTCOMES)
    for at, one in enumerate(users):
        for two in users[at:]:
            number = len(sent) + 1
            to = [one] if one == two else [one, two]
            sent[number] = to
            refused[number] = s.send(number, to)
    s.settle()
    for number, to in sent.items():
        expected = sorted((r, OUTCOMES[r]) for r in to
                          if OUTCOMES[r] not in ("bounce", "drop"))
        bounced = [r for r in to if OUTCOMES[r] == "bounce"]
        name = "S5 " + " and ".join(f"{r} ({OUTCOMES[r]})" for r in to)
        got = (s.delivered(number), s.returned(number), refused[number])
        if bounced == to:
            t.ok(got[:2] == ([], []) and got[2] and got[2][0] == 550 and
                 "n@bounce.example>?: no key" in got[2][1].replace(
                     ">:", ">?:"), name, got)
        else:
            t.is_(got, (expected, bounced, None), name)
    s.nothing_in_clear()
    s.a.milter.wait_log("action=split direction=outgoing group=inside "
                        "recipients=2 deliveries=2")
    s.a.milter.wait_log("delivery=1/2 action=encrypt profile=split keys=1 "
                        "recipients=1 to=<k@split.example>")
    s.a.milter.wait_log('delivery=2/2 action=bounce profile=bounce '
                        'reason=".*no key[^"]*" recipients=1 '
                        "to=<n@bounce.example>")


def without_keys(t):
    """S5 recipients without a key among others"""
    s = Sender(t).start()
    to = [f"{u}@bounce.example" for u in ("k", "n", "k2")]
    got = s.send(1, to)
    t.ok(got and got[0] == 550 and "n@bounce.example" in got[1] and
         "no key" in got[1], "S5 bounce: any recipient without a key and "
         "all of the profile goes back", got)
    t.is_(s.send(2, [r.replace("bounce", "drop") for r in to]), None,
          "S5 drop: taken")
    s.a.milter.wait_log('action=drop .*profile=drop .*reason=".*'
                        'n@drop.example.*no key')
    t.is_(s.send(3, [r.replace("bounce", "split") for r in to]), None,
          "S5 split: taken")
    t.is_(s.send(4, [f"{u}@{d}.example" for u in "kn" for d in
                     ("split", "bounce", "drop", "both")]
                 + ["y@plain.example"]), None, "S5 all at once: taken")
    t.is_(s.send(5, ["k@split.example"] * 3 + ["n@split.example"] * 2), None,
          "S5 the same recipient several times: taken")
    s.a.postfix.sendmail("x@a.example", ["k@split.example",
                                         "n@split.example"],
                         numbered(6, BODY).replace(b"\r\n", b"\n"))
    s.sink.wait(3)
    wait_for("mail from sendmail", lambda: len(s.delivered(6)) == 2)
    s.settle()
    t.is_((s.delivered(1), s.returned(1)), ([], []),
          "S5 bounce: nobody got it")
    t.is_((s.delivered(2), s.returned(2)), ([], []),
          "S5 drop: nobody got it, nobody was told")
    t.is_(s.delivered(3), [("k2@split.example", "encrypt"),
                           ("k@split.example", "encrypt"),
                           ("n@split.example", "plain")],
          "S5 split: encrypted where there is a key, each exactly once")
    t.is_(s.delivered(4), [("k@both.example", "both"),
                           ("k@split.example", "encrypt"),
                           ("n@both.example", "sign"),
                           ("n@split.example", "plain"),
                           ("y@plain.example", "plain")],
          "S5 all at once: each exactly once")
    t.is_(s.returned(4), ["k@bounce.example", "n@bounce.example"],
          "S5 all at once: what bounces comes back")
    t.is_(s.delivered(5), [("k@split.example", "encrypt"),
                           ("n@split.example", "plain")],
          "S5 the same recipient several times: once")
    t.is_(s.delivered(6), [("k@split.example", "encrypt"),
                           ("n@split.example", "plain")],
          "S5 local submission is split, too")
    reports = [m for m in s.sink.messages if m.sender == ""]
    t.ok(len(reports) == 1 and reports[0].recipients == ["x@a.example"] and
         b"not delivered: its policy forbids" in reports[0].data,
         "S5 bounced copies come back as one report of Postfix's own",
         *(m.data for m in reports))
    s.nothing_in_clear()


def unsignable(t):
    """S6 a copy that cannot be signed bounces, the others go on"""
    s = Sender(t).start()
    to = ["k@split.example", "k@both.example", "y@sign.example",
          "y@plain.example"]
    data = numbered(1, BODY).replace(b"x@a.example", b"z@a.example")
    got = s.a.refusal(data.replace(b"To: y@b.example", b"To: " +
                                   ", ".join(to).encode()),
                      to=to, client=TRUSTED)
    t.is_(got, None, "S6 taken")
    s.settle()
    t.is_(s.delivered(1), [("k@split.example", "encrypt"),
                           ("y@plain.example", "plain")],
          "S6 who needs no signature gets the message")
    t.is_(s.returned(1), ["k@both.example", "y@sign.example"],
          "S6 what cannot be signed comes back")
    got = s.a.refusal(data, to=["y@sign.example", "k@both.example"],
                      client=TRUSTED)
    t.ok(got and got[0] == 550 and "z@a.example" in got[1],
         "S6 when nobody can get it, it is refused at once", got)


def dry_run(t):
    """S5 `postseal smime test` tells the deliveries beforehand"""
    s = Sender(t, deliveries_max=6)
    out = directory_for("out")
    to = ["k@split.example", "n@split.example", "n@bounce.example",
          "n@drop.example", "k@triple.example", "k3@split.example"]
    words = [w for r in to for w in ("--to", r)]
    done = s.a.milter.postseal(
        "smime", "test", "--json", "--client", "192.0.2.10", "--from",
        "x@a.example", *words, "--out", out, "-", input=mail(
            BODY, to=", ".join(to)).decode())
    got = json.loads(done.stdout)["deliveries"]
    t.is_([(d["recipients"], d["disposition"]) for d in got],
          [(["k@split.example", "k3@split.example"], "pass"),
           (["n@split.example"], "pass"), (["n@bounce.example"], "bounce"),
           (["n@drop.example"], "drop"), (["k@triple.example"], "pass")],
          "S5 every recipient with what becomes of the message")
    t.is_([d["steps"] for d in got],
          [["encrypt"], [], [], [], ["sign", "encrypt", "sign"]],
          "S5 and the steps")
    t.diag(sorted(os.listdir(out)))


# --- hidden recipients -------------------------------------------------------

def recipient_infos(message):
    """Serial numbers that the CMS object names, as openssl prints them."""
    text = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-noout"],
        input=message.data, capture_output=True, check=True).stdout.decode()
    return sorted(f"{int(number, 0):X}" for number in re.findall(
        r"serialNumber: (\d+|0x[0-9A-Fa-f]+)", text.partition(
            "encryptedContentInfo")[0]))


def hidden(t):
    """S+ hidden recipients are not revealed"""
    s = Sender(t, deliveries_max=4).start()
    serial = {name: f"{int(key.serial(), 16):X}"
              for name, key in s.keys.items()}

    def look(name, number, to, expected, domain="bounce", **options):
        """expected: {recipients: keys named in their copy}"""
        to = [f"{u}@{domain}.example" for u in to]
        refusal = s.send(number, to, **options)
        s.settle()
        copies = [m for m in s.sink.messages if identities([m]) == [number]]
        got = {tuple(sorted(r.partition("@")[0] for r in m.recipients)):
               recipient_infos(m) for m in copies}
        want = {k: sorted({serial[u] for u in v})
                for k, v in expected.items()}
        t.ok((refusal, len(copies), got) == (None, len(want), want), name,
             refusal, got, want)
        t.ok(all(s.form(m, r) == "encrypt" for m in copies
                 for r in m.recipients), f"{name}: all can read it")

    look("S+ all named: one copy for both", 1, ["k", "k2"],
         {("k", "k2"): ["k", "k2"]})
    look("S+ a hidden one gets a copy of its own", 2, ["k", "k2"],
         {("k",): ["k"], ("k2",): ["k2"]}, named=["k@bounce.example"])
    look("S+ hidden ones with one certificate share", 3, ["k", "k2", "k3"],
         {("k",): ["k"], ("k2", "k3"): ["k2"]}, named=["k@bounce.example"])
    look("S+ a hidden one with a named one's certificate shares", 4,
         ["k", "k2", "k3"], {("k", "k2", "k3"): ["k", "k2"]},
         named=["k@bounce.example", "k2@bounce.example"])
    look("S+ nobody named: each apart", 5, ["k", "k2"],
         {("k",): ["k"], ("k2",): ["k2"]}, named=["undisclosed:;"])
    look("S+ names, comments, groups and other case count as named", 6,
         ["k", "k2"], {("k", "k2"): ["k", "k2"]},
         named=['"K, K" <K@Bounce.Example>', "(c) us: k2@bounce.example;"])
    look("S+ a display name names nobody", 7, ["k", "k2"],
         {("k",): ["k"], ("k2",): ["k2"]},
         named=['"k2@bounce.example" <k@bounce.example>'])
    look("S+ a To that cannot be read names nobody", 8, ["k", "k2"],
         {("k",): ["k"], ("k2",): ["k2"]},
         named=["k@bounce.example, <k2@bounce.example"])
    look("S+ hidden_recipients = together", 9, ["k", "k2"],
         {("k", "k2"): ["k", "k2"]}, domain="together",
         named=["k@together.example"])
    for number, field in enumerate(("Cc", "CC", "Resent-To", "Resent-Cc"),
                                   10):
        look(f"S+ {field} names, too", number, ["k", "k2"],
             {("k", "k2"): ["k", "k2"]}, named=[
                 f"k@bounce.example\r\n{field}: k2@bounce.example"])
    look("S+ Bcc names nobody", 14, ["k", "k2"],
         {("k",): ["k"], ("k2",): ["k2"]},
         named=["k@bounce.example\r\nBcc: k2@bounce.example"])
    limit(t, s)


def limit(t, s):
    """S+ deliveries_max"""
    everywhere = [f"{u}@{d}.example" for d in ("split", "gcm")
                  for u in ("k", "k2")]
    t.is_(s.send(20, everywhere, named=["z@a.example"]), None,
          "S+ as many copies as deliveries_max")
    got = s.send(21, everywhere + ["y@sign.example"], named=["z@a.example"])
    t.ok(got and got[0] == 550 and "more than 4 separate copies" in got[1] and
         "deliveries_max" in got[1] and "send to fewer" in got[1],
         "S+ more than deliveries_max: refused, with the way out", got)
    s.settle()
    t.is_([r for r, _ in s.delivered(20)], sorted(everywhere),
          "S+ as many copies as deliveries_max: each got one")
    t.is_((s.delivered(21), s.returned(21)), ([], []),
          "S+ more than deliveries_max: nobody got it")


# --- ESMTP parameters --------------------------------------------------------

def parameters(t):
    """S5 DSN, BODY and SMTPUTF8 survive re-injection"""
    s = Sender(t).start()
    data = numbered(1, "Gr\u00fc\u00dfe\n" + BODY)
    with SmtpClient(s.a.port) as client:
        client.hello()
        client.xclient(**TRUSTED)
        client.command("MAIL FROM:<x@a.example> RET=HDRS ENVID=QQ+2B1 "
                       "BODY=8BITMIME", 250)
        client.command("RCPT TO:<k@split.example> NOTIFY=SUCCESS,DELAY "
                       "ORCPT=rfc822;Orig+2Bk@c.example", 250)
        client.command("RCPT TO:<y@plain.example> NOTIFY=NEVER", 250)
        client.command("RCPT TO:<y@sign.example>", 250)
        client.command("DATA", 354)
        client.data(data)
    s.settle()
    got = {m.recipients[0]: (set(m.mail_parameters.split()),
                             set(m.rcpt_parameters[0].split()))
           for m in s.sink.messages}
    for to, rcpt in (("k@split.example",
                      {"NOTIFY=SUCCESS,DELAY",
                       "ORCPT=rfc822;Orig+2Bk@c.example"}),
                     ("y@plain.example", {"NOTIFY=NEVER"}),
                     ("y@sign.example", set())):
        mail_, rcpt_ = got.get(to, (set(), set()))
        t.ok({"RET=HDRS", "ENVID=QQ+2B1"} <= mail_,
             f"S5 RET and ENVID of {to}", got)
        rcpt_ = {w for w in rcpt_ if rcpt or not w.startswith("ORCPT=")}
        t.ok(rcpt <= rcpt_ and (rcpt or not rcpt_),
             f"S5 NOTIFY and ORCPT of {to}", got)
    t.ok("BODY=8BITMIME" in got["y@plain.example"][0] and
         "Gr\u00fc\u00dfe".encode() in s.sink.messages[[
             m.recipients for m in s.sink.messages].index(
                 ["y@plain.example"])].data, "S5 8-bit stays 8-bit, and "
         "is announced", got)
    notifications(t, s)
    utf8(t, s)


def notifications(t, s):
    """What the sender asked to hear about bounced copies."""
    for number, notify, expected in ((2, "FAILURE", ["n@bounce.example"]),
                                     (3, "NEVER", [])):
        t.is_(s.send(number, ["k@split.example", "n@bounce.example"],
                     rcpt=f"NOTIFY={notify}", mail="RET=HDRS ENVID=e1"),
              None, f"S5 NOTIFY={notify}: taken")
        s.settle()
        t.is_(s.returned(number), expected,
              f"S5 NOTIFY={notify} of a bounced copy is obeyed")
    report = next(m for m in s.sink.messages if m.sender == "")
    t.ok(b"Original-Envelope-Id: e1" in report.data and
         SECRET not in report.data, "S5 ENVID and RET=HDRS of a bounced "
         "copy are obeyed", report.data)


def utf8(t, s):
    to = ["gr\u00fcn@plain.example", "k@split.example"]
    t.is_(s.a.refusal(numbered(4, BODY), sender="\u00fc@a.example", to=to,
                      client=TRUSTED, mail="SMTPUTF8 BODY=8BITMIME"), None,
          "S5 SMTPUTF8: taken")
    s.settle()
    t.is_(sorted(r for r, _ in s.delivered(4)), sorted(to),
          "S5 SMTPUTF8 addresses survive")
    got = [m for m in s.sink.messages if m.sender and
           identities([m]) == [4]]
    t.ok(all(m.sender == "\u00fc@a.example" and "SMTPUTF8" in
             m.mail_parameters for m in got),
         "S5 SMTPUTF8 is said again", [(m.sender, m.mail_parameters)
                                       for m in got])


# --- P4: the listener for copies fails ---------------------------------------

TO = ["k@split.example", "k@gcm.example", "y@sign.example",
      "y@plain.example"]


class Copies:
    """
    Plays the listener for copies.  script: what it answers, by (stage, n),
    counting all stages of that name since arm().
    """

    def __init__(self, s, **options):
        self.s, self.script, self.counts = s, {}, {}
        self.sink = Sink(replies=self.reply, name="copies.example",
                         **options)
        s.a.set(reinject=f"smtp://127.0.0.1:{self.sink.port}",
                reinject_bounce=f"smtp://127.0.0.1:{self.sink.port}")
        s.sink = self.sink

    def arm(self, **script):
        """arm(RCPT_2="550 no")"""
        self.counts.clear()
        self.script = script

    def reply(self, stage, _argument):
        self.counts[stage] = self.counts.get(stage, 0) + 1
        answer = self.script.get(f"{stage}_{self.counts[stage]}")
        return answer() if callable(answer) else answer


def failing(t):
    """P4 the listener for copies is away, refuses, or is slow"""
    s = Sender(t, reinjection=False, reinject_timeout="1s")
    beyond = Sink()
    s.a.postfix.relay(beyond.port)
    copies = Copies(s)
    s.start()
    number = 0

    def slowly():
        time.sleep(3)

    for name, script in (
            ("closes at once", {"CONNECT_1": "421 4.3.2 no"}),
            ("refuses the connection", {"CONNECT_1": "554 5.3.2 no"}),
            ("refuses the sender", {"MAIL_1": "550 5.1.8 no"}),
            ("refuses the sender of the second copy",
             {"MAIL_2": "550 5.1.8 no"}),
            ("refuses a recipient", {"RCPT_1": "550 5.1.1 no"}),
            ("refuses a recipient of the third copy",
             {"RCPT_3": "450 4.1.1 no"}),
            ("refuses DATA", {"DATA_2": "451 4.3.0 no"}),
            ("refuses the second message", {"EOD_2": "554 5.7.1 no"}),
            ("refuses the last message for now", {"EOD_4": "452 4.3.1 no"}),
            ("talks nonsense", {"MAIL_2": "no"}),
            ("is slow to greet", {"CONNECT_1": slowly}),
            ("is slow with the third copy", {"RCPT_3": slowly})):
        number += 1
        copies.arm(**script)
        got = s.send(number, TO)
        t.ok(got and got[0] == 451 and "local problem" in got[1] and
             "127.0.0.1" not in got[1], f"P4 it {name}: 451", got)
        copies.arm()
        t.is_(s.send(number, TO), None, f"P4 it {name}: the client comes "
              "again, all is taken")
        t.is_(s.delivered(number), FORMS,
              f"P4 it {name}: nobody gets it twice, nobody nothing")
    away(t, s, copies, number + 1)
    s.a.postfix.wait_empty()
    t.is_(beyond.messages, [], "P4 nothing went another way")
    s.nothing_in_clear()


FORMS = sorted([("k@split.example", "encrypt"), ("k@gcm.example", "encrypt"),
                ("y@sign.example", "sign"), ("y@plain.example", "plain")])


def away(t, s, copies, number):
    marks = os.path.join(s.a.milter.state, "smime", "reinject")
    t.is_(os.listdir(marks), [], "P4 no mark is left behind")
    t.is_(s.send(number, TO), None, "P4 the very same message again: taken")
    t.is_(s.send(number, TO), None, "P4 and once more")
    t.is_(len(s.delivered(number)), 2 * len(TO),
          "P4 what was sent twice is delivered twice")
    number += 1
    os.chmod(marks, 0o500)
    os.chown(marks, 0, 0)
    got = s.send(number, TO)
    t.ok(got and got[0] == 451, "P4 marks cannot be written: 451", got)
    t.is_(s.delivered(number), [], "P4 marks cannot be written: nothing "
          "was sent before that was known")
    shutil.chown(marks, "nobody")
    os.chmod(marks, 0o700)
    t.is_(s.send(number, TO), None, "P4 marks can be written again")
    t.is_(s.delivered(number), FORMS, "P4 all is delivered once")
    copies.sink.close()
    number += 1
    got = s.send(number, TO)
    t.ok(got and got[0] == 451 and "local problem" in got[1],
         "P4 nobody listens: 451", got)
    s.a.milter.wait_log("re-injection: smtp://127.0.0.1:.*cannot connect")
    t.is_(s.delivered(number), [], "P4 nobody listens: nobody got it")


def killed(t):
    """P4, B1 the milter is killed between copies"""
    s = Sender(t, reinjection=False)
    copies = Copies(s)
    s.start()

    def kill():
        s.a.milter.process.kill()
        # Not answered: whether it was taken nobody knows but us.
        return "451 4.3.2 too late"

    for number, stage in enumerate(
            ("CONNECT_1", "MAIL_1", "MAIL_2", "RCPT_3", "EOD_2", "EOD_4"),
            1):
        copies.arm(**{stage: kill})
        got = s.send(number, TO)
        t.ok(got and got[0] == 451, f"P4 killed at {stage}: 451", got)
        s.a.milter.kill()
        s.a.milter.start()
        copies.arm()
        t.is_(s.send(number, TO), None,
              f"P4 killed at {stage}: after its restart all is taken")
        t.is_(s.delivered(number), FORMS,
              f"P4 killed at {stage}: each exactly once")
    s.nothing_in_clear()


def given_up(t):
    """P4 the mail server gives up waiting"""
    s = Sender(t, reinjection=False)
    copies = Copies(s)
    s.start()
    held, free = threading.Event(), threading.Event()

    def hold():
        held.set()
        free.wait(10)

    fields, body = divide(numbered(1, BODY))

    for name, stage in (("between copies", "EOD_2"),
                        ("after the last copy", "EOD_4")):
        copies.sink.clear()
        held.clear()
        free.clear()
        copies.arm(**{stage: hold})
        client = MilterClient(s.a.milter.socket_path)
        thread = threading.Thread(
            target=lambda c=client: ignoring(lambda: c.send(
                "x@a.example", TO, fields, body)))
        thread.start()
        held.wait(10)
        client.socket.shutdown(2)
        client.close()
        thread.join()
        free.set()
        s.a.milter.wait_log("the mail server gave up waiting")
        copies.arm()
        with MilterClient(s.a.milter.socket_path) as again:
            got = again.send("x@a.example", TO, fields, body)
        t.is_(got.answer, "d", f"P4 it gave up {name}: when it comes again "
              "all is done")
        t.is_(s.delivered(1), FORMS, f"P4 it gave up {name}: each exactly "
              "once")
    wait_for("the marks to go", lambda: not os.listdir(
        os.path.join(s.a.milter.state, "smime", "reinject")), 5)


def ignoring(call):
    try:
        call()
    except Exception:  # the socket is taken away under it
        pass


def made_up(t):
    """P4 mail to which Postfix gives a Message-ID, a new one each time"""
    s = Sender(t, reinjection=False)
    copies = Copies(s)
    s.a.postfix.set(local_header_rewrite_clients="static:all")
    s.start()
    text = re.sub(rb"(Message-ID|Date): .*\r\n", b"", mail(BODY))
    for name, data in (
            ("neither Message-ID nor Date", text),
            ("no Date", b"Message-ID: <1@c.example>\r\n" + text),
            ("no Message-ID", b"Date: Thu, 1 Jan 2026 12:00:00 +0000\r\n"
             + text)):
        copies.sink.clear()
        copies.arm(EOD_3="451 4.3.0 no")
        got = s.a.refusal(data, to=TO, client=TRUSTED)
        t.ok(got and got[0] == 451, f"P4 with {name}: 451", got)
        time.sleep(1.1)  # another Date
        t.is_(s.a.refusal(data, to=TO, client=TRUSTED), None,
              f"P4 with {name}: the client comes again")
        t.is_(sorted(r for m in copies.sink.messages for r in m.recipients),
              sorted(TO), f"P4 with {name}: each exactly once")
        t.ok(all(m.first("Message-ID") and m.first("Date")
                 for m in copies.sink.messages),
             f"P4 with {name}: they were made up")
    copies.sink.clear()
    copies.arm(EOD_3="451 4.3.0 no")
    s.a.postfix.sendmail("x@a.example", TO, text.replace(b"\r\n", b"\n"))
    s.a.milter.wait_log("from=<x@a.example> action=defer .*recipients=4"
                        "(.|\n)*action=defer .*recipients=4(.|\n)*"
                        "action=defer .*recipients=4(.|\n)*"
                        "action=defer .*recipients=4")
    t.is_(len(copies.sink.messages), 2, "P4 sendmail: stopped half way")
    # pickup(8) looks again when there is something new.
    time.sleep(1.1)
    s.a.postfix.sendmail("x@a.example", ["y@plain.example"],
                         mail("Hello.\n").replace(b"\r\n", b"\n"))
    copies.sink.wait(4)
    t.is_(sorted(r for m in copies.sink.messages for r in m.recipients),
          sorted(TO), "P4 sendmail: each exactly once")


# --- what postfix-config prints ----------------------------------------------

def written(t):
    """S5 the lines that `postseal smime postfix-config` prints do it"""
    s = Sender(t, reinjection=False)
    copies, holds, bounces = free_port(), free_port(), free_port()
    s.a.set(reinject=f"smtp://127.0.0.1:{copies}",
            reinject_hold=f"smtp://127.0.0.1:{holds}",
            reinject_bounce=f"smtp://127.0.0.1:{bounces}")
    text = s.a.milter.postseal("smime", "postfix-config").stdout
    main_cf = re.findall(r"(?m)^(\w+) = (.*)$", text)
    lines = [line for line in text.splitlines()
             if not line.startswith("#") and " = " not in line.split("{")[0]]
    t.ok([line.split()[0] for line in lines if line[0] != " "] ==
         [f"127.0.0.1:{copies}", f"127.0.0.1:{holds}",
          f"127.0.0.1:{bounces}", "cleanup-reinject"],
         "S5 it prints the services for the ports at hand", text)
    t.is_({k: v for k, v in main_cf if "milter" in k},
          {"smtpd_milters": f"unix:{s.a.milter.socket_path}",
           "non_smtpd_milters": "$smtpd_milters",
           "milter_default_action": "tempfail"}, "S5 and main.cf")
    # A private instance has no chroot.
    s.a.postfix.service("\n".join(lines).replace(" n - y - ", " n - n - "))
    s.a.postfix.set(message_size_limit="100000",
                    smtpd_recipient_restrictions="reject")
    port = s.a.postfix.listener(smtpd_recipient_restrictions="permit")
    s.start()
    to = ["k@split.example", "n@bounce.example", "y@plain.example"]
    data = numbered(1, BODY + 1100 * ("x" * 70 + "\n"))
    s.a.postfix.send("x@a.example", to, data.replace(
        b"y@b.example", b"k@split.example"), port=port, xclient=TRUSTED)
    s.settle()
    t.is_(s.delivered(1), [("k@split.example", "encrypt"),
                           ("y@plain.example", "plain")],
          "S5 copies go out, also when encrypted they are over the limit")
    t.is_(s.returned(1), ["n@bounce.example"], "S5 what bounces comes back")
    with SmtpClient(holds) as client:
        client.hello("x")
        held = [client.mail("x@a.example", ["y@plain.example"], numbered(2))
                for _ in range(2)]
        client.quit()
    t.is_({e["queue_id"]: e["queue_name"] for e in s.a.postfix.queue()},
          dict.fromkeys(held, "hold"), "S15 one listener holds all messages")
    for line in (copies, holds, bounces):
        try:
            send(line, "x@a.example", ["k@split.example"], data,
                 xclient={"ADDR": "198.51.100.1"})
            got = None
        except SmtpError as why:
            got = why.code
        t.is_(got, 554, "S5 nobody from outside may use the listener")


# --- a DKIM signer behind us -------------------------------------------------

OPENDKIM = "/usr/sbin/opendkim"


class Opendkim:
    """A signer for a.example."""

    def __init__(self, postfix):
        if not os.access(OPENDKIM, os.X_OK):
            raise Skip("opendkim is not installed")
        self.path = directory_for("opendkim", mode=0o755)
        key = os.path.join(self.path, "s.private")
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"],
                       check=True, capture_output=True)
        shutil.chown(key, "nobody")
        public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout",
                                 "-outform", "DER"], check=True,
                                capture_output=True).stdout
        with open(self.file("dns"), "w") as file:
            file.write("s._domainkey.a.example v=DKIM1; k=rsa; p="
                       + base64.b64encode(public).decode() + "\n")
        common = ("Background no\nSyslog no\nUMask 000\n"
                  "Canonicalization relaxed/relaxed\n"
                  "RequireSafeKeys no\n")
        self.socket = os.path.join(postfix.queue_directory, "postseal",
                                   "dkim.sock")
        with open(self.file("sign.conf"), "w") as file:
            file.write(f"{common}Mode s\nDomain a.example\nSelector s\n"
                       f"KeyFile {key}\nSocket local:{self.socket}\n"
                       f"InternalHosts {self.file('all')}\n"
                       "OversignHeaders From\n")
        with open(self.file("verify.conf"), "w") as file:
            file.write(f"{common}Mode v\nTestDNSData refile:"
                       f"{self.file('dns')}\nSocket local:"
                       f"{self.file('unused')}\n")
        with open(self.file("all"), "w") as file:
            file.write("0.0.0.0/0\n127.0.0.1\nlocalhost\n")
        self.process = subprocess.Popen(
            [OPENDKIM, "-f", "-x", self.file("sign.conf")],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        own(self)
        wait_for("opendkim to listen", lambda: os.path.exists(self.socket))

    def file(self, name):
        return os.path.join(self.path, name)

    def close(self):
        self.process.kill()
        self.process.wait()

    def verifies(self, message):
        """Whether opendkim itself finds the signature good; what it said."""
        with open(self.file("message"), "wb") as file:
            file.write(message.data)
        done = subprocess.run(
            [OPENDKIM, "-x", self.file("verify.conf"), "-t",
             self.file("message")], capture_output=True, text=True)
        text = done.stdout + done.stderr
        return done.returncode == 0 and "succeeded" in text, text


def dkim(t):
    """a DKIM signer behind us signs every copy"""
    s = Sender(t, reinjection=False)
    signer = Opendkim(s.a.postfix)
    name = "unix:postseal/dkim.sock"
    s.a.reinjection(smtpd_milters=name)
    s.a.postfix.set(smtpd_milters=f"{s.a.milter.socket_name}, {name}")
    s.start()
    t.is_(s.send(1, ["k@split.example"]), None, "DKIM one delivery: taken")
    t.is_(s.send(2, TO + ["k@both.example", "k@triple.example"]), None,
          "DKIM several deliveries: taken")
    s.settle()
    t.is_(len(s.delivered(2)), 6, "DKIM several deliveries: all there")
    for message in s.sink.messages:
        good, why = signer.verifies(message)
        t.ok(good and len(message.all("DKIM-Signature")) == 1,
             f"DKIM the copy of {' '.join(message.recipients)} is signed, "
             "once, and verifies", why, message.data)
    altered = s.sink.messages[0]
    altered.data = altered.data.replace(b"Subject: a", b"Subject: b")
    t.ok(not signer.verifies(altered)[0],
         "DKIM an altered copy does not verify")


# --- B15 ---------------------------------------------------------------------

def many(t):
    """B15 more than a thousand recipients"""
    count = 1100
    s = Sender(t)
    s.a.postfix.set(smtpd_recipient_limit="5000",
                    smtp_destination_recipient_limit="5000")
    template = s.pki.leaf("template", s.pki.ca("ca"), key=EC, usage=AGREE,
                          email=["r0000@bounce.example"])
    with open(template.cert) as file:
        whole = der.to_der(file.read())
    serial = der.tlv(2, bytes.fromhex(template.serial()))
    path = os.path.join(s.pki.directory, "many.pem")
    with open(path, "w") as file:
        for n in range(count):
            one = whole.replace(b"r0000@", b"r%04d@" % n).replace(
                serial, serial[:-2] + n.to_bytes(2, "big"))
            file.write("-----BEGIN CERTIFICATE-----\n"
                       + base64.encodebytes(one).decode()
                       + "-----END CERTIFICATE-----\n")
            if n in (0, count - 1):
                write_pem(s.pki, f"r{n}", one)
    os.chmod(path, 0o644)
    done = s.a.milter.postseal("smime", "key", "import", path)
    t.is_(done.stdout, f"imported {count}, refused 0\n",
          "B15 a thousand keys are imported")
    s.start()
    to = [f"r{n:04d}@bounce.example" for n in range(count)]
    named = [" " + ",\r\n ".join(to)]
    begin = time.monotonic()
    t.is_(s.send(1, to, named=named), None, "B15 all named: taken")
    taken = time.monotonic() - begin
    s.settle()
    t.ok(taken < 20, "B15 in bounded time", f"{taken:.1f} s")
    t.diag(f"{count} recipients with keys of their own: {taken:.1f} s")
    got = sorted((m for m in s.sink.messages if identities([m]) == [1]),
                 key=lambda m: -len(m.recipients))
    t.is_([len(m.recipients) for m in got], [1000, count - 1000],
          "B15 at most a thousand to a CMS object")
    t.is_(sorted(r for m in got for r in m.recipients), to,
          "B15 each exactly once")
    for message, n in zip(got, (0, count - 1)):
        t.ok(opens(s.pki, message, template.key, f"r{n}"),
             f"B15 recipient {n} can read it")
    got = s.send(2, to[:200], named=["undisclosed:;"])
    t.ok(got and got[0] == 550 and "more than 100 separate copies" in got[1],
         "B15 that many hidden ones: refused, with the reason", got)
    plain = [f"p{n}@split.example" for n in range(1500)]
    t.is_(s.send(3, plain + ["k@split.example"]), None,
          "B15 1,500 plain recipients and one encrypted: taken")
    s.settle()
    found = [(m.recipients, s.form(m, m.recipients[0]))
             for m in s.sink.messages if identities([m]) == [3]]
    t.is_(sorted((len(r), f) for r, f in found),
          [(1, "encrypt"), (1500, "plain")],
          "B15 1,500 plain recipients and one encrypted: each exactly once")


def write_pem(pki, name, one):
    with open(os.path.join(pki.directory, f"{name}.pem"), "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\n"
                   + base64.encodebytes(one).decode()
                   + "-----END CERTIFICATE-----\n")


def opens(pki, message, key, name):
    done = subprocess.run(
        ["openssl", "cms", "-decrypt", "-recip",
         os.path.join(pki.directory, f"{name}.pem"), "-inkey", key],
        input=message.data, capture_output=True)
    return SECRET in done.stdout


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(pairs, without_keys, unsignable, dry_run, hidden, parameters, failing,
         killed, given_up, made_up, written, dkim, many)
