#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Mail and CMS objects of other projects, through `postseal smime test`, held
against each corpus's EXPECT.tsv: rows S8, S9, S10, S12.

The corpora are no part of the sources; $POSTSEAL_CORPORA says where they
are.  Every set is one test.  Where we differ from what is expected, the
difference stands in EXPLAINED with its reason and is a test of its own:
that it is still there, and that it is no other.
"""

import base64
import collections
import concurrent.futures
import email
import functools
import json
import os
import re
import subprocess

from harness import (Pki, Skip, cms_verify, crlf, main, new_directory,
                     program)
from harness.der import to_der

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CORPORA = (os.environ.get("POSTSEAL_CORPORA") or
           os.path.join(SOURCE, "..", "shared", "corpora"))

CONFIG = """
postseal {{
    hostname = gw.a.example
    state_directory = {0}/state
    certificate_directory = {0}/certs
    run_directory = {0}
}}
ca-list {{ system = no }}
crl-check {{
    directory = {0}/crl
    missing_crl = {1}
}}
milter-smime {{
    listen = unix:{0}/socket
    user = ""
    key_store = sqlite:{0}/state/smime/keys.db
}}
sender-group world {{
    clients = ALL
    trusted = yes
    mail_flow_policy = INCOMING
}}
mail-flow-policy INCOMING {{ smime_decrypt_verify = yes }}
sending-profile sign {{ mode = sign }}
mail-policy out {{
    direction = outgoing
    profile = sign
}}
"""

One = collections.namedtuple("One", "path kind expected openssl")
Difference = collections.namedtuple("Difference", "files why holds")


# --- a corpus ----------------------------------------------------------------

class Corpus:
    """A set with its SOURCE.txt, EXPECT.tsv and a configuration for it."""

    def __init__(self, name, missing_crl="accept"):
        self.name = name
        self.directory = os.path.join(CORPORA, name)
        if not os.path.isdir(self.directory):
            raise Skip(f"no corpus {name} in {CORPORA} "
                       "($POSTSEAL_CORPORA says where)")
        self.source = self._source()
        self.work = new_directory(name)
        for word in ("state", "state/smime", "certs", "crl", "out"):
            os.mkdir(os.path.join(self.work, word))
        self.config = os.path.join(self.work, "postseal.conf")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(self.work, missing_crl))
        self._keys()
        self.options = self._trust()
        if "Check at" in self.source:
            self.options += ["--at", self.source["Check at"].split()[0]]

    def path(self, name):
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):  # keys lie in keys/, said or not
            path = os.path.join(os.path.dirname(path), "keys",
                                os.path.basename(path))
        return path

    def _source(self):
        with open(self.path("SOURCE.txt")) as file:
            pairs = (line.partition(":") for line in file)
            return {key.strip(): value.strip() for key, _, value in pairs}

    def _pem(self, name, *kinds):
        """Those objects of a PEM file."""
        with open(self.path(name), errors="replace") as file:
            return "".join(
                block[0] + "\n" for block in re.finditer(
                    r"(?s)-----BEGIN ([^-]+)-----.*?-----END \1-----",
                    file.read()) if block[1].endswith(kinds))

    def _keys(self):
        """What the Decrypt: line names, as a certificate_directory."""
        for pair in filter(None, self.source.get("Decrypt", "").split(";")):
            label, _, files = pair.strip().partition(": ")
            certificate, key = files.split(" + ")
            base = os.path.join(self.work, "certs", label)
            self._write(base + ".key", self._pem(key, "PRIVATE KEY"))
            self._write(base + ".pem", self._pem(certificate, "CERTIFICATE"))

    @staticmethod
    def _write(path, text):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600),
                  "w") as file:
            file.write(text)

    def _trust(self):
        anchors = self.source.get("Trust")
        if not anchors:
            return []
        path = os.path.join(self.work, "trust.pem")
        self._write(path, "".join(self._pem(name.strip(), "CERTIFICATE")
                                  for name in anchors.split(",")))
        return ["--trust", path]

    def files(self):
        """What EXPECT.tsv lists, without keys and certificates to use."""
        with open(self.path("EXPECT.tsv"), errors="replace") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        return [One(row[0], row[1], row[2], row[5] if len(row) > 5 else "")
                for row in rows if not row[0].startswith("#")
                and not row[1].startswith("support")]

    def test(self, data, *options):
        """What `postseal smime test` reports of a message (bytes)."""
        done = subprocess.run(
            [program("postseal-smime"), "-c", self.config, "test", "--json",
             *self.options, *options, "-"], input=data, capture_output=True,
            timeout=30)
        if done.returncode:
            raise AssertionError(
                f"exit {done.returncode}: "
                f"{done.stderr.decode(errors='replace')[:300]}")
        return json.loads(done.stdout)

    def openssl(self, *command, **options):
        return subprocess.run(["openssl", *command], cwd=self.work,
                              capture_output=True, **options)


def parallel(function, values):
    """(value, function(value)) of each, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(zip(values, pool.map(function, values)))


