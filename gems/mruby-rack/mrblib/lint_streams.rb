module Rack
  class Lint
    # rack.input for the application.
    class InputWrapper
      def initialize(input)
        @input = input
      end

      def gets(*arguments)
        raise LintError, 'rack.input#gets called with arguments' unless arguments.empty?
        line = @input.gets
        raise LintError, "rack.input#gets didn't return a String" unless line.nil? || line.is_a?(String)
        line
      end

      def read(*arguments)
        raise LintError, 'rack.input#read called with too many arguments' if arguments.size > 2
        length, buffer = arguments
        unless length.nil? || length.is_a?(Integer)
          raise LintError, 'rack.input#read called with non-integer and non-nil length'
        end
        raise LintError, 'rack.input#read called with a negative length' if length && length < 0
        if arguments.size == 2 && !buffer.is_a?(String)
          raise LintError, 'rack.input#read called with non-String buffer'
        end
        check_read(@input.read(*arguments), length)
      end

      def each(*arguments, &block)
        raise LintError, 'rack.input#each called with arguments' unless arguments.empty?
        raise LintError, 'rack.input#each called without a block' unless block
        @input.each do |line|
          raise LintError, "rack.input#each didn't yield a String" unless line.is_a?(String)
          block.call(line)
        end
        self
      end

      def close(*arguments)
        raise LintError, 'rack.input#close called with arguments' unless arguments.empty?
        @input.close
      end

      private

      def check_read(text, length)
        unless text.nil? || text.is_a?(String)
          raise LintError, "rack.input#read didn't return nil or a String"
        end
        raise LintError, 'rack.input#read(nil) returned nil on EOF' if text.nil? && length.nil?
        text
      end
    end

    # rack.errors for the application.
    class ErrorWrapper
      def initialize(errors)
        @errors = errors
      end

      def puts(text)
        @errors.puts(text)
      end

      def write(text)
        raise LintError, 'rack.errors#write not called with a String' unless text.is_a?(String)
        @errors.write(text)
      end

      def flush
        @errors.flush
      end

      def close(*)
        raise LintError, 'rack.errors#close must not be called'
      end
    end

    # The stream that a streaming body is called with.
    class StreamWrapper
      METHODS = %i[read write << flush close close_read close_write closed?].freeze

      def initialize(stream)
        METHODS.each do |name|
          raise LintError, "Stream must respond to #{name}" unless stream.respond_to?(name)
        end
        @stream = stream
      end

      def read(*arguments)
        @stream.read(*arguments)
      end

      def write(*texts)
        @stream.write(*texts)
      end

      def <<(text)
        @stream << text
        self
      end

      def flush
        @stream.flush
      end

      def close
        @stream.close
      end

      def close_read
        @stream.close_read
      end

      def close_write
        @stream.close_write
      end

      def closed?
        @stream.closed?
      end
    end
  end
end
