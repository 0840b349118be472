/*
 * The store itself, on LMDB: keys and values are bytes here. Nothing in it calls Ruby, so that no exception can leave a
 * transaction open.
 *
 * One database with four kinds of records, by the first byte of the key:
 *
 *   0                   the books: how many entries, how many bytes they take, the last number given
 *   'k' key             number, expiry, value
 *   'o' number          key; entries by age
 *   'x' expiry number   key; those that expire, by when
 */
#ifndef SHARED_STORE_STORE_H
#define SHARED_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby/shared_store.h>

#define STORE_KEY_MAX 510 /* LMDB's 511 less the kind */
#define STORE_SIZE_MIN 65536

enum store_result {
    STORE_DONE,
    STORE_ABSENT,    /* there is no such entry */
    STORE_DIFFERENT, /* there is one, but not as it was to be; nothing was done */
    STORE_NO_INTEGER,
    STORE_OVERFLOW,
    STORE_TOO_LARGE, /* for the whole store */
    STORE_FAILED     /* store_error says why */
};

struct store_bytes {
    const void *data;
    size_t size;
};

/* The encoding of an Integer, which store_increment has to know. */
#define STORE_INTEGER 'i'
#define STORE_INTEGER_SIZE 9

/* Valid until the next call with this store. */
const char *store_error(const struct shared_store *store);

void store_hold(struct shared_store *store);

/* One in memory of its own, which children share. NULL with errno. */
struct shared_store *store_of_own_memory(int64_t size);

/*
 * STORE_DONE: *value points into the store until store_release, and nothing else may be done with the store before it.
 * What was not released, because an exception came between, is at the next call.
 */
enum store_result store_get(struct shared_store *store, struct store_bytes key, struct store_bytes *value);
void store_release(struct shared_store *store);

/* `lifetime` in nanoseconds, 0: does not expire. An entry that is replaced loses its expiry. */
enum store_result store_set(struct shared_store *store, struct store_bytes key, struct store_bytes value,
                            int64_t lifetime);
/* STORE_DIFFERENT: there is an entry already. */
enum store_result store_add(struct shared_store *store, struct store_bytes key, struct store_bytes value,
                            int64_t lifetime);
/* STORE_DIFFERENT, STORE_ABSENT: the entry is not `old`. */
enum store_result store_exchange(struct shared_store *store, struct store_bytes key, struct store_bytes old,
                                 struct store_bytes value, int64_t lifetime);
/* An absent entry counts as 0, and only then `lifetime` has a meaning. *result is the sum. */
enum store_result store_increment(struct shared_store *store, struct store_bytes key, int64_t by, int64_t lifetime,
                                  int64_t *result);
/* *value is what it was, valid until the next call with this store. */
enum store_result store_delete(struct shared_store *store, struct store_bytes key, struct store_bytes *value);
enum store_result store_clear(struct shared_store *store);

struct store_books {
    uint64_t count; /* entries, less those that have expired */
    uint64_t bytes; /* that they are reckoned with */
    uint64_t size;  /* that they may take */
};
enum store_result store_stat(struct shared_store *store, struct store_books *books);

/*
 * The key behind `after` (NULL data: the first) of those that have not expired. Like store_get.
 */
enum store_result store_next_key(struct shared_store *store, struct store_bytes after, struct store_bytes *key);

#endif
