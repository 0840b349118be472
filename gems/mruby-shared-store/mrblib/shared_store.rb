class SharedStore
  include Enumerable

  # What an entry can't be.
  ABSENT = Object.new
  private_constant :ABSENT if respond_to?(:private_constant, true)

  # The value; or that of the block, which is set as well; or the default, which isn't.
  def fetch(key, *default, expires_in: nil)
    raise ArgumentError, "wrong number of arguments (given #{default.size + 1}, expected 1..2)" if default.size > 1

    value = get(key, ABSENT)
    return value unless value.equal?(ABSENT)
    return set(key, yield(key), expires_in: expires_in) if block_given?
    return default[0] unless default.empty?

    raise KeyError, "key not found: #{key.inspect}"
  end

  # An entry that goes while this runs is passed over, and one that comes may be.
  def each
    return to_enum(:each) unless block_given?

    keys.each do |key|
      value = get(key, ABSENT)
      yield [key, value] unless value.equal?(ABSENT)
    end
    self
  end

  def empty?
    size == 0
  end

  def to_h
    hash = {}
    each { |key, value| hash[key] = value }
    hash
  end
end
