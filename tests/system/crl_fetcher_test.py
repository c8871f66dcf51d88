#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
crl-fetcher and postseal-crl against real and hostile servers.  Rows R1, R2,
R3 (files), R+; faults A1 to A18.
"""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import Skip, free_port, libexec, main, own
from harness.crl import (DAY, Ca, Fetcher, Nginx, Web, answer, big_header,
                         cut, endless, gzip_bomb, hang, leaf, ldif, needs,
                         reset, slow, start_slapd, to_pem)
from harness.scope import new_directory

MIB = 1 << 20


def one_source(*options, **more):
    """A CA, a server with its CRL at /a, a fetcher of it."""
    ca, web = Ca(), Web()
    url = web.put("/a", ca.crl("--revoke", "0A:1", *options))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {url}"]}, **more)
    return ca, web, fetcher


def openssl_verify(fetcher, ca, serial):
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", ca.cert, "-CApath", fetcher.crl,
         "-crl_check", leaf(ca, serial)], capture_output=True, text=True)
    return done.stdout + done.stderr


# --- R1, R2: what it is for -------------------------------------------------

def first_round(t):
    ca, web, fetcher = one_source()
    ran = fetcher.run()
    t.ok(ran.code == 0 and ran.out + ran.err == "",
         "R1 a round that goes well is quiet", ran)
    name = ca.hash()
    t.is_(fetcher.files(), [f"{name}.i0", f"{name}.r0"],
          "R2 the CRL lies in OpenSSL's hashed layout, an index beside it")
    t.ok("revoked" in openssl_verify(fetcher, ca, "0A") and
         "OK" in openssl_verify(fetcher, ca, "0B"),
         "R2 OpenSSL finds it there and knows who is revoked")
    t.is_([fetcher.status_of(s, ca) for s in ("0A", "0B")],
          ["revoked", "good"], "R2 so do we")
    modes = {stat.S_IMODE(os.stat(os.path.join(fetcher.crl, f)).st_mode)
             for f in fetcher.files()}
    owner = os.stat(os.path.join(fetcher.crl, f"{name}.r0")).st_uid
    t.ok(modes == {0o644} and owner == os.stat(fetcher.crl).st_uid,
         "R2 readable by all, owned by the user, not by root")
    before = fetcher.read(f"{name}.i0")
    asked = len(web.requests)
    t.ok(fetcher.run().code == 0 and len(web.requests) == asked,
         "R1 what is not due is not asked for")
    fetcher.run("--all")
    headers = web.requests[-1][1]
    t.ok("If-None-Match" in headers and "Accept-Encoding" not in headers and
         headers["User-Agent"].startswith("Postseal/") and
         fetcher.read(f"{name}.i0") == before,
         "R1 --all asks with what it has, and nothing is written again",
         headers)
    web.put("/a", ca.crl("--revoke", "0A", "--revoke", "0B", "--number", 2))
    t.ok(fetcher.run("--all").code == 0 and
         fetcher.status_of("0B", ca) == "revoked",
         "R2 a newer CRL takes its place")


def forms(t):
    ca, web = Ca(), Web()
    other = Ca("other", ca.pki)
    der, two = ca.crl("--revoke", "0A"), other.crl("--revoke", "0C")
    pem = to_pem(der)
    web.put("/crlf.pem", b"Text before\r\n" + pem.replace(b"\n", b"\r\n"))
    web.put("/der.pem", der)
    web.put("/two.pem", pem + b"\n" + to_pem(two))
    for name, type_ in (("crlf", "pem"), ("der", "pem"), ("two", "asn1")):
        fetcher = Fetcher([ca, other], {"a": [
            f"file_type = {type_}",
            f"primary_url = {web.url(f'/{name}.pem')}"]})
        ran = fetcher.run()
        clean = fetcher.read(ca.hash() + ".r0")
        t.ok(ran.code == 0 and clean == pem,
             f"A16 {name}: taken, and written as clean PEM", ran)
    t.is_([fetcher.status_of("0C", other), len(fetcher.files())],
          ["revoked", 4], "A16 of two CRLs in a file both are there")


def urls(t):
    ca, web = Ca(), Web()
    good = web.put("/good", ca.crl("--revoke", "0A"))
    web.put("/503", answer(503))
    fetcher = Fetcher([ca], {
        "a": [f"primary_url = {web.url('/404')}, {web.url('/503')}",
              f"secondary_url = {good}"],
        "off": [f"primary_url = {web.url('/off')}", "enabled = no"]})
    t.ok(fetcher.run().code == 0 and fetcher.status_of("0A", ca) == "revoked",
         "R1 primary URLs in their order, then secondary ones")
    t.is_([r[0] for r in web.requests], ["/404", "/503", "/good"],
          "R1 each once, and of a disabled source none")
    ran = fetcher.run("--list")
    t.ok(ran.code == 0 and re.search(r"^a +good +every 6h", ran.out, re.M)
         and re.search(r"^off +disabled", ran.out, re.M),
         "R1 --list tells sources, states, schedules", ran)
    ran = fetcher.run("nosuch")
    t.ok(ran.code == 64 and "nosuch" in ran.err,
         "R1 a source that is not there is told", ran)
    web.requests.clear()
    fetcher.run("off")
    t.is_(web.requests[0][0], "/off", "R1 one that is named is fetched")


def settings(t):
    ca = Ca()
    for line, word in (("schedule = sometimes", "schedule"),
                       ("primary_url = file:///etc/passwd", "http"),
                       ("primary_url = http://u:p@h/", "user name"),
                       ("primary_url = ldap://h/", "cn=CA"),
                       ("reload = postfix reload", "does not start with /"),
                       ("primary_rul = http://x/", "primary_url")):
        lines = [line]
        if not line.startswith("primary_"):
            lines.append("primary_url = http://127.0.0.1/")
        fetcher = Fetcher([ca], {"a": lines})
        ran = fetcher.run("-t")
        t.ok(ran.code == 78 and word in ran.err and "postseal.conf:" in
             ran.err, f"P3 {line}: refused by file and line", ran)
    t.ok("max_size" in fetcher.run("-d").out, "P3 -d tells the defaults")


def commands(t):
    ca, web, fetcher = one_source()
    ran = fetcher.command("fetch")
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked",
         "R1 postseal crl fetch fetches now", ran)
    ran = fetcher.command("list")
    t.ok(re.search(r"^a +good +\d+m +1 +\d{4}-.*Z +\d+ +\w+\.i0 +CN=ca,O=Test",
                   ran.out, re.M), "R1 list: age, entries, next update, size",
         ran)
    ran = fetcher.command("show", "--cert", leaf(ca, "0A"))
    t.ok(ran.code == 1 and "keyCompromise" in ran.out,
         "R3 show --cert: revoked, why and when", ran)
    t.is_(fetcher.command("show", "--cert", leaf(ca, "0B")).code, 0,
          "R3 show --cert: good")
    stranger = Ca("stranger")
    ran = fetcher.command("show", "--cert", leaf(stranger, "0B"))
    t.ok(ran.code == 2 and "no CRL of its issuer" in ran.out,
         "R3 show --cert: unknown, and why", ran)
    # This machine's own Postfix is no part of it.
    found = json.loads(fetcher.command(
        "--self-check", "--json",
        environment={"MAIL_CONFIG": "/nonexistent"}).out)
    t.is_({f["severity"] for f in found}, {"ok"},
          "P3 postseal check finds nothing wrong")
    status = json.loads(fetcher.command("--status", "--json").out)
    t.is_((status["sources"], status["good"], status["entries"]), (1, 1, 1),
          "P3 postseal status counts")
    path = os.path.join(fetcher.crl, ca.hash() + ".i0")
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    found = json.loads(fetcher.command("--self-check", "--json").out)
    t.ok(any("damaged" in f["text"] for f in found),
         "P3 postseal check names a damaged index", found)


def discovery(t):
    web = Web()
    root = Ca("root")
    inner = root.pki.ca("inner", issuer=root.certificate, extensions=[
        f"crlDistributionPoints = URI:{web.url('/cdp')}"])
    forged = Ca("forged", root.pki, extensions=[
        f"crlDistributionPoints = URI:{web.url('/never')}"])
    web.put("/cdp", root.crl("--revoke", "0A"))

    class Inner:
        @staticmethod
        def pem():
            return inner.pem(False)

    fetcher = Fetcher([root, Inner, forged], {}, "discover = yes")
    ran = fetcher.run()
    t.ok(ran.code == 0 and fetcher.status_of("0A", root) == "revoked",
         "R+ a CRL that a verified CA certificate names is fetched", ran)
    t.is_([r[0] for r in web.requests], ["/cdp"],
          "R+ a URL in a certificate that nobody verifies never is")


# --- R3, hooks -----------------------------------------------------------------

def bundles(t):
    crls, both, ldap = (os.path.join(new_directory("bundle"), n)
                        for n in ("crls.pem", "both.pem", "ldap.pem"))
    for path in (crls, both, ldap):
        os.chmod(os.path.dirname(path), 0o777)
    ca, web, fetcher = one_source(
        settings=f"bundle_crls = {crls}\n    bundle_ca_crls = {both}\n"
                 f"    bundle_ldap = {ldap}")
    ran = fetcher.run()
    pem = fetcher.read(ca.hash() + ".r0").decode()
    t.ok(ran.code == 0 and open(crls).read() == pem and
         open(ldap).read() == pem and open(both).read() == ca.pem() + pem,
         "R3 one file of all CRLs, and of authorities and CRLs", ran)
    os.unlink(ldap)
    fetcher.check = "ldap_tls = no"
    fetcher.write({"a": [f"primary_url = {web.url('/a')}"]})
    fetcher.run()
    t.ok(not os.path.exists(ldap), "R3 ldap_tls = no: none for LDAP")
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", both, "-crl_check",
         leaf(ca, "0A")], capture_output=True, text=True)
    t.ok("revoked" in done.stderr, "R3 OpenSSL reads the bundle", done)


def hooks(t):
    where = new_directory("hooks")
    os.chmod(where, 0o777)
    all_, own_ = os.path.join(where, "all"), os.path.join(where, "own")
    ca, web = Ca(), Web()
    a = web.put("/a", ca.crl())
    lines = [f"primary_url = {a}", f"reload = /usr/bin/touch {own_}"]
    fetcher = Fetcher([ca], {"a": lines},
                      f"reload = /usr/bin/touch {all_}")
    fetcher.run()
    t.ok(os.stat(all_).st_uid == 0 and os.path.exists(own_),
         "R2 reload commands run on change, as root when root started us")
    os.unlink(all_)
    fetcher.run("--all")
    t.ok(not os.path.exists(all_), "R2 and only on change")

    mark = os.path.join(where, "mark")
    fetcher = Fetcher([ca], {"a": [f"primary_url = {a}"]},
                      "reload_timeout = 1s\n    "
                      "reload = /bin/false, /bin/sleep 60, /no/such/command,"
                      f" /usr/bin/touch {mark}")
    start = time.monotonic()
    ran = fetcher.run()
    t.ok(ran.code == 75 and time.monotonic() - start < 10 and
         ran.err.count("reload failed") == 3 and os.path.exists(mark),
         "A13 hooks that fail, hang, are absent: told, the others run", ran)
    t.is_(fetcher.list()["a"]["state"], "good", "A13 the CRL stays")
    os.unlink(mark)
    ran = fetcher.run()
    t.ok(ran.code == 75 and ran.err == "" and not os.path.exists(mark),
         "A13 those that failed, and only those, run again, in silence", ran)


# --- R+: deltas, many entries ---------------------------------------------------

def deltas(t):
    ca, web = Ca(), Web()
    base = ca.crl("--number", 10, "--revoke", "0A:6", "--revoke", "0B:1")
    web.put("/base", base)
    web.put("/delta", ca.crl("--number", 11, "--base", 10, "--revoke",
                             "0A:8", "--revoke", "0C:1"))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {web.url('/base')}",
                                   f"delta_url = {web.url('/delta')}"]})
    ran = fetcher.run()

    def states():
        return [fetcher.status_of(s, ca)
                for s in ("0A", "0B", "0C", "0D")]

    t.ok(ran.code == 0, "R+ a CRL with its delta is fetched", ran)
    t.is_(states(), ["good", "revoked", "revoked", "good"],
          "R+ the index has both: added, removed, kept")
    web.put("/delta", ca.crl("--number", 12, "--base", 10, "--revoke",
                             "0D:1", "--revoke", "0C:1"))
    ran = fetcher.run("--all")
    t.ok(ran.code == 0, "R+ a newer delta for the same CRL", ran)
    t.is_(states(), ["revoked", "revoked", "revoked", "revoked"],
          "R+ is merged into the CRL itself, not into the last merge")
    t.is_(web.requests[-2][1].get("If-None-Match") is not None, True,
          "R+ the CRL is not downloaded for it")
    written = fetcher.list()["a"]["crls"][0]["written"]
    fetcher.run("--all")
    t.is_(fetcher.list()["a"]["crls"][0]["written"], written,
          "R+ nothing new: nothing is written")
    web.put("/delta", ca.crl("--number", 11, "--base", 10))
    ran = fetcher.run("--all")
    t.ok(ran.code == 75 and "rollback" in ran.err and
         fetcher.status_of("0D", ca) == "revoked",
         "A5 an older delta is refused", ran)
    web.put("/base", ca.crl("--number", 11, "--revoke", "0B:1"))
    web.put("/delta", answer(503))
    ran = fetcher.run("--all")
    t.ok(ran.code == 75 and fetcher.status_of("0D", ca) == "revoked",
         "R+ a new CRL does not push out the revocations of a delta that is "
         "newer and cannot be had", ran)
    web.put("/base", ca.crl("--number", 20, "--revoke", "0B:1"))
    fetcher.run("--all")
    t.is_(fetcher.status_of("0D", ca), "good",
          "R+ one that is newer than the delta does")


def many(t):
    ca, web, fetcher = one_source("--many", 100000)
    ran = fetcher.run(measure=True)
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked" and
         fetcher.list()["a"]["crls"][0]["entries"] == 100001,
         "R+ 100,000 entries are indexed", ran)
    t.diag(f"{ran.cpu:.3f} s, {ran.rss / MIB:.0f} MiB")
    big = ca.crl("--many", 1000000, "--number", 2)
    web.put("/a", big)
    ran = fetcher.run("--all", measure=True)
    t.ok(ran.code == 0 and ran.rss < 3 * len(big),
         "A10 35 MB take less than three times their size",
         ran, ran.rss / MIB)
    t.diag(f"{len(big) / 1e6:.0f} MB: {ran.cpu:.3f} s, "
           f"{ran.rss / MIB:.0f} MiB")


# --- A3 to A9: what servers send ------------------------------------------------

def refused(t):
    """A4 to A7: a CRL that must not take the place of another"""
    ca, web, fetcher = one_source("--number", 5)
    other = Ca("ca")
    fetcher.run()
    before = {f: fetcher.read(f) for f in fetcher.files()}
    md = ["--number", 6]
    cases = {
        "A3 cut short": ca.crl(*md)[:-1],
        "A4 expired": ca.crl(*md, "--this", -9 * DAY, "--next", -DAY),
        "A4 not valid yet": ca.crl(*md, "--this", DAY),
        "A5 a lower number": ca.crl("--number", 4),
        "A5 an earlier thisUpdate": ca.crl(*md, "--this", -2 * DAY),
        "A5 other content for the same number":
            ca.crl("--number", 5, "--this", -60),
        "A6 another key": ca.crl(*md, key=other.key),
        "A6 another issuer": ca.crl(*md, "--name", "stranger"),
        "A6 SHA-1": ca.crl(*md, "--digest", "SHA1"),
        "A6 an unknown critical extension":
            ca.crl(*md, "--critical", "06032a0304"),
        "A7 a delta CRL": ca.crl(*md, "--base", 5),
        "A7 an indirect CRL": ca.crl(*md, "--idp", "30038401ff"),
        "A7 another partition": ca.crl(*md, "--idp", "30038101ff"),
        "A8 a web page": b"<html>Sign in to the hotel network</html>",
        "nothing": b"",
    }
    for name, body in cases.items():
        web.put("/a", body)
        ran = fetcher.run("--all")
        after = {f: fetcher.read(f) for f in fetcher.files()}
        t.ok(ran.code == 75 and after == before,
             f"{name} is refused, the old CRL stays", ran)
    web.put("/a", ca.crl("--number", 4, "--revoke", "0E"))
    ran = fetcher.run("--all", "--force")
    t.ok(ran.code == 0 and fetcher.status_of("0E", ca) == "revoked",
         "A5 --force takes an older one", ran)
    no_sign = Ca("nosign")
    subprocess.run(["openssl", "req", "-x509", "-key", no_sign.key, "-subj",
                    "/O=Test/CN=nosign", "-days", "9", "-out", no_sign.cert,
                    "-addext", "keyUsage=keyCertSign"], check=True,
                   capture_output=True)
    fetcher = Fetcher([no_sign], {"n": [
        f"primary_url = {web.put('/n', no_sign.crl())}"]})
    ran = fetcher.run()
    t.ok(ran.code == 75 and "cRLSign" in ran.err and fetcher.files() == [],
         "A6 an issuer without cRLSign; a source never fetched: told at "
         "once", ran)


def hostile(t):
    """A8, A9: the secondary is used, within time and memory"""
    ca, web = Ca(), Web()
    good = web.put("/good", ca.crl("--revoke", "0A"))
    body = ca.crl("--many", 2000, "--number", 9)
    loop = answer(302, Location=web.url("/loop"))
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(1)
    closed = free_port()
    acts = {
        "A8 503": answer(503), "A8 a web page": answer(200, b"<html>"),
        "A8 a hang": hang, "A8 a reset": reset, "A9 endless chunks": endless,
        "A9 a gzip bomb": gzip_bomb, "A9 a byte a second": slow,
        "A9 a redirect loop": loop,
        "A9 a redirect to file://": answer(302, Location="file:///etc/passwd"),
        "A9 a redirect to gopher://": answer(302, Location="gopher://x/"),
        "A9 100 kB of header": big_header,
        "A3 a body cut at the end of a connection": cut(body, len(body) - 9),
    }
    web.acts["/loop"] = loop
    sources = {}
    for number, (name, act) in enumerate(acts.items()):
        web.acts[f"/{number}"] = act
        sources[f"s{number}"] = (name, web.url(f"/{number}"))
    sources["nx"] = ("A8 a name that does not exist", "http://nx.invalid/")
    sources["silent"] = ("A8 a server that says nothing", "http://127.0.0.1:"
                         f"{silent.getsockname()[1]}/")
    sources["closed"] = ("A8 nobody there", f"http://127.0.0.1:{closed}/")

    def try_one(key):
        fetcher = Fetcher([ca], {key: [f"primary_url = {sources[key][1]}",
                                       f"secondary_url = {good}"]},
                          "max_size = 8M")
        start = time.monotonic()
        ran = fetcher.run(measure=True)
        return ran, time.monotonic() - start, fetcher.status_of("0A", ca)

    leaf(ca, "0A")
    with ThreadPoolExecutor(4) as pool:
        for key, (ran, took, status) in zip(sources,
                                            pool.map(try_one, sources)):
            t.ok(ran.code == 0 and status == "revoked" and took < 9 and
                 ran.rss < 80 * MIB, f"{sources[key][0]}: the next URL is "
                 "used, in time and memory", ran, took, ran.rss / MIB)
    silent.close()


def cut_everywhere(t):
    ca, web, fetcher = one_source("--number", 5)
    fetcher.run()
    before = fetcher.read(ca.hash() + ".i0")
    body = ca.crl("--number", 6, "--revoke", "0C")
    fetcher.write({f"s{n}": [f"primary_url = {web.put(f'/{n}', body[:n])}"]
                   for n in range(0, len(body), 3)})
    ran = fetcher.run()
    t.ok(ran.code == 75 and fetcher.read(ca.hash() + ".i0") == before and
         len(fetcher.files()) == 2,
         f"A3 cut to any of {len(body) // 3} lengths: refused, the old CRL "
         "stays", ran)
    t.is_(ran.err.count("no CRL came yet"), len(range(0, len(body), 3)),
          "A18 many failures are one summary")
    t.is_(fetcher.run("--all").err, "", "A18 the same again is silence")


def proxies(t):
    ca, web = Ca(), Web()
    web.acts["http://crl.invalid/x"] = ca.crl("--revoke", "0A")
    env = {"http_proxy": web.url(""), "HTTP_PROXY": web.url(""),
           "all_proxy": web.url("")}
    fetcher = Fetcher([ca], {"a": ["primary_url = http://crl.invalid/x"]})
    fetcher.run(environment=env)
    t.is_(web.requests, [], "R1 a proxy of the environment is not asked")
    fetcher.settings = f"proxy = {web.url('')}"
    fetcher.write({"a": ["primary_url = http://crl.invalid/x"]})
    ran = fetcher.run("--all")
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked",
         "R1 the one of the settings is", ran)


# --- real servers ---------------------------------------------------------------

def nginx(t):
    ca, server = Ca(), Nginx()
    url = server.put("a.crl", ca.crl("--revoke", "0A"))
    fetcher = Fetcher([ca], {"a": [f"primary_url = {url}"]})
    ran = fetcher.run()
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked",
         "R1 from nginx", ran)
    fetcher.run("--all")
    t.is_(server.codes(), ["200", "304"],
          "R1 the second time it has nothing new")


def trickle(port):
    """A proxy to a server that hands on a byte a second."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4)
    own(listener)

    def serve():
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            two = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=up, args=(one, two), daemon=True).start()
            threading.Thread(target=down, args=(two, one),
                             daemon=True).start()

    def up(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def down(source, sink):
        try:
            while data := source.recv(1):
                sink.sendall(data)
                time.sleep(1)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def directory(t):
    """A17: ldap://"""
    ca, web = Ca(), Web()
    der = ca.crl("--revoke", "0A")
    port = start_slapd(ldif(ca, der))
    base = f"ldap://127.0.0.1:{port}/cn=ca,o=test"
    fetcher = Fetcher([ca], {"a": [
        f'primary_url = "{base}?certificateRevocationList;binary"']})
    ran = fetcher.run()
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked",
         "R1 A17 from slapd", ran)
    t.ok(fetcher.run("--all").code == 0, "A17 again")
    good = web.put("/good", der)
    slow_port = trickle(port)
    cases = {
        "no such entry": f"ldap://127.0.0.1:{port}/cn=nobody,o=test",
        "no such attribute": f"ldap://127.0.0.1:{port}/cn=none,o=test",
        "another attribute": f"{base}?cn",
        "slapd down": f"ldap://127.0.0.1:{free_port()}/cn=ca,o=test",
        "slapd slow": f"ldap://127.0.0.1:{slow_port}/cn=ca,o=test",
    }
    for name, url in cases.items():
        fetcher = Fetcher([ca], {"a": [f'primary_url = "{url}"',
                                       f"secondary_url = {good}"]})
        start = time.monotonic()
        ran = fetcher.run()
        t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked" and
             time.monotonic() - start < 8,
             f"A17 {name}: the next URL is used in time", ran,
             time.monotonic() - start)


