#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Signing: rows S1, S6, S7, S8 and S17, through real Postfix."""

import datetime
import os
import re
import sys

from harness import Pki, Sink, cms_verify, main, wait_for
from harness.gateway import (GROUPS, PASS_ON, SIGN, TRUSTED, UNTRUSTED,
                             VERIFY, WORLD, Gateway, cms_of, is_signed, mail,
                             signed_by)

EC = "ec:P-256"


def profile(name, recipients, **settings):
    """A sending profile and the mail policy that uses it."""
    lines = "".join(f"    {k} = {v}\n" for k, v in settings.items())
    return (f"sending-profile {name} {{\n    mode = sign\n{lines}}}\n"
            f"mail-policy {name} {{\n    direction = outgoing\n"
            f"    recipients = {recipients}\n    profile = {name}\n}}\n")


def install(gateway, *certificates):
    for certificate in certificates:
        certificate.install(gateway.milter.certs)


class Refused:
    """Sends to a gateway; nothing may ever come out of it unsigned."""

    def __init__(self, t, gateway, sink):
        self.t, self.gateway, self.sink = t, gateway, sink
        self.sent = 0

    def refuses(self, name, reason, data, **options):
        got = self.gateway.refusal(data, **options)
        self.t.ok(got is not None and got[0] == 550
                  and re.search(reason, got[1]), name, f"got: {got}")

    def signs(self, name, data, certificate=None, **options):
        """Sent, signed; the message at the sink."""
        got = self.gateway.refusal(data, **options)
        if got is not None:
            self.t.ok(False, name, f"refused: {got}")
            return None
        self.sent += 1
        message = self.sink.wait(self.sent)[-1]
        good = is_signed(message) and (certificate is None or
                                       signed_by(message, certificate))
        self.t.ok(good, name, message.data[:2000])
        return message

    def nothing_unsigned(self):
        """Once all is delivered: what has reached the sink."""
        self.gateway.postfix.wait_empty()
        self.t.ok(all(is_signed(m) for m in self.sink.messages),
                  "S6 nothing ever reached the sink unsigned")
        self.t.is_(len(self.sink.messages), self.sent,
                   "S6 nothing that was refused reached the sink")


# --- S1 ----------------------------------------------------------------------

OIDS = {"sha256": "608648016503040201", "sha384": "608648016503040202",
        "sha512": "608648016503040203"}


def forms(t):
    """S1 signature modes and digests"""
    pki = Pki()
    rsa = pki.leaf("rsa", email=["x@a.example"], key="rsa:2048")
    ec = pki.leaf("ec", email=["z@a.example"], key=EC)
    trusted = os.path.join(pki.directory, "trusted.pem")
    with open(trusted, "w") as file:
        file.write(rsa.pem() + ec.pem())
    mailbox = Sink()
    b = Gateway("b", GROUPS + VERIFY, mailbox.port)
    wire = Sink(on_message=lambda m: b.postfix.send(
        m.sender, m.recipients, m.data) and None)
    cases = [(mode, digest) for mode in ("detached", "opaque")
             for digest in OIDS]
    a = Gateway("a", GROUPS + PASS_ON + "".join(
        profile(f"{mode}-{digest}", f"{mode}-{digest}@b.example",
                sign_mode=mode, digest=digest) for mode, digest in cases),
                wire.port)
    install(a, rsa, ec)
    for one in (rsa, ec):
        b.milter.postseal("smime", "key", "add", one.name,
                          readable(one.cert))
    a.start()
    b.start()
    text = mail("Gr\u00fc\u00dfe \n\nFrom here\n",
                kind="text/plain; charset=utf-8")
    for number, (mode, digest) in enumerate(cases, 1):
        one = (rsa, ec)[number % 2]
        data = text.replace(b"x@a.example", b"z@a.example") \
            if one is ec else text
        a.send(data, to=[f"{mode}-{digest}@b.example"], client=TRUSTED)
        sent = wire.wait(number)[-1]
        check_form(t, sent, mode, digest, one, trusted)
        got = mailbox.wait(number)[-1]
        t.is_(b.verdict(got), "pass",
              f"S1 {mode} {digest}: the next gateway verifies it")


