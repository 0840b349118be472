/* What tells one version of a file from another. */
#ifndef COWHERD_FILE_STAMP_H
#define COWHERD_FILE_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

/* The time of change is there for edits that put the others back. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

static inline struct file_stamp file_stamp_of(const struct stat *status)
{
    return (struct file_stamp){
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = status->st_size,
        .modified = status->st_mtim,
        .changed = status->st_ctim,
    };
}

static inline bool file_stamp_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static inline bool file_stamp_matches(const struct file_stamp *stamp, const struct stat *status)
{
    return stamp->device == status->st_dev && stamp->inode == status->st_ino && stamp->size == status->st_size &&
           file_stamp_same_time(&stamp->modified, &status->st_mtim) &&
           file_stamp_same_time(&stamp->changed, &status->st_ctim);
}

#endif
