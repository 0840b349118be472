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
    when Node then "node#{describe(value.to_a, depth + 1)}"
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
    note([Registry.log, Registry.last, Registry::ENTRIES])
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

  operation(:array_copied_into) { pick(:arrays).__send__(:initialize_copy, [young, text] * random(12)) }
  operation(:array_product) { array = pick(:arrays); put(:arrays, array.first(3).product([text, young]).flatten(1).first(30)) }
  operation(:array_select) { pick(:arrays).select! { |item| item.is_a?(String) }; pick(:arrays).reject!(&:nil?) }
  operation(:array_unshift_shifted) { a = pick(:arrays); 3.times { a.shift }; a.unshift(text, young); a.unshift(text); a.pop if a.size > 50 }
  operation(:array_view) { a = pick(:arrays); part = a[2..-1]; if part then a.unshift(young); part.shift; part.push(text); put(:arrays, part) end }
  operation(:array_raise_within) { pick(:arrays).map! { |item| random(4) == 0 ? raise(ArgumentError, text) : text } }
  operation(:array_delete_if) { a = pick(:arrays); a.delete_if { |item| random(3) == 0 || (a.size > 2000 && a.clear) }; a << young }

  # Hashes
  operation(:hash_copied_into) { pick(:hashes).__send__(:initialize_copy, { text => young, [text] => text }) }
  operation(:hash_transform) { hash = pick(:hashes); hash.transform_values! { |_| text }; hash.compact!; hash.reject! { |key, _| key.is_a?(Array) } }
  operation(:hash_keys_changed) { hash = pick(:hashes); key = [text]; hash[key] = young; key << text; hash.rehash; note(hash.key?(key)); hash.delete(key) }
  operation(:hash_shift_all) { hash = pick(:hashes); hash.shift while hash.size > 3; hash[text] = text }
  operation(:hash_sorted) { hash = pick(:hashes); hash.replace(hash.sort_by { |key, _| describe(key) }.to_h) }
  operation(:hash_grown) { hash = pick(:hashes); random(40).times { |i| hash["grown #{i}"] = text }; hash.clear if hash.size > 150 }
  operation(:hash_variable) { hash = pick(:defaults); hash.instance_variable_set(:@kept, young); note(hash.instance_variable_get(:@kept)) }
  operation(:hash_guarded) { hash = pick(:guarded); hash[random(9)] = young; hash.clear if hash.size > 20; note(hash[random(20)]) }
  operation(:hash_stored_within) { hash = pick(:hashes); n = 0; hash.each { |key, _| hash[key] = text; break if (n += 1) > 5 } }
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

  operation(:string_bytes) { string = pick(:strings); string << "x"; string.setbyte(string.bytesize - 1, 65 + random(20)); string.insert(1, text) if string.size < 400 }
  operation(:string_lines) { string = pick(:strings); put(:strings, string.each_char.to_a.last(70).join); string.squeeze!; string.swapcase! }
  operation(:string_variants) { s = pick(:wide); put(:strings, s.tr("e", "a").center(60, text)); s << s[1, 5] if s.size < 300; s.replace(s[2..-1] || "") }
  operation(:string_symbols) { pick(:strings).to_s[0, 9].to_sym; note([:upcase, :size].map { |name| pick(:constants).__send__(name) }) }

  # Objects
  operation(:object_variables) { animal = pick(:animals); 9.times { |i| animal.instance_variable_set("@many_#{i}", young) } }
  operation(:object_exec) { value = text; pick(:animals).instance_exec(value) { |v| @food = [v]; @name = "#{@name} #{v}"[0, 60] } }
  operation(:object_eval_method) { v = text; pick(:animals).instance_eval { @extra = -> { v }; def self.within; @within = [@extra.call]; end }.to_s }
  operation(:object_within) { note(pick(:animals).within) }
  operation(:object_singleton_reopened) do
    value = young
    animal = pick(:animals)
    class << animal
      attr_accessor :own_value
      def own_list; @own_list ||= []; end
    end
    animal.own_value = value
    animal.own_list << value
  end
  operation(:object_singleton_include) { v = text; pick(:animals).singleton_class.include(Module.new { define_method(:via_singleton) { v } }) }
  operation(:object_singleton_prepend) { v = text[0, 9]; a = pick(:animals); a.singleton_class.prepend(Module.new { define_method(:call_name) { "#{v}<#{super()}>"[0, 200] } }) if random(3) == 0; note(a.call_name) }
  operation(:object_via_singleton) { note(pick(:animals).via_singleton) }
  operation(:object_frozen_for_good) { animal = pick([Animal, Cow]).new(text); animal.food = young; animal.freeze; put(:arrays, [animal]) }
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

  operation(:class_copy) { copy = pick(:sons).clone; value = text; copy.define_method(:copied) { value }; put(:sons, copy); note(copy.new("copy").copied) }
  operation(:class_dup) { copy = pick([Animal, Cow]).dup; copy.const_set("OWN", young); put(:sons, copy); note(copy.new("dup").call_name) }
  operation(:class_own_singleton) { v = text; pick(:sons).singleton_class.class_eval { define_method(:own_speech) { v } }; note(pick(:sons).own_speech) }
  operation(:class_extend) { v = young; pick(:sons).extend(Module.new { define_method(:extended) { v } }); note(pick(:sons).extended) }
  operation(:class_method_object) { m = pick(:animals).method(:call_name); pick(:sons).define_method(:borrowed) { m.call }; note(pick(:sons).new("b").borrowed) }
  operation(:class_unbound) { m = Animal.instance_method(:call_name); note(m.bind(pick(:animals)).call); Cow.define_method(:bound, &pick(:procs)) }
  operation(:class_bound) { note(Cow.new(text).bound(text)) }
  operation(:class_subclass) { v = text; son = Class.new(pick(:sons)) { define_method(:initialize) { |name| super(name); @food = v } }; put(:sons, son) }
  operation(:class_new_son) { put(:animals, pick(:sons).new(text)) }
  operation(:class_attr) { name = "attribute_#{random(4)}"; pick(:sons).attr_accessor(name); s = pick(:sons).new("s"); s.__send__("#{name}=", young); put(:animals, s) }
  operation(:class_variables) { son = pick([Animal, Cow]); son.class_variable_set("@@v#{random(4)}", young); son.class_variable_get("@@v#{random(4)}") }
  operation(:class_variable_removed) { note(Animal.remove_class_variable("@@v#{random(4)}")) }
  operation(:class_private) { Cow.class_eval { private :moo if random(2) == 0; public :moo }; Cow.class_eval { def helper; text; end; module_function rescue nil } }
  operation(:module_constants) { pick(:modules).const_set("IN_MODULE_#{random(3)}", young); note(pick(:modules).const_get("IN_MODULE_#{random(3)}")) }
  operation(:module_copy) { copy = pick(:modules).dup; v = text; copy.define_method(:of_copy) { v }; put(:modules, copy); pick(:sons).include(copy) if random(3) == 0 }
  operation(:module_class) { v = text; pick(:modules).const_set("Nested#{random(3)}", Class.new(Animal) { define_method(:call_name) { v } }) }
  operation(:module_prepended_old) { random(6) == 0 && pick(:sons).prepend(pick(:modules)); note(pick(:sons).ancestors.size > 3) }
  operation(:registry) { Registry.register("name #{random(12)}", young); note([Registry.last, Registry.log]); note(pick(:nodes).registered("name 3")) }
  operation(:registry_reopened) { v = text; Registry.singleton_class.define_method(:extra) { [v, last] }; note(Registry.extra) }
  operation(:comparable) { v = random(9); Animal.include(Comparable); Animal.define_method(:<=>) { |o| v <=> 4 }; note(pick(:animals) > pick(:animals)) }
  operation(:missing_constant) { v = text; Cow.define_singleton_method(:const_missing) { |name| "#{name} #{v}" }; note(Cow::NO_SUCH_NAME) }
  operation(:missing_method) { v = text; pick(:sons).define_method(:method_missing) { |name, *| "#{name} #{v}" }; note(pick(:animals).nothing_known) }
  operation(:inherited_hook) { seen = [text]; Cow.define_singleton_method(:inherited) { |k| seen << k; $list = seen.size }; Class.new(Cow); Class.new(Calf) }

  # Globals, closures, fibers
  operation(:closure_default) { note(pick(:procs).call(text)); note(pick(:procs).call(text, [young])) }
  operation(:closure_loop) { made = (0..random(5)).map { |i| v = text; ->(*) { v << i.to_s; v } }; put(:procs, made.last); made.each(&:call) }
  operation(:closure_deep) { v = young; f = -> { -> { -> { v = [v].flatten.first(3) } } }; f.call.call.call; put(:procs, ->(*) { v }) }
  operation(:closure_break) { note([1, 2, 3].each { |i| v = text; break [v, i] if i == 2 }); note(yielding { |v| next v + text }) }
  operation(:closure_raising) { kept = [text]; put(:procs, ->(*) { kept = [kept, text].flatten.last(4); raise ArgumentError, kept.last }) }
  operation(:method_value) { put(:procs, pick(:animals).method(:respond_to?).to_proc); note(pick(:procs).arity) }
  operation(:fiber_raise) { put(:fibers, Fiber.new { |a| begin; loop { a = Fiber.yield([a, text].join) ; raise ArgumentError, a if a.is_a?(String) && a.size > 40 }; ensure $list = [text]; end }) }
  operation(:fiber_deep) { put(:fibers, Fiber.new { |a| dig(random(40) + 5) { |b| a = Fiber.yield([a, b].join[0, 90]) }; loop { a = Fiber.yield(text) } }) }
  operation(:fiber_closures) { pick(:fibers).resume("c" * random(50)); note(pick(:counters)[0].call(text)); GC.start; note(pick(:fibers).alive?) }
  operation(:lazy) { note(pick(:lazy).select { |v| v.size > 1 }.first(random(4))); put(:lazy, (1..50).lazy.map { |v| text + v.to_s }) }
  operation(:chained) { e = pick(:enumerators); note(e.with_index.to_a.size); put(:enumerators, e.each_slice(2)) if random(9) == 0; note(e.next) }
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
  operation(:struct_copied_into) { pick(:pairs).__send__(:initialize_copy, Pair.new(text, [text], young)) }
  operation(:struct_initialized) { pick(:pairs).__send__(:initialize, text, young); pick(:nodes).name = text; pick(:pairs)["left"] = young }
  operation(:struct_nodes) { node = pick(:nodes); node.child = Node.new(text, node.child); node.child = nil if node.count > 6; note(node.sort_by(&:size)) }
  operation(:struct_class) { v = text; c = Struct.new(:a) { define_method(:v) { v } }; put(:pairs, Pair.new(c.new(young).v, nil, nil)); Pair.define_method(:own) { v } }
  operation(:data_class) { v = text; Point.define_method(:own) { [v, y] }; note(pick(:points).own); put(:points, pick(:points).dup) }
  operation(:herd) { herd = pick(:herds); herd.owner = young; herd << text << [text]; herd.delete_if { |m| random(3) == 0 }; note(herd.owner); herd.merge([text]) }
  operation(:herd_copy) { copy = pick(:herds).dup; copy << text; put(:herds, copy); pick(:sets).replace([text, young, random(5)]); pick(:sets).map! { |m| describe(m) } }
  operation(:set_keys) { set = pick(:sets); set.subtract([set.first]); set ^= Set[text, 1]; put(:sets, set) if set.size < 40; note(set.include?(1)) }
  operation(:random_object) { note([pick(:randoms).rand(1000), pick(:arrays).shuffle(random: pick(:randoms)).size]); put(:randoms, Random.new(random(99))) }
  operation(:exception_class) { v = text; c = Class.new(ArgumentError) { define_method(:message) { v } }; note(begin; raise c; rescue c => e; put(:raised, e); e; end) }
  operation(:exception_copy) { put(:raised, pick(:raised).exception(text)); pick(:unraised).__send__(:initialize, text); note(pick(:unraised).full_message) }
  operation(:exception_ensure) { note(begin; begin; raise pick(:raised); ensure $list = [text, young]; end; rescue ArgumentError => e; e.backtrace.class; end) }
  operation(:exception_retry) { n = 0; note(begin; raise ArgumentError, text if (n += 1) < 3; "#{text} #{n}"; rescue ArgumentError; retry; end) }
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
  operation(:object_space_change) { n = 0; ObjectSpace.each_object(Herd) { |herd| n += 1; herd.owner = [text] if n < 3 } }
  operation(:object_space_classes) { names = []; ObjectSpace.each_object(Class) { |c| names << c.to_s if c.superclass == Animal && c.to_s[0] != "#" }; note(names.sort) }
  operation(:collect) { GC.start }
  operation(:collect_mode) { GC.generational_mode = random(2) == 0 }
  operation(:collect_off) { GC.disable; put(:arrays, [young, text]); GC.enable }
  operation(:garbage) { random(400).times { |i| "garbage #{i} of some length" + text } }

  def yielding
    yield text
  end

  def dig(level, &block)
    level == 0 ? block.call(text) : [dig(level - 1, &block), text].last
  end

  def deep(level)
    level == 0 ? raise(ArgumentError, text) : [deep(level - 1)]
  end
end

def mutator
  $mutator
end
