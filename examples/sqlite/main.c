// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
//   sqlite-csv QUERY.sql TABLE.csv OUT.csv
//
// Runs the query over a CSV file, which it sees as the table `data` (columns as in the first line),
// in memory, and writes what it gives as CSV. SQLite's own reader of CSV (ext/misc/csv.c) reads it.
// A query is one statement of at most 64 KiB. Exit status 1 and a line on stderr for what SQLite
// refuses, 2 for wrong arguments.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

int sqlite3_csv_init(sqlite3* database, char** message, const void* routines);

_Noreturn static void end_with(sqlite3* database, const char* what) {
    fprintf(stderr, "sqlite-csv: %s: %s\n", what,
            database != NULL ? sqlite3_errmsg(database) : "cannot be read or written");
    exit(1);
}

static char* text_of(const char* path) {
    static char text[65537];
    FILE* file = fopen(path, "rb");
    if (file == NULL) end_with(NULL, path);
    const size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    if (size == sizeof text) end_with(NULL, path);
    text[size] = 0;
    return text;
}

static void write_field(FILE* out, const char* text) {
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != 0; ++text) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: sqlite-csv QUERY.sql TABLE.csv OUT.csv\n");
        return 2;
    }
    sqlite3* database = NULL;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK) end_with(database, "open");
    sqlite3_csv_init(database, NULL, NULL);
    char* create = sqlite3_mprintf(
        "CREATE VIRTUAL TABLE temp.data USING csv(filename=%Q, header=yes)", argv[2]);
    if (sqlite3_exec(database, create, NULL, NULL, NULL) != SQLITE_OK) end_with(database, argv[2]);
    sqlite3_free(create);

    sqlite3_stmt* query = NULL;
    if (sqlite3_prepare_v2(database, text_of(argv[1]), -1, &query, NULL) != SQLITE_OK)
        end_with(database, argv[1]);
    FILE* out = fopen(argv[3], "wb");
    if (out == NULL) end_with(NULL, argv[3]);
    const int columns = sqlite3_column_count(query);
    for (int i = 0; i < columns; ++i) {
        write_field(out, sqlite3_column_name(query, i));
        fputc(i + 1 < columns ? ',' : '\n', out);
    }
    int rows = 0;
    int status = SQLITE_OK;
    for (; (status = sqlite3_step(query)) == SQLITE_ROW; ++rows) {
        for (int i = 0; i < columns; ++i) {
            const char* text = (const char*)sqlite3_column_text(query, i);
            write_field(out, text != NULL ? text : "");
            fputc(i + 1 < columns ? ',' : '\n', out);
        }
    }
    if (status != SQLITE_DONE) end_with(database, argv[1]);
    if (fclose(out) != 0) end_with(NULL, argv[3]);
    sqlite3_finalize(query);
    sqlite3_close(database);
    printf("%d rows\n", rows);
    return 0;
}
