#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
postseal_tls.so inside a real Postfix: revocation at handshake time, both
ways, and the certificate spool.  Rows R3, R+; faults B10, E2 as far as the
module has a part in them.
"""

import grp
import json
import os
import pwd
import re
import shutil
import ssl
import stat
import subprocess
import time

from harness import Sink, SmtpClient, SmtpError, main, wait_for
from harness.crl import Ca, Fetcher, Web
from harness.milter import program
from harness.scope import new_directory
from harness.tls import (V12, V13, TlsPostfix, client_context, fingerprint,
                         server_context)

MAIL = b"Subject: x\r\n\r\nx\r\n"


def serial_of(certificate):
    """As a CRL has it: the contents of the INTEGER."""
    text = certificate.serial()
    return ("00" if int(text[:2], 16) > 127 else "") + text


class Site:
    """
    A root, an intermediate, its CRLs on a server, crl-fetcher, a Postfix.
    """

    def __init__(self, check="", sources=("root", "mid"), postfix=True,
                 **options):
        self.root = Ca("root")
        pki = self.root.pki
        self.mid = Ca("mid", pki, issuer=self.root.certificate)
        self.cas = {"root": self.root, "mid": self.mid}
        self.web, self.number = Web(), 0
        self.lists = {"root": [], "mid": []}
        self.spool = new_directory("spool")
        owner = pwd.getpwnam("postfix")
        os.chown(self.spool, owner.pw_uid, grp.getgrnam("nogroup").gr_gid)
        os.chmod(self.spool, 0o2750)
        self.put()
        self.fetcher = Fetcher(
            self.cas.values(), {name: [
                f"primary_url = {self.web.url('/' + name)}"]
                for name in sources},
            check=f"certificate_spool = {self.spool}\n    {check}")
        self.server = self.leaf("mx", dns=["mx.example"])
        if sources:
            self.fetch()
        self.postfix = TlsPostfix("p", self.root, self.fetcher, self.server,
                                  **options) if postfix else None

    def leaf(self, name, issuer=None, **options):
        return self.root.pki.leaf(
            name, issuer=(issuer or self.mid).certificate,
            purpose="serverAuth,clientAuth",
            usage="digitalSignature", **options)

    def put(self, *options):
        self.number += 1
        for name, ca in self.cas.items():
            revoke = [w for s in self.lists[name] for w in ("--revoke", s)]
            self.web.put("/" + name, ca.crl("--number", self.number,
                                            *revoke, *options))

    def fetch(self):
        ran = self.fetcher.run("--all")
        assert ran.code == 0, ran

    def revoke(self, certificate, by="mid"):
        self.lists[by].append(serial_of(certificate) + ":1")
        self.put()
        self.fetch()

    def kept(self):
        return sorted(os.listdir(self.spool))


class Forged:
    """What somebody else signed under the name of mid."""

    def __init__(self, site):
        top = new_directory("forged")
        ca, key = f"{top}/ca.pem", f"{top}/ca.key"
        self.cert, self.key = f"{top}/leaf.pem", f"{top}/leaf.key"
        self._mid = site.mid.certificate

        def openssl(*words):
            subprocess.run(["openssl", *words], check=True,
                           capture_output=True)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes"]
        openssl("req", "-x509", *curve, "-keyout", key, "-out", ca, "-subj",
                "/O=Test/CN=mid", "-days", "9")
        openssl("req", *curve, "-keyout", self.key, "-out", self.cert + ".r",
                "-subj", "/CN=forged")
        openssl("x509", "-req", "-in", self.cert + ".r", "-CA", ca, "-CAkey",
                key, "-set_serial", "0x77", "-days", "9", "-out", self.cert)

    def pem(self):
        with open(self.cert) as file:
            return file.read() + self._mid.pem()


# --- inbound ----------------------------------------------------------------

def _inbound(t, word, **options):
    site = Site(**options)
    good, bad = site.leaf("good"), site.leaf("bad")
    sub = Ca("sub", site.root.pki, issuer=site.root.certificate)
    under = site.leaf("under", sub)
    site.revoke(bad)
    a = site.postfix.start()
    for version, text in ((V13, "TLS 1.3"), (V12, "TLS 1.2")):
        t.is_([a.verdict(c, version) for c in (good, bad, None)],
              ["Trusted", "Untrusted", "Anonymous"],
              f"R3 inbound, {word}, {text}: a good client certificate is "
              "trusted, a revoked one is not, one that is not there is not "
              "asked for")
    line = re.search(r"postseal_tls: .*status=revoked.*", a.log())
    t.ok(line and f"serial={bad.serial()} " in line[0] and
         'direction=inbound depth=0' in line[0] and
         'reason="keyCompromise"' in line[0] and 'CN=bad' in line[0] and
         'issuer="CN=mid' in line[0] and "smtpd[" in a.log(),
         f"R+ inbound, {word}: the log says who is revoked and why", a.log())
    t.is_(a.verdict(under), "Trusted",
          f"R3 inbound, {word}: without a list of the CA, accepted")
    t.ok(re.search(r"postseal_tls: .*status=unknown.*no CRL of its issuer",
                   a.log()), f"R3 inbound, {word}: and logged", a.log())
    site.revoke(sub.certificate, "root")
    t.is_(a.verdict(under), "Untrusted",
          f"R3 inbound, {word}: not so when the intermediate is revoked, "
          "under a running smtpd")
    site.revoke(good)
    t.is_(a.verdict(good), "Untrusted",
          f"R3 inbound, {word}: a new list counts from the next handshake")
    return site, a


def inbound(t):
    _inbound(t, "no chroot")


def _directories(pid):
    """Number, target and mount of each directory that a process has open."""
    found = []
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            name = f"/proc/{pid}/fd/{number}"
            if not stat.S_ISDIR(os.stat(name).st_mode):
                continue
            with open(f"/proc/{pid}/fdinfo/{number}") as file:
                mount = re.search(r"mnt_id:\s*(\d+)", file.read())[1]
            found.append((number, os.readlink(name), mount))
    except OSError:
        pass
    return found


def _mounts():
    with open("/proc/self/mountinfo") as file:
        return {line.split()[0] for line in file}


def inbound_chroot(t):
    _, a = _inbound(t, "chroot", chroot=True)
    pids = re.findall(r"smtpd\[(\d+)\]", a.log())
    roots = set()
    for pid in set(pids):
        try:
            roots.add(os.readlink(f"/proc/{pid}/root"))
        except OSError:
            pass
    t.is_(roots, {a.queue_directory}, "R+ that smtpd was in a chroot indeed")
    outside, own = [], []
    for pid in set(pids):
        for number, target, mount in _directories(pid):
            (own if mount in _mounts() else outside).append(target)
    t.ok(outside and not own, "R+ and its open directories are no way out of "
         "it", (outside, own))


def policy(t):
    """What a policy service hears: fingerprint, but no subject."""
    site = Site()
    good, bad = site.leaf("good"), site.leaf("bad")
    site.revoke(bad)
    sink = Sink()
    a = site.postfix.relay(sink.port).set(smtp_tls_security_level="may")
    ports = {word: a.listener(
        smtpd_relay_restrictions=f"{word}, reject",
        smtpd_recipient_restrictions="",
        relay_clientcerts=known)
        for word, known in (("permit_tls_all_clientcerts", ""),
                            ("permit_tls_clientcerts", "static:yes"))}
    ports["required"] = a.listener(smtpd_tls_req_ccert="yes",
                                   smtpd_tls_security_level="encrypt")
    a.start()
    for certificate in (good, bad):
        client = a.connect(certificate)
        client.mail("x@a.example", ["y@b.example"], MAIL)
    heads = [m.head.decode() for m in sink.wait(2)]
    of = {name: next(h for h in heads if f'Client CN "{name}"' in
                     " ".join(h.split())) for name in ("good", "bad")}
    t.ok("verified OK" in of["good"] and "not verified" in of["bad"],
         "R3 inbound: Received tells who was verified", *heads)
    for restriction, expected in (
            ("permit_tls_all_clientcerts", "554"), ("permit_tls_clientcerts",
                                                    "250")):
        t.is_(_relay(ports[restriction], bad), expected,
              f"R3 inbound: {restriction} and a revoked certificate "
              "(postseal_tls.8 says so)")
    t.is_([_relay(ports["required"], c) for c in (good, bad)],
          ["250", "refused"], "R3 inbound: smtpd_tls_req_ccert refuses it")


def _relay(port, certificate):
    """The code for RCPT, or "refused" when it does not come so far."""
    try:
        client = SmtpClient(port)
        client.hello()
        client.starttls(client_context(certificate, V12))
        client.command("MAIL FROM:<x@a.example>", 250)
        return str(client.command("RCPT TO:<y@b.example>")[0])
    except (SmtpError, OSError):
        return "refused"


def missing(t):
    """missing_crl = reject: no list, a stale one, a list of others"""
    site = Site(check="missing_crl = reject\n    grace = 0")
    sub = Ca("sub", site.root.pki, issuer=site.root.certificate)
    good, under = site.leaf("good"), site.leaf("under", sub)
    a = site.postfix.start()
    t.is_([a.verdict(good), a.verdict(under)], ["Trusted", "Untrusted"],
          "R3 missing_crl = reject: without a list of the CA, not trusted")
    site.put("--next", 3)
    site.fetch()
    t.is_(a.verdict(good), "Trusted", "R3 a list that ends soon counts")
    time.sleep(4.5)
    t.is_(a.verdict(good), "Untrusted",
          "R3 missing_crl = reject: not with a list that has expired")
    t.ok(re.search(r"status=unknown.*has expired", a.log()),
         "R3 and the log says that it has", a.log())
    with open(site.fetcher.conf) as file:
        text = file.read()
    with open(site.fetcher.conf, "w") as file:
        file.write(text.replace("missing_crl = reject",
                                "missing_crl = accept"))
    a.write_config()
    t.ok("missing_crl = accept" in open(a.cnf).read(),
         "R3 postfix-config writes what the settings say now")
    a.reload()
    time.sleep(1)
    t.is_(a.verdict(good), "Trusted",
          "R3 missing_crl = accept: an expired list, and yet trusted")


def switches(t):
    site = Site(check="inbound_smtp_tls = no")
    bad = site.leaf("bad")
    site.revoke(bad)
    a = site.postfix.start()
    t.is_(a.verdict(bad), "Trusted",
          "R3 inbound_smtp_tls = no: revoked, but nobody asks")
    t.ok("postseal_tls" not in a.log(), "R3 nor says anything", a.log())


# --- the certificate spool --------------------------------------------------

def spool(t):
    site = Site(check="certificate_spool_max = 2", chroot=True)
    good, bad, two, three = (site.leaf(n) for n in
                             ("good", "bad", "two", "three"))
    site.revoke(bad)
    a = site.postfix.start()
    t.is_([a.verdict(c) for c in (good, good, bad, Forged(site))],
          ["Trusted", "Trusted", "Untrusted", "Untrusted"],
          "R+ spool: good, good again, revoked, forged under a CA's name")
    t.is_(site.kept(), [fingerprint(good) + ".der"],
          "R+ spool: only the verified leaf is kept, once, by fingerprint")
    path = os.path.join(site.spool, site.kept()[0])
    with open(path, "rb") as file:
        der = file.read()
    mode = os.stat(path)
    t.ok(stat.S_IMODE(mode.st_mode) == 0o640 and
         mode.st_gid == os.stat(site.spool).st_gid and
         mode.st_uid == pwd.getpwnam("postfix").pw_uid,
         "R+ spool: readable by the directory's group", mode)
    with open(good.cert) as file:
        t.ok(ssl.PEM_cert_to_DER_cert(file.read()) == der,
             "R+ spool: it is the very certificate")
    a.verdict(two)
    a.verdict(three)
    t.is_(site.kept(), sorted(fingerprint(c) + ".der" for c in (good, two)),
          "R+ spool: no more than certificate_spool_max")
    t.ok("spool is full" in a.log(), "R+ spool: and that is logged", a.log())
    t.is_(a.verdict(three, V12), "Trusted", "R+ spool: mail does not mind")
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    before = open("/etc/passwd", "rb").read()
    a.verdict(good)
    t.ok(os.path.islink(path) and open("/etc/passwd", "rb").read() == before,
         "A15 a symbolic link in the spool is not followed")


def constraints(t):
    """A leaf outside its CA's name constraints is not kept"""
    site = Site()
    limited = Ca("limited", site.root.pki, issuer=site.root.certificate,
                 extensions=["nameConstraints = permitted;DNS:ok.example"])
    outside = site.leaf("outside", limited, dns=["evil.example"])
    inside = site.leaf("inside", limited, dns=["a.ok.example"])
    a = site.postfix.start()
    t.is_([a.verdict(outside), a.verdict(inside)], ["Untrusted", "Trusted"],
          "R+ spool: name constraints hold")
    t.is_(site.kept(), [fingerprint(inside) + ".der"],
          "R+ spool: what breaks them is not kept")


