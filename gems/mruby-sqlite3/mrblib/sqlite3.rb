class String
  def to_blob
    SQLite3::Blob.new(self)
  end
end

module SQLite3
  class Exception
    # The code that SQLite has given for it.
    attr_reader :code
  end

  module Constants
    module Open
      READONLY = 0x01
      READWRITE = 0x02
      CREATE = 0x04
      URI = 0x40
      MEMORY = 0x80
      NOMUTEX = 0x8000
      FULLMUTEX = 0x10000
      SHAREDCACHE = 0x20000
      PRIVATECACHE = 0x40000
      NOFOLLOW = 0x1000000
    end

    module TextRep
      UTF8 = 1
      ANY = 5
      DETERMINISTIC = 0x800
    end
  end
end
