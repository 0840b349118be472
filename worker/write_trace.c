#include "write_trace.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <mruby/class.h>
#include <mruby/debug.h>
#include <mruby/error.h>
#include <mruby/irep.h>
#include <mruby/presym.h>
#include <mruby/proc.h>
#include <mruby/variable.h>

#include "block_owners.h"
#include "region.h"
#include "xalloc.h"

#define PAGE 4096
/* Each page alone among protected ones splits a mapping in three; a process has 65,530 (vm.max_map_count). */
#define WRITES_MAX 30000
/* The kernel is not asked to write into C data that is smaller. */
#define KERNEL_BUFFER_MIN 512
#define SIGNAL_STACK_SIZE 65536

/* Symbols live as long as the interpreter; code need not. */
struct write {
    uintptr_t address;
    mrb_state *mrb; /* the interpreter that ran; NULL: none did */
    mrb_sym file;
    mrb_sym method;
    int32_t line;
};

struct write_trace {
    mrb_state *const *interpreters;
    size_t interpreter_count;
    struct block_owners *owners;
    struct write *writes; /* room for WRITES_MAX */
    size_t count;
    bool cut;
    uint64_t unwatched;
    struct sigaction before;
    char *signal_stack;
};

/* For the handler. */
static struct write_trace *active;

static int protect(int protection)
{
    return mprotect((void *)region_bounds.start, region_bounds.end - region_bounds.start, protection);
}

/* In the handler: nothing here allocates, or writes to the region. */

/* Calls into Ruby never nest across interpreters: the one that runs has a frame. */
static mrb_state *running_interpreter(void)
{
    for (size_t i = 0; i < active->interpreter_count; i++) {
        mrb_state *mrb = active->interpreters[i];
        if (mrb->c != mrb->root_c || mrb->c->ci != mrb->c->cibase)
            return mrb;
    }
    return NULL;
}

static const mrb_callinfo *innermost_ruby_frame(const mrb_state *mrb)
{
    for (const struct mrb_context *context = mrb->c; context != NULL; context = context->prev)
        for (const mrb_callinfo *ci = context->ci; ci >= context->cibase; ci--)
            if (ci->proc != NULL && !MRB_PROC_CFUNC_P(ci->proc) && !MRB_PROC_ALIAS_P(ci->proc) &&
                ci->proc->body.irep != NULL && ci->pc != NULL)
                return ci;
    return NULL;
}

static mrb_sym file_at(const mrb_irep *irep, uint32_t position)
{
    const mrb_irep_debug_info *info = irep->debug_info;
    mrb_sym file = 0;

    for (uint16_t i = 0; info != NULL && i < info->flen && info->files[i]->start_pos <= position; i++)
        file = info->files[i]->filename_sym;
    return file;
}

static void note_frame(struct write *write)
{
    write->mrb = running_interpreter();

    const mrb_callinfo *ci = write->mrb != NULL ? innermost_ruby_frame(write->mrb) : NULL;
    if (ci == NULL)
        return;
    const mrb_irep *irep = ci->proc->body.irep;
    uint32_t position = ci->pc > irep->iseq ? (uint32_t)(ci->pc - irep->iseq - 1) : 0;
    write->method = ci->mid;
    write->file = file_at(irep, position);
    write->line = mrb_debug_get_line(write->mrb, irep, position);
}

/* One page, or all that is left when there would be too many mappings. */
static bool unprotect(uintptr_t address)
{
    const int writable = PROT_READ | PROT_WRITE;

    if (active->count < WRITES_MAX && mprotect((void *)(address / PAGE * PAGE), PAGE, writable) == 0)
        return true;
    active->cut = true;
    return protect(writable) == 0;
}

/* Not ours: as if we had never been there. A real fault comes again at once. */
static void pass_on(int number, const siginfo_t *info)
{
    sigaction(SIGSEGV, &active->before, NULL);
    if (info->si_code <= 0)
        raise(number);
}

static void handle_fault(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    (void)context;

    if (info->si_code != SEGV_ACCERR || !region_contains(info->si_addr)) {
        pass_on(number, info);
    } else {
        struct write write = { .address = address };
        note_frame(&write);
        if (!unprotect(address))
            pass_on(number, info);
        else if (active->count < WRITES_MAX)
            active->writes[active->count++] = write;
    }
    errno = saved_errno;
}

/* Starting */

static void leave_writable(uintptr_t start, size_t size, void *data)
{
    int *result = data;
    uintptr_t first = start / PAGE * PAGE;
    size_t length = (start + size - first + PAGE - 1) / PAGE * PAGE;

    if (mprotect((void *)first, length, PROT_READ | PROT_WRITE) == -1)
        *result = -1;
    active->unwatched += length;
}

static void *map(size_t size)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return address != MAP_FAILED ? address : NULL;
}

static void stop(void)
{
    int saved_errno = errno;

    protect(PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &active->before, NULL);
    if (active->signal_stack != NULL) {
        sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        munmap(active->signal_stack, SIGNAL_STACK_SIZE);
    }
    if (active->writes != NULL)
        munmap(active->writes, WRITES_MAX * sizeof *active->writes);
    block_owners_free(active->owners);
    free(active);
    active = NULL;
    errno = saved_errno;
}

