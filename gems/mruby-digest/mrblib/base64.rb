module Base64
  class << self
    def strict_encode64(bytes) = __encode(bytes, false, true)
    def strict_decode64(text) = __strict(text, false)
    def urlsafe_encode64(bytes, padding: true) = __encode(bytes, true, padding)
    def urlsafe_decode64(text) = __strict(text, true)
  end
end
