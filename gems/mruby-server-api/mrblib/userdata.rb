# Objects that an interpreter keeps from one script to the next, by the name of a method: Userdata.new.redis = client.
# Each key has names of its own. A BasicObject, so that no method of Object or of an application's takes a name away.
class Userdata < BasicObject
  STORES = {}

  def initialize(key = 'default')
    @store = (STORES[key.to_s] ||= {})
  end

  def method_missing(name, *values)
    return @store[name] if values.empty?
    text = name.to_s
    unless text.end_with?('=') && values.size == 1
      ::Kernel.raise ::ArgumentError, "#{text} takes no arguments: a value is set with ="
    end
    @store[text[0, text.length - 1].to_sym] = values.first
  end

  def respond_to?(_name, _all = false)
    true
  end

  def inspect
    "#<Userdata #{@store.keys.inspect}>"
  end
end
