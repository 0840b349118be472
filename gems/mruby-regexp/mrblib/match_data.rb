class MatchData
  def names
    regexp.names
  end

  def named_captures(symbolize_names: false)
    captures = {}
    names.each { |name| captures[symbolize_names ? name.to_sym : name] = self[name] }
    captures
  end

  def deconstruct_keys(keys)
    return named_captures(symbolize_names: true) if keys.nil?

    raise TypeError, "wrong argument type #{keys.class} (expected Array or nil)" unless keys.is_a?(Array)

    found = {}
    known = names
    keys.each do |key|
      raise TypeError, "wrong argument type #{key.class} (expected Symbol)" unless key.is_a?(Symbol)
      return found unless known.include?(key.to_s)

      found[key] = self[key]
    end
    found
  end

  def values_at(*indexes)
    all = to_a
    values = []
    indexes.each do |index|
      if index.is_a?(String) || index.is_a?(Symbol)
        values << self[index]
      else
        values.concat(all.values_at(index))
      end
    end
    values
  end

  def inspect
    labels = []
    regexp.named_captures.each { |name, groups| groups.each { |group| labels[group] = name } }
    text = "#<MatchData #{self[0].inspect}"
    (1...size).each { |group| text << " #{labels[group] || group}:#{self[group].inspect}" }
    text << '>'
  end

  def hash
    string.hash ^ regexp.hash ^ byteoffset(0).hash
  end
end
