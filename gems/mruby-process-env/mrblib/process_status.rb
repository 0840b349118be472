module Process
  # What `$?` is after a program has ended: made of the status that waitpid(2) tells.
  class Status
    attr_reader :pid

    def initialize(pid, status)
      @pid = pid
      @status = status
    end

    def to_i
      @status
    end

    def exited?
      @status & 0x7f == 0
    end

    def exitstatus
      exited? ? (@status >> 8) & 0xff : nil
    end

    def success?
      exited? ? exitstatus == 0 : nil
    end

    def signaled?
      !exited? && @status & 0x7f != 0x7f
    end

    def termsig
      signaled? ? @status & 0x7f : nil
    end

    def ==(other)
      other.is_a?(Status) ? @status == other.to_i : @status == other
    end

    def to_s
      "pid #{@pid} " + (signaled? ? "SIG#{termsig}" : "exit #{exitstatus}")
    end

    def inspect
      "#<Process::Status: #{self}>"
    end
  end
end
