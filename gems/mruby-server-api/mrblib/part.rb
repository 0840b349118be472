module Cowherd
  class Server
    # What belongs to one request: an object that is kept longer raises.
    class Part
      def initialize
        @serial = Cowherd::Server.__serial
      end

      # The Rack env.
      def env
        Cowherd::Server.__env(@serial)
      end

      # What is put into the env travels on to applications: as one line, and as a String of its own.
      def __store(name, value)
        value = value.to_s
        if value.include?("\0") || value.include?("\r") || value.include?("\n")
          raise ArgumentError, "#{name} can't have a NUL or a line break"
        end
        env[name] = value.dup
      end
    end
  end
end
