module Rack
  # A body around another one: its block runs when it is closed, once, and also when the other's `close` raises.
  class BodyProxy
    def initialize(body, &block)
      @body = body
      @block = block
      @closed = false
    end

    def close
      return if @closed
      @closed = true
      begin
        @body.close if @body.respond_to?(:close)
      ensure
        @block.call
      end
    end

    def closed?
      @closed
    end

    # It is what the other body is: an array, a file, something that yields or that is called with a stream.
    def respond_to_missing?(name, include_all = false)
      name != :to_str && @body.respond_to?(name, include_all)
    end

    def method_missing(name, *arguments, &block)
      case name
      when :to_str then super
      when :to_ary then take_all
      else @body.__send__(name, *arguments, &block)
      end
    end

    private

    # A body that has `to_ary` closes itself in it.
    def take_all
      @body.to_ary
    ensure
      @block.call unless @closed
      @closed = true
    end
  end
end
