# Once in each worker: reading the table is what costs.
Userdata.new('geo').geoip = GeoIP.new('networks.csv')
