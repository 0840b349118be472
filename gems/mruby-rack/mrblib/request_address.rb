module Rack
  # Where a request went, and where it came from; what proxies say of it counts as Request.forwarded_priority says.
  class Request
    def scheme
      return 'https' if @env['HTTPS'] == 'on' || @env['HTTP_X_FORWARDED_SSL'] == 'on'
      forwarded_scheme || @env['rack.url_scheme']
    end

    def ssl?
      used = scheme
      used == 'https' || used == 'wss'
    end

    # "host:port" of the forwarding proxy's headers, else of the Host header, else of the server.
    def authority
      forwarded_authority || host_authority || server_authority
    end

    def host_authority
      @env['HTTP_HOST']
    end

    def server_authority
      name = server_name
      port = server_port
      name && port ? "#{name}:#{port}" : name
    end

    def server_name
      @env['SERVER_NAME']
    end

    def server_port
      port = @env['SERVER_PORT']
      port.nil? || port.empty? ? nil : port.to_i
    end

    def forwarded_authority
      _forwarded do |type|
        type == :forwarded ? _forwarded_values(:host) : _list(@env['HTTP_X_FORWARDED_HOST'])
      end.last
    end

    def forwarded_for
      addresses = _forwarded do |type|
        type == :forwarded ? _forwarded_values(:for) : _list(@env['HTTP_X_FORWARDED_FOR'])
      end
      addresses.empty? ? nil : addresses.map { |address| _split_authority(address)[1] }
    end

    def forwarded_port
      ports = _forwarded do |type|
        if type == :forwarded
          (_forwarded_values(:host) || []).map { |host| _split_authority(host)[2] }.compact
        else
          _list(@env['HTTP_X_FORWARDED_PORT']).map { |port| port.to_i }
        end
      end
      ports.empty? ? nil : ports
    end

    def forwarded_scheme
      return unless @env['HTTP_X_FORWARDED_PROTO'] || @env['HTTP_FORWARDED'] || @env['HTTP_X_FORWARDED_SCHEME']
      _forwarded { |type|
        lists = type == :forwarded ? [(_forwarded_values(:proto) || []).last(1)] : _forwarded_schemes
        lists = lists.map { |list| list.select { |scheme| ALLOWED_SCHEMES.include?(scheme) } }
        lists.find { |list| !list.empty? } || []
      }.last
    end

    # With its brackets when it is an IPv6 address.
    def host
      _split_authority(authority)[0]
    end

    # Without them.
    def hostname
      _split_authority(authority)[1]
    end

    def port
      named = _split_authority(authority)[2]
      return named if named
      forwarded = forwarded_port
      (forwarded && forwarded.last) || DEFAULT_PORTS[scheme] || server_port
    end

    # Without the port when the scheme implies it.
    def host_with_port(authority = self.authority)
      host, _, port = _split_authority(authority)
      port == DEFAULT_PORTS[scheme] ? host : authority
    end

    def base_url
      "#{scheme}://#{host_with_port}"
    end

    def path
      script_name + path_info
    end

    def fullpath
      query_string.empty? ? path : "#{path}?#{query_string}"
    end

    def url
      base_url + fullpath
    end

    # The client's address: of those that the connection and X-Forwarded-For name the nearest that is no trusted proxy.
    def ip
      addresses = _list(@env['REMOTE_ADDR'])
      outside = addresses.reverse.find { |address| !trusted_proxy?(address) }
      return outside if outside
      forwarded = forwarded_for
      return addresses[0] unless forwarded
      forwarded.reverse.find { |address| !trusted_proxy?(address) } || forwarded[0]
    end

    def trusted_proxy?(address)
      filter = Request.ip_filter
      filter ? filter.call(address) : Request.private_address?(address)
    end

    # Of this machine or of a private network.
    def self.private_address?(address)
      return true if address == '::1' || address.start_with?('unix:')
      return true if %w[localhost unix].include?(address.downcase)
      return _private_v6?(address.downcase) if address.include?(':')
      octets = address.split('.', -1)
      return false unless octets.length == 4 && octets.all? { |octet| Lint.digits?(octet) && octet.to_i < 256 }
      first, second = octets.map { |octet| octet.to_i }
      first == 127 || first == 10 || (first == 192 && second == 168) || (first == 172 && second.between?(16, 31))
    end

    # fc00::/7
    def self._private_v6?(address)
      groups = address.split(':', -1)
      head = groups[0]
      head.length == 4 && (head.start_with?('fc') || head.start_with?('fd')) && groups.length <= 8 &&
        groups.all? { |group| group.length <= 4 && group.bytes.all? { |byte| (48..57) === byte || (97..102) === byte } }
    end

    private

    # The first list that isn't empty of what the block gives for :forwarded and :x_forwarded.
    def _forwarded
      Request.forwarded_priority.each do |type|
        list = yield type
        return list unless list.nil? || list.empty?
      end
      []
    end

    def _forwarded_values(name)
      values = Utils.forwarded_values(@env['HTTP_FORWARDED'])
      values && values[name]
    end

    def _forwarded_schemes
      Request.x_forwarded_proto_priority.map do |name|
        _list(@env[name == :proto ? 'HTTP_X_FORWARDED_PROTO' : 'HTTP_X_FORWARDED_SCHEME'])
      end
    end

    def _list(header)
      header ? header.tr(" \t,", ',').split(',').reject { |part| part.empty? } : []
    end

    # [host, host without brackets, port or nil]
    def _split_authority(authority)
      return [nil, nil, nil] if authority.nil?
      if authority.start_with?('[') && (close = authority.index(']'))
        host = authority[0, close + 1]
        return [host, host[1, host.length - 2], _port(authority[close + 1, authority.length])]
      end
      colon = authority.index(':')
      return [authority, authority, nil] if colon.nil? || authority.index(':', colon + 1)
      [authority[0, colon], authority[0, colon], _port(authority[colon, authority.length])]
    end

    def _port(text)
      text && text.start_with?(':') && Lint.digits?(text[1, text.length]) ? text[1, text.length].to_i : nil
    end
  end
end