def large_directory(t):
    ca, web = Ca(), Web()
    port = start_slapd(ldif(ca, ca.crl("--many", 290000, "--revoke", "0A")))
    url = f"ldap://127.0.0.1:{port}/cn=ca,o=test"
    fetcher = Fetcher([ca], {"a": [f'primary_url = "{url}"']})
    ran = fetcher.run(measure=True)
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked" and
         ran.rss < 80 * MIB, "A17 a value of 10 MB", ran, ran.rss / MIB)
    fetcher = Fetcher([ca], {"a": [
        f'primary_url = "{url}"',
        f"secondary_url = {web.put('/a', ca.crl('--revoke', '0A'))}"]},
        "max_size = 1M")
    ran = fetcher.run(measure=True)
    t.ok(ran.code == 0 and fetcher.status_of("0A", ca) == "revoked" and
         ran.rss < 40 * MIB, "A17 one beyond max_size: the next URL", ran)


# --- A1, A2: killed, no room, broken disk ---------------------------------------

INJECTED = ("openat", "write", "fsync", "close", "fchmod", "renameat")


def start_of_work(fetcher, call):
    """How many calls of a kind come before the lock is taken."""
    log = os.path.join(fetcher.directory, "strace")
    fetcher.run("--all", prefix=("strace", "-f", "-o", log, "-e",
                                 f"trace={call},flock"))
    before = after = 0
    with open(log) as file:
        text = file.read()
    head, _, tail = text.partition("flock(")
    pattern = re.compile(rf"^\d+ +{call}\(", re.M)
    before, after = len(pattern.findall(head)), len(pattern.findall(tail))
    return before, after


