module MaxMindDB
  # What the database has about an address: none of it, when it isn't found.
  class Result
    def initialize(raw)
      @raw = raw || {}
    end

    def [](name)
      @raw[name]
    end

    def found?
      !@raw.empty?
    end

    def to_hash
      @raw.dup
    end

    def city
      NamedLocation.new(@raw['city'])
    end

    def continent
      NamedLocation.new(@raw['continent'])
    end

    def country
      NamedLocation.new(@raw['country'])
    end

    def registered_country
      NamedLocation.new(@raw['registered_country'])
    end

    def represented_country
      NamedLocation.new(@raw['represented_country'])
    end

    def subdivisions
      Subdivisions.new(@raw['subdivisions'])
    end

    def location
      Location.new(@raw['location'])
    end

    def postal
      Postal.new(@raw['postal'])
    end

    def traits
      Traits.new(@raw['traits'])
    end

    def connection_type
      @raw['connection_type']
    end

    # As "192.0.2.0/24".
    def network
      @raw['network']
    end

    # A part of it, whose fields are methods.
    class Part
      def self.fields(*names)
        names.each do |name|
          key = name.to_s
          define_method(name) { @raw[key] }
        end
      end

      def initialize(raw)
        @raw = raw || {}
      end
    end

    class NamedLocation < Part
      fields :code, :geoname_id, :is_in_european_union, :iso_code

      def name(locale = :en)
        names = @raw['names']
        names && names[locale.to_s]
      end
    end

    class Location < Part
      fields :accuracy_radius, :latitude, :longitude, :metro_code, :time_zone
    end

    class Postal < Part
      fields :code
    end

    class Traits < Part
      fields :is_anonymous_proxy, :is_satellite_provider
    end

    class Subdivisions < Array
      def initialize(raw)
        super()
        concat((raw || []).map { |one| NamedLocation.new(one) })
      end

      def most_specific
        last || NamedLocation.new(nil)
      end
    end
  end
end