# --- bare CMS objects as mail ------------------------------------------------

def der_of(data):
    """The DER of a file that holds no mail, or None."""
    if data.startswith(b"-----BEGIN"):
        return to_der(data.decode("latin-1"))
    if re.match(rb"[\w-]+:", data):
        return None
    return data


def signer_address(corpus, der):
    """The address that a signer's certificate carries, by openssl(1)."""
    if b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" not in der[:40]:
        return None
    certificate = corpus.openssl(
        "cms", "-verify", "-noverify", "-inform", "DER", "-binary",
        "-signer", "/dev/stderr", "-out", "/dev/null", input=der).stderr
    found = corpus.openssl("x509", "-noout", "-email", input=certificate)
    return next(iter(found.stdout.decode().split()), None)


def wrap(der, sender=None):
    """A message that is nothing but the CMS object."""
    done = subprocess.run(["openssl", "base64"], input=der,
                          capture_output=True, check=True)
    return crlf(f"From: {sender or 'nobody@a.example'}\n"
                "To: y@b.example\nMIME-Version: 1.0\n"
                "Content-Type: application/pkcs7-mime; name=smime.p7m\n"
                "Content-Transfer-Encoding: base64\n"
                "\n".encode() + done.stdout)


def as_mail(corpus, path):
    with open(corpus.path(path), "rb") as file:
        data = file.read()
    der = der_of(data)
    return data if der is None else wrap(der, signer_address(corpus, der))


# --- what is expected of a report --------------------------------------------

def accepted(r):
    return r["signature"] == "pass" and r["gateway_verified"]


def rejected(r):
    return r["signature"] != "pass" and not (
        r["gateway_verified"] and r["signature"] != "none")


def unsigned(r):
    return r["signature"] == "none" and not r["gateway_message"]


def policy(r):
    """By our rules too weak, everything else being well."""
    return (r["signature"] == "policy" and r["digest"] == "good" and
            not r["gateway_verified"])


def path_holds(r):
    """For signers without an address: all but the identity."""
    return (r["digest"] == "good" and r["chain"] == "good" and
            r["revocation"] != "bad")


def as_openssl(one, r):
    """Says openssl(1) the same of the signature and the envelope?"""
    signatures = re.findall(r"sig=(\w+)", one.openssl)
    if signatures and set(signatures) == {"OK"} and r["digest"] != "good":
        return "openssl verifies the digest, we do not"
    if signatures == ["FAIL"] and r["digest"] == "good":
        return "openssl does not verify the digest, we do"
    if "dec=OK" in one.openssl and not r["decrypted"]:
        return "openssl decrypts it, we do not"
    return None


VERDICTS = {
    "ACCEPT": accepted, "REJECT": rejected, "REJECT-IDENTITY": rejected,
    "POLICY": policy, "UNSIGNED": unsigned,
    "NO-DECRYPT-IN-MIX": unsigned, "HARVEST": rejected,
    "NO-KEY": lambda r: r["gateway_message"] and not r["decrypted"],
    "DECRYPT": lambda r: r["decrypted"],
    # Odd and hostile input: an answer, and never that all is well.
    "NOCRASH": rejected, "PARSE": rejected, "parse": rejected,
    "valid": rejected, "data": unsigned}


def judge(one, r):
    """What is wrong with a report, or None."""
    first, _, then = one.expected.partition(" then ")
    for words in filter(None, (first, then)):
        word = re.match(r"[\w-]+", words)[0]
        if not VERDICTS[word](r):
            return f"not {word}"
    return as_openssl(one, r)


