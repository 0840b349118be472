module Digest
  class Base
    class << self
      def digest(string) = new.update(string).digest
      def hexdigest(string) = new.update(string).hexdigest
      def base64digest(string) = new.update(string).base64digest
      def file(path) = new.file(path)
    end

    def initialize
      start(self.class::NAME)
    end

    def digest(string = nil)
      string ? self.class.digest(string) : finish
    end

    def hexdigest(string = nil) = Digest.hexencode(digest(string))
    def base64digest(string = nil) = Base64.strict_encode64(digest(string))

    def digest!
      result = finish
      reset
      result
    end

    def hexdigest! = Digest.hexencode(digest!)
    def base64digest! = Base64.strict_encode64(digest!)

    def file(path)
      File.open(path, 'rb') do |file|
        while (part = file.read(65_536))
          update(part)
        end
      end
      self
    end

    def new = dup.reset
    def name = self.class::NAME
    def to_s = hexdigest
    def inspect = "#<#{self.class}: #{hexdigest}>"
    def length = digest_length
    alias size length

    def ==(other)
      case other
      when Base then digest == other.digest
      when String then hexdigest == other
      else false
      end
    end
  end

  class MD5 < Base
    NAME = 'MD5'
  end

  class SHA1 < Base
    NAME = 'SHA1'
  end

  class SHA256 < Base
    NAME = 'SHA256'
  end

  class SHA384 < Base
    NAME = 'SHA384'
  end

  class SHA512 < Base
    NAME = 'SHA512'
  end

  class SHA2 < Base
    def self.digest(string, bits = 256) = new(bits).update(string).digest
    def self.hexdigest(string, bits = 256) = new(bits).update(string).hexdigest

    def initialize(bits = 256)
      raise ArgumentError, "unsupported bit length: #{bits}" unless [256, 384, 512].include?(bits)

      start(@name = "SHA#{bits}")
    end

    def name = @name
    def digest(string = nil) = string ? dup.reset.update(string).digest : finish
  end
end

module OpenSSL
  class Digest < ::Digest::Base
    class << self
      # (name, string); of the subclasses (string) alone
      def digest(*arguments, string) = new(*arguments).update(string).digest
      def hexdigest(*arguments, string) = new(*arguments).update(string).hexdigest
      def base64digest(*arguments, string) = new(*arguments).update(string).base64digest
    end

    attr_reader :name

    def initialize(name, string = nil)
      name = name.name if name.is_a?(::Digest::Base)
      start(name)
      @name = name.upcase
      update(string) if string
    end

    def digest(string = nil) = string ? dup.reset.update(string).digest : finish

    class MD5 < Digest
      def initialize(string = nil) = super('MD5', string)
    end

    class SHA1 < Digest
      def initialize(string = nil) = super('SHA1', string)
    end

    class SHA224 < Digest
      def initialize(string = nil) = super('SHA224', string)
    end

    class SHA256 < Digest
      def initialize(string = nil) = super('SHA256', string)
    end

    class SHA384 < Digest
      def initialize(string = nil) = super('SHA384', string)
    end

    class SHA512 < Digest
      def initialize(string = nil) = super('SHA512', string)
    end
  end

  class HMAC
    class << self
      def digest(digest, key, data) = new(key, digest).update(data).digest
      def hexdigest(digest, key, data) = new(key, digest).update(data).hexdigest
      def base64digest(digest, key, data) = new(key, digest).update(data).base64digest
    end

    def initialize(key, digest)
      start(key, digest.is_a?(::Digest::Base) ? digest.name : digest)
    end

    def hexdigest = ::Digest.hexencode(digest)
    def base64digest = Base64.strict_encode64(digest)
    alias to_s hexdigest
    alias inspect hexdigest

    def ==(other)
      other.is_a?(HMAC) && OpenSSL.secure_compare(digest, other.digest)
    end
  end

  # Takes as long for Strings of one length, wherever they differ.
  def self.secure_compare(one, other)
    one_hash = ::Digest::SHA256.digest(one)
    fixed_length_secure_compare(one_hash, ::Digest::SHA256.digest(other)) && one == other
  end
end
