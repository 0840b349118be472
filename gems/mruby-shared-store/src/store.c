#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"

/* Attempts at a write that finds no page; each drops a quarter of what there is. */
#define ATTEMPTS_MAX 8

const char *store_error(const struct shared_store *store)
{
    return store->error;
}

/* --- reading --- */

void store_release(struct shared_store *store)
{
    if (store->reading)
        mdb_txn_reset(store->reader);
    store->reading = false;
}

static int renew(struct shared_store *store)
{
    if (store->reader != NULL)
        return mdb_txn_renew(store->reader);
    int error = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
    if (error == MDB_READERS_FULL && mdb_reader_check(store->env, NULL) == 0)
        error = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
    if (error != 0)
        store->reader = NULL;
    return error;
}

static int begin_reading(struct shared_store *store)
{
    store_release(store);
    if (store->env == NULL && environment_open(store) == -1)
        return -1;
    int error = renew(store);
    if (error == MDB_MAP_RESIZED && (error = environment_adopt_size(store)) == 0)
        error = renew(store);
    if (error != 0)
        return environment_failed(store, "can't be read", error);
    store->reading = true;
    return 0;
}

static enum store_result find(struct shared_store *store, struct store_bytes key, struct store_bytes *value)
{
    struct record_key record;
    struct head head;
    MDB_val name = entry_key(&record, key), found;
    int error = mdb_get(store->reader, store->dbi, &name, &found);

    if (error == MDB_NOTFOUND)
        return STORE_ABSENT;
    if (error != 0) {
        environment_failed(store, "can't be read", error);
        return STORE_FAILED;
    }
    memcpy(&head, found.mv_data, sizeof head);
    if (entry_has_expired(store, &head))
        return STORE_ABSENT;
    *value = (struct store_bytes){ .data = (char *)found.mv_data + sizeof head, .size = found.mv_size - sizeof head };
    return STORE_DONE;
}

enum store_result store_get(struct shared_store *store, struct store_bytes key, struct store_bytes *value)
{
    if (begin_reading(store) == -1)
        return STORE_FAILED;
    enum store_result result = find(store, key, value);
    if (result != STORE_DONE)
        store_release(store);
    return result;
}

enum store_result store_next_key(struct shared_store *store, struct store_bytes after, struct store_bytes *key)
{
    struct record_key record;
    struct head head;
    MDB_cursor *cursor;
    MDB_val name = entry_key(&record, after), value;

    if (begin_reading(store) == -1)
        return STORE_FAILED;
    int error = mdb_cursor_open(store->reader, store->dbi, &cursor);
    if (error == 0) {
        MDB_val at = name;
        error = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
        if (error == 0 && after.data != NULL && at.mv_size == name.mv_size &&
            memcmp(at.mv_data, name.mv_data, name.mv_size) == 0)
            error = mdb_cursor_get(cursor, &at, &value, MDB_NEXT);
        for (; error == 0 && *(char *)at.mv_data == KIND_ENTRY; error = mdb_cursor_get(cursor, &at, &value, MDB_NEXT)) {
            memcpy(&head, value.mv_data, sizeof head);
            if (!entry_has_expired(store, &head))
                break;
        }
        mdb_cursor_close(cursor);
        if (error == 0 && *(char *)at.mv_data == KIND_ENTRY) {
            *key = (struct store_bytes){ .data = (char *)at.mv_data + 1, .size = at.mv_size - 1 };
            return STORE_DONE;
        }
    }
    store_release(store);
    if (error == 0 || error == MDB_NOTFOUND)
        return STORE_ABSENT;
    environment_failed(store, "can't be read", error);
    return STORE_FAILED;
}

/* --- operations --- */

struct operation {
    struct store_bytes key;
    struct store_bytes value, old;
    int64_t lifetime;
    int64_t number; /* to add */
    int64_t sum;
    struct store_books books;
    enum store_result result;
};

/* Does it within the transaction. LMDB's error, or 0 with operation->result: only what is STORE_DONE is committed. */
typedef int perform(struct write *write, struct operation *operation);

