#define _GNU_SOURCE

#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A slot in the table of readers for each process: a thousand workers, those before them and those after. */
#define READERS_MAX 4096

/* Of the memfds of a store in memory, which have no name. */
#define MEMORY_NAME "/memory of a shared store"

/* Where the lock that openers take lies in the data: far behind everything. */
#define OPENING_LOCK ((off_t)INT64_MAX - 1)

static struct shared_store *stores;

/* The store whose descriptors stand for MEMORY_NAME; NULL but while one is opened. */
static const struct shared_store *nameless;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* LMDB takes names alone. It is handed copies of the memfds: no name, nothing to clean up, no way out of a chroot. */
int __wrap_open(const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (nameless == NULL || strncmp(path, MEMORY_NAME, sizeof MEMORY_NAME - 1) != 0)
        return __real_open(path, flags, mode);
    return fcntl(path[sizeof MEMORY_NAME - 1] == '\0' ? nameless->data : nameless->lock, F_DUPFD_CLOEXEC, 0);
}

/* In a child: what the parent has open is the parent's, and stays mapped until the end. */
static void forget_all(void)
{
    for (struct shared_store *store = stores; store != NULL; store = store->next) {
        store->env = NULL;
        store->reader = NULL;
        store->reading = false;
    }
}

static struct shared_store *register_store(struct shared_store store, const char *path)
{
    static bool watching;
    struct shared_store *made = malloc(sizeof *made);

    if (!watching && pthread_atfork(NULL, NULL, forget_all) == 0)
        watching = true;
    if (made == NULL || !watching)
        goto failed;
    *made = store;
    made->holders = 1;
    made->size = made->size < STORE_SIZE_MIN ? STORE_SIZE_MIN : made->size;
    if (path != NULL && (made->path = strdup(path)) == NULL)
        goto failed;
    made->next = stores;
    return stores = made;

failed:
    free(made);
    return NULL;
}

struct shared_store *shared_store_of_memory(int data, int lock, int64_t size)
{
    return register_store((struct shared_store){ .data = data, .lock = lock, .size = (uint64_t)size }, NULL);
}

struct shared_store *shared_store_of_file(const char *path, int64_t size)
{
    for (struct shared_store *store = stores; store != NULL; store = store->next) {
        if (store->path != NULL && strcmp(store->path, path) == 0) {
            store_hold(store);
            return store;
        }
    }
    return register_store((struct shared_store){ .data = -1, .lock = -1, .size = (uint64_t)size }, path);
}

struct shared_store *store_of_own_memory(int64_t size)
{
    int data = memfd_create("cowherd-store", MFD_CLOEXEC), lock = memfd_create("cowherd-store", MFD_CLOEXEC);
    struct shared_store *store = data != -1 && lock != -1 ? shared_store_of_memory(data, lock, size) : NULL;

    if (store != NULL) {
        store->owned = true;
        return store;
    }
    int error = errno;
    if (data != -1)
        close(data);
    if (lock != -1)
        close(lock);
    errno = error;
    return NULL;
}

void store_hold(struct shared_store *store)
{
    store->holders++;
}

int environment_failed(struct shared_store *store, const char *what, int error)
{
    const char *hint =
        error == MDB_INVALID || error == MDB_CORRUPTED || error == MDB_VERSION_MISMATCH || error == MDB_PAGE_NOTFOUND
            ? "; it can't be repaired: remove it while nobody has it open"
            : "";

    snprintf(store->error, sizeof store->error, "%s: %s: %s%s", store->path != NULL ? store->path : "memory", what,
             mdb_strerror(error), hint);
    return -1;
}

/*
 * Opening and closing at the same time confuses LMDB: whoever comes first or goes last sets up its lock file. Lets go
 * of itself when the descriptor is closed, and when the process dies.
 */
