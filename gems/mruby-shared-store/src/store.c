#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "environment.h"

#define KIND_BOOKS 0
#define KIND_ENTRY 'k'
#define KIND_AGE 'o'
#define KIND_EXPIRY 'x'

#define FORMAT 1

/* What LMDB adds to a record, and the size from which on a value has pages for itself. */
#define NODE_OVERHEAD 10
#define NODE_MAX 2030
#define PAGE 4096

/* Attempts at a write that finds no page; each drops a quarter of what there is. */
#define ATTEMPTS_MAX 8

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

const char *store_error(const struct shared_store *store)
{
    return store->error;
}

/* What lies in a file outlives the machine's boot; what lies in memory doesn't care when the clock is set. */
static int64_t now_ns(const struct shared_store *store)
{
    struct timespec now;

    clock_gettime(store->path != NULL ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t write_now(struct write *write)
{
    if (write->now == 0)
        write->now = now_ns(write->store);
    return write->now;
}

static MDB_val entry_key(struct record_key *record, struct store_bytes key)
{
    record->bytes[0] = KIND_ENTRY;
    if (key.size > 0)
        memcpy(record->bytes + 1, key.data, key.size);
    return (MDB_val){ .mv_size = key.size + 1, .mv_data = record->bytes };
}

static unsigned char *put_big_endian(unsigned char *to, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *to++ = (unsigned char)(value >> shift);
    return to;
}

static MDB_val age_key(struct record_key *record, const struct head *head)
{
    record->bytes[0] = KIND_AGE;
    put_big_endian(record->bytes + 1, head->number);
    return (MDB_val){ .mv_size = 9, .mv_data = record->bytes };
}

static MDB_val expiry_key(struct record_key *record, const struct head *head)
{
    record->bytes[0] = KIND_EXPIRY;
    put_big_endian(put_big_endian(record->bytes + 1, (uint64_t)head->expires), head->number);
    return (MDB_val){ .mv_size = 17, .mv_data = record->bytes };
}

static uint64_t record_cost(size_t key, size_t value)
{
    if (NODE_OVERHEAD + key + value > NODE_MAX)
        return NODE_OVERHEAD + key + 8 + (16 + value + PAGE - 1) / PAGE * PAGE;
    return (NODE_OVERHEAD + key + value) * 4 / 3; /* pages are three quarters full, or so */
}

static uint64_t entry_cost(size_t key_size, const struct entry *entry)
{
    uint64_t cost = record_cost(1 + key_size, sizeof(struct head) + entry->value_size) + record_cost(9, 1 + key_size);

    return entry->head.expires != 0 ? cost + record_cost(17, 1 + key_size) : cost;
}

static bool has_expired(const struct shared_store *store, const struct head *head)
{
    return head->expires != 0 && head->expires <= now_ns(store);
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
    if (has_expired(store, &head))
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
            if (!has_expired(store, &head))
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

/* --- writing: these return LMDB's errors --- */

static const MDB_val books_key = { .mv_size = 1, .mv_data = "" };

static int read_books(struct write *write)
{
    MDB_val key = books_key, value;
    int error = mdb_get(write->txn, write->store->dbi, &key, &value);

    write->books = (struct books){ .format = FORMAT };
    if (error == MDB_NOTFOUND)
        return 0;
    if (error != 0)
        return error;
    if (value.mv_size != sizeof write->books)
        return MDB_VERSION_MISMATCH;
    memcpy(&write->books, value.mv_data, sizeof write->books);
    return write->books.format == FORMAT ? 0 : MDB_VERSION_MISMATCH;
}

static int put(struct write *write, MDB_val key, const void *data, size_t size)
{
    MDB_val value = { .mv_size = size, .mv_data = (void *)data };

    return mdb_put(write->txn, write->store->dbi, &key, &value, 0);
}

static int begin(struct write *write)
{
    struct shared_store *store = write->store;
    int error = mdb_txn_begin(store->env, NULL, 0, &write->txn);

    if (error == MDB_MAP_RESIZED && (error = environment_adopt_size(store)) == 0)
        error = mdb_txn_begin(store->env, NULL, 0, &write->txn);
    if (error != 0)
        write->txn = NULL;
    return error;
}

static int commit(struct write *write)
{
    MDB_txn *txn = write->txn;

    write->txn = NULL;
    return mdb_txn_commit(txn);
}

static void abort_write(struct write *write)
{
    if (write->txn != NULL)
        mdb_txn_abort(write->txn);
    write->txn = NULL;
}

/* MDB_NOTFOUND; an expired one is still there. *value may be NULL. */
static int look_up(const struct write *write, struct store_bytes key, struct entry *entry, struct store_bytes *value)
{
    struct record_key record;
    MDB_val name = entry_key(&record, key), found;
    int error = mdb_get(write->txn, write->store->dbi, &name, &found);

    if (error != 0)
        return error;
    memcpy(&entry->head, found.mv_data, sizeof entry->head);
    entry->value_size = found.mv_size - sizeof entry->head;
    if (value != NULL)
        *value = (struct store_bytes){ .data = (char *)found.mv_data + sizeof entry->head, .size = entry->value_size };
    return 0;
}

static int remove_entry(struct write *write, struct store_bytes key, const struct entry *entry)
{
    struct record_key record;
    MDB_dbi dbi = write->store->dbi;
    uint64_t cost = entry_cost(key.size, entry);
    MDB_val name = entry_key(&record, key);
    int error = mdb_del(write->txn, dbi, &name, NULL);

    if (error == 0) {
        name = age_key(&record, &entry->head);
        error = mdb_del(write->txn, dbi, &name, NULL);
    }
    if (error == 0 && entry->head.expires != 0) {
        name = expiry_key(&record, &entry->head);
        error = mdb_del(write->txn, dbi, &name, NULL);
    }
    write->books.count--;
    write->books.bytes -= cost < write->books.bytes ? cost : write->books.bytes;
    return error;
}

static int put_value(struct write *write, struct store_bytes key, const struct head *head, struct store_bytes value)
{
    struct record_key record;
    MDB_val name = entry_key(&record, key), room = { .mv_size = sizeof *head + value.size };
    int error = mdb_put(write->txn, write->store->dbi, &name, &room, MDB_RESERVE);

    if (error == 0) {
        memcpy(room.mv_data, head, sizeof *head);
        if (value.size > 0)
            memcpy((char *)room.mv_data + sizeof *head, value.data, value.size);
    }
    return error;
}

static int insert_entry(struct write *write, struct store_bytes key, int64_t expires, struct store_bytes value)
{
    struct entry entry = { .head = { .number = ++write->books.number, .expires = expires }, .value_size = value.size };
    struct record_key record;
    int error = put_value(write, key, &entry.head, value);

    if (error == 0)
        error = put(write, age_key(&record, &entry.head), key.data, key.size);
    if (error == 0 && expires != 0)
        error = put(write, expiry_key(&record, &entry.head), key.data, key.size);
    write->books.count++;
    write->books.bytes += entry_cost(key.size, &entry);
    return error;
}

/* The first index record of a kind: a copy of its entry's key. MDB_NOTFOUND: there is none. */
static int first_of(const struct write *write, unsigned char kind, int64_t *expires, struct record_key *entry)
{
    MDB_cursor *cursor;
    MDB_val key = { .mv_size = 1, .mv_data = &kind }, value;
    int error = mdb_cursor_open(write->txn, write->store->dbi, &cursor);

    if (error != 0)
        return error;
    error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (error == 0 && *(unsigned char *)key.mv_data != kind)
        error = MDB_NOTFOUND;
    if (error == 0) {
        *expires = 0;
        for (size_t i = 1; kind == KIND_EXPIRY && i <= 8; i++)
            *expires = (int64_t)((uint64_t)*expires << 8 | ((unsigned char *)key.mv_data)[i]);
        entry->size = value.mv_size;
        memcpy(entry->bytes, value.mv_data, value.mv_size);
    }
    mdb_cursor_close(cursor);
    return error;
}

/* What has expired, then what is oldest, until no more than `most` bytes are left. */
static int evict(struct write *write, uint64_t most)
{
    bool expired_left = true;

    while (write->books.bytes > most) {
        struct record_key found;
        struct entry entry;
        int64_t expires;
        int error = expired_left ? first_of(write, KIND_EXPIRY, &expires, &found) : MDB_NOTFOUND;
        if (error == MDB_NOTFOUND || (error == 0 && expires > write_now(write))) {
            expired_left = false;
            error = first_of(write, KIND_AGE, &expires, &found);
        }
        if (error == MDB_NOTFOUND)
            return 0;
        struct store_bytes key = { .data = found.bytes, .size = found.size };
        if (error == 0)
            error = look_up(write, key, &entry, NULL);
        if (error == 0)
            error = remove_entry(write, key, &entry);
        if (error != 0)
            return error;
    }
    return 0;
}

static int purge_expired(struct write *write)
{
    for (;;) {
        struct record_key found;
        struct entry entry;
        int64_t expires;
        int error = first_of(write, KIND_EXPIRY, &expires, &found);
        if (error == MDB_NOTFOUND || (error == 0 && expires > write_now(write)))
            return 0;
        struct store_bytes key = { .data = found.bytes, .size = found.size };
        if (error == 0)
            error = look_up(write, key, &entry, NULL);
        if (error == 0)
            error = remove_entry(write, key, &entry);
        if (error != 0)
            return error;
    }
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

static int save_books(struct write *write, const struct books *before)
{
    if (memcmp(before, &write->books, sizeof *before) == 0)
        return 0;
    return put(write, books_key, &write->books, sizeof write->books);
}

static int attempt(struct write *write, perform *body, struct operation *operation)
{
    int error = begin(write);

    if (error == 0)
        error = read_books(write);
    struct books before = write->books;
    if (error == 0)
        error = body(write, operation);
    if (error == 0 && operation->result == STORE_DONE) {
        error = save_books(write, &before);
        if (error == 0)
            error = commit(write);
    }
    abort_write(write);
    return error;
}

static int make_room(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    return evict(write, write->books.bytes / 4 * 3);
}

static int empty(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    int error = mdb_drop(write->txn, write->store->dbi, 0);
    uint64_t number = write->books.number;
    write->books = (struct books){ .format = FORMAT, .number = number };
    return error != 0 ? error : put(write, books_key, &write->books, sizeof write->books);
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

/*
 * Overwrites the entry where it is, which costs the fewest pages. Among the younger half it keeps its age, which spares
 * most writes the index of ages; else it is the youngest now, and none that `evict` takes.
 */
static int overwrite(struct write *write, struct operation *operation, const struct entry *before, int64_t expires)
{
    struct store_bytes key = operation->key;
    struct entry after = { .head = { .number = before->head.number, .expires = expires },
                           .value_size = operation->value.size };
    uint64_t cost = entry_cost(key.size, &after), old_cost = entry_cost(key.size, before);
    uint64_t bytes = write->books.bytes - (old_cost < write->books.bytes ? old_cost : write->books.bytes) + cost;
    struct record_key record;
    MDB_val name;
    int error = 0;

    if (write->books.number - before->head.number > write->books.count / 2 || bytes > write->store->size)
        after.head.number = ++write->books.number;
    if (after.head.number != before->head.number) {
        name = age_key(&record, &before->head);
        error = mdb_del(write->txn, write->store->dbi, &name, NULL);
        if (error == 0)
            error = put(write, age_key(&record, &after.head), key.data, key.size);
    }
    if (after.head.number != before->head.number || expires != before->head.expires) {
        if (error == 0 && before->head.expires != 0) {
            name = expiry_key(&record, &before->head);
            error = mdb_del(write->txn, write->store->dbi, &name, NULL);
        }
        if (error == 0 && expires != 0)
            error = put(write, expiry_key(&record, &after.head), key.data, key.size);
    }
    if (error == 0)
        error = put_value(write, key, &after.head, operation->value);
    write->books.bytes = bytes;
    return error != 0 ? error : evict(write, write->store->size);
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
        return overwrite(write, operation, entry, expires);
    int error = evict(write, most - cost);
    return error != 0 ? error : insert_entry(write, operation->key, expires, operation->value);
}

static int set(struct write *write, struct operation *operation)
{
    struct entry entry;
    int error = look_up(write, operation->key, &entry, NULL);

    return error != 0 && error != MDB_NOTFOUND
               ? error
               : replace(write, operation, error == 0 ? &entry : NULL, expiry_of(write, operation->lifetime));
}

static int add(struct write *write, struct operation *operation)
{
    struct entry entry;
    int error = look_up(write, operation->key, &entry, NULL);

    operation->result = STORE_DIFFERENT;
    if (error == 0 && !has_expired(write->store, &entry.head))
        return 0;
    return error != 0 && error != MDB_NOTFOUND
               ? error
               : replace(write, operation, error == 0 ? &entry : NULL, expiry_of(write, operation->lifetime));
}

static int exchange(struct write *write, struct operation *operation)
{
    struct entry entry;
    struct store_bytes value;
    int error = look_up(write, operation->key, &entry, &value);

    operation->result = STORE_ABSENT;
    if (error == MDB_NOTFOUND || (error == 0 && has_expired(write->store, &entry.head)))
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
    int error = look_up(write, operation->key, &entry, &value);

    if (error != 0 && error != MDB_NOTFOUND)
        return error;
    if (error == MDB_NOTFOUND || has_expired(write->store, &entry.head)) {
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
    int error = look_up(write, operation->key, &entry, &operation->value);

    operation->result = STORE_ABSENT;
    if (error != 0)
        return error == MDB_NOTFOUND ? 0 : error;
    if (has_expired(write->store, &entry.head))
        return 0;
    operation->result = STORE_DONE;
    error = copy_value(write->store, &operation->value);
    return error != 0 ? error : remove_entry(write, operation->key, &entry);
}

static int count(struct write *write, struct operation *operation)
{
    operation->result = STORE_DONE;
    int error = purge_expired(write);
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