def judge_path(one, r):
    if one.expected.startswith("ACCEPT") != path_holds(r):
        return "not " + one.expected
    return as_openssl(one, r)


# RFC 9788's own messages: kind of protection, and what is confidential.
# Their subjects are their names.
PROTECTED = {
    "smime-one-part-hp.eml": ("clear", []),
    "smime-multipart-hp.eml": ("clear", []),
    "smime-one-part-complex-hp.eml": ("clear", []),
    "smime-multipart-hp-invalid.eml": (None, []),
    "smime-multipart-complex-rfc8551hp.eml": ("wrapped", []),
    "smime-signed-enc-hp-baseline.eml": ("cipher", ["Subject"]),
    "smime-signed-enc-hp-baseline-legacy.eml": ("cipher", ["Subject"])}


def judge_protected(one, r):
    """The header fields that the RFC's tables name, and no difference."""
    found = r["protected_headers"]
    kind, confidential = PROTECTED[one.path]
    subject = one.path.removesuffix(".eml")
    fields = [] if kind is None else [
        ("Subject", subject), ("Message-ID", f"<{subject}@example>"),
        ("From", "Alice <alice@smime.example>"),
        ("To", "Bob <bob@smime.example>"),
        ("User-Agent", "Sample MUA Version 1.0")]
    got = [(f["name"], f["value"]) for f in found["fields"]]
    if [f for f in got if f[0] != "Date"] != fields or \
            len(got) != len(fields) + (kind is not None):
        return f"protected fields {got}"
    if (found["kind"], found["signed"], found["differ"],
            found["confidential"]) != (kind, kind is not None, [],
                                       confidential):
        return f"protected headers {found}"
    return judge(one, r)


def brief(r):
    words = ("signature", "digest", "chain", "revocation", "identity",
             "decrypted", "gateway_message", "gateway_verified", "reason")
    return " ".join(f"{word}={r[word]}" for word in words)


# --- differences that are meant ----------------------------------------------


def not_opened(r):
    return (r["gateway_message"] and not r["decrypted"] and
            not r["gateway_verified"])


EXPLAINED = {
    "rfc4134": [
        Difference("4.6.bin", "Diane's certificate inherits its DSA "
                   "parameters from its issuer's, which OpenSSL does not "
                   "look for: it cannot be told", lambda r: (
                       r["signature"] == "neutral" and
                       r["digest"] == "unknown")),
        Difference("4.8.eml", "From says examples.com, the signer's "
                   "certificate example.com: somebody else signed",
                   lambda r: (r["signature"] == "fail" and
                              r["identity"] == "bad" and
                              r["digest"] == "good")),
        Difference("5.2.bin", "RC2 with 40 bits is in OpenSSL's legacy "
                   "provider only, which we do not load", not_opened)],
    "thunderbird": [
        Difference(r"alice\.env\.dsig\.SHA384\.multipart\.dave\.sig\..*",
                   "Dave's signature is good, but we look at the one inside, "
                   "too, which was made over LF (Thunderbird refuses it as "
                   "well)", lambda r: (r["signature"] == "fail" and
                                       r["digest"] == "bad")),
        Difference(r"alice\.future\..*", "a Date field is not part of what "
                   "is signed and is not compared with signingTime",
                   accepted)],
    "cms-encodings": [
        Difference(r"rustcrypto/enveloped_data_(multi|pwri)\.bin", "session "
                   "keys wrapped by a password are not for gateways",
                   not_opened)],
    "mime-parsers": [
        Difference("flanker/signed.eml", "this mail is S/MIME itself, signed "
                   "twice over (RFC 8551 3.5.3.1: no content in a detached "
                   "signature), and is refused as such", lambda r: (
                       r["signature"] == "fail" and
                       r["reason"].startswith("the detached signature")))],
    "spamassassin": [
        Difference(r"hard-ham-1/00183\..*", "this mail is S/MIME itself, its "
                   "signature cut and pasted (openssl: too long), and is "
                   "refused as such", lambda r: (
                       r["signature"] == "fail" and
                       r["digest"] == "none"))],
    "pkits2011": [
        Difference(r"smime/SignedValidPolicyMappingTest3\.eml", "only with "
                   "an initial set of certificate policies, which we have no "
                   "setting for, this path is bad", path_holds)],
}


