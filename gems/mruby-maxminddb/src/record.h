/* What a database says of an address, as Ruby's objects. */
#ifndef MRUBY_MAXMINDDB_RECORD_H
#define MRUBY_MAXMINDDB_RECORD_H

#include <mruby.h>

#include <maxminddb.h>

/* The list is freed, also when this raises; its keys are frozen. */
mrb_value record_take(mrb_state *mrb, MMDB_entry_data_list_s *list);

#endif
