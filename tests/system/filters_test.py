#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Message filters, mail policies and quarantine (rows S15, S16, S14) through
real Postfix: what filters say becomes of messages and of each recipient.
"""

import json
import os
import re
import sys
import time

from harness import Pki, Sink, cms_decrypt, cms_sign, main, wait_for
from harness.gateway import (GROUPS, TRUSTED, VERIFY, WORLD, Gateway,
                             is_encrypted, is_signed, mail, numbered)

EC = "ec:P-256"
SECRET = b"account 12345"
BODY = "Please pay 100 to account 12345.\n"

# The appliance's own example, unchanged.
EXAMPLE = ("quarantine_smime_messages: if (smime-gateway-message and not "
           "smime-gateway-verified) { quarantine(\"Policy\"); }\n")

PROFILES = """
sending-profile sign { mode = sign }
sending-profile crypt {
    mode = encrypt
    no_key = bounce
}
sending-profile split {
    mode = encrypt
    no_key = split
}
"""


class Filtered:
    """Gateway a with filters; k@DOMAIN has a key, everybody else none."""

    def __init__(self, t, filters, policies="", verify=VERIFY):
        self.t, self.sink, self.pki = t, Sink(), Pki()
        os.chmod(self.pki.directory, 0o711)
        self.a = Gateway("a", GROUPS + verify + PROFILES + policies,
                         self.sink.port)
        self.path = os.path.join(self.a.milter.directory, "filters")
        self.write(filters)
        self.x = self.pki.leaf("x", email=["x@a.example"])
        self.k = self.pki.leaf("k", key=EC, usage="keyAgreement", email=[
            f"k@{d}.example" for d in ("plain", "sign", "crypt", "hold",
                                       "drop", "bounce", "b", "edit")])
        self.a.install(self.x)
        self.a.add_keys(self.k)
        self.a.reinjection()
        self.a.set(filters=self.path)

    def write(self, filters):
        """New filters, put in place at once as an editor does."""
        with open(self.path + ".new", "w") as file:
            file.write(filters)
        os.chmod(self.path + ".new", 0o644)
        os.rename(self.path + ".new", self.path)

    def start(self):
        self.a.start()
        return self

    def send(self, number, to=("y@b.example",), body=BODY, client=None,
             subject="a test", fields="", **options):
        """As from a trusted client; the refusal, or None."""
        data = numbered(number, body).replace(
            b"To: y@b.example", b"To: " + ", ".join(to).encode()).replace(
            b"Subject: a test", f"{fields}Subject: {subject}".encode())
        return self.a.refusal(data.replace(b"\n", b"\r\n").replace(
            b"\r\r\n", b"\r\n"), to=to, client=client or TRUSTED, **options)

    def form(self, message):
        if is_signed(message):
            return "sign"
        if is_encrypted(message):
            good, data, why = cms_decrypt(message.data, self.k)
            return "crypt" if good and SECRET in data else why
        return "plain" if SECRET in message.data else "without its text"

    def messages(self, number):
        return [m for m in self.sink.messages if m.sender and
                b"<%d@test.example>" % number in m.data]

    def delivered(self, number):
        """[(recipient, form)], sorted."""
        return sorted((r, self.form(m)) for m in self.messages(number)
                      for r in m.recipients)

    def returned(self, number):
        found = []
        for m in self.sink.messages:
            if m.sender == "" and b"<%d@test.example>" % number in m.data:
                found += re.findall(rb"Final-Recipient: rfc822; (\S+)",
                                    m.data)
        return sorted(r.decode() for r in found)

    def held(self):
        """{queue id: recipients} in Postfix's hold queue."""
        lines = self.a.postfix.run("postqueue", "-j").stdout.splitlines()
        return {entry["queue_id"]: sorted(r["address"] for r in
                                          entry["recipients"])
                for entry in map(json.loads, lines)
                if entry["queue_name"] == "hold"}

    def held_text(self, queue_id):
        return self.a.postfix.run("postcat", "-qbh", queue_id).stdout.decode(
            errors="replace")

    def settle(self):
        """Waits until nothing but held mail is left."""
        wait_for("mail to be delivered", lambda: all(
            json.loads(line)["queue_name"] == "hold" for line in
            self.a.postfix.run("postqueue", "-j").stdout.splitlines()))


