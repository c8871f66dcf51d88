# SPDX-License-Identifier: BSD-2-Clause
"""
A Postfix with milter-smime before it, as an organisation has them, and
short ways to say what mail goes through.
"""

import base64
import os
import re

from . import scope
from .milter import Milter, standard_config
from .milter_client import MilterClient, divide
from .pki import Pki
from .postfix import Postfix, SaslServer
from .smtp import Message, SmtpError, crlf

# Who is who in most tests; XCLIENT makes one of them.
TRUSTED = {"ADDR": "192.0.2.10"}
UNTRUSTED = {"ADDR": "192.0.2.20"}
WORLD = {"ADDR": "198.51.100.1"}

GROUPS = """
sender-group inside {
    clients = 192.0.2.10, listener:inside, local
    mail_flow_policy = RELAYED
    trusted = yes
}
sender-group people {
    clients = authenticated, 192.0.2.20
    mail_flow_policy = RELAYED
}
sender-group world {
    clients = ALL
    mail_flow_policy = INCOMING
}
mail-flow-policy RELAYED { behavior = relay }
"""
VERIFY = """
mail-flow-policy INCOMING {
    behavior = accept
    smime_decrypt_verify = yes
    smime_signature = keep
}
"""
PASS_ON = "mail-flow-policy INCOMING { behavior = accept }\n"
SIGN = """
sending-profile sign {
    mode = sign
}
mail-policy out {
    direction = outgoing
    profile = sign
}
"""


class Gateway:
    """
    .postfix and .milter, with each other; start() both.  config is added
    to harness.standard_config().  What it is sent goes to the port `relay`.
    It ends without its milter's long farewell.
    """

    def __init__(self, name, config, relay=None, ca_file=None, sasl=False,
                 **milter):
        self.name = name
        self.hostname = f"gw.{name}.example"
        self.hold_port = None  # reinjection() makes it
        self.postfix = Postfix(name, hostname=self.hostname, relay=relay)
        self.milter = Milter(standard_config(self.hostname, ca_file)
                             + config, self.postfix, **milter)
        if sasl:
            SaslServer(self.postfix)
        self.postfix.set(smtpd_milters=self.milter.socket_name,
                         non_smtpd_milters="$smtpd_milters",
                         # Else Postfix adds a From field that is missing.
                         local_header_rewrite_clients="")
        scope.own(self)

    def __repr__(self):
        return f"Gateway {self.name}"

    def start(self):
        self.milter.start()
        self.postfix.start()
        return self

    def close(self):
        if self.milter.process is not None:
            self.milter.kill()

    def refusal_anywhere(self, data, **options):
        """(code, text) when it is refused at any point, or None."""
        try:
            self.send(data, **options)
        except SmtpError as why:
            return why.code, why.text
        return None

    def set(self, **values):
        """Adds to the milter's own section; before start()."""
        lines = "".join(f"    {k} = {v}\n" for k, v in values.items())
        with open(self.milter.config_file) as file:
            text = file.read()
        self.milter.configure(text.replace(
            "milter-smime {\n", "milter-smime {\n" + lines, 1))

    def reinjection(self, **options):
        """
        The listeners for copies of split mail, as `postseal smime
        postfix-config` writes them; options are of the first.  Before
        start().  The milter's ports (copies, bounces); .hold_port is the
        one that puts on hold.
        """
        copies = self.postfix.listener(
            syslog_name="reinject", **{"smtpd_milters": "", **options})
        bounces = self.postfix.listener(
            syslog_name="reinject-bounce", smtpd_milters="",
            content_filter="error:5.7.1 not delivered: its policy forbids")
        self.hold_port = self.postfix.hold_listener()
        self.set(reinject=f"smtp://127.0.0.1:{copies}",
                 reinject_hold=f"smtp://127.0.0.1:{self.hold_port}",
                 reinject_bounce=f"smtp://127.0.0.1:{bounces}")
        return copies, bounces

    def add_keys(self, *certificates):
        """Has the milter know others' certificates, each by its name."""
        for certificate in certificates:
            os.chmod(certificate.cert, 0o644)
            self.milter.postseal("smime", "key", "add", certificate.name,
                                 certificate.cert)

    def install(self, *certificates):
        """Certificates and keys of its own."""
        for certificate in certificates:
            certificate.install(self.milter.certs)

    @property
    def port(self):
        return self.postfix.port

    def send(self, data, sender="x@a.example", to=("y@b.example",),
             client=None, **options):
        return self.postfix.send(sender, list(to), data, xclient=client,
                                 **options)

    def refusal(self, data, **options):
        """(code, text) when it is refused at the end of data, or None."""
        try:
            self.send(data, **options)
        except SmtpError as why:
            if why.stage != "end of data":
                raise
            return why.code, why.text
        return None

    def results(self, message):
        """This gateway's word on S/MIME, each on one line."""
        results = [re.sub(r"\s+", " ", value)
                   for value in message.all("Authentication-Results")
                   if value.startswith(f"{self.hostname};")]
        return [value for value in results if " smime=" in value]

    def verdict(self, message):
        """What its one smime= says; what it is instead, if not one."""
        results = self.results(message)
        if len(results) != 1:
            return f"{len(results)} results"
        return re.search(r" smime=(\w*)", results[0])[1]


