// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// SQLite in memory (examples/sqlite): a table is filled, indexed, joined, grouped, sorted, changed
// and searched, and everything that the queries answer goes into the checksum.
#include "kernel.h"
#include "sqlite3.h"

static void must(int is_so) {
    if (!is_so) __builtin_trap();
}

static void execute(sqlite3* database, const char* text) {
    must(sqlite3_exec(database, text, NULL, NULL, NULL) == SQLITE_OK);
}

static uint64_t query(sqlite3* database, const char* text, uint64_t hash) {
    sqlite3_stmt* statement = NULL;
    must(sqlite3_prepare_v2(database, text, -1, &statement, NULL) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const int columns = sqlite3_column_count(statement);
        for (int i = 0; i < columns; ++i) {
            const unsigned char* field = sqlite3_column_text(statement, i);
            for (; field != NULL && *field != 0; ++field)
                hash = mix_in(hash, *field);
        }
    }
    must(sqlite3_finalize(statement) == SQLITE_OK);
    return hash;
}

static void fill(sqlite3* database, int32_t rows) {
    execute(database,
            "BEGIN; CREATE TABLE sale(id INTEGER PRIMARY KEY, shop INTEGER, item TEXT, price REAL, "
            "day INTEGER);"
            "CREATE TABLE shop(id INTEGER PRIMARY KEY, town TEXT)");
    sqlite3_stmt* insert = NULL;
    must(sqlite3_prepare_v2(database,
                            "INSERT INTO sale(shop, item, price, day) VALUES (?, ?, ?, ?)", -1,
                            &insert, NULL) == SQLITE_OK);
    uint64_t random = 4;
    for (int32_t i = 0; i < rows; ++i) {
        const uint64_t word = next_random(&random);
        char item[24];
        sqlite3_snprintf(sizeof item, item, "item-%05d", (int)(word % 700));
        sqlite3_bind_int(insert, 1, (int)(word >> 32 & 63));
        sqlite3_bind_text(insert, 2, item, -1, SQLITE_TRANSIENT);
        sqlite3_bind_double(insert, 3, (double)(word >> 40 & 0xffff) / 100);
        sqlite3_bind_int(insert, 4, (int)(word >> 20 & 255));
        must(sqlite3_step(insert) == SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    execute(database,
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 63)"
            "INSERT INTO shop SELECT i, 'town ' || (i % 16) FROM n; COMMIT");
}

EXPORT int64_t run(int32_t size) {
    sqlite3* database = NULL;
    must(sqlite3_open(":memory:", &database) == SQLITE_OK);
    fill(database, size * 100);
    execute(database, "CREATE INDEX by_item ON sale(item, day)");
    uint64_t hash = hash_start;
    hash = query(database,
                 "SELECT town, count(*), round(sum(price), 2), max(item) FROM sale JOIN shop ON "
                 "shop.id = sale.shop "
                 "GROUP BY town ORDER BY sum(price) DESC",
                 hash);
    hash = query(database, "SELECT item, day, price FROM sale ORDER BY price DESC, id LIMIT 200",
                 hash);
    hash = query(
        database,
        "SELECT a.item, count(*) FROM sale a JOIN sale b ON a.item = b.item AND a.day = b.day + 1 "
        "GROUP BY a.item ORDER BY 2 DESC, 1 LIMIT 50",
        hash);
    execute(database,
            "UPDATE sale SET price = price * 1.19 WHERE day % 3 = 0; DELETE FROM sale WHERE day % "
            "7 = 1");
    hash =
        query(database,
              "SELECT count(*), round(avg(price), 6) FROM sale WHERE item LIKE '%7_' OR price < 50",
              hash);
    hash = query(database,
                 "SELECT day, group_concat(item) FROM (SELECT day, item, row_number() OVER "
                 "(PARTITION BY day "
                 "ORDER BY price, id) AS place FROM sale) WHERE place <= 2 GROUP BY day",
                 hash);
    must(sqlite3_close(database) == SQLITE_OK);
    return (int64_t)hash;
}