def inject(t, what, calls):
    """Each call of each kind, from the lock to the end, fails or kills."""
    needs("strace")
    ca, web, fetcher = one_source("--number", 1, settings="parallel = 1")
    fetcher.run()
    saved = fetcher.save()
    old = fetcher.read(ca.hash() + ".r0")
    web.put("/a", ca.crl("--number", 2, "--revoke", "0B"))
    fetcher.run("--all")
    new = fetcher.read(ca.hash() + ".r0")
    runs, wrong, codes, seen = 0, [], set(), {}

    def states():
        """What our reader says; asked once of the same bytes."""
        index = fetcher.read(ca.hash() + ".i0")
        if index not in seen:
            seen[index] = tuple(fetcher.status_of(s, ca)
                                for s in ("0A", "0B"))
        return seen[index]

    for call in calls:
        fetcher.restore(saved)
        before, count = start_of_work(fetcher, call)
        for n in range(before + 1, before + count + 1):
            fetcher.restore(saved)
            ran = fetcher.run(
                "--all", prefix=("strace", "-f", "--seccomp-bpf", "-o",
                                 "/dev/null", "-e",
                                 f"inject={call}:{what}:when={n}"))
            runs += 1
            codes.add(ran.code)
            held = fetcher.read(ca.hash() + ".r0")
            if held not in (old, new) or states() not in (
                    ("revoked", "good"), ("good", "revoked")):
                wrong.append((call, n, ran, states()))
            again = fetcher.run("--all")
            left = [f for f in fetcher.files() +
                    os.listdir(os.path.join(fetcher.state, "crl-state"))
                    if ".tmp-" in f]
            if again.code != 0 or left or \
                    fetcher.read(ca.hash() + ".r0") != new or \
                    states() != ("good", "revoked"):
                wrong.append((call, n, "afterwards", again, left))
    t.diag(f"{runs} runs, exit codes {sorted(codes)}")
    return runs, wrong, codes


