// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/chain_store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/assert.hpp"
#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "store/chain_database.hpp"
#include "store/chain_settings.hpp"

namespace millrace::store {
namespace {

using state::Table;

/// Batches up to this many rows go into the tables at once, if nothing waits in the journal: 200
/// rows take the caller half a millisecond, and the journal is work beside that of the tables.
constexpr std::size_t direct_rows_max = 256;

// In the order of state::Table.
constexpr std::array<std::string_view, state::table_count> names{"meta",
                                                                 "accounts",
                                                                 "storage",
                                                                 "codes",
                                                                 "nodes",
                                                                 "account_history",
                                                                 "storage_history",
                                                                 "node_history",
                                                                 "changes",
                                                                 "headers",
                                                                 "bodies",
                                                                 "receipts",
                                                                 "block_numbers",
                                                                 "transactions",
                                                                 "pool"};

Outcome<void> write_format(const std::string& folder) {
    return io::atomic_write_file(folder + "/FORMAT",
                                 as_bytes(std::to_string(ChainStore::format) + "\n"));
}

/// The number in the folder's FORMAT file, which is written if the folder is new.
Outcome<std::uint32_t> read_format(const std::string& path) {
    const std::string file = path + "/FORMAT";
    if (!io::file_exists(file)) {
        if (io::file_exists(path + "/CURRENT"))
            return Err{Failure{"this folder holds a database that is not a chain store", path,
                               "give another folder"}};
        MILLRACE_TRY_VOID(write_format(path));
        return ChainStore::format;
    }
    MILLRACE_TRY(std::string digits, io::read_text_file(file, 64));
    while (!digits.empty() && (digits.back() == '\n' || digits.back() == ' '))
        digits.pop_back();
    std::uint32_t format = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, format);
    if (error != std::errc{} || rest != end || format == 0)
        return Err{Failure{"the FORMAT file holds no number", file,
                           "restore the folder from a backup, or start with an empty one"}};
    if (format > ChainStore::format)
        return Err{Failure{"this chain store was written by a newer millrace (format " +
                               std::to_string(format) + ", this program knows " +
                               std::to_string(ChainStore::format) + ")",
                           path, "use the newer program, or a backup made before the upgrade"}};
    return format;
}

}  // namespace

std::string_view table_name(Table table) noexcept {
    return names[static_cast<std::size_t>(table)];
}

Outcome<std::unique_ptr<ChainStore>> ChainStore::open(const std::string& path, Options options) {
    MILLRACE_TRY_VOID(io::make_folder(path, 0700));
    MILLRACE_TRY(const std::uint32_t found, read_format(path));
    MILLRACE_TRY(auto database, ChainDatabase::open(path, options));
    // Only with the folder locked, and before anything is in the journal: an older program does not
    // know of it.
    if (found < format) MILLRACE_TRY_VOID(write_format(path));
    return std::unique_ptr<ChainStore>{new ChainStore{std::move(database), options}};
}

ChainStore::ChainStore(std::shared_ptr<ChainDatabase> database, const Options& options)
    : database_{std::move(database)},
      layers_size_max_{layers_size_max(options.memory_max)},
      direct_rows_max_{options.apply_lazily || options.crash_while_applying ? 0 : direct_rows_max},
      layers_{std::make_unique<LayerQueue>(
          database_,
          LayerQueue::Limits{.bytes_max = layers_size_max_, .lazily = options.apply_lazily})} {}

ChainStore::~ChainStore() = default;

std::optional<Bytes> ChainStore::get(Table table, ByteView key) const {
    return layers_->get(table, key);
}

std::unique_ptr<state::KeyValueView::Cursor> ChainStore::cursor(Table table) const {
    return layers_->snapshot()->cursor(table);
}

std::shared_ptr<const state::KeyValueView> ChainStore::snapshot() const {
    return layers_->snapshot();
}

bool ChainStore::write(state::WriteBatch batch, state::Durability durability) {
    if (!why_.empty()) return false;
    const bool synced = durability == state::Durability::synced;
    auto failed = is_for_the_tables(batch) ? write_tables(batch, synced)
                                           : write_journal(std::move(batch), synced);
    if (failed) {
        why_ = std::move(*failed);
        return false;
    }
    if (synced) io::durable_event("chain-block");
    return true;
}

bool ChainStore::is_for_the_tables(const state::WriteBatch& batch) const {
    if (batch.size() <= direct_rows_max_ && layers_->is_empty()) return true;
    return RowLayer::memory_size_of(batch) > layers_size_max_;
}

std::optional<std::string> ChainStore::write_tables(const state::WriteBatch& batch, bool synced) {
    if (!layers_->settle()) return layers_->failure();
    auto failed = database_->write(batch, synced);
    layers_->base_changed();
    return failed;
}

std::optional<std::string> ChainStore::write_journal(state::WriteBatch batch, bool synced) {
    RowLayerPtr layer = RowLayer::of(std::move(batch));
    if (!layers_->wait_for_room(layer->memory_size())) return layers_->failure();
    if (auto failed = database_->append_journal(journal_next_, *layer, synced)) return failed;
    layers_->push(std::move(layer), journal_next_++);
    return std::nullopt;
}

std::string ChainStore::why() const {
    return why_;
}

bool ChainStore::settle() const {
    return layers_->settle();
}

Outcome<void> ChainStore::verify() const {
    MILLRACE_TRY_VOID(settled());
    return database_->verify();
}

Outcome<void> ChainStore::backup(const std::string& path) const {
    MILLRACE_TRY_VOID(settled());
    MILLRACE_TRY_VOID(database_->backup(path));
    return write_format(path);
}

Outcome<void> ChainStore::settled() const {
    if (layers_->settle()) return {};
    return Err{Failure{*layers_->failure(), {}, {}}};
}

ChainStore::Figures ChainStore::figures() const {
    static_cast<void>(layers_->settle());
    Figures figures = database_->figures();
    figures.memory_bytes += layers_->bytes();
    return figures;
}

}  // namespace millrace::store
