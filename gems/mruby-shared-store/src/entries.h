/* Entries and their indices as records of LMDB, within a transaction. What returns an int returns LMDB's errors. */
#ifndef SHARED_STORE_ENTRIES_H
#define SHARED_STORE_ENTRIES_H

#include "environment.h"

#define STORE_FORMAT 1

#define KIND_ENTRY 'k'

struct books {
    uint64_t format;
    uint64_t count;
    uint64_t bytes;
    uint64_t number; /* given last */
};

struct head {
    uint64_t number;
    int64_t expires; /* in ns; 0: does not */
};

/* A key as LMDB has it. */
struct record_key {
    unsigned char bytes[1 + STORE_KEY_MAX];
    size_t size;
};

struct entry {
    struct head head;
    size_t value_size;
};

/* A write in progress. */
struct write {
    struct shared_store *store;
    MDB_txn *txn;
    struct books books;
    int64_t now; /* 0: not asked for yet */
};

/* The time that expiry is reckoned with; for a write always the same. */
int64_t write_now(struct write *write);

MDB_val entry_key(struct record_key *record, struct store_bytes key);
/* Bytes of the store that it is reckoned with. */
uint64_t entry_cost(size_t key_size, const struct entry *entry);
bool entry_has_expired(const struct shared_store *store, const struct head *head);

int write_begin(struct write *write);
int write_read_books(struct write *write);
/* Unless they are as `before`, which may be NULL. */
int write_save_books(struct write *write, const struct books *before);
int write_commit(struct write *write);
/* After write_commit it does nothing. */
void write_abort(struct write *write);

/* MDB_NOTFOUND; an expired one is still there. *value may be NULL. */
int entry_look_up(const struct write *write, struct store_bytes key, struct entry *entry, struct store_bytes *value);

int entry_insert(struct write *write, struct store_bytes key, int64_t expires, struct store_bytes value);
int entry_remove(struct write *write, struct store_bytes key, const struct entry *entry);

/*
 * Overwrites the entry where it is, which costs the fewest pages. Among the younger half it keeps its age, which spares
 * most writes the index of ages; else it is the youngest now, and none that is evicted for it.
 */
int entry_overwrite(struct write *write, struct store_bytes key, const struct entry *before, int64_t expires,
                    struct store_bytes value);

/* What has expired, then what is oldest, until no more than `most` bytes are left. */
int entries_evict(struct write *write, uint64_t most);
/* What has expired. */
int entries_purge(struct write *write);

#endif
