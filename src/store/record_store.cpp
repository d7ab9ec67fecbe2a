// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/record_store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "io/crash_point.hpp"
#include "io/files.hpp"

namespace millrace::store {
namespace {

constexpr int application_id = 0x4d52'4c53;  // "MRLS"
constexpr int format_version = 1;
constexpr int busy_ms_max = 5'000;

struct DatabaseDeleter {
    void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};
struct StatementDeleter {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, DatabaseDeleter>;
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

bool is_table_name(std::string_view name) {
    return !name.empty() && name.size() <= RecordStore::table_name_max &&
           std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }) &&
           !name.starts_with("sqlite_");
}

std::string remedy_for(int code) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return "free space on that disk, then start again";
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
            return "check the owner and mode of the file and its folder";
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return "restore the file from a backup (docs/operations.md, Recovery)";
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "another program uses the file: stop it";
        case SQLITE_IOERR:
            return "check the disk and its free space";
        default:
            return {};
    }
}

Failure failure_of(std::string what, sqlite3* database, const std::string& path) {
    const int code = sqlite3_extended_errcode(database);
    return {std::move(what) + ": " + sqlite3_errmsg(database), path, remedy_for(code)};
}

}  // namespace

struct RecordStore::State {
    std::string path;
    Database database;
    struct TableStatements {
        Statement put;
        Statement erase;
    };
    std::map<std::string, TableStatements> tables;

    [[nodiscard]] Failure failure(std::string what) const {
        return failure_of(std::move(what), database.get(), path);
    }

    Outcome<void> execute(const std::string& sql, const char* what) const {
        if (sqlite3_exec(database.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
            return Err{failure(what)};
        }
        return {};
    }

    Outcome<Statement> prepare(const std::string& sql) const {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v3(database.get(), sql.c_str(), static_cast<int>(sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
            return Err{failure("cannot read the store")};
        }
        return Statement{statement};
    }

    Outcome<std::int64_t> number(const std::string& sql) const {
        MILLRACE_TRY(const Statement statement, prepare(sql));
        if (sqlite3_step(statement.get()) != SQLITE_ROW) {
            return Err{failure("cannot read the store")};
        }
        return sqlite3_column_int64(statement.get(), 0);
    }

    Outcome<std::vector<std::string>> table_names() const {
        MILLRACE_TRY(const Statement statement,
                     prepare("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name"));
        std::vector<std::string> names;
        int code = SQLITE_OK;
        while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
            names.emplace_back(
                reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0)));
        }
        if (code != SQLITE_DONE) return Err{failure("cannot read the store")};
        std::erase_if(names, [](const std::string& name) { return !is_table_name(name); });
        return names;
    }

    Outcome<void> set_up() {
        sqlite3_busy_timeout(database.get(), busy_ms_max);
        MILLRACE_TRY_VOID(execute("PRAGMA journal_mode=WAL", "cannot open the store"));
        MILLRACE_TRY_VOID(execute("PRAGMA synchronous=FULL", "cannot open the store"));
        MILLRACE_TRY(const std::int64_t owner, number("PRAGMA application_id"));
        MILLRACE_TRY(const std::int64_t version, number("PRAGMA user_version"));
        MILLRACE_TRY(const std::int64_t tables_present,
                     number("SELECT count(*) FROM sqlite_schema"));
        if (owner == 0 && version == 0 && tables_present == 0) {
            return execute(
                "BEGIN IMMEDIATE; PRAGMA application_id=" + std::to_string(application_id) +
                    "; PRAGMA user_version=" + std::to_string(format_version) + "; COMMIT",
                "cannot create the store");
        }
        if (owner != application_id) {
            return Err{Failure{"the file is an SQLite database, but not a Millrace store", path,
                               "move it away, or name another folder"}};
        }
        if (version > format_version) {
            return Err{Failure{"the store was written by a newer millrace (format " +
                                   std::to_string(version) + ", this program knows " +
                                   std::to_string(format_version) + ")",
                               path, "use the newer program, or a backup made before the upgrade"}};
        }
        return {};
    }

    Outcome<TableStatements*> statements_of(const std::string& table) {
        if (const auto found = tables.find(table); found != tables.end()) return &found->second;
        MILLRACE_TRY_VOID(execute("CREATE TABLE IF NOT EXISTS " + table +
                                      " (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) "
                                      "WITHOUT ROWID",
                                  "cannot create a table of the store"));
        TableStatements statements;
        MILLRACE_TRY(statements.put,
                     prepare("INSERT INTO " + table +
                             " VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2"));
        MILLRACE_TRY(statements.erase, prepare("DELETE FROM " + table + " WHERE key = ?1"));
        return &tables.emplace(table, std::move(statements)).first->second;
    }

    Outcome<void> apply(const Change& change) {
        MILLRACE_TRY(TableStatements* const statements, statements_of(change.table));
        sqlite3_stmt* statement = change.value ? statements->put.get() : statements->erase.get();
        // An empty vector's data() may be null, which SQLite would take for NULL.
        const auto bind = [&](int position, const Bytes& bytes) {
            return sqlite3_bind_blob64(statement, position,
                                       bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                                       bytes.size(), SQLITE_STATIC);
        };
        int code = bind(1, change.key);
        if (code == SQLITE_OK && change.value) code = bind(2, *change.value);
        if (code == SQLITE_OK) code = sqlite3_step(statement);
        auto problem = code == SQLITE_DONE ? std::nullopt
                                           : std::optional{failure("cannot write to the store")};
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        if (problem) return Err{std::move(*problem)};
        return {};
    }

    Outcome<void> load_into(const std::string& table, std::vector<types::Record>& rows) const {
        MILLRACE_TRY(const Statement statement,
                     prepare("SELECT key, value FROM " + table + " ORDER BY key"));
        const auto column = [&](int index) {
            const auto* data =
                static_cast<const std::uint8_t*>(sqlite3_column_blob(statement.get(), index));
            const auto size =
                static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), index));
            return size == 0 ? Bytes{} : Bytes{data, data + size};
        };
        int code = SQLITE_OK;
        while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
            rows.push_back({.table = table, .key = column(0), .value = column(1)});
        }
        if (code != SQLITE_DONE) return Err{failure("cannot read the store")};
        return {};
    }
};