def killed(t):
    runs, wrong, codes = inject(t, "signal=SIGKILL", INJECTED)
    t.ok(runs > 20 and not wrong,
         f"A1 killed at any of {runs} system calls: old or new, whole; the "
         "next run cleans up", *wrong[:3])
    t.ok(all(c < 0 or c == 137 for c in codes), "A1 it was killed each time",
         codes)


def no_space(t):
    runs, wrong, codes = inject(t, "error=ENOSPC",
                                ("write", "fsync", "renameat", "openat"))
    t.ok(runs > 10 and not wrong,
         f"A2 ENOSPC at any of {runs} calls: old or new, whole", *wrong[:3])
    t.ok(74 in codes, "A2 exit code 74", codes)


def broken_disk(t):
    runs, wrong, codes = inject(t, "error=EIO",
                                ("write", "fsync", "close", "renameat",
                                 "fchmod"))
    t.ok(runs > 10 and not wrong,
         f"A2 EIO at any of {runs} calls: old or new, whole", *wrong[:3])
    t.ok(74 in codes, "A2 exit code 74", codes)


def full_disk(t):
    ca, web, fetcher = one_source("--number", 1)
    small = new_directory("small")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755",
                           "tmpfs", small])
    if done.returncode:
        raise Skip("cannot mount a tmpfs here")

    class Mounted:
        @staticmethod
        def close():
            subprocess.run(["umount", small])

    own(Mounted)
    shutil.chown(small, fetcher.user)
    fetcher.crl = small
    fetcher.write({"a": [f"primary_url = {web.url('/a')}"]})
    t.is_(fetcher.run().code, 0, "A2 a disk of 64 kB holds a small CRL")
    before = {f: fetcher.read(f) for f in fetcher.files()}
    web.put("/a", ca.crl("--number", 2, "--many", 4000))
    ran = fetcher.run("--all")
    t.ok(ran.code == 74 and ran.err.count("\n") == 1 and
         "No space" in ran.err, "A2 no room for the next: 74, one line", ran)
    t.is_({f: fetcher.read(f) for f in fetcher.files()}, before,
          "A2 the old CRL stays, nothing is left behind")


