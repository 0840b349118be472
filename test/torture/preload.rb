# The world that is loaded before the freeze: some of everything that an application can keep.
module Loud
  def call_name
    "loud"
  end
end

module Quiet
  def call_name
    "quiet(#{super})"
  end
end

class Animal
  attr_accessor :name, :food, :friend, :extra
  @@born = ["first"]
  @count = [0]
  LEGS = ["four"]

  def initialize(name)
    @name = name
  end

  def self.born
    @@born
  end

  def self.born=(list)
    @@born = list
  end

  def self.tally
    @tally
  end

  def self.tally=(value)
    @tally = value
  end

  def call_name
    "animal #{@name}"
  end

  def method_missing(method, *arguments)
    "missing #{method} #{arguments.size}"
  end

  def respond_to_missing?(*)
    false
  end
end

class Cow < Animal
  include Loud
  def moo
    "moo"
  end
end

class Calf < Cow
  prepend Quiet
end

class Herd < Set
  attr_accessor :owner

  def initialize(members, owner)
    super(members)
    @owner = owner
  end
end

module Registry
  ENTRIES = { "first" => ["entry"] }
  @@log = ["begun"]

  class << self
    attr_accessor :last

    def register(name, value)
      @@log = @@log.last(5) + [name]
      ENTRIES[name] = @last = value
    end

    def log
      @@log
    end
  end

  def registered(name)
    ENTRIES[name]
  end
end

Node = Struct.new(:name, :child) do
  include Enumerable
  include Registry

  def each
    node = self
    while node
      yield node.name
      node = node.child
    end
  end
end

Pair = Struct.new(:left, :right, :rest)
Point = Data.define(:x, :y, :tags)

module World
  PARTS = {
    arrays: Array.new(30) { |i| Array.new(i * 4) { |j| "entry #{i} #{j}" } },
    hashes: Array.new(30) { |i| (0...i * 3).to_h { |j| ["key #{j}", [i, "value #{j} of some length, not embedded"]] } },
    strings: Array.new(30) { |i| "string #{i} " * (i + 1) },
    wide: Array.new(15) { |i| "größe #{i} ☃ " * (i + 1) },
    constants: Array.new(10) { |i| "a frozen string of some length, number #{i}".freeze },
    animals: Array.new(30) { |i| [Animal, Cow, Calf][i % 3].new("nr #{i}") },
    pairs: Array.new(15) { |i| Pair.new("left #{i}", [i], nil) },
    points: Array.new(10) { |i| Point.new(x: "x #{i}", y: [i], tags: { i => "tag" }) },
    sets: Array.new(10) { |i| Set.new((0...i * 2).map { |j| "member #{j}" }) },
    ranges: Array.new(5) { |i| ("a#{i}".."c#{i}") },
    raised: Array.new(6) { |i| begin; raise ArgumentError, "raised #{i}"; rescue ArgumentError => e; e; end },
    unraised: Array.new(4) { |i| RuntimeError.new("never raised #{i}") },
    defaults: Array.new(5) { |i| Hash.new { |hash, key| hash[key] = "made #{i} #{key}" } },
    modules: Array.new(5) { |i| Module.new { define_method("from_module_#{i}") { "module #{i}" } } },
    classes: Array.new(6) { |i| Class.new(Animal) { define_method(:call_name) { "class #{i} #{@name}" } } },
    big: Array.new(4) { |i| 3**(60 + 20 * i) },
    rationals: Array.new(4) { |i| Rational(i + 1, 7) },
    methods: Array.new(3) { |i| Cow.new("bound #{i}").method(:call_name) },
    enumerators: Array.new(4) { |i| [i, "item #{i}", [i]].each },
    counters: Array.new(10) do |i|
      seen = ["seen #{i}"]
      count = 0
      [
        ->(value) { seen << value; seen.shift if seen.size > 6; count += 1; seen.join("/") },
        ->(value) { seen = [value, seen.last]; count },
        -> { ->(value) { seen << value; seen.size } }
      ]
    end,
    fibers: Array.new(10) do |i|
      Fiber.new do |got|
        kept = ["fiber #{i}"]
        reader = -> { kept.last }
        loop do
          got = Fiber.yield("#{kept.join('/')} #{reader.call}")
          kept << "got #{got}"
          kept = kept.last(4)
        end
      end
    end,
    short_fibers: Array.new(12) { |i| Fiber.new { |a| b = Fiber.yield(a); $escaped = -> { [a, b, i] }; [b, "end"] } },
    large: [Array.new(2500) { |i| i % 5 == 0 ? "large #{i}" : i }, (0...2500).to_h { |i| ["large #{i}", i] }],
    nodes: Array.new(8) { |i| Node.new("node #{i}", Node.new("inner #{i}", nil)) },
    herds: Array.new(4) { |i| Herd.new((0...i * 3).map { |j| "cow #{j}" }, "herd #{i}") },
    sons: Array.new(6) { |i| Class.new([Animal, Cow, Calf][i % 3]) { extend Loud if i % 2 == 0 } },
    randoms: Array.new(4) { |i| Random.new(i) },
    procs: Array.new(6) { |i| kept = ["proc #{i}"]; ->(a, b = kept) { kept = [a, b.size]; kept } },
    lazy: Array.new(3) { |i| (1..1000).lazy.map { |v| "#{v * i}" } },
    guarded: Array.new(4) { |i| Hash.new { |hash, key| raise KeyError, "no #{key} in #{i}" } },
    nested: (0...80).inject(nil) { |inner, i| [inner, "level #{i}"] }
  }
  PARTS[:fibers].each_with_index { |fiber, i| fiber.resume(i) if i % 2 == 0 }
  PARTS[:short_fibers].each_with_index { |fiber, i| fiber.resume("start #{i}") if i % 3 == 0 }
  PARTS[:enumerators].each_with_index { |enumerator, i| enumerator.next if i % 2 == 0 }
  PARTS[:itself] = PARTS
  $counter = "0"
  $list = ["zero"]
  $table = {}
  $escaped = -> { [] }
end
