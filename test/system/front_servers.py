"""Debian's web servers in front of cowherd, each on a port of its own."""

import http.client
import os
import re
import shutil
import subprocess

from herd import free_port, wait_until

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
NGINX = shutil.which("nginx", path=PATH)
LIGHTTPD = shutil.which("lighttpd", path=PATH)
APACHE = shutil.which("apache2", path=PATH)
APACHE_MODULES = "/usr/lib/apache2/modules"


class FrontServer:
    """Runs `command(file)` on a configuration until stop()."""

    def __init__(self, herd, name, text, command, port):
        self.name, self.port = name, port
        self.log = herd.directory / (name + "-error.log")
        file = herd.write(name + ".conf", text)
        output = (herd.directory / (name + "-output.log")).open("wb")
        with output:
            self.process = subprocess.Popen(
                command(file), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._output = herd.directory / (name + "-output.log")
        try:
            wait_until(self._listening, what=self.errors)
        except BaseException:
            self.stop()
            raise

    def _listening(self):
        assert self.process.poll() is None, self.errors()
        try:
            return self.request("/").status
        except (ConnectionRefusedError, ConnectionResetError):
            return None

    def errors(self):
        texts = [path.read_text(errors="replace") for path in (self.log, self._output) if path.exists()]
        return "\n".join(texts) or "the server says nothing"

    def request(self, uri, method="GET", headers=None, source="127.0.0.1", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        try:
            connection.request(method, uri, body=body, headers=headers or {})
            response = connection.getresponse()
            response.content = response.read()
            response.text = response.content.decode("utf-8", "replace")
            return response
        finally:
            connection.close()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nginx(FrontServer):
    def __init__(self, herd, servers, port):
        """`servers`: what stands in the http block; on `port` one of them listens."""
        directory = herd.directory
        (directory / "nginx").mkdir(exist_ok=True)
        temporary = "".join(
            "    %s_temp_path %s/nginx/%s;\n" % (kind, directory, kind)
            for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")
        )
        text = """daemon off;
%s
worker_processes 1;
pid %s/nginx.pid;
error_log %s/nginx-error.log;
events { }
http {
    access_log off;
%s%s
}
""" % ("user root;" if os.geteuid() == 0 else "", directory, directory, temporary, servers)
        error_log = str(directory / "nginx-error.log")
        super().__init__(
            herd, "nginx", text, lambda file: [NGINX, "-p", str(directory), "-c", str(file), "-e", error_log], port
        )


def nginx(herd, server):
    """`server`: what stands in the server block."""
    port = free_port()
    return Nginx(herd, "    server {\n        listen 127.0.0.1:%d;\n%s\n    }" % (port, server), port)


class Front(Nginx):
    """nginx with what `cowherd front nginx` prints for a herd; `edit` may change it."""

    def __init__(self, herd, edit=lambda snippet: snippet):
        self.herd = herd
        result = herd.command("front", "nginx")
        assert result.returncode == 0, result.stderr
        port = free_port()
        snippet, listens = re.subn(r"(?m)^(\s*listen\s+)[^;]*;", r"\g<1>127.0.0.1:%d;" % port, result.stdout)
        assert listens >= 1, result.stdout
        super().__init__(herd, "client_max_body_size 128m;\n" + edit(snippet), port)

    def request(self, uri, host="a.test", method="GET", body=None, headers=None):
        return super().request(uri, method, {"Host": host, **(headers or {})}, body=body)


def lighttpd(herd, text):
    port = free_port()
    directory = herd.directory
    head = """server.port = %d
server.bind = "127.0.0.1"
server.errorlog = "%s/lighttpd-error.log"
""" % (port, directory)
    return FrontServer(herd, "lighttpd", head + text, lambda file: [LIGHTTPD, "-D", "-f", str(file)], port)


def apache(herd, text, modules):
    port = free_port()
    directory = herd.directory
    lines = ["LoadModule %s_module %s/mod_%s.so" % (name, APACHE_MODULES, name) for name in ("mpm_prefork", *modules)]
    user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
    head = """ServerRoot %s
ServerName localhost
PidFile %s/apache.pid
Listen 127.0.0.1:%d
ErrorLog %s/apache-error.log
%s
%s
""" % (directory, directory, port, directory, "\n".join(lines), user)
    return FrontServer(
        herd, "apache", head + text, lambda file: [APACHE, "-D", "FOREGROUND", "-f", str(file)], port
    )
