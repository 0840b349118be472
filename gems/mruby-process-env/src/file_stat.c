/* File::Stat: what stat(2) told of a file, at that time. */
#include "parts.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/string.h>

static const struct mrb_data_type stat_type = { "File::Stat", mrb_free };

static const struct stat *stat_of(mrb_state *mrb, mrb_value self)
{
    const struct stat *status = mrb_data_get_ptr(mrb, self, &stat_type);

    if (status == NULL)
        mrb_raise(mrb, E_TYPE_ERROR, "uninitialized File::Stat");
    return status;
}

static mrb_value stat_keep(mrb_state *mrb, mrb_value self, const struct stat *status)
{
    struct stat *kept = mrb_malloc(mrb, sizeof *kept);

    *kept = *status;
    mrb_free(mrb, DATA_PTR(self));
    mrb_data_init(self, kept, &stat_type);
    return self;
}

static mrb_value stat_new(mrb_state *mrb, const struct stat *status)
{
    struct RClass *class = mrb_class_get_under(mrb, mrb_class_get(mrb, "File"), "Stat");

    return stat_keep(mrb, mrb_obj_value(mrb_data_object_alloc(mrb, class, NULL, &stat_type)), status);
}

static mrb_value stat_initialize(mrb_state *mrb, mrb_value self)
{
    struct stat status;
    mrb_value path;

    mrb_get_args(mrb, "o", &path);
    const char *name = path_of(mrb, path);
    if (stat(name, &status) == -1)
        mrb_sys_fail(mrb, name);
    return stat_keep(mrb, self, &status);
}

static mrb_value stat_initialize_copy(mrb_state *mrb, mrb_value self)
{
    mrb_value original;

    mrb_get_args(mrb, "o", &original);
    return stat_keep(mrb, self, stat_of(mrb, original));
}

static mrb_value file_s_stat(mrb_state *mrb, mrb_value self)
{
    struct stat status;
    mrb_value path;

    (void)self;
    mrb_get_args(mrb, "o", &path);
    const char *name = path_of(mrb, path);
    if (stat(name, &status) == -1)
        mrb_sys_fail(mrb, name);
    return stat_new(mrb, &status);
}

static mrb_value file_s_lstat(mrb_state *mrb, mrb_value self)
{
    struct stat status;
    mrb_value path;

    (void)self;
    mrb_get_args(mrb, "o", &path);
    const char *name = path_of(mrb, path);
    if (lstat(name, &status) == -1)
        mrb_sys_fail(mrb, name);
    return stat_new(mrb, &status);
}

static mrb_value io_stat(mrb_state *mrb, mrb_value self)
{
    struct stat status;

    if (fstat((int)mrb_as_int(mrb, mrb_funcall(mrb, self, "fileno", 0)), &status) == -1)
        mrb_sys_fail(mrb, "fstat");
    return stat_new(mrb, &status);
}

#define NUMBER(name, field)                                                                                            \
    static mrb_value stat_##name(mrb_state *mrb, mrb_value self)                                                       \
    {                                                                                                                  \
        return mrb_int_value(mrb, (mrb_int)stat_of(mrb, self)->field);                                                 \
    }
NUMBER(size, st_size)
NUMBER(mode, st_mode)
NUMBER(uid, st_uid)
NUMBER(gid, st_gid)
NUMBER(ino, st_ino)
NUMBER(dev, st_dev)
NUMBER(rdev, st_rdev)
NUMBER(nlink, st_nlink)
NUMBER(blocks, st_blocks)
NUMBER(blksize, st_blksize)

static mrb_value time_at(mrb_state *mrb, const struct timespec *time)
{
    mrb_value class = mrb_obj_value(mrb_class_get(mrb, "Time"));

    return mrb_funcall(mrb, class, "at", 2, mrb_int_value(mrb, time->tv_sec), mrb_int_value(mrb, time->tv_nsec / 1000));
}

#define TIME(name, field)                                                                                              \
    static mrb_value stat_##name(mrb_state *mrb, mrb_value self)                                                       \
    {                                                                                                                  \
        return time_at(mrb, &stat_of(mrb, self)->field);                                                               \
    }
TIME(atime, st_atim)
TIME(mtime, st_mtim)
TIME(ctime, st_ctim)

#define TEST(name, condition)                                                                                          \
    static mrb_value stat_is_##name(mrb_state *mrb, mrb_value self)                                                    \
    {                                                                                                                  \
        const struct stat *status = stat_of(mrb, self);                                                                \
        return mrb_bool_value(condition);                                                                              \
    }
TEST(file, S_ISREG(status->st_mode))
TEST(directory, S_ISDIR(status->st_mode))
TEST(symlink, S_ISLNK(status->st_mode))
TEST(pipe, S_ISFIFO(status->st_mode))
TEST(socket, S_ISSOCK(status->st_mode))
TEST(blockdev, S_ISBLK(status->st_mode))
TEST(chardev, S_ISCHR(status->st_mode))
TEST(setuid, (status->st_mode & S_ISUID) != 0)
TEST(setgid, (status->st_mode & S_ISGID) != 0)
TEST(sticky, (status->st_mode & S_ISVTX) != 0)
TEST(zero, status->st_size == 0)
TEST(owned, status->st_uid == geteuid())

