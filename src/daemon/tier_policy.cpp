// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "daemon/tier_policy.hpp"

#include <algorithm>

namespace millrace::daemon {

std::optional<Tier> parse_tier(std::string_view text) {
    if (text == "interp") return Tier::interp;
    if (text == "aot") return Tier::aot;
    if (text == "auto") return Tier::automatic;
    return std::nullopt;
}

std::string_view to_text(Tier tier) {
    switch (tier) {
        case Tier::interp:
            return "interp";
        case Tier::aot:
            return "aot";
        case Tier::automatic:
            return "auto";
    }
    return "unknown";
}

TierPolicy::Entry& TierPolicy::entry_of(const Hash32& module) {
    const auto [found, is_new] = entries_.try_emplace(module);
    if (is_new && entries_.size() > modules_max) {
        auto least = entries_.end();
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
            if (entry == found || entry->second.state == State::compiling) continue;
            if (least == entries_.end() || entry->second.fuel < least->second.fuel) least = entry;
        }
        if (least != entries_.end()) entries_.erase(least);
    }
    return found->second;
}

bool TierPolicy::interpreted(const Hash32& module, std::uint64_t module_bytes, Fuel more) {
    if (tier_ == Tier::interp) return false;
    Entry& entry = entry_of(module);
    if (__builtin_add_overflow(entry.fuel, more.value, &entry.fuel)) entry.fuel = ~0ULL;
    if (entry.state != State::cold) return false;
    // Modules have at most 2^32 bytes, and the factor stops where the fuel does.
    const std::uint64_t threshold = std::max(fuel_min, module_bytes * fuel_per_module_byte);
    if (entry.fuel / entry.threshold_factor < threshold) return false;
    entry.state = State::compiling;
    return true;
}

TierPolicy::State TierPolicy::state(const Hash32& module) const {
    const auto found = entries_.find(module);
    return found == entries_.end() ? State::cold : found->second.state;
}

void TierPolicy::set(const Hash32& module, State state) {
    entry_of(module).state = state;
}

void TierPolicy::postpone(const Hash32& module) {
    Entry& entry = entry_of(module);
    entry.state = State::cold;
    if (entry.threshold_factor < (1ULL << 40)) entry.threshold_factor *= 2;
}

}  // namespace millrace::daemon