int write_trace_start(mrb_state *const interpreters[], size_t count)
{
    struct sigaction action = { .sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    int result = 0;

    active = xcalloc(1, sizeof *active);
    active->interpreters = interpreters;
    active->interpreter_count = count;
    active->owners = block_owners_new(interpreters, count);
    active->writes = map(WRITES_MAX * sizeof *active->writes);
    active->signal_stack = map(SIGNAL_STACK_SIZE);
    sigaction(SIGSEGV, NULL, &active->before);
    if (active->writes == NULL || active->signal_stack == NULL)
        goto failed;

    /* An overflow of the ordinary stack must not look like a fault within the handler. */
    const stack_t stack = { .ss_sp = active->signal_stack, .ss_size = SIGNAL_STACK_SIZE };
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&stack, NULL) == -1 || sigaction(SIGSEGV, &action, NULL) == -1 || protect(PROT_READ) == -1)
        goto failed;
    block_owners_each_buffer(active->owners, MRB_TT_CDATA, KERNEL_BUFFER_MIN, leave_writable, &result);
    if (result == 0)
        return 0;

failed:
    stop();
    return -1;
}

/* The report */

struct row {
    char *place; /* what all writes of a line have in common: its fields behind BYTES */
    uint64_t bytes;
};

static void put_field(struct strbuf *out, const char *text)
{
    strbuf_puts(out, "\t");
    for (; text != NULL && *text != '\0'; text++) {
        const char byte = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
        strbuf_append(out, &byte, 1);
    }
}

static const char *type_name(enum mrb_vtype type)
{
    switch (type) {
    case MRB_TT_ENV: return "(variables of a closure)";
    case MRB_TT_ICLASS: return "(included module)";
    case MRB_TT_BREAK: return "(break)";
    case MRB_TT_FREE: return "(free slot)";
    default: return "(object without a class)";
    }
}

struct naming {
    struct RBasic *object;
    struct strbuf name;
};

static mrb_value name_class(mrb_state *mrb, void *data)
{
    struct naming *naming = data;
    enum mrb_vtype type = naming->object->tt;
    bool is_class = type == MRB_TT_CLASS || type == MRB_TT_MODULE;
    struct RClass *class = is_class ? (struct RClass *)naming->object : mrb_class(mrb, mrb_obj_value(naming->object));
    const char *name = mrb_class_name(mrb, mrb_class_real(class));

    strbuf_puts(&naming->name, name != NULL ? name : "(anonymous)");
    if (is_class)
        strbuf_puts(&naming->name, type == MRB_TT_CLASS ? " (class)" : " (module)");
    return mrb_nil_value();
}

static mrb_value name_singleton(mrb_state *mrb, void *data)
{
    struct naming *naming = data;
    mrb_value attached = mrb_iv_get(mrb, mrb_obj_value(naming->object), MRB_SYM(__attached__));

    strbuf_puts(&naming->name, "singleton class of ");
    if (mrb_immediate_p(attached))
        return mrb_nil_value();
    naming->object = mrb_basic_ptr(attached);
    return name_class(mrb, naming);
}

static void put_object(struct strbuf *out, mrb_state *mrb, struct RBasic *object)
{
    struct naming naming = { .object = object };
    enum mrb_vtype type = object->tt;
    mrb_bool failed = FALSE;

    if (type == MRB_TT_SCLASS)
        mrb_protect_error(mrb, name_singleton, &naming, &failed);
    else if (type != MRB_TT_ENV && type != MRB_TT_ICLASS && type != MRB_TT_BREAK && type != MRB_TT_FREE &&
             (object->c != NULL || type == MRB_TT_CLASS || type == MRB_TT_MODULE))
        mrb_protect_error(mrb, name_class, &naming, &failed);
    mrb->exc = NULL;
    put_field(out, naming.name.length > 0 ? naming.name.data : type_name(type));
    strbuf_free(&naming.name);
}

static void put_what(struct strbuf *out, const struct owner *owner)
{
    switch (owner->kind) {
    case OWNER_SLOT:
    case OWNER_BUFFER: put_object(out, owner->mrb, owner->object); break;
    case OWNER_SYMBOLS: put_field(out, "(symbol table)"); break;
    case OWNER_GLOBALS: put_field(out, "(global variables)"); break;
    default: put_field(out, "(unknown)"); break;
    }
}

static char *describe(const struct write *write, const struct owner *owner)
{
    struct strbuf place = { 0 };
    char line[16];

    put_what(&place, owner);
    put_field(&place, write->file != 0 ? mrb_sym_name(write->mrb, write->file) : NULL);
    snprintf(line, sizeof line, "%d", write->line > 0 ? (int)write->line : 0);
    put_field(&place, line);
    put_field(&place, write->method != 0 ? mrb_sym_name(write->mrb, write->method) : NULL);
    return strbuf_detach(&place);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->place, ((const struct row *)b)->place);
}

static void put_rows(struct strbuf *out, struct row *rows, size_t count)
{
    if (count > 0)
        qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count;) {
        uint64_t bytes = 0;
        size_t first = i;
        for (; i < count && strcmp(rows[i].place, rows[first].place) == 0; i++)
            bytes += rows[i].bytes;
        strbuf_printf(out, "write\t%llu%s\n", (unsigned long long)bytes, rows[first].place);
    }
    for (size_t i = 0; i < count; i++)
        free(rows[i].place);
}

void write_trace_finish(struct strbuf *out)
{
    struct row *rows = xcalloc(active->count + 1, sizeof *rows);
    uint64_t interpreter = 0;
    size_t count = 0, noted = active->count;

    protect(PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < noted; i++) {
        struct owner owner = block_owners_find(active->owners, active->writes[i].address);
        if (owner.kind == OWNER_INTERPRETER)
            interpreter += PAGE;
        else
            rows[count++] = (struct row){ .place = describe(&active->writes[i], &owner), .bytes = PAGE };
    }
    strbuf_printf(out, "region\t%llu\nunwatched\t%llu\ninterpreter\t%llu\n",
                  (unsigned long long)(region_bounds.end - region_bounds.start), (unsigned long long)active->unwatched,
                  (unsigned long long)interpreter);
    if (active->cut)
        strbuf_puts(out, "cut\n");
    put_rows(out, rows, count);
    free(rows);
    stop();
}
