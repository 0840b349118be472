"""What runs in the soak: four pools with every kind of app, and nginx before them."""

import servers
from clients import app
from herd import Herd, free_port

# For all apps of a pool; each interpreter that loads it has it once.
LIBRARY = """
RECORDS = (0...4000).map { |n| { "id" => n, "name" => "record #{n}", "tags" => ["one", "two", n.to_s] } }
"""
RECORD = """
run ->(env) do
  record = RECORDS[env["QUERY_STRING"].to_i]
  [200, { "content-type" => "text/plain" }, [record["name"], " ", record["tags"].join(",")]]
end
"""
COUNTING = """
run ->(env) do
  store = Cowherd.store
  if env["PATH_INFO"] == "/counts"
    [200, {}, [["sum", "started", "stopped", "logged"].map { |key| store.get(key, 0) }.join(" ")]]
  else
    [200, {}, [store.increment("sum").to_s]]
  end
end
"""
HOOKS = {
    "preload": "MESSAGE = 'loaded once'\n",
    "worker_start": "Userdata.new.started = MESSAGE\nCowherd.store.increment('started')\n",
    "access": "Server = get_server_class\n"
    "raise 'no start' unless Userdata.new.started == 'loaded once'\n"
    "Server.return(Server::HTTP_FORBIDDEN) if Server::Request.new.uri == '/private'\n",
    "log": "Cowherd.store.increment('logged')\n",
    "worker_stop": "Cowherd.store.increment('stopped')\n",
}
# Uploads are answered by their digest, downloads come in pieces; /grow keeps what recycling has to get rid of.
FILES = """
$kept = []
class Pieces
  def initialize(seed, count)
    @seed, @count = seed, count
  end

  def each
    @count.times { |n| yield "#{@seed}:#{n};" * 2048 }
  end
end
run ->(env) do
  seed, count = env["QUERY_STRING"].split(",").map { |text| text.to_i }
  case env["PATH_INFO"]
  when "/upload"
    digest = Digest::SHA256.new
    while (piece = env["rack.input"].read(65536))
      digest << piece
    end
    [200, {}, [digest.hexdigest]]
  when "/download" then [200, { "content-type" => "application/octet-stream" }, Pieces.new(seed, count)]
  when "/grow"
    $kept << "x" * 20_000
    [200, {}, ["kept"]]
  when "/slow"
    sleep 0.2
    [200, {}, ["slow"]]
  end
end
"""
BAD = """
run ->(env) do
  case env["PATH_INFO"]
  when "/raise" then raise "on purpose"
  when "/loop" then loop { }
  when "/power" then 7 ** 40_000_000  # no time-out of the interpreter's gets through to it
  when "/exit" then exit!
  end
  [200, {}, ["fine"]]
end
"""
CACHED = """
Server = get_server_class
Server.rputs "cached " + Server::Request.new.args
"""

# What a worker of "files" may have grown by; it is measured once a second or so, and an upload is read meanwhile.
GROWTH = 4 << 20

# As many workers as each pool has when nobody asks for anything.
QUIET = {"web": 3, "scripts": 2, "files": 1, "bad": 3}


def edited(version):
    """A script; each version has a length of its own."""
    return "# %s\n[200, {}, ['version %d']]\n" % ("x" * (version % 500), version)


def add_counting_app(herd):
    source = herd.app(COUNTING, host="store.test", name="store", store={"size": "1MiB"})
    for event, text in HOOKS.items():
        herd.write(source.parent / (event + ".rb"), text)
    herd.pools["web"]["apps"][-1]["hooks"] = [{"event": event, "file": event + ".rb"} for event in HOOKS]


def add_scripts(herd, host, cache, **files):
    for name, text in files.items():
        herd.write("apps/%s/%s.rb" % (host, name), text)
    about = {"host": host, "root": herd.directory / "apps" / host, "scripts": {"cache": cache}}
    herd.pools["scripts"]["apps"].append(about)


def make_herd():
    herd = Herd()
    herd.deaths_expected = True  # of the workers that have to be killed for their requests
    directory = herd.directory
    herd.settings["log"] = {
        "level": "info",
        "error": directory / "error.log",
        "access": {"path": directory / "access.log", "format": "json"},
    }
    herd.settings["status"] = {"listen": directory / "status.sock"}
    library = herd.write("library.rb", LIBRARY)
    # (Slow senders are given up soon, so that there are many of them.)
    patience = {"header": "2s", "body": "5s", "idle": "5s"}
    herd.configure("web", workers=3, preload=[library], timeouts=patience, recycle={"requests": 1500, "jitter": "20%"})
    herd.configure(
        "scripts",
        workers=2,
        listen="127.0.0.1:%d" % free_port(),
        timeouts=patience,
        recycle={"age": "20s", "jitter": "20%"},
    )
    herd.configure(
        "files",
        listen="127.0.0.1:%d" % free_port(),
        workers={"min": 1, "max": 4, "spare": 0, "idle": "4s"},
        recycle={"private_memory": GROWTH, "jitter": 0},
    )
    herd.configure("bad", workers=3, timeouts={**patience, "request": "500ms", "hard": "1500ms"}, rlimits={"core": 0})
    herd.app(app(1), host="good.test", name="good")
    herd.app(RECORD, host="one.test", name="one", interpreter="shared")
    herd.app(RECORD, host="two.test", name="two", interpreter="shared")
    add_counting_app(herd)
    add_scripts(herd, "cached.test", True, index=CACHED)
    add_scripts(herd, "fresh.test", False, edited=edited(1))
    herd.app(FILES, host="files.test", name="files", pool="files")
    herd.app(BAD, host="bad.test", name="bad", pool="bad")
    herd.app(app(1), host="healthy.test", name="healthy", pool="bad")
    return herd


def is_quiet(status):
    """One generation in each pool, and nobody on the way in or out. (No status: it has not come up yet.)"""
    if not status:
        return False
    for pool in status["pools"]:
        workers = pool["workers"]
        states = {worker["state"] for worker in workers}
        if pool["state"] != "serving" or len(pool["generations"]) != 1:
            return False
        if len(workers) != QUIET[pool["name"]] or states != {"idle"}:
            return False
    return True


def wait_quiet(herd, patience=60):
    herd.wait_until(
        lambda: is_quiet(herd.try_status()), patience, lambda: "quiet pools: %s" % herd.command("status").stdout
    )


class Nginx(servers.Nginx):
    """`kept`: whether its connections to cowherd are."""

    def __init__(self, herd, kept):
        super().__init__(herd, self.kept if kept else lambda snippet: snippet)
