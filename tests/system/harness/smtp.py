# SPDX-License-Identifier: BSD-2-Clause
"""
SMTP by hand, both ends: what smtplib and friends would tidy up is exactly
what tests are about, so bytes go out and are kept as they are.
"""

import base64
import re
import socket
import threading
import time

from . import scope


def crlf(text):
    """Text or bytes with LF line ends as message bytes with CRLF."""
    if isinstance(text, str):
        text = text.encode()
    return re.sub(rb"\r?\n", b"\r\n", text)


class SmtpError(Exception):
    """The server refused; stage is the command's first word."""

    def __init__(self, stage, code, text):
        super().__init__(f"{stage}: {code} {text}")
        self.stage, self.code, self.text = stage, code, text


class SmtpClient:
    """One connection; a context manager."""

    def __init__(self, port, host="127.0.0.1", timeout=60):
        self.socket = socket.create_connection((host, port), timeout)
        self.file = self.socket.makefile("rb")
        self.features = {}
        self.read("connect", 220)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def read(self, stage, *expected):
        """A reply as (code, text); SmtpError unless its code is expected."""
        lines = []
        while True:
            line = self.file.readline(65536)
            if not line.endswith(b"\n"):
                raise SmtpError(stage, 0, "connection closed")
            lines.append(line[4:].rstrip(b"\r\n").decode("utf-8", "replace"))
            if line[3:4] != b"-":
                break
        code, text = int(line[:3]), "\n".join(lines)
        if expected and code not in expected:
            raise SmtpError(stage, code, text)
        return code, text

    def command(self, line, *expected):
        self.write(line.encode() + b"\r\n")
        return self.read(line.split(" ")[0], *expected)

    def hello(self, name="client.example"):
        _, text = self.command(f"EHLO {name}", 250)
        self.features = {
            line.split(" ")[0].upper(): line.partition(" ")[2]
            for line in text.split("\n")[1:]}

    def starttls(self, context, session=None):
        """
        TLS from here on, with an ssl.SSLContext (harness.tls makes them).
        session: one to take up again.  Says EHLO again.
        """
        self.command("STARTTLS", 220)
        self.file.close()
        self.socket = context.wrap_socket(self.socket, session=session)
        self.file = self.socket.makefile("rb")
        self.hello()

    def xclient(self, **attributes):
        """
        Become another client: ADDR, NAME, LOGIN (an authenticated user,
        where the listener has SASL).  Says EHLO again.
        """
        words = " ".join(f"{k}={v}" for k, v in attributes.items())
        self.command(f"XCLIENT {words}", 220)
        self.hello()

    def auth(self, user, password="x"):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.command(f"AUTH PLAIN {token}", 235)

    def mail(self, sender, recipients, data, mail="", rcpt=""):
        """One transaction; the queue id. mail, rcpt: ESMTP parameters."""
        self.command(f"MAIL FROM:<{sender}> {mail}".rstrip(), 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}> {rcpt}".rstrip(), 250, 251)
        self.command("DATA", 354)
        return self.data(data)

    def data(self, data):
        """The bytes after DATA, dot-stuffed, and the end."""
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
        self.write(stuffed + b".\r\n")
        _, text = self.read("end of data", 250)
        return text.rpartition(" ")[2]

    def quit(self):
        self.command("QUIT", 221)
        self.close()


def send(port, sender, recipients, data, *, helo="client.example", mail="",
         rcpt="", xclient=None, auth=None, host="127.0.0.1", timeout=60):
    """Sends one message (bytes, CRLF) verbatim; returns the queue id."""
    with SmtpClient(port, host, timeout) as client:
        client.hello(helo)
        if xclient:
            client.xclient(**xclient)
        if auth:
            client.auth(auth)
        queue_id = client.mail(sender, recipients, data, mail, rcpt)
        client.quit()
    return queue_id


class Message:
    """One message as it came over the wire."""

    def __init__(self, data):
        self.data = data  # bytes, dots un-stuffed, otherwise untouched
        self.sender = self.helo = self.mail_parameters = ""
        self.encrypted = False
        self.recipients = []
        self.rcpt_parameters = []  # one for each recipient
        self.time = time.time()

    @property
    def head(self):
        return self._split()[0]

    @property
    def body(self):
        return self._split()[1]

    def _split(self):
        if self.data.startswith(b"\r\n"):
            return b"", self.data[2:]
        head, blank, body = self.data.partition(b"\r\n\r\n")
        return (head + b"\r\n" if blank else head), body

    @property
    def fields(self):
        """[(name, value)] in order, unfolded, as text."""
        unfolded = re.sub(rb"\r\n(?=[ \t])", b"", self.head)
        pairs = (line.partition(b":") for line in unfolded.split(b"\r\n")
                 if line)
        return [(name.decode("utf-8", "replace"),
                 value.decode("utf-8", "replace").strip())
                for name, _, value in pairs]

    def all(self, name):
        """Values of the header fields called name, top first."""
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def first(self, name):
        """The topmost of them, or None."""
        return next(iter(self.all(name)), None)


