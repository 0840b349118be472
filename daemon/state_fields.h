/*
 * What is carried of each struct, as tables: for state_save.c and state_adopt.c. A member that is added to a struct and
 * must outlive an upgrade has its line here.
 */
#ifndef COWHERD_STATE_FIELDS_H
#define COWHERD_STATE_FIELDS_H

#include "channel.h"
#include "handed.h"
#include "listener.h"
#include "pool.h"
#include "scoreboard.h"
#include "state_text.h"
#include "supervisor.h"

/* What children are told, and tell, in another way is another number. */
static inline int64_t state_children(void)
{
    return (int64_t)(channel_fingerprint() ^ scoreboard_fingerprint() ^ handed_fingerprint());
}

#define STATE_COUNT(fields) (sizeof(fields) / sizeof *(fields))

#define MEMBER_SIGNED(type, member) STATE_FIELD(STATE_SIGNED, #member, struct type, member)
#define MEMBER_UNSIGNED(type, member) STATE_FIELD(STATE_UNSIGNED, #member, struct type, member)
#define MEMBER_STRING(type, member) STATE_FIELD(STATE_STRING, #member, struct type, member)
#define MEMBER_CHARS(type, member) STATE_FIELD(STATE_CHARS, #member, struct type, member)

static const struct state_field supervisor_fields[] = {
    MEMBER_UNSIGNED(supervisor, state),
    MEMBER_SIGNED(supervisor, started_ns),
    MEMBER_UNSIGNED(supervisor, descriptor_limit),
    MEMBER_SIGNED(supervisor, exit_status),
    MEMBER_STRING(supervisor, config_path),
};

static const struct state_field pool_fields[] = {
    MEMBER_UNSIGNED(pool, last_number),
    MEMBER_UNSIGNED(pool, dead.accepted),
    MEMBER_UNSIGNED(pool, dead.completed),
    MEMBER_UNSIGNED(pool, dead.error_answered),
    MEMBER_UNSIGNED(pool, dead.client_gone),
    MEMBER_UNSIGNED(pool, dead.lost),
    MEMBER_UNSIGNED(pool, dead.malformed),
    MEMBER_UNSIGNED(pool, dead.late),
    MEMBER_UNSIGNED(pool, dead.management),
    MEMBER_UNSIGNED(pool, all_busy),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_REQUESTS]),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_AGE]),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_PRIVATE_MEMORY]),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_SYMBOLS]),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_MEMORY_BUDGET]),
    MEMBER_UNSIGNED(pool, recycled[RECYCLE_MEMORY_LIMIT]),
    MEMBER_UNSIGNED(pool, last_recycled.reason),
    MEMBER_SIGNED(pool, last_recycled.pid),
    MEMBER_SIGNED(pool, last_recycled.at_ns),
    MEMBER_CHARS(pool, last_recycled.because),
    MEMBER_STRING(pool, last_error),
    MEMBER_UNSIGNED(pool, last_error_generation),
    MEMBER_UNSIGNED(pool, failures.failures),
    MEMBER_UNSIGNED(pool, killed_for_memory),
    MEMBER_UNSIGNED(pool, fallback.started),
    MEMBER_UNSIGNED(pool, scaled),
    MEMBER_UNSIGNED(pool, stopping),
};

#define MEMORY_FIELDS(type, member)                                                                                    \
    MEMBER_UNSIGNED(type, member.rss), MEMBER_UNSIGNED(type, member.shared),                                           \
        MEMBER_UNSIGNED(type, member.private_bytes), MEMBER_UNSIGNED(type, member.broken),                             \
        MEMBER_UNSIGNED(type, member.page_tables), MEMBER_UNSIGNED(type, member.swap)

static const struct state_field generation_fields[] = {
    MEMBER_UNSIGNED(generation, number),
    MEMBER_UNSIGNED(generation, state),
    MEMBER_SIGNED(generation, mold.pid),
    MEMBER_SIGNED(generation, mold.started_ns),
    MEMBER_UNSIGNED(generation, mold.leaving),
    MEMBER_UNSIGNED(generation, mold.lacks_access_log),
    MEMBER_SIGNED(generation, mold.measured_ns),
    MEMORY_FIELDS(generation, mold.memory),
    MEMBER_UNSIGNED(generation, deaths.failures),
    MEMBER_UNSIGNED(generation, reported_in),
    MEMBER_UNSIGNED(generation, take_backlog),
    MEMBER_UNSIGNED(generation, load_ns),
    MEMBER_UNSIGNED(generation, region_start),
    MEMBER_UNSIGNED(generation, region_bytes),
    MEMBER_UNSIGNED(generation, region_objects),
    MEMBER_UNSIGNED(generation, budget.bytes),
    MEMBER_UNSIGNED(generation, budget.loaded),
    MEMBER_SIGNED(generation, budget.patience_ns),
    MEMBER_UNSIGNED(generation, budget_taken),
    MEMBER_UNSIGNED(generation, budget_told),
    MEMBER_UNSIGNED(generation, loading_app),
    MEMBER_UNSIGNED(generation, out_of_time),
    MEMBER_UNSIGNED(generation, scaler.scaling.wanted),
    MEMBER_UNSIGNED(generation, scaler.scaling.peak),
    MEMBER_UNSIGNED(generation, scaler.estimate),
    MEMBER_SIGNED(generation, orphan_group),
    MEMBER_SIGNED(generation, asked_ns),
    MEMBER_SIGNED(generation, serves_after_ns),
};

static const struct state_field worker_fields[] = {
    MEMBER_UNSIGNED(worker, index),
    MEMBER_UNSIGNED(worker, state),
    MEMBER_SIGNED(worker, pid),
    MEMBER_SIGNED(worker, started_ns),
    MEMBER_SIGNED(worker, ready_after_ns),
    MEMORY_FIELDS(worker, memory),
    MEMBER_SIGNED(worker, measured_ns),
    MEMBER_UNSIGNED(worker, private_at_first),
    MEMBER_UNSIGNED(worker, overdue.sequence),
    MEMBER_SIGNED(worker, overdue.age_ns),
    MEMBER_SIGNED(worker, overdue.looked_ns),
    MEMBER_UNSIGNED(worker, overdue.signals),
    MEMBER_SIGNED(worker, stopped_ns),
    MEMBER_UNSIGNED(worker, stopped_in),
    MEMBER_UNSIGNED(worker, answered_late),
    MEMBER_UNSIGNED(worker, rescued),
    MEMBER_UNSIGNED(worker, killed_for_memory),
    MEMBER_UNSIGNED(worker, start_failed),
    MEMBER_UNSIGNED(worker, limits.requests),
    MEMBER_SIGNED(worker, limits.age_ns),
    MEMBER_UNSIGNED(worker, limits.private_memory),
    MEMBER_UNSIGNED(worker, limits.symbols),
    MEMBER_UNSIGNED(worker, almost_done),
    MEMBER_UNSIGNED(worker, lacks_access_log),
    MEMBER_UNSIGNED(worker, replaced),
};

#endif
