#include "scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct slot) % 64 == 0, "a slot fills its cache lines");

static const char *const state_names[] = {
    [SLOT_FREE] = "free", [SLOT_STARTING] = "starting", [SLOT_IDLE] = "idle",
    [SLOT_BUSY] = "busy", [SLOT_DRAINING] = "draining",
};

const char *slot_state_name(uint32_t state)
{
    return state < sizeof state_names / sizeof state_names[0] ? state_names[state] : "?";
}

static size_t board_size(uint32_t slots)
{
    return sizeof(struct scoreboard) + (size_t)slots * sizeof(struct slot);
}

/*
 * The map is preceded by one private page that holds its size: what is in the map itself can be written by a worker,
 * and must not decide what the supervisor unmaps.
 */
static struct scoreboard *map(int fd, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return NULL;
    if (mmap(base + page, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int error = errno;
        munmap(base, page + size);
        errno = error;
        return NULL;
    }
    memcpy(base, &size, sizeof size);
    return (struct scoreboard *)(void *)(base + page);
}

struct scoreboard *scoreboard_create(uint32_t slots, int *fd)
{
    size_t size = board_size(slots);
    int memory = memfd_create("cowherd-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (memory == -1)
        return NULL;

    struct scoreboard *board = NULL;

    /* Sealed in size: a worker that cut the file short would kill whoever reads it with SIGBUS. */
    if (ftruncate(memory, (off_t)size) == 0 &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        board = map(memory, size);
    if (board == NULL) {
        int error = errno;
        close(memory);
        errno = error;
        return NULL;
    }
    atomic_store(&board->slots, slots);
    for (uint32_t i = 0; i < slots; i++)
        scoreboard_clear(&board->slot[i]);
    *fd = memory;
    return board;
}

struct scoreboard *scoreboard_attach(int fd)
{
    struct stat status;

    if (fstat(fd, &status) == -1)
        return NULL;
    if (status.st_size < (off_t)sizeof(struct scoreboard)) {
        errno = EINVAL;
        return NULL;
    }

    struct scoreboard *board = map(fd, (size_t)status.st_size);

    if (board != NULL && board_size(atomic_load(&board->slots)) != (size_t)status.st_size) {
        scoreboard_detach(board);
        errno = EINVAL;
        return NULL;
    }
    return board;
}

void scoreboard_detach(struct scoreboard *board)
{
    if (board == NULL)
        return;

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *base = (char *)board - page;
    size_t size;

    memcpy(&size, base, sizeof size);
    munmap(base, page + size);
}

void scoreboard_clear(struct slot *slot)
{
    /* Nobody else writes: the worker is gone. */
    memset((void *)slot, 0, sizeof *slot);
    atomic_store(&slot->app, SCOREBOARD_NO_APP);
    atomic_store(&slot->request_fd, -1);
}

struct scoreboard *scoreboard_adopt(int fd, uint32_t slots)
{
    struct stat status;

    if (fstat(fd, &status) == -1)
        return NULL;
    if (status.st_size != (off_t)board_size(slots)) {
        errno = EINVAL;
        return NULL;
    }
    return map(fd, board_size(slots));
}

static bool serves(const struct slot *slot)
{
    unsigned state = atomic_load(&slot->state);

    return (state == SLOT_IDLE || state == SLOT_BUSY) && atomic_load_explicit(&slot->drain, memory_order_relaxed) == 0;
}

static bool serves_and_has_room(const struct slot *slot)
{
    return serves(slot) && atomic_load_explicit(&slot->connections, memory_order_relaxed) <
                               atomic_load_explicit(&slot->connections_max, memory_order_relaxed);
}

static bool another_is(const struct scoreboard *board, const struct slot *own, bool (*is)(const struct slot *slot))
{
    for (uint32_t i = 0; board != NULL && i < atomic_load_explicit(&board->slots, memory_order_relaxed); i++)
        if (&board->slot[i] != own && is(&board->slot[i]))
            return true;
    return false;
}

bool scoreboard_another_serves(const struct scoreboard *board, const struct slot *own)
{
    return another_is(board, own, serves);
}

bool scoreboard_another_has_room(const struct scoreboard *board, const struct slot *own)
{
    return another_is(board, own, serves_and_has_room);
}

bool scoreboard_others_take(const struct scoreboard *board, const struct slot *own)
{
    return scoreboard_another_serves(board, own) ||
           (board != NULL && atomic_load(&own->drain) != 0 && atomic_load(&board->last) == 0);
}

uint64_t scoreboard_fingerprint(void)
{
    const size_t layout[] = {
        sizeof(struct slot),
        offsetof(struct slot, state),
        offsetof(struct slot, request_id),
        offsetof(struct slot, connections),
        offsetof(struct slot, accepted),
        offsetof(struct slot, management),
        offsetof(struct slot, gc_count),
        offsetof(struct slot, out_of_memory),
        offsetof(struct slot, request),
        offsetof(struct scoreboard, last),
        offsetof(struct scoreboard, slot),
    };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof layout / sizeof layout[0]; i++)
        hash = (hash ^ layout[i]) * UINT64_C(0x100000001b3);
    return hash;
}