# --- outbound ---------------------------------------------------------------

class Deliver:
    """
    Mail from a site's Postfix to one server after the other; each a domain
    of its own, for Postfix gives an unwilling one a rest.  Starts Postfix.
    """

    def __init__(self, site):
        self.site, self.n = site, 0
        self.sinks = [Sink(tls=True) for _ in range(6)]
        for i, sink in enumerate(self.sinks):
            site.postfix.route(f"d{i}.example", sink.port)
        site.postfix.start()

    def __call__(self, certificate, version=None):
        """"sent", or the line of the log that says why not."""
        sink, domain = self.sinks[self.n], f"d{self.n}.example"
        self.n += 1
        sink.tls = server_context(certificate, version)
        a = self.site.postfix
        a.send("x@a.example", [f"y@{domain}"], MAIL)
        line = a.wait_log(rf"to=<y@{domain}>.*status=(\w+) (.*)", 20)
        if line[1] == "sent" and not sink.one().encrypted:
            return "in clear"
        return line[1] if line[1] == "sent" else line[0]


def _outbound(t, level, **options):
    site = Site(level=level, **options)
    more = " in a chroot" if options.get("chroot") else ""
    sub = Ca("sub", site.root.pki, issuer=site.root.certificate)
    bad = site.leaf("bad", dns=["mx.example"])
    under = site.leaf("under", sub, dns=["mx.example"])
    site.revoke(bad)
    site.revoke(sub.certificate, "root")
    a, deliver = site.postfix, Deliver(site)
    for version, text in ((V13, "TLS 1.3"), (V12, "TLS 1.2")):
        t.is_(deliver(site.server, version), "sent",
              f"R3 outbound {level}{more}, {text}: a good server gets mail")
        said = deliver(bad, version)
        t.ok("status=deferred" in said and "not verified" in said,
             f"R3 outbound {level}{more}, {text}: a revoked one does not, it "
             "is deferred", said)
    said = deliver(under)
    t.ok("status=deferred" in said,
         f"R3 outbound {level}{more}: nor one whose CA is revoked", said)
    t.ok(re.search(r"smtp\[\d+\]: .*num=23:certificate revoked", a.log()) and
         "direction=outbound depth=0 status=revoked" in a.log() and
         "direction=outbound depth=1 status=revoked" in a.log(),
         f"R3 outbound {level}{more}: Postfix and we say why", a.log())
    t.is_(site.kept(), [], f"R+ spool: servers are not kept ({level}{more})")