# --- the tests ---------------------------------------------------------------

def explained(corpus, one):
    """The difference that this file is said to be, or None."""
    for difference in EXPLAINED.get(corpus.name, []):
        if re.fullmatch(difference.files, one.path):
            return difference
    return None


def check_differences(t, corpus, different):
    """different: [(One, report)]; each difference must hold, and exist."""
    for difference in EXPLAINED.get(corpus.name, []):
        found = [(one, r) for one, r in different
                 if explained(corpus, one) is difference]
        wrong = [f"{one.path}: {brief(r)}" for one, r in found
                 if not difference.holds(r)]
        t.ok(found and not wrong, f"{corpus.name}, {len(found)} files: "
             f"{difference.why}", *(wrong or ["no file differs so"]))


def compare(t, name, judgement=judge, **options):
    corpus = Corpus(name, **options)

    def run(one):
        try:
            return corpus.test(as_mail(corpus, one.path))
        except (AssertionError, ValueError,
                subprocess.TimeoutExpired) as why:
            return str(why)

    files = corpus.files()
    failed, different = [], []
    for one, r in parallel(run, files):
        wrong = r if isinstance(r, str) else judgement(one, r)
        if wrong is None:
            continue
        if explained(corpus, one) and not isinstance(r, str):
            different.append((one, r))
            continue
        failed.append(f"{one.path}: {wrong}; expected {one.expected}; "
                      f"openssl {one.openssl}")
        failed.append("    " + (r if isinstance(r, str) else brief(r)))
    t.ok(files and not failed, f"{name}: {len(files) - len(different)} of "
         f"{len(files)} files are judged as its EXPECT.tsv says", *failed)
    check_differences(t, corpus, different)


# --- sets that have no S/MIME mail -------------------------------------------

SIGNED = "judged as S/MIME"


def as_read(data):
    """A file as a message: no mbox line, an empty line behind the head."""
    data = crlf(re.sub(rb"\AFrom .*\n", b"", data))
    return data if re.match(rb"[!-9;-~]+:", data) else b"\r\n" + data


def judge_passed(corpus, numbered):
    """An ordinary mail: (One, what is wrong or None, its report)."""
    number, one = numbered
    out = os.path.join(corpus.work, "out", str(number))
    os.mkdir(out)
    with open(corpus.path(one.path), "rb") as file:
        data = file.read()
    r = corpus.test(data, "--out", out)
    with open(os.path.join(out, "1.eml"), "rb") as file:
        got = file.read()
    if not unsigned(r):  # our own field of results stands before it
        wrong = SIGNED if got.endswith(as_read(data)) else "changed"
    else:
        wrong = None if got == as_read(data) else "changed"
    return one, wrong, r


def pass_unchanged(t, name):
    """Ordinary mail comes out as it went in."""
    corpus = Corpus(name)
    results = [result for _, result in parallel(
        functools.partial(judge_passed, corpus),
        list(enumerate(corpus.files())))]
    different = [(one, r) for one, wrong, r in results
                 if wrong == SIGNED and explained(corpus, one)]
    failed = [f"{one.path}: {wrong}: {brief(r)}" for one, wrong, r in results
              if wrong and (one, r) not in different]
    t.ok(results and not failed, f"{name}: {len(results) - len(different)} "
         f"of {len(results)} mails are no S/MIME, all pass unchanged",
         *failed)
    check_differences(t, corpus, different)