# --- A11 to A15, A18 -------------------------------------------------------------

def two_at_once(t):
    ca, web, fetcher = one_source()
    body, started, go = web.acts["/a"], threading.Event(), threading.Event()

    def wait(handler):
        started.set()
        go.wait(10)
        handler._file(body)

    web.acts["/a"] = wait
    results = []
    thread = threading.Thread(target=lambda: results.append(fetcher.run()))
    thread.start()
    started.wait(10)
    second = fetcher.run("--all")
    go.set()
    thread.join()
    t.ok(second.code == 0 and second.err == "" and len(web.requests) == 1,
         "A11 of two runs the second ends quietly", second)
    t.is_((results[0].code, fetcher.status_of("0A", ca)), (0, "revoked"),
          "A11 the first does its work")
    t.is_(fetcher.run("--all").code, 0,
          "A11 the lock that is left does not matter")


def clocks(t):
    needs("faketime")
    ca, web, fetcher = one_source("--number", 1)
    fetcher.run()
    before = {f: fetcher.read(f) for f in fetcher.files()}
    web.put("/a", ca.crl("--number", 2))
    for name, when in (("back a year", "-365d"), ("on a year", "+365d"),
                       ("1970", "@1970-01-02 00:00:00")):
        env = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        prefix = ("faketime", "-f", when)
        ran = fetcher.run("--all", prefix=prefix, environment=env)
        t.ok({f: fetcher.read(f) for f in fetcher.files()} == before and
             "the clock of this machine looks wrong" in ran.err,
             f"A12 {name}: nothing is replaced or deleted, and it is told",
             ran)
        ran = fetcher.run("--all", prefix=prefix, environment=env)
        t.ok("clock" not in ran.err, f"A12 {name}: it is told once", ran)
        web.put("/a", ca.crl("--number", 1, "--revoke", "0A:1"))
        fetcher.run("--all", "--force")
        fetcher.run("--all", "--force")
        before = {f: fetcher.read(f) for f in fetcher.files()}
        web.put("/a", ca.crl("--number", 2))
    ran = fetcher.run("--all")
    t.ok(ran.code == 0 and ran.err == "",
         "A12 with the right time all goes on", ran)


