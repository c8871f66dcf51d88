# SPDX-License-Identifier: BSD-2-Clause
"""
Certificates made when they are needed, with openssl(1), so that nothing in
the repository expires.
"""

import datetime
import os
import pwd
import re
import shutil
import subprocess

from . import scope
from .milter import RUN_USER

_CONFIG = """\
[ca]
default_ca = this
[this]
database = {dir}/index.txt
new_certs_dir = {dir}
serial = {dir}/serial
crlnumber = {dir}/crlnumber
default_md = sha256
policy = anything
email_in_dn = yes
unique_subject = no
default_days = 30
[anything]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
emailAddress = optional
[req]
distinguished_name = empty
[empty]
[crl]
authorityKeyIdentifier = keyid
[crl_delta]
authorityKeyIdentifier = keyid
deltaCRLIndicator = critical,ASN1:INTEGER:{base}
[leaf]
{extensions}
"""


def _openssl(*arguments, **options):
    done = subprocess.run(["openssl", *arguments], capture_output=True,
                          **options)
    if done.returncode:
        raise AssertionError(f"openssl {' '.join(arguments)}: "
                             f"{done.stderr.decode(errors='replace')}")
    return done.stdout


def _time(value):
    """Days from now (may be negative) or a datetime, as openssl ca wants."""
    if not isinstance(value, datetime.datetime):
        value = (datetime.datetime.now(datetime.timezone.utc)
                 + datetime.timedelta(days=value))
    return value.strftime("%Y%m%d%H%M%SZ")


class Certificate:
    """Files: .cert, .key (PEM); .issuer is None when self-signed."""

    def __init__(self, pki, name, issuer):
        self.name, self.issuer = name, issuer
        self.directory = pki.directory
        self.cert = os.path.join(pki.directory, f"{name}.pem")
        self.key = os.path.join(pki.directory, f"{name}.key")
        self.ca_directory = os.path.join(pki.directory, f"{name}.ca")

    def chain(self):
        """The intermediates above it, nearest first, without the root."""
        found, at = [], self.issuer
        while at is not None and at.issuer is not None:
            found.append(at)
            at = at.issuer
        return found

    def pem(self, chain=True):
        text = ""
        for certificate in [self, *(self.chain() if chain else [])]:
            with open(certificate.cert) as file:
                text += file.read()
        return text

    def install(self, directory, name=None, chain=True, key=True,
                user=RUN_USER, mode=0o640):
        """
        NAME.pem and NAME.key as a certificate_directory has them: the key
        is root's, and readable by the group of `user`.  Each is put in
        place by rename, the certificate last.
        """
        base = os.path.join(directory, name or self.name)
        if key:
            shutil.copyfile(self.key, base + ".new")
            os.chown(base + ".new", 0, pwd.getpwnam(user).pw_gid)
            os.chmod(base + ".new", mode)
            os.rename(base + ".new", base + ".key")
        with open(base + ".new", "w") as file:
            file.write(self.pem(chain))
        os.rename(base + ".new", base + ".pem")
        return base + ".pem"

    def serial(self):
        """Hexadecimal, upper case."""
        out = _openssl("x509", "-in", self.cert, "-noout", "-serial")
        return out.decode().strip().partition("=")[2]


