"""README, CONTRIBUTING and the manual pages: what they name is there, and what they show works."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from herd import BUILD

ROOT = Path(__file__).resolve().parents[2]
COWHERD = str(BUILD / "cowherd")
MARKDOWN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
GUIDES = [ROOT / "packaging/examples/README.md", *sorted(ROOT.glob("gems/*/README.md"))]
MANUAL = sorted(ROOT.glob("packaging/man/*.[1-9]*"))
FOLDERS = ("config", "daemon", "gems", "packaging", "test", "worker")
# The supervisor starts these by itself; nobody types them.
OWN_COMMANDS = {"check-upgrade", "fallback", "status-server"}
OTHER_PAGES = {"make 1", "sendmail 8", "sudo 8"}
SUFFIXES = (".c", ".h", ".py", ".rb", ".def", ".md", ".yml", ".sh")


def label(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    return path.read_text(encoding="utf-8")


def code_blocks(path, *languages):
    """The blocks between ``` whose language is one of these."""
    return [block for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text_of(path), re.M | re.S)
            if language in languages]


def code_spans(path):
    """What stands between backticks in running text; a line break in it is a space."""
    prose = re.sub(r"^```.*?^```", "", text_of(path), flags=re.M | re.S)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


def literals(page):
    return [block.replace("\\e", "\\") for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text_of(page), re.M | re.S)]


def lines_of_shell(path):
    """Commands: lines of shell blocks without comments and here-documents, and code spans."""
    for block in code_blocks(path, "sh"):
        block = re.sub(r"<<'EOF'\n.*?^EOF$", "", block, flags=re.M | re.S)
        for line in block.splitlines():
            yield from re.split(r"&&|;", line.split(" #")[0])
    for span in code_spans(path):
        yield from re.split(r"&&|;", span)


def said_commands(path):
    """Commands named in a document of either form."""
    if path in MANUAL:
        for line in text_of(path).splitlines():
            line = line.replace("\\-", "-")
            if line.startswith(".Ql cowherd "):
                yield line[4:].replace(" Ar ", " ")
            elif line.startswith((".Nm Cm ", ".Pq Nm Cm ")):
                yield "cowherd " + line.split(" Cm ", 1)[1].replace("Fl -", "--").replace("Fl ", "-").replace("Ar ", "")
        for block in literals(path):
            for line in block.splitlines():
                for part in re.split(r"&&|;", line):
                    yield re.sub(r"^[$#] ", "", part.strip())
    else:
        yield from lines_of_shell(path)


def files_of_project():
    skipped = {"build", ".git"}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if not skipped & set(path.relative_to(ROOT).parts) and path.is_file():
                yield path


@pytest.fixture(scope="module")
def names_of_files():
    return {path.name for path in files_of_project()} | {path.name for path in ROOT.iterdir()}


@pytest.fixture(scope="module")
def commands():
    """Every command with the options that its help tells."""
    def told(*words):
        return subprocess.run([COWHERD, "help", *words], capture_output=True, text=True, timeout=10, check=True).stdout

    names = re.findall(r"^  ([a-z-]+) ", told(), re.M)
    assert len(names) > 10
    return {name: set(re.findall(r"^  (--?[A-Za-z-]+)", told(name), re.M)) for name in names}


@pytest.fixture(scope="module")
def settings():
    listing = subprocess.run([COWHERD, "settings"], capture_output=True, text=True, timeout=10, check=True).stdout
    return set(re.findall(r"^([a-z][\w.]*(?:NAME)?[\w.]*)$", listing, re.M))


@pytest.fixture(scope="module")
def make_targets():
    rules = re.findall(r"^([^\s:#=$][^:#=$]*):(?!=)", (ROOT / "Makefile").read_text(), re.M)
    return {target for rule in rules for target in rule.split()}


@pytest.mark.parametrize("document", MARKDOWN + GUIDES, ids=label)
def test_links_lead_to_files(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(document))
    local = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if target and not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", MARKDOWN, ids=label)
def test_paths_that_are_named_exist(document):
    paths = [span for span in code_spans(document) if re.fullmatch(r"(%s)/[\w./*-]+" % "|".join(FOLDERS), span)]

    def exists(path):
        # A program is named without the suffix of its source.
        return any(ROOT.glob(path.rstrip("/"))) or any(ROOT.glob(path + ".c"))

    assert [path for path in paths if not exists(path)] == []


def test_files_that_the_map_names_exist(names_of_files):
    named = [span for span in code_spans(ROOT / "CONTRIBUTING.md")
             if re.fullmatch(r"[a-z][\w-]*\.\w+", span) and span.endswith(SUFFIXES)]
    foreign = {"yaml.h"}
    assert len(named) > 50
    assert [name for name in named if name not in names_of_files | foreign] == []


@pytest.mark.parametrize("document", MARKDOWN + GUIDES + MANUAL, ids=label)
def test_targets_of_make_exist(document, make_targets):
    missing = []
    for command in said_commands(document):
        words = command.replace("sudo ", "").split()
        if not words or words[0] != "make":
            continue
        targets = re.sub(r"\w+=(\"[^\"]*\"|'[^']*'|\S*)", "", " ".join(words[1:])).split()
        missing += [target for target in targets if re.fullmatch(r"[a-z][\w.-]*", target) and target not in make_targets]
    assert missing == []


def test_help_of_make_names_targets(make_targets):
    told = re.findall(r"@echo 'make ([a-z][\w.-]*)", (ROOT / "Makefile").read_text())
    assert len(told) > 10 and [target for target in told if target not in make_targets] == []


@pytest.mark.parametrize("document", MARKDOWN + GUIDES + MANUAL, ids=label)
def test_commands_and_options_exist(document, commands):
    wrong = []
    for command in said_commands(document):
        words = command.strip().split()
        if len(words) < 2 or words[0] != "cowherd" or not re.fullmatch(r"[a-z][a-z-]*", words[1]):
            continue
        if words[1] in OWN_COMMANDS:
            continue
        options = re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", " ".join(words[2:]))
        if words[1] not in commands or not set(options) <= commands[words[1]]:
            wrong.append(command)
    assert wrong == []


def test_the_readme_has_every_command(commands):
    rows = re.findall(r"^\| `cowherd ([a-z-]+)", text_of(ROOT / "README.md"), re.M)
    assert sorted(rows) == sorted(commands)


