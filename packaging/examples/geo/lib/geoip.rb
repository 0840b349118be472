# Countries by address, from a file of lines such as "192.0.2.0/24,JP"; the longest network counts. A real site
# asks a database of MaxMind's, which all workers share: MaxMindDB.new(path).lookup(address).country.iso_code.
class GeoIP
  attr_reader :country_code

  def self.number(address)
    parts = address.split('.')
    return nil unless parts.size == 4
    parts.inject(0) { |number, part| number * 256 + part.to_i }
  end

  def initialize(path)
    @networks = {} # of each length: country by the first bits
    File.open(path) do |file|
      file.each_line { |line| add(line.chomp) unless line.start_with?('#') || line.chomp.empty? }
    end
    @lengths = @networks.keys.sort.reverse
  end

  # country_code is nil for an address that no network has.
  def record_by_addr(address)
    number = GeoIP.number(address.to_s)
    length = number && @lengths.find { |bits| @networks[bits].key?(number >> (32 - bits)) }
    @country_code = length && @networks[length][number >> (32 - length)]
    self
  end

  private

  def add(line)
    network, country = line.split(',')
    address, length = network.split('/')
    bits = length.to_i
    (@networks[bits] ||= {})[GeoIP.number(address) >> (32 - bits)] = country
  end
end
