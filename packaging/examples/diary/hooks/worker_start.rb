Diary::DATABASE.open