def check_form(t, sent, mode, digest, certificate, trusted):
    kind = re.sub(r"\s+", " ", sent.first("Content-Type"))
    what = f"S1 {mode} {digest}"
    if mode == "detached":
        micalg = digest.replace("sha", "sha-")
        t.ok(kind.startswith("multipart/signed;") and
             'protocol="application/pkcs7-signature"' in kind and
             f"micalg={micalg};" in kind, f"{what}: the type says so", kind)
    else:
        t.ok(kind.startswith("application/pkcs7-mime; "
                             "smime-type=signed-data;"),
             f"{what}: the type says so", kind)
    good, content, why = cms_verify(sent.data, trusted, partial=True)
    t.ok(good, f"{what}: openssl verifies it", why)
    t.ok(b"=C3=BC=C3=9Fe=20\r\n\r\nFrom=20here" in content or
         b"=C3=BC=C3=9Fe=20\r\n\r\n=46rom here" in content,
         f"{what}: what was signed is the text, as 7-bit", content)
    der = cms_of(sent)
    t.ok(bytes.fromhex(OIDS[digest]) in der and
         not any(bytes.fromhex(o) in der for d, o in OIDS.items()
                 if d != digest), f"{what}: that digest and no other")
    t.ok(signed_by(sent, certificate), f"{what}: the sender's certificate")


def readable(path):
    os.chmod(path, 0o644)
    os.chmod(os.path.dirname(path), 0o711)
    return path


# --- S6 ----------------------------------------------------------------------

def failing(t):
    """S6 signing that fails"""
    pki = Pki()
    soon = datetime.datetime.now(datetime.timezone.utc) + \
        datetime.timedelta(seconds=6)
    short = pki.leaf("short", email=["short@a.example"], end=soon)
    a = Gateway("a", GROUPS + PASS_ON + SIGN, sasl=True)
    sink = Sink()
    a.postfix.relay(sink.port)
    good = pki.leaf("x", email=["x@a.example"])
    install(a, good, short,
            pki.leaf("old", email=["old@a.example"], start=-9, end=-2),
            pki.leaf("later", email=["later@a.example"], start=2),
            pki.leaf("small", email=["small@a.example"], key="rsa:1024"))
    pki.leaf("public", email=["public@a.example"]).install(
        a.milter.certs, key=False)
    a.start()
    r = Refused(t, a, sink)
    r.signs("S6 a certificate about to expire still signs",
            mail(sender="short@a.example"), short, client=TRUSTED)
    for name, reason, sender in (
            ("no certificate covers the sender",
             r"no certificate .* names nobody@a\.example", "nobody@a.example"),
            ("of another domain", "no certificate", "x@b.example"),
            ("expired", r"certificate old.* expired 20", "old@a.example"),
            ("not valid yet", r"certificate later.* not valid before",
             "later@a.example"),
            ("an RSA key too small", "certificate small.* RSA .*1024 bits",
             "small@a.example"),
            ("a certificate without a key", "no certificate with a private",
             "public@a.example")):
        r.refuses(f"S6 failed signing: {name}", reason, mail(sender=sender),
                  client=TRUSTED)
    check_from(r)
    check_clients(r, good)
    check_local(t, a, sink, r)
    wait_for("a certificate to expire", lambda: datetime.datetime.now(
        datetime.timezone.utc) > soon + datetime.timedelta(seconds=1))
    r.refuses("S6 failed signing: expired since the start",
              "certificate short.* expired", mail(sender="short@a.example"),
              client=TRUSTED)
    r.nothing_unsigned()


def check_from(r):
    """From fields that are not one address."""
    data = mail()
    line = b"From: x@a.example\r\n"
    for name, reason, other in (
            ("no From", "no From field", b""),
            ("two From", "more than one From", line + line),
            ("two From in other case", "more than one From",
             line + b"FROM: x@a.example\r\n"),
            ("two addresses in From", "2 addresses",
             b"From: x@a.example, z@a.example\r\n"),
            ("an empty From", "From field", b"From: \r\n"),
            ("a group in From", "From field", b"From: us:;\r\n"),
            ("a From that cannot be read", "From field",
             b"From: x@a.example <z@a.example> <x@a.example>\r\n"),
            ("a display name that is an address", "no certificate",
             b'From: "x@a.example" <z@a.example>\r\n'),
            ("a comment that is an address", "no certificate",
             b"From: z@a.example (x@a.example)\r\n")):
        r.refuses(f"S6 failed signing: {name}", reason,
                  data.replace(line, other), client=TRUSTED)
    r.signs("S6 a From in a comment's company is still one address",
            data.replace(line, b'From: "z@b.example, y" (c) '
                         b"<x@a.example>\r\n"), client=TRUSTED)


