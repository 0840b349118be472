#include "surge.h"

uint64_t surge_both(const struct surge_memory *memory)
{
    return memory->taken + memory->loaded + memory->workers * memory->worker;
}

bool surge_is_one_by_one(enum config_surge setting, const struct surge_memory *memory)
{
    if (setting != SURGE_AUTO)
        return setting == SURGE_ONE_BY_ONE;
    return memory->budget > 0 && surge_both(memory) > memory->budget;
}

enum surge_action surge_step(const struct surge_facts *facts)
{
    if (facts->new_serving >= facts->wanted)
        return SURGE_DONE;
    if (facts->new_starting > 0)
        return SURGE_WAIT;
    if (facts->new_serving > 0 && facts->old_serving > 0 && facts->new_serving + facts->old_serving > facts->wanted)
        return SURGE_DRAIN;
    return facts->old_leaving > 0 ? SURGE_WAIT : SURGE_ORDER;
}

unsigned surge_old_keeps(unsigned old_wanted, unsigned new_wanted, unsigned new_serving)
{
    unsigned left = new_wanted > new_serving ? new_wanted - new_serving : 0;
    return left < old_wanted ? left : old_wanted;
}
