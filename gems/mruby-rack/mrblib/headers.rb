module Rack
  # A Hash whose keys are header names, in whatever case they are asked for and in lower case where they are kept.
  class Headers < Hash
    def self.[](*items)
      return new.merge!(items[0]) if items.length == 1 && items[0].is_a?(Hash)
      raise ArgumentError, 'odd number of arguments for Rack::Headers' if items.length % 2 == 1
      headers = new
      items.each_slice(2) { |key, value| headers[key] = value }
      headers
    end

    # mruby reads hash[key] without calling a method; this one is called where there is no such key.
    def default(key = nil)
      name = key.is_a?(String) ? key.downcase : key
      name == key ? nil : fetch(name, nil)
    end

    def [](key)
      super(_name(key))
    end

    def []=(key, value)
      super(key.downcase, value)
    end
    alias store []=

    def delete(key, &block)
      super(_name(key), &block)
    end

    def fetch(key, *default, &block)
      super(_name(key), *default, &block)
    end

    def key?(key)
      super(_name(key))
    end
    alias has_key? key?
    alias include? key?
    alias member? key?

    def dig(key, *more)
      value = self[key]
      more.empty? || value.nil? ? value : value.dig(*more)
    end

    def values_at(*keys)
      keys.map { |key| self[key] }
    end

    def fetch_values(*keys, &block)
      keys.map { |key| fetch(key, &block) }
    end

    def assoc(key)
      key?(key) ? [_name(key), self[key]] : nil
    end

    def slice(*keys)
      _with { |headers| keys.each { |key| headers[key] = self[key] if key?(key) } }
    end

    def except(*keys)
      names = keys.map { |key| _name(key) }
      reject { |key, _| names.include?(key) }
    end

    def select
      _with { |headers| each { |key, value| headers[key] = value if yield(key, value) } }
    end
    alias filter select

    def reject
      _with { |headers| each { |key, value| headers[key] = value unless yield(key, value) } }
    end

    def transform_values
      _with { |headers| each { |key, value| headers[key] = yield(value) } }
    end

    def transform_keys
      _with { |headers| each { |key, value| headers[yield(key)] = value } }
    end

    def invert
      _with { |headers| each { |key, value| headers[value] = key } }
    end

    def update(*others)
      others.each do |other|
        other.each do |key, value|
          self[key] = block_given? && key?(key) ? yield(_name(key), self[key], value) : value
        end
      end
      self
    end
    alias merge! update

    def merge(*others, &block)
      dup.update(*others, &block)
    end

    def replace(other)
      pairs = other.to_a
      clear
      pairs.each { |key, value| self[key] = value }
      self
    end

    def compare_by_identity
      raise TypeError, 'Rack::Headers cannot compare by identity, use regular Hash'
    end

    private

    def _name(key)
      key.is_a?(String) ? key.downcase : key
    end

    def _with
      headers = self.class.new
      yield headers
      headers
    end
  end
end
