#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
What filters quarantine is on hold; `postseal quarantine` lists, shows,
releases and deletes it.  Here messages come to the listener that holds
with the field that the milter would have given them.
"""

import json
import os
import pty
import pwd
import re
import subprocess
import sys
import time

from harness import (Milter, Postfix, Sink, SmtpClient, SmtpError, crlf,
                     libexec, main, new_directory, program, standard_config,
                     wait_for)

HOST = "gw.a.example"
BODY = b"Hello.\r\n.\r\n\xc3\xa4\tend \r\n"


def field(name="Policy", more="", by=HOST):
    return f"X-Quarantine: {name}; by={by}{more}\n"


def mail(number, fields=None, subject="a test", body=BODY):
    """A message to which Postfix adds nothing but its Received field."""
    head = (f"From: s@a.example\nTo: r@b.example\nSubject: {subject}\n"
            f"Message-ID: <{number}@test.example>\n"
            "Date: Thu, 1 Jan 2026 12:00:00 +0000\n"
            f"{field() if fields is None else fields}")
    return crlf(head.encode("utf-8", "surrogateescape") + b"\n") + body


class Site:
    """A Postfix that holds, where its mail goes, and the command."""

    def __init__(self, settings="", **parameters):
        self.sink = Sink()
        self.postfix = Postfix("a", hostname=HOST, relay=self.sink.port)
        self.postfix.set(**parameters)
        self.port = self.postfix.hold_listener()
        self.directory = new_directory("conf")
        self.config = os.path.join(self.directory, "postseal.conf")
        self.configure(settings)
        self.postfix.start()

    def configure(self, settings):
        with open(self.config, "w") as file:
            file.write(f"postseal {{ hostname = {HOST} }}\n"
                       f"milter-smime {{\n{settings}\n}}\n")

    def hold(self, number, fields=None, to=("r@b.example",), port=None,
             **options):
        """Puts mail(number) on hold; its queue id."""
        return self.postfix.send("s@a.example", list(to),
                                 mail(number, fields, **options),
                                 port=port or self.port)

    def call(self, *arguments, front=False, memory=None, **options):
        """
        postseal quarantine ...; a CompletedProcess with bytes.  memory:
        KiB of address space it may have.
        """
        command = [program("postseal"), "quarantine"] if front else \
            [program("postseal-quarantine")]
        environment = {**os.environ, "POSTSEAL_LIBEXEC": libexec()}
        if front:
            environment["MAIL_CONFIG"] = self.postfix.config
        else:
            arguments = ("--config-dir", self.postfix.config, *arguments)
        if memory:
            command = ["sh", "-c", f'ulimit -v {memory}; exec "$@"', "sh",
                       *command]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [*command, "-c", self.config, *arguments], env=environment,
            cwd="/", timeout=120, check=False, **options)

    def listed(self, *arguments):
        """The list as {queue id: dict}; a failure is an error."""
        done = self.call("list", "--json", *arguments)
        if done.returncode:
            raise AssertionError(f"{done.returncode}: {done.stderr}")
        return {one["queue_id"]: one for one in json.loads(done.stdout)}

    def held(self):
        """All ids that are on hold, by Postfix's own word."""
        return {e["queue_id"] for e in self.postfix.queue()
                if e["queue_name"] == "hold"}

    def numbers(self):
        """Of the messages that arrived."""
        return sorted(int(m.first("Message-ID")[1:].partition("@")[0])
                      for m in self.sink.messages)


def says(t, done, code, text, name):
    """A status, and a line on standard error."""
    t.ok(done.returncode == code and text.encode() in done.stderr and
         done.stderr.count(b"\n") == 1, name, done)


# --- the listener ------------------------------------------------------------

def listener(t):
    """S15 the listener holds every message"""
    for delay in ("yes", "no"):
        s = Site(smtpd_delay_reject=delay)
        with SmtpClient(s.port) as client:
            client.hello("x")
            ids = {client.mail("s@a.example", ["r@b.example", "q@b.example"],
                               mail(i)) for i in range(3)}
            client.command("RSET", 250)
            ids.add(client.mail("", ["r@b.example"], mail(3)))
            client.quit()
        t.is_(s.held(), ids, "S15 every message of a session is held, "
              f"smtpd_delay_reject = {delay}")
        time.sleep(1)
        t.is_(s.numbers(), [], "S15 and none delivered")
        s.postfix.stop()


