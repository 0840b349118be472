"""The apps of `make bench-memory`: the same records and the same reading of them in Ruby, Python and Perl.

Each runtime has as many records as make about 60 MB in it. A request reads 20 of them and goes on where the one before
it has ended: after 3,200 requests a worker has read every one.
"""

RECORDS = {"cowherd": 42000, "unicorn": 64000, "gunicorn": 53000, "starlet": 40000}

RUBY = """\
RECORDS = (0...{count}).map do |i|
  {{ "id" => i, "name" => "record number #{{i}} with a name of some length",
    "tags" => ["tag #{{i % 97}}", "kind #{{i % 7}}"],
    "position" => {{ "x" => i * 3, "y" => [i, i.to_s, "row #{{i / 100}}"] }}, "text" => "text #{{i}} " * 12 }}
end
$at = 0

def read_records
  sum = 0
  20.times do
    record = RECORDS[$at = ($at + 1) % RECORDS.size]
    record.each {{ |key, value| sum += key.size }}
    sum += record["name"].size + record["tags"][0].size + record["position"]["y"][2].size + record["text"].size
  end
  sum
end

run lambda {{ |env|
{before}  read_records
  [200, {{ "content-type" => "text/plain"{headers} }}, ["Hello, world\\n"]]
}}
"""

# How long a full collection takes; and what waits for as long as the client has locked a file.
RUBY_ON_COWHERD = """\
  if env["PATH_INFO"] == "/gc"
    began = Time.now
    GC.start
    next [200, { "content-type" => "text/plain" }, [((Time.now - began) * 1_000_000).to_i.to_s]]
  end
  File.open("lock") { |file| file.flock(File::LOCK_SH) } if env["PATH_INFO"] == "/wait"
"""

PYTHON = """\
import os

RECORDS = [
    {{"id": i, "name": "record number %d with a name of some length" % i,
     "tags": ["tag %d" % (i % 97), "kind %d" % (i % 7)],
     "position": {{"x": i * 3, "y": [i, str(i), "row %d" % (i // 100)]}}, "text": "text %d " % i * 12}}
    for i in range({count})
]
at = 0


def read_records():
    global at
    total = 0
    for _ in range(20):
        at = (at + 1) % len(RECORDS)
        record = RECORDS[at]
        for key, value in record.items():
            total += len(key)
        total += len(record["name"]) + len(record["tags"][0]) + len(record["position"]["y"][2]) + len(record["text"])
    return total


def app(environ, start_response):
    read_records()
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", "13"), ("x-worker", str(os.getpid()))])
    return [b"Hello, world\\n"]
"""

PERL = """\
use strict;
use warnings;

my @records = map {{
    my $i = $_;
    {{ id => $i, name => "record number $i with a name of some length", tags => ["tag " . $i % 97, "kind " . $i % 7],
       position => {{ x => $i * 3, y => [$i, "$i", "row " . int($i / 100)] }}, text => "text $i " x 12 }}
}} 0 .. {count} - 1;
my $at = 0;

sub read_records {{
    my $sum = 0;
    for (1 .. 20) {{
        my $record = $records[$at = ($at + 1) % @records];
        while (my ($key, $value) = each %$record) {{
            $sum += length $key;
        }}
        $sum += length($record->{{name}}) + length($record->{{tags}}[0]) + length($record->{{position}}{{y}}[2]) +
            length($record->{{text}});
    }}
    return $sum;
}}

sub {{
    read_records();
    return [200, ["Content-Type" => "text/plain", "Content-Length" => 13, "X-Worker" => $$], ["Hello, world\\n"]];
}};
"""

HELLO = 'run ->(env) { [200, { "content-type" => "text/plain" }, ["Hello, world\\n"]] }\n'

# The app's file is read, compiled and run at every request.
COMPILED = 'run ->(env) { load "answer.rb"; $answer }\n'
ANSWER = """\
def greet(name)
  %w[Hello world].map { |word| word == "world" ? name : word }.join(", ")
end

class Greeting
  def initialize(name) = @name = name
  def to_s = greet(@name) + "\\n"
end

$answer = [200, { "content-type" => "text/plain" }, [Greeting.new("world").to_s]]
"""

# A script that is another version of itself at every request.
EDITED = "# \n" + ANSWER.replace("$answer =", "File.open(__FILE__, 'r+') { |file| file.write('#') }\n")


def cowherd_records():
    return RUBY.format(count=RECORDS["cowherd"], before=RUBY_ON_COWHERD, headers="")


def unicorn_records():
    headers = ', "content-length" => "13", "x-worker" => Process.pid.to_s'
    return RUBY.format(count=RECORDS["unicorn"], before="", headers=headers)


def gunicorn_records():
    return PYTHON.format(count=RECORDS["gunicorn"])


def starlet_records():
    return PERL.format(count=RECORDS["starlet"])
