// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <limits>
#include <optional>

#include "base/quantity.hpp"
#include "state/key_value.hpp"
#include "state/rows.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

/// A row of the table of changes.
[[nodiscard]] std::vector<ChangedKey> changes_of(ByteView key, ByteView row);

/// What blocks `first` to `last` changed, oldest first; their history is not pruned. False from
/// `body` ends it.
void for_each_change(const KeyValueView& rows, Height first, Height last,
                     const std::function<bool(Height, const ChangedKey&)>& body);

/// What makes of the state after block `head`, at which the tables stand, that after `height`. Of
/// codes nothing: no account loses one that it had then. Null: it would be of more than `count_max`
/// accounts and slots.
[[nodiscard]] std::optional<StateDiff> undoing_diff(
    const KeyValueView& rows, Height height, Height head,
    std::size_t count_max = std::numeric_limits<std::size_t>::max());

}  // namespace millrace::state