# --- list --------------------------------------------------------------------

def listing(t):
    """S15 list"""
    s = Site("quarantine = Policy, Virus, Empty")
    t.is_(s.listed(), {}, "S15 nothing on hold: nothing is listed")
    before = int(time.time())
    one = s.hold(1, field("Policy", '; filter=no_macros; reason="why not"'),
                 to=["r@b.example", "q@b.example"])
    two = s.hold(2, field("virus", "; reason*=UTF-8''f%C3%BCr"),
                 subject="=?utf-8?q?f=C3=BCr?= dich")
    s.hold(3, "")
    got = s.listed()
    t.is_(set(got), {one, two}, "S15 what filters held is listed")
    entry = {e["queue_id"]: e for e in s.postfix.queue()}[one]
    arrived = got[one].pop("arrived")
    t.ok(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", arrived) and
         entry["arrival_time"] >= before - 1 and arrived == time.strftime(
             "%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry["arrival_time"])),
         "S15 when it arrived, as Postfix says", arrived)
    t.is_(got[one], {
        "queue_id": one, "quarantine": "Policy",
        "size": entry["message_size"], "sender": "s@a.example",
        "recipients": ["r@b.example", "q@b.example"],
        "recipients_cut": False, "subject": "a test", "filter": "no_macros",
        "reason": "why not"}, "S15 everything there is to know of it")
    t.is_((got[two]["quarantine"], got[two]["filter"], got[two]["reason"],
           got[two]["subject"]), ("virus", None, "für", "für dich"),
          "S15 of another, with other letters")
    t.is_(set(s.listed("Virus")), {two}, "S15 by name, whatever its case")
    t.is_(set(s.listed("POLICY")), {one}, "S15 by another name")
    t.is_(s.listed("Empty"), {}, "S15 a quarantine may be empty")
    says(t, s.call("list", "Polcy"), 66, "no quarantine Polcy; the settings "
         "have: Policy, Virus, Empty", "S15 one that does not exist is an "
         "error that names those there are")
    s.configure("quarantine = Policy")
    t.is_(set(s.listed("virus")), {two}, "S15 mail of a quarantine that the "
          "settings no longer have is still found")
    table(t, s, one, two)


def table(t, s, one, two):
    done = s.call("list")
    lines = done.stdout.decode().splitlines()
    heading = lines[0]
    t.is_(re.split(r"  +", heading), [
        "QUEUE ID", "QUARANTINE", "ARRIVED", "SIZE", "SENDER", "RECIPIENTS",
        "SUBJECT", "FILTER", "REASON"], "S15 a table has a heading")
    t.is_([line.split()[0] for line in lines[1:]], [one, two],
          "S15 the oldest comes first")
    t.ok(all(line[heading.index(word):].startswith(value)
             for word, value in (("QUARANTINE", "Policy"),
                                 ("SENDER", "s@a.example"),
                                 ("RECIPIENTS", "r@b.example +1"),
                                 ("SUBJECT", "a test"),
                                 ("FILTER", "no_macros"),
                                 ("REASON", "why not"))
             for line in lines[1:2]), "S15 its columns are aligned", lines)
    t.is_(done.stderr, b"", "S15 nothing else is said to a program")


def not_ours(t):
    """S15 what filters did not put on hold"""
    s = Site()
    ours = s.hold(1)
    others = {
        "no field": s.hold(2, ""),
        "another host's field": s.hold(3, field(by="mx.other.example")),
        "a broken field": s.hold(4, "X-Quarantine: Policy\n"),
        "another host's above ours": s.hold(
            5, field(by="mx.other.example") + field()),
    }
    t.is_(set(s.listed()), {ours}, "S15 only ours is listed")
    for name, queue_id in others.items():
        for word, past in (("release", "released"), ("delete", "deleted")):
            says(t, s.call(word, queue_id), 65, f"{queue_id}: not {past}: no "
                 "filter put it on hold", f"S15 {name}: not {past}")
        done = s.call("show", queue_id)
        t.ok(done.returncode == 0 and b"none: no filter put it on hold" in
             done.stdout, f"S15 {name}: may be shown", done)
    done = s.call("release", "--quarantine", "Policy", "--yes")
    t.ok(done.returncode == 0 and b"1 messages released" in done.stdout,
         "S15 a whole quarantine is released", done)
    t.is_(s.held(), set(others.values()), "S15 and nothing else with it")
    done = s.call("release", "--force", others["no field"])
    t.is_((done.returncode, done.stdout.decode()),
          (0, f"{others['no field']} released\n"), "S15 --force releases it")
    done = s.call("delete", "--force", others["a broken field"])
    t.is_(done.returncode, 0, "S15 and deletes it")
    s.sink.wait(2)
    t.is_(s.numbers(), [1, 2], "S15 what was released arrives")


# --- show --------------------------------------------------------------------

HOSTILE = b"a\x1b[2Jb\x07\x9bc\xc2\x9bd\x7f\te\r\n" + b"y" * 3000 + \
    b"\r\n\xe2\x82\xac\xff"


def showing(t):
    """S15 show"""
    s = Site()
    data = mail(1, field(more="; filter=f; reason=r"),
                subject="x\x1b]0;evil\x07y", body=HOSTILE + b"\r\n")
    queue_id = s.postfix.send("s@a.example", ["r@b.example", "q@b.example"],
                              data, port=s.port)
    done = s.call("show", queue_id)
    envelope, _, rest = done.stdout.partition(b"\n\n")
    t.is_([line.split(maxsplit=1)[-1] if not line.startswith("queue id")
           else line.split()[-1] for line in envelope.decode().splitlines()
           if not line.startswith(("arrived", "size"))],
          [queue_id, "Policy", "f", "r", "s@a.example", "r@b.example",
           "q@b.example"], "S15 show: the envelope")
    header, _, body = rest.partition(b"\n\n")
    t.ok(b"Subject: x\\x1b]0;evil\\x07y\n" in header and
         b"X-Quarantine: Policy;" in header,
         "S15 show: the header, control characters visible", header)
    t.is_(body, b"a\\x1b[2Jb\\x07\\x9bc\\xc2\\x9bd\\x7f\te\n" + b"y" * 3000
          + b"\n\xe2\x82\xac\\xff\n", "S15 show: the body, too")
    done = s.call("show", queue_id, "--header")
    t.is_(done.stdout, envelope + b"\n\n" + header + b"\n",
          "S15 show --header: no body")
    raw = s.call("show", queue_id, "--raw").stdout
    t.ok(raw.replace(b"\n", b"\r\n").endswith(data) and
         raw.startswith(b"Received: "),
         "S15 show --raw: the message as it is", raw)
    terminal(t, s, queue_id)
    says(t, s.call("show", "ABCDEF12345"), 66, "no such message on hold",
         "S15 show: one that is not there")
    big(t, s)


def terminal(t, s, queue_id):
    for word in ("show", "list"):
        code, output = on_terminal(s, word, *([queue_id] if word == "show"
                                              else []))
        t.ok(code == 0 and b"Policy" in output and not re.search(
            rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]", output),
            f"S15 {word}: a terminal gets no control characters", output)
    code, output = on_terminal(s, "show", queue_id, "--raw")
    t.ok(code == 64 and output == b"", "S15 show --raw: not for a terminal",
         output)


def on_terminal(s, *arguments):
    """(status, what the terminal was given)"""
    ours, its = pty.openpty()
    # Else a full terminal would hold it up.
    reader = subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    done = s.call(*arguments, stdout=its)
    os.close(its)
    os.close(ours)
    return done.returncode, reader.communicate(timeout=20)[0]


def big(t, s):
    """A message of 48 MB, one line of it 5 MB long."""
    body = b"z" * 5000000 + b"\r\n" + b"0123456789abcde\r\n" * 2500000
    s.postfix.set(message_size_limit="0", mailbox_size_limit="0")
    s.postfix.reload()
    queue_id = wait_for("a larger limit", lambda: _try(s, body))
    done = s.call("show", queue_id, memory=64000)
    shown = done.stdout.partition(b"\n\n")[2].partition(b"\n\n")[2]
    t.ok(shown == body.replace(b"\r\n", b"\n"),
         "S15 show: a large message is shown whole, in little memory",
         done.stderr)
    done = s.call("show", queue_id, "--raw", stdout=open("/dev/full", "w"))
    t.ok(done.returncode in (74, 75), "S15 show: a full disk is an error",
         done)
    s.call("delete", queue_id)


def _try(s, body):
    try:
        return s.hold(9, body=body)
    except SmtpError:
        return None


# --- release and delete ------------------------------------------------------

def releasing(t):
    """S15 release"""
    s = Site()
    texts = {}
    for number, to in ((1, ["r@b.example"]),
                       (2, ["r@b.example", "q@b.example"])):
        queue_id = s.hold(number, to=to)
        texts[queue_id] = (mail(number), to)
    one, two = texts
    begin = time.monotonic()
    done = s.call("release", one)
    t.is_((done.returncode, done.stdout.decode()),
          (0, f"{one} released from quarantine Policy\n"),
          "S15 release says what it did")
    message = s.sink.one()
    t.ok(time.monotonic() - begin < 10, "S15 it is delivered at once")
    t.ok(message.data.endswith(b"\r\n" + texts[one][0]) and
         message.data.count(b"Received: ") == 1,
         "S15 byte for byte", message.data)
    t.is_((message.sender, message.recipients),
          ("s@a.example", ["r@b.example"]), "S15 with its envelope")
    t.is_(s.held(), {two}, "S15 the other stays on hold")
    says(t, s.call("release", one), 66, f"{one}: no such message on hold",
         "S15 it cannot be released again")
    three = s.hold(3)
    done = s.call("release", two, "ABCDEF12345", three, two)
    t.ok(done.returncode == 66 and b"ABCDEF12345: no such message" in
         done.stderr and done.stdout.count(b"\n") == 2,
         "S15 of several, those that are there are released", done)
    s.sink.wait(3)
    t.is_(sorted(r for m in s.sink.messages for r in m.recipients),
          ["q@b.example"] + ["r@b.example"] * 3, "S15 all their recipients "
          "get it, once")
    s.postfix.wait_empty()


def deleting(t):
    """S15 delete"""
    s = Site()
    one, two = s.hold(1), s.hold(2)
    done = s.call("delete", one)
    t.is_((done.returncode, done.stdout.decode()),
          (0, f"{one} deleted from quarantine Policy\n"),
          "S15 delete says what it did")
    t.is_(s.held(), {two}, "S15 it is gone, the other not")
    says(t, s.call("show", one), 66, "no such message on hold",
         "S15 it cannot be shown any more")
    s.call("release", two)
    s.sink.one()
    time.sleep(2.5)
    t.is_(s.numbers(), [2], "S15 it never arrives, nor does its sender hear "
          "of it")


def wholesale(t):
    """S15 a whole quarantine"""
    s = Site("quarantine = Policy, Virus")
    policy = {s.hold(i) for i in range(5)}
    virus = {s.hold(10 + i, field("Virus")) for i in range(3)}
    for word, past in (("release", "released"), ("delete", "deleted")):
        done = s.call(word, "--quarantine", "Policy")
        t.is_((done.returncode, done.stdout.decode()),
              (64, "5 messages are in quarantine Policy; none was "
               f"{past}: say --yes\n"), f"S15 {word} without --yes counts")
    t.is_(s.held(), policy | virus, "S15 and touches nothing")
    done = s.call("delete", "--quarantine", "Virus", "--yes")
    t.ok(done.returncode == 0 and sorted(
        done.stdout.decode().splitlines()) == sorted(
            [f"{i} deleted from quarantine Virus" for i in virus]
            + ["3 messages deleted"]), "S15 delete --yes deletes it", done)
    done = s.call("release", "--quarantine", "policy", "--yes")
    t.ok(done.returncode == 0 and b"5 messages released\n" in done.stdout,
         "S15 release --yes releases the other", done)
    s.sink.wait(5)
    s.postfix.wait_empty()
    t.is_(s.numbers(), [0, 1, 2, 3, 4], "S15 that arrives, and nothing else")
    done = s.call("release", "--quarantine", "Policy", "--yes")
    t.is_((done.returncode, done.stdout), (0, b"nothing is in quarantine "
                                           b"Policy\n"),
          "S15 an empty quarantine is no error")
    says(t, s.call("delete", "--quarantine", "Polcy", "--yes"), 66,
         "there is no quarantine Polcy", "S15 one that does not exist is")


def wrong(t):
    """S15 what cannot be meant"""
    s = Site()
    held = s.hold(1)
    s.sink.replies = {"RCPT": "451 4.3.0 later"}
    deferred = s.postfix.send("s@a.example", ["r@b.example"], mail(2))
    wait_for("it to be deferred", lambda: [
        e for e in s.postfix.queue() if e["queue_name"] == "deferred"])
    for word in ("release", "delete", "show"):
        says(t, s.call(word, deferred), 66, f"{deferred}: no such message on "
             "hold", f"S15 {word}: not what is in another queue")
    t.ok(deferred in {e["queue_id"] for e in s.postfix.queue()},
         "S15 it is still there")
    for bad in ("ALL", "../" + held, f"{held};id", f"{held} {held}", "-", "",
                "*", f"{held}\n{held}", held[:4], "A" * 65):
        for word in ("release", "delete", "show"):
            says(t, s.call(word, "--", bad), 64, "is no queue id",
                 f"S15 {word} {bad[:20]!r}: no queue id")
    for bad in ((), ("frobnicate",), ("list", "a", "b"), ("list", "a b"),
                ("show",), ("show", held, held), ("release",),
                ("release", held, "--quarantine", "Policy"),
                ("release", "--quarantine", "Policy", "--force", "--yes"),
                ("release", "--quarantine", ""), ("list", "--raw"),
                ("show", held, "--raw", "--header"), ("show", held, "--yes"),
                ("release", held, "--json"), ("list", "--status"),
                ("delete", "--nonsense", held), ("release", "-c")):
        says(t, s.call(*bad), 64, "--help tells more",
             f"S15 {' '.join(bad)}: refused")
    t.is_(s.held(), {held}, "S15 nothing was touched by all this")
    with open(s.config, "a") as file:
        file.write("nonsense { }\n")
    done = s.call("list")
    t.ok(done.returncode == 78 and b"nonsense" in done.stderr,
         "S15 settings that cannot be read are an error", done)
    s.configure("")
    s.postfix.run("postsuper", "-H", held)
    says(t, s.call("release", held), 66, f"{held}: no such message on hold",
         "S15 what the administrator released himself is not on hold")


def stopped(t):
    """S15 while Postfix is down, or not there"""
    s = Site()
    one, two = s.hold(1), s.hold(2)
    s.postfix.stop()
    done = s.call("list")
    t.ok(done.returncode == 0 and done.stdout.count(b"Policy") == 2,
         "S15 list works while Postfix is down", done)
    done = s.call("delete", one)
    t.ok(done.stdout == f"{one} deleted from quarantine Policy\n".encode(),
         "S15 so does delete", done)
    done = s.call("release", two)
    t.ok(f"{two} released from quarantine".encode() in done.stdout,
         "S15 and release", done)
    s.postfix.start()
    s.sink.wait(1)
    t.is_(s.numbers(), [2], "S15 it is delivered when Postfix is back")
    done = s.call("--config-dir", "/nonexistent", "list")
    t.ok(done.returncode == 75 and b"/nonexistent" in done.stderr,
         "S15 a Postfix that is not there is an error", done)


# --- hostile mail ------------------------------------------------------------

def hostile(t):
    """S15 hostile mail in the list"""
    s = Site(smtputf8_enable="yes", strict_rfc821_envelopes="no")
    subjects = {
        "control characters": "a\x1b[31mb\x07\x7fc",
        "UTF-8": "\u00e4\u20ac\U0001f512 \u202egnp.exe",
        "no UTF-8": "a\udcff\udcfe",
        "1,000 characters": "x" * 1000,
        "1,000 blanks": "a" + " " * 900 + "b",
        "60,000 characters": "\n ".join(["y" * 70] * 850),
        "encoded control characters": "=?utf-8?q?a=1B[2J=C2=9B=0Ab?=",
        "fields in it": "x\n\tX-Quarantine: Evil; by=" + HOST,
        "a mark": "*** MESSAGE FILE END hold/x ***",
        "nothing": "",
    }
    ids = {s.hold(i, subject=subject): name
           for i, (name, subject) in enumerate(subjects.items())}
    got = s.listed()
    t.is_({i: e["quarantine"] for i, e in got.items()},
          dict.fromkeys(ids, "Policy"), "S15 all are listed")
    for queue_id, name in ids.items():
        subject = got[queue_id]["subject"]
        t.ok(subject.isprintable() or name == "UTF-8",
             f"S15 subject with {name}: safe", subject)
    by_name = {name: got[i]["subject"] for i, name in ids.items()}
    t.is_(by_name["UTF-8"], subjects["UTF-8"], "S15 UTF-8 stays")
    t.is_(by_name["1,000 characters"], "x" * 1000, "S15 JSON has it whole")
    lines = s.call("list").stdout.decode().splitlines()
    t.ok(len(lines) == 1 + len(ids) and max(map(len, lines)) < 400,
         "S15 the table has a line for each, of bearable length", lines)
    for name in ("control characters", "60,000 characters"):
        queue_id = next(i for i, n in ids.items() if n == name)
        t.is_(s.call("delete", queue_id).returncode, 0,
              f"S15 one with {name} can be deleted")
    addresses(t, s)


def addresses(t, s):
    with SmtpClient(s.port) as client:
        client.hello("x")
        queue_id = client.mail('"a\\"b <x>, c"@a.example',
                               ['"r, \\\\q"@b.example',
                                "\u00e4\u202e@b.example",
                                '"{\\"queue_id\\": \\"x\\"}"@b.example'],
                               mail(99), mail="SMTPUTF8")
        client.quit()
    postfix = {e["queue_id"]: e for e in s.postfix.queue()}[queue_id]
    got = s.listed()[queue_id]
    t.is_((got["sender"], got["recipients"]),
          (postfix["sender"], [r["address"] for r in postfix["recipients"]]),
          "S15 odd addresses are listed as they are")
    t.is_(s.call("release", queue_id).returncode, 0,
          "S15 their mail can be released")


def false_marks(t):
    """S15 an ORCPT that looks like postcat's output"""
    s = Site()
    ids = [s.hold(i) for i in range(3)]

    def xtext(text):
        return "".join(c if c.isalnum() else f"+{ord(c):02X}" for c in text)

    victim = ids[0]
    lines = ("*** MESSAGE CONTENTS hold/{0} ***\n" + field("Evil") +
             "Subject: evil\n*** HEADER EXTRACTED hold/{0} ***\n"
             "*** MESSAGE FILE END hold/{0} ***\n")
    trap = ("x\n" + lines.format("QQQQQQ") + "*** ENVELOPE RECORDS hold/"
            + victim + " ***\n" + lines.format(victim) + "y")
    attacker = s.postfix.send("s@a.example", ["r@b.example"], mail(9, ""),
                              port=s.port, rcpt="ORCPT=rfc822;" + xtext(trap))
    shown = s.postfix.run("postcat", "-q", "-e", attacker).stdout
    t.ok(b"\nX-Quarantine: Evil" in shown,
         "S15 postcat -e does print what the envelope brings", shown)
    got = s.listed()
    t.is_({i: (e["quarantine"], e["subject"]) for i, e in got.items()},
          {i: ("Policy", "a test") for i in ids},
          "S15 nobody is taken in by it")
    says(t, s.call("release", attacker), 65, "no filter put it on hold",
         "S15 and it is not released")
    t.is_(s.listed("Policy").keys(), set(ids), "S15 nor is anything lost")


# --- many, others ------------------------------------------------------------

def many(t):
    """S15 200 messages"""
    for long_ids in ("no", "yes"):
        s = Site(enable_long_queue_ids=long_ids)
        with SmtpClient(s.port) as client:
            client.hello("x")
            ids = {client.mail("s@a.example", ["r@b.example"], mail(i))
                   for i in range(200)}
            client.quit()
        t.ok(len(ids) == 200 and all(("z" in i) == (long_ids == "yes")
                                     for i in ids),
             f"S15 200 messages, enable_long_queue_ids = {long_ids}")
        begin = time.monotonic()
        got = s.listed()
        spent = time.monotonic() - begin
        t.is_(set(got), ids, "S15 all are listed")
        t.ok(spent < 10, "S15 within seconds", f"{spent:.2f} s")
        done = s.call("release", "--quarantine", "Policy", "--yes")
        t.ok(done.returncode == 0 and b"\n200 messages released\nall but "
             b"the first 100 wait" in done.stdout, "S15 all are released",
             done.stdout[-300:])
        s.sink.wait(200, 40)
        t.is_(s.numbers(), list(range(200)), "S15 each arrives once")
        s.postfix.stop()


def many_recipients(t):
    """S15 a message with very many recipients"""
    s = Site(smtpd_recipient_limit="100000")
    to = [f"{'r' * 50}{i}@b{'x' * 50}.example" for i in range(10000)]
    queue_id = s.hold(1, to=to)
    got = s.listed()[queue_id]
    t.ok(got["recipients"] == [] and got["recipients_cut"],
         "S15 it is listed, without them", str(got)[:300])
    lines = s.call("list").stdout
    t.ok(b"(too many to list)" in lines, "S15 the table says so", lines)
    t.is_(s.call("delete", queue_id).returncode, 0, "S15 it can be deleted")


def rights(t):
    """S15 who is not root"""
    s = Site()
    held = s.hold(1)
    entry = pwd.getpwnam("nobody")
    path = os.path.join(libexec(), "postseal-quarantine")

    def call(*words):
        return subprocess.run(
            [path, "-c", s.config, "--config-dir", s.postfix.config, *words],
            user=entry.pw_uid, group=entry.pw_gid, extra_groups=[],
            capture_output=True, check=False, cwd="/")

    for words in (("list",), ("show", held), ("release", held),
                  ("delete", held)):
        done = call(*words)
        says(t, done, 77, "this needs root", f"S15 {words[0]}: refused")
        t.is_(done.stdout, b"", f"S15 {words[0]}: nothing is shown")
    t.is_(json.loads(call("--status", "--json").stdout),
          {"held": "unknown: needs root"},
          "S15 status says that it does not know")
    t.is_(s.held(), {held}, "S15 nothing was touched")


# --- postseal status, postseal check -----------------------------------------

def front(t):
    """S15 postseal quarantine, status and check"""
    s = Site("quarantine = Policy, Virus")
    ids = {s.hold(1), s.hold(2)}
    s.hold(3, field("Gone"))
    s.hold(4, "")
    done = s.call("list", "--json", "policy", front=True)
    t.is_({one["queue_id"] for one in json.loads(done.stdout)}, ids,
          "S15 postseal quarantine list, MAIL_CONFIG says of which Postfix")
    done = s.call("--status", "--json", front=True)
    status = json.loads(done.stdout)
    t.ok(0 <= status.pop("oldest_age") < 60 and
         0 <= status["quarantines"]["Policy"].pop("oldest_age") < 60,
         "S15 status: the age of the oldest", done.stdout)
    t.ok(status.pop("oldest").endswith("Z"), "S15 status: its time")
    for one in status["quarantines"].values():
        one.pop("oldest", None)
        one.pop("oldest_age", None)
    t.is_(status, {"held": 3, "quarantines": {
        "Policy": {"held": 2}, "Virus": {"held": 0}, "Gone": {"held": 1}},
        "other_on_hold": 1}, "S15 status: how many, each by name")
    findings = json.loads(s.call("--self-check", "--json",
                                 front=True).stdout)
    t.is_([(f["severity"], f["text"].partition(", the oldest")[0])
           for f in findings],
          [("ok", "2 messages in quarantine Policy"),
           ("warning", "1 messages in quarantine Gone, which the settings do "
            "not have")], "S15 check: what is held, and what is orphaned")
    done = s.call("--describe", front=True)
    t.ok(done.returncode == 0 and done.stdout.count(b"\n") == 1,
         "S15 it says what it is", done)


def checks(t):
    """S15 postseal check looks at the listener"""
    sink = Sink()
    postfix = Postfix("a", hostname=HOST, relay=sink.port)
    good, bad = postfix.hold_listener(), postfix.listener()
    postfix.start()
    milter = Milter(standard_config(HOST), postfix, environment={
        "MAIL_CONFIG": postfix.config})
    text = open(milter.config_file).read()

    def findings(lines):
        milter.configure(text.replace("milter-smime {", "milter-smime {\n"
                                      + lines))
        done = milter.postseal("smime", "--self-check", "--json")
        return [f["text"] for f in json.loads(done.stdout)
                if "hold" in f["text"]]

    t.is_(findings("reinject_hold = smtp://127.0.0.1:1\n"), [],
          "S15 without filters nobody asks for it")
    filters = os.path.join(milter.directory, "filters")
    with open(filters, "w") as file:
        file.write('f: if (true) { quarantine("Policy"); }\n')
    lines = f"filters = {filters}\nreinject_hold = smtp://127.0.0.1:%d\n"
    t.is_(findings(lines % good), [], "S15 one that holds is well")
    got = findings(lines % 1)
    t.ok(len(got) == 1 and "cannot connect" in got[0],
         "S15 one that does not answer is found", got)
    got = findings(lines % bad)
    t.ok(len(got) == 1 and f"127.0.0.1:{bad}/inet" in got[0] and
         "delivered" in got[0], "S15 one that holds nothing is found", got)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    try:
        program("postseal-quarantine")
    except FileNotFoundError as why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)
    main(listener, listing, not_ours, showing, releasing, deleting, wholesale,
         wrong, stopped, hostile, false_marks, many, many_recipients, rights,
         front, checks)
