# SPDX-License-Identifier: BSD-2-Clause
"""
TLS for both ends of SMTP, and a Postfix that has postseal_tls.so.
"""

import hashlib
import os
import re
import shutil
import ssl

from . import scope
from .milter import program
from .postfix import Postfix
from .smtp import SmtpClient

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def _files(certificate):
    """Its chain and key, as ssl wants them."""
    path = certificate.cert + ".chain"
    with open(path, "w") as file:
        file.write(certificate.pem())
    return path, certificate.key


def client_context(certificate=None, version=None):
    """Believes every server; shows a certificate with its chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*_files(certificate))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def server_context(certificate, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_files(certificate))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def fingerprint(certificate):
    """SHA-256 of its DER, lower-case hex."""
    with open(certificate.cert) as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    return hashlib.sha256(der).hexdigest()


class TlsPostfix(Postfix):
    """
    A Postfix that trusts the root of a harness.crl.Ca, asks clients for
    certificates, verifies servers by the name mx.example, and has the
    module for the indexes of a Fetcher.  level: of outgoing TLS.
    """

    def __init__(self, name, ca, fetcher, server, level="secure",
                 chroot=False, **options):
        super().__init__(name, chroot=chroot, **options)
        self.fetcher = fetcher
        chain, key = _files(server)
        self.cnf = os.path.join(self.config, "openssl.cnf")
        # A copy: tests replace and break it.
        self.module = os.path.join(self.config, "postseal_tls.so")
        shutil.copyfile(program("postseal_tls.so"), self.module)
        self.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=chain,
                 smtpd_tls_key_file=key, smtpd_tls_CAfile=ca.cert,
                 smtpd_tls_ask_ccert="yes", smtpd_tls_received_header="yes",
                 smtpd_tls_loglevel="1", smtp_tls_loglevel="1",
                 smtp_tls_security_level=level, smtp_tls_CAfile=ca.cert,
                 smtp_tls_verify_cert_match="mx.example",
                 smtp_tls_secure_cert_match="mx.example",
                 tls_config_file=self.cnf, tls_config_name="postfix",
                 # One handshake for each delivery, unless a test says so.
                 smtp_tls_session_cache_database="")
        self.write_config()

    def write_config(self, *options):
        ran = self.fetcher.command(
            "postfix-config", "--write", "--file", self.cnf, "--module",
            self.module, *options)
        assert ran.code == 0, ran
        return ran

    def connect(self, certificate=None, version=None, session=None,
                context=None):
        """A client after STARTTLS."""
        client = SmtpClient(self.port)
        scope.own(client)
        client.hello()
        client.starttls(context or client_context(certificate, version),
                        session)
        return client

    def verdict(self, certificate=None, version=None):
        """
        What smtpd logs of a client with the certificate: "Trusted",
        "Untrusted", "Anonymous".
        """
        before = len(self.log())
        self.connect(certificate, version).quit()
        found = scope.wait_for(
            "smtpd's word on a client",
            lambda: re.search(r"(\w+) TLS connection established from",
                              self.log()[before:]))
        return found[1]
