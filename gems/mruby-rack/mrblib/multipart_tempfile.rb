module Rack
  module Multipart
    # What was uploaded: in memory while it is small, then in a file that has no name and so goes with the process.
    class Tempfile
      MEMORY_MAX = 65_536

      def self.open_nameless
        path, file = open_named
        File.unlink(path)
        file
      end

      def self.open_named
        path = "#{Dir.tmpdir}/RackMultipart#{SecureRandom.hex(12)}"
        [path, File.open(path, File::RDWR | File::CREAT | File::EXCL, 0600)]
      end

      def initialize
        @io = StringIO.new
        @on_disk = false
        @path = nil
      end

      # Whether its content lies in a file.
      def on_disk?
        @on_disk
      end

      def write(text)
        spill if !@on_disk && @io.pos + text.bytesize > MEMORY_MAX
        @io.write(text)
      end

      def <<(text)
        write(text)
        self
      end

      def read(*arguments)
        @io.read(*arguments)
      end

      def gets(*arguments)
        @io.gets(*arguments)
      end

      def each(*arguments, &block)
        @io.each(*arguments, &block)
        self
      end
      alias each_line each

      def getc
        @io.getc
      end

      def eof?
        @io.eof?
      end
      alias eof eof?

      def pos
        @io.pos
      end
      alias tell pos

      def pos=(position)
        @io.seek(position)
        position
      end

      def seek(*arguments)
        @io.seek(*arguments)
      end

      def rewind
        @io.seek(0)
        0
      end

      def size
        return @io.size unless @on_disk
        @io.flush
        @io.size
      end
      alias length size

      def flush
        @io.flush if @on_disk
        self
      end

      def binmode
        self
      end

      # A file with the same content that lies there until `close!`.
      def path
        return @path if @path
        before = pos
        path, file = Tempfile.open_named
        begin
          rewind
          while (chunk = read(MEMORY_MAX))
            file.write(chunk)
          end
        ensure
          file.close
          self.pos = before
        end
        @path = path
      end

      def close(unlink_now = false)
        unlink_now ? close! : @io.closed? || @io.close
        nil
      end

      def closed?
        @io.closed?
      end

      def unlink
        File.unlink(@path) if @path && File.exist?(@path)
        @path = nil
      end
      alias delete unlink

      def close!
        close
        unlink
        nil
      end

      private

      def spill
        file = Tempfile.open_nameless
        file.write(@io.string)
        file.seek(@io.pos)
        @io = file
        @on_disk = true
      end
    end
  end
end