class Pki:
    """
    A directory of certificates.  Keys: "rsa:2048", "ec:P-256", "ed25519".
    Dates: days from now, or datetimes.
    """

    def __init__(self, name="pki"):
        self.directory = scope.new_directory(name)

    def _key(self, path, kind):
        algorithm, _, detail = kind.partition(":")
        options = {"rsa": ["RSA", "-pkeyopt", f"rsa_keygen_bits:{detail}"],
                   "ec": ["EC", "-pkeyopt", f"ec_paramgen_curve:{detail}"],
                   }.get(algorithm, [algorithm])
        _openssl("genpkey", "-out", path, "-algorithm", *options)

    def _config(self, directory, extensions="", base=0):
        path = os.path.join(directory, "openssl.cnf")
        with open(path, "w") as file:
            file.write(_CONFIG.format(dir=directory, extensions=extensions,
                                      base=base))
        return path

    def _ca_files(self, directory):
        if os.path.isdir(directory):
            return
        os.mkdir(directory)
        for name, text in (("index.txt", ""), ("crlnumber", "01\n"),
                           ("serial", os.urandom(8).hex() + "\n")):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)

    def _issue(self, certificate, key, subject, extensions, start, end):
        issuer = certificate.issuer
        self._key(certificate.key, key)
        directory = (issuer or certificate).ca_directory
        self._ca_files(directory)
        config = self._config(directory, "\n".join(extensions))
        request = certificate.key + ".csr"
        _openssl("req", "-new", "-config", config, "-utf8", "-key",
                 certificate.key, "-subj", subject, "-out", request)
        signer = (["-cert", issuer.cert, "-keyfile", issuer.key] if issuer
                  else ["-selfsign", "-keyfile", certificate.key])
        _openssl("ca", "-batch", "-notext", "-utf8", "-config", config,
                 *signer, "-extensions", "leaf", "-startdate", _time(start),
                 "-enddate", _time(end), "-in", request, "-out",
                 certificate.cert)
        os.unlink(request)
        return certificate

    def ca(self, name, issuer=None, subject=None, key="ec:P-256", start=-30,
           end=365, extensions=()):
        """A root, or with an issuer an intermediate CA."""
        return self._issue(
            Certificate(self, name, issuer), key,
            subject or f"/O=Test/CN={name}",
            ["basicConstraints = critical,CA:TRUE",
             "keyUsage = critical,keyCertSign,cRLSign",
             "subjectKeyIdentifier = hash",
             "authorityKeyIdentifier = keyid", *extensions], start, end)

    def leaf(self, name, issuer=None, email=(), dns=(), subject=None,
             key="ec:P-256", usage="digitalSignature,nonRepudiation",
             purpose="emailProtection", start=-1, end=30, extensions=()):
        """
        An end certificate, self-signed without an issuer.  usage and
        purpose of None leave these extensions out.
        """
        names = [f"email:{a}" for a in email] + [f"DNS:{d}" for d in dns]
        lines = ["basicConstraints = CA:FALSE", "subjectKeyIdentifier = hash"]
        if issuer:
            lines.append("authorityKeyIdentifier = keyid")
        if names:
            lines.append(f"subjectAltName = {','.join(names)}")
        if usage:
            lines.append(f"keyUsage = critical,{usage}")
        if purpose:
            lines.append(f"extendedKeyUsage = {purpose}")
        return self._issue(Certificate(self, name, issuer), key,
                           subject or f"/O=Test/CN={name}",
                           [*lines, *extensions], start, end)

    def revoke(self, certificate, reason="keyCompromise"):
        """Shows in the issuer's CRLs made from now on."""
        issuer = certificate.issuer
        config = self._config(issuer.ca_directory)
        _openssl("ca", "-batch", "-config", config, "-cert", issuer.cert,
                 "-keyfile", issuer.key, "-revoke", certificate.cert,
                 "-crl_reason", reason)

    def crl(self, issuer, directory=None, start=-0.01, end=7,
            delta_base=None):
        """
        The issuer's CRL; the path of its PEM file.  With a directory it is
        put there as hash.rN by rename: in the place of the issuer's last
        one, a delta beside it.
        """
        self._ca_files(issuer.ca_directory)
        config = self._config(issuer.ca_directory, base=delta_base or 0)
        path = os.path.join(self.directory, f"{issuer.name}.crl")
        _openssl("ca", "-gencrl", "-batch", "-config", config, "-cert",
                 issuer.cert, "-keyfile", issuer.key, "-crlexts",
                 "crl" if delta_base is None else "crl_delta",
                 "-crl_lastupdate", _time(start), "-crl_nextupdate",
                 _time(end), "-out", path)
        if directory is None:
            return path
        return self.install_crl(path, directory,
                                0 if delta_base is None else 1)

    @staticmethod
    def install_crl(path, directory, number=0):
        out = _openssl("crl", "-hash", "-noout", "-in", path).decode()
        target = os.path.join(directory, f"{out.strip()}.r{number}")
        shutil.copyfile(path, target + ".new")
        os.rename(target + ".new", target)
        return target


def cms_sign(entity, certificate, *options, opaque=False):
    """
    Message bytes (MIME-Version and on) of a signed entity, as an ordinary
    client makes them.  entity: Content-* fields, blank line, body, CRLF.
    """
    path = os.path.join(certificate.directory, "sign-chain.pem")
    with open(path, "w") as file:
        file.write("".join(c.pem(False) for c in certificate.chain()))
    chain = ["-certfile", path] if certificate.chain() else []
    out = _openssl("cms", "-sign", "-binary", "-crlfeol", "-md", "sha256",
                   "-signer", certificate.cert, "-inkey", certificate.key,
                   *chain, *(["-nodetach"] if opaque else []), *options,
                   input=entity)
    return re.sub(rb"\r?\n", b"\r\n", out)


def cms_verify(data, ca_file, *options, partial=False):
    """
    openssl's opinion of a whole message: (verified, content, why).
    ca_file: trusted certificates; partial: also ends of chains that are
    not roots, as self-signed leaves and pinned certificates need.
    """
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-CAfile", ca_file, "-no-CApath",
         *(["-partial_chain"] if partial else []), *options],
        input=data, capture_output=True)
    return done.returncode == 0, done.stdout, done.stderr.decode().strip()


def cms_encrypt(entity, *certificates, options=()):
    """
    Message bytes (MIME-Version and on) encrypted to certificates by an
    ordinary client; options come before the certificates, as `-stream`.
    """
    out = _openssl("cms", "-encrypt", "-binary", "-crlfeol", *(
        options or ["-aes256"]), *(c.cert for c in certificates),
        input=entity)
    return re.sub(rb"\r?\n", b"\r\n", out)


def cms_decrypt(data, certificate, *options):
    """
    What openssl makes of a message with a certificate's key: (opened,
    content, why).
    """
    done = subprocess.run(
        ["openssl", "cms", "-decrypt", "-recip", certificate.cert, "-inkey",
         certificate.key, *options], input=data, capture_output=True)
    return done.returncode == 0, done.stdout, done.stderr.decode().strip()
