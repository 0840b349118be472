# What Rack asks bodies and sessions for, and mruby's own classes lack.
class Array
  def to_ary
    self
  end
end

class Hash
  def to_hash
    self
  end
end
