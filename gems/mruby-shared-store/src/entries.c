#include "entries.h"

#include <string.h>
#include <time.h>

#define KIND_BOOKS 0
#define KIND_AGE 'o'
#define KIND_EXPIRY 'x'

/* What LMDB adds to a record, and the size from which on a value has pages for itself. */
#define NODE_OVERHEAD 10
#define NODE_MAX 2030
#define PAGE 4096

/* What lies in a file outlives the machine's boot; what lies in memory doesn't care when the clock is set. */
static int64_t now_ns(const struct shared_store *store)
{
    struct timespec now;

    clock_gettime(store->path != NULL ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t write_now(struct write *write)
{
    if (write->now == 0)
        write->now = now_ns(write->store);
    return write->now;
}

MDB_val entry_key(struct record_key *record, struct store_bytes key)
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

uint64_t entry_cost(size_t key_size, const struct entry *entry)
{
    uint64_t cost = record_cost(1 + key_size, sizeof(struct head) + entry->value_size) + record_cost(9, 1 + key_size);

    return entry->head.expires != 0 ? cost + record_cost(17, 1 + key_size) : cost;
}

bool entry_has_expired(const struct shared_store *store, const struct head *head)
{
    return head->expires != 0 && head->expires <= now_ns(store);
}

static const MDB_val books_key = { .mv_size = 1, .mv_data = "" };

int write_read_books(struct write *write)
{
    MDB_val key = books_key, value;
    int error = mdb_get(write->txn, write->store->dbi, &key, &value);

    write->books = (struct books){ .format = STORE_FORMAT };
    if (error == MDB_NOTFOUND)
        return 0;
    if (error != 0)
        return error;
    if (value.mv_size != sizeof write->books)
        return MDB_VERSION_MISMATCH;
    memcpy(&write->books, value.mv_data, sizeof write->books);
    return write->books.format == STORE_FORMAT ? 0 : MDB_VERSION_MISMATCH;
}

static int put(struct write *write, MDB_val key, const void *data, size_t size)
{
    MDB_val value = { .mv_size = size, .mv_data = (void *)data };

    return mdb_put(write->txn, write->store->dbi, &key, &value, 0);
}

int write_begin(struct write *write)
{
    struct shared_store *store = write->store;
    int error = mdb_txn_begin(store->env, NULL, 0, &write->txn);

    if (error == MDB_MAP_RESIZED && (error = environment_adopt_size(store)) == 0)
        error = mdb_txn_begin(store->env, NULL, 0, &write->txn);
    if (error != 0)
        write->txn = NULL;
    return error;
}

int write_commit(struct write *write)
{
    MDB_txn *txn = write->txn;

    write->txn = NULL;
    return mdb_txn_commit(txn);
}

void write_abort(struct write *write)
{
    if (write->txn != NULL)
        mdb_txn_abort(write->txn);
    write->txn = NULL;
}

int entry_look_up(const struct write *write, struct store_bytes key, struct entry *entry, struct store_bytes *value)
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

int entry_remove(struct write *write, struct store_bytes key, const struct entry *entry)
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

int entry_insert(struct write *write, struct store_bytes key, int64_t expires, struct store_bytes value)
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

static int remove_found(struct write *write, const struct record_key *found)
{
    struct store_bytes key = { .data = found->bytes, .size = found->size };
    struct entry entry;
    int error = entry_look_up(write, key, &entry, NULL);

    return error != 0 ? error : entry_remove(write, key, &entry);
}

int entries_evict(struct write *write, uint64_t most)
{
    bool expired_left = true;

    while (write->books.bytes > most) {
        struct record_key found;
        int64_t expires;
        int error = expired_left ? first_of(write, KIND_EXPIRY, &expires, &found) : MDB_NOTFOUND;
        if (error == MDB_NOTFOUND || (error == 0 && expires > write_now(write))) {
            expired_left = false;
            error = first_of(write, KIND_AGE, &expires, &found);
        }
        if (error == MDB_NOTFOUND)
            return 0;
        if (error == 0)
            error = remove_found(write, &found);
        if (error != 0)
            return error;
    }
    return 0;
}

int entries_purge(struct write *write)
{
    for (;;) {
        struct record_key found;
        int64_t expires;
        int error = first_of(write, KIND_EXPIRY, &expires, &found);
        if (error == MDB_NOTFOUND || (error == 0 && expires > write_now(write)))
            return 0;
        if (error == 0)
            error = remove_found(write, &found);
        if (error != 0)
            return error;
    }
}

int write_save_books(struct write *write, const struct books *before)
{
    if (before != NULL && memcmp(before, &write->books, sizeof *before) == 0)
        return 0;
    return put(write, books_key, &write->books, sizeof write->books);
}

int entry_overwrite(struct write *write, struct store_bytes key, const struct entry *before, int64_t expires,
                    struct store_bytes value)
{
    struct entry after = { .head = { .number = before->head.number, .expires = expires }, .value_size = value.size };
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
        error = put_value(write, key, &after.head, value);
    write->books.bytes = bytes;
    return error != 0 ? error : entries_evict(write, write->store->size);
}
