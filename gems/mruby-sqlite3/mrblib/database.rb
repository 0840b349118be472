module SQLite3
  class Database
    OPTIONS = %i[readonly readwrite flags results_as_hash default_transaction_mode].freeze

    # Keeps what a block of create_function answers.
    class FunctionProxy
      attr_accessor :result

      alias set_result result=

      def set_error(error)
        raise SQLException, error.to_s
      end
    end

    attr_accessor :results_as_hash

    class << self
      def open(*args, **options)
        database = new(*args, **options)
        return database unless block_given?

        begin
          yield database
        ensure
          database.close
        end
      end

      def quote(string)
        string.split("'", -1).join("''")
      end
    end

    def initialize(file, given = {}, vfs = nil, **options)
      options = given.merge(options)
      options.each_key { |name| raise ArgumentError, "unknown option: #{name.inspect}" unless OPTIONS.include?(name) }
      mode = mode_of(options)
      open_v2(file.respond_to?(:to_path) ? file.to_path : file, mode, vfs)
      @results_as_hash = options[:results_as_hash]
      @default_transaction_mode = options[:default_transaction_mode] || :deferred
      @readonly = mode & Constants::Open::READONLY != 0
      return unless block_given?

      begin
        yield self
      ensure
        close
      end
    end

    def readonly?
      @readonly
    end

    alias busy_handler_timeout= busy_timeout=

    def prepare(sql)
      statement = Statement.new(self, sql)
      return statement unless block_given?

      begin
        yield statement
      ensure
        statement.close unless statement.closed?
      end
    end

    def execute(sql, values = nil, *more, &block)
      prepare(sql) do |statement|
        statement.bind_params(values, *more) unless values.nil? && more.empty?
        if block
          ResultSet.new(self, statement).each(&block)
        else
          statement.rows(@results_as_hash)
        end
      end
    end

    def execute2(sql, *values)
      prepare(sql) do |statement|
        result = statement.execute(*values)
        return [statement.columns, *result.to_a] unless block_given?

        yield statement.columns
        result.each { |row| yield row }
      end
    end

    def execute_batch(sql, values = [], *more)
      values = [values, *more] unless more.empty? && (values.is_a?(Array) || values.is_a?(Hash))
      result = nil
      until sql.empty?
        prepare(sql) do |statement|
          unless statement.closed?
            statement.bind_params(values) if values.length == statement.bind_parameter_count
            result = statement.step
          end
          sql = statement.remainder
        end
      end
      result
    end

    def execute_batch2(sql)
      rows = []
      until sql.empty?
        prepare(sql) do |statement|
          rows.concat(statement.rows(@results_as_hash)) unless statement.closed?
          sql = statement.remainder
        end
      end
      block_given? ? rows.map { |row| yield row } : rows
    end

    def query(sql, values = nil, *more)
      statement = prepare(sql)
      result = values.nil? && more.empty? ? statement.execute : statement.execute(values, *more)
      return result unless block_given?

      begin
        yield result
      ensure
        result.close
      end
    end

    def get_first_row(sql, *values)
      query(sql, values, &:next)
    end

    def get_first_value(sql, *values)
      prepare(sql) do |statement|
        statement.bind_params(values)
        row = statement.step
        row && row[0]
      end
    end

    def transaction(mode = nil)
      execute "begin #{mode || @default_transaction_mode} transaction"
      return true unless block_given?

      failed = false
      begin
        yield self
      rescue ::Exception => e
        failed = true
        raise e
      ensure
        failed ? rollback_if_active : commit_or_roll_back
      end
    end

    def commit
      execute 'commit transaction'
      true
    end

    def rollback
      execute 'rollback transaction'
      true
    end

    # Functions for SQL: the block's value is the function's.
    def define_function(name, &block)
      define_function_with_flags(name, Constants::TextRep::UTF8, &block)
    end

    def define_function_with_flags(name, flags, &block)
      install_function(name.to_s, block.arity, flags, block)
    end

    def create_function(name, arity, flags = Constants::TextRep::UTF8)
      install_function(name.to_s, arity, flags, lambda { |*args|
        proxy = FunctionProxy.new
        yield proxy, *args
        proxy.result
      })
    end

    # An object with compare(a, b), nil for none.
    def collation(name, comparator)
      install_collation(name.to_s, comparator && ->(a, b) { comparator.compare(a, b) })
    end

    private :open_v2, :install_function, :install_collation

    private

    def mode_of(options)
      if options[:readonly] && options[:readwrite]
        raise 'conflicting options: readonly and readwrite'
      elsif options[:flags] && (options[:readonly] || options[:readwrite])
        raise 'conflicting options: flags with readonly and/or readwrite'
      end

      return options[:flags] if options[:flags]
      return Constants::Open::READONLY if options[:readonly]

      Constants::Open::READWRITE | (options[:readwrite] ? 0 : Constants::Open::CREATE)
    end

    # SQLite has ended it by itself after some errors.
    def rollback_if_active
      rollback if transaction_active?
    end

    # A transaction that can't be committed must not stay open for whoever comes next.
    def commit_or_roll_back
      commit
    rescue ::Exception => e
      rollback_if_active
      raise e
    end
  end
end
