module Web
  # A SQLite database. It is made, and its schema prepared, while the app loads; each worker opens it by itself, in its
  # worker_start hook, because a connection must not go through a fork.
  class Database
    # How long one worker waits for another that writes.
    PATIENCE_MS = 10_000
    CACHE_KIB = 256
    KEPT_MAX = 16

    attr_reader :path

    def initialize(path)
      @path = path
    end

    # In the mold: calls the block, within a transaction, when the schema is older than `version`; then closes.
    def prepare(version)
      open
      run("PRAGMA journal_mode = WAL")
      transaction do
        known = value("PRAGMA user_version")
        raise "#{@path} has schema #{known}: made by a newer version of this app" if known > version

        if known < version
          yield known
          run("PRAGMA user_version = #{version}")
        end
      end
      close
    end

    def open
      @connection = SQLite3::Database.new(@path)
      @statements = {}
      @kept = {}
      @connection.busy_timeout = PATIENCE_MS
      run("PRAGMA synchronous = NORMAL")
      run("PRAGMA foreign_keys = ON")
      run("PRAGMA cache_size = -#{CACHE_KIB}")
    end

    def close
      @statements.each_value(&:close)
      @connection.close
      @connection = @statements = @kept = nil
    end

    # Several statements, separated by semicolons.
    def script(sql)
      @connection.execute_batch(sql)
    end

    # Each statement is compiled once: values are always bound, never written into it.
    def rows(sql, *values)
      (@statements[sql] ||= @connection.prepare(sql)).execute(*values).to_a
    end

    def row(sql, *values)
      rows(sql, *values).first
    end

    def value(sql, *values)
      found = row(sql, *values)
      found && found.first
    end

    # The number of rows that it has changed.
    def run(sql, *values)
      rows(sql, *values)
      @connection.changes
    end

    # The id of the new row.
    def insert(sql, *values)
      rows(sql, *values)
      @connection.last_insert_row_id
    end

    # What the block makes of the data: made once in each worker, and again when `version` is another one.
    def keep(key, version)
      found = @kept[key]
      return found[1] if found && found[0] == version

      @kept.clear if @kept.size >= KEPT_MAX
      made = yield
      @kept[key] = [version, made]
      made
    end

    # Takes the right to write at once, so that nobody has to give up in the middle.
    def transaction(&block)
      @connection.transaction(:immediate, &block)
    end
  end
end