def places(t):
    """A15: where it must not write"""
    ca, web, fetcher = one_source()
    os.chmod(fetcher.crl, 0o777)
    ran = fetcher.run()
    t.ok(ran.code == 78 and "chmod 0755" in ran.err and
         fetcher.files() == [], "A15 a directory that all may write", ran)
    os.chmod(fetcher.crl, 0o755)
    os.chown(fetcher.crl, 1, 1)
    ran = fetcher.run()
    t.ok(ran.code == 78 and "belongs to user 1" in ran.err,
         "A15 a directory of somebody else", ran)
    shutil.chown(fetcher.crl, fetcher.user)
    victim = os.path.join(fetcher.directory, "victim")
    with open(victim, "w") as file:
        file.write("precious")
    os.chmod(victim, 0o666)
    for kind in ("i", "r"):
        link = os.path.join(fetcher.crl, f"{ca.hash()}.{kind}0")
        os.symlink(victim, link)
        ran = fetcher.run("--all")
        with open(victim) as file:
            same = file.read() == "precious"
        t.ok(same and os.path.islink(link) and
             (ran.code != 0 or fetcher.status_of("0A", ca) == "revoked"),
             f"A15 a symbolic link in the place of .{kind}0 is not followed",
             ran)
        os.unlink(link)
        for name in fetcher.files():
            os.unlink(os.path.join(fetcher.crl, name))
    lock = os.path.join(fetcher.state, "crl-state", "lock")
    os.unlink(lock)
    os.symlink(victim, lock)
    ran = fetcher.run("--all")
    t.ok(ran.code == 74 and "lock" in ran.err, "A15 nor the lock", ran)
    os.unlink(lock)
    temp = os.path.join(fetcher.crl, ".x.r0.tmp-0123456789abcdef")
    os.symlink(victim, temp)
    fetcher.run("--all")
    t.ok(not os.path.lexists(temp) and os.path.exists(victim),
         "A15 a link with a temporary name is removed, not what it points at")


