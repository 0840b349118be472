Station::DATABASE.close
