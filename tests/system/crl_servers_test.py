#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
crl-fetcher and servers with TLS, caches, directories that say nothing.
Rows R1, R+; faults A8, A12, A17.
"""

import os
import socket
import sys
import threading
import time

from harness import Pki, main, own
from harness.crl import (Ca, Fetcher, Nginx, Web, answer, ldif, start_slapd)


class Places:
    """A CA for servers, and certificates of theirs, good and bad."""

    def __init__(self):
        self.pki = Pki()
        self.ca = self.pki.ca("servers")
        self.stranger = self.pki.ca("stranger")
        self.good = self.pki.leaf(
            "good", self.ca, purpose="serverAuth",
            extensions=["subjectAltName = IP:127.0.0.1, DNS:localhost"])
        self.other_name = self.pki.leaf("other", self.ca, dns=["other.example"],
                                        purpose="serverAuth")
        self.other_ca = self.pki.leaf(
            "otherca", self.stranger, purpose="serverAuth",
            extensions=["subjectAltName = IP:127.0.0.1, DNS:localhost"])
        os.chmod(self.ca.cert, 0o644)


def expect(t, what, ca, places, url, code, words, settings=""):
    fetcher = Fetcher([ca], {"a": [f'primary_url = "{url}"']},
                      f"ca_file = {places.ca.cert}\n    {settings}")
    start = time.monotonic()
    ran = fetcher.run()
    took = time.monotonic() - start
    status = fetcher.status_of("0A", ca)
    t.ok(ran.code == code and took < 9 and
         status == ("revoked" if code == 0 else "unknown") and
         any(w in ran.err for w in words), what, ran, status, took)


def https(t):
    ca, places = Ca(), Places()
    crl = ca.crl("--revoke", "0A")
    url = Nginx(places.good).put("a.crl", crl)
    expect(t, "R1 https: a server of the CA in ca_file, by its address", ca,
           places, url, 0, [""])
    expect(t, "R1 https: the same by its name", ca, places,
           url.replace("127.0.0.1", "localhost"), 0, [""])
    expect(t, "R1 https: a certificate with another name is refused", ca,
           places, Nginx(places.other_name).put("a.crl", crl), 75,
           ["subject name", "subjectAltName", "does not match"])
    expect(t, "R1 https: one of another CA is refused", ca, places,
           Nginx(places.other_ca).put("a.crl", crl), 75,
           ["certificate", "issuer"])
    plain = Nginx()
    expect(t, "R1 https: a server without TLS is refused", ca, places,
           plain.put("a.crl", crl).replace("http:", "https:"), 75,
           ["SSL", "TLS", "wrong version"])
    web = Web()
    web.acts["/a"] = answer(302, Location=url)
    expect(t, "R1 https: redirected to from http", ca, places, web.url("/a"),
           0, [""])


def silent_server(first=b""):
    """Takes connections and says next to nothing; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    own(listener)
    held = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=drip, args=(connection,),
                             daemon=True).start()

    def drip(connection):
        try:
            for octet in first:
                connection.sendall(bytes([octet]))
                time.sleep(0.5)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def ldaps(t):
    ca, places = Ca(), Places()
    entries = ldif(ca, ca.crl("--revoke", "0A"))

    def url(port):
        return f"ldaps://127.0.0.1:{port}/cn=ca,o=test"

    # (libldap puts the machine's own name in the place of localhost.)
    expect(t, "R1 ldaps: a server of the CA in ca_file, by its address", ca,
           places, url(start_slapd(entries, places.good)), 0, [""])
    expect(t, "R1 ldaps: a certificate with another name is refused", ca,
           places, url(start_slapd(entries, places.other_name)), 75,
           ["contact LDAP server", "hostname"])
    expect(t, "R1 ldaps: one of another CA is refused", ca, places,
           url(start_slapd(entries, places.other_ca)), 75,
           ["contact LDAP server", "certificate"])
    expect(t, "R1 ldaps: a server without TLS is refused", ca, places,
           url(start_slapd(entries)), 75, ["contact LDAP server"])
    expect(t, "A17 ldaps: a server that says nothing has its time", ca,
           places, url(silent_server()), 75, ["took too long"])
    # The head of a TLS record of 16 kB, an octet at a time.
    expect(t, "A17 ldaps: one that begins to speak, slowly, too", ca, places,
           url(silent_server(b"\x16\x03\x03\x3f\xff" + bytes(60))), 75,
           ["took too long"])


def caches(t):
    """A12: the Date of a cache is that of its origin"""
    ca, web = Ca(), Web()
    body = ca.crl("--revoke", "0A")

    def cached(age):
        def act(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            if age:
                handler.send_header("Age", str(age))
            handler.end_headers()
            handler.wfile.write(body)
        return act

    web.clock_shift = -3 * 86400
    web.acts["/a"] = cached(3 * 86400)
    fetcher = Fetcher([ca], {"a": [f"primary_url = {web.url('/a')}"]})
    ran = fetcher.run()
    t.ok(ran.code == 0 and "clock" not in ran.err,
         "A12 an old answer of a cache says nothing of our clock", ran)
    web.acts["/a"] = cached(0)
    ran = fetcher.run("--all")
    t.ok("the clock of this machine looks wrong" in ran.err,
         "A12 without Age it would", ran)


def no_proxy(t):
    ca, web = Ca(), Web()
    web.acts["http://crl.invalid/x"] = ca.crl("--revoke", "0A")
    fetcher = Fetcher([ca], {"a": ["primary_url = http://crl.invalid/x"]},
                      f"proxy = {web.url('')}")
    ran = fetcher.run(environment={"no_proxy": "*", "NO_PROXY": "*"})
    t.ok(ran.code == 0 and len(web.requests) == 1,
         "R1 the environment does not keep us from the proxy of the "
         "settings", ran)


def points(t):
    """R+: what a distribution point in a CA certificate says"""
    web, root = Web(), Ca("root")
    body = root.crl("--revoke", "0A")
    web.acts["/one"] = answer(503)
    web.put("/two", body)
    inner = root.pki.ca("inner", issuer=root.certificate, extensions=[
        "crlDistributionPoints = p\n[p]\nfullname = "
        f"URI:{web.url('/one')}, URI:{web.url('/two')}"])

    class Inner:
        @staticmethod
        def pem():
            return inner.pem(False)

    fetcher = Fetcher([root, Inner], {}, "discover = yes")
    ran = fetcher.run()
    t.ok(ran.code == 0 and fetcher.status_of("0A", root) == "revoked" and
         [r[0] for r in web.requests] == ["/one", "/two"] and
         len(fetcher.list()) == 1,
         "R+ its URLs are copies: one source, one after the other", ran,
         fetcher.list())
    fetcher.write({"mine": [f"primary_url = {web.url('/two')}"]})
    fetcher.run("--all")
    t.is_(list(fetcher.list()), ["mine"],
          "R+ one of which a source has a URL is that source")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP crl-fetcher drops root, which needs root")
        sys.exit(0)
    main(https, ldaps, caches, no_proxy, points)
