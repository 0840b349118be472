"""The front ends, each run with what `cowherd front NAME` prints, on a port of its own."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from herd import free_port, wait_until

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
AS_ROOT = os.geteuid() == 0


class FrontEnd:
    """Started by start(); `edit` may change what was printed. Subclasses say how a server is told and run."""

    name = None
    program = None
    kept = None  # edits the snippet so that connections to cowherd are kept; None: the server can't
    unbuffered = None  # edits the snippet so that uploads are passed on as they come; None: it can't
    guarded = None  # edits the snippet so that /guarded/ is a folder that cowherd is asked about; None: it can't

    @classmethod
    def executable(cls):
        return shutil.which(cls.program, path=PATH)

    @classmethod
    def version(cls):
        result = subprocess.run(
            [cls.executable(), *cls.version_option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20
        )
        return re.search(r"\d+\.\d+(\.\d+)?", result.stdout).group(0)

    version_option = ["-v"]

    def __init__(self, herd, edit=lambda snippet: snippet):
        self.herd = herd
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=self.name, dir=herd.directory))
        self.directory.chmod(0o777)  # of whom the server may become
        self.log = self.directory / "error.log"
        self.output = self.directory / "output.log"
        printed = herd.command("front", self.name)
        assert printed.returncode == 0, printed.stderr
        self.snippet = edit(printed.stdout)
        self.file = self.directory / "main.conf"
        self.file.write_text(self.configuration(self.listen(self.snippet)))
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [self.executable(), *self.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env={**os.environ, "HOME": str(self.directory), "XDG_DATA_HOME": str(self.directory)},
                start_new_session=True,
            )
        try:
            wait_until(self._is_up, what=self.errors)
        except BaseException:
            self.stop()
            raise

    # -- what differs

    port_pattern = None  # (pattern, replacement with %d): where the snippet has its port

    def configuration(self, snippet):
        return snippet

    def arguments(self):
        raise NotImplementedError

    # -- what doesn't

    def listen(self, snippet):
        pattern, replacement = self.port_pattern
        text, count = re.subn(pattern, replacement % self.port, snippet)
        assert count >= 1, snippet
        return text

    def _is_up(self):
        assert self.process.poll() is None, self.errors()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def errors(self):
        texts = [path.read_text(errors="replace")[-4000:] for path in (self.log, self.output) if path.exists()]
        return "\n".join(texts + [self.snippet])

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def request(self, uri="/", method="GET", headers=None, body=None, timeout=60, host="a.test", chunked=False):
        """As http.client gives it, with `content`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, uri, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif body is not None and "Content-Length" not in (headers or {}):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body, encode_chunked=chunked)
            response = connection.getresponse()
            response.content = response.read()
            return response
        finally:
            connection.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Nginx(FrontEnd):
    name = program = "nginx"
    port_pattern = (r"(?m)^(\s*listen\s+)[^;]*;", r"\g<1>127.0.0.1:%d;")

    @staticmethod
    def kept(snippet):
        # nginx keeps connections to an upstream block alone.
        addresses = sorted(set(re.findall(r"fastcgi_pass ([^;]*);", snippet)))
        for number, address in enumerate(addresses):
            snippet = snippet.replace("fastcgi_pass %s;" % address, "fastcgi_pass kept%d;" % number)
            snippet = "upstream kept%d { server %s; keepalive 4; }\n%s" % (number, address, snippet)
        return snippet.replace("fastcgi_keep_conn off", "fastcgi_keep_conn on")

    @staticmethod
    def unbuffered(snippet):
        return snippet.replace("fastcgi_request_buffering on", "fastcgi_request_buffering off")

    def guarded(self, snippet):
        address = re.search(r"fastcgi_pass ([^;]*);", snippet).group(1)
        return snippet.replace(
            "    location / {",
            """    location /guarded/ {
        auth_request /door;
        root %s;
    }
    location = /door {
        internal;
        fastcgi_pass_request_body off;
        fastcgi_pass %s;
    }
    location / {"""
            % (self.herd.directory, address),
            1,
        )

    def configuration(self, snippet):
        temporary = "".join(
            "%s_temp_path %s/%s;\n" % (kind, self.directory, kind)
            for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")
        )
        return "daemon off;\n%spid %s/pid;\nworker_processes 1;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\n%s%s}\n" % (
            "user root;\n" if AS_ROOT else "",
            self.directory,
            temporary,
            snippet,
        )

    def arguments(self):
        return ["-p", str(self.directory), "-c", str(self.file), "-e", str(self.log)]


