module Rack
  # Query strings, and forms that are encoded like them.
  class QueryParser
    class ParameterTypeError < TypeError
      include BadRequest
    end

    class InvalidParameterError < ArgumentError
      include BadRequest
    end

    class QueryLimitError < RangeError
      include BadRequest
    end
    ParamsTooDeepError = QueryLimitError

    Params = Hash

    def self.make_default(param_depth_limit, **options)
      new(Params, param_depth_limit, **options)
    end

    attr_reader :param_depth_limit, :bytesize_limit, :params_limit

    def initialize(params_class, param_depth_limit, bytesize_limit: 4_194_304, params_limit: 4096)
      @params_class = params_class
      @param_depth_limit = param_depth_limit
      @bytesize_limit = bytesize_limit
      @params_limit = params_limit
    end

    def new_depth_limit(param_depth_limit)
      self.class.new(@params_class, param_depth_limit, bytesize_limit: @bytesize_limit, params_limit: @params_limit)
    end

    def make_params
      @params_class.new
    end

    # What comes more than once becomes an Array.
    def parse_query(text, separator = nil, &unescaper)
      params = make_params
      _each_pair(text, separator, unescaper) do |name, value|
        before = params[name]
        if before.nil?
          params[name] = value
        elsif before.is_a?(Array)
          before << value
        else
          params[name] = [before, value]
        end
      end
      params
    end

    def parse_query_pairs(text, separator = nil)
      pairs = []
      _each_pair(text, separator) { |name, value| pairs << [name, value] }
      pairs
    end

    # With Hashes and Arrays from names such as "a[b][]".
    def parse_nested_query(text, separator = nil)
      params = make_params
      _each_pair(text, separator) { |name, value| _store(params, name, value) }
      params
    end

    # Puts a value where a name of this kind says. `depth` is there for CRuby's sake.
    def normalize_params(params, name, value, depth = nil)
      _store(params, name, value)
      params
    end

    private

    def _each_pair(text, separator, unescaper = nil)
      return if text.nil? || text.empty?
      if @bytesize_limit && text.bytesize > @bytesize_limit
        raise QueryLimitError, "total query size exceeds limit (#{@bytesize_limit})"
      end
      pairs = QueryParser._pairs(text, separator || '&', @params_limit || -1, unescaper.nil?)
      unless pairs.is_a?(Array)
        raise InvalidParameterError, "invalid %-encoding (#{pairs})" if pairs.is_a?(String)
        raise QueryLimitError, "total number of query parameters (#{pairs}) exceeds limit (#{@params_limit})"
      end
      index = 0
      while index < pairs.length
        name = pairs[index]
        value = pairs[index + 1]
        if unescaper
          name = unescaper.call(name)
          value = unescaper.call(value) if value
        end
        yield name, value
        index += 2
      end
    end

    def _store(params, name, value)
      return if name.nil? || name.empty?
      raise QueryLimitError, 'exceeded available parameter depth' if @param_depth_limit <= 0
      raise InvalidParameterError, 'invalid byte sequence in UTF-8' unless name.valid_encoding?
      bracket = name.index('[', 1)
      if bracket
        _place(params, name, name[0, bracket], name[bracket, name.length], value, 0)
      else
        params[name] = value
      end
    end

    # `key` of `params` is meant, and what `rest` of the name says of it.
    def _place(params, name, key, rest, value, depth)
      if rest.empty?
        params[key] = value
      elsif rest == '['
        params[name] = value
      elsif rest.start_with?('[]')
        list = (params[key] ||= [])
        _expect(Array, list, key)
        rest == '[]' ? list << value : _append(list, rest, value, depth)
      else
        inner = (params[key] ||= make_params)
        _expect(@params_class, inner, key)
        _descend(inner, rest, value, depth + 1)
      end
    end

    # A Hash in a list takes names until one comes that it has.
    def _append(list, rest, value, depth)
      child = rest[2, rest.length]
      if child.start_with?('[') && child.end_with?(']')
        inside = child[1, child.length - 2]
        child = inside unless inside.empty? || inside.include?('[') || inside.include?(']')
      end
      last = list.last
      if last.is_a?(@params_class) && !_taken?(last, child)
        _descend(last, child, value, depth + 1)
      else
        list << _descend(make_params, child, value, depth + 1)
      end
    end

    def _descend(params, name, value, depth)
      raise QueryLimitError, 'exceeded available parameter depth' if depth >= @param_depth_limit
      return [value] if name == '[]'
      if name.start_with?('[]')
        key = '[]'
        rest = name[2, name.length]
      elsif name.start_with?('[') && (close = name.index(']', 1))
        key = name[1, close - 1]
        rest = name[close + 1, name.length]
      else
        key = name
        rest = ''
      end
      _place(params, name, key, rest, value, depth)
      params
    end

    def _expect(type, object, key)
      return if object.is_a?(type)
      expected = type == Array ? 'Array' : 'Hash'
      raise ParameterTypeError, "expected #{expected} (got #{object.class}) for param `#{key}'"
    end

    def _taken?(params, name)
      return false if name.include?('[]')
      name.tr(']', '[').split('[').each do |part|
        next if part.empty?
        return false unless params.is_a?(@params_class) && params.key?(part)
        params = params[part]
      end
      true
    end
  end
end
