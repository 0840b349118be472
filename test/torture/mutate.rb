# Random operations on the preloaded world. The same seed does the same, however and whenever memory is collected.
class Mutator
  def initialize(seed)
    @state = seed * 2_654_435_761 % 4_294_967_291 + 1
    @made = 0
    @sum = 0
    @history = nil
  end

  attr_accessor :history

  OPERATIONS = []

  def self.operation(name, &body)
    OPERATIONS << name
    define_method("do_#{name}", &body)
  end

  def random(limit)
    @state = @state * 48_271 % 2_147_483_647
    limit < 1 ? 0 : @state / 7 % limit
  end

  def pick(list)
    list.is_a?(Symbol) ? pick(World::PARTS[list]) : list[random(list.size)]
  end

  def put(kind, value)
    list = World::PARTS[kind]
    list[random(list.size)] = value
  end

  def text
    @made += 1
    "young #{@made} #{'.' * random(50)}"
  end

  def young
    case random(10)
    when 0 then text
    when 1 then [text, [text]]
    when 2 then { text => text, list: [text] }
    when 3 then animal = pick([Cow, Calf, Animal]).new(text); animal.food = [text]; animal
    when 4 then Pair.new(text, [text], nil)
    when 5 then (text..text)
    when 6 then Point.new(x: text, y: nil, tags: { text => 1 })
    when 7 then @made * 1.5
    when 8 then 7**(40 + random(40))
    else -> { text }
    end
  end

  def describe(value, depth = 0)
    return "..." if depth > 3
    case value
    when Hash then "{#{value.map { |k, v| "#{describe(k, depth + 1)}:#{describe(v, depth + 1)}" }.join(',')}}"
    when Array then "[#{value.map { |item| describe(item, depth + 1) }.join(',')}]"
    when String, Symbol, Integer, Float, Rational, nil, true, false then value.inspect
    when Range then "#{value.first.inspect}..#{value.last.inspect}"
    when Pair then "pair#{describe(value.to_a, depth + 1)}"
    when Point then "point#{describe(value.to_h, depth + 1)}"
    when Set then "set#{describe(value.to_a, depth + 1)}"
    when Animal
      own = value.instance_variables.sort.map { |name| value.instance_variable_get(name) }
      "#{value.call_name}#{describe(own, depth + 1)}"
    when Exception then "#{value.message}#{describe(value.instance_variable_get(:@note), depth + 1)}"
    when Proc then "proc"
    else value.class.to_s[0] == "#" ? "?" : value.class.to_s
    end
  end

  def note(value)
    line = describe(value)
    @sum = (@sum * 31 + line.hash) % 1_000_000_007
    @history << "  #{line}" if @history
  end

  def go(steps)
    steps.times do
      name = pick(OPERATIONS)
      @history << name.to_s if @history
      begin
        __send__("do_#{name}")
      rescue StandardError => e
        # An address in a message differs from run to run.
        note(e.message.index("0x") ? e.class : "#{e.class}: #{e.message}"[0, 60])
      end
    end
  end

  def digest
    World::PARTS.each { |kind, things| kind == :itself || note(things) }
    [Animal, Cow, Calf].each do |klass|
      note(klass.instance_methods(false).map(&:to_s).sort)
      note(klass.constants.map(&:to_s).sort)
      note(klass.tally)
    end
    note([$counter, $list, $table, Animal.born, $escaped.call])
    "#{@sum} #{@made} #{@state}"
  end

  # Arrays
  operation(:array_push) { pick(:arrays) << young }
  operation(:array_store) { array = pick(:arrays); array[random(array.size + 4)] = young }
  operation(:array_front) { array = pick(:arrays); array.unshift(young, text); array.pop if array.size > 60 }
  operation(:array_insert) { array = pick(:arrays); array.insert(random(array.size + 1), young, young) }
  operation(:array_shift) { array = pick(:arrays); note(array.shift); array.push(text) }
  operation(:array_splice) { array = pick(:arrays); array[random(array.size + 1), random(4)] = [young, young] }
  operation(:array_concat) { array = pick(:arrays); array.concat([young, text]); array.slice!(0, 9) if array.size > 99 }
  operation(:array_replace) { array = pick(:arrays); array.replace(array.first(20) + [young]) }
  operation(:array_share) { array = pick(:arrays); part = array[1, 15]; part << text if part; put(:arrays, part || []) }
  operation(:array_swap) { a = pick(:arrays); a.replace(pick(:arrays)); a << young }
  operation(:array_fill) { array = pick(:arrays); value = text; array.fill(value, 0, random(4)) }
  operation(:array_map) { pick(:arrays).map! { |item| item.is_a?(String) ? "#{item[0, 40]}!" : text } }
  operation(:array_sort) { array = pick(:arrays); array.replace(array.sort_by { |item| describe(item) }); array.sort! { |a, b| describe(b) <=> describe(a) } }
  operation(:array_delete) { array = pick(:arrays); array.delete_at(random(array.size)); array.compact!; array.uniq!(&:hash) if array.empty? }
  operation(:array_clear) { array = pick(:arrays); array.clear if array.size > 40; array << text }
  operation(:array_rotate) { array = pick(:arrays); array.rotate!; array.reverse!; array.push(young) }
  operation(:array_nested) { World::PARTS[:nested][1] = text; World::PARTS[:nested][0][0][1] = young }
  operation(:large_array) do
    array = World::PARTS[:large][0]
    array[random(array.size)] = young
    array.shift
    array.push(young)
    note(array[random(array.size)])
  end
  operation(:large_array_slice) { put(:arrays, World::PARTS[:large][0][random(2000), 90].grep(String)) }

  # Hashes
  operation(:hash_store) { pick(:hashes)[text] = young }
  operation(:hash_update) { hash = pick(:hashes); hash[pick(hash.keys)] = young unless hash.empty? }
  operation(:hash_delete) { hash = pick(:hashes); note(hash.delete(pick(hash.keys))) unless hash.empty? }
  operation(:hash_key) { hash = pick(:hashes); hash[[text, random(4)]] = text; hash.rehash }
  operation(:hash_merge) { hash = pick(:hashes); hash.merge!(pick(:hashes)); hash.clear if hash.size > 150 }
  operation(:hash_replace) { pick(:hashes).replace({ text => young, text => text }) }
  operation(:hash_default) { hash = pick(:hashes); hash.default = text; note(hash["no such key"]) }
  operation(:hash_default_proc) { note(pick(:defaults)[random(40)]); pick(:defaults)[text] = young }
  operation(:hash_new_default_proc) { value = text; pick(:hashes).default_proc = ->(_, key) { "#{value} #{key}" } }
  operation(:hash_values) { hash = pick(:hashes); hash.each { |key, _| hash[key] = text } }
  operation(:hash_shift) { hash = pick(:defaults); hash.shift if hash.size > 10; hash.delete_if { |key, _| key == 3 } }
  operation(:hash_select) { hash = pick(:hashes); hash.select! { |key, _| key.is_a?(String) && key.size % 2 == 0 } }
  operation(:large_hash) do
    hash = World::PARTS[:large][1]
    hash["large #{random(2500)}"] = young
    hash[text] = young
    hash.delete("large #{random(2500)}")
    note(hash["large #{random(2500)}"])
  end
  operation(:large_hash_default) { World::PARTS[:large][1].default = young }

  # Strings
  operation(:string_append) { string = pick(:strings); string << text; string.replace(text * 3) if string.size > 700 }
  operation(:string_slice) { string = pick(:strings); put(:strings, string[0, string.size / 2] + text) }
  operation(:string_change) { pick(:strings).upcase!; pick(:strings).sub!("O", text); pick(:strings)[0] = "ö" }
  operation(:string_copy) { copy = pick(:strings).dup; copy << "copy"; put(:strings, copy); pick(:strings).replace(copy) }
  operation(:string_wide) { string = pick(:wide); string[random(3)] = "é☃"; string << text; note([string.size, string.reverse]) }
  operation(:string_wide_cut) { string = pick(:wide); string.replace(string[0, 80]); note(string.inspect); string.chop! }
  operation(:string_frozen) { s = pick(:constants); note([s[2, 30], s.sub("f", "g"), s.dup << "x"]); put(:strings, s[3, 35]) }
  operation(:string_frozen_write) { pick(:constants) << "no" }
  operation(:string_symbol) { note(pick(:constants).to_sym); note(:"symbol #{random(30)}".to_s << "x") }
  operation(:string_clear) { pick(:strings).clear; pick(:strings).concat("a", text); pick(:strings).prepend(text) }

  # Objects
  operation(:object_attribute) { animal = pick(:animals); animal.food = young; animal.extra = [young] }
  operation(:object_new_variable) { pick(:animals).instance_variable_set("@new_#{random(10)}", young) }
  operation(:object_remove_variable) { note(pick(:animals).remove_instance_variable(:"@new_#{random(10)}")) }
  operation(:object_singleton) { value = young; pick(:animals).define_singleton_method("own_#{random(4)}") { value } }
  operation(:object_call_singleton) { note(pick(:animals).__send__("own_#{random(4)}")) }
  operation(:object_extend) { animal = pick(:animals); animal.extend(pick(:modules)); note(animal.from_module_1) }
  operation(:object_extend_young) { v = text; pick(:animals).extend(Module.new { define_method(:extra_name) { v } }) }
  operation(:object_extra_name) { note(pick(:animals).extra_name) }
  operation(:object_copy) { copy = pick(:animals).clone; copy.food = text; put(:animals, copy) }
  operation(:object_replace) { put(:animals, pick(:classes).new(text)) }
  operation(:object_freeze) { copy = pick(:animals).dup; copy.freeze; copy.food = 1 }

  # Classes and modules
  operation(:define_method) { value = text; pick([Animal, Cow]).define_method("dynamic_#{random(6)}") { value } }
  operation(:call_dynamic) { note(pick(:animals).__send__("dynamic_#{random(6)}")) }
  operation(:alias_method) { pick([Animal, Cow]).class_eval { alias_method :other_name, :call_name } }
  operation(:alias_proc) { Cow.class_eval { alias_method :moo_too, :moo }; note(Cow.new("x").moo_too) }
  operation(:undef_method) { Cow.class_eval { define_method(:gone) { 1 }; undef_method :gone }; note(Cow.new("x").gone) }
  operation(:remove_method) { Cow.remove_method("dynamic_#{random(6)}") }
  operation(:reopen) { value = text; Cow.class_eval { define_method(:moo) { "moo #{value}" } }; note(Calf.new("c").moo) }
  operation(:super_method) { v = text; Calf.define_method(:moo) { "#{super()} #{v}" }; note(Calf.new("d").moo) }
  operation(:accessor) { Animal.class_eval { attr_accessor :later }; pick(:animals).later = young }
  operation(:class_variable) { Animal.born = [Animal.born.last, text]; Animal.class_variable_set(:@@more, young) }
  operation(:class_instance_variable) { pick([Animal, Cow, Calf]).tally = young }
  operation(:constant) { pick([Animal, Cow]).const_set("NAME_#{random(8)}", young) }
  operation(:constant_read) { note(Calf.const_get("NAME_#{random(8)}")) }
  operation(:constant_remove) { note(Cow.__send__(:remove_const, "NAME_#{random(8)}")) }
  operation(:new_class) { value = text; put(:classes, Class.new(pick([Animal, Cow])) { define_method(:call_name) { value } }) }
  operation(:class_include) { pick(:classes).include(pick(:modules)) }
  operation(:class_include_young) do
    next if random(3) > 0
    value = text
    pick(:classes).include(Module.new { define_method(:included_name) { value } })
  end
  operation(:class_prepend_young) do
    next if random(4) > 0
    value = text[0, 12]
    klass = pick(:classes)
    klass.prepend(Module.new { define_method(:call_name) { "#{value}(#{super()})"[0, 200] } })
    note(klass.new("p").call_name)
  end
  operation(:module_method) { value = text; pick(:modules).define_method("from_module_#{random(5)}") { value } }
  operation(:module_include) { random(5) == 0 && pick(:modules).include(Module.new { def nested_name; "nested"; end }) }
  operation(:module_replace) { value = text; put(:modules, Module.new { define_method(:from_module_1) { value } }) }
  operation(:inherited_names) { note(pick(:animals).nested_name); note(pick(:classes).new("i").included_name) }
  operation(:singleton_class) { value = text; pick([Animal, Cow]).singleton_class.define_method(:speak) { value }; note(Calf.speak) }
  operation(:builtin_reopen) { value = text; String.define_method(:shout) { value }; note("x".shout) }
  operation(:kernel_method) { value = text; Kernel.define_method(:everywhere) { value }; note([].everywhere) }

  # Globals, closures, fibers
  operation(:global) { $counter = text; $list = [$list.last, young]; $table[text] = young; $table.clear if $table.size > 20 }
  operation(:new_global) { value = young; value.is_a?(Proc) || $later = value; note($later) }
  operation(:closure) { note(pick(:counters)[0].call(text)) }
  operation(:closure_assign) { note(pick(:counters)[1].call(text)) }
  operation(:closure_inner) { note(pick(:counters)[2].call.call(text)) }
  operation(:closure_new) { kept = [text]; put(:counters, [->(v) { kept << v; kept.size }, ->(v) { kept = [v] }, -> { ->(v) { v } }]) }
  operation(:fiber) { note(pick(:fibers).resume(text)) }
  operation(:fiber_many) { World::PARTS[:fibers].each { |fiber| note(fiber.resume(random(9).to_s)) } }
  operation(:fiber_end) { note(pick(:short_fibers).resume(text)); note($escaped.call) }
  operation(:fiber_new) { put(:fibers, Fiber.new { |a| kept = [a]; loop { kept = [Fiber.yield(kept.join), text] } }) }
  operation(:fiber_new_short) { put(:short_fibers, Fiber.new { |a| b = Fiber.yield(a); $escaped = -> { [b, a] }; b }) }
  operation(:fiber_in_fiber) do
    outer = pick(:fibers)
    note(Fiber.new { |value| [outer.resume(value), Fiber.yield(value), text] }.resume(text))
  end
  operation(:fiber_method) { note(pick(:enumerators).next) }
  operation(:fiber_rewind) { pick(:enumerators).rewind; put(:enumerators, [text, young].each) if random(4) == 0 }

  # The rest
  operation(:struct) { pair = pick(:pairs); pair.left = young; pair[:right] = [young]; pair.rest = pair.left }
  operation(:struct_new) { put(:pairs, Pair.new(young, pick(:pairs).left, text)) }
  operation(:data) { point = pick(:points); point.y << text if point.y; point.tags[text] = young; point.tags.clear if point.tags.size > 8 }
  operation(:data_new) { put(:points, Point.new(x: text, y: pick(:points).y, tags: { 1 => young })) }
  operation(:set) { set = pick(:sets); set << text; set.add([text]); set.delete("member #{random(20)}"); set.clear if set.size > 40 }
  operation(:set_operators) { set = pick(:sets) | pick(:sets); put(:sets, set) if set.size < 50; note((set & pick(:sets)).size) }
  operation(:exception) { exception = pick(:raised); exception.instance_variable_set(:@note, [text]); note(exception) }
  operation(:exception_raise) { begin; raise pick(:unraised), text; rescue RuntimeError => e; put(:unraised, e); note(e); end }
  operation(:exception_again) { begin; raise pick(:raised); rescue ArgumentError => e; note(e.backtrace.class); put(:raised, e); end }
  operation(:exception_backtrace) { pick(:raised).set_backtrace([text]); note(pick(:raised).backtrace&.first.to_s[0, 5]) }
  operation(:exception_deep) { note(begin; deep(random(30)); rescue ArgumentError => e; e.message; ensure; $list = [text]; end) }
  operation(:range) { note(pick(:ranges).to_a); put(:ranges, (text..text)) }
  operation(:bignum) { put(:big, (pick(:big) * pick(:big) + random(100)) % 10**90); note(pick(:big)) }
  operation(:rational) { put(:rationals, Rational(random(90) + 1, 7)); note(pick(:rationals) * 3) }
  operation(:method_object) { note(pick(:methods).call); put(:methods, pick(:animals).method(:call_name)) }
  operation(:throw) { note(catch(:tag) { 3.times { |i| throw :tag, text if i == 1 } }) }
  operation(:object_space) { count = 0; ObjectSpace.each_object(Class) { |klass| count += 1 if klass == Cow || klass == Calf }; note(count) }
  operation(:object_space_break) { ObjectSpace.each_object(Module) { |found| break if found == Loud }; ObjectSpace.count_objects }
  operation(:object_space_raise) { ObjectSpace.each_object(Class) { raise ArgumentError, text } }
  operation(:collect) { GC.start }
  operation(:collect_mode) { GC.generational_mode = random(2) == 0 }
  operation(:collect_off) { GC.disable; put(:arrays, [young, text]); GC.enable }
  operation(:garbage) { random(400).times { |i| "garbage #{i} of some length" + text } }

  def deep(level)
    level == 0 ? raise(ArgumentError, text) : [deep(level - 1)]
  end
end

def mutator
  $mutator
end
