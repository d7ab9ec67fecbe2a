// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// A plug-in: no library, no system, one function that it asks its host for.
//   clang-19 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o plugin.wasm plugin.c

__attribute__((import_module("host"), import_name("log"))) void host_log(const char* text,
                                                                         int size);

static char text[4096];

/// Where the host puts its text.
__attribute__((export_name("buffer"))) char* buffer(void) {
    return text;
}

/// Makes the first letter of each word large; says how many words there were.
__attribute__((export_name("title"))) int title(int size) {
    int words = 0;
    char before = ' ';
    for (int at = 0; at < size && at < (int)sizeof text; ++at) {
        if (before == ' ' && text[at] != ' ') {
            ++words;
            if (text[at] >= 'a' && text[at] <= 'z') text[at] = (char)(text[at] - 'a' + 'A');
        }
        before = text[at];
    }
    host_log("done", 4);
    return words;
}

/// What a broken plug-in does.
__attribute__((export_name("hang"))) void hang(void) {
    for (volatile int round = 0;; ++round) {
    }
}