def check_clients(r, good):
    r.refuses("S6 failed signing: a client neither authenticated nor "
              "trusted", "neither authenticated nor in a trusted",
              mail(), client=UNTRUSTED)
    r.refuses("S6 failed signing: authenticated as somebody else",
              r"login z@a\.example does not own", mail(),
              auth="z@a.example")
    r.refuses("S6 failed signing: a login without a domain",
              "login x does not own", mail(), auth="x")
    r.signs("S7 authenticated as the owner of the From address", mail(),
            good, auth="x@a.example")
    r.signs("S7 the login's domain in other case", mail(), good,
            auth="x@A.Example")
    r.signs("S7 the envelope sender does not matter, the From does", mail(),
            good, sender="bounces@elsewhere.example", client=TRUSTED)


def check_local(t, a, sink, r):
    """sendmail(1): Postfix bounces what the milter refuses."""
    a.postfix.sendmail("nobody@a.example", ["y@b.example"],
                       mail(sender="nobody@a.example")
                       .replace(b"\r\n", b"\n"))
    bounce = wait_for("the bounce", lambda: next(
        (m for m in sink.messages if m.sender == ""), None), 20)
    t.is_(bounce.recipients, ["nobody@a.example"],
          "S6 local submission: the sender gets a bounce")
    t.ok(b"names nobody@a.example" in bounce.data,
         "S6 local submission: the bounce tells the reason", bounce.data)
    sink.messages.remove(bounce)
    a.postfix.sendmail("x@a.example", ["y@b.example"],
                       mail().replace(b"\r\n", b"\n"))
    r.sent += 1
    t.ok(is_signed(sink.wait(r.sent)[-1]),
         "S6 local submission: what can be signed is")


# --- S7 ----------------------------------------------------------------------

def who_may(t):
    """S7 who may sign with a certificate"""
    pki = Pki()
    sink = Sink()
    a = Gateway("a", GROUPS + PASS_ON +
                profile("named", "named@b.example",
                        signing_certificate="domain") + SIGN, sink.port)
    domain = pki.leaf("domain", dns=["d.example"])
    exact = pki.leaf("exact", email=["exact@d.example"], start=-9)
    older = pki.leaf("older", email=["twice@d.example"], start=-5)
    newer = pki.leaf("newer", email=["twice@d.example"], start=-2)
    worse = pki.leaf("worse", email=["twice@d.example"], start=-1,
                     usage="keyEncipherment")
    wild = pki.leaf("wild", dns=["*.w.example"])
    many = pki.leaf("many", email=["one@m.example", "Two@m.example"],
                    dns=["n.example", "*.o.example"])
    subject = pki.leaf("subject", subject="/CN=e/emailAddress=s@e.example")
    common = pki.leaf("common", subject="/CN=cn@c.example")
    install(a, domain, exact, older, newer, worse, wild, many, subject,
            common)
    a.start()
    r = Refused(t, a, sink)
    for name, sender, certificate in (
            ("a dNSName covers every user of the domain", "any@d.example",
             domain),
            ("in any case", "Any@D.Example", domain),
            ("an address comes before its domain", "exact@d.example", exact),
            ("of two the newer that may sign", "twice@d.example", newer),
            ("a wildcard covers one label", "u@a.w.example", wild),
            ("one of several addresses", "one@m.example", many),
            ("an address in other case", "two@M.example", many),
            ("one of several domains", "u@n.example", many),
            ("a wildcard among others", "u@x.o.example", many),
            ("an emailAddress of the subject", "s@e.example", subject)):
        r.signs(f"S7 {name}: {sender}", mail(sender=sender), certificate,
                client=TRUSTED)
    for name, sender in (
            ("a dNSName does not cover subdomains", "u@sub.d.example"),
            ("a wildcard does not cover its own domain", "u@w.example"),
            ("a wildcard does not cover two labels", "u@a.b.w.example"),
            ("an address does not cover its neighbours", "three@m.example"),
            ("a suffix is no domain", "u@xd.example"),
            ("a longer domain is another", "u@d.example.org"),
            ("a common name is no address", "cn@c.example")):
        r.refuses(f"S7 {name}: {sender}", "no certificate",
                  mail(sender=sender), client=TRUSTED)
    r.signs("S7 a certificate chosen by name", mail(sender="u@d.example"),
            domain, to=["named@b.example"], client=TRUSTED)
    r.refuses("S7 a certificate chosen by name must cover the sender, too",
              r"certificate domain does not name u@w\.example",
              mail(sender="u@w.example"), to=["named@b.example"],
              client=TRUSTED)
    r.nothing_unsigned()