# --- S15 ---------------------------------------------------------------------

def example(t):
    """S15 the appliance's example runs unchanged"""
    f = Filtered(t, EXAMPLE)
    good = f.pki.leaf("b", email=["y@b.example"])
    f.a.milter.postseal("smime", "key", "add", "good", good.cert)
    f.start()
    head, _, entity = mail(BODY, sender="y@b.example",
                           to="x@a.example").partition(b"MIME-Version: 1.0\r\n")
    signed = head + cms_sign(entity, good)
    forged = signed.replace(b"pay 100", b"pay 900")
    for data in (signed, forged, mail(BODY, sender="y@b.example")):
        f.a.send(data, sender="y@b.example", to=["x@a.example"],
                 client=WORLD)
    f.settle()
    held = f.held()
    t.is_(list(held.values()), [["x@a.example"]],
          "S15 one of three is in quarantine")
    text = f.held_text(list(held)[0])
    t.ok("pay 900" in text, "S15 the one whose signature does not hold",
         text)
    t.ok(re.search("^X-Quarantine: Policy;", text, re.M),
         "S15 with the quarantine's name in its header", text)
    t.is_(len(f.sink.messages), 2, "S15 the others were delivered (S14)")
    f.a.milter.wait_log("action=hold .*quarantine=Policy "
                        "by=quarantine_smime_messages .*filters="
                        "quarantine_smime_messages")


FILTERS = """
# Every rule has a message of its own; see cases.
drop_it:    if (subject == "drop me") { drop(); }
bounce_it:  if (subject == "bounce me") { bounce("Not here, $EnvelopeFrom"); }
hold_it:    if (subject == "hold me") { quarantine("Policy"); }
crypt_it:   if (subject == "(?i)confidential" or
                body-contains("(?i)confidential")) {
                smime-gateway("crypt");
            }
sign_it:    if (header("X-Sign")) { smime-gateway-deferred("sign"); }
plain_it:   if (subject == "as it is") { deliver(); }
off!:       if (true) { drop(); }
edit_it:    if (subject == "edit me") {
                strip-header("X-Old");
                insert-header("X-New", "from $RemoteIP by $FilterName");
                edit-header-text("Subject", "edit", "edited");
                tag-message("seen");
                log-entry("$Subject of $EnvelopeFrom");
            } else {
                if (mail-from == "^nobody@") { drop(); }
            }
move_it:    if (subject == "move me") { alt-rcpt-to("z@plain.example"); }
copy_it:    if (subject == "copy me") {
                bcc("archive@plain.example", "[copy] $Subject");
                notify("boss@plain.example", "Seen: $Subject");
            }
quote_it:   if (subject == "^quote") { bounce("$Subject"); }
big:        if (body-size > 2M) { drop(); }
"""


