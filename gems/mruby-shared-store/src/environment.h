/* LMDB's environment of a store: how it is opened in each process. */
#ifndef SHARED_STORE_ENVIRONMENT_H
#define SHARED_STORE_ENVIRONMENT_H

#include <sys/types.h>

#include <lmdb.h>

#include "store.h"

struct shared_store {
    struct shared_store *next; /* of this process */
    unsigned holders;
    char *path;     /* NULL: memory */
    int data, lock; /* memory's descriptors */
    bool owned;     /* ... which end with it */
    uint64_t size;  /* bytes that entries may take */
    MDB_env *env;   /* NULL: not open in this process */
    MDB_dbi dbi;
    MDB_txn *reader; /* reset between reads; NULL before the first one */
    bool reading;    /* it is not */
    void *copy;      /* store_delete's */
    size_t copy_size;
    dev_t device; /* of an open file */
    ino_t inode;
    char error[256];
};

/* 0, or -1 with store->error. */
int environment_open(struct shared_store *store);

/* Remembers what went wrong, in words: -1. */
int environment_failed(struct shared_store *store, const char *what, int error);

/* Another process has made it larger: maps it anew. No transaction may be active. */
int environment_adopt_size(struct shared_store *store);

#endif
