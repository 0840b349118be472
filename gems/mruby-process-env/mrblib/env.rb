# `[]`, `[]=` and `to_a` reach the environment itself (src/environment.c); the rest stands on them.
class << ENV
  include Enumerable

  def to_h(&block)
    hash = {}
    to_a.each do |name, value|
      name, value = block.call(name, value) if block
      hash[name] = value
    end
    hash
  end

  def to_hash
    to_h
  end

  def fetch(name, *default)
    raise ArgumentError, "wrong number of arguments (given #{default.size + 1}, expected 1..2)" if default.size > 1
    value = self[name]
    return value unless value.nil?
    return yield(name) if block_given?
    return default[0] unless default.empty?
    raise KeyError, "key not found: #{name.inspect}"
  end

  def each(&block)
    return to_enum(:each) unless block
    to_a.each { |pair| block.call(pair) }
    self
  end
  alias each_pair each

  def each_key(&block)
    return to_enum(:each_key) unless block
    keys.each(&block)
    self
  end

  def each_value(&block)
    return to_enum(:each_value) unless block
    values.each(&block)
    self
  end

  def delete(name)
    value = self[name]
    self[name] = nil
    return yield(name) if value.nil? && block_given?
    value
  end

  def key?(name)
    !self[name].nil?
  end
  alias has_key? key?
  alias include? key?
  alias member? key?

  def value?(value)
    return nil unless value.is_a?(String)
    values.include?(value)
  end
  alias has_value? value?

  def key(value)
    raise TypeError, "no implicit conversion of #{value.class} into String" unless value.is_a?(String)
    pair = rassoc(value)
    pair && pair[0]
  end

  def keys
    to_a.map { |pair| pair[0] }
  end

  def values
    to_a.map { |pair| pair[1] }
  end

  def values_at(*names)
    names.map { |name| self[name] }
  end

  def assoc(name)
    value = self[name]
    value && [name.dup.freeze, value]
  end

  def rassoc(value)
    to_a.find { |pair| pair[1] == value }
  end

  def invert
    to_h.invert
  end

  def slice(*names)
    hash = {}
    names.each do |name|
      value = self[name]
      hash[name] = value unless value.nil?
    end
    hash
  end

  def except(*names)
    hash = to_h
    names.each { |name| hash.delete(name) }
    hash
  end

  def select(&block)
    return to_enum(:select) unless block
    hash = {}
    to_a.each { |name, value| hash[name] = value if block.call(name, value) }
    hash
  end
  alias filter select

  def reject(&block)
    return to_enum(:reject) unless block
    hash = {}
    to_a.each { |name, value| hash[name] = value unless block.call(name, value) }
    hash
  end

  # nil when nothing was deleted.
  def reject!(&block)
    return to_enum(:reject!) unless block
    gone = to_a.select { |name, value| block.call(name, value) }
    gone.each { |pair| self[pair[0]] = nil }
    gone.empty? ? nil : self
  end

  def select!(&block)
    return to_enum(:select!) unless block
    reject! { |name, value| !block.call(name, value) }
  end
  alias filter! select!

  def delete_if(&block)
    return to_enum(:delete_if) unless block
    reject!(&block)
    self
  end

  def keep_if(&block)
    return to_enum(:keep_if) unless block
    select!(&block)
    self
  end

  def _hash_of(object)
    return object if object.is_a?(Hash)
    raise TypeError, "no implicit conversion of #{object.class} into Hash" unless object.respond_to?(:to_hash)
    object.to_hash
  end

  def update(*hashes)
    hashes.each do |hash|
      _hash_of(hash).each do |name, value|
        old = self[name]
        value = yield(name, old, value) if old && block_given?
        self[name] = value
      end
    end
    self
  end
  alias merge! update

  def replace(hash)
    hash = _hash_of(hash)
    hash.each do |name, value|
      raise TypeError, "no implicit conversion of #{name.class} into String" unless name.is_a?(String)
      raise TypeError, "no implicit conversion of #{value.class} into String" unless value.is_a?(String)
    end
    hash.each { |name, value| self[name] = value }
    (keys - hash.keys).each { |name| self[name] = nil }
    self
  end

  def clear
    keys.each { |name| self[name] = nil }
    self
  end

  def shift
    pair = to_a.first
    self[pair[0]] = nil if pair
    pair
  end

  def size
    to_a.size
  end
  alias length size

  def empty?
    to_a.empty?
  end

  def rehash
    nil
  end

  def freeze
    raise TypeError, 'cannot freeze ENV'
  end

  def dup
    raise TypeError, 'Cannot dup ENV, use ENV.to_h to get a copy of ENV as a hash'
  end

  def clone(freeze: nil)
    raise TypeError, 'Cannot clone ENV, use ENV.to_h to get a copy of ENV as a hash'
  end

  def inspect
    to_h.inspect
  end

  def to_s
    'ENV'
  end
end