def outcomes(t):
    """S15 what actions do through Postfix"""
    f = Filtered(t, FILTERS).start()
    t.is_(f.send(1, subject="drop me"), None, "S15 drop(): taken")
    got = f.send(2, subject="bounce me")
    t.ok(got and got[0] == 550 and "Not here, x@a.example" in got[1],
         "S15 bounce(): refused with its text", got)
    t.is_(f.send(3, subject="hold me"), None, "S15 quarantine(): taken")
    t.is_(f.send(4, ["k@b.example"], subject="Confidential plan"), None,
          "S15 smime-gateway(): taken")
    t.is_(f.send(5, ["k@b.example"], body=BODY + "CONFIDENTIAL\n"), None,
          "S15 body-contains: taken")
    got = f.send(6, ["k@b.example", "n@b.example"], subject="confidential")
    t.ok(got and got[0] == 550 and "n@b.example" in got[1],
         "S15 smime-gateway(): the profile's no_key holds", got)
    t.is_(f.send(7, fields="X-Sign: yes\n"), None,
          "S15 smime-gateway-deferred(): taken")
    t.is_(f.send(8, fields="X-Sign: yes\n", subject="drop me"), None,
          "S15 a later filter may still drop it: taken")
    t.is_(f.send(9, subject="edit me", fields="X-Old: 1\nX-Old: 2\n"
                 "X-Message-Tag: forged\nX-Quarantine: Policy; forged\n"),
          None, "S15 edits: taken")
    t.is_(f.send(10, sender="nobody@a.example"), None, "S15 else: taken")
    t.is_(f.send(11, ["a@plain.example", "b@plain.example"],
                 subject="move me"), None, "S15 alt-rcpt-to(): taken")
    t.is_(f.send(12, subject="copy me"), None, "S15 bcc(), notify(): taken")
    t.is_(f.send(13, body="x" * 70 + "\n", subject="small"), None, "small")
    t.is_(f.send(14, body=("x" * 70 + "\n") * 33000), None, "S15 body-size")
    f.send(15, subject='quote" action=pass x="')
    t.ok(f.a.milter.wait_log("reply=\"550 5.7.1 quote' action=pass x='\" "),
         "S15 a quote in a subject ends no value in the log")
    f.settle()
    t.is_(f.delivered(1), [], "S15 drop(): nobody got it")
    t.is_(list(f.held().values()), [["y@b.example"]],
          "S15 quarantine(): in the hold queue")
    text = f.held_text(list(f.held())[0])
    t.ok("X-Quarantine: Policy;" in text and "hold_it" in text,
         "S15 quarantine(): name and filter in the header", text)
    for number in (4, 5):
        t.is_(f.delivered(number), [("k@b.example", "crypt")],
              f"S15 smime-gateway(): encrypted ({number})")
    t.is_((f.delivered(6), f.returned(6)), ([], []),
          "S15 smime-gateway(): nobody got it without a key")
    t.is_(f.delivered(7), [("y@b.example", "sign")],
          "S15 smime-gateway-deferred(): signed")
    t.is_(f.delivered(8), [], "S15 dropped after all")
    edited = f.messages(9)[0]
    t.ok(edited.first("Subject").strip() == "edited me" and
         edited.first("X-Old") is None and
         edited.first("X-New").strip() == "from 192.0.2.10 by edit_it" and
         [v.strip() for v in edited.all("X-Message-Tag")] == ["seen"],
         "S15 edits of the header", edited.data)
    t.is_(edited.all("X-Quarantine"), [],
          "S15 a forged X-Quarantine is removed")
    f.a.milter.wait_log('filter=edit_it entry="edited me of x@a.example"')
    t.is_(f.delivered(10), [], "S15 else: dropped")
    t.is_(f.delivered(11), [("z@plain.example", "plain")],
          "S15 alt-rcpt-to(): one other gets it, once")
    t.is_(f.delivered(12), [("archive@plain.example", "plain"),
                            ("y@b.example", "plain")],
          "S15 bcc(): the recipient and the archive, each once")
    copies = {m.recipients[0]: m.first("Subject").strip()
              for m in f.messages(12)}
    t.is_(copies, {"archive@plain.example": "[copy] copy me",
                   "y@b.example": "copy me"},
          "S15 bcc(): the copy's subject")
    notices = [m for m in f.sink.messages
               if m.recipients == ["boss@plain.example"]]
    t.ok(len(notices) == 1 and notices[0].sender == "" and
         notices[0].first("Subject").strip() == "Seen: copy me" and
         b"copy_it" in notices[0].data and SECRET not in notices[0].data,
         "S15 notify(): one notice, without the content",
         *(m.data for m in notices))
    t.is_(f.delivered(14), [], "S15 body-size: dropped")


def dry_run(t):
    """S15 `postseal smime test` tells what filters do"""
    f = Filtered(t, FILTERS)

    def ask(*arguments, subject="x", to=("y@b.example",)):
        words = [w for r in to for w in ("--to", r)]
        done = f.a.milter.postseal(
            "smime", "test", "--json", "--client", "192.0.2.10", "--from",
            "x@a.example", *words, *arguments, "-",
            input=mail(BODY).decode().replace("a test", subject))
        return json.loads(done.stdout)

    got = ask(subject="hold me")
    t.is_((got["deliveries"][0]["disposition"],
           got["deliveries"][0]["quarantine"], got["filters"]),
          ("hold", "Policy", ["hold_it"]), "S15 dry run: quarantine")
    got = ask(subject="drop me")
    t.is_((got["deliveries"][0]["disposition"], got["filters"]),
          ("drop", ["drop_it"]), "S15 dry run: drop")
    got = ask(subject="copy me")
    t.is_([d["recipients"] for d in got["deliveries"]],
          [["y@b.example"], ["archive@plain.example"]],
          "S15 dry run: copies are deliveries")
    t.is_(got["notices"], ["<boss@plain.example>"], "S15 dry run: notices")
    got = ask(subject="confidential", to=["k@b.example"])
    t.is_((got["deliveries"][0]["steps"], got["deliveries"][0]["profile"]),
          (["encrypt"], "crypt"), "S15 dry run: encryption")
    got = ask(subject="edit me")
    t.is_(got["log_entries"],
          ['filter=edit_it entry="edited me of x@a.example"'],
          "S15 dry run: log entries")