def outbound_secure(t):
    _outbound(t, "secure")


def outbound_secure_chroot(t):
    _outbound(t, "secure", chroot=True)


def outbound_verify(t):
    _outbound(t, "verify")


def outbound_may(t):
    site = Site(level="may")
    bad = site.leaf("bad", dns=["mx.example"])
    site.revoke(bad)
    a = site.postfix
    t.is_(Deliver(site)(bad), "sent",
          "R3 outbound may: opportunistic TLS is as before, encrypted")
    t.ok("Untrusted TLS connection established to" in a.log(),
         "R3 outbound may: not trusted, though", a.log())


def outbound_fingerprint(t):
    site = Site(level="fingerprint")
    bad = site.leaf("bad", dns=["mx.example"])
    site.revoke(bad)
    colons = re.sub(r"..(?!$)", r"\g<0>:", fingerprint(bad))
    site.postfix.set(smtp_tls_fingerprint_digest="sha256",
                     smtp_tls_fingerprint_cert_match=colons)
    t.is_(Deliver(site)(bad), "sent",
          "R3 outbound fingerprint (to OpenSSL, DANE-EE): the certificate "
          "that was named is taken, as RFC 7671 5.1 says")
    t.ok("postseal_tls" not in site.postfix.log(),
         "R3 outbound fingerprint: OpenSSL does not ask us",
         site.postfix.log())