def mail(body="Hello.\n", sender="x@a.example", to="y@b.example", fields="",
         kind="text/plain"):
    """An ordinary message, CRLF; body text or bytes, fields whole lines."""
    if isinstance(body, str):
        body = body.encode()
    head = (f"From: {sender}\nTo: {to}\nSubject: a test\n"
            "Date: Thu, 1 Jan 2026 12:00:00 +0000\n"
            f"Message-ID: <1@test.example>\n{fields}")
    if kind:
        head += f"MIME-Version: 1.0\nContent-Type: {kind}\n"
    return crlf(head.encode() + b"\n" + body)


def cms_of(data):
    """The DER of a signed message of ours, detached or opaque, or b""."""
    message = Message(data) if isinstance(data, bytes) else data
    kind = message.first("Content-Type") or ""
    if kind.startswith("multipart/signed"):
        part = message.body.rpartition(b"smime.p7s\"\r\n\r\n")[2]
        return base64.b64decode(part.partition(b"--")[0])
    if kind.startswith("application/pkcs7-mime"):
        return base64.b64decode(message.body)
    return b""


def is_signed(message):
    """Not merely called so: there is a SignedData inside."""
    # 1.2.840.113549.1.7.2
    return b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" in cms_of(message)[:40]


def is_encrypted(message):
    """Not merely called so: an EnvelopedData or AuthEnvelopedData."""
    # 1.2.840.113549.1.7.3 and 1.2.840.113549.1.9.16.1.23
    return any(kind in cms_of(message)[:40] for kind in (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"))


def signed_by(message, certificate):
    """Is that certificate inside?  By its serial number, cheaply."""
    return bytes.fromhex(certificate.serial()) in cms_of(message)


def numbered(number, body="Hello.\n"):
    """A message that identities() knows again."""
    return mail(body).replace(b"<1@test.example>",
                              b"<%d@test.example>" % number)


def identities(messages):
    return sorted(int(m.first("Message-ID")[1:].partition("@")[0])
                  for m in messages)


def milter_alone(config, **options):
    """A milter that only a MilterClient talks to."""
    return Milter(standard_config("gw.a.example") + config, **options)


def with_key(milter, name="x", email="x@a.example"):
    """Gives a milter a certificate and key; the certificate."""
    certificate = Pki().leaf(name, email=[email])
    certificate.install(milter.certs)
    return certificate


def sign_one(client):
    """One message to a MilterClient or a socket; what came of it."""
    fields, body = divide(mail())
    if isinstance(client, str):
        with MilterClient(client) as one:
            return one.send("x@a.example", ["y@b.example"], fields, body)
    return client.send("x@a.example", ["y@b.example"], fields, body)