# --- S16 ---------------------------------------------------------------------

POLICY_FILTERS = """
crypt: if (subject == "confidential" or body-contains("account")) {
    smime-gateway("crypt");
}
hold: if (true) { quarantine("Review"); }
drop: if (true) { drop(); }
bounce: if (true) { bounce(); }
edit: if (true) { insert-header("X-Policy", "edited for $EnvelopeRecipients"); }
sign: if (true) { smime-gateway-deferred("sign"); }
tagged: if (subject == "(?i)urgent") { insert-header("X-Urgent", "yes"); }
"""

POLICIES = "".join(f"""
mail-policy {name} {{
    direction = outgoing
    recipients = {name}.example
    filters = {filters}
}}
""" for name, filters in (("crypt", "crypt"), ("hold", "hold"),
                          ("drop", "drop"), ("bounce", "bounce"),
                          ("edit", "edit"), ("sign", "sign, edit")))

OUTCOMES = {"y@plain.example": "plain", "k@crypt.example": "crypt",
            "n@hold.example": "hold", "n@drop.example": "drop",
            "n@bounce.example": "bounce", "n@edit.example": "plain",
            "n@sign.example": "sign"}


def pairs(t):
    """S16 two recipients under every pair of outcomes"""
    f = Filtered(t, POLICY_FILTERS, POLICIES)
    f.a.set(quarantine="Policy, Review")
    f.start()
    sent, refused, users = {}, {}, list(OUTCOMES)
    for at, one in enumerate(users):
        for two in users[at:]:
            number = len(sent) + 1
            sent[number] = [one] if one == two else [one, two]
            refused[number] = f.send(number, sent[number])
    f.settle()
    held = {}
    for queue_id, recipients in f.held().items():
        text = f.held_text(queue_id)
        number = int(re.search(r"<(\d+)@test.example>", text)[1])
        t.ok("X-Quarantine: Review;" in text, "S16 held under its name")
        held[number] = recipients
    for number, to in sent.items():
        name = "S16 " + " and ".join(f"{r} ({OUTCOMES[r]})" for r in to)
        expected = (
            sorted((r, OUTCOMES[r]) for r in to
                   if OUTCOMES[r] in ("plain", "crypt", "sign")),
            [r for r in to if OUTCOMES[r] == "hold"],
            [r for r in to if OUTCOMES[r] == "bounce"])
        got = (f.delivered(number), held.get(number, []),
               f.returned(number))
        if expected[2] == to:
            t.ok(got == ([], [], []) and refused[number] and
                 refused[number][0] == 550, name, got, refused[number])
        else:
            t.is_((got, refused[number]), (expected, None), name)
    for number, to in sent.items():
        for m in f.messages(number):
            expected = [r for r in m.recipients
                        if r in ("n@edit.example", "n@sign.example")]
            got = [v.strip() for v in m.all("X-Policy")]
            if got != [f"edited for {', '.join(expected)}"
                       ][:1 if expected else 0]:
                t.ok(False, "S16 edits are for a policy's recipients only",
                     m.recipients, got)
    t.ok(True, "S16 edits are for a policy's recipients only")
    release(t, f)


def release(t, f):
    """What was held is delivered when released, in the form it had."""
    queue_id, recipients = next(iter(f.held().items()))
    before = len(f.sink.messages)
    f.a.postfix.run("postsuper", "-H", queue_id)
    f.a.postfix.flush()
    f.sink.wait(before + 1)
    message = f.sink.messages[-1]
    t.is_((message.recipients, f.form(message)), (recipients, "plain"),
          "S15 released mail is delivered")


