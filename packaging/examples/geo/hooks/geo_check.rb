# Before each request: visitors from Japan pass.
Server = get_server_class

geoip = Userdata.new('geo').geoip
geoip.record_by_addr(Server::Connection.new.remote_ip)
Server.return Server::HTTP_FORBIDDEN if geoip.country_code != 'JP'

Server::Headers_out.new['X-Country'] = geoip.country_code
Server::Var.new.set('country', geoip.country_code)
