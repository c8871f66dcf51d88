#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The harness itself: what the other tests take for granted."""

import os
import signal
import subprocess
import sys
import time

from harness import (Milter, Pki, Postfix, SaslServer, Sink, SmtpError,
                     cms_sign, cms_verify, main, program,
                     standard_config, wait_for)

BODY = (b"A first line\r\n.\r\n..two dots\r\n.one\r\nFrom here\r\n"
        b"blanks at the end \t\r\n\r\n\r\n")
MESSAGE = (b"From: x@a.example\r\nTo: y@b.example\r\n"
           b"Subject: a long one,\r\n\tfolded\r\n"
           b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
           b"Message-ID: <1@a.example>\r\n\r\n" + BODY)


def started(postfix):
    """start(), and how long that took."""
    begin = time.monotonic()
    postfix.start()
    return time.monotonic() - begin


def pair():
    sink = Sink()
    b = Postfix("b", relay=sink.port)
    a = Postfix("a", relay=b.port)
    return a, b, sink


def passes_unchanged(t):
    """mail passes from A over B to a sink"""
    a, b, sink = pair()
    for postfix in (b, a):
        seconds = started(postfix)
        t.ok(seconds < 3, f"{postfix!r} starts within 3 seconds",
             f"{seconds:.2f} s")
    queue_id = a.send("x@a.example", ["y@b.example", "z@b.example"], MESSAGE)
    message = sink.one()
    t.is_(message.sender, "x@a.example", "the sender arrives")
    t.is_(sorted(message.recipients), ["y@b.example", "z@b.example"],
          "the recipients arrive")
    t.is_(message.body, BODY, "the body arrives byte for byte")
    t.ok(message.data.endswith(MESSAGE), "the header too, below Received",
         message.data)
    t.is_(len(message.all("Received")), 2, "it went through both")
    t.is_(message.first("subject"), "a long one,\tfolded",
          "header fields are found by name and unfolded")
    t.ok(a.wait_log(f"{queue_id}: .*status=sent"), "the log tells of it")


def eight_bit(t):
    """Postfix converts 8-bit mail for an old server"""
    old = Sink(features=("PIPELINING",))
    new = Sink()
    postfix = Postfix("a", relay=old.port)
    postfix.route("new.example", new.port).start()
    data = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8"
            b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n")
    postfix.send("x@a.example", ["y@old.example", "y@new.example"], data,
                 mail="BODY=8BITMIME")
    t.is_(new.one().body, b"\xc3\xbc\r\n", "8BITMIME: the body as it was")
    t.is_(old.one().body, b"=C3=BC\r\n",
          "no 8BITMIME: recoded on the way, which would break a signature")


def queue_and_sink_replies(t):
    """a sink refuses, waits, and Postfix tries again"""
    replies = {"EOD": "451 4.3.0 later",
               "nobody@b.example": "550 5.1.1 nobody"}
    sink = Sink(replies=lambda stage, argument:
                replies.get(stage if stage == "EOD" else argument))
    postfix = Postfix("a", relay=sink.port).start()
    postfix.send("x@a.example", ["y@b.example"], MESSAGE)
    postfix.wait_log("status=deferred .*451 4.3.0 later")
    queue = postfix.queue()
    t.is_([r["address"] for m in queue for r in m["recipients"]],
          ["y@b.example"], "what is deferred is listed")
    t.is_(sink.messages, [], "what was refused is not kept")
    del replies["EOD"]
    sink.one()
    postfix.wait_empty()
    t.ok(True, "it is delivered as soon as the sink agrees")
    sink.clear()
    postfix.send("x@a.example", ["nobody@b.example"], MESSAGE)
    postfix.wait_log("status=bounced .*550 5.1.1 nobody")
    t.is_(sink.one().sender, "", "a bounce arrives with the null sender")


def local_submission(t):
    """sendmail submits to the private instance"""
    sink = Sink()
    postfix = Postfix("a", relay=sink.port).start()
    postfix.sendmail("x@a.example", ["y@b.example"],
                     b"Subject: local\n\nhello\n")
    message = sink.one()
    t.is_(message.body, b"hello\r\n", "the body arrives")
    t.is_(message.first("Subject"), "local", "the header arrives")


def clients(t):
    """listeners, other clients and authenticated ones"""
    sink = Sink()
    postfix = Postfix("a", relay=sink.port)
    SaslServer(postfix)
    submission = postfix.listener(
        "submission",
        smtpd_relay_restrictions="permit_sasl_authenticated, reject")
    postfix.start()
    try:
        postfix.send("x@a.example", ["y@b.example"], MESSAGE, submission)
        t.ok(False, "a listener has its own restrictions")
    except SmtpError as why:
        t.is_((why.stage, why.code), ("RCPT", 554),
              "a listener has its own restrictions")
    postfix.send("x@a.example", ["y@b.example"], MESSAGE, submission,
                 auth="x")
    postfix.wait_log("sasl_username=x")
    postfix.send("x@a.example", ["y@b.example"], MESSAGE, submission,
                 xclient={"ADDR": "192.0.2.7", "NAME": "mx.c.example",
                          "LOGIN": "otto"})
    t.ok(postfix.wait_log(r"client=mx\.c\.example\[192\.0\.2\.7\].*=otto"),
         "XCLIENT makes another client and user")
    t.is_(len(sink.wait(2)), 2, "both mails arrive")