def outbound_off(t):
    site = Site(check="outbound_smtp_tls = no")
    bad = site.leaf("bad", dns=["mx.example"])
    site.revoke(bad)
    t.is_(Deliver(site)(bad), "sent", "R3 outbound_smtp_tls = no: not asked")


def tlsproxy(t):
    site = Site(chroot=True)
    bad = site.leaf("bad", dns=["mx.example"])
    site.revoke(bad)
    a = site.postfix.set(smtp_tls_connection_reuse="yes")
    deliver = Deliver(site)
    t.is_(deliver(site.server), "sent",
          "R3 tlsproxy: a good server gets mail")
    said = deliver(bad)
    t.ok("status=deferred" in said, "R3 tlsproxy: a revoked one does not",
         said)
    t.ok(re.search(r"tlsproxy\[\d+\]: .*status=revoked", a.log()),
         "R3 tlsproxy: it was tlsproxy who found out", a.log())


# --- sessions ---------------------------------------------------------------

def resumption(t):
    """
    A resumed session is not verified again: this is how TLS is, and why
    policyd-auth asks by fingerprint
    """
    site = Site()
    good = site.leaf("good")
    a = site.postfix.start()
    context = client_context(good, V12)
    client = a.connect(context=context)
    session = client.socket.session
    client.quit()
    site.revoke(good)
    client = a.connect(context=context, session=session)
    reused = client.socket.session_reused
    client.quit()
    found = wait_for("two words", lambda: (lambda w: w if len(w) == 2 else
                                           None)(re.findall(
        r"(\w+) TLS connection (?:established|reused) from", a.log())))
    t.ok(reused and found == ["Trusted", "Trusted"],
         "R+ a session taken up again keeps what was found when it began",
         reused, found)
    t.is_(a.verdict(good, V12), "Untrusted", "R+ a new one does not")


