// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <vector>

#include "state/key_value.hpp"
#include "store/row_layer.hpp"

// Private to store/.
namespace millrace::store {

/// Layers over a base, newest first. What a newer one says about a key hides what older ones and
/// the base say.
struct LayersOver {
    std::vector<RowLayerPtr> layers;
    std::shared_ptr<const state::KeyValueView> base;

    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const;
    /// Walks all of them as one table. It keeps what it walks over.
    [[nodiscard]] std::unique_ptr<state::KeyValueView::Cursor> cursor(state::Table table) const;
};

}  // namespace millrace::store
