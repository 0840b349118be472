"""What a result was measured on."""

import os
import platform
import re
import subprocess


def output_of(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except OSError:
        return ""


def first_match(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def package_version(package):
    return output_of("dpkg-query", "-W", "-f", "${Version}", package) or "unknown"


def mruby_version(build):
    return first_match(r"mruby (\d\S*)", output_of(os.path.join(build, "mruby/host/bin/mrbc"), "--version"))


def compiler_version():
    return output_of("cc", "-dumpfullversion") or "unknown"


def lines():
    with open("/proc/cpuinfo") as file:
        cpu = first_match(r"^model name\s*:\s*(.*)$", file.read())
    with open("/proc/meminfo") as file:
        memory = int(first_match(r"^MemTotal:\s*(\d+)", file.read())) / 1048576
    with open("/etc/os-release") as file:
        system = first_match(r'^PRETTY_NAME="?(.*?)"?$', file.read())
    return [
        f"CPU: {cpu}, {os.cpu_count()} cores; memory: {memory:.1f} GiB",
        f"System: {system}, Linux {platform.release()}",
    ]