def certificates(t):
    """certificates are made as asked"""
    pki = Pki()
    root = pki.ca("root")
    issuing = pki.ca("issuing", root)
    leaf = pki.leaf("x", issuing, email=["x@a.example"], dns=["a.example"])
    signed = cms_sign(b"Content-Type: text/plain\r\n\r\nhello\r\n", leaf)
    good, content, why = cms_verify(signed, root.cert)
    t.ok(good, "a chain over an intermediate verifies", why)
    t.ok(content.endswith(b"hello\r\n"), "and gives the content", content)
    good, _, _ = cms_verify(signed.replace(b"hello", b"hullo"), root.cert)
    t.ok(not good, "an altered message does not verify")
    expired = pki.leaf("old", issuing, email=["x@a.example"], start=-9,
                       end=-2)
    good, _, why = cms_verify(cms_sign(b"\r\nx\r\n", expired, opaque=True),
                              root.cert)
    t.ok(not good and "expired" in why, "an expired one is expired", why)
    crls = os.path.join(pki.directory, "crls")
    os.mkdir(crls)
    pki.revoke(leaf)
    pki.crl(root, crls)
    pki.crl(issuing, crls)
    check = subprocess.run(
        ["openssl", "verify", "-crl_check_all", "-CAfile", root.cert,
         "-CApath", crls, "-untrusted", issuing.cert, leaf.cert],
        capture_output=True, text=True)
    t.ok("certificate revoked" in check.stderr, "a revoked one is revoked",
         check.stderr)
    alone = pki.leaf("self", email=["z@a.example"], key="rsa:2048")
    good, _, why = cms_verify(cms_sign(b"\r\nx\r\n", alone), alone.cert)
    t.ok(good, "a self-signed one verifies when trusted itself", why)


def side_by_side(t):
    """several processes and instances do not clash"""
    if os.environ.get("HARNESS_CHILD"):
        t.skip("instances side by side", "we are one of them")
        return
    children = [subprocess.Popen(
        [sys.executable, "-B", __file__, "passes_unchanged"],
        env={**os.environ, "HARNESS_CHILD": "1"}, stdout=subprocess.PIPE)
        for _ in range(3)]
    outputs = [child.communicate()[0] for child in children]
    t.is_([child.returncode for child in children], [0, 0, 0],
          "three tests at once all pass")
    t.ok(all(b"not ok" not in output for output in outputs),
         "none of their checks fails", b"\n".join(outputs))


def alive(pid):
    """Runs, and is no zombie that init has not looked at yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def nothing_left(t):
    """a test that is stopped or dies leaves no process"""
    script = ("from harness import Postfix, Sink, base_directory\n"
              "a = Postfix('a', relay=Sink().port).start()\n"
              "print(a.process.pid, base_directory(), flush=True)\n"
              "import time; time.sleep(60)\n")
    for number, name in ((signal.SIGTERM, "SIGTERM"),
                         (signal.SIGKILL, "SIGKILL")):
        child = subprocess.Popen(
            [sys.executable, "-B", "-c", script], stdout=subprocess.PIPE,
            cwd=os.path.dirname(os.path.abspath(__file__)), text=True)
        pid, directory = child.stdout.readline().split()
        child.send_signal(number)
        child.wait(20)
        wait_for(f"no master after {name}",
                 lambda pid=pid: not alive(pid))
        t.ok(True, f"Postfix ends after {name}")
        if number == signal.SIGTERM:
            t.ok(not os.path.exists(directory), "its directory is gone")
        else:
            subprocess.run(["rm", "-rf", "--", directory], check=True)


def our_milter(t):
    """milter-smime runs beside Postfix as another user"""
    try:
        program("milter-smime")
    except FileNotFoundError as why:
        t.skip("milter-smime behind Postfix", why)
        return
    sink = Sink()
    postfix = Postfix("a", relay=sink.port)
    milter = Milter(standard_config("gw.a.example"), postfix).start()
    postfix.set(smtpd_milters=milter.socket_name).start()
    postfix.send("x@a.example", ["y@b.example"], MESSAGE)
    t.is_(sink.one().body, BODY, "mail passes through it")
    milter.kill()
    try:
        postfix.send("x@a.example", ["y@b.example"], MESSAGE)
        t.ok(False, "without it mail is refused for now")
    except SmtpError as why:
        t.is_(why.code, 451, "without it mail is refused for now")
    milter.start()
    postfix.send("x@a.example", ["y@b.example"], MESSAGE)
    t.is_(len(sink.wait(2)), 2, "started again, over its old socket")
    t.is_(milter.stop(), 0, "it ends with status 0")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(passes_unchanged, eight_bit, queue_and_sink_replies,
         local_submission, clients, certificates, side_by_side, nothing_left,
         our_milter)