def message_then_policy(t):
    """S16 message filters first, once; then the policies'"""
    f = Filtered(t, """
first: if (rcpt-to == "@crypt") { insert-header("X-First", "$EnvelopeRecipients"); }
crypt: if (header("X-First")) { smime-gateway("crypt"); }
stop:  if (subject == "stop") { deliver(); }
""", """
mail-policy crypt {
    direction = outgoing
    recipients = crypt.example
    filters = crypt
    profile = sign
}
""").start()
    t.is_(f.send(1, ["k@crypt.example", "y@plain.example"]), None, "taken")
    t.is_(f.send(2, ["k@crypt.example"], subject="stop"), None, "taken")
    f.settle()
    t.is_(f.delivered(1), [("k@crypt.example", "crypt"),
                           ("y@plain.example", "plain")],
          "S16 a policy's filter sees what message filters did")
    t.is_(sorted(m.first("X-First").strip() for m in f.messages(1)),
          ["k@crypt.example, y@plain.example"] * 2,
          "S16 a message filter sees all recipients")
    t.is_(f.delivered(2), [("k@crypt.example", "plain")],
          "S16 deliver() leaves filters and profile of the policy out")


LIKE_EACH_OTHER = """
arch: if (true) {
    bcc("archive@arch.example");
    notify("boss@boss.example");
    alt-rcpt-to("z@crypt.example");
}
hold: if (body-contains("account [0-9]+")) {
    smime-gateway-deferred("crypt");
    quarantine("Policy");
}
tell: if (true) { notify("$EnvelopeRecipients"); }
"""


def like_each_other(t):
    """S16 what two policies ask for alike is done for each, once"""
    f = Filtered(t, LIKE_EACH_OTHER, "".join(f"""
mail-policy {name} {{
    direction = outgoing
    recipients = {name}.example
    filters = {filters}
}}
""" for name, filters in (("one", "arch"), ("two", "arch"),
                          ("hold", "hold"), ("tell", "tell"))) + """
mail-policy crypt {
    direction = outgoing
    recipients = crypt.example
    profile = split
}
""")
    z = f.pki.leaf("z", key=EC, usage="keyAgreement",
                   email=["z@crypt.example"])
    f.a.add_keys(z)
    f.start()
    t.is_(f.send(1, ["a@one.example", "b@two.example"]), None,
          "S16 two policies with the same filter: taken")
    t.is_(f.send(2, ["k@hold.example"]), None, "S16 held: taken")
    t.is_(f.send(3, ["a@tell.example", "b@tell.example", "c@plain.example"]),
          None, "S16 recipients are told: taken")
    got = f.send(4, ["hold.example!k@hold.example"])
    t.ok(got and got[0] == 550 and "not written plainly" in got[1],
         "S16 filters of a policy cannot be evaded by how a recipient is "
         "written", got)
    f.settle()
    t.is_(sorted(r for m in f.messages(1) for r in m.recipients),
          ["archive@arch.example"] * 2 + ["z@crypt.example"] * 2,
          "S16 each policy's copy, and each policy's mail, once")
    t.is_([is_encrypted(m) for m in f.messages(1)
           if m.recipients == ["z@crypt.example"]], [True, True],
          "S16 who gets it instead gets it by the profile of his own policy")
    t.is_(len([m for m in f.sink.messages
               if m.recipients == ["boss@boss.example"]]), 2,
          "S16 each policy's notice once")
    text = f.held_text(list(f.held())[0])
    t.ok("X-Quarantine: Policy;" in text and "account" not in text,
         "S16 nothing of the text stands in X-Quarantine", text)
    notices = [m for m in f.sink.messages if m.sender == "" and
               any(r.endswith("@tell.example") for r in m.recipients)]
    t.ok(notices and all(
        m.all("To") == ["undisclosed-recipients:;"] and
        b"Recipient:" not in m.data and b"plain.example" not in
        m.body.replace(b"=\r\n", b"").partition(b"Its header")[0]
        for m in notices), "S16 recipients are not told of each other",
        *(m.data for m in notices))


# --- changes, faults ----------------------------------------------------------