def logins(t):
    """S7 logins without a domain"""
    pki = Pki()
    sink = Sink()
    config = GROUPS + PASS_ON + SIGN
    a = Gateway("a", "", sink.port, sasl=True)
    text = open(a.milter.config_file).read() + config
    a.milter.configure(text.replace("milter-smime {", "milter-smime {\n"
                                    "    login_domain = a.example"))
    one = pki.leaf("domain", dns=["a.example", "b.example"])
    install(a, one)
    a.start()
    r = Refused(t, a, sink)
    r.signs("S7 login_domain completes the login", mail(), one, auth="x")
    r.refuses("S7 login_domain: another user's address",
              "login y does not own", mail(), auth="y")
    r.refuses("S7 login_domain: another domain's address",
              "login x does not own", mail(sender="x@b.example"), auth="x")
    r.signs("S7 login_domain: a whole address stands as it is",
            mail(sender="x@b.example"), one, auth="x@b.example")
    r.nothing_unsigned()


# --- S8 ----------------------------------------------------------------------

S8 = (  # name, keyUsage, extendedKeyUsage, rfc8550, strict
    ("both", "digitalSignature,nonRepudiation", "emailProtection", 1, 1),
    ("digital", "digitalSignature", "emailProtection", 1, 0),
    ("nonrep", "nonRepudiation", "emailProtection", 1, 0),
    ("absent", None, None, 1, 1),
    ("encrypt", "keyEncipherment", "emailProtection", 0, 0),
    ("more", "digitalSignature,nonRepudiation,keyEncipherment",
     "clientAuth,emailProtection", 1, 1),
    ("server", "digitalSignature,nonRepudiation", "serverAuth", 0, 0),
    ("anyeku", "digitalSignature,nonRepudiation", "anyExtendedKeyUsage",
     1, 1),
    ("noeku", "digitalSignature,nonRepudiation", None, 1, 1),
)


def usages(t):
    """S8 rules for our own signing certificates"""
    pki = Pki()
    sink = Sink()
    a = Gateway("a", GROUPS + PASS_ON + profile(
        "strict", "strict@b.example", key_usage="strict") + SIGN, sink.port)
    made = {}
    for name, usage, extended, _, _ in S8:
        made[name] = pki.leaf(name, email=[f"{name}@a.example"],
                              usage=usage, purpose=extended)
        install(a, made[name])
    a.start()
    r = Refused(t, a, sink)
    for name, usage, extended, lax, strict in S8:
        for rule, good in (("rfc8550", lax), ("strict", strict)):
            what = (f"S8 {rule}: keyUsage {usage or 'absent'}, extended "
                    f"{extended or 'absent'}")
            to = [f"{rule}@b.example"]
            data = mail(sender=f"{name}@a.example")
            if good:
                r.signs(what, data, made[name], to=to, client=TRUSTED)
            else:
                r.refuses(f"{what}: refused, the rule named",
                          f"certificate {name}.*(RFC 8550 4.4|strict)",
                          data, to=to, client=TRUSTED)
    r.nothing_unsigned()


# --- S17 ---------------------------------------------------------------------

def directions(t):
    """S17 which mail is outgoing"""
    pki = Pki()
    sink = Sink()
    config = SIGN + """
sender-group named {
    clients = mx.partner.example, .dept.example, 192.0.2.32/28,
              203.0.113.5-203.0.113.9, 2001:db8::/32, listener:inside,
              authenticated, local
    mail_flow_policy = RELAYED
    trusted = yes
}
mail-flow-policy RELAYED { behavior = relay }
"""
    a = Gateway("a", config, sink.port, sasl=True)
    a.postfix.set(inet_protocols="all", mynetworks="0.0.0.0/0, [::]/0")
    inside = a.postfix.listener("inside")
    other = a.postfix.listener("other")
    install(a, pki.leaf("domain", dns=["a.example"]))
    a.start()
    cases = (
        ("a network", True, {"client": {"ADDR": "192.0.2.40"}}),
        ("beside the network", False, {"client": {"ADDR": "192.0.2.48"}}),
        ("the end of a range", True, {"client": {"ADDR": "203.0.113.9"}}),
        ("behind the range", False, {"client": {"ADDR": "203.0.113.10"}}),
        ("an IPv6 network", True,
         {"client": {"ADDR": "IPV6:2001:db8::7"}}),
        ("a host name", True, {"client": {"ADDR": "198.51.100.1",
                                          "NAME": "mx.partner.example"}}),
        ("a subdomain", True, {"client": {"ADDR": "198.51.100.1",
                                          "NAME": "pc.dept.example"}}),
        ("another host name", False,
         {"client": {"ADDR": "198.51.100.1", "NAME": "xdept.example"}}),
        ("listener:NAME", True, {"port": inside, "client": WORLD}),
        ("another listener", False, {"port": other, "client": WORLD}),
        ("an authenticated client", True, {"auth": "z@elsewhere.example"}),
        ("anybody else", False, {"client": WORLD}),
    )
    for number, (name, outgoing, how) in enumerate(cases, 1):
        a.send(mail(), **how)
        t.is_(is_signed(sink.wait(number)[-1]), outgoing,
              f"S17 {name} is {'outgoing' if outgoing else 'incoming'}")
    a.postfix.sendmail("x@a.example", ["y@b.example"],
                       mail().replace(b"\r\n", b"\n"))
    t.ok(is_signed(sink.wait(len(cases) + 1)[-1]),
         "S17 local submission is outgoing")


