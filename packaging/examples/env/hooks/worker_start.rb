Station::DATABASE.open
Station::Readings.forget_old