def test_settings_that_are_named_exist(settings):
    readme = text_of(ROOT / "README.md")
    named = set(re.findall(r"`((?:pools\.NAME|log|status)\.[\w.]+)`", readme))
    assert len(named) > 25
    assert named - settings == set()


@pytest.mark.parametrize("page", MANUAL, ids=label)
def test_settings_in_the_manual_exist(page, settings):
    named = re.findall(r"\b([a-z_]+\.[a-z_]+)\b", "\n".join(re.findall(r"^\.(?:It )?Cm (.*)$", text_of(page), re.M)))
    assert [name for name in named if not any(setting.endswith("." + name) or setting == name for setting in settings)] == []


def whole_configuration(text):
    """A part of one, as documents show it, with what belongs around it."""
    def within(part, indent):
        return "".join(" " * indent + line + "\n" for line in part.splitlines())

    if "pools:" in text:
        return text
    if text.startswith("- "):
        return "pools:\n  web:\n    listen: web.sock\n    user: www-data\n    apps:\n" + within(text, 6)
    if text.startswith("hooks:"):
        return whole_configuration("- root: /srv/www/tools\n" + within(text, 2))
    return "pools:\n  web:\n    user: www-data\n    apps: [{root: /srv/www/tools, rack: config.ru}]\n" + within(text, 4)