static int attempt(struct write *write, perform *body, struct operation *operation)
{
    int error = write_begin(write);

    if (error == 0)
        error = write_read_books(write);
    struct books before = write->books;
    if (error == 0)
        error = body(write, operation);
    if (error == 0 && operation->result == STORE_DONE) {
        error = write_save_books(write, &before);
        if (error == 0)
            error = write_commit(write);
    }
    write_abort(write);
    return error;
}

static int make_room(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    return entries_evict(write, write->books.bytes / 4 * 3);
}

static int empty(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    int error = mdb_drop(write->txn, write->store->dbi, 0);
    uint64_t number = write->books.number;
    write->books = (struct books){ .format = STORE_FORMAT, .number = number };
    return error != 0 ? error : write_save_books(write, NULL);
}

/* No page is free, although entries take less than they may: they are badly spread, or a dead reader holds some. */
static int relieve(struct write *write)
{
    struct operation nothing = { 0 };
    int error = mdb_reader_check(write->store->env, NULL);

    if (error == 0)
        error = attempt(write, make_room, &nothing);
    if (error == MDB_MAP_FULL)
        error = attempt(write, empty, &nothing);
    return error;
}

static enum store_result run(struct shared_store *store, perform *body, struct operation *operation)
{
    struct write write = { .store = store };
    int error;

    store_release(store);
    if (store->env == NULL && environment_open(store) == -1)
        return STORE_FAILED;
    for (int i = 0;; i++) {
        error = attempt(&write, body, operation);
        if (error != MDB_MAP_FULL || i == ATTEMPTS_MAX)
            break;
        error = relieve(&write);
        if (error != 0)
            break;
    }
    if (error == 0)
        return operation->result;
    environment_failed(store, "can't be written", error);
    return STORE_FAILED;
}

static int64_t expiry_of(struct write *write, int64_t lifetime)
{
    if (lifetime == 0)
        return 0;
    return lifetime > INT64_MAX - write_now(write) ? INT64_MAX : write_now(write) + lifetime;
}

/* `entry`: what is there now, NULL when there is nothing. */
static int replace(struct write *write, struct operation *operation, const struct entry *entry, int64_t expires)
{
    uint64_t most = write->store->size;
    struct entry new = { .head = { .expires = expires }, .value_size = operation->value.size };
    uint64_t cost = entry_cost(operation->key.size, &new);

    operation->result = cost > most ? STORE_TOO_LARGE : STORE_DONE;
    if (cost > most)
        return 0;
    if (entry != NULL)
        return entry_overwrite(write, operation->key, entry, expires, operation->value);
    int error = entries_evict(write, most - cost);
    return error != 0 ? error : entry_insert(write, operation->key, expires, operation->value);
}

static int set(struct write *write, struct operation *operation)
{
    struct entry entry;
    int error = entry_look_up(write, operation->key, &entry, NULL);

    return error != 0 && error != MDB_NOTFOUND
               ? error
               : replace(write, operation, error == 0 ? &entry : NULL, expiry_of(write, operation->lifetime));
}

static int add(struct write *write, struct operation *operation)
{
    struct entry entry;
    int error = entry_look_up(write, operation->key, &entry, NULL);

    operation->result = STORE_DIFFERENT;
    if (error == 0 && !entry_has_expired(write->store, &entry.head))
        return 0;
    return error != 0 && error != MDB_NOTFOUND
               ? error
               : replace(write, operation, error == 0 ? &entry : NULL, expiry_of(write, operation->lifetime));
}

static int exchange(struct write *write, struct operation *operation)
{
    struct entry entry;
    struct store_bytes value;
    int error = entry_look_up(write, operation->key, &entry, &value);

    operation->result = STORE_ABSENT;
    if (error == MDB_NOTFOUND || (error == 0 && entry_has_expired(write->store, &entry.head)))
        return 0;
    operation->result = STORE_DIFFERENT;
    if (error != 0 || value.size != operation->old.size || memcmp(value.data, operation->old.data, value.size) != 0)
        return error;
    return replace(write, operation, &entry, expiry_of(write, operation->lifetime));
}

static void encode_integer(char bytes[STORE_INTEGER_SIZE], int64_t number)
{
    bytes[0] = STORE_INTEGER;
    memcpy(bytes + 1, &number, sizeof number);
}

