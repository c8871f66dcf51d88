# SPDX-License-Identifier: BSD-2-Clause
"""crl-fetcher with everything of its own, CRLs made to order, servers."""

import base64
import email.utils
import http.server
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time
import zlib

from . import scope
from .milter import RUN_USER, directory_for, program
from .pki import Pki
from .tap import Skip

DAY = 86400


def _tool():
    """crl_make, built beside the programs."""
    build = os.path.dirname(os.path.dirname(program("crl-fetcher")))
    return os.path.join(build, "tests", "system", "crl_make")


class Ca:
    """A CA that signs whatever is asked of it."""

    def __init__(self, name="ca", pki=None, key="ec:P-256", **options):
        self.pki = pki or Pki()
        self.name = name
        self.certificate = self.pki.ca(name, key=key, **options)
        self.cert, self.key = self.certificate.cert, self.certificate.key

    def crl(self, *options, key=None, cert=None, prefix=()):
        """DER; options as crl_make takes them."""
        done = subprocess.run(
            [*prefix, _tool(), "--ca", cert or self.cert, "--key",
             key or self.key, *map(str, options)], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hash(self):
        done = subprocess.run(["openssl", "x509", "-in", self.cert, "-noout",
                               "-hash"], capture_output=True, check=True)
        return done.stdout.decode().strip()

    def pem(self):
        with open(self.cert) as file:
            return file.read()


def to_pem(der):
    done = subprocess.run(["openssl", "crl", "-inform", "DER"], input=der,
                          capture_output=True, check=True)
    return done.stdout


class Ran:
    """What one run said and cost."""

    def __init__(self, code, out, err, cpu, rss):
        self.code, self.out, self.err = code, out, err
        self.cpu, self.rss = cpu, rss

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def _peak(pid):
    """Most memory the process had so far, bytes."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Fetcher:
    """
    .crl and .state are its directories; sources is a dictionary of name to
    lines of a crl-source section.
    """

    def __init__(self, cas, sources, settings="", check="", more="",
                 user=RUN_USER):
        self.directory = scope.new_directory("fetcher")
        self.state = directory_for("state", user, 0o755)
        self.crl = directory_for("crl", user, 0o755)
        self.conf = os.path.join(self.directory, "postseal.conf")
        self.cas = os.path.join(self.directory, "cas.pem")
        self.user = user
        self.settings, self.check, self.more = settings, check, more
        with open(self.cas, "w") as file:
            file.write("".join(ca.pem() for ca in cas))
        self.write(sources)

    def write(self, sources):
        text = f"""
postseal {{
    hostname = crl.example
    state_directory = {self.state}
}}
ca-list {{
    system = no
    custom_file = {self.cas}
}}
crl-check {{
    directory = {self.crl}
    {self.check}
}}
crl-fetcher {{
    user = {self.user}
    connect_timeout = 2s
    timeout = 4s
    idle_timeout = 2s
    jitter = 0
    {self.settings}
}}
{self.more}
"""
        for name, lines in sources.items():
            lines = "\n    ".join(lines)
            text += f"crl-source {name} {{\n    {lines}\n}}\n"
        with open(self.conf, "w") as file:
            file.write(text)

    def run(self, *arguments, prefix=(), environment=None, timeout=60,
            binary="crl-fetcher", measure=False):
        process = subprocess.Popen(
            [*prefix, program(binary), "-c", self.conf, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, **(environment or {})})
        timer = threading.Timer(
            timeout, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        texts = [b"", b""]
        reader = threading.Thread(
            target=lambda: texts.__setitem__(1, process.stdout.read()))
        reader.start()
        errors = threading.Thread(
            target=lambda: texts.__setitem__(0, process.stderr.read()))
        errors.start()
        rss = 0
        # (ru_maxrss of a child is at least what Python has itself.)
        while True:
            rss = max(rss, _peak(process.pid) if measure else 0)
            pid, status, usage = os.wait4(process.pid,
                                          os.WNOHANG if measure else 0)
            if pid:
                break
            time.sleep(0.001)
        reader.join()
        errors.join()
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Ran(process.returncode, texts[1].decode(errors="replace"),
                   texts[0].decode(errors="replace"),
                   usage.ru_utime + usage.ru_stime, rss)

    def command(self, *arguments, **options):
        return self.run(*arguments, binary="postseal-crl", **options)

    def list(self):
        """By source."""
        ran = self.command("list", "--json")
        assert ran.code == 0, ran
        return {one["source"]: one for one in json.loads(ran.out)}

    def status_of(self, serial, ca):
        """good, revoked or unknown: a certificate of that number (hex)."""
        path = leaf(ca, serial)
        ran = self.command("show", "--json", "--cert", path)
        return json.loads(ran.out)["status"] if ran.out else repr(ran)

    def files(self):
        return sorted(os.listdir(self.crl))

    def read(self, name):
        with open(os.path.join(self.crl, name), "rb") as file:
            return file.read()

    def save(self):
        """All it has written, for restore()."""
        saved = {}
        for top in (self.crl, os.path.join(self.state, "crl-state")):
            for name in os.listdir(top):
                path = os.path.join(top, name)
                with open(path, "rb") as file:
                    saved[path] = file.read()
        return saved

    def restore(self, saved):
        for top in (self.crl, os.path.join(self.state, "crl-state")):
            for name in os.listdir(top):
                os.unlink(os.path.join(top, name))
        for path, data in saved.items():
            with open(path, "wb") as file:
                file.write(data)
            shutil.chown(path, self.user)


def leaf(ca, serial):
    """A certificate with a chosen serial number (hex); its path."""
    path = os.path.join(ca.pki.directory, f"{ca.name}-{serial}.pem")
    if not os.path.exists(path):
        subprocess.run(
            ["openssl", "req", "-x509", "-new", "-key", ca.key, "-CA",
             ca.cert, "-CAkey", ca.key, "-set_serial", f"0x{serial}",
             "-subj", f"/CN=leaf {serial}", "-days", "10", "-out", path,
             "-addext", "basicConstraints=critical,CA:FALSE"],
            check=True, capture_output=True)
    return path


# --- servers -----------------------------------------------------------------

class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass

    def do_GET(self):
        self.server.owner.requests.append((self.path, dict(self.headers)))
        act = self.server.owner.acts.get(self.path)
        if act is None:
            self.send_error(404)
        elif callable(act):
            act(self)
        else:
            self._file(act)

    def _file(self, body):
        etag = f'"{zlib.crc32(body):x}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        shift = self.server.owner.clock_shift
        return email.utils.formatdate((timestamp or time.time()) + shift,
                                      usegmt=True)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


class Web:
    """.acts: path to bytes, or to a function of the handler."""

    def __init__(self, **acts):
        self.acts, self.requests = dict(acts), []
        self.clock_shift = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()
        scope.own(self)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path, body):
        self.acts[path] = body
        return self.url(path)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Server:
    """A process that is ended with the test."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        scope.own(self)

    def close(self):
        self.process.terminate()
        self.process.wait()


def needs(program):
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise Skip(f"{program} is not installed")
    return found


def listens(port):
    def look():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    return look


class Nginx:
    """The real one, for files; tls is its certificate, for https."""

    def __init__(self, tls=None):
        binary = needs("nginx")
        self.top = top = scope.new_directory("nginx")
        os.chmod(top, 0o755)
        self.www = os.path.join(top, "www")
        os.mkdir(self.www)
        self.port = scope.free_port()
        self.scheme, options, ssl = "http", "", ""
        if tls:
            self.scheme, ssl = "https", " ssl"
            options = (f"ssl_certificate {tls.cert}; "
                       f"ssl_certificate_key {tls.key};")
        with open(os.path.join(top, "nginx.conf"), "w") as file:
            file.write(f"""
daemon off; master_process off; pid {top}/pid; error_log {top}/error;
events {{ }}
http {{
    access_log {top}/access; client_body_temp_path {top}/t1;
    proxy_temp_path {top}/t2; fastcgi_temp_path {top}/t3;
    uwsgi_temp_path {top}/t4; scgi_temp_path {top}/t5;
    server {{ listen 127.0.0.1:{self.port}{ssl}; root {self.www};
              {options} }}
}}
""")
        self._process = subprocess.Popen(
            [binary, "-c", os.path.join(top, "nginx.conf"), "-p", top],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        scope.own(self)
        scope.wait_for("nginx", self._listens)

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def put(self, name, body):
        with open(os.path.join(self.www, name), "wb") as file:
            file.write(body)
        return f"{self.scheme}://127.0.0.1:{self.port}/{name}"

    def codes(self):
        """Of all answers so far."""
        with open(os.path.join(self.top, "access")) as file:
            return re.findall(r'HTTP/1.1" (\d+)', file.read())

    def close(self):
        self._process.terminate()
        self._process.wait()


def ldif(ca, value):
    text = base64.b64encode(value).decode()
    return (f"dn: o=test\nobjectClass: organization\no: test\n\n"
            f"dn: cn=ca,o=test\nobjectClass: cRLDistributionPoint\ncn: ca\n"
            f"certificateRevocationList;binary:: {text}\n\n"
            f"dn: cn=none,o=test\nobjectClass: cRLDistributionPoint\n"
            f"cn: none\n")


def start_slapd(entries, tls=None):
    """Its port; tls is its certificate, for ldaps."""
    binary, add = needs("slapd"), needs("slapadd")
    top, port = scope.new_directory("slapd"), scope.free_port()
    os.mkdir(os.path.join(top, "db"))
    options = ""
    if tls:
        options = (f"TLSCertificateFile {tls.cert}\n"
                   f"TLSCertificateKeyFile {tls.key}\n")
    conf = os.path.join(top, "slapd.conf")
    with open(conf, "w") as file:
        file.write(f"include /etc/ldap/schema/core.schema\n"
                   f"moduleload back_mdb\nmodulepath /usr/lib/ldap\n"
                   f"pidfile {top}/pid\nsockbuf_max_incoming 40000000\n"
                   f"{options}"
                   f"database mdb\nmaxsize 200000000\nsuffix o=test\n"
                   f"directory {top}/db\n")
    scheme = "ldaps" if tls else "ldap"
    done = subprocess.run([add, "-f", conf], input=entries.encode(),
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    Server(binary, "-f", conf, "-h", f"{scheme}://127.0.0.1:{port}/", "-d", "0")
    scope.wait_for("slapd", listens(port))
    return port


def _raw(handler, data):
    handler.close_connection = True
    handler.wfile.write(data)


def answer(status, body=b"", **headers):
    def act(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return act


def hang(handler):
    handler.close_connection = True
    time.sleep(30)


def reset(handler):
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0")
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
    handler.connection.close()


def endless(handler):
    """Chunks without end."""
    _raw(handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"\x30" * 0x10000 + b"\r\n"
    while True:
        handler.wfile.write(chunk)


def gzip_bomb(handler):
    """A gigabyte in a megabyte, whoever asked for gzip or not."""
    squeeze = zlib.compressobj(9, wbits=31)
    body = b"".join(squeeze.compress(b"\0" * (1 << 20))
                    for _ in range(1024)) + squeeze.flush()
    answer(200, body, Content_Encoding="gzip")(handler)


def slow(handler):
    """A byte a second."""
    _raw(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        handler.wfile.write(b"0")
        handler.wfile.flush()
        time.sleep(1)


def big_header(handler):
    _raw(handler, b"HTTP/1.1 200 OK\r\n" +
         b"".join(b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(100)) +
         b"Content-Length: 0\r\n\r\n")


def cut(body, keep):
    """Its length is not told; the connection closes in the middle."""
    def act(handler):
        _raw(handler, b"HTTP/1.1 200 OK\r\n\r\n" + body[:keep])
    return act
