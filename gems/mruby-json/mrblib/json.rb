module JSON
  UnparserError = GeneratorError

  PRETTY = { indent: '  ', space: ' ', object_nl: "\n", array_nl: "\n" }.freeze
  DUMP = { allow_nan: true, max_nesting: false }.freeze
  LOAD = { max_nesting: false }.freeze
  private_constant :PRETTY, :DUMP, :LOAD if respond_to?(:private_constant, true)

  class ParserError
    # Where the text could not be read any further, from 1; nil when that is nowhere (a text that is too large).
    attr_reader :line, :column
  end

  # How objects become text: what a to_json is given, to be handed on.
  class State
    attr_accessor :depth

    def self.from_state(options)
      options.is_a?(State) ? options : new(options)
    end

    def initialize(options = nil)
      @options = options.nil? ? {} : options.to_h
      @depth = 0
    end

    def to_h
      @options.dup
    end

    def [](name)
      @options[name.to_sym]
    end

    def indent = @options[:indent] || ''
    def space = @options[:space] || ''
    def space_before = @options[:space_before] || ''
    def object_nl = @options[:object_nl] || ''
    def array_nl = @options[:array_nl] || ''
    def max_nesting = @options.fetch(:max_nesting, 100) || 0
    def ascii_only? = !!@options[:ascii_only]
    def script_safe? = !!(@options[:script_safe] || @options[:escape_slash])
    def allow_nan? = !!@options[:allow_nan]

    def generate(object)
      JSON.generate(object, self)
    end
  end

  class << self
    def [](object, options = nil)
      object.respond_to?(:to_str) ? parse(object.to_str, options) : generate(object, options)
    end

    def parse!(source, options = nil)
      parse(source, options ? LOAD.merge(options) : LOAD)
    end

    def load_file(path, options = nil)
      parse(File.open(path) { |file| file.read }, options)
    end

    def load(source, proc = nil, options = nil)
      proc, options = nil, proc if proc.is_a?(Hash)
      source = source.to_str if source.respond_to?(:to_str)
      source = source.read if source.respond_to?(:read)
      return nil if source.nil? || source.empty?

      result = parse(source, options ? LOAD.merge(options) : LOAD)
      tell(result, proc) if proc
      result
    end

    def dump(object, io = nil, limit = nil)
      io, limit = nil, io if io.is_a?(Integer)
      begin
        text = generate(object, limit ? DUMP.merge(max_nesting: limit) : DUMP)
      rescue NestingError
        raise ArgumentError, 'exceed depth limit'
      end
      return text unless io

      io.write(text)
      io
    end

    def pretty_generate(object, options = nil)
      return generate(object, options) if options.is_a?(State)

      generate(object, options ? PRETTY.merge(options.to_h) : PRETTY)
    end

    alias restore load

    private

    def tell(value, proc)
      case value
      when Array
        value.each { |element| tell(element, proc) }
      when Hash
        value.each { |key, element| tell(key, proc); tell(element, proc) }
      end
      proc.call(value)
    end
  end
end