Outcome<std::unique_ptr<RecordStore>> RecordStore::open(const std::string& path) {
    // SQLite would create it by the umask; its -wal and -shm files copy the mode.
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return Err{io::system_failure("cannot open the store", path, errno)};
    ::close(fd);
    std::unique_ptr<RecordStore> store{new RecordStore};
    store->state_ = std::make_unique<State>();
    store->state_->path = path;
    sqlite3* database = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &database,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    store->state_->database.reset(database);
    if (code != SQLITE_OK) return Err{store->state_->failure("cannot open the store")};
    MILLRACE_TRY_VOID(store->state_->set_up());
    return store;
}

RecordStore::~RecordStore() = default;

Outcome<std::vector<types::Record>> RecordStore::load(const std::string& table) const {
    std::vector<types::Record> rows;
    MILLRACE_TRY(const std::vector<std::string> names, state_->table_names());
    if (std::ranges::find(names, table) == names.end()) return rows;
    MILLRACE_TRY_VOID(state_->load_into(table, rows));
    return rows;
}

Outcome<std::vector<types::Record>> RecordStore::load_all() const {
    std::vector<types::Record> rows;
    MILLRACE_TRY(const std::vector<std::string> names, state_->table_names());
    for (const std::string& table : names) {
        MILLRACE_TRY_VOID(state_->load_into(table, rows));
    }
    return rows;
}

Outcome<std::optional<Bytes>> RecordStore::get(const std::string& table, ByteView key) const {
    MILLRACE_TRY(const std::vector<std::string> names, state_->table_names());
    if (std::ranges::find(names, table) == names.end()) return std::optional<Bytes>{};
    MILLRACE_TRY(const Statement statement,
                 state_->prepare("SELECT value FROM " + table + " WHERE key = ?1"));
    sqlite3_bind_blob64(statement.get(), 1, key.empty() ? "" : static_cast<const void*>(key.data()),
                        key.size(), SQLITE_STATIC);
    const int code = sqlite3_step(statement.get());
    if (code == SQLITE_DONE) return std::optional<Bytes>{};
    if (code != SQLITE_ROW) return Err{state_->failure("cannot read the store")};
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement.get(), 0));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), 0));
    return std::optional{size == 0 ? Bytes{} : Bytes{data, data + size}};
}

Outcome<void> RecordStore::commit(const std::vector<Change>& batch) {
    if (batch.empty()) return {};
    if (batch.size() > changes_max) {
        return Err{Failure{"a batch has too many changes", state_->path, {}}};
    }
    for (const Change& change : batch) {
        if (!is_table_name(change.table)) {
            return Err{Failure{"'" + change.table.substr(0, 80) + "' is no table name",
                               state_->path, "use [a-z_]+"}};
        }
        if (change.key.size() > key_size_max ||
            (change.value && change.value->size() > value_size_max)) {
            return Err{
                Failure{"a row of table " + change.table + " is too large", state_->path, {}}};
        }
    }
    MILLRACE_TRY_VOID(state_->execute("BEGIN IMMEDIATE", "cannot write to the store"));
    Outcome<void> result;
    for (const Change& change : batch) {
        result = state_->apply(change);
        if (!result) break;
    }
    if (result) result = state_->execute("COMMIT", "cannot write to the store");
    if (!result) {
        // Tables made in this transaction vanish with it, and so must their statements.
        state_->tables.clear();
        if (sqlite3_get_autocommit(state_->database.get()) == 0) {
            sqlite3_exec(state_->database.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        }
        return result;
    }
    io::durable_event("record batch");
    return {};
}

Outcome<void> RecordStore::verify() const {
    MILLRACE_TRY(const Statement statement, state_->prepare("PRAGMA integrity_check(1)"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) {
        return Err{state_->failure("cannot check the store")};
    }
    const std::string verdict{
        reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0))};
    if (verdict != "ok") {
        return Err{
            Failure{"the store is damaged: " + verdict, state_->path, remedy_for(SQLITE_CORRUPT)}};
    }
    return {};
}

Outcome<void> RecordStore::backup(const std::string& path) const {
    if (io::file_exists(path)) {
        return Err{Failure{"the file exists already", path, "choose another name"}};
    }
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return Err{io::system_failure("cannot write the backup", path, errno)};
    ::close(fd);
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
    const Database target{raw};
    int code = opened;
    if (code == SQLITE_OK) {
        sqlite3_backup* copy =
            sqlite3_backup_init(target.get(), "main", state_->database.get(), "main");
        if (copy != nullptr) {
            sqlite3_backup_step(copy, -1);
            sqlite3_backup_finish(copy);
        }
        code = sqlite3_errcode(target.get());
    }
    if (code != SQLITE_OK) {
        Failure failure = failure_of("cannot write the backup", target.get(), path);
        ::unlink(path.c_str());
        return Err{std::move(failure)};
    }
    return {};
}

}  // namespace millrace::store