static int lock_opening(const struct shared_store *store, bool lock)
{
    struct flock range = {
        .l_type = lock ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_start = OPENING_LOCK, .l_len = 1
    };
    int fd = store->data;

    if (store->path != NULL) {
        fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd == -1)
            return -1;
    }
    while (fcntl(fd, F_SETLKW, &range) == -1) {
        if (errno == EINTR)
            continue;
        int error = errno;
        if (store->path != NULL)
            close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void unlock_opening(const struct shared_store *store, int fd)
{
    if (store->path != NULL)
        close(fd);
    else
        lock_opening(store, false);
}

/* LMDB must not have a file open twice in a process: closing one of them would undo the locks of the other. */
static int find_twin(struct shared_store *store)
{
    for (const struct shared_store *other = stores; other != NULL; other = other->next) {
        if (other == store || other->env == NULL || other->path == NULL || other->inode != store->inode ||
            other->device != store->device)
            continue;
        snprintf(store->error, sizeof store->error, "%s: it is open in this process as %s already", store->path,
                 other->path);
        return -1;
    }
    return 0;
}

static int identify(struct shared_store *store)
{
    struct stat status;

    if (store->path == NULL)
        return 0;
    if (stat(store->path, &status) == 0) {
        store->device = status.st_dev;
        store->inode = status.st_ino;
        return find_twin(store);
    }
    return errno == ENOENT ? 0 : environment_failed(store, "can't be opened", errno);
}

/*
 * Entries that fill `size` leave pages partly empty, and a commit needs pages before it gives back others. So the map
 * is larger; only what is used of it is memory, or room in the file.
 */
static size_t map_size(const struct shared_store *store)
{
    return ((size_t)store->size * 2 + (1 << 20) + 65535) / 65536 * 65536;
}

/*
 * No sync: a process that dies loses nothing, the pages are the kernel's. No MDB_WRITEMAP: after a SIGKILL in the
 * middle of a commit LMDB can end its next writer by an assertion.
 */
static int open_env(struct shared_store *store, MDB_env *env)
{
    MDB_txn *txn;
    int error = mdb_env_set_mapsize(env, map_size(store));

    if (error == 0)
        error = mdb_env_set_maxreaders(env, READERS_MAX);
    nameless = store->path == NULL ? store : NULL;
    if (error == 0)
        error = mdb_env_open(env, store->path != NULL ? store->path : MEMORY_NAME,
                             MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD, 0600);
    nameless = NULL;
    if (error == 0)
        error = mdb_reader_check(env, NULL);
    if (error == 0)
        error = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (error == 0) {
        error = mdb_dbi_open(txn, NULL, 0, &store->dbi);
        mdb_txn_abort(txn);
    }
    return error;
}

int environment_open(struct shared_store *store)
{
    MDB_env *env;

    if (identify(store) == -1)
        return -1;
    int lock = lock_opening(store, true);
    if (lock == -1)
        return environment_failed(store, "can't be opened", errno);
    int error = mdb_env_create(&env);
    if (error == 0 && (error = open_env(store, env)) != 0)
        mdb_env_close(env);
    unlock_opening(store, lock);
    if (error != 0)
        return environment_failed(store, "can't be opened", error);
    store->env = env;
    return identify(store);
}

const char *shared_store_open(struct shared_store *store)
{
    return store->env != NULL || environment_open(store) == 0 ? NULL : store->error;
}

int environment_adopt_size(struct shared_store *store)
{
    return mdb_env_set_mapsize(store->env, 0);
}

static void close_env(struct shared_store *store)
{
    if (store->env == NULL)
        return;
    int lock = lock_opening(store, true);
    if (store->reader != NULL)
        mdb_txn_abort(store->reader);
    if (store->path != NULL)
        mdb_env_sync(store->env, 1);
    mdb_env_close(store->env);
    store->env = NULL;
    store->reader = NULL;
    store->reading = false;
    if (lock != -1)
        unlock_opening(store, lock);
}

void shared_store_close_all(void)
{
    for (struct shared_store *store = stores; store != NULL; store = store->next)
        close_env(store);
}

void shared_store_release(struct shared_store *store)
{
    struct shared_store **link = &stores;

    if (store == NULL || --store->holders > 0)
        return;
    close_env(store);
    while (*link != store)
        link = &(*link)->next;
    *link = store->next;
    if (store->owned) {
        close(store->data);
        close(store->lock);
    }
    free(store->path);
    free(store->copy);
    free(store);
}