def reload(t):
    """S15 changed filters are taken up; a broken new file keeps the old"""
    f = Filtered(t, 'one: if (subject == "one") { drop(); }\n').start()
    f.send(1, subject="one")
    f.write('one: if (subject == "two") { drop(); }\n')
    time.sleep(1.2)
    f.send(2, subject="one")
    f.send(3, subject="two")
    f.write('one: if (subject == "three") { drp(); }\n')
    time.sleep(1.2)
    f.send(4, subject="two")
    time.sleep(2.5)
    f.send(5, subject="two")
    f.a.milter.wait_log(r"alert=raised class=smime name=filters .*:1:\d+: "
                        ".*drp")
    os.remove(f.path)
    time.sleep(3.5)
    f.send(6, subject="two")
    f.write("")
    time.sleep(1.2)
    f.send(7, subject="two")
    f.settle()
    t.is_([n for n in range(1, 8) if f.delivered(n)], [2, 7],
          "S15 only the filters of the moment drop")


def broken(t):
    """S15 errors name file, line and column"""
    f = Filtered(t, 'a: if (true) { drop(); }\n')
    for text, want in (
            ("a: if (subjct == \"x\") { drop(); }", r":1:8: .*subject"),
            ("a: if (true) {\n  drop()\n  bounce();\n}", r":3:3: "),
            ("a: if (true) { smime-gateway(\"crpt\"); }",
             r":1:30: .*crypt"),
            ("a: if (true) { quarantine(\"Polcy\"); }", r":1:27: .*Policy"),
            ("a: if (subject == \"(\") { drop(); }", r":1:"),
            ("a: if (true) { drop(); }\na: if (true) { drop(); }",
             r":2:1: "),
    ):
        f.write(text)
        done = f.a.milter.call("-t")
        t.ok(done.returncode == 78 and re.search(
            re.escape(f.path) + want, done.stderr),
            f"S15 P3 {text!r} is refused with its place", done.stderr)
    f.write("")
    text = open(f.a.milter.config_file).read()
    f.a.milter.configure(text + "mail-policy p {\n  direction = outgoing\n"
                         "  filters = nope\n}\n")
    done = f.a.milter.call("-t")
    t.ok(done.returncode == 78 and "nope" in done.stderr and
         "postseal.conf:" in done.stderr,
         "S16 P3 a policy with an unknown filter is refused", done.stderr)
    f.a.milter.configure(text.replace(f.path, f.path + ".gone"))
    done = f.a.milter.call("-t")
    t.ok(done.returncode == 78 and ".gone" in done.stderr,
         "S15 P3 a file that is named must be there", done.stderr)


def hostile(t):
    """S15 a search without end is a temporary failure, not a miss"""
    f = Filtered(t, 'evil: if (body-contains("^(0|00|0+)+(0+0+)+$")) '
                 '{ smime-gateway("crypt"); }\n').start()
    began = time.monotonic()
    got = f.send(1, ["k@b.example"], body="0" * 400 + "!\n" + BODY)
    t.ok(got and got[0] == 451, "S15 451 when a limit is hit", got)
    t.ok(time.monotonic() - began < 20, "S15 within seconds")
    f.a.milter.wait_log("filter evil: rule body-contains: ")
    t.is_(f.send(2, ["k@b.example"]), None, "S15 other mail passes")
    f.settle()
    t.is_(f.delivered(1), [], "P4 nothing left in clear")


def faults(t):
    """P4 the listener for held copies is gone: nothing is lost or doubled"""
    f = Filtered(t, POLICY_FILTERS, POLICIES)
    f.a.set(quarantine="Policy, Review", reinject_timeout="2s")
    text = open(f.a.milter.config_file).read()
    port = re.search(r"reinject_hold = smtp://127.0.0.1:(\d+)", text)[1]
    f.a.milter.configure(text.replace(f"reinject_hold = smtp://127.0.0.1:"
                                      f"{port}", "reinject_hold = "
                                      "smtp://127.0.0.1:1"))
    f.start()
    to = ["y@plain.example", "n@hold.example"]
    got = f.send(1, to)
    t.ok(got and got[0] == 451, "P4 451 while it is gone", got)
    f.a.milter.configure(text)
    f.a.milter.restart()
    t.is_(f.send(1, to), None, "P4 taken when it is back")
    f.settle()
    t.is_(f.delivered(1), [("y@plain.example", "plain")],
          "P4 who had it already does not get it twice")
    t.is_(list(f.held().values()), [["n@hold.example"]],
          "P4 and the held copy is there, once")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(example, outcomes, dry_run, pairs, message_then_policy,
         like_each_other, reload, broken, hostile, faults)
