class Regexp
  class << self
    alias quote escape

    def last_match(group = nil)
      group.nil? || $~.nil? ? $~ : $~[group]
    end

    def union(*patterns)
      patterns = patterns[0] if patterns.size == 1 && patterns[0].is_a?(Array)
      return new('(?!)') if patterns.empty?
      return try_convert(patterns[0]) || new(escape(patterns[0])) if patterns.size == 1

      new(patterns.map { |pattern| pattern.is_a?(Regexp) ? pattern.to_s : escape(pattern) }.join('|'))
    end

    def try_convert(object)
      return object if object.is_a?(Regexp)

      object.respond_to?(:to_regexp) ? object.to_regexp : nil
    end
  end

  def casefold?
    options & IGNORECASE != 0
  end

  def fixed_encoding?
    options & FIXEDENCODING != 0
  end

  def names
    __name_groups.map { |pair| pair[0] }
  end

  def named_captures
    captures = {}
    __name_groups.each { |name, groups| captures[name] = groups }
    captures
  end

  def ~
    self =~ $_
  end
end