class Lighttpd(FrontEnd):
    name = program = "lighttpd"
    port_pattern = (r"(?m)^server\.port = 80$", 'server.port = %d\nserver.bind = "127.0.0.1"')

    @staticmethod
    def unbuffered(snippet):
        return snippet.replace("stream-request-body = 0", "stream-request-body = 2")

    def guarded(self, snippet):
        target = re.search(r'=> \(\(((?:"socket" => "[^"]*"|"host" => "[^"]*", "port" => \d+))', snippet).group(1)
        snippet = snippet.replace(
            "    fastcgi.server = (\n",
            """    fastcgi.server = (
        "/guarded/" => ((%s, "mode" => "authorizer", "docroot" => "%s", "check-local" => "disable")),
"""
            % (target, self.herd.directory),
            1,
        )
        snippet = snippet.replace(
            "    url.rewrite-if-not-file", '    alias.url += ("/guarded/" => "%s/guarded/")\n    url.rewrite-if-not-file' % self.herd.directory, 1
        )
        return snippet

    def configuration(self, snippet):
        return (
            'server.document-root = "%s"\nserver.errorlog = "%s"\nserver.upload-dirs = ("%s")\n'
            'mimetype.assign = (".css" => "text/css")\n%s' % (self.directory, self.log, self.directory, snippet)
        )

    def arguments(self):
        return ["-D", "-f", str(self.file)]


class Apache(FrontEnd):
    name, program = "apache", "apache2"
    port_pattern = (r"<VirtualHost \*:80>", "<VirtualHost *:%d>")
    modules = ("mpm_event", "authn_core", "authz_core", "authz_user", "authnz_fcgi", "alias", "rewrite", "env", "proxy", "proxy_fcgi", "reqtimeout", "xsendfile")

    @staticmethod
    def kept(snippet):
        return snippet.replace("enablereuse=off", "enablereuse=on")

    def guarded(self, snippet):
        target = re.search(r"fcgi://(127[^/]*)/", snippet).group(1)
        return (
            "AuthnzFcgiDefineProvider authn door fcgi://%s/\n" % target
            + snippet.replace(
                "    ProxyPass ",
                """    ProxyPass "/guarded/" !
    Alias "/guarded/" "%(root)s/guarded/"
    <Directory "%(root)s/guarded/">
        Require all granted
    </Directory>
    <Location "/guarded/">
        AuthnzFcgiCheckAuthnProvider door Authoritative On RequireBasicAuth Off UserExpr "%%{reqenv:VISITOR}" DefaultUser visitor
        Require valid-user
    </Location>
    ProxyPass """
                % {"root": self.herd.directory},
                1,
            )
        )

    def configuration(self, snippet):
        lines = ["LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (name, name) for name in self.modules]
        return "\n".join(
            [
                "ServerRoot %s" % self.directory,
                "ServerName localhost",
                "PidFile %s/pid" % self.directory,
                "DefaultRuntimeDir %s" % self.directory,
                "Listen 127.0.0.1:%d" % self.port,
                "ErrorLog %s" % self.log,
                "StartServers 1\nThreadsPerChild 25",
                *(["User nobody", "Group nogroup"] if AS_ROOT else []),
                *lines,
                snippet,
            ]
        )

    def arguments(self):
        return ["-D", "FOREGROUND", "-f", str(self.file)]


class Haproxy(FrontEnd):
    name = program = "haproxy"
    port_pattern = (r"(?m)^    bind :80$", "    bind 127.0.0.1:%d")

    @staticmethod
    def kept(snippet):
        return snippet.replace("no option keep-conn", "option keep-conn").replace(
            "    mode http\n    use-fcgi-app", "    mode http\n    http-reuse always\n    use-fcgi-app"
        )

    def configuration(self, snippet):
        return "global\n    log stderr format raw daemon\n    maxconn 500\n\n%s" % snippet

    def arguments(self):
        return ["-db", "-f", str(self.file)]


class Caddy(FrontEnd):
    name = program = "caddy"
    port_pattern = (r"(?m)^http://:80 \{", "http://:%d {\n    bind 127.0.0.1")
    version_option = ["version"]

    @staticmethod
    def unbuffered(snippet):
        return re.sub(r"(?m)^ *(buffer_requests|max_buffer_size .*)\n", "", snippet)

    def configuration(self, snippet):
        return "{\n    admin off\n    auto_https off\n}\n%s" % snippet

    def arguments(self):
        return ["run", "--adapter", "caddyfile", "--config", str(self.file)]


class H2o(FrontEnd):
    name = program = "h2o"
    port_pattern = (r"(?m)^  port: 80$", "  host: 127.0.0.1\n  port: %d")

    @staticmethod
    def kept(snippet):
        return snippet.replace("timeout.keepalive: 0", "timeout.keepalive: 60000")

    def configuration(self, snippet):
        return "num-threads: 1\ntemp-buffer-path: %s\nerror-log: %s\n%s%s" % (
            self.directory,
            self.log,
            "user: root\n" if AS_ROOT else "",
            snippet,
        )

    def arguments(self):
        return ["-c", str(self.file)]


FRONT_ENDS = (Nginx, Lighttpd, Apache, Haproxy, Caddy, H2o)