# --- what goes wrong --------------------------------------------------------

def no_index(t):
    """The directory is missing, or what is in it is damaged"""
    site = Site()
    good = site.leaf("good")
    a = site.postfix.start()
    for name in os.listdir(site.fetcher.crl):
        if ".i" in name:
            with open(os.path.join(site.fetcher.crl, name), "r+b") as file:
                file.truncate(100)
    t.is_(a.verdict(good), "Trusted",
          "E8 damaged indexes: missing_crl = accept accepts")
    t.ok("is damaged" in a.log(), "E8 and it is logged", a.log())
    shutil.rmtree(site.fetcher.crl)
    a.reload()
    time.sleep(1)
    t.is_(a.verdict(good), "Trusted",
          "E8 no directory: TLS works, the client is trusted")
    t.ok(re.search(r"warning: postseal_tls: directory .*No such file",
                   a.log()), "E8 and it is logged", a.log())
    with open(a.cnf) as file:
        text = file.read()
    with open(a.cnf, "w") as file:
        file.write(re.sub(r"missing_crl = \w+", "missing_crl = sometimes",
                          text))
    a.reload()
    time.sleep(1)
    t.is_(a.verdict(good), "Untrusted",
          "E8 a word that is no setting: the stricter way is taken")
    t.ok("missing_crl = sometimes: write accept or reject" in a.log(),
         "E8 and told", a.log())


def _check(site):
    """What postseal check finds about Postfix, by id."""
    a = site.postfix
    ran = site.fetcher.command("--self-check", "--json",
                               environment={"MAIL_CONFIG": a.config})
    return {f["id"]: f for f in json.loads(ran.out)
            if f["id"].startswith("crl-postfix")}