def damage(t):
    ca, web, fetcher = one_source()
    fetcher.run()
    whole = fetcher.read(ca.hash() + ".i0")
    path = os.path.join(fetcher.crl, ca.hash() + ".i0")
    asked = len(web.requests)
    for name, act in (("cut", lambda: os.truncate(path, 99)),
                      ("gone", lambda: os.unlink(path))):
        act()
        ran = fetcher.run()
        t.ok(fetcher.status_of("0A", ca) == "revoked" and
             "made again" in ran.err and len(web.requests) == asked,
             f"R2 an index that is {name} is made again, without a "
             "download, and told", ran)
    t.is_(len(fetcher.read(ca.hash() + ".i0")), len(whole),
          "R2 as it was")
    os.unlink(os.path.join(fetcher.crl, ca.hash() + ".r0"))
    ran = fetcher.run()
    t.ok(len(web.requests) == asked + 1 and
         fetcher.files() == [ca.hash() + ".i0", ca.hash() + ".r0"],
         "R2 a PEM file that is gone is fetched again", ran)
    state = os.path.join(fetcher.state, "crl-state", "state.json")
    with open(state, "w") as file:
        file.write("{")
    ran = fetcher.run()
    t.ok(ran.code == 0 and ran.err == "" and
         fetcher.status_of("0A", ca) == "revoked",
         "R2 a damaged state file costs a download", ran)


