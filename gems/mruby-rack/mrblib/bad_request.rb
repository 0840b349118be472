module Rack
  # Marks exceptions that are the client's fault: whoever rescues one answers 400.
  module BadRequest; end
end
