# SPDX-License-Identifier: BSD-2-Clause
"""Enough DER to make certificates and CMS objects that openssl(1) will not."""

import os
import re
import subprocess
import tempfile


def tlv(tag, *contents):
    data = b"".join(contents)
    size = len(data)
    if size < 128:
        return bytes([tag, size]) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + data


def divide(data):
    """The TLVs that data consists of: [(tag, whole, content)]."""
    found = []
    while data:
        start, size = 2, data[1]
        if size & 0x80:
            start += size & 0x7f
            size = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[:start + size], data[start:start + size]))
        data = data[start + size:]
    return found


def inside(data):
    """The TLVs inside the one that data is."""
    return divide(divide(data)[0][2])


def to_der(pem):
    """The first object of a PEM file's text."""
    return subprocess.run(["openssl", "base64", "-d"], check=True,
                          capture_output=True, input=re.sub(
                              "-----.*", "", pem).encode()).stdout


def resign(certificate, *replacements):
    """
    Replaces bytes by as many others in a certificate and has its own key
    sign it again: names that no command line can hold.
    """
    with open(certificate.cert) as file:
        der = to_der(file.read())
    (_, tbs, _), (_, algorithm, _), _ = inside(der)
    for old, new in replacements:
        assert len(old) == len(new) and old in tbs, old
        tbs = tbs.replace(old, new)
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", certificate.key],
        input=tbs, capture_output=True, check=True).stdout
    der = tlv(0x30, tbs, algorithm, tlv(0x03, b"\0", signature))
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(certificate.cert),
                                     delete=False) as file:
        file.write(subprocess.run(
            ["openssl", "x509", "-inform", "DER"], input=der,
            capture_output=True, check=True).stdout)
    os.rename(file.name, certificate.cert)
    os.chmod(certificate.cert, 0o644)
    return certificate


def add_crls(cms, *crl_files):
    """A SignedData with these CRLs (PEM files) put in."""
    oid, explicit = inside(cms)
    fields = inside(explicit[2])
    crls = []
    for path in crl_files:
        with open(path) as file:
            crls.append(to_der(file.read()))
    at = next(n for n, f in enumerate(fields) if n > 2 and f[0] == 0x31)
    whole = [f[1] for f in fields]
    whole.insert(at, tlv(0xa1, *crls))
    return tlv(0x30, oid[1], tlv(0xa0, tlv(0x30, *whole)))