static int increment(struct write *write, struct operation *operation)
{
    char sum[STORE_INTEGER_SIZE];
    struct entry entry;
    struct store_bytes value;
    int64_t number;
    int error = entry_look_up(write, operation->key, &entry, &value);

    if (error != 0 && error != MDB_NOTFOUND)
        return error;
    if (error == MDB_NOTFOUND || entry_has_expired(write->store, &entry.head)) {
        encode_integer(sum, operation->number);
        operation->sum = operation->number;
        operation->value = (struct store_bytes){ .data = sum, .size = sizeof sum };
        return replace(write, operation, error == 0 ? &entry : NULL, expiry_of(write, operation->lifetime));
    }
    if (value.size != STORE_INTEGER_SIZE || *(const char *)value.data != STORE_INTEGER) {
        operation->result = STORE_NO_INTEGER;
        return 0;
    }
    memcpy(&number, (const char *)value.data + 1, sizeof number);
    if (__builtin_add_overflow(number, operation->number, &number)) {
        operation->result = STORE_OVERFLOW;
        return 0;
    }
    encode_integer(sum, number);
    operation->sum = number;
    operation->value = (struct store_bytes){ .data = sum, .size = sizeof sum };
    return replace(write, operation, &entry, entry.head.expires);
}

/* The copy is the store's, and kept for the next. */
static int copy_value(struct shared_store *store, struct store_bytes *value)
{
    if (value->size > store->copy_size) {
        void *larger = realloc(store->copy, value->size);
        if (larger == NULL)
            return ENOMEM;
        store->copy = larger;
        store->copy_size = value->size;
    }
    if (value->size > 0)
        memcpy(store->copy, value->data, value->size);
    value->data = store->copy;
    return 0;
}

static int take(struct write *write, struct operation *operation)
{
    struct entry entry;
    int error = entry_look_up(write, operation->key, &entry, &operation->value);

    operation->result = STORE_ABSENT;
    if (error != 0)
        return error == MDB_NOTFOUND ? 0 : error;
    if (entry_has_expired(write->store, &entry.head))
        return 0;
    operation->result = STORE_DONE;
    error = copy_value(write->store, &operation->value);
    return error != 0 ? error : entry_remove(write, operation->key, &entry);
}

static int count(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    int error = entries_purge(write);
    operation->books =
        (struct store_books){ .count = write->books.count, .bytes = write->books.bytes, .size = write->store->size };
    return error;
}

enum store_result store_set(struct shared_store *store, struct store_bytes key, struct store_bytes value,
                            int64_t lifetime)
{
    struct operation operation = { .key = key, .value = value, .lifetime = lifetime };

    return run(store, set, &operation);
}

enum store_result store_add(struct shared_store *store, struct store_bytes key, struct store_bytes value,
                            int64_t lifetime)
{
    struct operation operation = { .key = key, .value = value, .lifetime = lifetime };

    return run(store, add, &operation);
}

enum store_result store_exchange(struct shared_store *store, struct store_bytes key, struct store_bytes old,
                                 struct store_bytes value, int64_t lifetime)
{
    struct operation operation = { .key = key, .old = old, .value = value, .lifetime = lifetime };

    return run(store, exchange, &operation);
}

enum store_result store_increment(struct shared_store *store, struct store_bytes key, int64_t by, int64_t lifetime,
                                  int64_t *result)
{
    struct operation operation = { .key = key, .lifetime = lifetime, .number = by };

    enum store_result done = run(store, increment, &operation);
    *result = operation.sum;
    return done;
}

enum store_result store_delete(struct shared_store *store, struct store_bytes key, struct store_bytes *value)
{
    struct operation operation = { .key = key };
    enum store_result result = run(store, take, &operation);

    *value = operation.value;
    return result;
}

enum store_result store_clear(struct shared_store *store)
{
    struct operation operation = { 0 };

    return run(store, empty, &operation);
}

enum store_result store_stat(struct shared_store *store, struct store_books *books)
{
    struct operation operation = { 0 };
    enum store_result result = run(store, count, &operation);

    *books = operation.books;
    return result;
}