def conditions(t):
    ca, web, fetcher = one_source("--this", -3600, "--next", 3600 * 3)
    for _ in range(7):
        ran = fetcher.run("--all")
        if ran.code or ran.err or ran.out:
            break
    t.ok(ran.code == 0 and ran.out + ran.err == "",
         "A18 a week of success is silence", ran)
    body = web.acts["/a"]
    web.acts["/a"] = answer(503)
    first, second = fetcher.run("--all"), fetcher.run("--all")
    t.ok(first.code == 75 and "no newer CRL came" in first.err and
         second.code == 75 and second.err == "",
         "A18 a failure is told once", first, second)
    needs("faketime")
    env = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    late = fetcher.run("--all", prefix=("faketime", "-f", "+150m"),
                       environment=env)
    t.ok("expires at" in late.err, "A4 a quarter of the life left is told",
         late)
    late = fetcher.run("--all", prefix=("faketime", "-f", "+200m"),
                       environment=env)
    t.ok("expired at" in late.err, "A4 and its end", late)
    web.acts["/a"] = body
    ran = fetcher.run("--all")
    t.ok(ran.code == 0 and ran.err == "" and
         fetcher.list()["a"]["state"] == "good",
         "A18 that all is well again needs no mail", ran)


def alert_mail(t):
    where = new_directory("mail")
    os.chmod(where, 0o777)
    script = os.path.join(where, "sendmail")
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\ncat > {where}/mail.$$\n")
    os.chmod(script, 0o755)
    ca, web, fetcher = one_source()
    fetcher.more = ("alerts {\n    recipients_crl = crl@example.com\n}\n")
    web.acts["/b"] = answer(503)
    fetcher.write({"a": [f"primary_url = {web.url('/a')}"],
                   "b": [f"primary_url = {web.url('/b')}"],
                   "c": [f"primary_url = {web.url('/b')}"]})
    with open(fetcher.conf) as file:
        text = file.read().replace("hostname = crl.example",
                                   "hostname = crl.example\n    "
                                   f"sendmail = {script}")
    with open(fetcher.conf, "w") as file:
        file.write(text)
    fetcher.run("--all")
    fetcher.run("--all")
    mails = [open(os.path.join(where, n)).read()
             for n in os.listdir(where) if n.startswith("mail.")]
    t.ok(len(mails) == 1 and "[CRITICAL]" in mails[0] and
         "b: no CRL came yet" in mails[0] and "c: no CRL" in mails[0],
         "A18 two sources that fail are one mail, once", *mails)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP crl-fetcher drops root, which needs root")
        sys.exit(0)
    main(first_round, forms, urls, settings, commands, discovery, bundles,
         hooks, deltas, many, refused, hostile, cut_everywhere, proxies,
         nginx, directory, large_directory, killed, no_space, broken_disk,
         full_disk, two_at_once, clocks, places, damage, conditions,
         alert_mail)
