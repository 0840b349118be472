module SQLite3
  class Statement
    include Enumerable

    # What follows the first statement of the text that it was prepared from.
    attr_reader :remainder

    def initialize(database, sql)
      raise ArgumentError, 'prepare called on a closed database' if database.closed?

      @remainder = prepare_v2(database, sql)
    end

    def bind_params(*values)
      index = 0
      values.flatten.each do |value|
        if value.is_a?(Hash)
          value.each { |key, one| bind_param(key, one) }
        else
          bind_param(index += 1, value)
        end
      end
    end

    def execute(*values)
      reset!
      bind_params(*values) unless values.empty?
      result = ResultSet.new(@connection, self)
      step if column_count == 0
      yield result if block_given?
      result
    end

    def execute!(*values, &block)
      execute(*values)
      block ? each(&block) : to_a
    end

    def active?
      !done?
    end

    def each
      while (row = step)
        yield row
      end
      self
    end

    def types
      must_be_open!
      @types ||= Array.new(column_count) { |column| column_decltype(column) }
    end

    def must_be_open!
      raise Exception, 'cannot use a closed statement' if closed?
    end

    private :prepare_v2
  end

  # The rows of a statement, as they are wanted.
  class ResultSet
    include Enumerable

    def initialize(database, statement)
      @database = database
      @statement = statement
    end

    def next
      @database.results_as_hash ? @statement.step_hash : @statement.step
    end

    def next_hash
      @statement.step_hash
    end

    def each
      while (row = self.next)
        yield row
      end
    end

    def each_hash
      while (row = next_hash)
        yield row
      end
    end

    def to_a
      @statement.rows(@database.results_as_hash)
    end

    def reset(*values)
      @statement.reset!
      @statement.bind_params(*values)
    end

    def eof?
      @statement.done?
    end

    def columns
      @statement.columns
    end

    def types
      @statement.types
    end

    def close
      @statement.close
    end

    def closed?
      @statement.closed?
    end
  end
end