def check(t):
    site = Site()
    bad = site.leaf("bad")
    a = site.postfix
    # Not these are to be asked, though they come first in master.cf.
    a.listener(smtpd_tls_security_level="none")
    a.listener(smtpd_tls_wrappermode="yes")
    a._listeners.reverse()
    a.start()
    found = _check(site)
    t.ok(found.get("crl-postfix-smtpd", {}).get("severity") == "ok" and
         all(f["severity"] == "ok" for f in found.values()),
         "R+ check: the running smtpd has the module", found)
    site.revoke(bad)
    found = _check(site)
    t.is_(found.get("crl-postfix-handshake", {}).get("text"),
          "a revoked certificate is refused in a handshake",
          "R+ check: a handshake of its own is refused for revocation")
    for what, damage in (
            ("missing", os.unlink), ("a directory", os.mkdir),
            ("garbage", lambda p: (os.rmdir(p), _write(p, b"\x7fELF no")))):
        damage(a.module)
        found = _check(site)
        one = found.get("crl-postfix-config", {})
        t.ok(one.get("severity") == "critical" and
             "disables TLS" in one.get("text", ""),
             f"R+ check: the module is {what}: critical", found)
    os.unlink(a.module)
    other = os.path.join(a.config, "other.c")
    _write(other, b"int nothing_of_ours;\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", a.module, other],
                   check=True)
    t.is_(_check(site).get("crl-postfix-config", {}).get("severity"),
          "critical", "R+ check: a library that is no module: critical")
    a.reload()
    time.sleep(1)
    client = SmtpClient(a.port)
    client.hello()
    t.is_(client.command("STARTTLS")[0], 454,
          "R+ indeed, Postfix has no TLS then (why check is critical)")
    client.close()
    shutil.copyfile(program("postseal_tls.so"), a.module)
    os.rename(a.cnf, a.cnf + ".away")
    t.is_(_check(site).get("crl-postfix-config", {}).get("severity"),
          "critical", "R+ check: the configuration is missing: critical")
    os.rename(a.cnf + ".away", a.cnf)
    found = _check(site)
    t.ok(found.get("crl-postfix-smtpd", {}).get("severity") == "critical",
         "R+ check: smtpd still has no TLS: critical", found)
    a.reload()
    time.sleep(1)
    t.ok(all(f["severity"] == "ok" for f in _check(site).values()),
         "R+ check: after a reload all is well")
    with open(a.cnf) as file:
        text = file.read()
    _write(a.cnf, text.replace("inbound = yes", "inbound = no").encode())
    found = _check(site)
    t.is_(found.get("crl-postfix-settings", {}).get("severity"), "warning",
          "R+ check: the file is not what the settings say")
    _write(a.cnf, (text + "[default]\nopenssl_conf = new\n[new]\n").encode())
    found = _check(site)
    t.ok("has changed" in found.get("crl-postfix-settings", {}).get("text", ""),
         "R+ check: the system's configuration has another section now", found)
    a.set(smtpd_tls_req_ccert="yes", smtpd_tls_ask_ccert="no",
          smtpd_tls_session_cache_timeout="30d")
    a._configure()
    t.is_(_check(site).get("crl-postfix-sessions", {}).get("severity"),
          "warning", "R+ check: sessions of a month: a warning")
    _write(a.cnf, text.replace("postseal_tls =", "other_tls =").encode())
    t.is_(_check(site).get("crl-postfix-config", {}).get("severity"),
          "critical", "R+ check: a file that leads to no module: critical")
    t.is_(site.kept(), [], "R+ check leaves nothing in the spool")
    a.set(tls_config_file="default", tls_config_name="")
    a._configure()
    t.is_(_check(site).get("crl-postfix", {}).get("severity"), "warning",
          "R+ check: Postfix does not name the file: a warning")


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def broken(t):
    """Why all this care: without its module Postfix sends in clear"""
    site = Site(level="may")
    os.unlink(site.postfix.module)
    t.is_(Deliver(site)(site.server), "in clear",
          "R+ the module is missing: may goes in clear")
    site = Site(level="encrypt")
    os.unlink(site.postfix.module)
    said = Deliver(site)(site.server)
    t.ok("status=deferred" in said,
         "R+ the module is missing: encrypt is deferred", said)


