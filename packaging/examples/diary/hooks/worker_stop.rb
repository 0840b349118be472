Diary::DATABASE.close
