// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// SLOAD, SSTORE and their transient siblings.

#include "evm/frame.hpp"

namespace millrace::evm {
namespace {

constexpr std::int64_t cold_slot_gas = 2100;  // EIP-2929
constexpr std::int64_t warm_slot_gas = 100;
constexpr std::int64_t set_gas = 20'000;

/// The prices of net metering: what a write costs that changes nothing (yet), one that changes the
/// original value, and what clearing gives back.
struct NetPrices {
    std::int64_t same;
    std::int64_t reset;
    std::int64_t clear_refund;
};

constexpr NetPrices net_prices(Revision revision) noexcept {
    if (revision >= Revision::london) return {100, 5000 - 2100, 4800};    // EIP-3529
    if (revision >= Revision::berlin) return {100, 5000 - 2100, 15'000};  // EIP-2929
    if (revision >= Revision::istanbul) return {800, 5000, 15'000};       // EIP-2200
    return {200, 5000, 15'000};                                           // EIP-1283
}

struct Charge {
    std::int64_t gas;
    std::int64_t refund;
};

/// EIP-2200's table, which EIP-1283, 2929 and 3529 share.
Charge net_charge(Revision revision, const SlotValues& slot, const U256& value) noexcept {
    const NetPrices prices = net_prices(revision);
    if (slot.current == value) return {prices.same, 0};
    const bool was_zero = slot.original.is_zero();
    if (slot.current == slot.original) {
        if (was_zero) return {set_gas, 0};
        return {prices.reset, value.is_zero() ? prices.clear_refund : 0};
    }
    std::int64_t refund = 0;
    if (!was_zero) {
        if (slot.current.is_zero()) refund -= prices.clear_refund;
        if (value.is_zero()) refund += prices.clear_refund;
    }
    if (value == slot.original) refund += (was_zero ? set_gas : prices.reset) - prices.same;
    return {prices.same, refund};
}

Charge simple_charge(const U256& current, const U256& value) noexcept {
    if (current.is_zero() && !value.is_zero()) return {set_gas, 0};
    return {5000, !current.is_zero() && value.is_zero() ? 15'000 : 0};
}

}  // namespace

Status do_sload(Frame& frame, U256* top) {
    const Address& self = frame.message.recipient;
    if (frame.revision < Revision::berlin) {
        *top = frame.host().storage(self, *top);
        return Status::success;
    }
    const SlotAccess access = frame.host().access_slot(self, *top);
    if (access.before == AccessStatus::cold && !frame.pay(cold_slot_gas - warm_slot_gas))
        return Status::out_of_gas;
    *top = access.values.current;
    return Status::success;
}

Status do_sstore(Frame& frame, U256* top) {
    constexpr std::int64_t stipend = 2300;
    if (frame.message.is_static) return Status::static_violation;
    const Revision revision = frame.revision;
    if (revision >= Revision::istanbul && frame.gas <= stipend) return Status::out_of_gas;
    const Address& self = frame.message.recipient;
    const U256& key = top[0];
    const U256& value = top[-1];
    Host& host = frame.host();
    const SlotAccess access = revision >= Revision::berlin
                                  ? host.access_slot(self, key)
                                  : SlotAccess{AccessStatus::warm, host.slot(self, key)};
    if (access.before == AccessStatus::cold && !frame.pay(cold_slot_gas)) return Status::out_of_gas;
    const SlotValues& slot = access.values;
    const bool is_net = revision == Revision::constantinople || revision >= Revision::istanbul;
    const Charge charge =
        is_net ? net_charge(revision, slot, value) : simple_charge(slot.current, value);
    if (!frame.pay(charge.gas)) return Status::out_of_gas;
    frame.refund += charge.refund;
    if (slot.current != value) host.set_storage(self, key, value);
    return Status::success;
}

Status do_tload(Frame& frame, U256* top) {
    *top = frame.host().transient_storage(frame.message.recipient, *top);
    return Status::success;
}

Status do_tstore(Frame& frame, U256* top) {
    if (frame.message.is_static) return Status::static_violation;
    frame.host().set_transient_storage(frame.message.recipient, top[0], top[-1]);
    return Status::success;
}

}  // namespace millrace::evm