static mrb_value stat_size_p(mrb_state *mrb, mrb_value self)
{
    mrb_int size = (mrb_int)stat_of(mrb, self)->st_size;

    return size > 0 ? mrb_int_value(mrb, size) : mrb_nil_value();
}

static bool in_group(gid_t group)
{
    gid_t groups[1024];
    int count = getgroups(sizeof groups / sizeof *groups, groups);

    if (group == getegid())
        return true;
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* By the mode, as CRuby does: `right` is 4, 2 or 1. */
static mrb_value allowed(const struct stat *status, mode_t right)
{
    if (geteuid() == 0)
        return mrb_bool_value(right != 1 || (status->st_mode & 0111) != 0);
    if (status->st_uid == geteuid())
        return mrb_bool_value((status->st_mode & right << 6) != 0);
    if (in_group(status->st_gid))
        return mrb_bool_value((status->st_mode & right << 3) != 0);
    return mrb_bool_value((status->st_mode & right) != 0);
}

static mrb_value stat_is_readable(mrb_state *mrb, mrb_value self)
{
    return allowed(stat_of(mrb, self), 4);
}

static mrb_value stat_is_writable(mrb_state *mrb, mrb_value self)
{
    return allowed(stat_of(mrb, self), 2);
}

static mrb_value stat_is_executable(mrb_state *mrb, mrb_value self)
{
    return allowed(stat_of(mrb, self), 1);
}

/* The permissions, when everybody has the right; else nil. */
static mrb_value everybody(mrb_state *mrb, mrb_value self, mode_t right)
{
    mode_t mode = stat_of(mrb, self)->st_mode;

    return (mode & right) != 0 ? mrb_int_value(mrb, mode & 0777) : mrb_nil_value();
}

static mrb_value stat_world_readable(mrb_state *mrb, mrb_value self)
{
    return everybody(mrb, self, S_IROTH);
}

static mrb_value stat_world_writable(mrb_state *mrb, mrb_value self)
{
    return everybody(mrb, self, S_IWOTH);
}

static mrb_value stat_ftype(mrb_state *mrb, mrb_value self)
{
    switch (stat_of(mrb, self)->st_mode & S_IFMT) {
    case S_IFREG: return mrb_str_new_lit(mrb, "file");
    case S_IFDIR: return mrb_str_new_lit(mrb, "directory");
    case S_IFLNK: return mrb_str_new_lit(mrb, "link");
    case S_IFIFO: return mrb_str_new_lit(mrb, "fifo");
    case S_IFSOCK: return mrb_str_new_lit(mrb, "socket");
    case S_IFBLK: return mrb_str_new_lit(mrb, "blockSpecial");
    case S_IFCHR: return mrb_str_new_lit(mrb, "characterSpecial");
    default: return mrb_str_new_lit(mrb, "unknown");
    }
}

void file_stat_define(mrb_state *mrb)
{
    static const struct {
        const char *name;
        mrb_func_t function;
    } methods[] = {
        { "size", stat_size },
        { "mode", stat_mode },
        { "uid", stat_uid },
        { "gid", stat_gid },
        { "ino", stat_ino },
        { "dev", stat_dev },
        { "rdev", stat_rdev },
        { "nlink", stat_nlink },
        { "blocks", stat_blocks },
        { "blksize", stat_blksize },
        { "atime", stat_atime },
        { "mtime", stat_mtime },
        { "ctime", stat_ctime },
        { "file?", stat_is_file },
        { "directory?", stat_is_directory },
        { "symlink?", stat_is_symlink },
        { "pipe?", stat_is_pipe },
        { "socket?", stat_is_socket },
        { "blockdev?", stat_is_blockdev },
        { "chardev?", stat_is_chardev },
        { "setuid?", stat_is_setuid },
        { "setgid?", stat_is_setgid },
        { "sticky?", stat_is_sticky },
        { "zero?", stat_is_zero },
        { "owned?", stat_is_owned },
        { "size?", stat_size_p },
        { "readable?", stat_is_readable },
        { "writable?", stat_is_writable },
        { "executable?", stat_is_executable },
        { "world_readable?", stat_world_readable },
        { "world_writable?", stat_world_writable },
        { "ftype", stat_ftype },
    };
    struct RClass *file = mrb_class_get(mrb, "File");
    struct RClass *class = mrb_define_class_under(mrb, file, "Stat", mrb->object_class);

    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_define_method(mrb, class, "initialize", stat_initialize, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "initialize_copy", stat_initialize_copy, MRB_ARGS_REQ(1));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        mrb_define_method(mrb, class, methods[i].name, methods[i].function, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, file, "stat", file_s_stat, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, file, "lstat", file_s_lstat, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, mrb_class_get(mrb, "IO"), "stat", io_stat, MRB_ARGS_NONE());
}