def configurations():
    for document in MARKDOWN + GUIDES:
        for number, block in enumerate(code_blocks(document, "yaml")):
            yield pytest.param(block, id="%s-%d" % (label(document), number))
        for number, block in enumerate(re.findall(r"<<'EOF'\n(control:.*?)^EOF$", text_of(document), re.M | re.S)):
            yield pytest.param(block.replace("web.sock,", "web.sock, user: root,"), id="%s-typed-%d" % (label(document), number))
    for page in MANUAL:
        for number, block in enumerate(literals(page)):
            if re.match(r"(control|listen|hooks|pools):|- \w+:", block):
                yield pytest.param(block, id="%s-%d" % (label(page), number))


@pytest.fixture
def home():
    """A folder that the pools' users may read."""
    with tempfile.TemporaryDirectory(prefix="cowherd-documents.") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("shown", configurations())
def test_configurations_pass_check(shown, home):
    text = whole_configuration(shown)
    for place in ("/srv/www", "/run/cowherd", "/var/log/cowherd"):
        (home / place.strip("/")).mkdir(parents=True)
        text = text.replace(place, str(home / place.strip("/")))
    for root in re.findall(r"\broot: ([^\s,}]+)", text):
        (home / root).mkdir(parents=True, exist_ok=True)
        (home / root / "config.ru").write_text("run ->(env) { [200, {}, []] }\n")
        (home / root / "index.rb").write_text("Server = get_server_class\nServer.echo 'here'\n")
        for hook in re.findall(r"\bfile: ([\w/]+\.rb)", text):
            (home / root / hook).parent.mkdir(exist_ok=True)
            (home / root / hook).write_text("")
    for library in re.findall(r"preload: \[([^\]]+)\]", text):
        Path(library).parent.mkdir(parents=True, exist_ok=True)
        Path(library).write_text("")
    (home / "cowherd.yml").write_text(text)
    checked = subprocess.run([COWHERD, "check", "-c", str(home / "cowherd.yml")], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_configurations_are_found():
    assert len(list(configurations())) >= 7


@pytest.mark.parametrize("page", MANUAL, ids=label)
def test_pages_refer_to_pages(page):
    own = {"%s %s" % tuple(name.name.replace(".in", "").rsplit(".", 1)) for name in MANUAL}
    named = re.findall(r"^\.Xr (\S+ \d)", text_of(page), re.M)
    assert named and set(named) - own - OTHER_PAGES == set()


def test_pages_are_filled(commands, settings):
    manual = text_of(BUILD / "man" / "cowherd.8")
    assert [name for name in commands if not re.search(r"^\.It Cm %s\b" % name, manual, re.M)] == []
    keys = re.findall(r"^\.It Cm (\w+)$", text_of(BUILD / "man" / "cowherd.yml.5"), re.M)
    assert sorted(keys) == sorted(setting.split(".")[-1] for setting in settings)


def test_messages_that_are_explained_are_those_of_the_programs():
    section = re.search(r"^\.Sh DIAGNOSTICS\n(.*?)^\.El", text_of(ROOT / "packaging/man/cowherd.8.in"), re.M | re.S).group(1)
    messages = [text for text in re.findall(r"^\.It (.*)$", section, re.M) if not text.startswith("Front end")]
    # "name Ar N No of" and "the budget of ... holds" leave something open; what errno says is not ours.
    patterns = [re.sub(r"Ar \w+(?: No)?|\\.\\.\\.", ".*", re.escape(text.split(": \\&")[0]).replace(r"\ ", " ")) for text in messages]
    sources = "".join(text_of(path) for folder in ("daemon", "worker") for path in sorted((ROOT / folder).rglob("*.c")))
    sources = re.sub(r'"\s*\n\s*"', "", sources)
    assert len(patterns) > 5
    assert [pattern for pattern in patterns if not re.search(pattern, sources)] == []


def test_pages_are_clean():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    pages = [str(page) for folder in (BUILD / "man", ROOT / "packaging/man") for page in sorted(folder.glob("*.[1-9]"))]
    checked = subprocess.run([str(ROOT / "test" / "manual"), *pages], capture_output=True, text=True, timeout=30)
    assert pages and checked.returncode == 0, checked.stdout + checked.stderr