class Sink:
    """
    An SMTP server that keeps what it is given.

    features    EHLO keywords; leave 8BITMIME out to be an old server
    replies     {"MAIL"|"RCPT"|"DATA"|"EOD"|"CONNECT": "550 5.1.1 no"}, or
                a function of (stage, argument) that gives a reply or None
    delay       seconds to wait before answering the end of data
    on_message  called with each Message before it is answered; may return
                a reply instead of "250 2.0.0 Ok"; only what is answered
                with 2xx is kept
    tls         an ssl.SSLContext: STARTTLS is offered
    """

    FEATURES = ("PIPELINING", "SIZE 0", "8BITMIME", "DSN", "SMTPUTF8",
                "ENHANCEDSTATUSCODES")

    def __init__(self, features=FEATURES, replies=None, delay=0.0,
                 on_message=None, name="sink.example", tls=None):
        self.features, self.replies, self.delay = features, replies, delay
        self.on_message, self.name, self.tls = on_message, name, tls
        self.messages = []
        self.sessions = 0
        self._changed = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        scope.own(self)

    def __repr__(self):
        return f"Sink {self.name}"

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def wait(self, count, timeout=20.0):
        """At least count messages, all that are there."""
        with self._changed:
            if not self._changed.wait_for(
                    lambda: len(self.messages) >= count, timeout):
                raise AssertionError(f"{self!r}: {len(self.messages)} of "
                                     f"{count} messages after {timeout:g} s")
            return list(self.messages)

    def one(self, timeout=20.0):
        """The one message; an error if there are more."""
        messages = self.wait(1, timeout)
        if len(messages) > 1:
            raise AssertionError(f"{self!r}: {len(messages)} messages")
        return messages[0]

    def clear(self):
        with self._changed:
            self.messages.clear()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        session = _Session(self, connection)
        try:
            session.run()
        except OSError:
            pass
        finally:
            session.connection.close()

    def reply(self, stage, argument, default):
        if callable(self.replies):
            return self.replies(stage, argument) or default
        return (self.replies or {}).get(stage, default)

    def keep(self, message):
        """Decides on a message; the reply."""
        if self.delay:
            time.sleep(self.delay)
        reply = self.on_message(message) if self.on_message else None
        reply = reply or self.reply("EOD", message, "250 2.0.0 Ok")
        if reply.startswith("2"):
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()
        return reply


class _Session:
    def __init__(self, sink, connection):
        self.sink, self.connection = sink, connection
        self.buffer = bytearray()
        self.encrypted = False
        self.helo = ""
        self.message = Message(b"")

    def say(self, *lines):
        text = "".join(f"{line[:3]}-{line[4:]}\r\n" for line in lines[:-1])
        self.connection.sendall(f"{text}{lines[-1]}\r\n".encode())

    def fill(self):
        data = self.connection.recv(262144)
        self.buffer += data
        return bool(data)

    def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not self.fill():
                return None
        line = bytes(self.buffer[:end]).decode("utf-8", "replace")
        del self.buffer[:end + 2]
        return line

    def content(self):
        """The bytes up to CRLF.CRLF, or None at end of file."""
        self.buffer[:0] = b"\r\n"  # the end of the DATA line counts
        start = 0
        while (end := self.buffer.find(b"\r\n.\r\n", start)) < 0:
            start = max(0, len(self.buffer) - 4)
            if not self.fill():
                return None
        data = bytes(self.buffer[2:end + 2])
        del self.buffer[:end + 5]
        return (b"\r\n" + data).replace(b"\r\n.", b"\r\n")[2:]

    def run(self):
        self.say(self.sink.reply("CONNECT", "", f"220 {self.sink.name} ESMTP"))
        while (line := self.line()) is not None:
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                self.say("500 5.5.2 what?")
            elif handler(rest) is False:
                return

    def do_ehlo(self, rest):
        self.helo = rest
        offer = ["STARTTLS"] if self.sink.tls and not self.encrypted else []
        self.say(*(f"250 {word}" for word in
                   (self.sink.name, *self.sink.features, *offer)))

    def do_starttls(self, _rest):
        if not self.sink.tls or self.encrypted:
            self.say("502 5.5.1 no")
            return
        self.say("220 2.0.0 Ready")
        self.connection = self.sink.tls.wrap_socket(self.connection,
                                                    server_side=True)
        self.encrypted = True
        self.buffer.clear()

    def do_helo(self, rest):
        self.helo = rest
        self.say(f"250 {self.sink.name}")

    def do_noop(self, _rest):
        self.say("250 2.0.0 Ok")

    def do_rset(self, _rest):
        self.message = Message(b"")
        self.say("250 2.0.0 Ok")

    @staticmethod
    def path(rest):
        """'FROM:<a> X=y' as (a, 'X=y')."""
        found = re.match(r"(?i)(?:FROM|TO):\s*<(.*?)>\s*(.*)", rest)
        return found.groups() if found else ("", rest)

    def do_mail(self, rest):
        self.message = Message(b"")
        self.message.helo, self.message.encrypted = self.helo, self.encrypted
        self.message.sender, self.message.mail_parameters = self.path(rest)
        self.say(self.sink.reply("MAIL", self.message.sender, "250 2.1.0 Ok"))

    def do_rcpt(self, rest):
        address, parameters = self.path(rest)
        reply = self.sink.reply("RCPT", address, "250 2.1.5 Ok")
        if reply.startswith("2"):
            self.message.recipients.append(address)
            self.message.rcpt_parameters.append(parameters)
        self.say(reply)

    def do_data(self, _rest):
        if not self.message.recipients:
            self.say("554 5.5.1 no valid recipients")
            return True
        reply = self.sink.reply("DATA", "", "354 go ahead")
        self.say(reply)
        if not reply.startswith("354"):
            return True
        data = self.content()
        if data is None:
            return False
        self.message.data, self.message.time = data, time.time()
        reply = self.sink.keep(self.message)
        self.message = Message(b"")
        self.say(reply)
        return True