def mimekit(t):
    """the corpus mimekit"""
    corpus = Corpus("mimekit")
    corpus.options = []  # its time is for its own certificates
    certificate = Pki().leaf("x", email=["x@a.example"])
    certificate.install(os.path.join(corpus.work, "certs"))
    for one in corpus.files():
        with open(corpus.path(one.path), "rb") as file:
            octets = file.read()
        corpus.test(crlf(
            b"From: x@a.example\nMIME-Version: 1.0\n"
            b"Content-Type: application/octet-stream\n"
            b"Content-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(octets)), "--direction", "outgoing",
            "--out", os.path.join(corpus.work, "out"))
        with open(os.path.join(corpus.work, "out", "1.eml"), "rb") as file:
            good, content, why = cms_verify(file.read(), certificate.cert,
                                            partial=True)
        t.ok(good and email.message_from_bytes(content).get_payload(
            decode=True) == octets, f"mimekit: {one.path} signed by us "
            "verifies with openssl, every octet in its place", why)


def mime_parsers(t):
    """the corpus mime-parsers"""
    pass_unchanged(t, "mime-parsers")


def spamassassin(t):
    """the corpus spamassassin"""
    pass_unchanged(t, "spamassassin")


class Sample:
    """RFC 9216's people, with openssl(1) for their mail program."""

    CA = ("rsa-certification-authority-root-certificate.crt.pem",
          "ed25519-certification-authority-root-certificate.crt.pem")

    def __init__(self):
        self.corpus = Corpus("rfc9216")
        self.corpus.source["Trust"] = ", ".join(self.CA)
        self.corpus.source["Decrypt"] = "; ".join(
            f"{who}: {self.name(who, 'encryption-end-entity')} + "
            f"{who}-s-decryption-private-key-material.key.pem"
            for who in ("alice", "bob", "carlos", "dana"))
        self.corpus._keys()
        self.corpus.options = self.corpus._trust()

    @staticmethod
    def name(who, use):
        return f"{who}-s-{use}-certificate.crt.pem"

    def sign(self, who, data, *options):
        """A signed message, or None where openssl cannot."""
        done = self.corpus.openssl(
            "cms", "-sign", "-signer",
            self.corpus.path(self.name(who,
                                       "signature-verification-end-entity")),
            "-inkey", self.corpus.path(
                f"{who}-s-signing-private-key-material.key.pem"),
            *options, input=data)
        return done.stdout if done.returncode == 0 else None

    def encrypt(self, whom, data):
        done = self.corpus.openssl(
            "cms", "-encrypt", "-aes256", "-binary", "-recip",
            self.corpus.path(self.name(whom, "encryption-end-entity")),
            input=data)
        return done.stdout if done.returncode == 0 else None

    def test(self, who, data):
        return self.corpus.test(crlf(
            f"From: {who}@smime.example\nTo: y@b.example\n".encode() + data))


def rfc9216(t):
    """the corpus rfc9216"""
    sample = Sample()
    text = b"Content-Type: text/plain\r\n\r\nHello.\r\n"
    for who, other in (("alice", "bob"), ("bob", "alice")):
        for options in ((), ("-nodetach",)):
            signed = sample.sign(who, text, *options)
            t.ok(accepted(sample.test(who, signed)),
                 f"rfc9216: mail signed by {who} {' '.join(options)} verifies")
            r = sample.test(who, sample.encrypt(other, signed))
            t.ok(accepted(r) and r["decrypted"], "rfc9216: encrypted for "
                 f"{other}, too, it is opened and verifies", brief(r))
    for who in ("carlos", "dana"):
        signed = sample.sign(who, text)
        t.ok(accepted(sample.test(who, signed)) if signed else True,
             f"rfc9216, {who}: Ed25519 " + (
                 "verifies" if signed else "is not in this OpenSSL's CMS, so "
                 "nobody signs with it here"))
        sealed = sample.encrypt(who, text)
        t.ok(sample.test(who, sealed)["decrypted"] if sealed else True,
             f"rfc9216, {who}: X25519 " + (
                 "is opened" if sealed else "is not in this OpenSSL's CMS, so "
                 "nobody encrypts to it here"))


def test_of(name, *arguments, **options):
    @functools.wraps(compare)
    def test(t):
        compare(t, name, *arguments, **options)
    test.__name__ = re.sub(r"\W", "_", name)
    test.__doc__ = f"the corpus {name}"
    return test


if __name__ == "__main__":
    main(rfc9216, test_of("rfc9788", judge_protected), *map(test_of, (
        "rfc4134", "thunderbird", "nss-openssl-interop",
        "openssl-cms", "james", "cms-encodings", "pyasn1-alt")),
        test_of("pkits2011", judge_path, missing_crl="reject"),
        mimekit, mime_parsers, spamassassin)
