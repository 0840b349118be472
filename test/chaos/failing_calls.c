/*
 * Preloaded into the supervisor (LD_PRELOAD): counts what lives from malloc(3), and has calls that ask the machine for
 * something fail with ENOMEM. The file that FAILING_CALLS names is mapped; what the fields of `struct page` mean to
 * a test stands with them. Children have nothing of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct page {
    int64_t calls;  /* that could fail */
    int64_t first;  /* the first that does */
    int64_t after;  /* the first that doesn't any more */
    int64_t failed; /* that did */
    int64_t blocks; /* of malloc that live */
    int64_t bytes;  /* in them, with what malloc rounds up */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static struct page unread, *page = &unread;

__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("FAILING_CALLS"), O_RDWR | O_CLOEXEC);
    struct page *mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    unsetenv("LD_PRELOAD");
    unsetenv("FAILING_CALLS");
    if (fd < 0 || mapped == MAP_FAILED)
        abort();
    close(fd);
    *mapped = unread;
    page = mapped;
}

static int fails(void)
{
    int64_t call = page->calls++;

    if (call < page->first || call >= page->after)
        return 0;
    page->failed++;
    errno = ENOMEM;
    return 1;
}

static void *lives(void *block)
{
    if (block != NULL) {
        page->blocks++;
        page->bytes += (int64_t)malloc_usable_size(block);
    }
    return block;
}

static void dies(void *block)
{
    if (block != NULL) {
        page->blocks--;
        page->bytes -= (int64_t)malloc_usable_size(block);
    }
}

void *malloc(size_t size)
{
    return fails() ? NULL : lives(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : lives(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (fails())
        return NULL;

    size_t before = malloc_usable_size(old);
    void *block = __libc_realloc(old, size);

    if (block == NULL)
        return NULL;
    if (old != NULL) {
        page->blocks--;
        page->bytes -= (int64_t)before;
    }
    return lives(block);
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

void free(void *block)
{
    dies(block);
    __libc_free(block);
}

/* What has no other name in libc: found once, and before anything can fail. */
#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (real == NULL)                                                                                                  \
        *(void **)&real = dlsym(RTLD_NEXT, #name);

int memfd_create(const char *name, unsigned flags)
{
    REAL(memfd_create)
    return fails() ? -1 : real(name, flags);
}

int pipe2(int ends[2], int flags)
{
    REAL(pipe2)
    return fails() ? -1 : real(ends, flags);
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
    REAL(socketpair)
    return fails() ? -1 : real(domain, type, protocol, ends);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    REAL(accept4)
    return fails() ? -1 : real(fd, address, length, flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl)
    return operation == EPOLL_CTL_ADD && fails() ? -1 : real(epoll, operation, fd, event);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    REAL(inotify_add_watch)
    return fails() ? -1 : real(fd, path, mask);
}

/* Returns what others leave in errno. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    REAL(posix_spawn)
    return fails() ? ENOMEM : real(pid, path, actions, attributes, arguments, environment);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap)
    return fails() ? MAP_FAILED : real(where, size, protection, flags, fd, offset);
}

int open(const char *path, int flags, ...)
{
    va_list more;

    REAL(open)
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails() ? -1 : real(path, flags, mode);
}
