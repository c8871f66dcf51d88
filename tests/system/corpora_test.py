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

import collections
import concurrent.futures
import functools
import json
import os
import re
import subprocess

from harness import Skip, crlf, main, new_directory, program
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
    mail_flow_policy = INCOMING
}}
mail-flow-policy INCOMING {{ smime_decrypt_verify = yes }}
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
        return os.path.join(self.directory, name)

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
    if "dec=FAIL" in one.openssl and r["decrypted"]:
        return "openssl does not decrypt it, we do"
    return None


VERDICTS = {
    "ACCEPT": accepted, "REJECT": rejected, "REJECT-IDENTITY": rejected,
    "POLICY": policy, "UNSIGNED": unsigned,
    "NO-DECRYPT-IN-MIX": unsigned, "HARVEST": rejected,
    "NO-KEY": lambda r: r["gateway_message"] and not r["decrypted"],
    "DECRYPT": lambda r: r["decrypted"],
    # Odd and hostile input: an answer, and never that all is well.
    "NOCRASH": rejected, "PARSE": rejected, "parse": rejected,
    "valid": rejected}


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


def brief(r):
    words = ("signature", "digest", "chain", "revocation", "identity",
             "decrypted", "gateway_message", "gateway_verified", "reason")
    return " ".join(f"{word}={r[word]}" for word in words)


# --- differences that are meant ----------------------------------------------

EXPLAINED = {}


# --- the tests ---------------------------------------------------------------

def explained(corpus, one):
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


def test_of(name, *arguments, **options):
    @functools.wraps(compare)
    def test(t):
        compare(t, name, *arguments, **options)
    test.__name__ = name.replace("-", "_")
    test.__doc__ = f"the corpus {name}"
    return test


if __name__ == "__main__":
    main(*(test_of(name) for name in (
        "rfc9788", "rfc4134", "thunderbird", "nss-openssl-interop",
        "openssl-cms", "james", "cms-encodings", "pyasn1-alt")),
        test_of("pkits2011", judge_path, missing_crl="reject"))