def config(t):
    """postfix-config keeps the system's settings"""
    site = Site(postfix=False)
    top = new_directory("cnf")
    base, out = f"{top}/system.cnf", f"{top}/out.cnf"
    module = f"{top}/a b$c.so"
    shutil.copyfile(program("postseal_tls.so"), module)
    _write(base, b"openssl_conf = start\n[start]\nssl_conf = ssl\n"
           b"providers = them\n[ssl]\nsystem_default = all\n[all]\n"
           b"Ciphersuites = TLS_CHACHA20_POLY1305_SHA256\n"
           b"[them]\ndefault = on\nlegacy = on\n"
           b"[on]\nactivate = 1\n")
    ran = site.fetcher.command("postfix-config", "--base", base, "--file",
                               out, "--module", module)
    t.ok(ran.code == 0 and not os.path.exists(out) and
         f"'tls_config_file = {out}' 'tls_config_name = postfix'" in ran.out,
         "R+ postfix-config says what is to be done, and does nothing", ran)
    ran = site.fetcher.command("postfix-config", "--write", "--base", base,
                               "--file", out, "--module", module)
    t.ok(ran.code == 0 and os.path.exists(out) and
         stat.S_IMODE(os.stat(out).st_mode) == 0o644,
         "R+ --write writes it, also for paths with blanks and $", ran)
    a = TlsPostfix("p", site.root, site.fetcher, site.server)
    a.set(tls_config_file=out).start()
    good = site.leaf("good")
    t.is_(a.verdict(good, V13), "Trusted", "R+ Postfix works with it")
    client = a.connect(good, V13)
    t.is_(client.socket.cipher()[0], "TLS_CHACHA20_POLY1305_SHA256",
          "R+ the system's settings for TLS hold in Postfix")
    client.quit()
    pid = a.wait_log(r"smtpd\[(\d+)\]: connect from")[1]
    with open(f"/proc/{pid}/maps") as file:
        t.ok("legacy.so" in file.read(),
             "R+ the system's providers are loaded in Postfix")
    ran = site.fetcher.command("postfix-config", "--undo", "--file", out)
    t.ok(re.search(r"postconf -X tls_config_file.*\n.*reload\nrm ", ran.out),
         "R+ --undo: main.cf first, then the file", ran)
    _write(base, b"[open\n")
    before = open(out).read()
    ran = site.fetcher.command("postfix-config", "--write", "--base", base,
                               "--file", out, "--module", module)
    t.ok(ran.code != 0 and open(out).read() == before,
         "R+ a base that OpenSSL cannot read: the old file stays", ran)
    ran = site.fetcher.command("postfix-config", "--write", "--file", out,
                               "--module", "/nonexistent.so")
    t.ok(ran.code != 0 and open(out).read() == before and
         "no TLS" in ran.err and not os.path.exists(out + ".new"),
         "R+ a module that is not there: the old file stays", ran)


def hostile(t):
    """Names with control bytes and NUL, and many of them"""
    site = Site(chroot=True)
    sub = Ca("sub", site.root.pki, issuer=site.root.certificate)
    odd = site.leaf("odd", sub, subject="/CN=a\nb\x1b[31m\\\"x=y\x7f\u00e9")
    many = site.leaf("many", sub, dns=[f"h{i}.example" for i in range(3000)])
    a = site.postfix.start()
    t.is_(a.verdict(odd), "Trusted", "B10 a name with control bytes: served")
    line = re.search(r".*status=unknown.*CN=a.*", a.log())
    t.ok(line and re.fullmatch(r"[ -~]*", line[0]) and
         line[0].endswith("O=Test\"") and r"\0A" in line[0],
         "B10 it is logged on one line, escaped", a.log()[-1500:])
    t.is_(a.verdict(many), "Trusted", "B10 3,000 names: served")
    ca = sub
    for i in range(14):
        ca = Ca(f"deep{i}", site.root.pki, issuer=ca.certificate)
    site.revoke(sub.certificate, "root")
    before = len(a.log())
    t.is_(a.verdict(site.leaf("deep", ca)), "Untrusted",
          "B10 a chain of 16: not trusted")
    t.ok(a.log()[before:].count("postseal_tls:") <= 4,
         "B10 a long chain is no long log", a.log()[before:])
    t.ok(not re.search(r"signal|fatal|panic", a.log()),
         "B10 nothing ended", a.log())


main(inbound, inbound_chroot, policy, missing, switches, spool, constraints,
     outbound_secure, outbound_secure_chroot, outbound_verify, outbound_may,
     outbound_fingerprint, outbound_off, tlsproxy, resumption, no_index,
     check, broken, config, hostile)
