# SPDX-License-Identifier: BSD-2-Clause
"""
Drives the real programs from outside: private Postfix instances, SMTP
sinks, our milter, a PKI made on the spot.  Needs root (Postfix does), a
few free loopback ports and nothing else of the machine: /etc/postfix and
the system's queue are never touched.

A test file is a list of functions, each given a Tap:

    from harness import Postfix, Sink, main

    def mail_passes(t):
        sink = Sink()
        a = Postfix("a", relay=sink.port).start()
        a.send("x@a.example", ["y@b.example"], b"\\r\\nhello\\r\\n")
        t.is_(sink.one().sender, "x@a.example", "the sender stays")

    main(mail_passes)

Everything a function made is closed when it ends, or when the process is
stopped.  POSTSEAL_KEEP=1 leaves the directories; POSTSEAL_BUILD says where
the programs were built (default: the source directory, then build/ there).
Nothing here is shared between processes, so test files run side by side.
"""

from .milter import Milter, directory_for, libexec, program, standard_config
from .pki import Pki, cms_decrypt, cms_encrypt, cms_sign, cms_verify
from .postfix import Postfix, SaslServer
from .scope import (base_directory, free_port, keep, new_directory, own,
                    wait_for)
from .smtp import Message, Sink, SmtpClient, SmtpError, crlf, send
from .tap import Skip, Tap, main

__all__ = [
    "Message", "Milter", "Pki", "Postfix", "SaslServer", "Sink", "Skip",
    "SmtpClient", "SmtpError", "Tap", "base_directory", "cms_decrypt",
    "cms_encrypt", "cms_sign", "cms_verify", "crlf", "directory_for",
    "free_port", "keep", "libexec", "main", "new_directory", "own", "program",
    "send", "standard_config", "wait_for"]