def without_groups(t):
    """S17 without a sender group: authenticated and local mail goes out"""
    pki = Pki()
    sink = Sink()
    a = Gateway("a", SIGN, sink.port, sasl=True)
    install(a, pki.leaf("domain", dns=["a.example"]))
    a.start()
    a.send(mail(), client=WORLD)
    t.ok(not is_signed(sink.one()), "S17 no group: others' mail comes in")
    a.send(mail(), auth="x@a.example")
    t.ok(is_signed(sink.wait(2)[-1]), "S17 no group: an owner's mail is "
         "signed")


def both_ways(t):
    """S17 signing incoming mail, verifying outgoing mail"""
    pki = Pki()
    sink = Sink()
    second = Sink()
    config = """
sending-profile sign { mode = sign }
mail-policy inbound {
    direction = incoming
    profile = sign
}
sender-group partner {
    clients = 192.0.2.10
    mail_flow_policy = INCOMING
    trusted = yes
}
sender-group inside {
    clients = 192.0.2.20
    mail_flow_policy = RELAYED
}
mail-flow-policy INCOMING { behavior = accept }
mail-flow-policy RELAYED {
    behavior = relay
    smime_decrypt_verify = yes
    smime_signature = remove
}
"""
    one = pki.leaf("domain", dns=["a.example"])
    a = Gateway("a", config, sink.port)
    install(a, one)
    a.milter.postseal("smime", "key", "add", "own", readable(one.cert))
    a.postfix.route("out.example", second.port)
    a.start()
    a.send(mail(), client=TRUSTED)
    signed = sink.one()
    t.ok(signed_by(signed, one), "S17 incoming mail is signed when its mail "
         "policy says so")
    a.milter.wait_log("action=sign direction=incoming")
    a.send(signed.data, to=["y@out.example"], client=UNTRUSTED)
    got = second.one()
    t.is_(a.verdict(got), "pass", "S17 outgoing mail is verified when its "
          "mail flow policy says so")
    t.ok(not is_signed(got) and b"Hello." in got.body,
         "S17 and its signature removed", got.data)
    a.milter.wait_log("action=verify direction=outgoing .*"
                      "removed=signature .*signature=pass")


def left_alone(t):
    """S17 what no policy names is left alone"""
    pki = Pki()
    sink = Sink()
    a = Gateway("a", GROUPS + PASS_ON + """
sending-profile sign { mode = sign }
mail-policy some {
    direction = outgoing
    senders = x@a.example, .sub.example
    recipients = partner.example
    profile = sign
}
mail-policy not-these {
    direction = outgoing
    recipients = plain.example
}
mail-policy default-outgoing { direction = outgoing }
""", sink.port)
    install(a, pki.leaf("domain", dns=["a.example", "*.sub.example"]))
    a.start()
    cases = ((True, "x@a.example", ["y@partner.example"]),
             (True, "u@a.sub.example", ["y@partner.example"]),
             (False, "z@a.example", ["y@partner.example"]),
             (False, "x@a.example", ["y@plain.example", "z@c.example"]))
    for number, (signed, sender, to) in enumerate(cases, 1):
        a.send(mail(sender=sender), sender=sender, to=to, client=TRUSTED)
        got = sink.wait(number)[-1]
        t.is_(is_signed(got), signed, f"S17 from {sender} to {to[0]}: "
              f"{'signed' if signed else 'left as it is'}")
    got = a.refusal(mail(), to=["y@partner.example", "y@plain.example"],
                    client=TRUSTED)
    a.postfix.wait_empty()
    t.ok(got and got[0] == 451 and len(sink.messages) == len(cases),
         "P4 recipients who need different treatment, and nowhere to hand "
         "copies in: 451, and nobody gets anything", got)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP a private Postfix needs root")
        sys.exit(0)
    main(forms, failing, who_may, logins, usages, directions, without_groups,
         both_ways, left_alone)
